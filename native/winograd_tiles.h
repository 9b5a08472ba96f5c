// The transforms of Winograd's F(4x4, 3x3) (Lavin & Gray 2015), lanes along channels.
// A 6x6 tile of input gives 4x4 of output with 36 products per channel pair instead of 144.
#pragma once
#include "kernels.h"
#include "loops.h"
#include "vec.h"

namespace retrograd::RETROGRAD_ISA {

// The points 0, a, -a, b, -b and infinity. With 3/4 and 3/2 rounding errors are half of what they are with the usual 1
// and 2, the largest a quarter; all but the weights' factors are exact in binary.
template <class T> struct Points {
    static constexpr T a = 0.75, b = 1.5, aa = a * a, bb = b * b, sum = aa + bb, product = aa * bb;
    static constexpr T zero = T(1 / (0.5625 * 2.25)), at_a = T(0.5 / (0.5625 * (0.5625 - 2.25))),
                       at_b = T(0.5 / (2.25 * (2.25 - 0.5625)));  // of the weights
};

// Each transform of a line gives its results in parts, of one or two: a tile's 36 numbers are more than there are
// registers, a part of them for all its lines is not. `from` and `to` name points and pixels; a short line, for 3 pixels
// of output, has no point -b, and what belongs to the others is scaled by their distance from it, so that the weights
// stay the same.
template <bool Short> struct PointLine {  // to points
    static constexpr int parts = 3;
    static constexpr int count(int part) { return Short && part == 2 ? 1 : 2; }
    static constexpr int to(int part, int k) { return part == 0 ? 5 * k : 2 * part - 1 + k; }
    static constexpr int from(int k) { return k; }
};

template <class T, bool Short> struct InputLine : PointLine<Short> {
    static constexpr int size = Short ? 5 : 6;
    template <int Part, class V> static INLINE void run(const V *d, V *t) {
        using P = Points<T>;
        if constexpr (Short && Part == 0) {
            t[0] = P::product * d[0] - (P::aa * P::b) * d[1] - P::bb * d[2] + P::b * d[3];
            t[1] = (P::aa * P::b) * d[1] - P::aa * d[2] - P::b * d[3] + d[4];
        } else if constexpr (Short && Part == 1) {
            const V even = d[3] - P::b * d[2], odd = P::a * d[2] - (P::a * P::b) * d[1];
            t[0] = (P::a + P::b) * (even + odd);
            t[1] = (P::b - P::a) * (even - odd);
        } else if constexpr (Short) {
            t[0] = (2 * P::b) * d[3] - (2 * P::b * P::aa) * d[1];
        } else if constexpr (Part == 0) {
            t[0] = P::product * d[0] - P::sum * d[2] + d[4];
            t[1] = P::product * d[1] - P::sum * d[3] + d[5];
        } else {
            constexpr T at = Part == 1 ? P::a : P::b, other = Part == 1 ? P::bb : P::aa;
            const V even = d[4] - other * d[2], odd = at * d[3] - (at * other) * d[1];
            t[0] = even + odd;
            t[1] = even - odd;
        }
    }
};

template <class T, bool Short> struct GradientLine : PointLine<Short> {  // the transpose of OutputLine
    static constexpr int size = Short ? 3 : 4;
    template <int Part, class V> static INLINE void run(const V *g, V *z) {
        using P = Points<T>;
        if constexpr (Part == 0) {
            z[0] = g[0];
            z[1] = g[size - 1];
        } else {
            constexpr T at = Part == 1 ? P::a : P::b;
            const V even = g[0] + (at * at) * g[2];
            V odd = at * g[1];
            if constexpr (!Short) odd += (at * at * at) * g[3];
            z[0] = even + odd;
            if constexpr (!Short || Part == 1) z[1] = even - odd;
        }
    }
};

template <class T, bool Short> struct OutputLine {
    static constexpr int size = Short ? 5 : 6, parts = 2;  // even pixels, odd pixels
    static constexpr int count(int part) { return Short && part == 1 ? 1 : 2; }
    static constexpr int to(int part, int k) { return part + 2 * k; }
    static constexpr int from(int k) { return Short && k == 4 ? 5 : k; }
    template <int Part, class V> static INLINE void run(const V *m, V *y) {
        using P = Points<T>;
        if constexpr (Part == 0) {
            const V near = m[1] + m[2];
            V far = m[3];
            if constexpr (!Short) far += m[4];
            y[0] = m[0] + near + far;
            y[1] = P::aa * near + P::bb * far;
            if constexpr (Short) y[1] += m[4];
        } else {
            const V near = m[1] - m[2];
            V far = m[3];
            if constexpr (!Short) far -= m[4];
            y[0] = P::a * near + P::b * far;
            if constexpr (!Short) y[1] = (P::a * P::aa) * near + (P::b * P::bb) * far + m[5];
        }
    }
};

template <class T> struct WeightLine {
    static constexpr int size = 3, parts = 1;
    static constexpr int count(int) { return 6; }
    static constexpr int to(int, int k) { return k; }
    static constexpr int from(int k) { return k; }
    template <int, class V> static INLINE void run(const V *w, V *u) {
        using P = Points<T>;
        const V near = (w[0] + P::aa * w[2]) * P::at_a, odd_near = w[1] * (P::a * P::at_a);
        const V far = (w[0] + P::bb * w[2]) * P::at_b, odd_far = w[1] * (P::b * P::at_b);
        u[0] = w[0] * P::zero;
        u[1] = near + odd_near;
        u[2] = near - odd_near;
        u[3] = far + odd_far;
        u[4] = far - odd_far;
        u[5] = w[2];
    }
};

template <class T> struct WeightGradientLine {  // the transpose of WeightLine
    static constexpr int size = 6, parts = 1;
    static constexpr int count(int) { return 3; }
    static constexpr int to(int, int k) { return k; }
    static constexpr int from(int k) { return k; }
    template <int, class V> static INLINE void run(const V *u, V *g) {
        using P = Points<T>;
        const V near = (u[1] + u[2]) * P::at_a, far = (u[3] + u[4]) * P::at_b;
        g[0] = u[0] * P::zero + near + far;
        g[1] = (u[1] - u[2]) * (P::a * P::at_a) + (u[3] - u[4]) * (P::b * P::at_b);
        g[2] = P::aa * near + P::bb * far + u[5];
    }
};

template <int N> struct Index { static constexpr int value = N; };
template <int N, class Body> INLINE void for_parts(Body body) {
    if constexpr (N > 1) for_parts<N - 1>(body);
    body(Index<N - 1>());
}

// Applies Rows down each column of a square of numbers, then Columns along each row of what comes out.
template <class V, class Rows, class Columns, class Get, class Put> INLINE void both_ways(Get get, Put put) {
    for_parts<Rows::parts>([&](auto part) INLINE_LAMBDA {
        constexpr int P = part.value, N = Rows::count(P);
        V half[N][Columns::size];
        UNROLL
        for (int j = 0; j < Columns::size; j++) {
            V in[Rows::size], out[N];
            UNROLL
            for (int i = 0; i < Rows::size; i++) in[i] = get(Rows::from(i), Columns::from(j));
            Rows::template run<P>(in, out);
            UNROLL
            for (int i = 0; i < N; i++) half[i][j] = out[i];
        }
        UNROLL
        for (int i = 0; i < N; i++)
            for_parts<Columns::parts>([&](auto along) INLINE_LAMBDA {
                constexpr int Q = along.value, M = Columns::count(Q);
                V out[M];
                Columns::template run<Q>(half[i], out);
                UNROLL
                for (int j = 0; j < M; j++) put(Rows::to(P, i), Columns::to(Q, j), out[j]);
            });
    });
}

// Calls body(rows, columns) with Line<T, whether its kind of tile is short> along each.
template <template <class, bool> class Line, class T, class Body> INLINE void with_lines(const WinogradTile &t, Body body) {
    using Whole = Line<T, false>;
    using Short = Line<T, true>;
    if (!t.short_rows && !t.short_columns) body(Whole(), Whole());
    else if (!t.short_rows) body(Whole(), Short());
    else if (!t.short_columns) body(Short(), Whole());
    else body(Short(), Short());
}

// An address that the compiler computes where it stands: left to itself it keeps all of a tile's, dozens, in memory.
template <class T> INLINE T *here(T *p) {
    asm("" : "+r"(p));
    return p;
}

template <class T> INLINE void fetch_pixels(const T *x, int64_t row, int64_t pixel) {  // 4 x 4 of them
    UNROLL
    for (int i = 0; i < 4; i++)
        UNROLL
        for (int j = 0; j < 4; j++) __builtin_prefetch(here(x + i * row) + j * pixel);
}

// x: the tile's corner
template <class T> void winograd_input(const T *x, const WinogradTile &t, int64_t channels, T *v, int64_t stride) {
    using V = Vec<T>;
    with_lines<InputLine, T>(t, [&](auto rows, auto columns) INLINE_LAMBDA {
        using Rows = decltype(rows);
        using Columns = decltype(columns);
        const int64_t row = t.row, pixel = t.pixel, ahead = t.ahead + 2 * (row + pixel);
        uint64_t inside = 0;
        for (int i = t.r0; i < t.r1; i++)
            for (int j = t.c0; j < t.c1; j++) inside |= uint64_t{1} << (6 * i + j);
        const bool whole = t.r1 - t.r0 == Rows::size && t.c1 - t.c0 == Columns::size;
        for_vectors<T>(channels, [=](int64_t c, auto get, auto put) INLINE_LAMBDA {
            fetch_pixels(x + ahead + c, row, pixel);  // the next tile's first two rows and columns were seen before
            auto keep = [=](int i, int j, V value) INLINE_LAMBDA { put(here(v + 6 * i * stride + c) + j * stride, value); };
            auto seen = [=](int i, int j) INLINE_LAMBDA { return get(here(x + i * row + c) + j * pixel); };
            if (whole) return both_ways<V, Rows, Columns>(seen, keep);
            both_ways<V, Rows, Columns>([=](int i, int j) INLINE_LAMBDA {
                return inside >> (6 * i + j) & 1 ? seen(i, j) : V{};
            }, keep);
        });
    });
}

template <class T>
void winograd_output(const T *m, int64_t stride, int64_t channels, const T *bias, T *y, const WinogradTile &t) {
    using V = Vec<T>;
    with_lines<OutputLine, T>(t, [&](auto along, auto across) INLINE_LAMBDA {
        const int64_t row = t.row, pixel = t.pixel, ahead = t.ahead;
        const int rows = t.r1, columns = t.c1;
        for_vectors<T>(channels, [=](int64_t c, auto get, auto put) INLINE_LAMBDA {
            UNROLL
            for (int i = 0; i < 4; i++)
                UNROLL
                for (int j = 0; j < 4; j++) expect_write(here(y + ahead + i * row + c) + j * pixel);
            const V shift = bias ? get(bias + c) : V{};
            both_ways<V, decltype(along), decltype(across)>(
                [=](int i, int j) INLINE_LAMBDA { return get(here(m + 6 * i * stride + c) + j * stride); },
                [=](int i, int j, V out) INLINE_LAMBDA {
                    if (i < rows && j < columns) put(here(y + i * row + c) + j * pixel, out + shift);
                });
        });
    });
}

template <class T> void winograd_gradient(const T *g, const WinogradTile &t, int64_t channels, T *z, int64_t stride) {
    using V = Vec<T>;
    with_lines<GradientLine, T>(t, [&](auto along, auto across) INLINE_LAMBDA {
        const int64_t row = t.row, pixel = t.pixel, ahead = t.ahead;
        const int rows = t.r1, columns = t.c1;
        for_vectors<T>(channels, [=](int64_t c, auto get, auto put) INLINE_LAMBDA {
            fetch_pixels(g + ahead + c, row, pixel);
            both_ways<V, decltype(along), decltype(across)>(
                [=](int i, int j) INLINE_LAMBDA {
                    return i < rows && j < columns ? get(here(g + i * row + c) + j * pixel) : V{};
                },
                [=](int i, int j, V value) INLINE_LAMBDA { put(here(z + 6 * i * stride + c) + j * stride, value); });
        });
    });
}

// n kernels side by side, `tap` from one of their nine numbers to the next; `flipped`: turned by 180 degrees.
template <class T> void winograd_weights(const T *w, int64_t tap, bool flipped, int64_t n, T *u, int64_t stride) {
    using V = Vec<T>;
    for_vectors<T>(n, [=](int64_t c, auto get, auto put) INLINE_LAMBDA {
        both_ways<V, WeightLine<T>, WeightLine<T>>(
            [=](int i, int j) INLINE_LAMBDA { return get(w + (flipped ? 8 - 3 * i - j : 3 * i + j) * tap + c); },
            [=](int i, int j, V t) INLINE_LAMBDA { put(here(u + 6 * i * stride + c) + j * stride, t); });
    });
}

template <class T> void winograd_weight_gradient(const T *m, int64_t stride, int64_t n, T *gw, int64_t tap) {
    using V = Vec<T>;
    for_vectors<T>(n, [=](int64_t c, auto get, auto put) INLINE_LAMBDA {
        both_ways<V, WeightGradientLine<T>, WeightGradientLine<T>>(
            [=](int i, int j) INLINE_LAMBDA { return get(m + (6 * i + j) * stride + c); },
            [=](int i, int j, V out) INLINE_LAMBDA { put(gw + (3 * i + j) * tap + c, out); });
    });
}

}  // namespace retrograd::RETROGRAD_ISA
