#include "conv_planar.h"

#include <vector>

#include "isa.h"
#include "kernels.h"

namespace retrograd {
namespace {

constexpr int64_t kMostIn = 12, kMostOut = 10, kFrom = 1024;  // channels; pixels
constexpr int64_t kBand = 8;                                  // lines of the output that a task makes
constexpr int64_t kPartPixels = 4096;                         // whose planes stay in a core's own cache

// x as planes with a border of zeros, the columns of each line sorted by their place within a stride: those that one
// weight meets then lie side by side.
template <class T> struct Planes {
    int64_t line, plane, image, phase;  // from one to the next
    int64_t stride, dilation;
    Scratch<T> data;

    Planes(const Array &x, const ConvGeometry &g, const ConvSizes &s) : stride(g.stride[1]), dilation(g.dilation[1]) {
        const int64_t W = s.W + 2 * g.padding[1], H = s.H + 2 * g.padding[0];
        phase = ceil_div(W, stride);
        line = phase * stride;
        plane = H * line;
        image = s.C * plane;
        T *to = data.reset(s.N * image);
        parallel(s.N * s.C, [&](int64_t task) {
            const T *from = x.as<T>() + task / s.C * x.stride[0] + task % s.C * x.stride[1];
            T *out = to + task * plane;
            for (int64_t h = 0; h < H; h++, out += line) {
                const int64_t ih = h - g.padding[0];
                std::fill_n(out, line, T(0));
                if (ih < 0 || ih >= s.H) continue;
                const T *in = from + ih * x.stride[2];
                if (stride == 1 && x.stride[3] == 1) {
                    std::copy_n(in, s.W, out + g.padding[1]);
                    continue;
                }
                int64_t at = g.padding[1] / stride, place = g.padding[1] % stride;
                for (int64_t w = 0; w < s.W; w++) {
                    out[place * phase + at] = in[w * x.stride[3]];
                    if (++place == stride) place = 0, at++;
                }
            }
        });
    }

    // Where the first output pixel of a plane meets column kw of the weights.
    int64_t column(int64_t kw) const { return kw * dilation % stride * phase + kw * dilation / stride; }
};

}  // namespace

bool planar_pays(const ConvSizes &s, const ConvGeometry &g) {
    return g.groups == 1 && s.C <= kMostIn && s.O <= kMostOut && s.N * s.OH * s.OW >= kFrom && s.OW >= 12;
}

template <class T>
void planar_forward(const Array &x, const T *weights, const T *bias, const Images<T> &y, const ConvGeometry &g,
                    const ConvSizes &s) {
    const TypedKernels<T> &k = kernels().of<T>();
    const Planes<T> planes(x, g, s);
    const bool rows_as_runs = g.stride[1] == 1;  // the weights of one row then meet pixels that are evenly apart
    std::vector<int64_t> weight, source;
    for (int64_t kh = 0; kh < s.KH; kh++)
        for (int64_t c = 0; c < s.C; c++)
            for (int64_t kw = 0; kw < (rows_as_runs ? 1 : s.KW); kw++) {
                weight.push_back((kh * s.KW + kw) * s.C + c);
                source.push_back(c * planes.plane + kh * g.dilation[0] * planes.line + planes.column(kw));
            }
    const int64_t bands = ceil_div(s.OH, kBand), row = s.KH * s.KW * s.C;
    parallel(s.N * bands, [&](int64_t task) {
        const int64_t n = task / bands, band = task % bands;
        constexpr int kMostLanes = 32;
        alignas(64) T made[kMostOut * kMostLanes];
        OuterTile<T> t{};
        t.a_step = s.C;
        t.b_step = g.dilation[1];
        t.a_offset = weight.data();
        t.b_offset = source.data();
        t.segments = weight.size();
        t.depth = rows_as_runs ? s.KW : 1;
        t.accumulate = bias != nullptr;
        for (int64_t h = s.OH * band / bands; h < s.OH * (band + 1) / bands; h++)
            for (int64_t w = 0; w < s.OW; w += k.tile_lanes) {
                t.b = planes.data.get() + n * planes.image + h * g.stride[0] * planes.line + w;
                t.lanes = static_cast<int>(std::min<int64_t>(k.tile_lanes, s.OW - w));
                for (int64_t o = 0; o < s.O; o += k.tile_rows) {
                    t.rows = static_cast<int>(std::min<int64_t>(k.tile_rows, s.O - o));
                    for (int r = 0; r < t.rows; r++) {
                        t.a[r] = weights + (o + r) * row;
                        t.c[r] = made + (o + r) * kMostLanes;
                        if (bias) std::fill_n(t.c[r], t.lanes, bias[o + r]);
                    }
                    k.outer(t);
                }
                k.transpose(made, kMostLanes, s.O, t.lanes, y.data + n * y.n + h * y.h + w * y.w, y.w);
            }
    });
}

// Each part of the lines is one task, with sums of its own.
template <class T>
void planar_weight_gradient(const Array &x, const Images<const T> &gy, T *gw, const ConvGeometry &g, const ConvSizes &s) {
    const TypedKernels<T> &k = kernels().of<T>();
    const Planes<T> planes(x, g, s);
    const int64_t lines = s.N * s.OH, most = std::max<int64_t>(1, kPartPixels / s.OW), parts = ceil_div(lines, most);
    const int64_t held = most * s.OW, row = s.KH * s.KW * s.C, size = s.O * row;
    const int slots = num_threads();
    Scratch<T> given(slots * s.O * held), partial(parts * size);
    parallel(parts, slots, [&](int64_t part, int slot) {
        const int64_t from = lines * part / parts, to = lines * (part + 1) / parts;
        T *out = given.get() + slot * s.O * held, *sum = partial.get() + part * size;
        std::vector<int64_t> seen, at;
        for (int64_t line = from; line < to; line++) {
            const int64_t n = line / s.OH, h = line % s.OH;
            at.push_back((line - from) * s.OW);
            seen.push_back(n * planes.image + h * g.stride[0] * planes.line);
            k.transpose(gy.data + n * gy.n + h * gy.h, gy.w, s.OW, s.O, out + at.back(), held);
        }
        T products[16 * 16];
        DotTile<T> t{};
        t.a_offset = seen.data();
        t.b_offset = at.data();
        t.segments = to - from;
        t.depth = s.OW;
        t.b_stride = held;
        for (int64_t first = 0; first < row; first += k.dot_rows)
            for (int64_t o = 0; o < s.O; o += k.dot_columns) {
                t.rows = static_cast<int>(std::min<int64_t>(k.dot_rows, row - first));
                t.columns = static_cast<int>(std::min<int64_t>(k.dot_columns, s.O - o));
                t.b = out + o * held;
                for (int r = 0; r < t.rows; r++) {
                    const int64_t tap = (first + r) / s.C, c = (first + r) % s.C;
                    t.a[r] = planes.data.get() + c * planes.plane + tap / s.KW * g.dilation[0] * planes.line +
                             planes.column(tap % s.KW);
                    t.c[r] = products + r * 16;
                }
                k.dot(t);
                for (int r = 0; r < t.rows; r++)
                    for (int j = 0; j < t.columns; j++) sum[(o + j) * row + first + r] = t.c[r][j];
            }
    });
    std::copy_n(partial.get(), size, gw);
    for (int64_t part = 1; part < parts; part++) k.add_scaled(partial.get() + part * size, T(1), gw, size);
}

#define RETROGRAD_PLANAR(T)                                                                                            \
    template void planar_forward(const Array &, const T *, const T *, const Images<T> &, const ConvGeometry &,         \
                                 const ConvSizes &);                                                                   \
    template void planar_weight_gradient(const Array &, const Images<const T> &, T *, const ConvGeometry &,            \
                                         const ConvSizes &);
RETROGRAD_PLANAR(float)
RETROGRAD_PLANAR(double)

}  // namespace retrograd
