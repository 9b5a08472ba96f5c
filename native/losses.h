// Losses over classes.
#pragma once
#include "array.h"

namespace retrograd {

// Of rows of log-probabilities x (N, C): -x[i, target[i]] times its class's weight, 0 where the target is `ignored`.
// target: (N,) int64. weight: (C,), null for ones. out: (N,), or 0-d for the sum; `mean` divides that by the weights'.
// Gives false, and leaves out unfinished, where a target is no class.
bool nll_loss(const Array &x, const Array &target, const Array *weight, int64_t ignored, const Array &out, bool mean);
// The gradient gx (N, C), for g like out above.
bool nll_loss_gradient(const Array &g, const Array &target, const Array *weight, int64_t ignored, const Array &gx,
                       bool mean);

}  // namespace retrograd
