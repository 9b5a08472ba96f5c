// Matrix and convolution products: tiles, dots and few rows. See kernel_parts.h.
#include "kernel_parts.h"

#include "few.h"
#include "matmul_tiles.h"
#include "tiles.h"

namespace retrograd::RETROGRAD_ISA {

template <class T> void fill_products(TypedKernels<T> &k) {
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
}

template void fill_products(TypedKernels<float> &k);
template void fill_products(TypedKernels<double> &k);

}  // namespace retrograd::RETROGRAD_ISA
