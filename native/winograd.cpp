// Tiles of an image are transformed, multiplied in each of 36 points, and transformed back. Of the two operands the
// smaller one is transformed as a whole, the other a block at a time that stays in a core's own cache from the first
// step to the last. Each sum is one task's, in a fixed order, so that results do not depend on the number of threads.
#include "winograd.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "isa.h"
#include "kernels.h"

namespace retrograd {
namespace {

constexpr int64_t kPoints = 36;
constexpr int64_t kPanel = 32;  // output channels at a time: at least any tile_lanes
constexpr int64_t kDepth = 16;  // of the weights that are transformed at a time
constexpr int64_t kFetchRows = 6;  // of them in between, until what is fetched is used
constexpr int64_t kTaskTiles = 24;  // at a time, where the weights are the smaller operand: some register tiles of rows
// Bytes of transformed tiles at a time where they are the smaller operand, and for the gradient of small weights.
constexpr int64_t kLargeBudget = 10 << 20, kGradientBudget = 6 << 20;
constexpr int64_t kSmallWeights = 4 << 20;  // bytes of transformed weights that all tasks may read
// Else a task takes so many tiles, and as much of its weights' depth as a core's own cache has room for beside them.
constexpr int64_t kBlockTiles = 128, kBlockSum = 176, kLeastDepth = 64;
constexpr int64_t kGradientRows = 24, kGradientLanes = 64;  // of a gradient's sums, kept in all points at a time

// For each thread that repeats the transform of all weights, so many tiles; of all tiles, so many channels of output.
constexpr int64_t kTilesToRepeat = 20, kChannelsToRepeat = 128;

bool allowed_at_start() {
    const char *text = std::getenv("RETROGRAD_WINOGRAD");
    return !text || std::strcmp(text, "0") != 0;
}
std::atomic<bool> allowed{allowed_at_start()};

// Tiles along an axis: as few as cover it, the last ones of 3 pixels where that is enough.
struct Cut {
    int64_t whole, shorter;
    explicit Cut(int64_t pixels) {
        const int64_t tiles = ceil_div(pixels, 4);
        shorter = std::min(tiles, 4 * tiles - pixels);
        whole = tiles - shorter;
    }
    int64_t count(bool is_short) const { return is_short ? shorter : whole; }
    int64_t begin(bool is_short) const { return is_short ? 4 * whole : 0; }
    int64_t points() const { return 6 * whole + 5 * shorter; }
};

int64_t length(bool is_short) { return is_short ? 3 : 4; }  // of a tile, in pixels of output

int within(int64_t value, int64_t most) { return static_cast<int>(std::clamp<int64_t>(value, 0, most)); }

// The tiles of all images by kind, so that those that have a point, of which short ones lack some, are one run.
class Tiles {
  public:
    struct Tile {
        int64_t n, h, w;  // the image, and the tile's corner in the target
        bool short_rows, short_columns;
    };

    explicit Tiles(const WinogradSizes &s) : s_(s) {
        const Cut rows(s.OH), columns(s.OW);
        all_.reserve(s.N * (rows.whole + rows.shorter) * (columns.whole + columns.shorter));
        for (int kind = 0; kind < 4; kind++) {
            const bool short_rows = kind > 1, short_columns = kind == 0 || kind == 3;
            for (int64_t n = 0; n < s.N; n++)
                for (int64_t i = 0; i < rows.count(short_rows); i++)
                    for (int64_t j = 0; j < columns.count(short_columns); j++)
                        all_.push_back({n, rows.begin(short_rows) + i * length(short_rows),
                                        columns.begin(short_columns) + j * length(short_columns), short_rows,
                                        short_columns});
            end_[kind] = count();
        }
    }

    int64_t count() const { return static_cast<int64_t>(all_.size()); }

    struct Run {
        int64_t from, to;
    };
    // Of `count` tiles from `first` on, those that have this point, counted from `first`.
    Run run(int64_t point, int64_t first, int64_t count) const {
        const bool row = point / 6 == 4, column = point % 6 == 4;
        const int64_t from = column ? end_[0] : 0, to = row ? end_[1] : column ? end_[2] : end_[3];
        return {std::clamp<int64_t>(from - first, 0, count), std::clamp<int64_t>(to - first, 0, count)};
    }

