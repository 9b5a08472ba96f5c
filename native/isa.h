// Which instruction set the kernels use.
#pragma once

namespace retrograd {

struct Kernels;  // kernels.h

// The best table that this processor can run, or the one that RETROGRAD_ISA names (generic, avx2, avx512; neon).
// Throws std::runtime_error if RETROGRAD_ISA names one that it cannot run.
const Kernels &kernels();

}  // namespace retrograd
