// Batch normalisation over channels, on arrays (N, C, ...) in any layout; channels-last ones are read in place.
#pragma once
#include "array.h"

namespace retrograd {

// out = (x - mean) / sqrt(variance + eps) weight + bias; out stored with contiguous channels. `training`: by the mean and
// the (biased) variance of each channel, (C,), which are written; else by those given.
void batch_norm_forward(const Array &x, const Array &mean, const Array &variance, double eps, const Array *weight,
                        const Array *bias, const Array &out, bool training);

// The same in its parts: the moments; the numbers per channel that x becomes out by, `factors`, which are 3 C of x's type;
// and the result, plus y if there is one (of x's shape; normalised by factors of its own if there are those), past a relu
// or not. Of the same bits as one after the other. out may be in x's memory, of one layout.
void batch_norm_moments(const Array &x, const Array &mean, const Array &variance);
void batch_norm_factors(const Array &x, const Array &mean, const Array &variance, double eps, const Array *weight,
                        const Array *bias, void *factors);
void batch_norm_apply(const Array &x, const void *factors, const Array *y, const void *y_factors, bool relu,
                      const Array &out);

// For batch statistics (`training`) or fixed ones: gx, stored with contiguous channels, and the gradients of weight and
// bias (C,). Null where not wanted. relu: what a relu made of batch norm's result, if g is the gradient of that. gx may
// be in g's memory, of one layout. masks, in training: g, stored with contiguous channels, is written to: 0 where the relu's
// result is.
void batch_norm_gradient(const Array &g, const Array &x, const Array &mean, const Array &variance, double eps,
                         const Array *weight, const Array *gx, const Array *gweight, const Array *gbias, bool training,
                         const Array *relu = nullptr, bool masks = false);

}  // namespace retrograd
