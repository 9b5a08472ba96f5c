#include "conv_unfolded.h"

#include "isa.h"
#include "kernels.h"

namespace retrograd {

constexpr int64_t kPixels = 512;   // at a time: with what they see, they stay in a core's own cache
constexpr int64_t kPerTask = 64;

template <class T>
void unfolded_weight_gradient(const Images<const T> &x, const T *gy, int64_t pixel, T *gw, const ConvGeometry &g,
                              const ConvSizes &s) {
    const TypedKernels<T> &k = kernels().of<T>();
    const int64_t run = s.KW * s.C, width = s.KH * run, pitch = ceil_div(width, 16) * 16, pixels = s.N * s.OH * s.OW;
    const int64_t panels = ceil_div(width, k.tile_lanes), tiles = ceil_div(s.O, k.tile_rows), zero = 0;
    Scratch<T> unfolded(std::min(kPixels, pixels) * pitch);
    for (int64_t first = 0; first < pixels || first == 0; first += kPixels) {
        const int64_t count = std::min(kPixels, pixels - first);
        parallel(ceil_div(count, kPerTask), [&](int64_t task) {
            for (int64_t p = task * kPerTask; p < std::min(count, (task + 1) * kPerTask); p++) {
                const int64_t at = first + p, n = at / (s.OH * s.OW), oh = at / s.OW % s.OH, ow = at % s.OW;
                const T *from = x.data + n * x.n + oh * g.stride[0] * x.h + ow * g.stride[1] * x.w;
                T *to = unfolded.get() + p * pitch;
                for (int64_t kh = 0; kh < s.KH; kh++) std::copy_n(from + kh * g.dilation[0] * x.h, run, to + kh * run);
            }
        });
        parallel(panels * tiles, [&](int64_t task) {
            const int64_t panel = task / tiles, tile = task % tiles, lane = panel * k.tile_lanes;
            const int64_t o0 = s.O * tile / tiles, o1 = s.O * (tile + 1) / tiles;
            OuterTile<T> t{};
            t.a_step = pixel;
            t.b = unfolded.get() + lane;
            t.b_step = pitch;
            t.lanes = static_cast<int>(std::min<int64_t>(k.tile_lanes, width - lane));
            t.a_offset = t.b_offset = &zero;
            t.segments = 1;
            t.depth = count;
            t.accumulate = first > 0;
            t.rows = static_cast<int>(o1 - o0);
            for (int r = 0; r < t.rows; r++) {
                t.a[r] = gy + first * pixel + o0 + r;
                t.c[r] = gw + (o0 + r) * width + lane;
            }
            k.outer(t);
        });
    }
}

template void unfolded_weight_gradient(const Images<const float> &, const float *, int64_t, float *, const ConvGeometry &,
                                       const ConvSizes &);
template void unfolded_weight_gradient(const Images<const double> &, const double *, int64_t, double *,
                                       const ConvGeometry &, const ConvSizes &);

}  // namespace retrograd
