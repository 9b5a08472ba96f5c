#include "recurrent.h"

#include <algorithm>

#include "isa.h"
#include "kernels.h"
#include "memory.h"
#include "pool.h"

namespace retrograd {
namespace {

constexpr int64_t kShared = 1 << 16;  // multiply-adds of a step from which it is worth to wake other threads

struct Step {
    int64_t start, count;  // of its elements
    int64_t earlier;       // where the elements of the step computed before it start,
    int64_t going_on;      // of which the first so many go on: the other sequences begin here
};

// The steps in the order in which they are computed.
std::vector<Step> steps_of(const Sequences &s) {
    std::vector<Step> steps;
    int64_t start = 0;
    for (int64_t size : s.sizes) {
        steps.push_back({start, size, 0, 0});
        start += size;
    }
    if (s.reverse) std::reverse(steps.begin(), steps.end());
    for (size_t i = 1; i < steps.size(); i++) {
        steps[i].earlier = steps[i - 1].start;
        steps[i].going_on = std::min(steps[i].count, steps[i - 1].count);
    }
    return steps;
}

// Products of some rows, each anywhere in memory, with a packed matrix of some blocks of `lanes` columns.
template <class T> class Products {
  public:
    // blocks * depth * lanes elements, filled by `pack(block, to)`.
    template <class Pack> Products(int64_t blocks, int64_t depth, Pack pack) : depth_(depth), packed_(blocks * depth * lanes()) {
        parallel(blocks, [&](int64_t block) { pack(block, packed_.get() + block * depth_ * lanes()); });
    }
    static int64_t lanes() { return kernels().of<T>().tile_lanes; }
    static int64_t rows() { return kernels().of<T>().tile_rows; }
    // Elements of scratch for `gather`.
    int64_t scratch() const { return depth_ * rows(); }

    // Rows `row(r)`, r < count <= rows(), as `multiply` reads them: where they are, or side by side in `to`.
    struct Rows {
        const T *data;
        int64_t row, step;
    };
    template <class Row> Rows gather(int count, Row row, T *to) const {
        const T *first = row(0);
        const int64_t stride = count > 1 ? row(1) - first : depth_;
        bool even = true;
        for (int r = 2; r < count; r++) even = even && row(r) == first + r * stride;
        // Rows that would drive each other out of the first cache are copied, as those at odd distances.
        if (even && stride * static_cast<int64_t>(sizeof(T)) % 4096 != 0) return {first, stride, 1};
        const int64_t step = rows();
        if (even) kernels().of<T>().transpose(first, stride, count, depth_, to, step);
        else
            for (int r = 0; r < count; r++) kernels().of<T>().transpose(row(r), depth_, 1, depth_, to + r, step);
        return {to, 1, step};
    }
    void multiply(const Rows &rows, int count, int64_t block, int width, const T *bias, T *out, int64_t stride) const {
        kernels().of<T>().product({rows.data, packed_.get() + block * depth_ * lanes(), bias, out, stride, depth_, count,
                                   width, false, rows.row, rows.step});
    }

  private:
    int64_t depth_;
    Scratch<T> packed_;
};

// w (gates * n, n): block `gates * b + q` has units from b * lanes on of gate q; to be multiplied with states.
template <class T> Products<T> from_states(const Array &w, int64_t gates, int64_t n) {
    const int64_t lanes = Products<T>::lanes();
    return Products<T>((n + lanes - 1) / lanes * gates, n, [&](int64_t block, T *to) {
        const int64_t first = block / gates * lanes, count = std::min(lanes, n - first);
        const T *from = w.as<T>() + (block % gates * n + first) * n;
        if (count < lanes) std::fill_n(to, n * lanes, T(0));
        kernels().of<T>().transpose(from, n, count, n, to, lanes);
    });
}

// The same matrix by blocks of units, to be multiplied with gradients of gates.
template <class T> Products<T> from_gates(const Array &w, int64_t gates, int64_t n) {
    const int64_t lanes = Products<T>::lanes();
    return Products<T>((n + lanes - 1) / lanes, gates * n, [&](int64_t block, T *to) {
        const int64_t first = block * lanes;
        kernels().of<T>().pack_runs(w.as<T>() + first, n, std::min(lanes, n - first), gates * n,
                                    static_cast<int>(lanes), to, 0);
    });
}

// Calls body(first row, rows, block, slot) for all tiles of `count` rows and blocks of n units.
template <class T, class Body> void each_tile(int64_t count, int64_t n, int slots, int64_t work, const Body &body) {
    const int64_t most = Products<T>::rows(), lanes = Products<T>::lanes();
    const int64_t tiles = (count + most - 1) / most, blocks = (n + lanes - 1) / lanes;
    const int64_t rows = tiles ? (count + tiles - 1) / tiles : most;  // of nearly one size
    const Alone alone(count * work < kShared);
    parallel(tiles * blocks, slots, [&](int64_t task, int slot) {
        const int64_t r = task % tiles * rows;
        body(r, static_cast<int>(std::min(rows, count - r)), task / tiles, slot);
    });
}

// All steps forward. cell(product of the tile's row, step and row, units from `first` on, how many).
template <class T, class Cell>
void forward(const T *h0, const T *h, const Array &w, const T *bias, int64_t gates, int64_t n, const Sequences &s,
             const Cell &cell) {
    const Products<T> products = from_states<T>(w, gates, n);
    const int64_t lanes = Products<T>::lanes(), rows = Products<T>::rows(), step = gates * lanes;
    const int slots = num_threads();
    const int64_t each = products.scratch() + rows * step;
    Scratch<T> scratch(slots * each);
    for (const Step &at : steps_of(s))
        each_tile<T>(at.count, n, slots, gates * n * n, [&](int64_t r0, int count, int64_t block, int slot) {
            T *gathered = scratch.get() + slot * each, *made = gathered + products.scratch();
            const auto states = products.gather(count, [&](int r) {
                return r0 + r < at.going_on ? h + (at.earlier + r0 + r) * n : h0 + (r0 + r) * n;
            }, gathered);
            const int64_t first = block * lanes;
            const int width = static_cast<int>(std::min(lanes, n - first));
            for (int64_t q = 0; q < gates; q++)
                products.multiply(states, count, block * gates + q, width, bias ? bias + q * n + first : nullptr,
                                  made + q * lanes, step);
            for (int r = 0; r < count; r++) cell(made + r * step, lanes, at, r0 + r, first, width);
        });
}

// All steps backward: `slopes(gradient of h, step, row, whether the step after has it, units from `first` on, how many)`
// writes the gradients of the gates, d (elements, gates * n). carry: what it gives the step before beside them, or null.
template <class T, class Slopes>
void backward(const T *g_h, const T *d, const Array &w, int64_t gates, int64_t n, const Sequences &s, const T *carry,
              T *dh0, const Slopes &slopes) {
    const Products<T> products = from_gates<T>(w, gates, n);
    const int64_t lanes = Products<T>::lanes(), rows = Products<T>::rows();
    const int slots = num_threads();
    const int64_t each = products.scratch() + rows * lanes;
    Scratch<T> scratch(slots * each);
    const std::vector<Step> steps = steps_of(s);
    const int64_t all = s.sizes.empty() ? 0 : s.sizes[0];
    std::vector<int64_t> last(all);  // the element of each sequence that the walk met last
    int64_t met = 0;
    const auto made_by = [&](int64_t r0, int count, int64_t block, int slot, bool plus) {
        T *gathered = scratch.get() + slot * each, *made = gathered + products.scratch();
        const auto slopes_after = products.gather(count, [&](int r) { return d + last[r0 + r] * gates * n; }, gathered);
        const int64_t first = block * lanes;
        const int width = static_cast<int>(std::min(lanes, n - first));
        products.multiply(slopes_after, count, block, width, nullptr, made, lanes);
        if (plus && carry)
            for (int r = 0; r < count; r++) kernels().of<T>().add_scaled(carry + (r0 + r) * n + first, T(1), made + r * lanes, width);
        return made;
    };
    for (size_t i = steps.size(); i-- > 0;) {
        const Step &at = steps[i];
        const int64_t known = std::min(met, at.count);  // of which the step after gave gradients
        each_tile<T>(at.count, n, slots, gates * n * n, [&](int64_t r0, int count, int64_t block, int slot) {
            const int64_t first = block * lanes;
            const int width = static_cast<int>(std::min(lanes, n - first));
            const int seen = static_cast<int>(std::clamp<int64_t>(known - r0, 0, count));
            T *made = scratch.get() + slot * each + products.scratch();
            if (seen) made_by(r0, seen, block, slot, true);
            for (int r = 0; r < count; r++) {
                T *g = made + r * lanes;
                if (r >= seen) std::fill_n(g, width, T(0));
                if (g_h) kernels().of<T>().add_scaled(g_h + (at.start + r0 + r) * n + first, T(1), g, width);
                slopes(g, at, r0 + r, r < seen, first, width);
            }
        });
        for (int64_t r = 0; r < at.count; r++) last[r] = at.start + r;
        met = std::max(met, at.count);
    }
    each_tile<T>(all, n, slots, gates * n * n, [&](int64_t r0, int count, int64_t block, int slot) {
        const T *made = made_by(r0, count, block, slot, true);
        const int64_t first = block * lanes, width = std::min(lanes, n - first);
        for (int r = 0; r < count; r++) std::copy_n(made + r * lanes, width, dh0 + (r0 + r) * n + first);
    });
}

template <class T> const T *before(const T *states, const T *first_states, const Step &at, int64_t r, int64_t n) {
    return r < at.going_on ? states + (at.earlier + r) * n : first_states + r * n;
}

// --- checks ------------------------------------------------------------------------------------------------------

void expect(const Array &a, const Array &like, int64_t rows, int64_t columns, bool written = false) {
    expect_same_type(a, like);
    expect_shape(a, {rows, columns});
    if (a.size() && ((a.shape[1] > 1 && a.stride[1] != 1) || (a.shape[0] > 1 && a.stride[0] != a.shape[1])))
        refuse(std::string(a.name) + " must be contiguous");
    if (written && !a.writable) refuse(std::string(a.name) + " is read-only");
}

// The number of elements, of states (w's columns) as `n`.
int64_t elements(const Array &w, int64_t gates, const Sequences &s, int64_t &n) {
    if (w.type != 'f' && w.type != 'd') refuse("recurrent kernels take float32 and float64");
    if (w.ndim != 2) refuse("w_hh has shape " + w.shape_text() + ", expected two dimensions");
    n = w.shape[1];
    expect(w, w, gates * n, n);
    int64_t sum = 0;
    for (size_t i = 0; i < s.sizes.size(); i++) {
        if (s.sizes[i] < 1 || s.sizes[i] > INT32_MAX || (i && s.sizes[i] > s.sizes[i - 1]))
            refuse("batch_sizes must be positive and not grow");
        sum += s.sizes[i];
    }
    if (s.sizes.empty()) refuse("batch_sizes is empty");
    return sum;
}

template <class Body> void by_type(const Array &a, const Body &body) { a.type == 'f' ? body(float{}) : body(double{}); }

}  // namespace

void lstm_forward(const Array &x, const Array &h0, const Array &c0, const Array &w, const Sequences &s, const Array &h,
                  const Array &c, const Array &gates) {
    int64_t n;
    const int64_t count = elements(w, 4, s, n);
    expect(x, w, count, 4 * n);
    for (const Array *a : {&h0, &c0}) expect(*a, w, s.sizes[0], n);
    for (const Array *a : {&h, &c}) expect(*a, w, count, n, true);
    expect(gates, w, count, 4 * n, true);
    by_type(w, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(h0.as<T>(), h.as<T>(), w, nullptr, 4, n, s,
                   [&](const T *made, int64_t step, const Step &at, int64_t r, int64_t first, int width) {
            const int64_t e = at.start + r;
            kernels().of<T>().lstm_cell(made, step, x.as<T>() + e * 4 * n + first,
                                        before(c.as<T>(), c0.as<T>(), at, r, n) + first, n, width,
                                        gates.as<T>() + e * 4 * n + first, c.as<T>() + e * n + first,
                                        h.as<T>() + e * n + first);
        });
    });
}

