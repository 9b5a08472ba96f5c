#include "attention.h"

#include <algorithm>

#include "isa.h"
#include "kernels.h"
#include "matmul.h"
#include "memory.h"
#include "pool.h"

namespace retrograd {
namespace {

constexpr int64_t kScores = 1 << 15;  // elements of the weights that are in work at a time: they stay in the second cache
constexpr int64_t kRows = 256;        // queries of one task, where there are few heads

struct Sizes {
    int64_t batch, heads, length, source, depth, width;  // E and V are depth and width
    explicit Sizes(const Attention &a)
        : batch(a.query->shape[0]), heads(a.query->shape[1]), length(a.query->shape[2]), source(a.key->shape[2]),
          depth(a.query->shape[3]), width(a.value->shape[3]) {}
    int64_t block() const { return std::clamp<int64_t>(kScores / std::max<int64_t>(1, source), 24, 256); }
};

template <class T> T *at(const Array &x, int64_t head, int64_t heads) {
    return x.as<T>() + head / heads * x.stride[0] + head % heads * x.stride[1];
}

// Row `first` and those after it of one head.
template <class T> Matrix<T> rows_of(const Array &x, int64_t head, int64_t heads, int64_t first = 0) {
    return {at<T>(x, head, heads) + first * x.stride[2], x.stride[2], x.stride[3]};
}

template <class T> Matrix<T> transposed(Matrix<T> m) { return {m.data, m.columns, m.rows}; }

// The weights of queries [first, first + count): their scores, then softmax.
template <class T>
void weights_of(const Attention &a, const Sizes &s, int64_t head, int64_t first, int64_t count, T *weights,
                T *scratch) {
    multiply(count, s.source, s.depth, rows_of<T>(*a.query, head, s.heads, first),
             transposed(rows_of<T>(*a.key, head, s.heads)), weights, s.source, false, scratch);
    for (int64_t i = 0; i < count; i++) {
        const int64_t seen = a.causal ? std::min(s.source, first + i + 1) : s.source;
        const T *mask = a.mask ? at<T>(*a.mask, head, s.heads) + (first + i) * a.mask->stride[2] : nullptr;
        kernels().of<T>().attention_weights(weights + i * s.source, s.source, seen, static_cast<T>(a.scale), mask,
                                            a.mask ? a.mask->stride[3] : 0);
    }
}

template <class T> int64_t scratch_size(std::initializer_list<std::pair<int64_t, int64_t>> products) {
    int64_t most = 0;
    for (const auto &[depth, width] : products) most = std::max(most, scratch_of_product<T>(depth, width));
    return most;
}

template <class T> void attention_of(const Attention &a, const Array &out) {
    const Sizes s(a);
    const int64_t block = std::min(s.block(), s.length), heads = s.batch * s.heads;
    const int64_t parts = (s.length + kRows - 1) / kRows;
    const int64_t product = scratch_size<T>({{s.depth, s.source}, {s.source, s.width}});
    const int slots = num_threads();
    const int64_t each = block * s.source + product;
    Scratch<T> scratch(slots * each);
    parallel(heads * parts, slots, [&](int64_t task, int slot) {
        T *weights = scratch.get() + slot * each, *more = weights + block * s.source;
        const int64_t head = task / parts, end = std::min(s.length, (task % parts + 1) * kRows);
        for (int64_t first = task % parts * kRows; first < end; first += block) {
            const int64_t count = std::min(block, end - first);
            weights_of(a, s, head, first, count, weights, more);
            multiply(count, s.width, s.source, {weights, s.source, 1}, rows_of<T>(*a.value, head, s.heads),
                     at<T>(out, head, s.heads) + first * out.stride[2], out.stride[2], false, more);
        }
    });
}

template <class T>
void gradient_of(const Attention &a, const Array &g, const Array &g_query, const Array &g_key, const Array &g_value) {
    const Sizes s(a);
    const int64_t block = std::min(s.block(), s.length), weights_size = block * s.source;
    const int64_t product = scratch_size<T>({{s.depth, s.source}, {s.width, s.source}, {s.source, s.depth},
                                             {block, s.width}, {block, s.depth}});
    const int slots = num_threads();
    const int64_t each = 2 * weights_size + product;
    Scratch<T> scratch(slots * each);
    // A head is one task: the gradients of key and value are sums over its queries, in their order.
    parallel(s.batch * s.heads, slots, [&](int64_t head, int slot) {
        T *weights = scratch.get() + slot * each, *slopes = weights + weights_size, *more = slopes + weights_size;
        for (int64_t first = 0; first < s.length; first += block) {
            const int64_t count = std::min(block, s.length - first);
            const Matrix<T> g_rows = rows_of<T>(g, head, s.heads, first);
            const Matrix<T> by_query{weights, s.source, 1}, slope_rows{slopes, s.source, 1};
            weights_of(a, s, head, first, count, weights, more);
            multiply(s.source, s.width, count, transposed(by_query), g_rows, at<T>(g_value, head, s.heads),
                     g_value.stride[2], first > 0, more);
            multiply(count, s.source, s.width, g_rows, transposed(rows_of<T>(*a.value, head, s.heads)), slopes,
                     s.source, false, more);
            for (int64_t i = 0; i < count; i++)
                kernels().of<T>().attention_slopes(weights + i * s.source, s.source, static_cast<T>(a.scale),
                                                   slopes + i * s.source);
            multiply(count, s.depth, s.source, slope_rows, rows_of<T>(*a.key, head, s.heads),
                     at<T>(g_query, head, s.heads) + first * g_query.stride[2], g_query.stride[2], false, more);
            multiply(s.source, s.depth, count, transposed(slope_rows), rows_of<T>(*a.query, head, s.heads, first),
                     at<T>(g_key, head, s.heads), g_key.stride[2], first > 0, more);
        }
    });
}

void check(const Attention &a) {
    const Array &q = *a.query;
    if (q.ndim != 4 || a.key->ndim != 4) refuse("query and key must have four dimensions (B, H, length, features)");
    if (q.type != 'f' && q.type != 'd') refuse("this kernel takes float32 and float64");
    const int64_t B = q.shape[0], H = q.shape[1], S = a.key->shape[2];
    if (a.value->ndim != 4) refuse("value must have four dimensions");
    expect_shape(*a.key, {B, H, S, q.shape[3]});
    expect_shape(*a.value, {B, H, S, a.value->shape[3]});
    if (a.mask) expect_shape(*a.mask, {B, H, q.shape[2], S});
    for (const Array *x : {a.key, a.value, a.mask})
        if (x) expect_same_type(*x, q);
    for (const Array *x : {a.query, a.key, a.value})
        if (x->size() == 0) refuse(std::string(x->name) + " is empty");
}

void expect_result(const Array &x, const Array &like, int64_t features) {
    expect_same_type(x, like);
    expect_shape(x, {like.shape[0], like.shape[1], like.shape[2], features});
    if (!x.writable) refuse(std::string(x.name) + " is read-only");
    if (features > 1 && x.stride[3] != 1) refuse("the last dimension of " + std::string(x.name) + " must be contiguous");
}

}  // namespace

void attention(const Attention &a, const Array &out) {
    check(a);
    expect_result(out, *a.query, a.value->shape[3]);
    out.type == 'f' ? attention_of<float>(a, out) : attention_of<double>(a, out);
}

void attention_gradient(const Attention &a, const Array &g, const Array &g_query, const Array &g_key,
                        const Array &g_value) {
    check(a);
    expect_same_type(g, *a.query);
    expect_shape(g, {a.query->shape[0], a.query->shape[1], a.query->shape[2], a.value->shape[3]});
    expect_result(g_query, *a.query, a.query->shape[3]);
    expect_result(g_key, *a.key, a.key->shape[3]);
    expect_result(g_value, *a.value, a.value->shape[3]);
    g.type == 'f' ? gradient_of<float>(a, g, g_query, g_key, g_value)
                  : gradient_of<double>(a, g, g_query, g_key, g_value);
}

}  // namespace retrograd
