#include "conv_blocks.h"

#include "isa.h"
#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace retrograd {

void fence() {
#if defined(__x86_64__)
    _mm_sfence();
#endif
}

template <class T> void WeightBlocks<T>::write(T *gw, int64_t size) const {
    const int slots = num_threads();
    const int64_t row = size / std::max<int64_t>(1, rows_);
    const bool past_caches = size * sizeof(T) > kPastCaches;
    Scratch<T> scratch(slots * scratch_);
    parallel(count_, slots, [&](int64_t block, int slot) {
        make(block, gw + first(block) * row, scratch.get() + slot * scratch_, past_caches);
        fence();
    });
}

template class WeightBlocks<float>;
template class WeightBlocks<double>;

template <class T>
TapProducts<T>::TapProducts(const Images<const T> &x, const Images<const T> &gy, const ConvGeometry &g,
                            const ConvSizes &s, int64_t taps_w, int64_t run, int64_t chunk)
    : x(x), gy(gy), taps(s.KH * taps_w), run(run), O(s.O / g.groups), I(s.I), step(g.stride[1] * x.w), runs(taps) {
    const int64_t lines = s.N * s.OH;
    chunks = std::max<int64_t>(1, ceil_div(lines, chunk));
    for (int64_t kh = 0; kh < s.KH; kh++)
        for (int64_t kw = 0; kw < taps_w; kw++) {
            TapRuns &tap = runs[kh * taps_w + kw];
            int64_t w0 = 0, w1 = s.OW;
            const int64_t shift = kw * g.dilation[1] - g.padding[1];
            while (w0 < w1 && w0 * g.stride[1] + shift < 0) w0++;
            while (w0 < w1 && (w1 - 1) * g.stride[1] + shift >= s.W) w1--;
            tap.depth = w1 - w0;
            for (int64_t line = 0; line <= lines; line++) {
                if (line % chunk == 0 || line == lines) tap.start.push_back(tap.a.size());
                if (line == lines) break;
                const int64_t n = line / s.OH, oh = line % s.OH;
                const int64_t ih = oh * g.stride[0] - g.padding[0] + kh * g.dilation[0];
                if (ih < 0 || ih >= s.H || tap.depth == 0) continue;
                tap.a.push_back(n * gy.n + oh * gy.h + w0 * gy.w);
                tap.b.push_back(n * x.n + ih * x.h + (w0 * g.stride[1] + shift) * x.w);
            }
            if (lines == 0) tap.start.push_back(0);
        }
}

template <class T>
void TapProducts<T>::make(int64_t group, int64_t o0, int64_t o1, int64_t tap, int64_t panel, int64_t chunk, T *gw,
                          bool past_caches) const {
    const TypedKernels<T> &k = kernels().of<T>();
    const TapRuns &r = runs[tap];
    OuterTile<T> t{};
    t.a_step = gy.w;
    t.b = x.data + group * I + panel * k.tile_lanes;
    t.b_step = step;
    t.lanes = static_cast<int>(std::min<int64_t>(k.tile_lanes, run - panel * k.tile_lanes));
    t.a_offset = r.a.data() + r.start[chunk];
    t.b_offset = r.b.data() + r.start[chunk];
    t.segments = r.start[chunk + 1] - r.start[chunk];
    t.depth = r.depth;
    t.accumulate = chunk > 0;
    t.past_caches = past_caches;
    if (t.accumulate && t.segments == 0) return;
    t.rows = static_cast<int>(o1 - o0);
    for (int i = 0; i < t.rows; i++) {
        t.a[i] = gy.data + group * O + o0 + i;
        t.c[i] = gw + i * taps * run + tap * run + panel * k.tile_lanes;
    }
    k.outer(t);
}

template struct TapProducts<float>;
template struct TapProducts<double>;

namespace {

template <class T> class TapBlocks : public WeightBlocks<T> {
  public:
    TapBlocks(const Images<const T> &x, const Images<const T> &gy, const ConvGeometry &g, const ConvSizes &s)
        : WeightBlocks<T>(s.O, ceil_div(s.O, kernels().of<T>().tile_rows), 0),
          products_(x, gy, g, s, s.KW, s.I, s.N * s.OH + 1) {}

    void make(int64_t block, T *rows, T *, bool past_caches) const override {
        const int64_t panels = ceil_div(products_.run, kernels().of<T>().tile_lanes);
        for (int64_t tap = 0; tap < products_.taps; tap++)
            for (int64_t panel = 0; panel < panels; panel++)
                products_.make(0, this->first(block), this->first(block + 1), tap, panel, 0, rows, past_caches);
    }

  private:
    const TapProducts<T> products_;
};

}  // namespace

template <class T>
std::unique_ptr<WeightBlocks<T>> tap_blocks(const Images<const T> &x, const Images<const T> &gy, const ConvGeometry &g,
                                            const ConvSizes &s) {
    return std::make_unique<TapBlocks<T>>(x, gy, g, s);
}

template std::unique_ptr<WeightBlocks<float>> tap_blocks(const Images<const float> &, const Images<const float> &,
                                                         const ConvGeometry &, const ConvSizes &);
template std::unique_ptr<WeightBlocks<double>> tap_blocks(const Images<const double> &, const Images<const double> &,
                                                          const ConvGeometry &, const ConvSizes &);

}  // namespace retrograd
