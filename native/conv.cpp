// One idea serves all three: a tap (a position in the kernel) pairs each output pixel with one input pixel, so a
// convolution is a sum over taps of matrix products whose rows are pixels found by address: no im2col copy.
// Pixels that see the same taps (the interior, each border) form a class; within it every tap is one fixed offset.
#include "conv.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "conv_blocks.h"
#include "conv_few.h"
#include "conv_planar.h"
#include "conv_scattered.h"
#include "conv_shallow.h"
#include "depthwise.h"
#include "images.h"
#include "isa.h"
#include "kernels.h"
#include "winograd.h"

namespace retrograd {
namespace {

using std::vector;

// Indices along one axis that see the same taps.
struct AxisClass {
    vector<int64_t> at;    // the indices
    vector<int64_t> from;  // for each, the source index of the first tap
    vector<int64_t> taps;
    vector<int64_t> shift;  // for each tap, its source index less the first tap's
};

// source(index, tap) is where that tap reads, or -1 if it reads nothing.
template <class Source> vector<AxisClass> classify(int64_t count, int64_t taps, Source source) {
    std::map<vector<int64_t>, size_t> seen;
    vector<AxisClass> classes;
    vector<int64_t> key;
    for (int64_t i = 0; i < count; i++) {
        key.clear();
        for (int64_t k = 0; k < taps; k++)
            if (source(i, k) >= 0) key.push_back(k);
        auto [place, is_new] = seen.try_emplace(key, classes.size());
        if (is_new) {
            classes.push_back({{}, {}, key, {}});
            for (int64_t k : key) classes.back().shift.push_back(source(i, k) - source(i, key[0]));
        }
        classes[place->second].at.push_back(i);
        classes[place->second].from.push_back(key.empty() ? 0 : source(i, key[0]));
    }
    return classes;
}

// target[pixel] = bias + sum over the taps that the pixel sees of source[pixel of the tap] x weights[tap].
// Channels per group: `depth` of the source, `width` of the target.
template <class T> struct Gather {
    Images<const T> source;
    Images<T> target;
    vector<AxisClass> rows, columns;
    int64_t batch, groups, depth, width, taps_w;
    const T *weights, *bias;
    int64_t weights_row, weights_tap, weights_group;  // strides of the weights: along o, along taps, between groups
};

// A run of pixels of one class, and the offsets of its taps.
struct Run {
    const AxisClass *rows, *columns;
    int64_t first, count;
    const int64_t *source_offset, *weight_offset;
    int64_t taps;

