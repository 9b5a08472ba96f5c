// Operations on each tensor of lists, in one parallel pass: what lists.cpp gives Python, and each.h computes.
#pragma once

namespace retrograd {

// X(name, arrays that are read, numbers). With x, y, z the arrays and a, b the numbers: fill a; copy y; add x + a y;
// shift x + a; scale x a; divide x / y; over x / a; lerp from x to y by a; addcmul x + a y z; addcdiv x + a (y / z); clamp
// x to at least a, at most b; square x x.
#define RETROGRAD_EACH(X)                                                                                              \
    X(fill, 0, 1) X(copy, 2, 0) X(add, 2, 1) X(shift, 1, 1) X(mul, 2, 0) X(scale, 1, 1) X(divide, 2, 0) X(over, 1, 1)  \
    X(lerp, 2, 1) X(addcmul, 3, 1) X(addcdiv, 3, 1) X(maximum, 2, 0) X(minimum, 2, 0) X(clamp, 1, 2)                   \
    X(clamp_min, 1, 1) X(clamp_max, 1, 1) X(relu, 1, 0) X(neg, 1, 0) X(abs, 1, 0) X(sign, 1, 0) X(sqrt, 1, 0)          \
    X(reciprocal, 1, 0) X(square, 1, 0)

enum class Each : int {
#define X(name, arrays, numbers) name,
    RETROGRAD_EACH(X)
#undef X
    count
};
constexpr int kMostEachArrays = 3, kMostEachNumbers = 2;

// What is added up over a tensor: the magnitudes, their squares; or the largest of them.
enum class Fold : int { magnitudes, squares, largest, count };

}  // namespace retrograd
