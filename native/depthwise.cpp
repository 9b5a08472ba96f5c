#include "depthwise.h"

#include <algorithm>
#include <vector>

#include "images.h"
#include "isa.h"
#include "kernels.h"
#include "memory.h"
#include "pool.h"

namespace retrograd {
namespace {

constexpr int64_t kTaskWork = 1 << 14;  // products of a task at least
constexpr int64_t kSplit = 64;          // channels of a part where the lines of the images are few
constexpr int64_t kSums = 16;           // parts of the weight gradient's sum; fixed, so that its bits are

// Weights (C, 1, KH, KW) of any strides as (KH KW, C).
template <class T> const T *by_tap(const Array &w, Scratch<T> &scratch) {
    const int64_t C = w.shape[0], KH = w.shape[2], KW = w.shape[3];
    T *to = scratch.reset(C * KH * KW);
    const T *from = w.as<T>();
    for (int64_t h = 0; h < KH; h++)
        for (int64_t k = 0; k < KW; k++, to += C)
            for (int64_t c = 0; c < C; c++) to[c] = from[c * w.stride[0] + h * w.stride[2] + k * w.stride[3]];
    return scratch.get();
}

// Along one axis, the outputs of a line fall into phases; those of a phase, `every` apart, have the same taps.
struct Phase {
    std::vector<int64_t> start, tap;
    int64_t first, pixels;
};

struct Axis {
    std::vector<Phase> phases;
    int64_t every, step;  // of outputs within a phase; of what they see
};

// An output sees, through tap k, source i stride - padding + k dilation.
Axis seeing(int64_t outputs, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation) {
    Phase phase{{}, {}, 0, outputs};
    for (int64_t k = 0; k < kernel; k++) {
        phase.start.push_back(k * dilation - padding);
        phase.tap.push_back(k);
    }
    return {{phase}, 1, stride};
}

// An output i is seen by source (i + padding - k dilation) / stride, where that is whole.
Axis seen(int64_t outputs, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation) {
    Axis axis{{}, stride, 1};
    for (int64_t r = 0; r < std::min(stride, outputs); r++) {
        Phase phase{{}, {}, r, ceil_div(outputs - r, stride)};
        for (int64_t k = 0; k < kernel; k++)
            if (const int64_t at = r + padding - k * dilation; at % stride == 0) {
                phase.start.push_back(at / stride);
                phase.tap.push_back(k);
            }
        axis.phases.push_back(phase);
    }
    return axis;
}

// out (N, C, H, W) with contiguous channels, a line at a time, from `source` images of H x W = size.
template <class T>
void gather(const Images<const T> &source, const int64_t *size, const T *weights, int64_t KW, const T *bias,
            const Array &out, const Axis &down, const Axis &along) {
    const int64_t C = out.shape[1], H = out.shape[2], W = out.shape[3], lines = out.shape[0] * H;
    size_t most = 1;  // rows that a line sees
    for (const Phase &phase : down.phases) most = std::max(most, phase.tap.size());
    std::vector<std::vector<int64_t>> offsets;  // of the weights of each phase's taps
    for (const Phase &phase : along.phases) {
        offsets.emplace_back(phase.tap);
        for (int64_t &tap : offsets.back()) tap *= C;
    }
    const int64_t parts = lines < 32 ? ceil_div(C, kSplit) : 1;
    const int64_t work = std::max<int64_t>(1, W * C / parts * KW * static_cast<int64_t>(most));
    const int64_t some = std::clamp<int64_t>(kTaskWork / work, 1, std::max<int64_t>(1, lines / 32));
    const int64_t blocks = ceil_div(lines, some);
    const int slots = num_threads();
    Scratch<const T *> pointers(2 * static_cast<int64_t>(most) * slots);
    parallel(blocks * parts, slots, [&](int64_t task, int slot) {
        const int64_t block = task / parts, c = task % parts * kSplit;
        const T **rows = pointers.get() + 2 * most * slot, **taps = rows + most;
        for (int64_t line = block * some; line < std::min(lines, (block + 1) * some); line++) {
            const int64_t n = line / H, i = line % H;
            const Phase &phase = down.phases[i % down.every];
            int count = 0;
            for (size_t k = 0; k < phase.tap.size(); k++) {
                const int64_t at = phase.start[k] + i / down.every * down.step;
                if (at < 0 || at >= size[0]) continue;
                rows[count] = source.data + n * source.n + at * source.h + c;
                taps[count++] = weights + phase.tap[k] * KW * C + c;
            }
            for (size_t p = 0; p < along.phases.size(); p++) {
                const Phase &columns = along.phases[p];
                kernels().of<T>().depthwise_line({
                    {columns.start.data(), offsets[p].data(), static_cast<int64_t>(columns.tap.size()), along.step,
                     size[1], columns.pixels},
                    rows, taps, count, bias ? bias + c : nullptr, out.as<T>() + (line * W + columns.first) * C + c,
                    source.w, along.every * C, parts > 1 ? std::min(kSplit, C - c) : C,
                });
            }
        }
    });
}

template <class T>
void forward(const Array &x, const Array &w, const Array *bias, const Array &out, const ConvGeometry &g,
             const ConvSizes &s) {
    Scratch<T> copy, taps, terms;
    const T *added = nullptr;
    if (bias) {
        added = bias->as<T>();
        if (s.C > 1 && bias->stride[0] != 1) {
            T *dense = terms.reset(s.C);
            for (int64_t c = 0; c < s.C; c++) dense[c] = bias->as<T>()[c * bias->stride[0]];
            added = dense;
        }
    }
    const int64_t size[2] = {s.H, s.W};
    gather(channels_last(x, copy), size, by_tap(w, taps), s.KW, added, out,
           seeing(s.OH, s.KH, g.stride[0], g.padding[0], g.dilation[0]),
           seeing(s.OW, s.KW, g.stride[1], g.padding[1], g.dilation[1]));
}

template <class T>
void input_gradient(const Array &gy, const Array &w, const Array &gx, const ConvGeometry &g, const ConvSizes &s) {
    Scratch<T> copy, taps;
    const int64_t size[2] = {s.OH, s.OW};
    gather<T>(channels_last(gy, copy), size, by_tap(w, taps), s.KW, nullptr, gx,
              seen(s.H, s.KH, g.stride[0], g.padding[0], g.dilation[0]),
              seen(s.W, s.KW, g.stride[1], g.padding[1], g.dilation[1]));
}

template <class T>
void weight_gradient(const Array &gy, const Array &x, const Array &gw, const ConvGeometry &g, const ConvSizes &s) {
    Scratch<T> copy_g, copy_x;
    const Images<const T> from = channels_last(gy, copy_g), in = channels_last(x, copy_x);
    const int64_t taps = s.KH * s.KW, lines = s.N * s.OH;
    const Axis along = seeing(s.OW, s.KW, g.stride[1], g.padding[1], g.dilation[1]);
    std::vector<int64_t> offset(s.KW);
    for (int64_t k = 0; k < s.KW; k++) offset[k] = k * s.C;
    // A part's sum is added to the others' once, which costs as much as `taps` pixels.
    const int64_t sums = std::clamp<int64_t>(lines * s.OW / (4 * taps), 1, std::min(kSums, std::max<int64_t>(1, lines)));
    const int64_t splits = ceil_div(s.C, kSplit);
    Scratch<T> partial(sums * taps * s.C);
    parallel(sums * splits, [&](int64_t task) {
        const int64_t sum = task / splits, c = task % splits * kSplit, channels = std::min(kSplit, s.C - c);
        T *to = partial.get() + sum * taps * s.C + c;
        for (int64_t k = 0; k < taps; k++) std::fill_n(to + k * s.C, channels, T(0));
        for (int64_t line = lines * sum / sums; line < lines * (sum + 1) / sums; line++) {
            const int64_t n = line / s.OH, i = line % s.OH;
            for (int64_t k = 0; k < s.KH; k++) {
                const int64_t at = i * g.stride[0] - g.padding[0] + k * g.dilation[0];
                if (at < 0 || at >= s.H) continue;
                kernels().of<T>().depthwise_products({
                    {along.phases[0].start.data(), offset.data(), s.KW, along.step, s.W, s.OW},
                    from.data + n * from.n + i * from.h + c, in.data + n * in.n + at * in.h + c,
                    to + k * s.KW * s.C, from.w, in.w, channels,
                });
            }
        }
    });
    parallel(splits, [&](int64_t split) {
        const int64_t c0 = split * kSplit, count = std::min(kSplit, s.C - c0);
        for (int64_t k = 0; k < taps; k++) {
            T *total = partial.get() + k * s.C + c0;
            for (int64_t sum = 1; sum < sums; sum++)
                kernels().of<T>().add_scaled(total + sum * taps * s.C, T(1), total, count);
            for (int64_t c = 0; c < count; c++) gw.as<T>()[(c0 + c) * taps + k] = total[c];
        }
    });
}

}  // namespace

void depthwise_forward(const Array &x, const Array &w, const Array *bias, const Array &out, const ConvGeometry &g,
                       const ConvSizes &s) {
    x.type == 'f' ? forward<float>(x, w, bias, out, g, s) : forward<double>(x, w, bias, out, g, s);
}

void depthwise_input_gradient(const Array &gy, const Array &w, const Array &gx, const ConvGeometry &g,
                              const ConvSizes &s) {
    gy.type == 'f' ? input_gradient<float>(gy, w, gx, g, s) : input_gradient<double>(gy, w, gx, g, s);
}

void depthwise_weight_gradient(const Array &gy, const Array &x, const Array &gw, const ConvGeometry &g,
                               const ConvSizes &s) {
    gy.type == 'f' ? weight_gradient<float>(gy, x, gw, g, s) : weight_gradient<double>(gy, x, gw, g, s);
}

}  // namespace retrograd
