// Sums of weighted rows: resampling images along one axis, and its gradient.
#pragma once
#include "array.h"

namespace retrograd {

// out[i, j] = the sum over k from start[j] to start[j + 1] of weight[k] x[i, index[k]], for contiguous x (outer, size,
// inner) and out (outer, outputs, inner); start (outputs + 1) and index are int64, weight float64.
void weighted_rows(const Array &x, const Array &start, const Array &index, const Array &weight, const Array &out);

}  // namespace retrograd
