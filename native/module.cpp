// What Python sees: retrograd._native.
#include <nanobind/nanobind.h>

#include <stdexcept>
#include <string>

#include "isa.h"
#include "kernels.h"
#include "pool.h"

namespace nb = nanobind;
using namespace retrograd;

NB_MODULE(_native, m) {
    m.def("isa", [] { return kernels().isa; }, "The instruction set in use: generic, avx2 or avx512.");
    m.def("get_num_threads", &num_threads);
    m.def("set_num_threads", [](int threads) {
        if (threads < 1)
            throw nb::value_error(("set_num_threads expects a number of at least 1, not " +
                                   std::to_string(threads)).c_str());
        set_num_threads(threads);
    });
}
