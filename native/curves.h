// Sigmoid and hyperbolic tangent.
#pragma once
#include "loops.h"
#include "vec.h"

namespace retrograd::RETROGRAD_ISA {

template <class T> INLINE Vec<T> sigmoid_of(Vec<T> x) { return 1 / (1 + exponential<T>(-x)); }

// Near zero Lambert's continued fraction x / (1 + x^2 / (3 + x^2 / (5 + ...))), elsewhere by e^(2 |x|).
template <class T> INLINE Vec<T> tanh_of(Vec<T> x) {
    constexpr int levels = sizeof(T) == 4 ? 5 : 9;
    constexpr T middle = T(0.6);
    const Vec<T> size = x < 0 ? -x : x, small = size < middle ? x : Vec<T>{}, z = small * small;
    Vec<T> above = {}, before_above = broadcast(T(1)), below = broadcast(T(1)), before_below = {};
    UNROLL
    for (int i = 1; i <= levels; i++) {  // numerator and denominator of the fraction cut off at each level
        const Vec<T> a = above * T(2 * i - 1) + (i == 1 ? before_above : z * before_above);
        const Vec<T> b = below * T(2 * i - 1) + (i == 1 ? before_below : z * before_below);
        before_above = above, above = a;
        before_below = below, below = b;
    }
    const Vec<T> near = small * above / below, far = 1 - 2 / (exponential<T>(2 * size) + 1);
    return size < middle ? near : x < 0 ? -far : far;  // NaN goes through `far`
}

}  // namespace retrograd::RETROGRAD_ISA
