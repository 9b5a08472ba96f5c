// Order, products and running sums and products along the last axis of contiguous arrays: kernels of the rows in ops/sorting.py and ops/scan.py.
#include "numpy_api.h"

#include "row_kernels.h"

#include <algorithm>
#include <cstring>

#include "memory.h"

namespace retrograd {
namespace {

struct Lanes {
    int64_t count, length;
};

// Whether an argument and an axis are those of lanes that lie one after the other in memory.
bool lanes(PyObject *object, PyObject *axis, Array &x, Lanes &to) {
    if (!floats(object, "x", x) || !PyLong_Check(axis) || x.ndim == 0 || PyLong_AsLong(axis) != x.ndim - 1 ||
        x.size() == 0 || !PyArray_IS_C_CONTIGUOUS(reinterpret_cast<PyArrayObject *>(object)))
        return false;
    to.length = x.shape[x.ndim - 1];
    to.count = x.size() / to.length;
    return to.length <= 0xffffffff;
}

// Calls body(first lane, lane after the last one, slot) for parts of the lanes.
template <class Body> void in_parts(const Lanes &l, int slots, const Body &body) {
    const int64_t each = std::max<int64_t>(4, 4096 / l.length);
    parallel((l.count + each - 1) / each, slots, [&](int64_t task, int slot) {
        body(task * each, std::min(l.count, (task + 1) * each), slot);
    });
}

// --- order -------------------------------------------------------------------------------------------------------

template <class T> struct KeyOf;
template <> struct KeyOf<float> { using type = uint32_t; };
template <> struct KeyOf<double> { using type = uint64_t; };

template <class T> struct Entry {
    typename KeyOf<T>::type key;
    uint32_t index;
};

// A whole number that is less than another's where v comes first: NaN is the largest number, -0 and 0 are equal.
template <class T> typename KeyOf<T>::type key_of(T v, bool descending) {
    using Key = typename KeyOf<T>::type;
    constexpr Key sign = Key(1) << (8 * sizeof(Key) - 1);
    Key key = ~Key(0);
    if (v == v) {
        if (v == 0) v = 0;
        std::memcpy(&key, &v, sizeof key);
        key = key & sign ? ~key : key | sign;
    }
    return descending ? ~key : key;
}

// Sorts by key and keeps the order of equal ones; gives where the result is, `entries` or `spare`.
template <class T> Entry<T> *sort_entries(Entry<T> *entries, Entry<T> *spare, int64_t n) {
    constexpr int passes = sizeof(entries->key);
    if (n <= 64) {
        for (int64_t i = 1; i < n; i++) {
            const Entry<T> e = entries[i];
            int64_t to = i;
            for (; to > 0 && entries[to - 1].key > e.key; to--) entries[to] = entries[to - 1];
            entries[to] = e;
        }
        return entries;
    }
    uint32_t counts[passes][256] = {};  // by digits, the lowest first
    for (int64_t i = 0; i < n; i++)
        for (int p = 0; p < passes; p++) counts[p][entries[i].key >> 8 * p & 255]++;
    for (int p = 0; p < passes; p++) {
        uint32_t *count = counts[p], start = 0;
        if (count[entries[0].key >> 8 * p & 255] == n) continue;  // all alike
        for (int d = 0; d < 256; d++) {
            const uint32_t here = count[d];
            count[d] = start;
            start += here;
        }
        for (int64_t i = 0; i < n; i++) spare[count[entries[i].key >> 8 * p & 255]++] = entries[i];
        std::swap(entries, spare);
    }
    return entries;
}

template <class T> void give(const T *x, const Entry<T> *entries, int64_t n, T *values, int64_t *indices) {
    for (int64_t i = 0; i < n; i++) {
        values[i] = x[entries[i].index];
        indices[i] = entries[i].index;
    }
}

template <class T> void sort_lanes(const Array &x, const Lanes &l, bool descending, const Array &values, const Array &indices) {
    const int slots = num_threads();
    const int64_t n = l.length;
    Scratch<Entry<T>> scratch(slots * 2 * n);
    in_parts(l, slots, [&](int64_t first, int64_t end, int slot) {
        Entry<T> *entries = scratch.get() + slot * 2 * n;
        for (int64_t lane = first; lane < end; lane++) {
            const T *from = x.as<T>() + lane * n;
            for (int64_t i = 0; i < n; i++) entries[i] = {key_of(from[i], descending), static_cast<uint32_t>(i)};
            give(from, sort_entries(entries, entries + n, n), n, values.as<T>() + lane * n, indices.as<int64_t>() + lane * n);
        }
    });
}

constexpr int64_t kFew = 64;  // that are kept in order while the others pass by

template <class T>
void topk_lanes(const Array &x, const Lanes &l, int64_t k, bool largest, const Array &values, const Array &indices) {
    const int slots = num_threads();
    const int64_t n = l.length, room = k <= kFew ? kFew : 2 * n;
    Scratch<Entry<T>> scratch(slots * room);
    in_parts(l, slots, [&](int64_t first, int64_t end, int slot) {
        Entry<T> *best = scratch.get() + slot * room;
        for (int64_t lane = first; lane < end; lane++) {
            const T *from = x.as<T>() + lane * n;
            const Entry<T> *found = best;
            if (k <= kFew) {
                int64_t count = 0;
                for (int64_t i = 0; i < n; i++) {
                    const Entry<T> e = {key_of(from[i], largest), static_cast<uint32_t>(i)};
                    if (count == k && !(e.key < best[k - 1].key)) continue;
                    int64_t to = count < k ? count++ : k - 1;
                    for (; to > 0 && best[to - 1].key > e.key; to--) best[to] = best[to - 1];
                    best[to] = e;
                }
            } else {
                for (int64_t i = 0; i < n; i++) best[i] = {key_of(from[i], largest), static_cast<uint32_t>(i)};
                found = sort_entries(best, best + n, n);
            }
            give(from, found, k, values.as<T>() + lane * k, indices.as<int64_t>() + lane * k);
        }
    });
}

// (values, indices) of x's shape, but for `length` elements in each lane
struct Ordered {
    Result values, indices;

