// In three steps for some hundred tiles at a time: transform, 36 matrix products, transform back. Each element of each
// step belongs to one task, so that the results do not depend on the number of threads.
#include "winograd.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "isa.h"
#include "kernels.h"

namespace retrograd {
namespace {

constexpr int64_t kPoints = 36;
// Bytes of transformed tiles at a time: with small weights they stay in a core's own cache, with large ones, which each
// round reads again, in the last one.
constexpr int64_t kBudget = 3 << 18, kLargeBudget = 10 << 20, kGradientBudget = 6 << 20;
constexpr int64_t kSmallWeights = 4 << 20;  // bytes of transformed weights
constexpr int64_t kTilesPerTask = 12;
constexpr int64_t kDepth = 16;      // of the weights that are transformed at a time
constexpr int64_t kMostLanes = 32;  // at least any tile_lanes
constexpr size_t kLargeWeights = 1 << 20;  // bytes of transformed weights

bool allowed_at_start() {
    const char *text = std::getenv("RETROGRAD_WINOGRAD");
    return !text || std::strcmp(text, "0") != 0;
}
std::atomic<bool> allowed{allowed_at_start()};

// The 4x4 tiles of the target; the source's tile reaches from `padding` before to 6 pixels further.
struct Tiles {
    int64_t across, each, count;
    explicit Tiles(const WinogradSizes &s)
        : across(ceil_div(s.OW, 4)), each(across * ceil_div(s.OH, 4)), count(s.N * each) {}

