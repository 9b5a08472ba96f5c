// Convolution of each channel by itself: as many groups as input and output channels. The contracts are those of conv.h.
#pragma once
#include "conv.h"

namespace retrograd {

inline bool is_depthwise(const ConvSizes &s, const ConvGeometry &g) {
    return g.groups > 1 && g.groups == s.C && s.O == s.C;
}

void depthwise_forward(const Array &x, const Array &w, const Array *bias, const Array &out, const ConvGeometry &g,
                       const ConvSizes &s);
void depthwise_input_gradient(const Array &gy, const Array &w, const Array &gx, const ConvGeometry &g,
                              const ConvSizes &s);
void depthwise_weight_gradient(const Array &gy, const Array &x, const Array &gw, const ConvGeometry &g,
                               const ConvSizes &s);

}  // namespace retrograd