    // Channels from c on of a tile of the source, to v.
    void transform_source(const Images<const float> &x, int64_t tile, int64_t c, int64_t channels, float *v,
                          int64_t point) const {
        const Tile &t = all_[tile];
        const int64_t h = t.h - s_.padding_h, w = t.w - s_.padding_w;
        const WinogradTile place = placed(x, tile, within(-h, 6), within(s_.H - h, length(t.short_rows) + 2), within(-w, 6),
                                          within(s_.W - w, length(t.short_columns) + 2));
        kernels().f32.winograd_input(x.data + t.n * x.n + h * x.h + w * x.w + c, place, channels, v, point);
    }
    void transform_gradient(const Images<const float> &g, int64_t tile, float *z, int64_t point) const {
        kernels().f32.winograd_gradient(corner(g, tile), on_target(g, tile), s_.O, z, point);
    }
    // Channels from o on of m to a tile of the target.
    void transform_back(const float *m, int64_t point, const Images<float> &y, int64_t tile, int64_t o,
                        int64_t channels, const float *bias) const {
        kernels().f32.winograd_output(m, point, channels, bias ? bias + o : nullptr, corner(y, tile) + o,
                                      on_target(y, tile));
    }

    // Fetch what a tile of the source, or of the target, needs of channels [c, c + channels): to be used after some time.
    void expect_source(const Images<const float> &x, int64_t tile, int64_t c, int64_t channels) const {
        const Tile &t = all_[tile];
        const int64_t h = t.h + 1 - s_.padding_h, w = t.w + 1 - s_.padding_w;
        for_pixels(x, t.n, h, w, s_.H, s_.W, c, channels, [](const float *p) { __builtin_prefetch(p, 0, 2); });
    }
    void expect_target(const Images<float> &y, int64_t tile, int64_t c, int64_t channels) const {
        const Tile &t = all_[tile];
        for_pixels(y, t.n, t.h, t.w, s_.OH, s_.OW, c, channels, [](const float *p) { __builtin_prefetch(p, 1, 2); });
    }

  private:
    template <class T, class Body>
    static void for_pixels(const Images<T> &x, int64_t n, int64_t h, int64_t w, int64_t H, int64_t W, int64_t c,
                           int64_t channels, const Body &body) {
        for (int64_t i = std::max<int64_t>(0, h); i < std::min(H, h + 4); i++)
            for (int64_t j = std::max<int64_t>(0, w); j < std::min(W, w + 4); j++)
                for (int64_t at = c; at < c + channels; at += 16) body(x.data + n * x.n + i * x.h + j * x.w + at);
    }
    template <class T> WinogradTile placed(const Images<T> &x, int64_t tile, int r0, int r1, int c0, int c1) const {
        const Tile &t = all_[tile], &next = all_[std::min(tile + 1, count() - 1)];
        return {x.h, x.w, r0, r1, c0, c1, t.short_rows, t.short_columns,
                (next.n - t.n) * x.n + (next.h - t.h) * x.h + (next.w - t.w) * x.w};
    }
    template <class T> WinogradTile on_target(const Images<T> &y, int64_t tile) const {
        const Tile &t = all_[tile];
        return placed(y, tile, 0, within(s_.OH - t.h, length(t.short_rows)), 0,
                      within(s_.OW - t.w, length(t.short_columns)));
    }
    template <class T> T *corner(const Images<T> &y, int64_t tile) const {
        const Tile &t = all_[tile];
        return y.data + t.n * y.n + t.h * y.h + t.w * y.w;
    }

