#include "conv_shallow.h"

#include <vector>

#include "isa.h"
#include "kernels.h"

namespace retrograd {

constexpr int64_t kPixels = 512;  // at a time: with what they see, they stay in a core's own cache
constexpr int64_t kPartPixels = 128, kMostParts = 32, kPartialBytes = 4 << 20;

// Each part of the lines is one task, with sums of its own, so that no core waits for what another has written. Sums are
// of the transposed gradient: a row for each weight of an output channel.
template <class T>
void shallow_weight_gradient(const Images<const T> &x, const T *gy, int64_t pixel, T *gw, const ConvGeometry &g,
                             const ConvSizes &s) {
    const TypedKernels<T> &k = kernels().of<T>();
    const int64_t run = s.KW * s.C, width = s.KH * run, pitch = ceil_div(s.O, 16) * 16, lines = s.N * s.OH;
    const int64_t panels = ceil_div(s.O, k.tile_lanes), tiles = ceil_div(width, k.tile_rows);
    const int64_t size = width * pitch, fit = kPartialBytes / (size * static_cast<int64_t>(sizeof(T)) + 1);
    const int64_t most = std::clamp<int64_t>(fit, 4, kMostParts);
    const int64_t parts = std::clamp<int64_t>(ceil_div(lines * s.OW, kPartPixels), 1, std::min(most, std::max<int64_t>(1, lines)));
    const int64_t block = std::max<int64_t>(1, kPixels / std::max<int64_t>(1, s.OW));
    Scratch<T> partial(parts * size);
    Scratch<int64_t> offsets(2 * lines);
    int64_t *seen = offsets.get(), *given = seen + lines;
    for (int64_t line = 0; line < lines; line++) {
        seen[line] = line / s.OH * x.n + line % s.OH * g.stride[0] * x.h;
        given[line] = line * s.OW * pixel;
    }
    parallel(parts, [&](int64_t part) {
        T *sum = partial.get() + part * size;
        const int64_t from = lines * part / parts, to = lines * (part + 1) / parts;
        for (int64_t first = from; first < to || first == from; first += block) {
            OuterTile<T> t{};
            t.a_step = g.stride[1] * x.w;
            t.b_step = pixel;
            t.a_offset = seen + first;
            t.b_offset = given + first;
            t.segments = std::min(block, to - first);
            t.depth = s.OW;
            t.accumulate = first > from;
            for (int64_t panel = 0; panel < panels; panel++) {
                t.b = gy + panel * k.tile_lanes;
                t.lanes = static_cast<int>(std::min<int64_t>(k.tile_lanes, s.O - panel * k.tile_lanes));
                for (int64_t tile = 0; tile < tiles; tile++) {
                    const int64_t row = width * tile / tiles;
                    t.rows = static_cast<int>(width * (tile + 1) / tiles - row);
                    for (int r = 0; r < t.rows; r++) {
                        t.a[r] = x.data + (row + r) / run * g.dilation[0] * x.h + (row + r) % run;
                        t.c[r] = sum + (row + r) * pitch + panel * k.tile_lanes;
                    }
                    k.outer(t);
                }
            }
        }
    });
    parallel(tiles, [&](int64_t tile) {
        const int64_t row = width * tile / tiles, rows = width * (tile + 1) / tiles - row;
        T *sum = partial.get() + row * pitch;
        for (int64_t part = 1; part < parts; part++) k.add_scaled(sum + part * size, T(1), sum, rows * pitch);
        k.transpose(sum, pitch, rows, s.O, gw + row, width);
    });
}

template void shallow_weight_gradient(const Images<const float> &, const float *, int64_t, float *, const ConvGeometry &,
                                      const ConvSizes &);
template void shallow_weight_gradient(const Images<const double> &, const double *, int64_t, double *,
                                      const ConvGeometry &, const ConvSizes &);

}  // namespace retrograd
