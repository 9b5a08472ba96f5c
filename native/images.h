// Images with contiguous channels, and weights as OHWI, from arrays in any layout.
#pragma once
#include <algorithm>

#include "array.h"
#include "isa.h"
#include "kernels.h"
#include "memory.h"
#include "pool.h"

namespace retrograd {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// A batch of images whose channels are contiguous: where they start, and the strides of n, h, w.
template <class T> struct Images {
    T *data;
    int64_t n, h, w;
};

// Copies (N, C, H, W) with any strides to NHWC with a border of zeros.
template <class T> void copy_channels_last(const Array &x, T *to, int64_t border_h, int64_t border_w) {
    const int64_t C = x.shape[1], H = x.shape[2], W = x.shape[3];
    const int64_t line = (W + 2 * border_w) * C, lines = H + 2 * border_h;
    const int64_t sc = x.stride[1], sw = x.stride[3];
    parallel(x.shape[0] * lines, [&](int64_t task) {
        T *out = to + task * line;
        const int64_t n = task / lines, h = task % lines - border_h;
        if (h < 0 || h >= H) {
            std::fill_n(out, line, T(0));
            return;
        }
        std::fill_n(out, border_w * C, T(0));
        std::fill_n(out + line - border_w * C, border_w * C, T(0));
        out += border_w * C;
        const T *in = x.as<T>() + n * x.stride[0] + h * x.stride[2];
        for (int64_t w0 = 0; w0 < W; w0 += 16) {  // 16 pixels at a time: one cache line of each channel
            const int64_t w1 = std::min(W, w0 + 16);
            if (sw == 1) {
                kernels().of<T>().transpose(in + w0, sc, C, w1 - w0, out + w0 * C, C);
                continue;
            }
            for (int64_t c = 0; c < C; c++)
                for (int64_t w = w0; w < w1; w++) out[w * C + c] = in[c * sc + w * sw];
        }
    });
}

template <class T> Images<const T> channels_last(const Array &x, Scratch<T> &scratch) {
    if (x.stride[1] == 1 || x.shape[1] == 1) return {x.as<T>(), x.stride[0], x.stride[2], x.stride[3]};
    const int64_t C = x.shape[1], H = x.shape[2], W = x.shape[3];
    T *copy = scratch.reset(x.size());
    copy_channels_last(x, copy, 0, 0);
    return {copy, H * W * C, W * C, C};
}

inline bool is_ohwi(const Array &w) {
    const int64_t I = w.shape[1], KH = w.shape[2], KW = w.shape[3];
    const int64_t dense[4] = {KH * KW * I, 1, KW * I, I};
    for (int i = 0; i < 4; i++)
        if (w.shape[i] > 1 && w.stride[i] != dense[i] && w.size() > 0) return false;
    return true;
}

template <class T> const T *ohwi(const Array &w, Scratch<T> &scratch) {
    if (is_ohwi(w)) return w.as<T>();
    const int64_t O = w.shape[0], I = w.shape[1], KH = w.shape[2], KW = w.shape[3];
    T *copy = scratch.reset(w.size());
    parallel(O, [&](int64_t o) {
        const T *in = w.as<T>() + o * w.stride[0];
        T *out = copy + o * KH * KW * I;
        for (int64_t i = 0; i < I; i++)
            for (int64_t h = 0; h < KH; h++)
                for (int64_t k = 0; k < KW; k++)
                    out[(h * KW + k) * I + i] = in[i * w.stride[1] + h * w.stride[2] + k * w.stride[3]];
    });
    return copy;
}

}  // namespace retrograd