    WinogradSizes s_;
    std::vector<Tile> all_;
    int64_t end_[4];
};

// Along one axis, the pairs of an output pixel and a tap that sees a pixel of the image.
int64_t pairs_along(int64_t out, int64_t padding) {
    int64_t pairs = 0;
    for (int64_t tap = 0; tap < 3; tap++)
        pairs += std::max<int64_t>(0, std::min(out, out + 2 - padding - tap) - std::max<int64_t>(0, padding - tap));
    return pairs;
}

// At least n elements, an odd number of cache lines: what lies so far apart, again and again, shares no set of the caches.
int64_t apart(int64_t n) { return ceil_div(n, 16) * 16 | 16; }

// Some hundred numbers' worth of tiles a task: body(tile, first channel, channels).
template <class Body> void for_tiles(int64_t count, int64_t channels, int64_t most, const Body &body) {
    const int64_t parts = ceil_div(channels, most), group = std::max<int64_t>(1, 1024 / std::min(channels, most)),
                  groups = ceil_div(count, group);
    parallel(groups * parts, [&](int64_t task) {
        const int64_t at = task / parts, c = task % parts * most;
        for (int64_t t = count * at / groups; t < count * (at + 1) / groups; t++) body(t, c, std::min(most, channels - c));
    });
}

// Reads n numbers ahead: the processor does not by itself where it finds them in so many short runs.
void fetch(const float *p, int64_t n) {
    for (int64_t i = 0; i < n; i += 16) __builtin_prefetch(p + i, 0, 2);
}

// Rows d0 <= d < d1 of one panel of the weights, as 36 matrices `point` apart; in each, tile_lanes columns after others.
// Backward, w is (depth, 3, 3, width) and the lanes lie side by side; else it is (width, 3, 3, depth): a transpose.
void transform_weights(const float *w, int64_t depth, int64_t width, bool backward, int64_t panel, int64_t d0,
                       int64_t d1, float *u, int64_t point) {
    const auto &k = kernels().f32;
    const int64_t lanes = k.tile_lanes, end = std::min(width, (panel + 1) * kPanel);
    for (int64_t first = panel * kPanel; first < end; first += lanes, u += (d1 - d0) * lanes) {
        const int64_t used = std::min(lanes, end - first);
        if (backward) {
            for (int64_t d = d0; d < d1; d++) {
                for (int64_t tap = 0; d + kFetchRows < depth && tap < 9; tap++)
                    fetch(w + ((d + kFetchRows) * 9 + tap) * width + first, used);
                k.winograd_weights(w + d * 9 * width + first, width, true, used, u + (d - d0) * lanes, point);
            }
            continue;
        }
        float part[9 * kDepth * kPanel];  // transposed first: there are nine numbers, and there will be 36
        for (int64_t d = d0; d < d1; d += kDepth) {
            const int64_t columns = std::min(kDepth, d1 - d);
            for (int64_t tap = 0; tap < 9; tap++) {
                const float *from = w + (first * 9 + tap) * depth + d;
                for (int64_t o = 0; d + kDepth < depth && o < used; o++) fetch(from + o * 9 * depth + kDepth, kDepth);
                k.transpose(from, 9 * depth, used, columns, part + tap * kDepth * lanes, lanes);
            }
            for (int64_t i = 0; i < columns; i++)
                k.winograd_weights(part + i * lanes, kDepth * lanes, false, used, u + (d - d0 + i) * lanes, point);
        }
    }
}

// m (rows, width <= kPanel) = or += v (rows, depth) times a panel of the weights, for one point.
void multiply(const float *v, int64_t v_row, int64_t rows, int64_t depth, const float *u, int64_t width, float *m,
              bool accumulate) {
    const auto &k = kernels().f32;
    const int64_t lanes = k.tile_lanes, blocks = ceil_div(rows, k.tile_rows);
    ProductTile<float> t{};
    t.depth = depth;
    t.a_row = v_row;
    t.a_step = 1;
    t.c_stride = kPanel;
    t.accumulate = accumulate;
    for (int64_t lane = 0; lane < width; lane += lanes, u += depth * lanes) {
        t.b = u;
        t.lanes = static_cast<int>(std::min(lanes, width - lane));
        for (int64_t block = 0; block < blocks; block++) {
            const int64_t r0 = rows * block / blocks;
            t.rows = static_cast<int>(rows * (block + 1) / blocks - r0);
            t.a = v + r0 * v_row;
            t.c = m + r0 * kPanel + lane;
            k.product(t);
        }
    }
}

struct Convolution {
    const Images<const float> &source;
    const Images<float> &target;
    const float *weights, *bias;
    bool backward;
    const WinogradSizes &s;
    Tiles tiles;
    int64_t panels, v_row;

    Convolution(const Images<const float> &source, const Images<float> &target, const float *weights, bool backward,
                const float *bias, const WinogradSizes &s)
        : source(source), target(target), weights(weights), bias(bias), backward(backward), s(s), tiles(s),
          panels(ceil_div(s.O, kPanel)), v_row(s.C < 256 ? s.C : apart(s.C)) {}

    int64_t width(int64_t panel) const { return std::min(kPanel, s.O - panel * kPanel); }

    // Whether each thread transforms for itself what all of them use, which is so little work for so many threads: cores
    // may be far from one another, and what one has written then is long in coming to another.
    static bool repeats(int slots, int64_t threads) { return slots > 1 && slots <= threads; }

