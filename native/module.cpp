// What Python sees: retrograd._native.
#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>

#include <array>
#include <stdexcept>
#include <string>

#include "array.h"
#include "conv.h"
#include "isa.h"
#include "kernels.h"
#include "memory.h"
#include "pool.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace retrograd;

namespace {

// Holds an array's buffer for the time of one call.
class View : public Array {
  public:
    View(nb::handle object, const char *label) {
        name = label;
        if (PyObject_GetBuffer(object.ptr(), &buffer_, PyBUF_RECORDS_RO) != 0) throw nb::python_error();
        data = buffer_.buf;
        ndim = buffer_.ndim;
        writable = !buffer_.readonly;
        std::string problem;
        const char *format = buffer_.format ? buffer_.format : "B";
        type = format[0] == 'l' && buffer_.itemsize == 8 ? 'q' : format[0];
        if (format[0] == '\0' || format[1] != '\0') problem = " has a dtype that the kernels do not know";
        if (ndim > kMaxDims) problem = " has more than 8 dimensions";
        if (reinterpret_cast<uintptr_t>(data) % buffer_.itemsize) problem = " is not aligned";
        for (int i = 0; problem.empty() && i < ndim; i++) {
            shape[i] = buffer_.shape[i];
            if (buffer_.strides[i] % buffer_.itemsize) problem = " has strides that are not whole elements";
            stride[i] = buffer_.strides[i] / buffer_.itemsize;
        }
        if (!problem.empty()) {
            PyBuffer_Release(&buffer_);
            refuse(std::string(name) + problem);
        }
    }
    ~View() { PyBuffer_Release(&buffer_); }
    View(const View &) = delete;
    View &operator=(const View &) = delete;

  private:
    Py_buffer buffer_;
};

using Pair = std::array<int64_t, 2>;

ConvGeometry geometry(Pair stride, Pair padding, Pair dilation, int64_t groups) {
    return {{stride[0], stride[1]}, {padding[0], padding[1]}, {dilation[0], dilation[1]}, groups};
}

}  // namespace

NB_MODULE(_native, m) {
    m.def("isa", [] { return kernels().isa; }, "The instruction set in use: generic, avx2 or avx512.");
    m.def("get_num_threads", &num_threads);
    m.def("set_num_threads", [](int threads) {
        if (threads < 1) refuse("set_num_threads expects a number of at least 1, not " + std::to_string(threads));
        set_num_threads(threads);
    });
    m.def("empty_cache", &empty_cache, "Gives unused memory back to the system.");

    m.def("conv2d_forward", [](nb::handle x, nb::handle w, nb::handle bias, nb::handle out, Pair stride, Pair padding,
                               Pair dilation, int64_t groups) {
        View x_(x, "x"), w_(w, "w"), out_(out, "out");
        if (bias.is_none()) {
            nb::gil_scoped_release release;
            return conv2d_forward(x_, w_, nullptr, out_, geometry(stride, padding, dilation, groups));
        }
        View bias_(bias, "bias");
        nb::gil_scoped_release release;
        conv2d_forward(x_, w_, &bias_, out_, geometry(stride, padding, dilation, groups));
    }, "x"_a, "w"_a, "bias"_a.none(), "out"_a, "stride"_a, "padding"_a, "dilation"_a, "groups"_a);
    m.def("conv2d_input_gradient", [](nb::handle gy, nb::handle w, nb::handle gx, Pair stride, Pair padding,
                                      Pair dilation, int64_t groups) {
        View gy_(gy, "gy"), w_(w, "w"), gx_(gx, "gx");
        nb::gil_scoped_release release;
        conv2d_input_gradient(gy_, w_, gx_, geometry(stride, padding, dilation, groups));
    }, "gy"_a, "w"_a, "gx"_a, "stride"_a, "padding"_a, "dilation"_a, "groups"_a);
    m.def("conv2d_weight_gradient", [](nb::handle gy, nb::handle x, nb::handle gw, Pair stride, Pair padding,
                                       Pair dilation, int64_t groups) {
        View gy_(gy, "gy"), x_(x, "x"), gw_(gw, "gw");
        nb::gil_scoped_release release;
        conv2d_weight_gradient(gy_, x_, gw_, geometry(stride, padding, dilation, groups));
    }, "gy"_a, "x"_a, "gw"_a, "stride"_a, "padding"_a, "dilation"_a, "groups"_a);
}
