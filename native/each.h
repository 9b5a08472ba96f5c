// The loops of lists.h: operations on runs of n elements, and sums over them.
#pragma once
#include "lists.h"
#include "loops.h"
#include "updates.h"
#include "vec.h"

namespace retrograd::RETROGRAD_ISA {

// out = the operation on in[0], in[1] and in[2], as far as it reads them; out may be one of them. numbers are rounded to T,
// as PyTorch's are.
template <class T> void each(Each op, const double *numbers, const T *const *in, T *out, int64_t n) {
    const T *x = in[0], *y = in[1], *z = in[2];
    const T a = static_cast<T>(numbers[0]), b = static_cast<T>(numbers[1]);
    const Vec<T> low = broadcast(a), high = broadcast(b), none = {}, one = broadcast(T(1));
    const auto loop = [=](auto element) INLINE_LAMBDA {
        for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(out + i, element(i, get)); });
    };
#define EACH(name, formula)                                                               \
    case Each::name: return loop([=](int64_t i, auto get) INLINE_LAMBDA -> Vec<T> { return formula; })
#define X_ get(x + i)
#define Y_ get(y + i)
#define Z_ get(z + i)
    switch (op) {
        EACH(fill, (static_cast<void>(i), static_cast<void>(get), low));
        EACH(copy, Y_);
        EACH(add, X_ + a * Y_);
        EACH(shift, X_ + a);
        EACH(mul, X_ * Y_);
        EACH(scale, X_ * a);
        EACH(divide, X_ / Y_);
        EACH(over, X_ / a);
        EACH(addcmul, X_ + rounded(a * Y_) * Z_);
        EACH(addcdiv, X_ + a * (Y_ / Z_));
        EACH(maximum, larger<T>(X_, Y_));
        EACH(minimum, smaller<T>(X_, Y_));
        EACH(clamp, smaller<T>(larger<T>(X_, low), high));
        EACH(clamp_min, larger<T>(X_, low));
        EACH(clamp_max, smaller<T>(X_, low));
        EACH(sqrt, square_root<T>(X_));
        EACH(reciprocal, T(1) / X_);
        EACH(neg, -X_);
    case Each::lerp: {
        const Towards<T> towards(numbers[0]);
        return loop([=](int64_t i, auto get) INLINE_LAMBDA { return towards(X_, Y_); });
    }
    case Each::relu:
        return loop([=](int64_t i, auto get) INLINE_LAMBDA {
            const Vec<T> v = X_;
            return v <= none ? none : v;  // NaN stays
        });
    case Each::abs:
        return loop([=](int64_t i, auto get) INLINE_LAMBDA {
            const Vec<T> v = X_;
            return v <= none ? none - v : v;
        });
    case Each::sign:
        return loop([=](int64_t i, auto get) INLINE_LAMBDA {
            const Vec<T> v = X_;
            return v > none ? one : v < none ? -one : none;
        });
    case Each::square:
        return loop([=](int64_t i, auto get) INLINE_LAMBDA {
            const Vec<T> v = X_;
            return v * v;
        });
    case Each::count: break;
    }
#undef EACH
#undef X_
#undef Y_
#undef Z_
}

// Over a run of no more than some ten thousand elements, so that sums in T stay exact enough.
template <class T> double fold(Fold op, const T *x, int64_t n) {
    constexpr int kSums = 4;  // one after the other would wait for each addition
    struct Parts {
        Vec<T> part[kSums];
    };
    const Vec<T> none = {};
    const auto over = [=](auto combine) INLINE_LAMBDA {
        Vec<T> part[kSums] = {};
        constexpr int L = kLanes<T>;
        int64_t i = 0;
        for (; i + kSums * L <= n; i += kSums * L)
            UNROLL
            for (int k = 0; k < kSums; k++) part[k] = combine(part[k], load(x + i + k * L));
        for_vectors<T>(n - i, [&](int64_t j, auto get, auto) INLINE_LAMBDA { part[0] = combine(part[0], get(x + i + j)); });
        Parts all;
        for (int k = 0; k < kSums; k++) all.part[k] = part[k];
        return all;
    };
    const auto size = [=](Vec<T> v) INLINE_LAMBDA { return v <= none ? none - v : v; };
    if (op == Fold::largest) {
        const auto all = over([=](Vec<T> most, Vec<T> v) INLINE_LAMBDA { return larger<T>(size(v), most); });
        T most = 0;
        for (const Vec<T> &part : all.part)
            for (int l = 0; l < kLanes<T>; l++) {
                if (part[l] != part[l]) return static_cast<double>(part[l]);
                if (part[l] > most) most = part[l];
            }
        return static_cast<double>(most);
    }
    const auto all = op == Fold::squares ? over([](Vec<T> sum, Vec<T> v) INLINE_LAMBDA { return sum + v * v; })
                                         : over([=](Vec<T> sum, Vec<T> v) INLINE_LAMBDA { return sum + size(v); });
    double sum = 0;
    for (const Vec<T> &part : all.part) sum += static_cast<double>(sum_lanes(part));
    return sum;
}

}  // namespace retrograd::RETROGRAD_ISA
