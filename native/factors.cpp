#include "factors.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace retrograd {
namespace {

bool allowed_at_start() {
    const char *text = std::getenv("RETROGRAD_FACTORS");
    return !text || std::strcmp(text, "0") != 0;
}
std::atomic<bool> allowed{allowed_at_start()};

// (N, C, H, W) with any strides to NHWC, pixels `pitch` apart: too few for more than one thread.
template <class T> void copy_pixels(const Array &x, int64_t pitch, T *to) {
    const int64_t C = x.shape[1];
    for (int64_t n = 0; n < x.shape[0]; n++)
        for (int64_t h = 0; h < x.shape[2]; h++)
            for (int64_t w = 0; w < x.shape[3]; w++, to += pitch) {
                const T *from = x.as<T>() + n * x.stride[0] + h * x.stride[2] + w * x.stride[3];
                if (x.stride[1] == 1) std::copy_n(from, C, to);
                else
                    for (int64_t c = 0; c < C; c++) to[c] = from[c * x.stride[1]];
            }
}

constexpr int64_t kTimesLarger = 4;  // than its factors is the product, at least

}  // namespace

void set_factors(bool value) { allowed = value; }
bool get_factors() { return allowed; }

bool Factors::pays(const ConvSizes &s, const ConvGeometry &g) {
    const int64_t kept = s.N * (s.H * s.W * s.C + s.OH * s.OW * s.O);
    return allowed && few_pixels(s) && g.groups == 1 && kept > 0 && s.O * s.KH * s.KW * s.I >= kTimesLarger * kept;
}

template <class T> Images<const T> Factors::keep(const Array &gy, const Array &x) {
    const ConvSizes &s = sizes_;
    // A line more than the channels need: pixels that are read together then lie in different sets of the first cache.
    const int64_t pitch = s.C + 64 / sizeof(T);
    T *from = reinterpret_cast<T *>(x_.reset(s.N * s.H * s.W * pitch * sizeof(T)));
    T *to = reinterpret_cast<T *>(gy_.reset(gy.size() * sizeof(T)));
    copy_pixels(x, pitch, from);
    copy_pixels(gy, s.O, to);
    return {from, s.H * s.W * pitch, s.W * pitch, pitch};
}

FewPairs Factors::pair(const Array &gy, const Array &x, const ConvGeometry &g) {
    if (type_ == 'f') return FewPairs(keep<float>(gy, x), g, sizes_);
    return FewPairs(keep<double>(gy, x), g, sizes_);
}

Factors::Factors(const Array &gy, const Array &x, const ConvSizes &s, const ConvGeometry &g)
    : type_(gy.type), sizes_(s), pairs_(pair(gy, x, g)) {}

// The output's gradient at these rows, as the kernels read it.
template <class T> void Factors::scales(int64_t first, int count, T *to) const {
    const T *gy = reinterpret_cast<const T *>(gy_.get()) + first;
    for (int64_t p = 0; p < pairs_.taps.pixels; p++) std::copy_n(gy + p * sizes_.O, count, to + p * kFewMostRows);
}

template <class T> void Factors::multiply(int64_t first, int count, T *gw) const {
    T g[kFewPixels * kFewMostRows];
    scales(first, count, g);
    kernels().of<T>().few_outer(pairs_.taps, x<T>(), g, count, gw);
}

template <class T> void Factors::step(int64_t first, int count, const SgdStep &s, T *const (&at)[2]) const {
    T g[kFewPixels * kFewMostRows];
    scales(first, count, g);
    Scratch<T> partial(kFewMostRows * sizes_.I);
    kernels().of<T>().few_sgd(pairs_.taps, x<T>(), g, count, partial.get(), s, at[0], at[1]);
}

template <class T> void Factors::step(int64_t first, int count, const AdamStep &s, T *const (&at)[4]) const {
    T g[kFewPixels * kFewMostRows];
    scales(first, count, g);
    Scratch<T> partial(kFewMostRows * sizes_.I);
    for (int r = 0; r < count; r++) {  // one by one: several rows of all the state are too many streams at once
        T *row_at[4];
        for (int i = 0; i < 4; i++) row_at[i] = at[i] ? at[i] + r * row() : nullptr;
        kernels().of<T>().few_adam(pairs_.taps, x<T>(), g + r, 1, partial.get(), s, row_at[0], row_at[1], row_at[2],
                                   row_at[3]);
    }
}

#define RETROGRAD_FACTORS(T)                                                                                           \
    template void Factors::multiply(int64_t, int, T *) const;                                                          \
    template void Factors::step(int64_t, int, const SgdStep &, T *const (&)[2]) const;                                 \
    template void Factors::step(int64_t, int, const AdamStep &, T *const (&)[4]) const;
RETROGRAD_FACTORS(float)
RETROGRAD_FACTORS(double)

void Factors::multiply_all(void *gw) const {
    const int most = type_ == 'f' ? kernels().f32.few_rows : kernels().f64.few_rows;
    parallel(ceil_div(rows(), most), [&](int64_t task) {
        const int64_t first = task * most;
        const int count = static_cast<int>(std::min<int64_t>(most, rows() - first));
        if (type_ == 'f') multiply(first, count, static_cast<float *>(gw) + first * row());
        else multiply(first, count, static_cast<double *>(gw) + first * row());
    });
}

}  // namespace retrograd
