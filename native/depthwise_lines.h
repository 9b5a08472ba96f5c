// Lines of depthwise convolution: each channel by itself, lanes along the channels.
#pragma once
#include "columns.h"
#include "kernels.h"
#include "vec.h"

namespace retrograd::RETROGRAD_ISA {

constexpr int kLinePixels = kRegisters == 32 ? 4 : 2;  // that share the weights of a tap
constexpr int kLineTaps = kRegisters == 32 ? 4 : 2;    // that share a pixel of the gradient

// The pixels of a line, [first, last), all of whose taps see the source.
struct Inside {
    int64_t first, last;

    explicit Inside(const DepthwiseTaps &t) : first(0), last(t.pixels) {
        for (int64_t k = 0; k < t.count; k++) {
            const int64_t at = t.start[k];
            if (at < 0) first = first > (t.step - 1 - at) / t.step ? first : (t.step - 1 - at) / t.step;
            const int64_t end = at < t.width ? (t.width - 1 - at) / t.step + 1 : 0;
            last = last < end ? last : end;
        }
        if (last < first) last = first = first < t.pixels ? first : t.pixels;
    }
};

// As for_columns, with two vectors too.
template <class T, class Body> INLINE void for_channels(int64_t n, Body body) {
    constexpr int L = kLanes<T>;
    auto get = [](const T *p) INLINE_LAMBDA { return load(p); };
    auto put = [](T *p, Vec<T> v) INLINE_LAMBDA { store(p, v); };
    int64_t c = 0;
    for (; c + 4 * L <= n; c += 4 * L) body(c, Width<4>(), get, put);
    for (; c + 2 * L <= n; c += 2 * L) body(c, Width<2>(), get, put);
    for (; c + L <= n; c += L) body(c, Width<1>(), get, put);
    if (const int rest = static_cast<int>(n - c); rest > 0)
        body(c, Width<1>(), [rest](const T *p) INLINE_LAMBDA { return load_part(p, rest); },
             [rest](T *p, Vec<T> v) INLINE_LAMBDA { store_part(p, v, rest); });
}

template <class T> void depthwise_line(const DepthwiseLine<T> &d) {
    const DepthwiseTaps &t = d.taps;
    const Inside inside(t);
    constexpr int L = kLanes<T>, P = kLinePixels;
    for_channels<T>(d.channels, [&](int64_t c, auto width, auto get, auto put) INLINE_LAMBDA {
        constexpr int V = width.value;
        Vec<T> bias[V] = {};
        if (d.bias)
            UNROLL
            for (int v = 0; v < V; v++) bias[v] = get(d.bias + c + v * L);
        auto one = [&](int64_t j) INLINE_LAMBDA {
            Vec<T> sum[V];
            UNROLL
            for (int v = 0; v < V; v++) sum[v] = bias[v];
            for (int r = 0; r < d.row_count; r++)
                for (int64_t k = 0; k < t.count; k++) {
                    const int64_t at = t.start[k] + j * t.step;
                    if (at < 0 || at >= t.width) continue;
                    const T *x = d.rows[r] + at * d.pixel + c, *w = d.weights[r] + t.weight[k] + c;
                    UNROLL
                    for (int v = 0; v < V; v++) sum[v] += get(x + v * L) * get(w + v * L);
                }
            UNROLL
            for (int v = 0; v < V; v++) put(d.out + j * d.out_step + c + v * L, sum[v]);
        };
        int64_t j = 0;
        for (; j < inside.first; j++) one(j);
        for (; j + P <= inside.last; j += P) {
            Vec<T> sum[P][V];
            UNROLL
            for (int p = 0; p < P; p++)
                UNROLL
                for (int v = 0; v < V; v++) sum[p][v] = bias[v];
            const int64_t step = t.step * d.pixel;
            for (int r = 0; r < d.row_count; r++)
                for (int64_t k = 0; k < t.count; k++) {
                    const T *x = d.rows[r] + (t.start[k] + j * t.step) * d.pixel + c;
                    const T *w = d.weights[r] + t.weight[k] + c;
                    UNROLL
                    for (int v = 0; v < V; v++) {
                        const Vec<T> tap = get(w + v * L);
                        UNROLL
                        for (int p = 0; p < P; p++) sum[p][v] += get(x + p * step + v * L) * tap;
                    }
                }
            UNROLL
            for (int p = 0; p < P; p++)
                UNROLL
                for (int v = 0; v < V; v++) put(d.out + (j + p) * d.out_step + c + v * L, sum[p][v]);
        }
        for (; j < t.pixels; j++) one(j);
    });
}

// Adds what one line of the gradient makes of the weights of `Taps` taps.
template <class T, int Taps>
INLINE void line_taps(const DepthwiseProducts<T> &d, const Inside &inside, int64_t first) {
    const DepthwiseTaps &t = d.taps;
    constexpr int L = kLanes<T>;
    const int64_t *start = t.start + first;
    for_channels<T>(d.channels, [&](int64_t c, auto width, auto get, auto put) INLINE_LAMBDA {
        constexpr int V = width.value;
        Vec<T> sum[Taps][V] = {};
        auto pixel = [&](int64_t j, auto sees) INLINE_LAMBDA {
            Vec<T> g[V];
            UNROLL
            for (int v = 0; v < V; v++) g[v] = get(d.g + j * d.g_pixel + c + v * L);
            UNROLL
            for (int k = 0; k < Taps; k++) {
                const int64_t at = start[k] + j * t.step;
                if (!sees(at)) continue;
                UNROLL
                for (int v = 0; v < V; v++) sum[k][v] += g[v] * get(d.x + at * d.x_pixel + c + v * L);
            }
        };
        auto maybe = [&](int64_t at) INLINE_LAMBDA { return at >= 0 && at < t.width; };
        auto always = [](int64_t) INLINE_LAMBDA { return true; };
        int64_t j = 0;
        for (; j < inside.first; j++) pixel(j, maybe);
        for (; j < inside.last; j++) pixel(j, always);
        for (; j < t.pixels; j++) pixel(j, maybe);
        UNROLL
        for (int k = 0; k < Taps; k++) {
            T *to = d.out + t.weight[first + k] + c;
            UNROLL
            for (int v = 0; v < V; v++) put(to + v * L, get(to + v * L) + sum[k][v]);
        }
    });
}

template <class T, int Taps = kLineTaps> void line_products(const DepthwiseProducts<T> &d, const Inside &in, int64_t k) {
    if constexpr (Taps > 0) {
        if (d.taps.count - k < Taps) return line_products<T, Taps - 1>(d, in, k);
        line_taps<T, Taps>(d, in, k);
    }
}

template <class T> void depthwise_products(const DepthwiseProducts<T> &d) {
    const Inside inside(d.taps);
    for (int64_t k = 0; k < d.taps.count; k += kLineTaps) line_products<T>(d, inside, k);
}

}  // namespace retrograd::RETROGRAD_ISA
