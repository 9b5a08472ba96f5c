// The table of kernels that each instruction set fills in.
#pragma once

namespace retrograd {

struct Kernels {
    const char *isa;
};

}  // namespace retrograd
