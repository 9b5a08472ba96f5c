#include "factors.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "winograd.h"

namespace retrograd {
namespace {

bool allowed_at_start() {
    const char *text = std::getenv("RETROGRAD_FACTORS");
    return !text || std::strcmp(text, "0") != 0;
}
std::atomic<bool> allowed{allowed_at_start()};

constexpr int64_t kAloneTo = 1 << 15;  // elements that one thread copies before another is awake
constexpr int64_t kTimesLarger = 4;    // than its factors is the product, at least
constexpr int64_t kManyPairs = 12;     // of a tap, on average: with fewer the kernels for few pixels are faster
constexpr int64_t kMostPixels = 256;   // that blocks of products by taps are as fast with as the whole

// (N, C, H, W) with any strides to NHWC, pixels `pitch` apart.
template <class T> void copy_pixels(const Array &x, int64_t pitch, T *to) {
    const int64_t N = x.shape[0], C = x.shape[1], H = x.shape[2], W = x.shape[3];
    const auto copy_line = [&](int64_t line) {
        const T *from = x.as<T>() + line / H * x.stride[0] + line % H * x.stride[2];
        T *out = to + line * W * pitch;
        for (int64_t w = 0; w < W; w++, from += x.stride[3], out += pitch)
            if (x.stride[1] == 1) std::copy_n(from, C, out);
            else
                for (int64_t c = 0; c < C; c++) out[c] = from[c * x.stride[1]];
    };
    const Alone alone(N * H * W * C < kAloneTo);
    parallel(N * H, copy_line);
}

// A layer whose pixels are rows of a matrix is one image of one line.
ConvSizes flattened(ConvSizes s, const ConvGeometry &g) {
    for (int i = 0; i < 2; i++)
        if (g.stride[i] != 1 || g.padding[i] != 0) return s;
    if (s.KH != 1 || s.KW != 1) return s;
    s.W = s.OW = s.N * s.H * s.W;
    s.N = s.H = s.OH = 1;
    return s;
}

WinogradSizes winograd_sizes(const ConvSizes &s, const ConvGeometry &g) {
    return {s.N, s.C, s.O, s.H, s.W, s.OH, s.OW, g.padding[0], g.padding[1]};
}

bool by_winograd(const ConvSizes &s, const ConvGeometry &g, char type) {
    return type == 'f' && winograd_pays(s.N, s.C, s.O, s.OH, s.OW, s.KH, s.KW, g);
}

}  // namespace

void set_factors(bool value) { allowed = value; }
bool get_factors() { return allowed; }

bool Factors::pays(const ConvSizes &s, const ConvGeometry &g, char type) {
    const int64_t kept = s.N * (s.H * s.W * s.C + s.OH * s.OW * s.O), pixels = s.N * s.OH * s.OW;
    if (!allowed || g.groups != 1 || s.I < 16 || kept == 0 || s.O * s.KH * s.KW * s.I < kTimesLarger * kept) return false;
    if (few_pixels(s)) return true;
    if (by_winograd(s, g, type)) return winograd_in_blocks(winograd_sizes(s, g));
    return pixels <= kMostPixels;
}

// A line more than the channels need: pixels that are read together then lie in different sets of the first cache.
int64_t Factors::pitch(int64_t channels) const { return channels + 64 / (type_ == 'f' ? sizeof(float) : sizeof(double)); }

template <class T> Images<const T> Factors::x() const {
    const int64_t p = pitch(sizes_.C);
    return {reinterpret_cast<const T *>(x_.get()), sizes_.H * sizes_.W * p, sizes_.W * p, p};
}

template <class T> Images<const T> Factors::gy() const {
    const int64_t p = pitch(sizes_.O);
    return {reinterpret_cast<const T *>(gy_.get()), sizes_.OH * sizes_.OW * p, sizes_.OW * p, p};
}

template <class T> void Factors::keep(const Array &gy, const Array &x) {
    const ConvSizes &s = sizes_;
    copy_pixels(x, pitch(s.C), reinterpret_cast<T *>(x_.reset(s.N * s.H * s.W * pitch(s.C) * sizeof(T))));
    copy_pixels(gy, pitch(s.O), reinterpret_cast<T *>(gy_.reset(s.N * s.OH * s.OW * pitch(s.O) * sizeof(T))));
    if (!few_pixels(s)) return;
    pairs_.emplace(this->x<T>(), geometry_, s);
    if (pairs_->taps.start[s.KH * s.KW] >= kManyPairs * s.KH * s.KW) pairs_.reset();
}

Factors::Factors(const Array &gy, const Array &x, const ConvSizes &s, const ConvGeometry &g)
    : type_(gy.type), sizes_(flattened(s, g)), geometry_(g), winograd_(by_winograd(s, g, gy.type)) {
    type_ == 'f' ? keep<float>(gy, x) : keep<double>(gy, x);
}

// The output's gradient at these rows, as the kernels for few pixels read it.
template <class T> void Factors::scales(int64_t first, int count, T *to) const {
    const T *from = gy<T>().data + first;
    for (int64_t p = 0; p < pairs_->taps.pixels; p++) std::copy_n(from + p * pitch(sizes_.O), count, to + p * kFewMostRows);
}

template <class T> void Factors::multiply(int64_t first, int count, T *gw) const {
    T g[kFewPixels * kFewMostRows];
    scales(first, count, g);
    kernels().of<T>().few_outer(pairs_->taps, x<T>().data, g, count, gw);
}

template <class T>
void Factors::step(int64_t first, int count, Rule rule, const void *constants, int states, T *const *at) const {
    T g[kFewPixels * kFewMostRows];
    scales(first, count, g);
    Scratch<T> partial(kFewMostRows * sizes_.I);
    const int together = states > 1 ? 1 : count;  // several rows of all the state are too many streams at once
    for (int r = 0; r < count; r += together) {
        T *row_at[1 + kMostStates];
        for (int i = 0; i <= states; i++) row_at[i] = at[i] + r * row();
        kernels().of<T>().few_updates[static_cast<int>(rule)](pairs_->taps, x<T>().data, g + r, together, partial.get(),
                                                              constants, states, row_at);
    }
}

template <class T> std::unique_ptr<WeightBlocks<T>> Factors::blocks() const {
    if constexpr (sizeof(T) == 4)
        if (winograd_) return winograd_blocks(x<T>(), gy<T>(), winograd_sizes(sizes_, geometry_));
    return tap_blocks(x<T>(), gy<T>(), geometry_, sizes_);
}

template <class T> void Factors::write(T *gw) const {
    if (!few()) return blocks<T>()->write(gw, rows() * row());
    const int most = kernels().of<T>().few_rows;
    parallel(ceil_div(rows(), most), [&](int64_t task) {
        const int64_t first = task * most;
        multiply(first, static_cast<int>(std::min<int64_t>(most, rows() - first)), gw + first * row());
    });
}

void Factors::multiply_all(void *gw) const {
    type_ == 'f' ? write(static_cast<float *>(gw)) : write(static_cast<double *>(gw));
}

#define RETROGRAD_FACTORS(T)                                                                                           \
    template void Factors::multiply(int64_t, int, T *) const;                                                          \
    template void Factors::step(int64_t, int, Rule, const void *, int, T *const *) const;                              \
    template std::unique_ptr<WeightBlocks<T>> Factors::blocks() const;
RETROGRAD_FACTORS(float)
RETROGRAD_FACTORS(double)

}  // namespace retrograd
