// Rows of n contiguous elements: layer normalisation, softmax, scores of attention.
#pragma once
#include "curves.h"
#include "loops.h"
#include "vec.h"

namespace retrograd::RETROGRAD_ISA {

template <class T>
void layer_norm(const T *x, int64_t n, T eps, const T *weight, const T *bias, T *out, T *mean, T *variance) {
    const T middle = sum_of<T>(n, [=](int64_t i, auto get) INLINE_LAMBDA { return get(x + i); }) / n;
    const T m2 = sum_of_masked<T>(n, [=](int64_t i, auto get) INLINE_LAMBDA {
        const Vec<T> d = get(x + i) - middle;
        return d * d;
    });
    const T scale = 1 / (sizeof(T) == 4 ? __builtin_sqrtf(m2 / n + eps) : __builtin_sqrt(m2 / n + eps));
    *mean = middle;
    *variance = m2 / n;
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
        Vec<T> v = (get(x + i) - middle) * scale;
        if (weight) v *= get(weight + i);
        if (bias) v += get(bias + i);
        put(out + i, v);
    });
}

// gx of one row; adds the row's part of the gradients of weight and bias.
template <class T, bool Weighted, bool Sums>
void layer_norm_row_gradient(const T *g, const T *x, int64_t n, T mean, T invstd, const T *weight, T *gx, T *gweight,
                             T *gbias) {
    constexpr int kPairs = 2;
    Vec<T> sums[kPairs] = {}, products[kPairs] = {};  // of g, and of g and x without its mean
    const auto add = [&](int s, int64_t i, auto get) INLINE_LAMBDA {
        const Vec<T> v = get(g + i), d = get(x + i) - mean, w = Weighted ? v * get(weight + i) : v;
        sums[s] += w;
        products[s] += w * d;
        return v * (d * invstd);
    };
    constexpr int L = kLanes<T>;
    const auto get = [](const T *p) INLINE_LAMBDA { return load(p); };
    int64_t i = 0;
    for (; i + kPairs * L <= n; i += kPairs * L)
        UNROLL
        for (int s = 0; s < kPairs; s++) {
            const Vec<T> slope = add(s, i + s * L, get);
            if (!Sums) continue;
            store(gweight + i + s * L, load(gweight + i + s * L) + slope);
            store(gbias + i + s * L, load(gbias + i + s * L) + load(g + i + s * L));
        }
    for_vectors<T>(n - i, [&](int64_t j, auto get, auto put) INLINE_LAMBDA {
        const Vec<T> slope = add(0, i + j, get);
        if (!Sums) return;
        put(gweight + i + j, get(gweight + i + j) + slope);
        put(gbias + i + j, get(gbias + i + j) + get(g + i + j));
    });
    const T sum = sum_lanes(sums[0] + sums[1]) / n, product = sum_lanes(products[0] + products[1]) * invstd / n;
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
        const Vec<T> v = Weighted ? get(g + i) * get(weight + i) : get(g + i);
        put(gx + i, (v - sum - (get(x + i) - mean) * invstd * product) * invstd);
    });
}

template <class T>
void layer_norm_gradient(const T *g, const T *x, int64_t n, T mean, T invstd, const T *weight, T *gx, T *gweight,
                         T *gbias) {
    if (gx && gweight && gbias) {
        if (weight) return layer_norm_row_gradient<T, true, true>(g, x, n, mean, invstd, weight, gx, gweight, gbias);
        return layer_norm_row_gradient<T, false, true>(g, x, n, mean, invstd, weight, gx, gweight, gbias);
    }
    if (gx && weight) layer_norm_row_gradient<T, true, false>(g, x, n, mean, invstd, weight, gx, nullptr, nullptr);
    else if (gx) layer_norm_row_gradient<T, false, false>(g, x, n, mean, invstd, weight, gx, nullptr, nullptr);
    if (gweight || gbias)
        for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
            const Vec<T> v = get(g + i);
            if (gweight) put(gweight + i, get(gweight + i) + v * ((get(x + i) - mean) * invstd));
            if (gbias) put(gbias + i, get(gbias + i) + v);
        });
}

template <class T> INLINE T largest_of(const T *x, int64_t n) {
    Vec<T> top = broadcast(x[0]);
    for_vectors<T>(n, [&](int64_t i, auto get, auto) INLINE_LAMBDA {
        const int64_t rest = n - i;
        Vec<T> v = get(x + i);
        if (rest < kLanes<T>)
            for (int l = static_cast<int>(rest); l < kLanes<T>; l++) v[l] = x[0];
        top = v <= top ? top : v;  // a NaN in v is taken; one already in top is lost to a later number: see below
    });
    T result = top[0];
    for (int l = 1; l < kLanes<T>; l++) result = top[l] <= result ? result : top[l];
    return result;
}

// Without the largest element, e^x could overflow; with it, the largest term is 1. A NaN or +inf anywhere makes the sum
// NaN whatever was found as the largest: NaN's own term is NaN, and inf - inf is.
template <class T> void softmax(const T *x, int64_t n, T *out, bool log) {
    const T top = largest_of(x, n);
    if (log) {
        const T sum = sum_of_masked<T>(n, [=](int64_t i, auto get) INLINE_LAMBDA { return exponential<T, true>(get(x + i) - top); });
        const T shift = sizeof(T) == 4 ? __builtin_logf(sum) : __builtin_log(sum);
        for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(out + i, (get(x + i) - top) - shift); });
        return;
    }
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(out + i, exponential<T, true>(get(x + i) - top)); });
    const T scale = 1 / sum_of<T>(n, [=](int64_t i, auto get) INLINE_LAMBDA { return get(out + i); });
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(out + i, get(out + i) * scale); });
}

