// Kernels over the last dimension, on C-contiguous arrays (..., D).
#pragma once
#include "array.h"

namespace retrograd {

// weight, bias: (D,) or null. mean, variance (biased), invstd: one per row, contiguous.
void layer_norm(const Array &x, const Array *weight, const Array *bias, double eps, const Array &out, const Array &mean,
                const Array &variance);
// gx like x, gweight and gbias (D,); null where not wanted.
void layer_norm_gradient(const Array &g, const Array &x, const Array &mean, const Array &invstd, const Array *weight,
                         const Array *gx, const Array *gweight, const Array *gbias);

void softmax(const Array &x, const Array &out, bool log);
void softmax_gradient(const Array &g, const Array &out, const Array &gx, bool log);

// out (D,) = the sum of the rows of x (R, D), whose rows are contiguous.
void sum_rows(const Array &x, const Array &out);

}  // namespace retrograd
