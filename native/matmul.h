// Matrix products of arrays in any layout.
#pragma once
#include "array.h"

namespace retrograd {

// A matrix somewhere in memory: element (i, k) is at data[i rows + k columns].
template <class T> struct Matrix {
    const T *data;
    int64_t rows, columns;  // strides, in elements
};

// A right operand (depth x width) as products read it: by panels of columns, some of the depth after the other.
template <class T> struct Packed {
    const T *data;
    int64_t depth, width;
};

template <class T> int64_t packed_size(int64_t depth, int64_t width);  // in elements
template <class T> Packed<T> pack_right(int64_t depth, int64_t width, Matrix<T> b, T *to);

// The elements that `multiply` wants as scratch for a product of this depth.
template <class T> int64_t scratch_of_product(int64_t depth);

// c (height x width, rows c_stride apart) = a @ the first rows and columns of b, plus what c holds if `accumulate`; by the
// calling thread alone.
template <class T>
void multiply(int64_t height, int64_t width, int64_t depth, Matrix<T> a, Packed<T> b, T *c, int64_t c_stride,
              bool accumulate, T *scratch);

// out (..., M, N) = x (..., M, K) @ y (..., K, N) + bias (N,), null for none. out is contiguous; x and y may be laid out in
// any way, and expanded (strides of zero) along the leading dimensions, of which all three have the same number. The
// result does not depend on the number of threads.
void matmul(const Array &x, const Array &y, const Array *bias, const Array &out);

}  // namespace retrograd