    struct Place {
        int64_t n, h, w;  // the image, and the tile's corner in it
    };
    Place place(int64_t tile) const {
        const int64_t at = tile % each;
        return {tile / each, at / across * 4, at % across * 4};
    }
    template <class T> int64_t to_next(int64_t tile, const Images<T> &x) const {  // in memory
        const Place p = place(tile), next = place(tile + 1);
        return (next.n - p.n) * x.n + (next.h - p.h) * x.h + (next.w - p.w) * x.w;
    }
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

int within(int64_t value, int64_t most) { return static_cast<int>(std::clamp<int64_t>(value, 0, most)); }

void transform_source(const Images<const float> &x, const WinogradSizes &s, const Tiles &tiles, int64_t tile, float *v,
                      int64_t stride) {
    const Tiles::Place p = tiles.place(tile);
    const int64_t h = p.h - s.padding_h, w = p.w - s.padding_w;
    kernels().f32.winograd_input(x.data + p.n * x.n + h * x.h + w * x.w, x.h, x.w, within(-h, 6), within(s.H - h, 6),
                                 within(-w, 6), within(s.W - w, 6), s.C, tiles.to_next(tile, x), v, stride);
}

// Rows d0 <= d < d1 of one panel of `lanes` columns of the weights, as 36 matrices (d1 - d0, lanes), `point` apart.
// Backward, w is (depth, 3, 3, width) and the lanes lie side by side; else it is (width, 3, 3, depth): a transpose.
void transform_weights(const float *w, int64_t depth, int64_t width, bool backward, int64_t panel, int64_t d0,
                       int64_t d1, float *u, int64_t point) {
    const auto &k = kernels().f32;
    const int64_t lanes = k.tile_lanes, first = panel * lanes, used = std::min(lanes, width - first);
    if (backward) {
        for (int64_t d = d0; d < d1; d++)
            k.winograd_weights(w + d * 9 * width + first, width, true, used, u + (d - d0) * lanes, point);
        return;
    }
    float part[9 * kDepth * kMostLanes];  // transposed first: there are nine numbers, and there will be 36
    for (int64_t d = d0; d < d1; d += kDepth) {
        const int64_t columns = std::min(kDepth, d1 - d);
        for (int64_t tap = 0; tap < 9; tap++)
            k.transpose(w + (first * 9 + tap) * depth + d, 9 * depth, used, columns, part + tap * kDepth * lanes, lanes);
        for (int64_t i = 0; i < columns; i++)
            k.winograd_weights(part + i * lanes, kDepth * lanes, false, used, u + (d - d0 + i) * lanes, point);
    }
}

// m (rows, width) = v (rows, depth) times the panel u (depth, lanes), for one point.
void multiply(const float *v, int64_t rows, int64_t depth, const float *u, int64_t panel, float *m, int64_t width) {
    const auto &k = kernels().f32;
    const int64_t zero = 0, lanes = k.tile_lanes, blocks = ceil_div(rows, k.tile_rows);
    OuterTile<float> t{};
    t.a_offset = t.b_offset = &zero;
    t.segments = 1;
    t.depth = depth;
    t.a_step = 1;
    t.b = u;
    t.b_step = lanes;
    t.lanes = static_cast<int>(std::min(lanes, width - panel * lanes));
    for (int64_t block = 0; block < blocks; block++) {
        const int64_t r0 = rows * block / blocks, r1 = rows * (block + 1) / blocks;
        t.rows = static_cast<int>(r1 - r0);
        for (int r = 0; r < t.rows; r++) {
            t.a[r] = v + (r0 + r) * depth;
            t.c[r] = m + (r0 + r) * width + panel * lanes;
        }
        k.outer(t);
    }
}

// Rows [o0, o1) of m (O, C) = or += the product of z (tiles, O), transposed, and v (tiles, C), for one point.
void multiply_transposed(const float *z, const float *v, int64_t tiles, int64_t O, int64_t C, int64_t o0, int64_t o1,
                         float *m, bool accumulate) {
    const auto &k = kernels().f32;
    const int64_t zero = 0, lanes = k.tile_lanes;
    OuterTile<float> t{};
    t.a_offset = t.b_offset = &zero;
    t.segments = 1;
    t.depth = tiles;
    t.a_step = O;
    t.b_step = C;
    t.accumulate = accumulate;
    t.rows = static_cast<int>(o1 - o0);
    for (int64_t c = 0; c < C; c += lanes) {
        t.b = v + c;
        t.lanes = static_cast<int>(std::min(lanes, C - c));
        for (int r = 0; r < t.rows; r++) {
            t.a[r] = z + o0 + r;
            t.c[r] = m + r * C + c;
        }
        k.outer(t);
    }
}

// Tiles are taken in rounds, as equal as can be, whose transforms fit the budget.
int64_t tiles_per_round(const Tiles &tiles, const WinogradSizes &s, int64_t budget) {
    const int64_t fit = budget / (kPoints * (s.C + s.O) * static_cast<int64_t>(sizeof(float)));
    const int64_t rounds = std::max<int64_t>(1, ceil_div(tiles.count, std::max(kTilesPerTask, fit)));
    return ceil_div(tiles.count, rounds);
}

// body(tile) for the tiles of a round, some of them a task.
template <class Body> void for_tiles(int64_t count, const Body &body) {
    const int64_t groups = ceil_div(count, kTilesPerTask);
    parallel(groups, [&](int64_t group) {
        for (int64_t t = count * group / groups; t < count * (group + 1) / groups; t++) body(t);
    });
}

}  // namespace

void set_winograd(bool value) { allowed = value; }
bool get_winograd() { return allowed; }

bool winograd_pays(int64_t N, int64_t in, int64_t out, int64_t OH, int64_t OW, int64_t KH, int64_t KW,
                   const ConvGeometry &g, WinogradPass pass) {
    for (int i = 0; i < 2; i++)
        if (g.stride[i] != 1 || g.dilation[i] != 1 || g.padding[i] > 2) return false;
    if (!allowed || KH != 3 || KW != 3 || g.groups != 1 || in < 16 || out < 16) return false;
    // In products of one channel pair: a product counts 1, the transforms what they were measured to cost beside it.
    const double tiles = static_cast<double>(N) * ceil_div(OH, 4) * ceil_div(OW, 4), pairs = static_cast<double>(in) * out;
    const double weights = pass == WinogradPass::forward ? 8 : pass == WinogradPass::input_gradient ? 4 : 8;
    const double direct = static_cast<double>(N) * pairs_along(OH, g.padding[0]) * pairs_along(OW, g.padding[1]) * pairs;
    return tiles * (36 * 1.15 * pairs + 250 * in + 200 * out) + 36 * weights * pairs < 0.8 * direct;
}

void winograd_convolve(const Images<const float> &source, const Images<float> &target, const float *weights,
                       bool backward, const float *bias, const WinogradSizes &s) {
    const auto &k = kernels().f32;
    const Tiles tiles(s);
    const int64_t lanes = k.tile_lanes, panels = ceil_div(s.O, lanes), matrix = apart(s.C * lanes);
    const bool small = kPoints * panels * matrix * static_cast<int64_t>(sizeof(float)) <= kSmallWeights;
    const int64_t size = tiles_per_round(tiles, s, small ? kBudget : kLargeBudget), rounds = ceil_div(tiles.count, size);
    // Large weights that are used in one round are transformed a panel at a time, by the thread that uses it next.
    const bool by_panel = rounds == 1 && kPoints * panels * matrix * sizeof(float) > kLargeWeights;
    const int slots = num_threads();
    const bool by_round = rounds > slots;  // a round is one thread's, else all work at each
    const int64_t buffers = by_round ? slots : 1;
    Scratch<float> u(kPoints * matrix * (by_panel ? slots : panels));
    const int64_t v_point = apart(size * s.C), m_point = apart(size * s.O);
    Scratch<float> v(buffers * kPoints * v_point), m(buffers * kPoints * m_point);
    if (!by_panel) {
        const int64_t parts = ceil_div(s.C, kDepth);
        parallel(panels * parts, [&](int64_t task) {
            const int64_t panel = task / parts, d0 = task % parts * kDepth;
            transform_weights(weights, s.C, s.O, backward, panel, d0, std::min(s.C, d0 + kDepth),
                              u.get() + panel * kPoints * matrix + d0 * lanes, matrix);
        });
    }
    auto convolve = [&](int64_t round, int64_t buffer) {
        const int64_t first = round * size, count = std::min(size, tiles.count - first);
        float *v_at = v.get() + buffer * kPoints * v_point, *m_at = m.get() + buffer * kPoints * m_point;
        for_tiles(count, [&](int64_t t) {
            transform_source(source, s, tiles, first + t, v_at + t * s.C, v_point);
        });
        auto product = [&](int64_t point, int64_t panel, const float *panel_weights) {
            multiply(v_at + point * v_point, count, s.C, panel_weights + point * matrix, panel,
                     m_at + point * m_point, s.O);
        };
        if (by_panel) {
            parallel(panels, slots, [&](int64_t panel, int slot) {
                float *mine = u.get() + slot * kPoints * matrix;
                transform_weights(weights, s.C, s.O, backward, panel, 0, s.C, mine, matrix);
                for (int64_t point = 0; point < kPoints; point++) product(point, panel, mine);
            });
        } else {
            parallel(kPoints, [&](int64_t point) {
                for (int64_t panel = 0; panel < panels; panel++)
                    product(point, panel, u.get() + panel * kPoints * matrix);
            });
        }
        for_tiles(count, [&](int64_t t) {
            const auto [n, h, w] = tiles.place(first + t);
            k.winograd_output(m_at + t * s.O, m_point, s.O, bias,
                              target.data + n * target.n + h * target.h + w * target.w, target.h, target.w,
                              within(s.OH - h, 4), within(s.OW - w, 4), tiles.to_next(first + t, target));
        });
    };
    if (by_round) parallel(rounds, slots, convolve);
    else for (int64_t round = 0; round < rounds; round++) convolve(round, 0);
}

namespace {

int64_t tiles_of_gradient(const Tiles &tiles, const WinogradSizes &s) {
    const bool small = kPoints * s.C * s.O * static_cast<int64_t>(sizeof(float)) <= kSmallWeights / 2;
    return tiles_per_round(tiles, s, small ? kGradientBudget : kLargeBudget);
}

// The sums over tiles that the gradient is transformed from, for a block of output channels at one point of the 36.
class GradientRounds {
  public:
    GradientRounds(const WinogradSizes &s, const Tiles &tiles, int64_t size)
        : s_(s), tiles_(tiles), v_point_(apart(size * s.C)), z_point_(apart(size * s.O)), v_(kPoints * v_point_),
          z_(kPoints * z_point_) {}

