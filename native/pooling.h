// Two-dimensional pooling on NCHW shapes; channels-last (NHWC) arrays are read in place, results are stored so.
#pragma once
#include "array.h"

namespace retrograd {

struct PoolGeometry {
    int64_t kernel[2], stride[2], padding[2], dilation[2];
};

// The sizes of out decide how many windows there are (so ceil_mode is the caller's). which, like out: the number of the
// greatest element in its window, row by row; of uint8 where windows have at most 256 elements, else of int32.
void max_pool2d(const Array &x, const Array &out, const Array &which, const PoolGeometry &g);
void max_pool2d_gradient(const Array &y, const Array &which, const Array &gx, const PoolGeometry &g);

// gx: zeros, with the elements of g added at indices (int64, like g), h W + w.
void pool_place(const Array &g, const Array &indices, const Array &gx);

// Window (i, j) averages rows[i][0] <= h < rows[i][1] and columns likewise, and divides the sum by divisors[i][j]: one
// form for average and adaptive average pooling. rows, columns: int64 (OH, 2), (OW, 2); divisors: float64 (OH, OW).
void average_pool2d(const Array &x, const Array &rows, const Array &columns, const Array &divisors, const Array &out);
void average_pool2d_gradient(const Array &g, const Array &rows, const Array &columns, const Array &divisors,
                             const Array &gx);

}  // namespace retrograd
