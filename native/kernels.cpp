// The table of kernels of one instruction set, from its parts (kernel_parts.h).
#include "kernel_parts.h"

#include "random_loops.h"

namespace retrograd::RETROGRAD_ISA {

#define RETROGRAD_TEXT(x) RETROGRAD_TEXT_(x)
#define RETROGRAD_TEXT_(x) #x

template <class T> TypedKernels<T> typed() {
    TypedKernels<T> k{};
    fill_products(k);
    fill_updates(k);
    fill_layers(k);
    fill_rows(k);
    return k;
}

const Kernels &table() {
    static const Kernels kernels{RETROGRAD_TEXT(RETROGRAD_ISA), typed<float>(), typed<double>(), twist, temper,
                                 block_normals};
    return kernels;
}

}  // namespace retrograd::RETROGRAD_ISA
