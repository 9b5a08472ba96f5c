// Compiled once per instruction set, each time into a namespace of its own (RETROGRAD_ISA).
// Nothing here may use a library template that the linker could merge between those copies (containers, say): it might
// keep the AVX-512 copy for a machine that has none.
#include "kernels.h"

#include "cells.h"
#include "columns.h"
#include "depthwise_lines.h"
#include "few.h"
#include "loops.h"
#include "matmul_tiles.h"
#include "random_loops.h"
#include "tiles.h"
#include "updates.h"
#include "winograd_tiles.h"

namespace retrograd::RETROGRAD_ISA {

#define RETROGRAD_TEXT(x) RETROGRAD_TEXT_(x)
#define RETROGRAD_TEXT_(x) #x

template <class T> constexpr TypedKernels<T> typed() {
    TypedKernels<T> k{};
    k.tile_rows = kTileRows;
    k.tile_lanes = kTileVectors * kLanes<T>;
    k.dot_rows = kDotRows;
    k.dot_columns = kDotColumns;
    k.outer = outer<T>;
    k.dot = dot<T>;
    k.product = product<T>;
    k.multiply_adds = multiply_adds<T>;
    k.pack_runs = pack_runs<T>;
    k.combined_rows = kCombinedRows;
    k.add_rows = add_rows<T>;
    k.few_rows = kFewRows;
    k.few_dot = few_dot<T>;
    k.few_outer = few_outer<T>;
    k.few_updates[static_cast<int>(Rule::sgd)] = few_update<T, Sgd, SgdStep>;
    k.few_updates[static_cast<int>(Rule::adam)] = few_update<T, Adam, AdamStep>;
    k.lstm_cell = lstm_cell<T>;
    k.lstm_slopes = lstm_slopes<T>;
    k.gru_cell = gru_cell<T>;
    k.gru_slopes = gru_slopes<T>;
    k.rnn_cell = rnn_cell<T>;
    k.rnn_slopes = rnn_slopes<T>;
    k.depthwise_line = depthwise_line<T>;
    k.depthwise_products = depthwise_products<T>;
    k.winograd_input = winograd_input<T>;
    k.winograd_output = winograd_output<T>;
    k.winograd_gradient = winograd_gradient<T>;
    k.winograd_weights = winograd_weights<T>;
    k.winograd_weight_gradient = winograd_weight_gradient<T>;
    k.column_moments = column_moments<T>;
    k.column_sums[0] = column_sums<T, false>;
    k.column_sums[1] = column_sums<T, true>;
    k.column_affine = column_affine<T>;
    k.column_gradient[0] = column_gradient<T, false>;
    k.column_gradient[1] = column_gradient<T, true>;
    k.copy_runs = copy_runs<T>;
    k.transpose = transpose<T>;
    k.relu = relu<T>;
    k.relu_gradient = relu_gradient<T>;
    k.binary = binary<T>;
    k.masked = masked<T>;
    k.select = select<T>;
    k.erf = erf<T>;
    k.gelu = gelu<T>;
    k.sigmoid = sigmoid<T>;
    k.silu = silu<T>;
    k.sum = sum<T>;
    k.gelu_slope = gelu_slope<T>;
    k.add_scaled = add_scaled<T>;
    k.layer_norm = layer_norm<T>;
    k.layer_norm_gradient = layer_norm_gradient<T>;
    k.softmax = softmax<T>;
    k.softmax_gradient = softmax_gradient<T>;
    k.attention_weights = attention_weights<T>;
    k.attention_slopes = attention_slopes<T>;
    k.add_all_rows = add_all_rows<T>;
    k.max_pool_bytes = {max_pixel<T, uint8_t>, max_pixel_gradient<T, uint8_t>};
    k.max_pool_words = {max_pixel<T, int32_t>, max_pixel_gradient<T, int32_t>};
#define X(name, type)                                                    \
    k.updates[static_cast<int>(Rule::name)] = update<T, type, type##Step>; \
    k.least_states[static_cast<int>(Rule::name)] = type<T>::least;         \
    k.most_states[static_cast<int>(Rule::name)] = type<T>::most;
    RETROGRAD_RULES(X)
#undef X
    k.fractions = fractions;
    k.scale_and_shift = scale_and_shift<T>;
    k.below = below<T>;
    return k;
}

const Kernels &table() {
    static constexpr Kernels kernels{RETROGRAD_TEXT(RETROGRAD_ISA), typed<float>(), typed<double>(), twist, temper,
                                     block_normals};
    return kernels;
}

}  // namespace retrograd::RETROGRAD_ISA