    std::pair<int64_t, int64_t> place() const {  // of its first pixel: the image, and the row in it
        const int64_t height = rows->at.size(), width = columns->at.size();
        return {first / (height * width), rows->at[first / width % height]};
    }
};

template <class T> struct Plan {
    vector<Run> runs;
    vector<vector<int64_t>> offsets;

    Plan(const Gather<T> &g, int64_t longest) {
        offsets.reserve(2 * g.rows.size() * g.columns.size());
        for (const AxisClass &r : g.rows)
            for (const AxisClass &c : g.columns) {
                vector<int64_t> source, weight;
                for (size_t i = 0; i < r.taps.size(); i++)
                    for (size_t j = 0; j < c.taps.size(); j++) {
                        source.push_back(r.shift[i] * g.source.h + c.shift[j] * g.source.w);
                        weight.push_back((r.taps[i] * g.taps_w + c.taps[j]) * g.weights_tap);
                    }
                offsets.push_back(std::move(source));
                offsets.push_back(std::move(weight));
                const int64_t *s = offsets[offsets.size() - 2].data(), *w = offsets.back().data();
                const int64_t pixels = g.batch * r.at.size() * c.at.size();
                for (int64_t first = 0; first < pixels; first += longest)
                    runs.push_back({&r, &c, first, std::min(longest, pixels - first), s, w,
                                    static_cast<int64_t>(offsets.back().size())});
            }
    }
};

// Walks the pixels of a run in tiles of at most `most` rows, as equal as they can be.
template <class T, class Tile, class Compute>
void for_tiles(const Gather<T> &g, const Run &run, int64_t most, Tile &tile, const Compute &compute) {
    const int64_t height = run.rows->at.size(), width = run.columns->at.size();
    const int64_t tiles = ceil_div(run.count, most);
    int64_t n = run.first / (height * width), i = run.first / width % height, j = run.first % width;
    for (int64_t t = 0, done = 0; t < tiles; t++) {
        const int64_t end = run.count * (t + 1) / tiles;
        tile.rows = static_cast<int>(end - done);
        for (int r = 0; r < tile.rows; r++) {
            tile.a[r] = g.source.data + n * g.source.n + run.rows->from[i] * g.source.h +
                        run.columns->from[j] * g.source.w;
            tile.c[r] = g.target.data + n * g.target.n + run.rows->at[i] * g.target.h +
                        run.columns->at[j] * g.target.w;
            if (++j == width) {
                j = 0;
                if (++i == height) i = 0, n++;
            }
        }
        done = end;
        compute(tile);
    }
}

// Weights as they lie, lanes along depth: for few pixels, where the time is spent reading weights, once.
template <class T> void gather_dot(const Gather<T> &g) {
    const TypedKernels<T> &k = kernels().of<T>();
    const Plan<T> plan(g, INT64_MAX);
    const int64_t blocks = ceil_div(g.width, k.dot_columns);
    parallel(g.groups * blocks, [&](int64_t task) {
        const int64_t group = task / blocks, o = task % blocks * k.dot_columns;
        DotTile<T> tile{};
        tile.depth = g.depth;
        tile.b = g.weights + group * g.weights_group + o * g.weights_row;
        tile.b_stride = g.weights_row;
        tile.columns = static_cast<int>(std::min<int64_t>(k.dot_columns, g.width - o));
        tile.bias = g.bias ? g.bias + group * g.width + o : nullptr;
        for (const Run &run : plan.runs) {
            tile.a_offset = run.source_offset;
            tile.b_offset = run.weight_offset;
            tile.segments = run.taps;
            for_tiles(g, run, k.dot_rows, tile, [&](DotTile<T> &t) {
                for (int r = 0; r < t.rows; r++) t.a[r] += group * g.depth, t.c[r] += group * g.width + o;
                k.dot(t);
            });
        }
    });
}

// Lanes along the target's channels, weights[tap][depth][lane] in panels of tile_lanes; `panel_stride` between them.
// Tasks go through the images band by band, one band for each thread: it writes there what it reads in the next kernel.
template <class T> void gather_outer(const Gather<T> &g, int64_t panel_stride, int64_t depth_stride) {
    const TypedKernels<T> &k = kernels().of<T>();
    Plan<T> plan(g, 16 * k.tile_rows);
    std::stable_sort(plan.runs.begin(), plan.runs.end(), [](const Run &a, const Run &b) { return a.place() < b.place(); });
    const int64_t panels = ceil_div(g.width, k.tile_lanes), sheets = g.groups * panels, runs = plan.runs.size();
    const int64_t bands = std::clamp<int64_t>(runs, 1, num_threads());
    parallel(sheets * runs, [&](int64_t task) {
        int64_t band = 0;
        while (task >= runs * (band + 1) / bands * sheets) band++;
        const int64_t first = runs * band / bands, count = runs * (band + 1) / bands - first, rest = task - first * sheets;
        const Run &run = plan.runs[first + rest % count];
        const int64_t group = rest / count / panels, panel = rest / count % panels, o = panel * k.tile_lanes;
        OuterTile<T> tile{};
        tile.depth = g.depth;
        tile.a_step = 1;
        tile.b = g.weights + group * g.weights_group + panel * panel_stride;
        tile.b_step = depth_stride;
        tile.lanes = static_cast<int>(std::min<int64_t>(k.tile_lanes, g.width - o));
        tile.bias = g.bias ? g.bias + group * g.width + o : nullptr;
        tile.a_offset = run.source_offset;
        tile.b_offset = run.weight_offset;
        tile.segments = run.taps;
        for_tiles(g, run, k.tile_rows, tile, [&](OuterTile<T> &t) {
            for (int r = 0; r < t.rows; r++) t.a[r] += group * g.depth, t.c[r] += group * g.width + o;
            k.outer(t);
        });
    });
}

template <class T> constexpr int64_t kLine = 64 / sizeof(T);
constexpr size_t kFetchFrom = 6;  // pairs that use a weight while the next are fetched; with fewer, reading is all there is

// Weights as they lie, read once from end to end: each row of them is added, scaled, to the pixels that its taps reach.
// For few pixels, whose sums stay in the first cache. Rows are summed in a fixed number of parts, joined in order.
template <class T> void gather_streamed(const Gather<T> &g) {
    const TypedKernels<T> &k = kernels().of<T>();
    struct Pair {
        int64_t weight, source, pixel;
        int64_t ahead;              // the weights that are used next, of which it fetches
        int64_t ahead_from, ahead_of;  // one of so many parts
    };
    vector<Pair> pairs;
    vector<T *> targets;
    for (const AxisClass &r : g.rows)
        for (const AxisClass &c : g.columns)
            for (int64_t n = 0; n < g.batch; n++)
                for (size_t i = 0; i < r.at.size(); i++)
                    for (size_t j = 0; j < c.at.size(); j++) {
                        const int64_t base = n * g.source.n + r.from[i] * g.source.h + c.from[j] * g.source.w;
                        for (size_t a = 0; a < r.taps.size(); a++)
                            for (size_t b = 0; b < c.taps.size(); b++)
                                pairs.push_back({(r.taps[a] * g.taps_w + c.taps[b]) * g.weights_tap,
                                                 base + r.shift[a] * g.source.h + c.shift[b] * g.source.w,
                                                 static_cast<int64_t>(targets.size()) * g.width, 0, 0, 1});
                        targets.push_back(g.target.data + n * g.target.n + r.at[i] * g.target.h + c.at[j] * g.target.w);
                    }
    std::stable_sort(pairs.begin(), pairs.end(), [](const Pair &a, const Pair &b) { return a.weight < b.weight; });
    for (size_t first = 0, last = 0; first < pairs.size(); first = last) {
        while (last < pairs.size() && pairs[last].weight == pairs[first].weight) last++;
        for (size_t i = first; i < last; i++) {
            pairs[i].ahead = pairs[last < pairs.size() ? last : first].weight;
            pairs[i].ahead_from = i - first;
            pairs[i].ahead_of = last - first < kFetchFrom ? INT32_MAX : last - first;
        }
    }
    const int64_t blocks = ceil_div(g.depth, k.combined_rows), parts = std::clamp<int64_t>(blocks, 1, 8);
    const int64_t sums = targets.size() * g.width;
    Scratch<T> partial(g.groups * parts * sums);
    parallel(g.groups * parts, [&](int64_t task) {
        const int64_t group = task / parts, part = task % parts;
        T *sum = partial.get() + task * sums;
        std::fill_n(sum, sums, T(0));
        for (int64_t block = blocks * part / parts; block < blocks * (part + 1) / parts; block++) {
            const int64_t first = block * k.combined_rows;
            const int count = static_cast<int>(std::min<int64_t>(k.combined_rows, g.depth - first));
            const T *rows = g.weights + group * g.weights_group + first * g.weights_row;
            const T *scale = g.source.data + group * g.depth + first;
            for (const Pair &p : pairs) {
                for (int64_t r = count * p.ahead_from / p.ahead_of; r < count * (p.ahead_from + 1) / p.ahead_of; r++)
                    for (int64_t i = 0; i < g.width; i += kLine<T>) __builtin_prefetch(rows + p.ahead + r * g.weights_row + i);
                k.add_rows(rows + p.weight, g.weights_row, scale + p.source, count, sum + p.pixel, g.width);
            }
        }
    });
    parallel(g.groups * targets.size(), [&](int64_t task) {
        const int64_t group = task / targets.size(), pixel = task % targets.size();
        T *to = targets[pixel] + group * g.width;
        const T *sum = partial.get() + group * parts * sums + pixel * g.width;
        std::copy_n(sum, g.width, to);
        for (int64_t part = 1; part < parts; part++) k.add_scaled(sum + part * sums, T(1), to, g.width);
    });
}

// Packs weights into panels [group][panel][tap][depth][lane], zeros beyond the width; source strides per group, lane, depth, tap.
template <class T>
void pack(const Gather<T> &g, int64_t taps, int64_t lane_stride, int64_t depth_stride, int64_t lanes, T *to) {
    const int64_t panels = ceil_div(g.width, lanes);
    parallel(g.groups * panels * taps, [&](int64_t task) {
        const int64_t tap = task % taps, panel = task / taps % panels, group = task / taps / panels;
        const int64_t used = std::min(lanes, g.width - panel * lanes);
        const T *from = g.weights + group * g.weights_group + panel * lanes * lane_stride + tap * g.weights_tap;
        T *out = to + task * g.depth * lanes;
        if (lane_stride == 1) {
            for (int64_t d = 0; d < g.depth; d++) {
                std::copy_n(from + d * depth_stride, used, out + d * lanes);
                std::fill_n(out + d * lanes + used, lanes - used, T(0));
            }
            return;
        }
        kernels().of<T>().transpose(from, lane_stride, used, g.depth, out, lanes);  // depth_stride is 1
        for (int64_t d = 0; used < lanes && d < g.depth; d++) std::fill(out + d * lanes + used, out + (d + 1) * lanes, T(0));
    });
}

// Packing pays once each weight is used by this many pixels.
constexpr int64_t kPackFrom = 128;

// Up to this many pixels, the weight's gradient is limited by writing it.
constexpr int64_t kBlocksTo = 64;

// Up to this many pixels, the input's gradient is limited by reading the weights.
constexpr int64_t kStreamTo = 32;

void expect_result(const Array &a, bool stored_right, const char *layout) {
    if (!a.writable) refuse(std::string(a.name) + " is read-only");
    if (!stored_right) refuse(std::string(a.name) + " must be stored " + layout);
}

bool channels_contiguous(const Array &a) { return a.stride[1] == 1 || a.shape[1] == 1 || a.size() == 0; }

// With few channels a tap is too short a run for the lanes: taps of one kernel row are read as one run, from a copy
// with a border of zeros. Only for one group and no dilation along the row, where they are neighbours in memory.
bool merges_taps(const ConvSizes &s, const ConvGeometry &g) {
    return g.groups == 1 && s.KW > 1 && g.dilation[1] == 1 && s.C <= 12;
}

template <class T>
void forward(const Array &x, const Array &w, const Array *bias, const Array &out, const ConvGeometry &g, ConvSizes s) {
    Scratch<T> x_copy, w_copy, packed, bias_copy;
    Gather<T> gather;
    gather.weights = ohwi(w, w_copy);
    gather.bias = nullptr;
    if (bias) {
        T *copy = bias_copy.reset(s.O);
        for (int64_t o = 0; o < s.O; o++) copy[o] = bias->as<T>()[o * bias->stride[0]];
        gather.bias = copy;
    }
    gather.target = {out.as<T>(), out.stride[0], out.stride[2], out.stride[3]};
    gather.batch = s.N;
    gather.groups = g.groups;
    gather.width = s.O / g.groups;
    if constexpr (sizeof(T) == 4)
        if (winograd_pays(s.N, s.C, s.O, s.OH, s.OW, s.KH, s.KW, g)) {
            gather.source = channels_last(x, x_copy);
            return winograd_convolve(gather.source, gather.target, gather.weights, false, gather.bias,
                                     {s.N, s.C, s.O, s.H, s.W, s.OH, s.OW, g.padding[0], g.padding[1]});
        }
    if (few_pixels(s)) {
        gather.source = channels_last(x, x_copy);
        return few_forward(gather.source, gather.weights, gather.bias, gather.target, g, s);
    }
    if (planar_pays(s, g)) return planar_forward(x, gather.weights, gather.bias, gather.target, g, s);
    if (scattering_pays_forward(s, g)) {
        gather.source = channels_last(x, x_copy);
        return scattered_forward(gather.source, gather.weights, gather.bias, gather.target, g, s);
    }
    int64_t taps_h = s.KH, taps_w = s.KW, ph = g.padding[0];
    if (merges_taps(s, g)) {
        const int64_t line = (s.W + 2 * g.padding[1]) * s.C, lines = s.H + 2 * g.padding[0];
        copy_channels_last(x, x_copy.reset(s.N * lines * line), g.padding[0], g.padding[1]);
        gather.source = {x_copy.get(), lines * line, line, s.C};
        gather.depth = s.KW * s.C;
        s.H = lines;
        ph = 0;
        taps_w = 1;
        gather.columns = classify(s.OW, 1, [&](int64_t i, int64_t) { return i * g.stride[1]; });
    } else {
        gather.source = channels_last(x, x_copy);
        gather.depth = s.I;
        gather.columns = classify(s.OW, s.KW, [&](int64_t i, int64_t k) {
            const int64_t at = i * g.stride[1] - g.padding[1] + k * g.dilation[1];
            return at < s.W ? at : -1;
        });
    }
    gather.rows = classify(s.OH, s.KH, [&](int64_t i, int64_t k) {
        const int64_t at = i * g.stride[0] - ph + k * g.dilation[0];
        return at < s.H ? at : -1;
    });
    gather.taps_w = taps_w;
    gather.weights_tap = gather.depth;
    gather.weights_row = taps_h * taps_w * gather.depth;
    gather.weights_group = gather.width * gather.weights_row;
    if (s.N * s.OH * s.OW < kPackFrom) return gather_dot(gather);
    const int64_t lanes = kernels().of<T>().tile_lanes, panels = ceil_div(gather.width, lanes);
    const int64_t panel_stride = taps_h * taps_w * gather.depth * lanes;
    pack(gather, taps_h * taps_w, gather.weights_row, 1, lanes, packed.reset(g.groups * panels * panel_stride));
    gather.weights = packed.get();
    gather.weights_tap = gather.depth * lanes;
    gather.weights_group = panels * panel_stride;
    gather_outer(gather, panel_stride, lanes);
}

template <class T>
void input_gradient(const Array &gy, const Array &w, const Array &gx, const ConvGeometry &g, const ConvSizes &s) {
    Scratch<T> gy_copy, w_copy, packed;
    Gather<T> gather;
    gather.source = channels_last(gy, gy_copy);
    gather.target = {gx.as<T>(), gx.stride[0], gx.stride[2], gx.stride[3]};
    auto back = [](int64_t count, int64_t limit, int64_t taps, int64_t stride, int64_t padding, int64_t dilation) {
        return classify(count, taps, [=](int64_t i, int64_t k) {
            const int64_t at = i + padding - k * dilation;
            return at >= 0 && at % stride == 0 && at / stride < limit ? at / stride : -1;
        });
    };
    gather.rows = back(s.H, s.OH, s.KH, g.stride[0], g.padding[0], g.dilation[0]);
    gather.columns = back(s.W, s.OW, s.KW, g.stride[1], g.padding[1], g.dilation[1]);
    gather.batch = s.N;
    gather.groups = g.groups;
    gather.depth = s.O / g.groups;
    gather.width = s.I;
    gather.taps_w = s.KW;
    gather.weights = ohwi(w, w_copy);
    gather.bias = nullptr;
    if constexpr (sizeof(T) == 4)
        if (winograd_pays(s.N, s.O, s.C, s.H, s.W, s.KH, s.KW, g))
            return winograd_convolve(gather.source, gather.target, gather.weights, true, nullptr,
                                     {s.N, s.O, s.C, s.OH, s.OW, s.H, s.W, 2 - g.padding[0], 2 - g.padding[1]});
    if (scattering_pays(s, g)) return scattered_input_gradient(gather.source, gather.weights, gather.target, g, s);
    const int64_t taps = s.KH * s.KW;
    gather.weights_tap = s.I;
    gather.weights_row = taps * s.I;
    gather.weights_group = gather.depth * gather.weights_row;
    const int64_t lanes = kernels().of<T>().tile_lanes, panels = ceil_div(gather.width, lanes);
    if (s.N * s.OH * s.OW <= kStreamTo) return gather_streamed(gather);
    if (s.N * s.OH * s.OW < kPackFrom) return gather_outer(gather, lanes, gather.weights_row);
    const int64_t panel_stride = taps * gather.depth * lanes;
    pack(gather, taps, 1, gather.weights_row, lanes, packed.reset(g.groups * panels * panel_stride));
    gather.weights = packed.get();
    gather.weights_tap = gather.depth * lanes;
    gather.weights_group = panels * panel_stride;
    gather_outer(gather, panel_stride, lanes);
}

template <class T>
void weight_gradient(const Array &gy, const Array &x, const Array &gw, const ConvGeometry &g, ConvSizes s) {
    const TypedKernels<T> &k = kernels().of<T>();
    Scratch<T> gy_copy, x_copy;
    const Images<const T> out = channels_last(gy, gy_copy);
    Images<const T> in;
    if (few_pixels(s)) return few_weight_gradient(channels_last(x, x_copy), out, gw.as<T>(), g, s);
    if (planar_pays(s, g) && gw.size()) return planar_weight_gradient(x, out, gw.as<T>(), g, s);
    int64_t taps_w = s.KW, run = s.I, ph = g.padding[0], pw = g.padding[1];
    if (merges_taps(s, g)) {
        const int64_t line = (s.W + 2 * pw) * s.C, lines = s.H + 2 * ph;
        copy_channels_last(x, x_copy.reset(s.N * lines * line), ph, pw);
        in = {x_copy.get(), lines * line, line, s.C};
        s.H = lines;
        s.W += 2 * pw;
        ph = pw = 0;
        run = s.KW * s.C;
        taps_w = 1;
        if (out.h == s.OW * out.w && out.n == s.OH * out.h && gw.size())
            return shallow_weight_gradient(in, out.data, out.w, gw.as<T>(), g, s);
    } else {
        in = channels_last(x, x_copy);
    }
    if constexpr (sizeof(T) == 4)
        if (winograd_pays(s.N, s.C, s.O, s.OH, s.OW, s.KH, s.KW, g))
            return winograd_weights_gradient(in, out, gw.as<float>(),
                                             {s.N, s.C, s.O, s.H, s.W, s.OH, s.OW, ph, pw});
    const int64_t row = s.KH * taps_w * run;
    if (s.N * s.OH * s.OW <= kBlocksTo && g.groups == 1 && run == s.I)  // little to read: along the result's memory
        return tap_blocks(in, out, g, s)->write(gw.as<T>(), gw.size());
    // About 256 pixels at a time: what they need of x stays in the first caches while all taps and channels use it.
    ConvGeometry padded = g;
    padded.padding[0] = ph;
    padded.padding[1] = pw;
    const TapProducts<T> products(in, out, padded, s, taps_w, run, std::max<int64_t>(1, 256 / std::max<int64_t>(1, s.OW)));
    const int64_t O = s.O / g.groups, panels = ceil_div(run, k.tile_lanes), tiles = ceil_div(O, k.tile_rows);
    const bool past_caches = products.chunks == 1 && gw.size() * sizeof(T) > kPastCaches;
    const int64_t blocks = std::min(tiles, ceil_div(8, g.groups * panels));  // enough tasks for a few threads
    parallel(g.groups * panels * blocks, [&](int64_t task) {
        const int64_t block = task % blocks, panel = task / blocks % panels, group = task / blocks / panels;
        for (int64_t c = 0; c < products.chunks; c++)
            for (int64_t tap = 0; tap < products.taps; tap++)
                for (int64_t tile = tiles * block / blocks; tile < tiles * (block + 1) / blocks; tile++) {
                    const int64_t o0 = O * tile / tiles, o1 = O * (tile + 1) / tiles;
                    products.make(group, o0, o1, tap, panel, c, gw.as<T>() + (group * O + o0) * row, past_caches);
                }
        fence();
    });
}

}  // namespace

ConvSizes conv_sizes(const Array &x, const Array &w, const Array &y, const ConvGeometry &g) {
    for (const Array *a : {&x, &w, &y})
        if (a->ndim != 4) refuse(std::string(a->name) + " has shape " + a->shape_text() + ", expected 4 dimensions");
    expect_same_type(w, x);
    expect_same_type(y, x);
    if (x.type != 'f' && x.type != 'd') refuse("conv2d kernels take float32 and float64");
    ConvSizes s{x.shape[0], x.shape[1], x.shape[2], x.shape[3], w.shape[0], w.shape[1], w.shape[2], w.shape[3], 0, 0};
    for (int i = 0; i < 2; i++)
        if (g.stride[i] < 1 || g.dilation[i] < 1 || g.padding[i] < 0)
            refuse("conv2d expects stride and dilation of at least 1 and padding of at least 0");
    if (g.groups < 1 || s.C != s.I * g.groups || s.O % g.groups != 0)
        refuse("conv2d: input " + x.shape_text() + " and weight " + w.shape_text() + " do not fit " +
               std::to_string(g.groups) + " groups");
    if (s.KH < 1 || s.KW < 1) refuse("conv2d: weight " + w.shape_text() + " has an empty kernel");
    s.OH = (s.H + 2 * g.padding[0] - g.dilation[0] * (s.KH - 1) - 1);
    s.OW = (s.W + 2 * g.padding[1] - g.dilation[1] * (s.KW - 1) - 1);
    if (s.OH < 0 || s.OW < 0)
        refuse("conv2d: kernel " + w.shape_text() + " is larger than the padded input " + x.shape_text());
    s.OH = s.OH / g.stride[0] + 1;
    s.OW = s.OW / g.stride[1] + 1;
    expect_shape(y, {s.N, s.O, s.OH, s.OW});
    return s;
}

void conv2d_forward(const Array &x, const Array &w, const Array *bias, const Array &out, const ConvGeometry &g) {
    const ConvSizes s = conv_sizes(x, w, out, g);
    expect_result(out, channels_contiguous(out), "with contiguous channels (channels last)");
    if (bias) {
        expect_shape(*bias, {s.O});
        expect_same_type(*bias, x);
    }
    if (is_depthwise(s, g)) return depthwise_forward(x, w, bias, out, g, s);
    x.type == 'f' ? forward<float>(x, w, bias, out, g, s) : forward<double>(x, w, bias, out, g, s);
}

void conv2d_input_gradient(const Array &gy, const Array &w, const Array &gx, const ConvGeometry &g) {
    const ConvSizes s = conv_sizes(gx, w, gy, g);
    expect_result(gx, channels_contiguous(gx), "with contiguous channels (channels last)");
    if (is_depthwise(s, g)) return depthwise_input_gradient(gy, w, gx, g, s);
    gy.type == 'f' ? input_gradient<float>(gy, w, gx, g, s) : input_gradient<double>(gy, w, gx, g, s);
}

void conv2d_weight_gradient(const Array &gy, const Array &x, const Array &gw, const ConvGeometry &g) {
    const ConvSizes s = conv_sizes(x, gw, gy, g);
    expect_result(gw, is_ohwi(gw), "as OHWI (output channel, kernel row, kernel column, input channel)");
    if (is_depthwise(s, g)) return depthwise_weight_gradient(gy, x, gw, g, s);
    gy.type == 'f' ? weight_gradient<float>(gy, x, gw, g, s) : weight_gradient<double>(gy, x, gw, g, s);
}

}  // namespace retrograd