    template <class Fetch>
    void multiply_panel(const float *v, int64_t v_point, int64_t first, int64_t count, int64_t depth, const float *u,
                        int64_t u_point, int64_t panel, float *m, int64_t m_point, bool accumulate, const Fetch &fetch) const {
        for (int64_t point = 0; point < kPoints; point++) {
            for (int64_t t = count * point / kPoints; t < count * (point + 1) / kPoints; t++) fetch(t);
            const auto [from, to] = tiles.run(point, first, count);
            multiply(v + point * v_point + from * v_row, v_row, to - from, depth, u + point * u_point, width(panel),
                     m + point * m_point + from * kPanel, accumulate);
        }
    }

    void finish(int64_t first, int64_t count, int64_t panel, const float *m, int64_t m_point) const {
        for (int64_t t = 0; t < count; t++)
            tiles.transform_back(m + t * kPanel, m_point, target, first + t, panel * kPanel, width(panel), bias);
    }

    // The weights as a whole, the tiles a block for each task.
    void by_tiles() const {
        const int slots = num_threads();
        const bool alone = repeats(slots, tiles.count() / kTilesToRepeat);
        const int64_t blocks = ceil_div(ceil_div(tiles.count(), kTaskTiles), slots) * slots, size = ceil_div(tiles.count(), blocks);
        const int64_t u_point = apart(s.C * kPanel), v_point = apart(size * v_row), m_point = apart(size * kPanel);
        const int64_t u_size = panels * kPoints * u_point;
        const auto transform_panel = [&](int64_t panel, float *u) {
            transform_weights(weights, s.C, s.O, backward, panel, 0, s.C, u + panel * kPoints * u_point, u_point);
        };
        Scratch<float> shared;
        if (!alone) {
            float *u = shared.reset(u_size);
            parallel(panels, [&](int64_t panel) { transform_panel(panel, u); });
        }
        const KeptScratch<float> kept(slots, kPoints * (v_point + m_point) + (alone ? u_size : 0));
        std::vector<char> ready(slots, !alone);
        parallel(blocks, slots, [&](int64_t block, int slot) {
            const int64_t first = tiles.count() * block / blocks, count = tiles.count() * (block + 1) / blocks - first;
            float *v = kept[slot], *m = v + kPoints * v_point;
            float *u = alone ? m + kPoints * m_point : shared.get();
            for (int64_t panel = 0; !ready[slot] && panel < panels; panel++) transform_panel(panel, u);
            ready[slot] = true;
            for (int64_t t = 0; t < count; t++) tiles.transform_source(source, first + t, 0, s.C, v + t * v_row, v_point);
            for (int64_t panel = 0; panel < panels; panel++) {
                const int64_t c0 = s.C * panel / panels, c1 = s.C * (panel + 1) / panels;
                multiply_panel(v, v_point, first, count, s.C, u + panel * kPoints * u_point, u_point, panel, m, m_point,
                               false, [&](int64_t t) {
                    tiles.expect_target(target, first + t, panel * kPanel, width(panel));
                    if (first + count + t < tiles.count()) tiles.expect_source(source, first + count + t, c0, c1 - c0);
                });
                finish(first, count, panel, m, m_point);
            }
        });
    }

