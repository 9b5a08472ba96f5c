// Convolution of few pixels: a row of weights (an output channel's, all taps) is read or written from end to end, once.
// What limits it is memory, and that is fastest in one stream.
#pragma once
#include "kernels.h"
#include "loops.h"
#include "updates.h"
#include "vec.h"

namespace retrograd::RETROGRAD_ISA {

// Rows of weights and pairs of a tap that are taken at a time: what registers hold.
constexpr int kFewRows = kRegisters == 32 ? 4 : 2, kFewPairs = 6;

// sum[j][r] += w[r][k] x[j][k] for N pairs and R rows, lanes along k; the sums stay vectors, as taps add to them in turn.
template <class T, int R, int N>
INLINE void few_dot_tap(const T *w, int64_t row, int64_t depth, const T *const *x, T *const *sum) {
    constexpr int L = kLanes<T>;
    Vec<T> acc[N][R];
    UNROLL
    for (int j = 0; j < N; j++)
        UNROLL
        for (int r = 0; r < R; r++) acc[j][r] = load(sum[j] + r * L);
    for_vectors<T>(depth, [&](int64_t k, auto get, auto) INLINE_LAMBDA {
        Vec<T> y[R];
        UNROLL
        for (int r = 0; r < R; r++) y[r] = get(w + r * row + k);
        UNROLL
        for (int j = 0; j < N; j++) {
            const Vec<T> v = get(x[j] + k);
            UNROLL
            for (int r = 0; r < R; r++) acc[j][r] += y[r] * v;
        }
    });
    UNROLL
    for (int j = 0; j < N; j++)
        UNROLL
        for (int r = 0; r < R; r++) store(sum[j] + r * L, acc[j][r]);
}

// finish(r, k, v, get, put) for v = (add ? w[r][k] : 0) + sum over N pairs of g[j][r] x[j][k].
template <class T, int R, int N, class Finish>
INLINE void few_outer_tap(const T *w, int64_t row, int64_t depth, const T *const *x, const T *const *g, bool add,
                          Finish finish) {
    Vec<T> scale[N][R];
    UNROLL
    for (int j = 0; j < N; j++)
        UNROLL
        for (int r = 0; r < R; r++) scale[j][r] = broadcast(g[j][r]);
    for_vectors<T>(depth, [&](int64_t k, auto get, auto put) INLINE_LAMBDA {
        Vec<T> acc[R];
        UNROLL
        for (int r = 0; r < R; r++) acc[r] = add ? get(w + r * row + k) : Vec<T>{};
        UNROLL
        for (int j = 0; j < N; j++) {
            const Vec<T> v = get(x[j] + k);
            UNROLL
            for (int r = 0; r < R; r++) acc[r] += scale[j][r] * v;
        }
        UNROLL
        for (int r = 0; r < R; r++) finish(r, k, acc[r], get, put);
    });
}

// Calls body(first pair, count as a type, whether it is the tap's first) for a tap's pairs, some at a time.
template <int N> struct Count { static constexpr int value = N; };
template <int N = kFewPairs, class Body> INLINE void with_count(int n, Body body) {
    if constexpr (N == 1) body(Count<1>());
    else if (n == N) body(Count<N>());
    else with_count<N - 1>(n, body);
}
template <class Body> INLINE void for_pairs(const FewTaps &f, int64_t tap, Body body) {
    const int64_t first = f.start[tap], pairs = f.start[tap + 1] - first, parts = (pairs + kFewPairs - 1) / kFewPairs;
    for (int64_t part = 0; part < parts; part++) {
        const int64_t from = pairs * part / parts, to = pairs * (part + 1) / parts;
        with_count(static_cast<int>(to - from),
                   [&](auto count) INLINE_LAMBDA { body(first + from, count, part == 0, part == parts - 1); });
    }
}

template <class T, int R> void few_dot_rows(const FewTaps &f, const T *x, const T *w, T *out) {
    constexpr int L = kLanes<T>;
    alignas(64) T sum[kFewPixels * R * L];
    for (int64_t i = 0; i < f.pixels * R * L; i++) sum[i] = T(0);
    const int64_t row = f.taps * f.depth;
    for (int64_t tap = 0; tap < f.taps; tap++, w += f.depth)
        for_pairs(f, tap, [&](int64_t first, auto count, bool, bool) INLINE_LAMBDA {
            constexpr int N = count.value;
            const T *from[N];
            T *to[N];
            for (int j = 0; j < N; j++) from[j] = x + f.source[first + j], to[j] = sum + f.pixel[first + j] * R * L;
            few_dot_tap<T, R, N>(w, row, f.depth, from, to);
        });
    for (int64_t p = 0; p < f.pixels; p++)
        for (int r = 0; r < R; r++) out[p * kFewMostRows + r] = sum_lanes(load(sum + (p * R + r) * L));
}

template <class T, int R> void few_outer_rows(const FewTaps &f, const T *x, const T *g, T *w) {
    const int64_t row = f.taps * f.depth;
    for (int64_t tap = 0; tap < f.taps; tap++, w += f.depth) {
        for_pairs(f, tap, [&](int64_t first, auto count, bool fresh, bool) INLINE_LAMBDA {
            constexpr int N = count.value;
            const T *from[N], *scale[N];
            for (int j = 0; j < N; j++) from[j] = x + f.source[first + j], scale[j] = g + f.pixel[first + j] * kFewMostRows;
            few_outer_tap<T, R, N>(w, row, f.depth, from, scale, !fresh,
                                   [&](int r, int64_t k, Vec<T> v, auto, auto put) INLINE_LAMBDA { put(w + r * row + k, v); });
        });
        if (f.start[tap] == f.start[tap + 1])
            for (int r = 0; r < R; r++)
                for (int64_t k = 0; k < f.depth; k++) w[r * row + k] = T(0);
    }
}

// The same, but each element goes to update(index, value, get, put) and not to memory; rows begin at index `at` and are
// `row` apart. `partial` holds the R runs of a tap whose pairs are added in parts.
template <class T, int R, class Update>
void few_update_rows(const FewTaps &f, const T *x, const T *g, T *partial, int64_t at, int64_t row,
                     const Update &update) {
    for (int64_t tap = 0; tap < f.taps; tap++, at += f.depth) {
        const auto finish = [&](int r, int64_t k, Vec<T> v, auto get, auto put) INLINE_LAMBDA {
            update(at + r * row + k, v, get, put);
        };
        for_pairs(f, tap, [&](int64_t first, auto count, bool fresh, bool last) INLINE_LAMBDA {
            constexpr int N = count.value;
            const T *from[N], *scale[N];
            for (int j = 0; j < N; j++) from[j] = x + f.source[first + j], scale[j] = g + f.pixel[first + j] * kFewMostRows;
            if (last) return few_outer_tap<T, R, N>(partial, f.depth, f.depth, from, scale, !fresh, finish);
            few_outer_tap<T, R, N>(partial, f.depth, f.depth, from, scale, !fresh,
                                   [&](int r, int64_t k, Vec<T> v, auto, auto put) INLINE_LAMBDA {
                                       put(partial + r * f.depth + k, v);
                                   });
        });
        if (f.start[tap] == f.start[tap + 1])
            for_vectors<T>(f.depth, [&](int64_t k, auto get, auto put) INLINE_LAMBDA {
                for (int r = 0; r < R; r++) finish(r, k, Vec<T>{}, get, put);
            });
    }
}

constexpr int64_t kFewHeld = 1 << 14;  // bytes
constexpr int kUpdatedRows = 2;  // with more, too many streams are read and written at once

template <class T, class Update>
void few_update_all(const FewTaps &f, const T *x, const T *g, int rows, T *partial, const Update &update) {
    // Of one tap as much of x at a time as the first cache holds while all rows use it.
    const int64_t row = f.taps * f.depth, held = kFewHeld / sizeof(T) / f.pixels / 64 * 64;
    const int64_t step = f.taps == 1 ? held : f.depth;
    FewTaps part = f;
    for (int64_t from = 0; from < f.depth; from += step) {
        part.depth = step < f.depth - from ? step : f.depth - from;
        int r = 0;
        for (; r + kUpdatedRows <= rows; r += kUpdatedRows)
            few_update_rows<T, kUpdatedRows>(part, x + from, g + r, partial, r * row + from, row, update);
        for (; r < rows; r++) few_update_rows<T, 1>(part, x + from, g + r, partial, r * row + from, row, update);
    }
}

template <class T, template <class> class R, class Step, int N = R<T>::least>
void few_update(const FewTaps &f, const T *x, const T *g, int rows, T *partial, const void *constants, int states,
                T *const *at) {
    if constexpr (N < R<T>::most)
        if (states > N) return few_update<T, R, Step, N + 1>(f, x, g, rows, partial, constants, states, at);
    few_update_all<T>(f, x, g, rows, partial, Update<T, R, N>(*static_cast<const Step *>(constants), at));
}

template <class T> void few_dot(const FewTaps &f, const T *x, const T *w, int rows, T *out) {
    if (rows == kFewRows) return few_dot_rows<T, kFewRows>(f, x, w, out);
    for (int r = 0; r < rows; r++) few_dot_rows<T, 1>(f, x, w + r * f.taps * f.depth, out + r);
}

template <class T> void few_outer(const FewTaps &f, const T *x, const T *g, int rows, T *w) {
    if (rows == kFewRows) return few_outer_rows<T, kFewRows>(f, x, g, w);
    for (int r = 0; r < rows; r++) few_outer_rows<T, 1>(f, x, g + r, w + r * f.taps * f.depth);
}

}  // namespace retrograd::RETROGRAD_ISA
