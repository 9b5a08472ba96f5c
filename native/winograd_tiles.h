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

template <class T, class V> INLINE void input_line(const V *d, V *t) {
    using P = Points<T>;
    const V near = d[4] - P::bb * d[2], odd_near = P::a * d[3] - (P::a * P::bb) * d[1];
    const V far = d[4] - P::aa * d[2], odd_far = P::b * d[3] - (P::b * P::aa) * d[1];
    t[0] = P::product * d[0] - P::sum * d[2] + d[4];
    t[1] = near + odd_near;
    t[2] = near - odd_near;
    t[3] = far + odd_far;
    t[4] = far - odd_far;
    t[5] = P::product * d[1] - P::sum * d[3] + d[5];
}

template <class T, class V> INLINE void output_line(const V *m, V *y) {
    using P = Points<T>;
    const V near = m[1] + m[2], odd_near = m[1] - m[2], far = m[3] + m[4], odd_far = m[3] - m[4];
    y[0] = m[0] + near + far;
    y[1] = P::a * odd_near + P::b * odd_far;
    y[2] = P::aa * near + P::bb * far;
    y[3] = (P::a * P::aa) * odd_near + (P::b * P::bb) * odd_far + m[5];
}

template <class T, class V> INLINE void gradient_line(const V *g, V *z) {  // the transpose of output_line
    using P = Points<T>;
    const V near = g[0] + P::aa * g[2], odd_near = P::a * g[1] + (P::a * P::aa) * g[3];
    const V far = g[0] + P::bb * g[2], odd_far = P::b * g[1] + (P::b * P::bb) * g[3];
    z[0] = g[0];
    z[1] = near + odd_near;
    z[2] = near - odd_near;
    z[3] = far + odd_far;
    z[4] = far - odd_far;
    z[5] = g[3];
}

