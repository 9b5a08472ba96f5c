// The table of kernels that each instruction set fills in.
#pragma once
#include <cstdint>

#include "lists.h"
#include "rules.h"

namespace retrograd {

// c[m][0:lanes] = bias + sum over segments s and k in [0, depth) of a[m][a_offset[s] + k a_step] * b[b_offset[s] + k b_step].
// Lanes run along b and c. `accumulate` adds to what c holds instead of starting from bias (or zero); `past_caches` may
// write c past the caches (the caller fences).
template <class T> struct OuterTile {
    const T *a[16];
    T *c[16];
    const T *b, *bias;
    const int64_t *a_offset, *b_offset;
    int64_t segments, depth, a_step, b_step;
    int rows, lanes;  // lanes <= tile_lanes of the table
    bool accumulate, past_caches;
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

// c[r][l] = start + sum over k < depth of a[r a_row + k a_step] b[k tile_lanes + l], for rows <= tile_rows and
// lanes <= tile_lanes. `start` is bias[l], or zero, and what c holds if `accumulate`. b is padded to tile_lanes.
// a is packed where a_row is 1 and a_step tile_rows.
template <class T> struct ProductTile {
    const T *a, *b, *bias;
    T *c;
    int64_t c_stride, depth;
    int rows, lanes;
    bool accumulate;
    int64_t a_row, a_step;
};

// A convolution's taps as pairs of an output pixel and the offset of what it sees: those of a tap from its start on.
struct FewTaps {
    const int64_t *start, *pixel, *source;
    int64_t taps, depth, pixels;  // depth: channels; pixels <= kFewPixels
};
constexpr int kFewPixels = 16, kFewMostRows = 4;

// Which source pixels the `pixels` of a line see: the k-th tap of pixel j the one at start[k] + j step, if 0 <= that < width,
// through the weights that begin weight[k] elements on.
struct DepthwiseTaps {
    const int64_t *start, *weight;
    int64_t count, step, width, pixels;
};

// out[j out_step + c] = bias[c] + the sum over rows r and taps of rows[r][source pixel][c] weights[r][tap][c].
template <class T> struct DepthwiseLine {
    DepthwiseTaps taps;
    const T *const *rows, *const *weights;
    int row_count;
    const T *bias;
    T *out;
    int64_t pixel, out_step, channels;  // pixel: elements from one source pixel to the next
};

// out[tap][c] += the sum over j of g[j g_pixel + c] x[source pixel][c]
template <class T> struct DepthwiseProducts {
    DepthwiseTaps taps;
    const T *g, *x;
    T *out;
    int64_t g_pixel, x_pixel, channels;
};

// A tile of an image for Winograd's method: the strides of rows and pixels, and which of its rows and columns lie inside
// the image. Short: of 3 pixels of output, not 4. `ahead`: from it to the tile that comes next, to be fetched.
struct WinogradTile {
    int64_t row, pixel;
    int r0, r1, c0, c1;
    bool short_rows, short_columns;
    int64_t ahead;
};

// X(name, arrays that are read, numbers): activations.h computes them.
#define RETROGRAD_ACTIVATIONS(X)                                                                               \
    X(hardswish, 1, 0) X(hardsigmoid, 1, 0) X(hardtanh, 1, 2) X(leaky_relu, 1, 1) X(hardswish_backward, 2, 0)  \
    X(hardsigmoid_backward, 2, 0) X(hardtanh_backward, 2, 2) X(leaky_relu_backward, 2, 1) X(silu_backward, 2, 0)

enum class Activation : int {
#define X(name, arrays, numbers) name,
    RETROGRAD_ACTIVATIONS(X)
#undef X
    count
};
constexpr int kMostActivationArrays = 2, kMostActivationNumbers = 2;

template <class T> struct TypedKernels {
    int tile_rows, tile_lanes;  // the largest OuterTile
    int dot_rows, dot_columns;  // the largest DotTile
    void (*outer)(const OuterTile<T> &);
    void (*dot)(const DotTile<T> &);
    void (*product)(const ProductTile<T> &);
    int64_t (*multiply_adds)(int64_t rounds, T *sink);
    void (*pack_runs)(const T *from, int64_t stride, int64_t count, int64_t depth, int step, T *to, int64_t apart);
    // to[j to_step + i] += from[j step + i] for i < n and each of the `count` runs in order, which may overlap in `to`.
    void (*add_runs)(const T *from, int64_t step, int64_t count, int64_t n, T *to, int64_t to_step);
    // sum[i] += scale[0] rows[i] + ... + scale[count - 1] rows[(count - 1) stride + i], i < n, count <= combined_rows.
    int combined_rows;
    void (*add_rows)(const T *rows, int64_t stride, const T *scale, int count, T *sum, int64_t n);
    // Rows of weights w (rows, taps, depth), at most few_rows of them: out[pixel][row] = sum over the pixel's pairs of w x,
    // or w = sum over pairs of g[pixel][row] x. Of out and g a pixel has kFewMostRows.
    int few_rows;
    void (*few_dot)(const FewTaps &f, const T *x, const T *w, int rows, T *out);
    void (*few_outer)(const FewTaps &f, const T *x, const T *g, int rows, T *w);
    // A rule of rules.h (nullptr: not made for it) on rows of weights whose gradient is what few_outer would write. partial:
    // depth elements for each of the rows. constants, states, at: as in `updates`.
    void (*few_updates[kRules])(const FewTaps &f, const T *x, const T *g, int rows, T *partial, const void *constants,
                                int states, T *const *at);
    // One sequence's step of a recurrent layer over `count` units (cells.h).
    void (*lstm_cell)(const T *product, int64_t step, const T *x, const T *before, int64_t width, int64_t count, T *gates,
                      T *c, T *h);
    void (*lstm_slopes)(const T *g, const T *gc, const T *gates, const T *c, const T *before, int64_t width,
                        int64_t count, T *dc, T *dx);
    void (*gru_cell)(const T *product, int64_t step, const T *x, const T *before, int64_t width, int64_t count, T *gates,
                     T *h);
    void (*gru_slopes)(const T *g, const T *gates, const T *before, int64_t width, int64_t count, T *carry, T *dx,
                       T *inner);
    void (*rnn_cell)(const T *product, const T *x, int64_t count, bool relu, T *h);
    void (*rnn_slopes)(const T *g, const T *h, int64_t count, bool relu, T *dx);
    void (*depthwise_line)(const DepthwiseLine<T> &);
    void (*depthwise_products)(const DepthwiseProducts<T> &);
    // Winograd's F(4x4, 3x3) on one tile (winograd_tiles.h): points are runs of channels, `stride` apart.
    void (*winograd_input)(const T *x, const WinogradTile &t, int64_t channels, T *v, int64_t stride);
    void (*winograd_output)(const T *m, int64_t stride, int64_t channels, const T *bias, T *y, const WinogradTile &t);
    void (*winograd_gradient)(const T *g, const WinogradTile &t, int64_t channels, T *z, int64_t stride);
    void (*winograd_weights)(const T *w, int64_t tap, bool flipped, int64_t n, T *u, int64_t stride);
    void (*winograd_weight_gradient)(const T *m, int64_t stride, int64_t n, T *gw, int64_t tap);
    // Columns of a contiguous (rows, channels) matrix.
    void (*column_moments)(const T *x, int64_t rows, int64_t channels, T *mean, T *rest, T *m2);
    // [1]: with g past the relu that gave out; [2]: which is written over g
    void (*column_sums[3])(T *g, const T *out, const T *x, int64_t rows, int64_t channels, const T *mean, T *sum,
                           T *product);
    // [what is added][whether a relu follows]
    void (*column_affine[3][2])(const T *x, int64_t rows, int64_t channels, const T *factors, const T *y, const T *y_factors,
                                T *out);
    void (*column_gradient[2])(const T *g, const T *out, const T *x, int64_t rows, int64_t channels, const T *mean, const T *a,
                            const T *b, const T *d, T *gx);
    // to[c to_stride + r] = from[r from_stride + c]
    void (*transpose)(const T *from, int64_t from_stride, int64_t rows, int64_t columns, T *to, int64_t to_stride);
    // Flat runs of n elements.
    void (*relu)(const T *x, T *out, int64_t n);
    void (*relu_gradient)(const T *g, const T *out, T *gx, int64_t n);
    void (*binary)(char op, const T *x, const T *y, T *out, int64_t n);  // op: + - * /
    void (*masked)(const T *x, const uint8_t *mask, T *out, int64_t n);
    void (*select)(const char *condition, const T *x, int x_step, const T *y, int y_step, T *out, int64_t n);
    void (*erf)(const T *x, T *out, int64_t n);
    void (*gelu)(const T *x, T *out, int64_t n);
    void (*sigmoid)(const T *x, T *out, int64_t n);
    void (*silu)(const T *x, T *out, int64_t n);
    void (*activation)(Activation which, const T *const *in, const T *numbers, T *out, int64_t n);
    double (*sum)(const T *x, int64_t n);
    T (*extreme)(const T *x, int64_t n, bool least);  // the largest or smallest of n > 0; NaN, if there is one
    void (*extreme_rows)(const T *x, T *top, int64_t n, bool least);  // top becomes the more extreme of both
    int64_t (*first_of)(const T *x, int64_t n, T value);  // where the first element equal to it is; NaN is itself; else n
    void (*gelu_slope)(const T *x, T *out, int64_t n);
    void (*add_scaled)(const T *x, T scale, T *out, int64_t n);
    void (*layer_norm)(const T *x, int64_t n, T eps, const T *weight, const T *bias, T *out, T *mean, T *variance);
    void (*layer_norm_gradient)(const T *g, const T *x, int64_t n, T mean, T invstd, const T *weight, T *gx, T *gweight,
                                T *gbias);
    void (*softmax)(const T *x, int64_t n, T *out, bool log);
    void (*softmax_gradient)(const T *g, const T *out, int64_t n, T *gx, bool log);
    void (*attention_weights)(T *row, int64_t n, int64_t seen, T scale, const T *mask, int64_t mask_step);
    void (*attention_slopes)(const T *weights, int64_t n, T scale, T *g);
    void (*add_all_rows)(const T *x, int64_t stride, int64_t count, T *sum, int64_t n);
    template <class Number> struct MaxPool {  // of one pixel, over its channels
        void (*pixel)(const T *x, int64_t taps, const int64_t *offset, const int64_t *number, int64_t channels, T *out,
                      Number *which);
        void (*gradient)(const T *g, const Number *which, int64_t windows, const int64_t *offset, const int64_t *number,
                         int64_t channels, T *gx);
    };
    MaxPool<uint8_t> max_pool_bytes;
    MaxPool<int32_t> max_pool_words;
    // A rule's step over n elements. constants: its struct in rules.h; at: the parameter and `states` arrays of state.
    void (*updates[kRules])(const void *constants, int states, const T *grad, T *const *at, int64_t n);
    int least_states[kRules], most_states[kRules];
    // See lists.h and each.h.
    void (*each)(Each op, const double *numbers, const T *const *in, T *out, int64_t n);
    double (*fold)(Fold op, const T *x, int64_t n);
    // Random numbers: see random_loops.h.
    void (*fractions)(const uint32_t *words, T *out, int64_t n);
    void (*scale_and_shift)(T *x, T scale, T shift, int64_t n);
    void (*below)(const uint32_t *words, int64_t threshold, T one, T *out, int64_t n);
};

struct Kernels {
    const char *isa;
    TypedKernels<float> f32;
    TypedKernels<double> f64;
    void (*twist)(uint32_t *key);
    void (*temper)(const uint32_t *key, uint32_t *words, int64_t n);
    void (*block_normals)(const uint32_t *words, float *out, int64_t blocks, float mean, float std);
    template <class T> const TypedKernels<T> &of() const;
};

template <> inline const TypedKernels<float> &Kernels::of<float>() const { return f32; }
template <> inline const TypedKernels<double> &Kernels::of<double>() const { return f64; }

}  // namespace retrograd