    int64_t blocks() const { return ceil_div(s_.O, kernels().f32.tile_rows); }

    void transform(const Images<const float> &x, const Images<const float> &gy, int64_t first, int64_t count) {
        count_ = count;
        for_tiles(count, [&](int64_t t) {
            const auto [n, h, w] = tiles_.place(first + t);
            transform_source(x, s_, tiles_, first + t, v_.get() + t * s_.C, v_point_);
            kernels().f32.winograd_gradient(gy.data + n * gy.n + h * gy.h + w * gy.w, gy.h, gy.w, within(s_.OH - h, 4),
                                            within(s_.OW - w, 4), s_.O, tiles_.to_next(first + t, gy),
                                            z_.get() + t * s_.O, z_point_);
        });
    }

    void multiply(int64_t point, int64_t block, float *to, bool accumulate) const {
        multiply_transposed(z_.get() + point * z_point_, v_.get() + point * v_point_, count_, s_.O, s_.C,
                            s_.O * block / blocks(), s_.O * (block + 1) / blocks(), to, accumulate);
    }

  private:
    const WinogradSizes s_;
    const Tiles &tiles_;
    const int64_t v_point_, z_point_;
    Scratch<float> v_, z_;
    int64_t count_ = 0;
};

void transform_back(const WinogradSizes &s, const float *sums, int64_t point, float *row) {
    kernels().f32.winograd_weight_gradient(sums, point, s.C, row, s.C);
}

// In one round, a block of output channels is multiplied and transformed back at once.
class WinogradBlocks : public WeightBlocks<float> {
  public:
    WinogradBlocks(const Images<const float> &x, const Images<const float> &gy, const WinogradSizes &s)
        : WeightBlocks(s.O, ceil_div(s.O, kernels().f32.tile_rows), kPoints * point(s)), s_(s), tiles_(s),
          rounds_(s_, tiles_, tiles_.count) {
        rounds_.transform(x, gy, 0, tiles_.count);
    }