template <class T> void softmax_gradient(const T *g, const T *out, int64_t n, T *gx, bool log) {
    if (log) {
        const T sum = sum_of<T>(n, [=](int64_t i, auto get) INLINE_LAMBDA { return get(g + i); });
        for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
            put(gx + i, get(g + i) - exponential<T>(get(out + i)) * sum);
        });
        return;
    }
    const T sum = sum_of<T>(n, [=](int64_t i, auto get) INLINE_LAMBDA { return get(g + i) * get(out + i); });
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(gx + i, get(out + i) * (get(g + i) - sum)); });
}

// --- attention: a row of scores, over n contiguous elements ---

// The largest lane, of which none is NaN.
template <class T> INLINE T largest_lane(Vec<T> v) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) return _mm512_reduce_max_ps(v);
    else return _mm512_reduce_max_pd(v);
#else
    T top = v[0];
    for (int l = 1; l < kLanes<T>; l++) top = v[l] > top ? v[l] : top;
    return top;
#endif
}

// The first n lanes of v, and `filling` in the others.
template <class T> INLINE Vec<T> first_lanes(Vec<T> v, int64_t n, T filling) {
    for (int64_t l = n; l < kLanes<T>; l++) v[l] = filling;
    return v;
}

// Calls body for `n` elements as for_vectors does, and tells it which of two sums is its turn, and how many elements it has.
template <class T, class Body> INLINE void for_pairs_of_vectors(int64_t n, Body body) {
    constexpr int L = kLanes<T>;
    const auto get = [](const T *p) INLINE_LAMBDA { return load(p); };
    const auto put = [](T *p, Vec<T> v) INLINE_LAMBDA { store(p, v); };
    int64_t i = 0;
    for (; i + 2 * L <= n; i += 2 * L) {
        body(i, 0, L, get, put);
        body(i + L, 1, L, get, put);
    }
    for (; i + L <= n; i += L) body(i, 0, L, get, put);
    if (const int rest = static_cast<int>(n - i); rest > 0)
        body(i, 1, rest, [rest](const T *p) INLINE_LAMBDA { return load_part(p, rest); },
             [rest](T *p, Vec<T> v) INLINE_LAMBDA { store_part(p, v, rest); });
}

// Scores become softmax(row scale + mask) of the first `seen`, and zero after them; all zeros where nothing is seen.
template <class T, bool Masked>
void attention_row(T *row, int64_t n, int64_t seen, T scale, const T *mask, int64_t mask_step) {
    constexpr T least = -static_cast<T>(__builtin_inf());
    Vec<T> tops[2] = {broadcast(least), broadcast(least)}, sums[2] = {};
    Lanes<T> missing{};  // where a score is NaN: not the largest, but something
    for_pairs_of_vectors<T>(seen, [&](int64_t i, int turn, int have, auto get, auto put) INLINE_LAMBDA {
        Vec<T> v = get(row + i) * scale;
        if constexpr (Masked) {
            if (mask_step == 1) v += get(mask + i);
            else
                for (int l = 0; l < have; l++) v[l] += mask[(i + l) * mask_step];
            put(row + i, v);
            missing |= v != v;
        }
        if (have < kLanes<T>) v = first_lanes<T>(v, have, least);
        tops[turn] = v > tops[turn] ? v : tops[turn];
    });
    const T top = largest_lane<T>(tops[0] > tops[1] ? tops[0] : tops[1]);
    bool some = seen > 0;
    if (Masked && top == least) {
        bool any = false;
        for (int l = 0; l < kLanes<T>; l++) any = any || missing[l];
        some = some && any;
    }
    int64_t i = 0;
    if (some) {
        for_pairs_of_vectors<T>(seen, [&](int64_t i, int turn, int have, auto get, auto put) INLINE_LAMBDA {
            const Vec<T> v = exponential<T, true>(Masked ? get(row + i) - top : get(row + i) * scale - top);
            put(row + i, v);
            sums[turn] += have < kLanes<T> ? first_lanes<T>(v, have, T(0)) : v;
        });
        const T share = 1 / sum_lanes(sums[0] + sums[1]);
        for_vectors<T>(seen, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(row + i, get(row + i) * share); });
        i = seen;
    }
    for (; i < n; i++) row[i] = 0;
}

template <class T>
void attention_weights(T *row, int64_t n, int64_t seen, T scale, const T *mask, int64_t mask_step) {
    if (mask) attention_row<T, true>(row, n, seen, scale, mask, mask_step);
    else attention_row<T, false>(row, n, seen, scale, mask, mask_step);
}

// The gradient of the scores before `scale`, from that of the weights, in place.
template <class T> void attention_slopes(const T *weights, int64_t n, T scale, T *g) {
    const T sum = sum_of<T>(n, [=](int64_t i, auto get) INLINE_LAMBDA { return get(g + i) * get(weights + i); });
    for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA {
        put(g + i, get(weights + i) * (get(g + i) - sum) * scale);
    });
}

}  // namespace retrograd::RETROGRAD_ISA
