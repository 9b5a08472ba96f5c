// Winograd, depthwise and recurrent layers, batch norm over columns, pooling. See kernel_parts.h.
#include "kernel_parts.h"

#include "cells.h"
#include "columns.h"
#include "depthwise_lines.h"
#include "loops.h"
#include "winograd_tiles.h"

namespace retrograd::RETROGRAD_ISA {

template <class T> void fill_layers(TypedKernels<T> &k) {
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
    k.column_sums[0] = column_sums<T, false, false>;
    k.column_sums[1] = column_sums<T, true, false>;
    k.column_sums[2] = column_sums<T, true, true>;
    k.column_affine[0][0] = column_affine<T, 0, false>;
    k.column_affine[0][1] = column_affine<T, 0, true>;
    k.column_affine[1][0] = column_affine<T, 1, false>;
    k.column_affine[1][1] = column_affine<T, 1, true>;
    k.column_affine[2][0] = column_affine<T, 2, false>;
    k.column_affine[2][1] = column_affine<T, 2, true>;
    k.column_gradient[0] = column_gradient<T, false>;
    k.column_gradient[1] = column_gradient<T, true>;
    k.max_pool_bytes = {max_pixel<T, uint8_t>, max_pixel_gradient<T, uint8_t>};
    k.max_pool_words = {max_pixel<T, int32_t>, max_pixel_gradient<T, int32_t>};
}

template void fill_layers(TypedKernels<float> &k);
template void fill_layers(TypedKernels<double> &k);

}  // namespace retrograd::RETROGRAD_ISA