void lstm_backward(const Array *g_h, const Array *g_c, const Array &c, const Array &gates, const Array &c0,
                   const Array &w, const Sequences &s, const Array &dx, const Array &dh0, const Array &dc0) {
    int64_t n;
    const int64_t count = elements(w, 4, s, n);
    for (const Array *a : {g_h, g_c, &c})
        if (a) expect(*a, w, count, n);
    expect(gates, w, count, 4 * n);
    expect(c0, w, s.sizes[0], n);
    expect(dx, w, count, 4 * n, true);
    for (const Array *a : {&dh0, &dc0}) expect(*a, w, s.sizes[0], n, true);
    by_type(w, [&](auto zero) {
        using T = decltype(zero);
        backward<T>(g_h ? g_h->as<T>() : nullptr, dx.as<T>(), w, 4, n, s, nullptr, dh0.as<T>(),
                    [&](const T *g, const Step &at, int64_t r, bool known, int64_t first, int width) {
            const int64_t e = at.start + r;
            T *dc = dc0.as<T>() + r * n + first;
            if (!known) std::fill_n(dc, width, T(0));
            kernels().of<T>().lstm_slopes(g, g_c ? g_c->as<T>() + e * n + first : nullptr,
                                          gates.as<T>() + e * 4 * n + first, c.as<T>() + e * n + first,
                                          before(c.as<T>(), c0.as<T>(), at, r, n) + first, n, width, dc,
                                          dx.as<T>() + e * 4 * n + first);
        });
    });
}

