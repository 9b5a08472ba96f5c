#include "isa.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "kernels.h"

namespace retrograd {

#ifdef RETROGRAD_HAS_GENERIC
namespace generic {
const Kernels &table();
}
#endif
#ifdef RETROGRAD_HAS_NEON
namespace neon {
const Kernels &table();
}
#endif
#ifdef RETROGRAD_HAS_AVX2
namespace avx2 {
const Kernels &table();
}
#endif
#ifdef RETROGRAD_HAS_AVX512
namespace avx512 {
const Kernels &table();
}
#endif

namespace {

const Kernels &choose() {
    const char *text = std::getenv("RETROGRAD_ISA");
    std::string wanted = text ? text : "";
    std::string possible;
#ifdef RETROGRAD_HAS_AVX512
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma")) {
        if (wanted.empty() || wanted == "avx512") return avx512::table();
        possible += "avx512, ";
    }
#endif
#ifdef RETROGRAD_HAS_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        if (wanted.empty() || wanted == "avx2") return avx2::table();
        possible += "avx2, ";
    }
#endif
#ifdef RETROGRAD_HAS_NEON  // every AArch64 processor has it
    if (wanted.empty() || wanted == "neon") return neon::table();
    possible += "neon, ";
#endif
#ifdef RETROGRAD_HAS_GENERIC
    if (wanted.empty() || wanted == "generic") return generic::table();
    possible += "generic, ";
#endif
    throw std::runtime_error("RETROGRAD_ISA is '" + wanted + "', which this machine or build does not have: choose " +
                             possible + "or leave it unset. [RG140]");
}

}  // namespace

const Kernels &kernels() {
    static const Kernels &table = choose();
    return table;
}

}  // namespace retrograd