template <class T, class V> INLINE void weight_line(const V *w, V *u) {
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

template <class T, class V> INLINE void weight_gradient_line(const V *u, V *g) {  // the transpose of weight_line
    using P = Points<T>;
    const V near = (u[1] + u[2]) * P::at_a, far = (u[3] + u[4]) * P::at_b;
    g[0] = u[0] * P::zero + near + far;
    g[1] = (u[1] - u[2]) * (P::a * P::at_a) + (u[3] - u[4]) * (P::b * P::at_b);
    g[2] = P::aa * near + P::bb * far + u[5];
}

// Turns a From x From square into To x To: `line` applied to its columns, then to the rows of what comes out.
template <int From, int To, class V, class Line, class Get, class Put> INLINE void both_ways(Line line, Get get, Put put) {
    V half[To][From];
    UNROLL
    for (int j = 0; j < From; j++) {
        V in[From], out[To];
        UNROLL
        for (int i = 0; i < From; i++) in[i] = get(i, j);
        line(in, out);
        UNROLL
        for (int i = 0; i < To; i++) half[i][j] = out[i];
    }
    UNROLL
    for (int i = 0; i < To; i++) {
        V out[To];
        line(half[i], out);
        UNROLL
        for (int j = 0; j < To; j++) put(i, j, out[j]);
    }
}

template <class T> INLINE void fetch_pixels(const T *x, int64_t row, int64_t pixel) {  // 4 x 4 of them
    UNROLL
    for (int i = 0; i < 4; i++)
        UNROLL
        for (int j = 0; j < 4; j++) __builtin_prefetch(x + i * row + j * pixel);
}

// x: the tile's corner, `ahead` from it that of the next tile; only its rows [r0, r1) and columns [c0, c1) lie inside the
// image, the rest is zero.
template <class T>
void winograd_input(const T *x, int64_t row, int64_t pixel, int r0, int r1, int c0, int c1, int64_t channels,
                    int64_t ahead, T *v, int64_t stride) {
    using V = Vec<T>;
    const bool whole = r0 == 0 && r1 == 6 && c0 == 0 && c1 == 6;
    for_vectors<T>(channels, [=](int64_t c, auto get, auto put) INLINE_LAMBDA {
        fetch_pixels(x + ahead + 2 * (row + pixel) + c, row, pixel);  // its first two rows and columns were seen before
        auto line = [](const V *d, V *t) INLINE_LAMBDA { input_line<T>(d, t); };
        auto keep = [=](int i, int j, V t) INLINE_LAMBDA { put(v + (6 * i + j) * stride + c, t); };
        auto inside = [=](int i, int j) INLINE_LAMBDA { return get(x + i * row + j * pixel + c); };
        if (whole) return both_ways<6, 6, V>(line, inside, keep);
        both_ways<6, 6, V>(line, [=](int i, int j) INLINE_LAMBDA {
            return i >= r0 && i < r1 && j >= c0 && j < c1 ? inside(i, j) : V{};
        }, keep);
    });
}

// y: 4x4 pixels, of which the first `rows` x `columns` exist.
template <class T>
void winograd_output(const T *m, int64_t stride, int64_t channels, const T *bias, T *y, int64_t row, int64_t pixel,
                     int rows, int columns, int64_t ahead) {
    using V = Vec<T>;
    for_vectors<T>(channels, [=](int64_t c, auto get, auto put) INLINE_LAMBDA {
        UNROLL
        for (int i = 0; i < 4; i++)
            UNROLL
            for (int j = 0; j < 4; j++) expect_write(y + ahead + i * row + j * pixel + c);
        const V shift = bias ? get(bias + c) : V{};
        both_ways<6, 4, V>([](const V *t, V *out) INLINE_LAMBDA { output_line<T>(t, out); },
                           [=](int i, int j) INLINE_LAMBDA { return get(m + (6 * i + j) * stride + c); },
                           [=](int i, int j, V out) INLINE_LAMBDA {
                               if (i < rows && j < columns) put(y + i * row + j * pixel + c, out + shift);
                           });
    });
}

template <class T>
void winograd_gradient(const T *g, int64_t row, int64_t pixel, int rows, int columns, int64_t channels,
                       int64_t ahead, T *z, int64_t stride) {
    using V = Vec<T>;
    for_vectors<T>(channels, [=](int64_t c, auto get, auto put) INLINE_LAMBDA {
        fetch_pixels(g + ahead + c, row, pixel);
        both_ways<4, 6, V>([](const V *d, V *t) INLINE_LAMBDA { gradient_line<T>(d, t); },
                           [=](int i, int j) INLINE_LAMBDA {
                               return i < rows && j < columns ? get(g + i * row + j * pixel + c) : V{};
                           },
                           [=](int i, int j, V t) INLINE_LAMBDA { put(z + (6 * i + j) * stride + c, t); });
    });
}

// n kernels side by side, `tap` from one of their nine numbers to the next; `flipped`: turned by 180 degrees.
template <class T> void winograd_weights(const T *w, int64_t tap, bool flipped, int64_t n, T *u, int64_t stride) {
    using V = Vec<T>;
    for_vectors<T>(n, [=](int64_t c, auto get, auto put) INLINE_LAMBDA {
        both_ways<3, 6, V>([](const V *d, V *t) INLINE_LAMBDA { weight_line<T>(d, t); },
                           [=](int i, int j) INLINE_LAMBDA {
                               return get(w + (flipped ? 8 - 3 * i - j : 3 * i + j) * tap + c);
                           },
                           [=](int i, int j, V t) INLINE_LAMBDA { put(u + (6 * i + j) * stride + c, t); });
    });
}

template <class T> void winograd_weight_gradient(const T *m, int64_t stride, int64_t n, T *gw, int64_t tap) {
    using V = Vec<T>;
    for_vectors<T>(n, [=](int64_t c, auto get, auto put) INLINE_LAMBDA {
        both_ways<6, 3, V>([](const V *t, V *out) INLINE_LAMBDA { weight_gradient_line<T>(t, out); },
                           [=](int i, int j) INLINE_LAMBDA { return get(m + (6 * i + j) * stride + c); },
                           [=](int i, int j, V out) INLINE_LAMBDA { put(gw + (3 * i + j) * tap + c, out); });
    });
}

}  // namespace retrograd::RETROGRAD_ISA
