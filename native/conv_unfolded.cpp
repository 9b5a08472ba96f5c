#include "conv_unfolded.h"

#include "isa.h"
#include "kernels.h"

namespace retrograd {

constexpr int64_t kPixels = 512;  // at a time: with what they see, they stay in a core's own cache
constexpr int64_t kPartPixels = 128, kMostParts = 32, kPartialBytes = 4 << 20;

// Each part of the pixels is one task, with sums of its own, so that no core waits for what another has written.
template <class T>
void unfolded_weight_gradient(const Images<const T> &x, const T *gy, int64_t pixel, T *gw, const ConvGeometry &g,
                              const ConvSizes &s) {
    const TypedKernels<T> &k = kernels().of<T>();
    const int64_t run = s.KW * s.C, width = s.KH * run, pitch = ceil_div(width, 16) * 16, pixels = s.N * s.OH * s.OW;
    const int64_t panels = ceil_div(width, k.tile_lanes), tiles = ceil_div(s.O, k.tile_rows), zero = 0;
    const int64_t size = s.O * width, fit = kPartialBytes / (size * static_cast<int64_t>(sizeof(T)) + 1);
    const int64_t parts = std::clamp<int64_t>(ceil_div(pixels, kPartPixels), 1, std::clamp<int64_t>(fit, 4, kMostParts));
    const int slots = num_threads();
    Scratch<T> unfolded(slots * kPixels * pitch), partial(parts * size);
    parallel(parts, slots, [&](int64_t part, int slot) {
        T *seen = unfolded.get() + slot * kPixels * pitch, *sum = partial.get() + part * size;
        const int64_t from = pixels * part / parts, to = pixels * (part + 1) / parts;
        for (int64_t first = from; first < to || first == from; first += kPixels) {
            const int64_t count = std::min(kPixels, to - first);
            for (int64_t p = 0; p < count; p++) {
                const int64_t at = first + p, n = at / (s.OH * s.OW), oh = at / s.OW % s.OH, ow = at % s.OW;
                k.copy_runs(x.data + n * x.n + oh * g.stride[0] * x.h + ow * g.stride[1] * x.w, g.dilation[0] * x.h,
                            s.KH, run, seen + p * pitch);
            }
            for (int64_t task = 0; task < panels * tiles; task++) {
                const int64_t tile = task % tiles, lane = task / tiles * k.tile_lanes;
                const int64_t o0 = s.O * tile / tiles, o1 = s.O * (tile + 1) / tiles;
                OuterTile<T> t{};
                t.a_step = pixel;
                t.b = seen + lane;
                t.b_step = pitch;
                t.lanes = static_cast<int>(std::min<int64_t>(k.tile_lanes, width - lane));
                t.a_offset = t.b_offset = &zero;
                t.segments = 1;
                t.depth = count;
                t.accumulate = first > from;
                t.rows = static_cast<int>(o1 - o0);
                for (int r = 0; r < t.rows; r++) {
                    t.a[r] = gy + first * pixel + o0 + r;
                    t.c[r] = sum + (o0 + r) * width + lane;
                }
                k.outer(t);
            }
        }
    });
    parallel(s.O, [&](int64_t o) {
        T *to = gw + o * width;
        std::copy_n(partial.get() + o * width, width, to);
        for (int64_t part = 1; part < parts; part++) k.add_scaled(partial.get() + part * size + o * width, T(1), to, width);
    });
}

template void unfolded_weight_gradient(const Images<const float> &, const float *, int64_t, float *, const ConvGeometry &,
                                       const ConvSizes &);
template void unfolded_weight_gradient(const Images<const double> &, const double *, int64_t, double *,
                                       const ConvGeometry &, const ConvSizes &);

}  // namespace retrograd