    Ordered(PyObject *object, const Array &x, int64_t length) {
        int64_t shape[kMaxDims];
        std::copy_n(x.shape, x.ndim, shape);
        shape[x.ndim - 1] = length;
        values = Result(object, x.ndim, shape);
        static PyObject *whole = reinterpret_cast<PyObject *>(PyArray_Zeros(0, nullptr, PyArray_DescrFromType(NPY_INT64), 0));
        if (!whole) throw Raised{};
        indices = Result(whole, x.ndim, shape);
    }
    Ref pair() const { return checked(PyTuple_Pack(2, values.array.get(), indices.array.get())); }
};

template <class T, char op, bool reverse> void run_up(const T *x, int64_t count, int64_t n, T *out) {
    constexpr int kTogether = 4;  // lanes, whose numbers don't wait for each other
    constexpr double neutral = op == '*';
    const auto join = [](double &total, T v) { return static_cast<T>(op == '*' ? total *= v : total += v); };
    const int64_t start = reverse ? n - 1 : 0, step = reverse ? -1 : 1;
    for (; count >= kTogether; count -= kTogether, x += kTogether * n, out += kTogether * n) {
        double totals[kTogether] = {neutral, neutral, neutral, neutral};
        for (int64_t i = start, left = n; left > 0; left--, i += step)
            for (int r = 0; r < kTogether; r++) out[r * n + i] = join(totals[r], x[r * n + i]);
    }
    for (; count > 0; count--, x += n, out += n) {
        double total = neutral;
        for (int64_t i = start, left = n; left > 0; left--, i += step) out[i] = join(total, x[i]);
    }
}

template <class T, char op> void run_up_lanes(const Array &x, const Lanes &l, bool reverse, const Array &out) {
    in_parts(l, num_threads(), [&](int64_t first, int64_t end, int) {
        const T *from = x.as<T>() + first * l.length;
        T *to = out.as<T>() + first * l.length;
        if (reverse) run_up<T, op, true>(from, end - first, l.length, to);
        else run_up<T, op, false>(from, end - first, l.length, to);
    });
}

// x, axis, reverse
template <char op> Ref cumulative_row(PyObject *const *args) {
    Array x;
    Lanes l;
    if (!lanes(args[0], args[1], x, l)) return {};
    const bool reverse = truth(args[2]);
    Result out(args[0], x.ndim, x.shape);
    {
        const Running running(x.size() * 2 * kPerElement);
        if (x.type == 'f') run_up_lanes<float, op>(x, l, reverse, out);
        else run_up_lanes<double, op>(x, l, reverse, out);
    }
    return std::move(out.array);
}

template <class T> T product(const T *x, int64_t n) {
    constexpr int kParts = 32;  // products that don't wait for each other
    T parts[kParts];
    std::fill_n(parts, kParts, T(1));
    int64_t i = 0;
    for (; i + kParts <= n; i += kParts)
        for (int k = 0; k < kParts; k++) parts[k] *= x[i + k];
    for (; i < n; i++) parts[i % kParts] *= x[i];
    for (int k = 1; k < kParts; k++) parts[0] *= parts[k];
    return parts[0];
}

template <class T> void products(const Array &x, const Lanes &l, const Array &out) {
    in_parts(l, num_threads(), [&](int64_t first, int64_t end, int) {
        for (int64_t i = first; i < end; i++) out.as<T>()[i] = product(x.as<T>() + i * l.length, l.length);
    });
}

}  // namespace

// x, axis, descending
Ref sort_row(PyObject *const *args) {
    Array x;
    Lanes l;
    if (!lanes(args[0], args[1], x, l)) return {};
    const bool descending = truth(args[2]);
    const Ordered out(args[0], x, l.length);
    {
        const Running running(x.size() * 32 * kPerElement);
        if (x.type == 'f') sort_lanes<float>(x, l, descending, out.values, out.indices);
        else sort_lanes<double>(x, l, descending, out.values, out.indices);
    }
    return out.pair();
}

// x, axis, k, largest
Ref topk_row(PyObject *const *args) {
    Array x;
    Lanes l;
    if (!lanes(args[0], args[1], x, l) || !PyLong_Check(args[2])) return {};
    const long k = PyLong_AsLong(args[2]);
    if (k == -1 && PyErr_Occurred()) throw Raised{};
    if (k < 1 || k > l.length) return {};
    const bool largest = truth(args[3]);
    const Ordered out(args[0], x, k);
    {
        const Running running(x.size() * 4 * kPerElement);
        if (x.type == 'f') topk_lanes<float>(x, l, k, largest, out.values, out.indices);
        else topk_lanes<double>(x, l, k, largest, out.values, out.indices);
    }
    return out.pair();
}

// x, axis, reverse
Ref cumsum_row(PyObject *const *args) { return cumulative_row<'+'>(args); }
Ref cumprod_row(PyObject *const *args) { return cumulative_row<'*'>(args); }

// x, axis, keepdim
Ref prod_row(PyObject *const *args) {
    Array x;
    Lanes l;
    if (!lanes(args[0], args[1], x, l)) return {};
    int64_t shape[kMaxDims];
    std::copy_n(x.shape, x.ndim, shape);
    shape[x.ndim - 1] = 1;
    Result out(args[0], truth(args[2]) ? x.ndim : x.ndim - 1, shape);
    {
        const Running running(x.size() * kPerElement);
        if (x.type == 'f') products<float>(x, l, out);
        else products<double>(x, l, out);
    }
    return std::move(out.array);
}

}  // namespace retrograd
