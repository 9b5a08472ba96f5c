#include "attention.h"

#include <algorithm>

#include "isa.h"
#include "kernels.h"
#include "matmul.h"
#include "memory.h"
#include "pool.h"

namespace retrograd {
namespace {

constexpr int64_t kScores = 1 << 16;  // elements of the weights that are in work at a time, for the second cache
constexpr int64_t kRows = 256;        // queries of one task, where there are few heads

struct Sizes {
    int64_t batch, heads, length, source, depth, width;  // E and V are depth and width
    int64_t pitch;  // from one query's weights to the next's: not such that rows drive each other out of the first cache
    explicit Sizes(const Attention &a)
        : batch(a.query->shape[0]), heads(a.query->shape[1]), length(a.query->shape[2]), source(a.key->shape[2]),
          depth(a.query->shape[3]), width(a.value->shape[3]), pitch(source % 512 ? source : source + 16) {}
    int64_t block() const {
        return std::min(length, std::clamp<int64_t>(kScores / std::max<int64_t>(1, source), 32, kRows));
    }
    // How many keys are seen by queries up to, but not including, `end`.
    int64_t seen(const Attention &a, int64_t end) const { return a.causal ? std::min(source, end) : source; }
};

template <class T> T *at(const Array &x, int64_t head, int64_t heads) {
    return x.as<T>() + head / heads * x.stride[0] + head % heads * x.stride[1];
}

// Row `first` and those after it of one head.
template <class T> Matrix<T> rows_of(const Array &x, int64_t head, int64_t heads, int64_t first = 0) {
    return {at<T>(x, head, heads) + first * x.stride[2], x.stride[2], x.stride[3]};
}

template <class T> Matrix<T> transposed(Matrix<T> m) { return {m.data, m.columns, m.rows}; }

// The weights of queries [first, first + count) for the keys that they see: their scores, then softmax. `keys`: the
// transposed keys of the head.
template <class T>
void weights_of(const Attention &a, const Sizes &s, int64_t head, int64_t first, int64_t count, Packed<T> keys,
                T *weights, T *scratch) {
    const int64_t source = s.seen(a, first + count);
    multiply(count, source, s.depth, rows_of<T>(*a.query, head, s.heads, first), keys, weights, s.pitch, false, scratch);
    for (int64_t i = 0; i < count; i++) {
        const T *mask = a.mask ? at<T>(*a.mask, head, s.heads) + (first + i) * a.mask->stride[2] : nullptr;
        kernels().of<T>().attention_weights(weights + i * s.pitch, source, s.seen(a, first + i + 1),
                                            static_cast<T>(a.scale), mask, a.mask ? a.mask->stride[3] : 0);
    }
}

template <class T> void attention_of(const Attention &a, const Array &out) {
    const Sizes s(a);
    const int64_t block = s.block(), parts = (s.length + kRows - 1) / kRows;
    const int64_t keys_size = packed_size<T>(s.depth, s.source), values_size = packed_size<T>(s.source, s.width);
    const int64_t each = block * s.pitch + keys_size + values_size + scratch_of_product<T>(std::max(s.depth, s.source));
    const int slots = num_threads();
    Scratch<T> scratch(slots * each);
    parallel(s.batch * s.heads * parts, slots, [&](int64_t task, int slot) {
        T *weights = scratch.get() + slot * each, *room = weights + block * s.pitch;
        T *more = room + keys_size + values_size;
        const int64_t head = task / parts, start = task % parts * kRows, end = std::min(s.length, start + kRows);
        const int64_t source = s.seen(a, end);
        const auto keys = pack_right(s.depth, source, transposed(rows_of<T>(*a.key, head, s.heads)), room);
        const auto values = pack_right(source, s.width, rows_of<T>(*a.value, head, s.heads), room + keys_size);
        for (int64_t first = start; first < end; first += block) {
            const int64_t count = std::min(block, end - first);
            weights_of(a, s, head, first, count, keys, weights, more);
            multiply(count, s.width, s.seen(a, first + count), {weights, s.pitch, 1}, values,
                     at<T>(out, head, s.heads) + first * out.stride[2], out.stride[2], false, more);
        }
    });
}

template <class T>
void gradient_of(const Attention &a, const Array &g, const Array &g_query, const Array &g_key, const Array &g_value) {
    const Sizes s(a);
    const int64_t block = s.block(), weights_size = block * s.pitch;
    const int64_t sizes[] = {packed_size<T>(s.depth, s.source), packed_size<T>(s.width, s.source),
                             packed_size<T>(s.source, s.depth), packed_size<T>(block, std::max(s.depth, s.width))};
    const int64_t product = scratch_of_product<T>(std::max({s.depth, s.width, s.source, block}));
    const int64_t each = 2 * weights_size + sizes[0] + sizes[1] + sizes[2] + sizes[3] + product;
    const int slots = num_threads();
    Scratch<T> scratch(slots * each);
    // A head is one task: the gradients of key and value are sums over its queries, in their order.
    parallel(s.batch * s.heads, slots, [&](int64_t head, int slot) {
        T *weights = scratch.get() + slot * each, *slopes = weights + weights_size, *room = slopes + weights_size;
        const Matrix<T> key = rows_of<T>(*a.key, head, s.heads), value = rows_of<T>(*a.value, head, s.heads);
        const auto keys_across = pack_right(s.depth, s.source, transposed(key), room);
        const auto values_across = pack_right(s.width, s.source, transposed(value), room += sizes[0]);
        const auto keys = pack_right(s.source, s.depth, key, room += sizes[1]);
        T *some = room + sizes[2], *more = some + sizes[3];
        const Matrix<T> by_query{weights, s.pitch, 1}, slope_rows{slopes, s.pitch, 1};
        int64_t known = 0;  // keys whose gradients have been begun
        for (int64_t first = 0; first < s.length; first += block) {
            const int64_t count = std::min(block, s.length - first), source = s.seen(a, first + count);
            const Matrix<T> g_rows = rows_of<T>(g, head, s.heads, first);
            // to += left^T right, of queries and keys, for the keys that are seen
            const auto add = [&](Matrix<T> left, Matrix<T> right, int64_t width, const Array &to) {
                const auto packed = pack_right(count, width, right, some);
                T *out = at<T>(to, head, s.heads);
                multiply(known, width, count, transposed(left), packed, out, to.stride[2], true, more);
                multiply(source - known, width, count, {left.data + known, 1, left.rows}, packed,
                         out + known * to.stride[2], to.stride[2], false, more);
            };
            weights_of(a, s, head, first, count, keys_across, weights, more);
            add(by_query, g_rows, s.width, g_value);
            multiply(count, source, s.width, g_rows, values_across, slopes, s.pitch, false, more);
            for (int64_t i = 0; i < count; i++)
                kernels().of<T>().attention_slopes(weights + i * s.pitch, source, static_cast<T>(a.scale),
                                                   slopes + i * s.pitch);
            multiply(count, s.depth, source, slope_rows, keys,
                     at<T>(g_query, head, s.heads) + first * g_query.stride[2], g_query.stride[2], false, more);
            add(slope_rows, rows_of<T>(*a.query, head, s.heads, first), s.depth, g_key);
            known = source;
        }
        for (const Array *to : {&g_key, &g_value})
            for (int64_t i = known; i < s.source; i++)
                std::fill_n(at<T>(*to, head, s.heads) + i * to->stride[2], to->shape[3], T(0));
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
