// Two-dimensional convolution and its gradients, on NCHW shapes with channels-last (NHWC) strides.
#pragma once
#include "array.h"

namespace retrograd {

struct ConvGeometry {
    int64_t stride[2], padding[2], dilation[2], groups;
};

// Of input (N, C, H, W), weights (O, I, KH, KW) and output (N, O, OH, OW).
struct ConvSizes {
    int64_t N, C, H, W, O, I, KH, KW, OH, OW;
};

// Throws std::invalid_argument where they don't fit. Of w only the shape and dtype are looked at.
ConvSizes conv_sizes(const Array &x, const Array &w, const Array &y, const ConvGeometry &g);

// x (N, C, H, W) and gy (N, O, OH, OW) may have any strides; those whose channels are contiguous are read in place.
// w (O, C / groups, KH, KW) is read in place where it is stored as OHWI.
// Results must be given with contiguous channels (out, gx) or stored as OHWI (gw).
void conv2d_forward(const Array &x, const Array &w, const Array *bias, const Array &out, const ConvGeometry &g);
void conv2d_input_gradient(const Array &gy, const Array &w, const Array &gx, const ConvGeometry &g);
void conv2d_weight_gradient(const Array &gy, const Array &x, const Array &gw, const ConvGeometry &g);

}  // namespace retrograd
