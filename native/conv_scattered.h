// The sum of a convolution's taps from the side of its output, for few channels on the other side, where lanes would be
// idle: each output pixel gives what it adds to all pixels that it saw, in one product, and this is added up.
#pragma once
#include "conv.h"
#include "images.h"

namespace retrograd {

// Whether the input's gradient is best made so.
bool scattering_pays(const ConvSizes &s, const ConvGeometry &g);

// The same of a convolution's output, which is the input's gradient of one with its weights turned round.
bool scattering_pays_forward(const ConvSizes &s, const ConvGeometry &g);
template <class T>
void scattered_forward(const Images<const T> &x, const T *weights, const T *bias, const Images<T> &y,
                       const ConvGeometry &g, const ConvSizes &s);

// gx = the input's gradient; weights as OHWI.
template <class T>
void scattered_input_gradient(const Images<const T> &gy, const T *weights, const Images<T> &gx, const ConvGeometry &g,
                              const ConvSizes &s);

}  // namespace retrograd