void gru_forward(const Array &x, const Array &h0, const Array &w, const Array *bias, const Sequences &s, const Array &h,
                 const Array &gates) {
    int64_t n;
    const int64_t count = elements(w, 3, s, n);
    expect(x, w, count, 3 * n);
    expect(h0, w, s.sizes[0], n);
    expect(h, w, count, n, true);
    expect(gates, w, count, 4 * n, true);
    if (bias) {
        expect_same_type(*bias, w);
        expect_shape(*bias, {3 * n});
        if (bias->shape[0] > 1 && bias->stride[0] != 1) refuse("b_hh must be contiguous");
    }
    by_type(w, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(h0.as<T>(), h.as<T>(), w, bias ? bias->as<T>() : nullptr, 3, n, s,
                   [&](const T *made, int64_t step, const Step &at, int64_t r, int64_t first, int width) {
            const int64_t e = at.start + r;
            kernels().of<T>().gru_cell(made, step, x.as<T>() + e * 3 * n + first,
                                       before(h.as<T>(), h0.as<T>(), at, r, n) + first, n, width,
                                       gates.as<T>() + e * 4 * n + first, h.as<T>() + e * n + first);
        });
    });
}

void gru_backward(const Array &g_h, const Array &h, const Array &gates, const Array &h0, const Array &w,
                  const Sequences &s, const Array &dx, const Array &inner, const Array &dh0) {
    int64_t n;
    const int64_t count = elements(w, 3, s, n);
    for (const Array *a : {&g_h, &h}) expect(*a, w, count, n);
    expect(gates, w, count, 4 * n);
    expect(h0, w, s.sizes[0], n);
    for (const Array *a : {&dx, &inner}) expect(*a, w, count, 3 * n, true);
    expect(dh0, w, s.sizes[0], n, true);
    by_type(w, [&](auto zero) {
        using T = decltype(zero);
        T *carry = dh0.as<T>();
        backward<T>(g_h.as<T>(), inner.as<T>(), w, 3, n, s, carry, dh0.as<T>(),
                    [&](const T *g, const Step &at, int64_t r, bool, int64_t first, int width) {
            const int64_t e = at.start + r;
            kernels().of<T>().gru_slopes(g, gates.as<T>() + e * 4 * n + first,
                                         before(h.as<T>(), h0.as<T>(), at, r, n) + first, n, width,
                                         carry + r * n + first, dx.as<T>() + e * 3 * n + first,
                                         inner.as<T>() + e * 3 * n + first);
        });
    });
}

