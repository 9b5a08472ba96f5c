#include "matmul.h"

#include <algorithm>

#include "isa.h"
#include "kernels.h"
#include "layout.h"
#include "memory.h"
#include "pool.h"

namespace retrograd {
namespace {

constexpr int64_t kDepth = 256;      // of one pass: a panel of b then fits the first cache
constexpr int64_t kHeight = 96;      // rows of a that are packed together, for the second cache
constexpr int64_t kWidest = 1 << 20; // elements of b that are packed at a time
constexpr int64_t kDeepest = 1024;   // passes of more are made one after the other where b is wide
constexpr int64_t kPanels = 4;       // that one task packs: what a row of them holds lies together
constexpr int64_t kFewPanels = 2;    // for which packing a takes longer than it saves
constexpr int64_t kLittleDepth = 64; // for which the first cache holds a tile's rows as they lie

int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

// Runs of `step` values of i, `apart` from one to the next: to[run apart + k step + i] = element (run step + i, k) of
// `from`, for count values in all; the rest of the last run is anything but NaN or infinite.
template <class T>
void pack(const TypedKernels<T> &kernel, Matrix<T> from, int64_t count, int64_t depth, int64_t step, T *to, int64_t apart) {
    if (from.rows == 1 || count == 1)
        return kernel.pack_runs(from.data, from.columns, count, depth, static_cast<int>(step), to, apart);
    for (; count > 0; count -= step, from.data += step * from.rows, to += apart) {
        const int64_t used = std::min(count, step);
        if (used < step)
            for (int64_t k = 0; k < depth; k++) std::fill(to + k * step + used, to + (k + 1) * step, T(0));
        if (from.columns == 1) {
            constexpr int64_t line = 64 / sizeof(T);  // of each row at a time, read and written while it is in cache
            for (int64_t k = 0; k < depth; k += line)
                kernel.transpose(from.data + k, from.rows, used, std::min(line, depth - k), to + k * step, step);
        } else {
            for (int64_t k = 0; k < depth; k++)
                for (int64_t i = 0; i < used; i++) to[k * step + i] = from.data[i * from.rows + k * from.columns];
        }
    }
}

// A product whose right operand is packed: panels of tile_lanes columns, one pass of the depth after the other.
template <class T> class Product {
  public:
    Product(int64_t width, int64_t depth) : width_(width), depth_(depth) {}

    int64_t panels() const { return (width_ + kernel_.tile_lanes - 1) / kernel_.tile_lanes; }
    int64_t packed_size() const { return panels() * kernel_.tile_lanes * depth_; }
    // Whether tiles read a from where it is: not if its rows would drive each other out of the first cache.
    bool lies_well(Matrix<T> a) const {
        if (panels() > kFewPanels && depth_ > kLittleDepth) return false;
        return a.rows == 1 || (a.columns == 1 && a.rows * sizeof(T) % 4096 != 0);
    }

    static int64_t block_size(int64_t depth) {
        return round_up(kHeight, kernels().of<T>().tile_rows) * std::min(depth, kDepth);
    }

    Packed<T> packed(const T *data) const { return {data, depth_, width_}; }

    // Panels [first, last) of b.
    void pack_panels(Matrix<T> b, int64_t first, int64_t last, T *packed) const {
        const int64_t lanes = kernel_.tile_lanes;
        for (; first < last; first += kPanels) {
            const int64_t start = first * lanes, count = std::min(width_, std::min(first + kPanels, last) * lanes) - start;
            for (int64_t pass = 0; pass < depth_; pass += kDepth) {
                const int64_t depth = std::min(kDepth, depth_ - pass);
                pack(kernel_, {b.data + pass * b.rows + start * b.columns, b.columns, b.rows}, count, depth, lanes,
                     packed + pass * panels() * lanes + start * depth, lanes * depth);
            }
        }
    }

    // Rows [first, last) of c. block: block_size() elements for the rows of a.
    void rows(int64_t first, int64_t last, Matrix<T> a, Packed<T> b, const T *bias, T *c, int64_t c_stride,
              bool accumulate, T *block) const {
        const int64_t lanes = kernel_.tile_lanes, step = kernel_.tile_rows;
        const bool as_it_lies = lies_well(a);
        if (depth_ == 0 && !accumulate)
            for (int64_t r = first; r < last; r++)
                for (int64_t j = 0; j < width_; j++) c[r * c_stride + j] = bias ? bias[j] : T(0);
        for (; first < last; first += kHeight) {
            const int64_t end = std::min(last, first + kHeight);
            for (int64_t k = 0; k < depth_; k += kDepth) {
                const int64_t depth = std::min(kDepth, depth_ - k);
                if (!as_it_lies)
                    pack(kernel_, {a.data + first * a.rows + k * a.columns, a.rows, a.columns}, end - first, depth, step,
                         block, step * depth);
                const T *panel = b.data + k * round_up(b.width, lanes);
                for (int64_t j = 0; j < width_; j += lanes, panel += lanes * std::min(kDepth, b.depth - k))
                    for (int64_t r = first; r < end; r += step)
                        kernel_.product({as_it_lies ? a.data + r * a.rows + k * a.columns : block + (r - first) * depth, panel,
                                         bias && k == 0 ? bias + j : nullptr, c + r * c_stride + j, c_stride, depth,
                                         static_cast<int>(std::min(step, end - r)),
                                         static_cast<int>(std::min(lanes, width_ - j)), accumulate || k > 0,
                                         as_it_lies ? a.rows : 1, as_it_lies ? a.columns : step});
            }
        }
    }

  private:
    const TypedKernels<T> &kernel_ = kernels().of<T>();
    int64_t width_, depth_;
};

// Calls body(offset in x, offset in y) for the products of a batch, in order.
struct Batch {
    int64_t count = 1;
    const Array &x, &y;

