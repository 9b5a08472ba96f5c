// Activations, and their gradients, over runs of n elements: the rows of ops/activation.py of these names.
#pragma once
#include "curves.h"
#include "kernels.h"
#include "loops.h"
#include "vec.h"

namespace retrograd::RETROGRAD_ISA {

// min(max(x + 3, 0), 6) / 6. From 3 on it is exactly 1, as 6 T(1 / 6) is in both types: no division, which would take longer
// than memory does.
template <class T> INLINE Vec<T> ramp(Vec<T> x) { return at_most(at_least(x + T(3), T(0)), T(6)) * (T(1) / T(6)); }

// in: x; of a gradient what comes in, and x. out may be one of them. At a kink the gradient is that of the side that
// PyTorch takes. At NaN every comparison is false: what the gradient is there, the rows say too.
template <class T> void activation(Activation which, const T *const *in, const T *numbers, T *out, int64_t n) {
    const T *g = in[0], *x = in[1], a = numbers[0], b = numbers[1];
    const Vec<T> none = {};
    const auto curve = [=](auto of) INLINE_LAMBDA {
        for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(out + i, of(get(g + i))); });
    };
    const auto slope = [=](auto of) INLINE_LAMBDA {
        for_vectors<T>(n, [=](int64_t i, auto get, auto put) INLINE_LAMBDA { put(out + i, of(get(g + i), get(x + i))); });
    };
    switch (which) {
    case Activation::hardswish: return curve([](Vec<T> v) INLINE_LAMBDA { return v * ramp<T>(v); });
    case Activation::hardsigmoid: return curve([](Vec<T> v) INLINE_LAMBDA { return ramp<T>(v); });
    case Activation::hardtanh:
        if (a != a || b != b) return curve([=](Vec<T> v) INLINE_LAMBDA { return v + a + b; });  // all are NaN
        return curve([=](Vec<T> v) INLINE_LAMBDA { return at_most(at_least(v, a), b); });
    case Activation::leaky_relu: return curve([=](Vec<T> v) INLINE_LAMBDA { return v > none ? v : v * a; });
    case Activation::hardswish_backward:
        return slope([=](Vec<T> d, Vec<T> v) INLINE_LAMBDA {
            const Vec<T> inside = d * (v * (T(1) / T(3)) + T(0.5));
            return v < T(3) ? (v > T(-3) ? inside : none) : d;
        });
    case Activation::hardsigmoid_backward:
        return slope([=](Vec<T> d, Vec<T> v) INLINE_LAMBDA {
            return v > T(-3) ? (v < T(3) ? d * (T(1) / T(6)) : none) : none;
        });
    case Activation::hardtanh_backward:
        return slope([=](Vec<T> d, Vec<T> v) INLINE_LAMBDA { return v <= a ? none : v >= b ? none : d; });
    case Activation::leaky_relu_backward:
        return slope([=](Vec<T> d, Vec<T> v) INLINE_LAMBDA { return v > none ? d : d * a; });
    case Activation::silu_backward:
        return slope([](Vec<T> d, Vec<T> v) INLINE_LAMBDA {
            const Vec<T> s = sigmoid_of<T>(v);
            return d * (s * (1 + v * (1 - s)));
        });
    case Activation::count: break;
    }
}

}  // namespace retrograd::RETROGRAD_ISA