    // The tiles as a whole, or as many as the last cache holds, the weights a block for each task.
    void by_weights() const {
        const int slots = num_threads();
        const bool alone = repeats(slots, s.O / kChannelsToRepeat);
        const int64_t fit = std::max<int64_t>(kBlockTiles, kLargeBudget / (kPoints * v_row * static_cast<int64_t>(sizeof(float))));
        const int64_t rounds = ceil_div(tiles.count(), fit), most = ceil_div(tiles.count(), rounds);
        const int64_t blocks = ceil_div(most, kBlockTiles), size = ceil_div(most, blocks);
        const int64_t parts = ceil_div(s.C, std::max(kLeastDepth, kBlockSum - size)),
                      depth = ceil_div(ceil_div(s.C, parts), kDepth) * kDepth;
        const int64_t u_point = apart(depth * kPanel), v_point = apart(most * v_row), m_point = apart(size * kPanel);
        Scratch<float> shared;
        if (!alone) shared.reset(kPoints * v_point);
        const KeptScratch<float> kept(slots, kPoints * (u_point + m_point + (alone ? v_point : 0)));
        for (int64_t round = 0; round < rounds; round++) {
            const int64_t first = tiles.count() * round / rounds, count = tiles.count() * (round + 1) / rounds - first;
            const auto transform_tile = [&](int64_t t, int64_t c, int64_t channels, float *v) {
                tiles.transform_source(source, first + t, c, channels, v + t * v_row + c, v_point);
            };
            if (!alone)
                for_tiles(count, s.C, 128, [&](int64_t t, int64_t c, int64_t channels) {
                    transform_tile(t, c, channels, shared.get());
                });
            std::vector<char> ready(slots, !alone);
            parallel(panels * blocks, slots, [&](int64_t task, int slot) {
                const int64_t panel = task / blocks, block = task % blocks;
                const int64_t t0 = count * block / blocks, t1 = count * (block + 1) / blocks;
                float *u = kept[slot], *m = u + kPoints * u_point;
                float *v = alone ? m + kPoints * m_point : shared.get();
                for (int64_t t = 0; !ready[slot] && t < count; t++) transform_tile(t, 0, s.C, v);
                ready[slot] = true;
                for (int64_t d0 = 0; d0 < s.C; d0 += depth) {
                    const int64_t d1 = std::min(s.C, d0 + depth);
                    transform_weights(weights, s.C, s.O, backward, panel, d0, d1, u, u_point);
                    multiply_panel(v + t0 * v_row + d0, v_point, first + t0, t1 - t0, d1 - d0, u, u_point, panel, m, m_point,
                                   d0 > 0, [&](int64_t t) {
                        if (d1 == s.C) tiles.expect_target(target, first + t0 + t, panel * kPanel, width(panel));
                    });
                }
                finish(first + t0, t1 - t0, panel, m, m_point);
            });
        }
    }
};

}  // namespace

void set_winograd(bool value) { allowed = value; }
bool get_winograd() { return allowed; }

bool winograd_pays(int64_t N, int64_t in, int64_t out, int64_t OH, int64_t OW, int64_t KH, int64_t KW,
                   const ConvGeometry &g) {
    for (int i = 0; i < 2; i++)
        if (g.stride[i] != 1 || g.dilation[i] != 1 || g.padding[i] > 2) return false;
    if (!allowed || KH != 3 || KW != 3 || g.groups != 1 || in < 16 || out < 16) return false;
    // In products of one channel pair: a product counts 1, the transforms what they were measured to cost beside it.
    const double tiles = static_cast<double>(N) * Cut(OH).points() * Cut(OW).points(), pairs = static_cast<double>(in) * out;
    const double direct = static_cast<double>(N) * pairs_along(OH, g.padding[0]) * pairs_along(OW, g.padding[1]) * pairs;
    return tiles * (1.15 * pairs + 7 * in + 6 * out) + 36 * 8 * pairs < 0.8 * direct;
}

void winograd_convolve(const Images<const float> &source, const Images<float> &target, const float *weights,
                       bool backward, const float *bias, const WinogradSizes &s) {
    const Convolution c(source, target, weights, backward, bias, s);
    if (kPoints * s.C * s.O * static_cast<int64_t>(sizeof(float)) <= kSmallWeights) c.by_tiles();
    else c.by_weights();
}

namespace {

// The sums over tiles, in each point, that the gradient is transformed from; of at most `most` tiles at a time.
class GradientSums {
  public:
    GradientSums(const WinogradSizes &s, int64_t most)
        : tiles(s), s_(s), lanes_(kernels().f32.tile_lanes), v_panel_(most * lanes_),
          v_point_(apart(ceil_div(s.C, lanes_) * v_panel_)), z_point_(apart(most * s.O)), v_(kPoints * v_point_),
          z_(kPoints * z_point_) {}

    const Tiles tiles;

    void transform(const Images<const float> &x, const Images<const float> &gy, int64_t first, int64_t count) {
        first_ = first;
        count_ = count;
        for_tiles(count, s_.C, lanes_, [&](int64_t t, int64_t c, int64_t channels) {
            tiles.transform_source(x, first + t, c, channels, v_.get() + c / lanes_ * v_panel_ + t * lanes_, v_point_);
        });
        for_tiles(count, s_.O, s_.O, [&](int64_t t, int64_t, int64_t) {
            tiles.transform_gradient(gy, first + t, z_.get() + t * s_.O, z_point_);
        });
    }

