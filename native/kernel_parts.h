// The parts of a table of kernels: kernels_*.cpp, each compiled once per instruction set, each time into a namespace of
// its own (RETROGRAD_ISA). Nothing there may use a library template that the linker could merge between those copies
// (containers, say): it might keep the AVX-512 copy for a machine that has none.
#pragma once
#include "kernels.h"

namespace retrograd::RETROGRAD_ISA {

template <class T> void fill_products(TypedKernels<T> &k);
template <class T> void fill_updates(TypedKernels<T> &k);
template <class T> void fill_layers(TypedKernels<T> &k);
template <class T> void fill_rows(TypedKernels<T> &k);

}  // namespace retrograd::RETROGRAD_ISA
