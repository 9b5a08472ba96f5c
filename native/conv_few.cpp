#include "conv_few.h"

#include "isa.h"
#include "kernels.h"

namespace retrograd {
namespace {

// body(first output channel, how many, their group) for all output channels, as many at a time as the kernels take.
template <class T, class Body> void for_rows(const ConvGeometry &g, const ConvSizes &s, const Body &body) {
    const int64_t each = s.O / g.groups, most = kernels().of<T>().few_rows, blocks = ceil_div(each, most);
    parallel(g.groups * blocks, [&](int64_t task) {
        const int64_t group = task / blocks, first = task % blocks * most;
        body(group * each + first, static_cast<int>(std::min(most, each - first)), group);
    });
}

template <class T> T *pixel_of(const Images<T> &y, const ConvSizes &s, int64_t p) {
    return y.data + p / (s.OH * s.OW) * y.n + p / s.OW % s.OH * y.h + p % s.OW * y.w;
}

}  // namespace

bool few_pixels(const ConvSizes &s) { return s.N * s.OH * s.OW <= kFewPixels && s.I >= 16; }

template <class T> FewPairs::FewPairs(const Images<const T> &x, const ConvGeometry &g, const ConvSizes &s) {
    for (int64_t kh = 0; kh < s.KH; kh++)
        for (int64_t kw = 0; kw < s.KW; kw++) {
            start.push_back(pixel.size());
            for (int64_t p = 0; p < s.N * s.OH * s.OW; p++) {
                const int64_t n = p / (s.OH * s.OW), oh = p / s.OW % s.OH, ow = p % s.OW;
                const int64_t h = oh * g.stride[0] - g.padding[0] + kh * g.dilation[0];
                const int64_t w = ow * g.stride[1] - g.padding[1] + kw * g.dilation[1];
                if (h < 0 || h >= s.H || w < 0 || w >= s.W) continue;
                pixel.push_back(p);
                source.push_back(n * x.n + h * x.h + w * x.w);
            }
        }
    start.push_back(pixel.size());
    taps = {start.data(), pixel.data(), source.data(), s.KH * s.KW, s.I, s.N * s.OH * s.OW};
}

template <class T>
void few_forward(const Images<const T> &x, const T *weights, const T *bias, const Images<T> &y, const ConvGeometry &g,
                 const ConvSizes &s) {
    const FewPairs pairs(x, g, s);
    for_rows<T>(g, s, [&](int64_t o, int rows, int64_t group) {
        T out[kFewPixels * kFewMostRows];
        kernels().of<T>().few_dot(pairs.taps, x.data + group * s.I, weights + o * pairs.taps.taps * s.I, rows, out);
        for (int64_t p = 0; p < pairs.taps.pixels; p++) {
            T *to = pixel_of(y, s, p) + o, *from = out + p * kFewMostRows;
            for (int r = 0; r < rows; r++) to[r] = bias ? from[r] + bias[o + r] : from[r];
        }
    });
}

template <class T>
void few_weight_gradient(const Images<const T> &x, const Images<const T> &gy, T *gw, const ConvGeometry &g,
                         const ConvSizes &s) {
    const FewPairs pairs(x, g, s);
    for_rows<T>(g, s, [&](int64_t o, int rows, int64_t group) {
        T scale[kFewPixels * kFewMostRows];
        for (int64_t p = 0; p < pairs.taps.pixels; p++) std::copy_n(pixel_of(gy, s, p) + o, rows, scale + p * kFewMostRows);
        kernels().of<T>().few_outer(pairs.taps, x.data + group * s.I, scale, rows, gw + o * pairs.taps.taps * s.I);
    });
}

#define RETROGRAD_FEW(T)                                                                                               \
    template FewPairs::FewPairs(const Images<const T> &, const ConvGeometry &, const ConvSizes &);                     \
    template void few_forward(const Images<const T> &, const T *, const T *, const Images<T> &, const ConvGeometry &,  \
                              const ConvSizes &);                                                                      \
    template void few_weight_gradient(const Images<const T> &, const Images<const T> &, T *, const ConvGeometry &,     \
                                      const ConvSizes &);
RETROGRAD_FEW(float)
RETROGRAD_FEW(double)

}  // namespace retrograd
