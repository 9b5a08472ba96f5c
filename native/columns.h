// Columns of a contiguous (rows, channels) matrix: batch normalisation. Sums run over rows in order, for some vectors of
// columns at a time, so that memory is read nearly as it lies.
#pragma once
#include "loops.h"
#include "vec.h"

namespace retrograd::RETROGRAD_ISA {

template <int N> struct Width { static constexpr int value = N; };

// Calls body(first column, vectors as a type, get, put) over all columns: four vectors at a time, then one, then a part.
template <class T, class Body> INLINE void for_columns(int64_t n, Body body) {
    constexpr int L = kLanes<T>;
    auto get = [](const T *p) INLINE_LAMBDA { return load(p); };
    auto put = [](T *p, Vec<T> v) INLINE_LAMBDA { store(p, v); };
    int64_t c = 0;
    for (; c + 4 * L <= n; c += 4 * L) body(c, Width<4>(), get, put);
    for (; c + L <= n; c += L) body(c, Width<1>(), get, put);
    if (const int rest = static_cast<int>(n - c); rest > 0)
        body(c, Width<1>(), [rest](const T *p) INLINE_LAMBDA { return load_part(p, rest); },
             [rest](T *p, Vec<T> v) INLINE_LAMBDA { store_part(p, v, rest); });
}

// Of each column: the mean, rounded, the sum of distances from it (not quite zero, for that reason) and the sum of their
// squares; in two passes over a block that stays in cache.
template <class T> void column_moments(const T *x, int64_t rows, int64_t channels, T *mean, T *rest, T *m2) {
    for_columns<T>(channels, [=](int64_t c, auto width, auto get, auto put) INLINE_LAMBDA {
        constexpr int W = width.value, L = kLanes<T>;
        Vec<T> sum[W] = {}, left[W] = {}, square[W] = {}, middle[W];
        for (int64_t r = 0; r < rows; r++)
            UNROLL
            for (int w = 0; w < W; w++) sum[w] += get(x + r * channels + c + w * L);
        UNROLL
        for (int w = 0; w < W; w++) middle[w] = sum[w] / static_cast<T>(rows);
        for (int64_t r = 0; r < rows; r++)
            UNROLL
            for (int w = 0; w < W; w++) {
                const Vec<T> d = get(x + r * channels + c + w * L) - middle[w];
                left[w] += d;
                square[w] += d * d;
            }
        UNROLL
        for (int w = 0; w < W; w++) {
            put(mean + c + w * L, middle[w]);
            put(rest + c + w * L, left[w]);
            put(m2 + c + w * L, square[w]);
        }
    });
}

// g as it leaves a relu that gave `out`, as relu_gradient has it: 0 where that is 0. `after` says whether there is one.
template <bool after, class T, class Get> INLINE Vec<T> past_relu(const T *g, const T *out, int64_t i, Get get) {
    if constexpr (after) return get(out + i) <= Vec<T>{} ? Vec<T>{} : get(g + i);
    else return get(g + i);
}

// The sums of g and of g (x - mean), per column; `after`: of g past the relu that gave out; `writes`: that is g from then on.
template <class T, bool after, bool writes>
void column_sums(T *g, const T *out, const T *x, int64_t rows, int64_t channels, const T *mean, T *sum,
                 T *product) {
    for_columns<T>(channels, [=](int64_t c, auto width, auto get, auto put) INLINE_LAMBDA {
        constexpr int W = width.value, L = kLanes<T>;
        Vec<T> s[W] = {}, p[W] = {}, middle[W];
        UNROLL
        for (int w = 0; w < W; w++) middle[w] = get(mean + c + w * L);
        for (int64_t r = 0; r < rows; r++)
            UNROLL
            for (int w = 0; w < W; w++) {
                const int64_t i = r * channels + c + w * L;
                const Vec<T> v = past_relu<after>(g, out, i, get);
                if constexpr (writes) put(g + i, v);
                s[w] += v;
                p[w] += v * (get(x + i) - middle[w]);
            }
        UNROLL
        for (int w = 0; w < W; w++) {
            put(sum + c + w * L, s[w]);
            put(product + c + w * L, p[w]);
        }
    });
}

// out = (x - mean) scale + shift, per column; `factors` is these three, one after the other. added: 0, or plus y (1), or plus
// y by factors of its own (2). relu: past a relu. All in the order of the separate operations: the bits are theirs.
template <class T, int added, bool relu>
void column_affine(const T *x, int64_t rows, int64_t channels, const T *factors, const T *y, const T *y_factors, T *out) {
    for (int64_t r = 0; r < rows; r++)
        for_vectors<T>(channels, [=](int64_t c, auto get, auto put) INLINE_LAMBDA {
            const int64_t i = r * channels + c;
            const auto affine = [=](const T *from, const T *f) INLINE_LAMBDA {
                return (get(from + i) - get(f + c)) * get(f + channels + c) + get(f + 2 * channels + c);
            };
            Vec<T> v = affine(x, factors);
            if constexpr (added == 1) v += get(y + i);
            if constexpr (added == 2) v += affine(y, y_factors);
            if constexpr (relu) v = v <= Vec<T>{} ? Vec<T>{} : v;  // NaN stays
            put(out + i, v);
        });
}

// gx = g a - (x - mean) b - d, per column, with g as above; gx may be g.
template <class T, bool after>
void column_gradient(const T *g, const T *out, const T *x, int64_t rows, int64_t channels, const T *mean, const T *a, const T *b,
                     const T *d, T *gx) {
    for (int64_t r = 0; r < rows; r++)
        for_vectors<T>(channels, [=](int64_t c, auto get, auto put) INLINE_LAMBDA {
            const int64_t i = r * channels + c;
            put(gx + i, past_relu<after>(g, out, i, get) * get(a + c) - (get(x + i) - get(mean + c)) * get(b + c) - get(d + c));
        });
}

// The sum of what g is in the windows of which this pixel is the largest, per channel: in window t that is tap number[t].
template <class T, class Number>
void max_pixel_gradient(const T *g, const Number *which, int64_t windows, const int64_t *offset, const int64_t *number,
                        int64_t channels, T *gx) {
    using Int = Lanes<T>;
    for_columns<T>(channels, [=](int64_t c, auto width, auto get, auto put) INLINE_LAMBDA {
        constexpr int W = width.value, L = kLanes<T>;
        Vec<T> sum[W] = {};
        for (int64_t t = 0; t < windows; t++) {
            const Number *from = which + offset[t] + c;
            const Int wanted = Int{} + static_cast<int>(number[t]);
            UNROLL
            for (int w = 0; w < W; w++) {
                Int its{};
                if (W > 1 || c + L <= channels) its = load_numbers<T>(from + w * L);
                else for (int64_t l = 0; c + l < channels; l++) its[l] = from[l];
                sum[w] += its == wanted ? get(g + offset[t] + c + w * L) : Vec<T>{};
            }
        }
        UNROLL
        for (int w = 0; w < W; w++) put(gx + c + w * L, sum[w]);
    });
}

}  // namespace retrograd::RETROGRAD_ISA
