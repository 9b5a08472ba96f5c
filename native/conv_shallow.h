// The weight gradient of few input channels, such as a network's first convolution: too short runs for the lanes, which
// run along the output channels instead.
#pragma once
#include "conv.h"
#include "images.h"

namespace retrograd {

// gw (O, KH, KW, C) from gy, whose pixels lie `pixel` apart, one image after the other, and x with its border of zeros
// (no padding is left in g).
template <class T>
void shallow_weight_gradient(const Images<const T> &x, const T *gy, int64_t pixel, T *gw, const ConvGeometry &g,
                             const ConvSizes &s);

}  // namespace retrograd
