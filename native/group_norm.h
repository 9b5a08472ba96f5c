// Group normalisation of images (N, C, ...) with contiguous channels; instance norm has as many groups as channels.
#pragma once
#include "array.h"

namespace retrograd {

// mean, variance: (N, groups), contiguous. weight, bias: (C), contiguous, or null. Results are stored channels last.
void group_norm_forward(const Array &x, const Array *weight, const Array *bias, int64_t groups, double eps,
                        const Array &out, const Array &mean, const Array &variance);
// Results that are null are not computed.
void group_norm_gradient(const Array &g, const Array &x, const Array *weight, const Array &mean, const Array &variance,
                         int64_t groups, double eps, const Array *gx, const Array *gweight, const Array *gbias);

}  // namespace retrograd
