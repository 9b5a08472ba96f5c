// Compiled once per instruction set, each time into a namespace of its own (RETROGRAD_ISA).
// Nothing here may use a library template that the linker could merge between those copies (containers, say): it might
// keep the AVX-512 copy for a machine that has none.
#include "kernels.h"

namespace retrograd::RETROGRAD_ISA {

#define RETROGRAD_TEXT(x) RETROGRAD_TEXT_(x)
#define RETROGRAD_TEXT_(x) #x

const Kernels &table() {
    static constexpr Kernels kernels{RETROGRAD_TEXT(RETROGRAD_ISA)};
    return kernels;
}

}  // namespace retrograd::RETROGRAD_ISA
