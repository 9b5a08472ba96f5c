// The transforms of Winograd's F(4x4, 3x3) (Lavin & Gray 2015, with the points 0, 1, -1, 2, -2), lanes along channels.
// A 6x6 tile of input gives 4x4 of output with 36 products per channel pair instead of 144.
#pragma once
#include "kernels.h"
#include "loops.h"
#include "vec.h"

namespace retrograd::RETROGRAD_ISA {

template <class V> INLINE void input_line(const V *d, V *t) {
    const V a = d[4] - 4 * d[2], b = d[3] - 4 * d[1], c = d[4] - d[2], e = 2 * (d[3] - d[1]);
    t[0] = 4 * d[0] - 5 * d[2] + d[4];
    t[1] = a + b;
    t[2] = a - b;
    t[3] = c + e;
    t[4] = c - e;
    t[5] = 4 * d[1] - 5 * d[3] + d[5];
}

template <class V> INLINE void output_line(const V *m, V *y) {
    const V a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
    y[0] = m[0] + a + c;
    y[1] = b + 2 * d;
    y[2] = a + 4 * c;
    y[3] = b + 8 * d + m[5];
}

template <class V> INLINE void gradient_line(const V *g, V *z) {  // the transpose of output_line
    const V a = g[0] + g[2], b = g[1] + g[3], c = g[0] + 4 * g[2], d = 2 * g[1] + 8 * g[3];
    z[0] = g[0];
    z[1] = a + b;
    z[2] = a - b;
    z[3] = c + d;
    z[4] = c - d;
    z[5] = g[3];
}

template <class T, class V> INLINE void weight_line(const V *w, V *u) {
    const V a = (w[0] + w[2]) * T(-1. / 6), b = w[1] * T(1. / 6), c = w[0] * T(1. / 24) + w[2] * T(1. / 6);
    const V d = w[1] * T(1. / 12);
    u[0] = w[0] * T(0.25);
    u[1] = a - b;
    u[2] = a + b;
    u[3] = c + d;
    u[4] = c - d;
    u[5] = w[2];
}

template <class T, class V> INLINE void weight_gradient_line(const V *u, V *g) {  // the transpose of weight_line
    const V a = (u[1] + u[2]) * T(-1. / 6), b = u[3] + u[4];
    g[0] = u[0] * T(0.25) + a + b * T(1. / 24);
    g[1] = (u[2] - u[1]) * T(1. / 6) + (u[3] - u[4]) * T(1. / 12);
    g[2] = a + b * T(1. / 6) + u[5];
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

// x: the tile's corner; only rows [r0, r1) and columns [c0, c1) of it lie inside the image, the rest is zero.
template <class T>
void winograd_input(const T *x, int64_t row, int64_t pixel, int r0, int r1, int c0, int c1, int64_t channels, T *v,
                    int64_t stride) {
    using V = Vec<T>;
    const bool whole = r0 == 0 && r1 == 6 && c0 == 0 && c1 == 6;
    for_vectors<T>(channels, [=](int64_t c, auto get, auto put) INLINE_LAMBDA {
        auto line = [](const V *d, V *t) INLINE_LAMBDA { input_line(d, t); };
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
                     int rows, int columns) {
    using V = Vec<T>;
    for_vectors<T>(channels, [=](int64_t c, auto get, auto put) INLINE_LAMBDA {
        const V shift = bias ? get(bias + c) : V{};
        both_ways<6, 4, V>([](const V *t, V *out) INLINE_LAMBDA { output_line(t, out); },
                           [=](int i, int j) INLINE_LAMBDA { return get(m + (6 * i + j) * stride + c); },
                           [=](int i, int j, V out) INLINE_LAMBDA {
                               if (i < rows && j < columns) put(y + i * row + j * pixel + c, out + shift);
                           });
    });
}

template <class T>
void winograd_gradient(const T *g, int64_t row, int64_t pixel, int rows, int columns, int64_t channels, T *z,
                       int64_t stride) {
    using V = Vec<T>;
    for_vectors<T>(channels, [=](int64_t c, auto get, auto put) INLINE_LAMBDA {
        both_ways<4, 6, V>([](const V *d, V *t) INLINE_LAMBDA { gradient_line(d, t); },
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