    void make(int64_t block, float *rows, float *scratch, bool) const override {
        for (int64_t i = 0; i < kPoints; i++) rounds_.multiply(i, block, scratch + i * point(s_), false);
        for (int64_t r = 0; r < first(block + 1) - first(block); r++)
            transform_back(s_, scratch + r * s_.C, point(s_), rows + r * 9 * s_.C);
    }

  private:
    const WinogradSizes s_;
    const Tiles tiles_;
    GradientRounds rounds_;

    static int64_t point(const WinogradSizes &s) { return apart(kernels().f32.tile_rows * s.C); }
};

}  // namespace

bool winograd_in_blocks(const WinogradSizes &s) {
    const Tiles tiles(s);
    return tiles_of_gradient(tiles, s) == tiles.count;
}

std::unique_ptr<WeightBlocks<float>> winograd_blocks(const Images<const float> &x, const Images<const float> &gy,
                                                     const WinogradSizes &s) {
    return std::make_unique<WinogradBlocks>(x, gy, s);
}

void winograd_weights_gradient(const Images<const float> &x, const Images<const float> &gy, float *gw,
                               const WinogradSizes &s) {
    if (winograd_in_blocks(s)) return WinogradBlocks(x, gy, s).write(gw, s.O * 9 * s.C);
    const Tiles tiles(s);
    const int64_t size = tiles_of_gradient(tiles, s), m_point = apart(s.O * s.C);
    GradientRounds rounds(s, tiles, size);
    Scratch<float> m(kPoints * m_point);
    for (int64_t first = 0; first < tiles.count; first += size) {
        rounds.transform(x, gy, first, std::min(size, tiles.count - first));
        parallel(kPoints, [&](int64_t point) {
            for (int64_t block = 0; block < rounds.blocks(); block++)
                rounds.multiply(point, block, m.get() + point * m_point + s.O * block / rounds.blocks() * s.C, first > 0);
        });
    }
    parallel(s.O, [&](int64_t o) { transform_back(s, m.get() + o * s.C, m_point, gw + o * 9 * s.C); });
}

}  // namespace retrograd
