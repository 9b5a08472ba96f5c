// What Python sees: retrograd._native.
#include <nanobind/nanobind.h>
#include <nanobind/stl/array.h>

#include <array>
#include <cmath>
#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "array.h"
#include "conv.h"
#include "isa.h"
#include "kernels.h"
#include "memory.h"
#include "norm.h"
#include "optim.h"
#include "pointwise.h"
#include "pool.h"
#include "pooling.h"
#include "rows.h"

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

// A view that may be absent (None).
class Maybe {
  public:
    Maybe(nb::handle object, const char *label) {
        if (!object.is_none()) view_.emplace(object, label);
    }
    const Array *get() const { return view_ ? &*view_ : nullptr; }

  private:
    std::optional<View> view_;
};

// The arrays of a list (None where absent) by index; None for the whole list means absent throughout.
class Views {
  public:
    Views(nb::handle list, const char *label, size_t count) {
        if (list.is_none()) return;
        nb::sequence items = nb::borrow<nb::sequence>(list);
        if (nb::len(items) != count)
            refuse(std::string(label) + ": expected " + std::to_string(count) + " arrays, one for each parameter, got " +
                   std::to_string(nb::len(items)));
        for (nb::handle item : items) views_.emplace_back(item, label);
    }
    const Array *operator[](size_t i) const { return views_.empty() ? nullptr : views_[i].get(); }

  private:
    std::deque<Maybe> views_;
};

size_t count_of(nb::handle list) { return nb::len(nb::borrow<nb::sequence>(list)); }

