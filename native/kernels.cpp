// Compiled once per instruction set, each time into a namespace of its own (RETROGRAD_ISA).
// Nothing here may use a library template that the linker could merge between those copies (containers, say): it might
// keep the AVX-512 copy for a machine that has none.
#include "kernels.h"

#include "tiles.h"

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
    return k;
}

const Kernels &table() {
    static constexpr Kernels kernels{RETROGRAD_TEXT(RETROGRAD_ISA), typed<float>(), typed<double>()};
    return kernels;
}

}  // namespace retrograd::RETROGRAD_ISA
