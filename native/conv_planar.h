// Convolutions of so few channels, in and out, that lanes are best used along pixels: each channel is a plane, a line of
// which is a run.
#pragma once
#include "conv.h"
#include "images.h"

namespace retrograd {

bool planar_pays(const ConvSizes &s, const ConvGeometry &g);

// y: images of all channels; weights as OHWI.
template <class T>
void planar_forward(const Array &x, const T *weights, const T *bias, const Images<T> &y, const ConvGeometry &g,
                    const ConvSizes &s);
template <class T>
void planar_weight_gradient(const Array &x, const Images<const T> &gy, T *gw, const ConvGeometry &g, const ConvSizes &s);

}  // namespace retrograd