    // Rows [o0, o1) of one point's sums and their columns [c0, c1), c0 a multiple of lanes; m: that part, of m_row columns.
    void multiply(int64_t point, int64_t o0, int64_t o1, int64_t c0, int64_t c1, float *m, int64_t m_row,
                  bool accumulate) const {
        const auto &k = kernels().f32;
        const auto [from, to] = tiles.run(point, first_, count_);
        const int64_t blocks = ceil_div(o1 - o0, k.tile_rows);
        ProductTile<float> t{};
        t.depth = to - from;
        t.a_row = 1;
        t.a_step = s_.O;
        t.c_stride = m_row;
        t.accumulate = accumulate;
        for (int64_t c = c0; c < c1; c += lanes_) {
            t.b = v_.get() + point * v_point_ + c / lanes_ * v_panel_ + from * lanes_;
            t.lanes = static_cast<int>(std::min(lanes_, c1 - c));
            for (int64_t block = 0; block < blocks; block++) {
                const int64_t r0 = (o1 - o0) * block / blocks;
                t.rows = static_cast<int>((o1 - o0) * (block + 1) / blocks - r0);
                t.a = z_.get() + point * z_point_ + from * s_.O + o0 + r0;
                t.c = m + r0 * m_row + c - c0;
                k.product(t);
            }
        }
    }

  private:
    const WinogradSizes s_;
    const int64_t lanes_, v_panel_, v_point_, z_point_;
    Scratch<float> v_, z_;
    int64_t first_ = 0, count_ = 0;
};

// All tiles at once; of a block's sums some columns, in all points, are made and transformed back.
class WinogradBlocks : public WeightBlocks<float> {
  public:
    WinogradBlocks(const Images<const float> &x, const Images<const float> &gy, const WinogradSizes &s)
        : WeightBlocks(s.O, ceil_div(s.O, kGradientRows), kPoints * point()), C_(s.C), sums_(s, Tiles(s).count()) {
        sums_.transform(x, gy, 0, sums_.tiles.count());
    }

    void make(int64_t block, float *rows, float *scratch, bool) const override {
        const int64_t o0 = first(block), o1 = first(block + 1);
        for (int64_t c0 = 0; c0 < C_; c0 += kGradientLanes) {
            const int64_t c1 = std::min(C_, c0 + kGradientLanes);
            for (int64_t i = 0; i < kPoints; i++)
                sums_.multiply(i, o0, o1, c0, c1, scratch + i * point(), kGradientLanes, false);
            for (int64_t r = 0; r < o1 - o0; r++)
                kernels().f32.winograd_weight_gradient(scratch + r * kGradientLanes, point(), c1 - c0,
                                                       rows + r * 9 * C_ + c0, C_);
        }
    }

  private:
    const int64_t C_;
    GradientSums sums_;

    static int64_t point() { return apart(kGradientRows * kGradientLanes); }
};

bool is_small(const WinogradSizes &s) {
    return kPoints * s.C * s.O * static_cast<int64_t>(sizeof(float)) <= kSmallWeights;
}

int64_t most_tiles(const WinogradSizes &s) {  // at a time
    const int64_t each = kPoints * (s.C + s.O) * static_cast<int64_t>(sizeof(float));
    return std::max<int64_t>(1, (is_small(s) ? kGradientBudget : kLargeBudget) / each);
}

}  // namespace

bool winograd_in_blocks(const WinogradSizes &s) { return !is_small(s) && Tiles(s).count() <= most_tiles(s); }

std::unique_ptr<WeightBlocks<float>> winograd_blocks(const Images<const float> &x, const Images<const float> &gy,
                                                     const WinogradSizes &s) {
    return std::make_unique<WinogradBlocks>(x, gy, s);
}

void winograd_weights_gradient(const Images<const float> &x, const Images<const float> &gy, float *gw,
                               const WinogradSizes &s) {
    if (winograd_in_blocks(s)) return WinogradBlocks(x, gy, s).write(gw, s.O * 9 * s.C);
    // Some tiles at a time; all sums are kept, a point for each task.
    const int64_t count = Tiles(s).count(), rounds = ceil_div(count, most_tiles(s)), m_point = apart(s.O * s.C);
    GradientSums sums(s, ceil_div(count, rounds));
    Scratch<float> m(kPoints * m_point);
    for (int64_t round = 0; round < rounds; round++) {
        const int64_t first = count * round / rounds;
        sums.transform(x, gy, first, count * (round + 1) / rounds - first);
        parallel(kPoints, [&](int64_t point) {
            sums.multiply(point, 0, s.O, 0, s.C, m.get() + point * m_point, s.C, round > 0);
        });
    }
    parallel(s.O, [&](int64_t o) {
        kernels().f32.winograd_weight_gradient(m.get() + o * s.C, m_point, s.C, gw + o * 9 * s.C, s.C);
    });
}

}  // namespace retrograd