void rnn_forward(const Array &x, const Array &h0, const Array &w, const Sequences &s, bool relu, const Array &h) {
    int64_t n;
    const int64_t count = elements(w, 1, s, n);
    expect(x, w, count, n);
    expect(h0, w, s.sizes[0], n);
    expect(h, w, count, n, true);
    by_type(w, [&](auto zero) {
        using T = decltype(zero);
        forward<T>(h0.as<T>(), h.as<T>(), w, nullptr, 1, n, s,
                   [&](const T *made, int64_t, const Step &at, int64_t r, int64_t first, int width) {
            const int64_t at_unit = (at.start + r) * n + first;
            kernels().of<T>().rnn_cell(made, x.as<T>() + at_unit, width, relu, h.as<T>() + at_unit);
        });
    });
}

void rnn_backward(const Array &g_h, const Array &h, const Array &w, const Sequences &s, bool relu, const Array &dx,
                  const Array &dh0) {
    int64_t n;
    const int64_t count = elements(w, 1, s, n);
    for (const Array *a : {&g_h, &h}) expect(*a, w, count, n);
    expect(dx, w, count, n, true);
    expect(dh0, w, s.sizes[0], n, true);
    by_type(w, [&](auto zero) {
        using T = decltype(zero);
        backward<T>(g_h.as<T>(), dx.as<T>(), w, 1, n, s, nullptr, dh0.as<T>(),
                    [&](const T *g, const Step &at, int64_t r, bool, int64_t first, int width) {
            const int64_t at_unit = (at.start + r) * n + first;
            kernels().of<T>().rnn_slopes(g, h.as<T>() + at_unit, width, relu, dx.as<T>() + at_unit);
        });
    });
}

}  // namespace retrograd
