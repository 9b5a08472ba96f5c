#include "conv_scattered.h"

#include "isa.h"
#include "kernels.h"
#include "matmul.h"

namespace retrograd {
namespace {

constexpr int64_t kMostChannels = 8, kLeastDepth = 8, kFrom = 128;  // pixels
constexpr int64_t kPixels = 256;  // whose products are made at a time: they stay in a core's own cache
constexpr int64_t kBand = 16;     // lines of the input that a task makes

}  // namespace

bool scattering_pays(const ConvSizes &s, const ConvGeometry &g) {
    return g.groups == 1 && g.dilation[1] == 1 && s.KW > 1 && s.C <= kMostChannels && s.O >= kLeastDepth &&
           s.N * s.OH * s.OW >= kFrom;
}

template <class T>
void scattered_input_gradient(const Images<const T> &gy, const T *weights, const Images<T> &gx, const ConvGeometry &g,
                              const ConvSizes &s) {
    const TypedKernels<T> &k = kernels().of<T>();
    const int64_t run = s.KW * s.C, width = s.KH * run, pitch = ceil_div(width, 16) * 16;
    const int64_t bands = ceil_div(s.H, kBand), columns = std::max((s.OW - 1) * g.stride[1] + s.KW, g.padding[1] + s.W);
    const int64_t line = columns * s.C, most = std::max<int64_t>(1, kPixels / s.OW);  // source lines at a time
    const int64_t held = kBand * line, products = most * s.OW * pitch, block = scratch_of_product<T>(s.O);
    const bool together = gy.h == s.OW * gy.w;
    const int slots = num_threads();
    Scratch<T> packing(packed_size<T>(s.O, width)), scratch(slots * (held + products + block));
    const Packed<T> packed = pack_right<T>(s.O, width, {weights, width, 1}, packing.get());
    parallel(s.N * bands, slots, [&](int64_t task, int slot) {
        T *sums = scratch.get() + slot * (held + products + block), *made = sums + held, *space = made + products;
        const int64_t n = task / bands, band = task % bands, h0 = s.H * band / bands, h1 = s.H * (band + 1) / bands;
        std::fill_n(sums, (h1 - h0) * line, T(0));
        const int64_t reach = (s.KH - 1) * g.dilation[0];
        const int64_t first = std::max<int64_t>(0, ceil_div(std::max<int64_t>(0, h0 + g.padding[0] - reach), g.stride[0]));
        const int64_t last = std::min(s.OH, (h1 - 1 + g.padding[0]) / g.stride[0] + 1);
        for (int64_t from = first; from < last; from += most) {
            const int64_t count = std::min(most, last - from);
            const T *given = gy.data + n * gy.n + from * gy.h;
            if (together) multiply<T>(count * s.OW, width, s.O, {given, gy.w, 1}, packed, made, pitch, false, space);
            else
                for (int64_t i = 0; i < count; i++)
                    multiply<T>(s.OW, width, s.O, {given + i * gy.h, gy.w, 1}, packed, made + i * s.OW * pitch, pitch, false,
                                space);
            for (int64_t i = 0; i < count; i++)
                for (int64_t kh = 0; kh < s.KH; kh++) {
                    const int64_t h = (from + i) * g.stride[0] + kh * g.dilation[0] - g.padding[0];
                    if (h >= h0 && h < h1)
                        k.add_runs(made + i * s.OW * pitch + kh * run, pitch, s.OW, run, sums + (h - h0) * line,
                                   g.stride[1] * s.C);
                }
        }
        for (int64_t h = h0; h < h1; h++) {
            const T *from = sums + (h - h0) * line + g.padding[1] * s.C;
            T *to = gx.data + n * gx.n + h * gx.h;
            if (gx.w == s.C) std::copy_n(from, s.W * s.C, to);
            else
                for (int64_t w = 0; w < s.W; w++) std::copy_n(from + w * s.C, s.C, to + w * gx.w);
        }
    });
}

bool scattering_pays_forward(const ConvSizes &s, const ConvGeometry &g) {
    const int64_t h = (s.KH - 1) * g.dilation[0] - g.padding[0], w = s.KW - 1 - g.padding[1];
    return g.stride[0] == 1 && g.stride[1] == 1 && h >= 0 && w >= 0 &&
           scattering_pays({s.N, s.O, s.OH, s.OW, s.C, s.O, s.KH, s.KW, s.H, s.W}, g);
}

template <class T>
void scattered_forward(const Images<const T> &x, const T *weights, const T *bias, const Images<T> &y,
                       const ConvGeometry &g, const ConvSizes &s) {
    const int64_t taps = s.KH * s.KW;
    Scratch<T> turned(taps * s.C * s.O);
    for (int64_t c = 0; c < s.C; c++)
        for (int64_t tap = 0; tap < taps; tap++)
            for (int64_t o = 0; o < s.O; o++)
                turned.get()[(c * taps + taps - 1 - tap) * s.O + o] = weights[(o * taps + tap) * s.C + c];
    ConvGeometry back = g;
    back.padding[0] = (s.KH - 1) * g.dilation[0] - g.padding[0];
    back.padding[1] = s.KW - 1 - g.padding[1];
    scattered_input_gradient(x, turned.get(), y, back, {s.N, s.O, s.OH, s.OW, s.C, s.O, s.KH, s.KW, s.H, s.W});
    if (!bias) return;
    parallel(s.N * s.OH, [&](int64_t task) {
        T *line = y.data + task / s.OH * y.n + task % s.OH * y.h;
        for (int64_t w = 0; w < s.OW; w++)
            for (int64_t o = 0; o < s.O; o++) line[w * y.w + o] += bias[o];
    });
}

template void scattered_forward(const Images<const float> &, const float *, const float *, const Images<float> &,
                                const ConvGeometry &, const ConvSizes &);
template void scattered_forward(const Images<const double> &, const double *, const double *, const Images<double> &,
                                const ConvGeometry &, const ConvSizes &);
template void scattered_input_gradient(const Images<const float> &, const float *, const Images<float> &,
                                       const ConvGeometry &, const ConvSizes &);
template void scattered_input_gradient(const Images<const double> &, const double *, const Images<double> &,
                                       const ConvGeometry &, const ConvSizes &);

}  // namespace retrograd