void bind_convolution(nb::module_ &m) {
    m.def("conv2d_forward", [](nb::handle x, nb::handle w, nb::handle bias, nb::handle out, Pair stride, Pair padding,
                               Pair dilation, int64_t groups) {
        View x_(x, "x"), w_(w, "w"), out_(out, "out");
        Maybe bias_(bias, "bias");
        nb::gil_scoped_release release;
        conv2d_forward(x_, w_, bias_.get(), out_, geometry(stride, padding, dilation, groups));
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

void bind_normalisation(nb::module_ &m) {
    m.def("batch_norm_moments", [](nb::handle x, nb::handle mean, nb::handle variance) {
        View x_(x, "x"), mean_(mean, "mean"), variance_(variance, "variance");
        nb::gil_scoped_release release;
        batch_norm_moments(x_, mean_, variance_);
    }, "x"_a, "mean"_a, "variance"_a);
    m.def("batch_norm_apply", [](nb::handle x, nb::handle mean, nb::handle invstd, nb::handle weight, nb::handle bias,
                                 nb::handle out) {
        View x_(x, "x"), mean_(mean, "mean"), invstd_(invstd, "invstd"), out_(out, "out");
        Maybe weight_(weight, "weight"), bias_(bias, "bias");
        nb::gil_scoped_release release;
        batch_norm_apply(x_, mean_, invstd_, weight_.get(), bias_.get(), out_);
    }, "x"_a, "mean"_a, "invstd"_a, "weight"_a.none(), "bias"_a.none(), "out"_a);
    m.def("batch_norm_gradient", [](nb::handle g, nb::handle x, nb::handle mean, nb::handle invstd, nb::handle weight,
                                    nb::handle gx, nb::handle gweight, nb::handle gbias, bool training) {
        View g_(g, "g"), x_(x, "x"), mean_(mean, "mean"), invstd_(invstd, "invstd");
        Maybe weight_(weight, "weight"), gx_(gx, "gx"), gweight_(gweight, "gweight"), gbias_(gbias, "gbias");
        nb::gil_scoped_release release;
        batch_norm_gradient(g_, x_, mean_, invstd_, weight_.get(), gx_.get(), gweight_.get(), gbias_.get(), training);
    }, "g"_a, "x"_a, "mean"_a, "invstd"_a, "weight"_a.none(), "gx"_a.none(), "gweight"_a.none(), "gbias"_a.none(),
       "training"_a);
    m.def("layer_norm", [](nb::handle x, nb::handle weight, nb::handle bias, double eps, nb::handle out,
                           nb::handle mean, nb::handle variance) {
        View x_(x, "x"), out_(out, "out"), mean_(mean, "mean"), variance_(variance, "variance");
        Maybe weight_(weight, "weight"), bias_(bias, "bias");
        nb::gil_scoped_release release;
        layer_norm(x_, weight_.get(), bias_.get(), eps, out_, mean_, variance_);
    }, "x"_a, "weight"_a.none(), "bias"_a.none(), "eps"_a, "out"_a, "mean"_a, "variance"_a);
    m.def("layer_norm_gradient", [](nb::handle g, nb::handle x, nb::handle mean, nb::handle invstd, nb::handle weight,
                                    nb::handle gx, nb::handle gweight, nb::handle gbias) {
        View g_(g, "g"), x_(x, "x"), mean_(mean, "mean"), invstd_(invstd, "invstd");
        Maybe weight_(weight, "weight"), gx_(gx, "gx"), gweight_(gweight, "gweight"), gbias_(gbias, "gbias");
        nb::gil_scoped_release release;
        layer_norm_gradient(g_, x_, mean_, invstd_, weight_.get(), gx_.get(), gweight_.get(), gbias_.get());
    }, "g"_a, "x"_a, "mean"_a, "invstd"_a, "weight"_a.none(), "gx"_a.none(), "gweight"_a.none(), "gbias"_a.none());
    m.def("softmax", [](nb::handle x, nb::handle out, bool log) {
        View x_(x, "x"), out_(out, "out");
        nb::gil_scoped_release release;
        softmax(x_, out_, log);
    }, "x"_a, "out"_a, "log"_a);
    m.def("softmax_gradient", [](nb::handle g, nb::handle out, nb::handle gx, bool log) {
        View g_(g, "g"), out_(out, "out"), gx_(gx, "gx");
        nb::gil_scoped_release release;
        softmax_gradient(g_, out_, gx_, log);
    }, "g"_a, "out"_a, "gx"_a, "log"_a);
}

void bind_pooling(nb::module_ &m) {
    m.def("max_pool2d", [](nb::handle x, nb::handle out, nb::handle indices, Pair kernel, Pair stride, Pair padding,
                           Pair dilation) {
        View x_(x, "x"), out_(out, "out"), indices_(indices, "indices");
        nb::gil_scoped_release release;
        max_pool2d(x_, out_, indices_, {{kernel[0], kernel[1]}, {stride[0], stride[1]}, {padding[0], padding[1]},
                                        {dilation[0], dilation[1]}});
    }, "x"_a, "out"_a, "indices"_a, "kernel"_a, "stride"_a, "padding"_a, "dilation"_a);
    m.def("max_pool2d_gradient", [](nb::handle g, nb::handle indices, nb::handle gx) {
        View g_(g, "g"), indices_(indices, "indices"), gx_(gx, "gx");
        nb::gil_scoped_release release;
        max_pool2d_gradient(g_, indices_, gx_);
    }, "g"_a, "indices"_a, "gx"_a);
    m.def("average_pool2d", [](nb::handle x, nb::handle rows, nb::handle columns, nb::handle divisors, nb::handle out) {
        View x_(x, "x"), rows_(rows, "rows"), columns_(columns, "columns"), divisors_(divisors, "divisors"),
            out_(out, "out");
        nb::gil_scoped_release release;
        average_pool2d(x_, rows_, columns_, divisors_, out_);
    }, "x"_a, "rows"_a, "columns"_a, "divisors"_a, "out"_a);
    m.def("average_pool2d_gradient", [](nb::handle g, nb::handle rows, nb::handle columns, nb::handle divisors,
                                        nb::handle gx) {
        View g_(g, "g"), rows_(rows, "rows"), columns_(columns, "columns"), divisors_(divisors, "divisors"),
            gx_(gx, "gx");
        nb::gil_scoped_release release;
        average_pool2d_gradient(g_, rows_, columns_, divisors_, gx_);
    }, "g"_a, "rows"_a, "columns"_a, "divisors"_a, "gx"_a);
}

void bind_pointwise(nb::module_ &m) {
    m.def("relu", [](nb::handle x, nb::handle out) {
        View x_(x, "x"), out_(out, "out");
        nb::gil_scoped_release release;
        relu(x_, out_);
    }, "x"_a, "out"_a);
    m.def("relu_gradient", [](nb::handle g, nb::handle out, nb::handle gx) {
        View g_(g, "g"), out_(out, "out"), gx_(gx, "gx");
        nb::gil_scoped_release release;
        relu_gradient(g_, out_, gx_);
    }, "g"_a, "out"_a, "gx"_a);
    m.def("binary", [](char op, nb::handle x, nb::handle y, nb::handle out) {
        View x_(x, "x"), y_(y, "y"), out_(out, "out");
        nb::gil_scoped_release release;
        binary(op, x_, y_, out_);
    }, "op"_a, "x"_a, "y"_a, "out"_a);
    m.def("masked", [](nb::handle x, nb::handle mask, nb::handle out) {
        View x_(x, "x"), mask_(mask, "mask"), out_(out, "out");
        nb::gil_scoped_release release;
        masked(x_, mask_, out_);
    }, "x"_a, "mask"_a, "out"_a);
}

void bind_optimizers(nb::module_ &m) {
    m.def("sgd_step", [](nb::handle params, nb::handle grads, nb::handle momenta, double lr, double momentum,
                         double dampening, double weight_decay, bool nesterov, bool maximize, bool first) {
        const size_t n = count_of(params);
        Views p(params, "params", n), g(grads, "grads", n), b(momenta, "momenta", n);
        std::vector<SgdTensors> tensors;
        for (size_t i = 0; i < n; i++) {
            tensors.push_back({p[i], g[i], b[i]});
            if (!p[i] || !g[i]) refuse("sgd_step: each parameter needs a gradient (leave out those that have none)");
        }
        nb::gil_scoped_release release;
        sgd_step(tensors, {lr, momentum, dampening, weight_decay, nesterov, maximize, first});
    }, "params"_a, "grads"_a, "momenta"_a.none(), "lr"_a, "momentum"_a, "dampening"_a, "weight_decay"_a, "nesterov"_a,
       "maximize"_a, "first"_a);
    m.def("adam_step", [](nb::handle params, nb::handle grads, nb::handle averages, nb::handle squares,
                          nb::handle largest, double lr, double beta1, double beta2, double eps, double weight_decay,
                          int64_t step, bool decoupled, bool maximize) {
        const size_t n = count_of(params);
        Views p(params, "params", n), g(grads, "grads", n), a(averages, "averages", n), s(squares, "squares", n),
            l(largest, "largest", n);
        std::vector<AdamTensors> tensors;
        for (size_t i = 0; i < n; i++) {
            tensors.push_back({p[i], g[i], a[i], s[i], l[i]});
            if (!p[i] || !g[i] || !a[i] || !s[i]) refuse("adam_step: each parameter needs a gradient and both averages");
        }
        const double correction1 = 1 - std::pow(beta1, step), correction2 = 1 - std::pow(beta2, step);
        nb::gil_scoped_release release;
        adam_step(tensors, {lr, beta1, beta2, eps, weight_decay, correction1, std::sqrt(correction2), decoupled, maximize});
    }, "params"_a, "grads"_a, "averages"_a, "squares"_a, "largest"_a.none(), "lr"_a, "beta1"_a, "beta2"_a, "eps"_a,
       "weight_decay"_a, "step"_a, "decoupled"_a, "maximize"_a);
}

// Memory for an array, from the cache: np.ndarray(shape, dtype, Block(bytes)).
struct Block {
    void *data;
    Py_ssize_t bytes;

    explicit Block(Py_ssize_t n) : data(acquire(n)), bytes(n) {}
    ~Block() { release(data); }
    Block(const Block &) = delete;
};

int block_buffer(PyObject *self, Py_buffer *view, int flags) {
    Block *block = nb::inst_ptr<Block>(nb::handle(self));
    return PyBuffer_FillInfo(view, self, block->data, block->bytes, 0, flags);
}

PyType_Slot block_slots[] = {{Py_bf_getbuffer, reinterpret_cast<void *>(block_buffer)}, {0, nullptr}};

}  // namespace

NB_MODULE(_native, m) {
    m.doc() = "The compiled kernels. Arrays in, results into arrays given for them; see the headers in native/.";
    m.def("isa", [] { return kernels().isa; }, "The instruction set in use: generic, avx2 or avx512.");
    m.def("get_num_threads", &num_threads);
    m.def("set_num_threads", [](int threads) {
        if (threads < 1) refuse("set_num_threads expects a number of at least 1, not " + std::to_string(threads));
        set_num_threads(threads);
    });
    m.def("empty_cache", &empty_cache, "Gives unused memory back to the system.");
    m.def("cached_bytes", &cached_bytes, "Memory that is held for reuse.");
    nb::class_<Block>(m, "Block", nb::type_slots(block_slots)).def(nb::init<Py_ssize_t>());
    bind_convolution(m);
    bind_normalisation(m);
    bind_pooling(m);
    bind_pointwise(m);
    bind_optimizers(m);
}
