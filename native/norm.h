// Batch normalisation over channels, on arrays (N, C, ...) in any layout; channels-last ones are read in place.
#pragma once
#include "array.h"

namespace retrograd {

// mean and variance (biased) of each channel, (C,).
void batch_norm_moments(const Array &x, const Array &mean, const Array &variance);

// out = (x - mean) invstd weight + bias; out stored with contiguous channels.
void batch_norm_apply(const Array &x, const Array &mean, const Array &invstd, const Array *weight, const Array *bias,
                      const Array &out);

// For batch statistics (`training`) or fixed ones: gx, stored with contiguous channels, and the gradients of weight and
// bias (C,). Null where not wanted.
void batch_norm_gradient(const Array &g, const Array &x, const Array &mean, const Array &invstd, const Array *weight,
                         const Array *gx, const Array *gweight, const Array *gbias, bool training);

}  // namespace retrograd
