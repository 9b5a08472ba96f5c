// Elementwise kernels. All arrays have one shape, and one dtype but for masks; results are dense, the others may have any layout.
#pragma once
#include "array.h"

namespace retrograd {

void relu(const Array &x, const Array &out);                             // max(x, 0); NaN stays
void relu_gradient(const Array &g, const Array &out, const Array &gx);  // g where out > 0 (or NaN), else 0

// The same for contiguous x and out, and y that is one of x's rows.
void binary_rows(char op, const Array &x, const Array &y, const Array &out);
void binary(char op, const Array &x, const Array &y, const Array &out);  // + - * /
void masked(const Array &x, const Array &mask, const Array &out);       // x where mask (bool), else 0, even for NaN

}  // namespace retrograd
