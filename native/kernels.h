// The table of kernels that each instruction set fills in.
#pragma once
#include <cstdint>

namespace retrograd {

// c[m][0:lanes] = bias + sum over segments s and k in [0, depth) of a[m][a_offset[s] + k a_step] * b[b_offset[s] + k b_step].
// Lanes run along b and c. `accumulate` adds to what c holds instead of starting from bias (or zero).
template <class T> struct OuterTile {
    const T *a[16];
    T *c[16];
    const T *b, *bias;
    const int64_t *a_offset, *b_offset;
    int64_t segments, depth, a_step, b_step;
    int rows, lanes;  // lanes <= tile_lanes of the table
    bool accumulate;
};

// c[m][j] = bias[j] + sum over segments s and k in [0, depth) of a[m][a_offset[s] + k] * b[j b_stride + b_offset[s] + k].
// Lanes run along k: nothing has to be packed. c's columns are contiguous.
template <class T> struct DotTile {
    const T *a[16];
    T *c[16];
    const T *b, *bias;
    const int64_t *a_offset, *b_offset;
    int64_t segments, depth, b_stride;
    int rows, columns;  // at most dot_rows, dot_columns
};

template <class T> struct TypedKernels {
    int tile_rows, tile_lanes;  // the largest OuterTile
    int dot_rows, dot_columns;  // the largest DotTile
    void (*outer)(const OuterTile<T> &);
    void (*dot)(const DotTile<T> &);
};

struct Kernels {
    const char *isa;
    TypedKernels<float> f32;
    TypedKernels<double> f64;
    template <class T> const TypedKernels<T> &of() const;
};

template <> inline const TypedKernels<float> &Kernels::of<float>() const { return f32; }
template <> inline const TypedKernels<double> &Kernels::of<double>() const { return f64; }

}  // namespace retrograd