    Batch(const Array &x, const Array &y, const Array &out) : x(x), y(y) {
        for (int i = 0; i < out.ndim - 2; i++) count *= out.shape[i];
    }
    void offsets(int64_t index, const Array &out, int64_t &in_x, int64_t &in_y) const {
        in_x = in_y = 0;
        for (int i = out.ndim - 3; i >= 0; i--) {
            const int64_t at = index % out.shape[i];
            index /= out.shape[i];
            in_x += at * x.stride[i];
            in_y += at * y.stride[i];
        }
    }
};

template <class T> Matrix<T> last_two(const Array &x, int64_t offset) {
    return {x.as<T>() + offset, x.stride[x.ndim - 2], x.stride[x.ndim - 1]};
}

constexpr int64_t kNarrow = 4, kNarrowDepth = 64;  // columns of the result; what makes a dot product of its own pay

// A product with few columns, such as a linear layer's with one output: lanes along the depth, nothing is packed.
template <class T>
void narrow_product(int64_t M, int64_t N, int64_t K, Matrix<T> a, Matrix<T> b, const T *bias, T *out) {
    const TypedKernels<T> &k = kernels().of<T>();
    parallel((M + kHeight - 1) / kHeight, [&](int64_t task) {
        const int64_t zero = 0, end = std::min(M, (task + 1) * kHeight);
        DotTile<T> t{};
        t.a_offset = t.b_offset = &zero;
        t.segments = 1;
        t.depth = K;
        t.b_stride = b.columns;
        for (int64_t j = 0; j < N; j += t.columns) {
            t.columns = static_cast<int>(std::min<int64_t>(k.dot_columns, N - j));
            t.b = b.data + j * b.columns;
            t.bias = bias ? bias + j : nullptr;
            for (int64_t r = task * kHeight; r < end; r += t.rows) {
                t.rows = static_cast<int>(std::min<int64_t>(k.dot_rows, end - r));
                for (int i = 0; i < t.rows; i++) t.a[i] = a.data + (r + i) * a.rows, t.c[i] = out + (r + i) * N + j;
                k.dot(t);
            }
        }
    });
}

constexpr int64_t kSmall = 1 << 24;  // multiply-adds

// A small product in one step: tasks of so few columns that a stays as it lies, each of which packs its own of b. Gives
// false where a has to be packed.
template <class T>
bool small_product(int64_t M, int64_t N, int64_t K, Matrix<T> a, Matrix<T> b, const T *bias, T *out) {
    const int slots = num_threads();
    const int64_t lanes = kernels().of<T>().tile_lanes, panels = (N + lanes - 1) / lanes;
    const int64_t width = lanes * std::clamp<int64_t>((panels + slots - 1) / slots, 1, kFewPanels);
    const Product<T> widest(width, K);
    if (M * N * K > kSmall || N <= width || K > kDeepest || !widest.lies_well(a)) return false;
    Scratch<T> scratch(slots * widest.packed_size());
    parallel((N + width - 1) / width, slots, [&](int64_t task, int slot) {
        const int64_t j = task * width;
        const Product<T> product(std::min(width, N - j), K);
        T *packed = scratch.get() + slot * widest.packed_size();
        product.pack_panels({b.data + j * b.columns, b.rows, b.columns}, 0, product.panels(), packed);
        product.rows(0, M, a, product.packed(packed), bias ? bias + j : nullptr, out + j, N, false, nullptr);
    });
    return true;
}

template <class T> void matmul_of(const Array &x, const Array &y, const Array *bias, const Array &out) {
    const int64_t M = out.shape[out.ndim - 2], N = out.shape[out.ndim - 1], K = x.shape[x.ndim - 1];
    const Batch batch(x, y, out);
    const T *shift = bias ? bias->as<T>() : nullptr;
    if (N <= kNarrow && K >= kNarrowDepth && batch.count == 1 && x.stride[x.ndim - 1] == 1 && y.stride[y.ndim - 2] == 1)
        return narrow_product(M, N, K, last_two<T>(x, 0), last_two<T>(y, 0), shift, out.as<T>());
    if (batch.count == 1 && small_product(M, N, K, last_two<T>(x, 0), last_two<T>(y, 0), shift, out.as<T>())) return;
    const int slots = num_threads();
    const int64_t block = Product<T>::block_size(K);
    if (batch.count > 1 && M * N * K <= (1 << 22)) {  // small ones: each a task's own
        const Product<T> product(N, K);
        const int64_t each = product.packed_size() + block;
        Scratch<T> scratch(slots * each);
        const int64_t together = std::max<int64_t>(1, (1 << 19) / std::max<int64_t>(1, M * N * K));
        parallel((batch.count + together - 1) / together, slots, [&](int64_t task, int slot) {
            T *packed = scratch.get() + slot * each;
            for (int64_t i = task * together; i < std::min(batch.count, (task + 1) * together); i++) {
                int64_t in_x, in_y;
                batch.offsets(i, out, in_x, in_y);
                product.pack_panels(last_two<T>(y, in_y), 0, product.panels(), packed);
                product.rows(0, M, last_two<T>(x, in_x), product.packed(packed), shift, out.as<T>() + i * M * N, N, false,
                             packed + product.packed_size());
            }
        });
        return;
    }
    const int64_t lanes = kernels().of<T>().tile_lanes, step = kernels().of<T>().tile_rows;
    // The rows in tasks of nearly one size, as many for each thread.
    const int64_t tiles = (M + step - 1) / step, tasks = std::min(tiles, round_up((M + kHeight - 1) / kHeight, slots));
    const int64_t widest = std::max(lanes, kWidest / std::clamp<int64_t>(K, 1, kDeepest) / lanes * lanes);
    const int64_t deepest = std::max(kDeepest, kWidest / std::min(N, widest) / kDepth * kDepth);
    Scratch<T> blocks(slots * block), scratch(Product<T>(std::min(N, widest), std::min(K, deepest)).packed_size());
    for (int64_t i = 0; i < batch.count; i++)
        for (int64_t j = 0; j < N; j += widest)
            for (int64_t k = 0; k == 0 || k < K; k += deepest) {
                int64_t in_x, in_y;
                batch.offsets(i, out, in_x, in_y);
                const Product<T> product(std::min(widest, N - j), std::min(deepest, K - k));
                const Matrix<T> a = last_two<T>(x, in_x + k * x.stride[x.ndim - 1]);
                const Matrix<T> b = last_two<T>(y, in_y + k * y.stride[y.ndim - 2] + j * y.stride[y.ndim - 1]);
                parallel((product.panels() + kPanels - 1) / kPanels, [&](int64_t task) {
                    product.pack_panels(b, task * kPanels, std::min(product.panels(), (task + 1) * kPanels), scratch.get());
                });
                parallel(tasks, slots, [&](int64_t task, int slot) {
                    const auto start = [&](int64_t t) { return std::min(M, tiles * t / tasks * step); };
                    product.rows(start(task), start(task + 1), a, product.packed(scratch.get()),
                                 shift && k == 0 ? shift + j : nullptr, out.as<T>() + i * M * N + j, N, k > 0,
                                 blocks.get() + slot * block);
                });
            }
}

}  // namespace

template <class T> int64_t packed_size(int64_t depth, int64_t width) { return Product<T>(width, depth).packed_size(); }

template <class T> Packed<T> pack_right(int64_t depth, int64_t width, Matrix<T> b, T *to) {
    const Product<T> product(width, depth);
    product.pack_panels(b, 0, product.panels(), to);
    return product.packed(to);
}

template <class T> int64_t scratch_of_product(int64_t depth) { return Product<T>::block_size(depth); }

template <class T>
void multiply(int64_t height, int64_t width, int64_t depth, Matrix<T> a, Packed<T> b, T *c, int64_t c_stride,
              bool accumulate, T *scratch) {
    Product<T>(width, depth).rows(0, height, a, b, nullptr, c, c_stride, accumulate, scratch);
}

#define RETROGRAD_PRODUCTS(T)                                                                                         \
    template int64_t packed_size<T>(int64_t, int64_t);                                                                \
    template Packed<T> pack_right(int64_t, int64_t, Matrix<T>, T *);                                                  \
    template int64_t scratch_of_product<T>(int64_t);                                                                  \
    template void multiply(int64_t, int64_t, int64_t, Matrix<T>, Packed<T>, T *, int64_t, bool, T *);
RETROGRAD_PRODUCTS(float)
RETROGRAD_PRODUCTS(double)
#undef RETROGRAD_PRODUCTS

void matmul(const Array &x, const Array &y, const Array *bias, const Array &out) {
    if (x.ndim < 2 || x.ndim != y.ndim || x.ndim != out.ndim) refuse("x, y and out must have as many dimensions, at least two");
    expect_same_type(y, x);
    expect_same_type(out, x);
    if (x.type != 'f' && x.type != 'd') refuse("this kernel takes float32 and float64");
    const int n = x.ndim;
    bool fits = x.shape[n - 1] == y.shape[n - 2] && out.shape[n - 2] == x.shape[n - 2] && out.shape[n - 1] == y.shape[n - 1];
    int64_t run = 1;
    bool dense = out.writable;
    for (int i = n - 1; i >= 0; i--) {
        if (i < n - 2) fits = fits && x.shape[i] == out.shape[i] && y.shape[i] == out.shape[i];
        dense = dense && (out.shape[i] == 1 || out.stride[i] == run);
        run *= out.shape[i];
    }
    if (!fits) refuse("x " + x.shape_text() + " @ y " + y.shape_text() + " does not give out " + out.shape_text());
    if (out.size() == 0) return;
    if (!dense) refuse("out must be contiguous and writable");
    if (bias) {
        expect_same_type(*bias, x);
        expect_shape(*bias, {out.shape[n - 1]});
        if (bias->shape[0] > 1 && bias->stride[0] != 1) refuse("bias must be contiguous");
    }
    x.type == 'f' ? matmul_of<float>(x, y, bias, out) : matmul_of<double>(x, y, bias, out);
}

}  // namespace retrograd
