// The weight gradient of few input channels, such as a network's first convolution: too short runs for the lanes.
#pragma once
#include "conv.h"
#include "images.h"

namespace retrograd {

// gw (O, KH, KW, C) from gy, whose pixels lie `pixel` apart, and x with its border of zeros (no padding is left in g).
// What each output pixel sees is copied side by side, some hundred pixels at a time.
template <class T>
void unfolded_weight_gradient(const Images<const T> &x, const T *gy, int64_t pixel, T *gw, const ConvGeometry &g,
                              const ConvSizes &s);

}  // namespace retrograd
