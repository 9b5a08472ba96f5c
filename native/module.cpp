// What Python sees: retrograd._native.
#include "numpy_api.h"

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
#include "attention.h"
#include "boundary.h"
#include "conv.h"
#include "door.h"
#include "factors.h"
#include "isa.h"
#include "kernels.h"
#include "losses.h"
#include "matmul.h"
#include "memory.h"
#include "norm.h"
#include "optimizers.h"
#include "pointwise.h"
#include "pool.h"
#include "pooling.h"
#include "recurrent.h"
#include "row_kernels.h"
#include "rows.h"
#include "views.h"
#include "weighted.h"
#include "winograd.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace retrograd;

namespace {

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
    m.def("batch_norm_forward", [](nb::handle x, nb::handle mean, nb::handle variance, double eps, nb::handle weight,
                                   nb::handle bias, nb::handle out, bool training) {
        View x_(x, "x"), mean_(mean, "mean"), variance_(variance, "variance"), out_(out, "out");
        Maybe weight_(weight, "weight"), bias_(bias, "bias");
        nb::gil_scoped_release release;
        batch_norm_forward(x_, mean_, variance_, eps, weight_.get(), bias_.get(), out_, training);
    }, "x"_a, "mean"_a, "variance"_a, "eps"_a, "weight"_a.none(), "bias"_a.none(), "out"_a, "training"_a);
    m.def("batch_norm_gradient", [](nb::handle g, nb::handle x, nb::handle mean, nb::handle variance, double eps,
                                    nb::handle weight, nb::handle gx, nb::handle gweight, nb::handle gbias,
                                    bool training, nb::handle relu, bool masks) {
        View g_(g, "g"), x_(x, "x"), mean_(mean, "mean"), variance_(variance, "variance");
        Maybe weight_(weight, "weight"), gx_(gx, "gx"), gweight_(gweight, "gweight"), gbias_(gbias, "gbias"),
            relu_(relu, "relu");
        nb::gil_scoped_release release;
        batch_norm_gradient(g_, x_, mean_, variance_, eps, weight_.get(), gx_.get(), gweight_.get(), gbias_.get(),
                            training, relu_.get(), masks);
    }, "g"_a, "x"_a, "mean"_a, "variance"_a, "eps"_a, "weight"_a.none(), "gx"_a.none(), "gweight"_a.none(),
       "gbias"_a.none(), "training"_a, "relu"_a.none() = nb::none(), "masks"_a = false);
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

// batch_sizes and reverse of packed sequences.
Sequences sequences(nb::handle sizes, bool reverse) {
    Sequences s{{}, reverse};
    for (nb::handle size : nb::borrow<nb::sequence>(sizes)) s.sizes.push_back(nb::cast<int64_t>(size));
    return s;
}

void bind_recurrent(nb::module_ &m) {
    m.def("lstm_forward", [](nb::handle x, nb::handle h0, nb::handle c0, nb::handle w, nb::sequence sizes, bool reverse,
                             nb::handle h, nb::handle c, nb::handle gates) {
        View x_(x, "x"), h0_(h0, "h0"), c0_(c0, "c0"), w_(w, "w_hh"), h_(h, "h"), c_(c, "c"), gates_(gates, "gates");
        const Sequences s = sequences(sizes, reverse);
        nb::gil_scoped_release release;
        lstm_forward(x_, h0_, c0_, w_, s, h_, c_, gates_);
    }, "x"_a, "h0"_a, "c0"_a, "w_hh"_a, "batch_sizes"_a, "reverse"_a, "h"_a, "c"_a, "gates"_a);
    m.def("lstm_backward", [](nb::handle g_h, nb::handle g_c, nb::handle c, nb::handle gates, nb::handle c0,
                              nb::handle w, nb::sequence sizes, bool reverse, nb::handle dx, nb::handle dh0,
                              nb::handle dc0) {
        Maybe g_h_(g_h, "g_h"), g_c_(g_c, "g_c");
        View c_(c, "c"), gates_(gates, "gates"), c0_(c0, "c0"), w_(w, "w_hh"), dx_(dx, "dx"), dh0_(dh0, "dh0");
        View dc0_(dc0, "dc0");
        const Sequences s = sequences(sizes, reverse);
        nb::gil_scoped_release release;
        lstm_backward(g_h_.get(), g_c_.get(), c_, gates_, c0_, w_, s, dx_, dh0_, dc0_);
    }, "g_h"_a.none(), "g_c"_a.none(), "c"_a, "gates"_a, "c0"_a, "w_hh"_a, "batch_sizes"_a, "reverse"_a, "dx"_a,
       "dh0"_a, "dc0"_a);
    m.def("gru_forward", [](nb::handle x, nb::handle h0, nb::handle w, nb::handle bias, nb::sequence sizes, bool reverse,
                            nb::handle h, nb::handle gates) {
        View x_(x, "x"), h0_(h0, "h0"), w_(w, "w_hh"), h_(h, "h"), gates_(gates, "gates");
        Maybe bias_(bias, "b_hh");
        const Sequences s = sequences(sizes, reverse);
        nb::gil_scoped_release release;
        gru_forward(x_, h0_, w_, bias_.get(), s, h_, gates_);
    }, "x"_a, "h0"_a, "w_hh"_a, "b_hh"_a.none(), "batch_sizes"_a, "reverse"_a, "h"_a, "gates"_a);
    m.def("gru_backward", [](nb::handle g_h, nb::handle h, nb::handle gates, nb::handle h0, nb::handle w,
                             nb::sequence sizes, bool reverse, nb::handle dx, nb::handle inner, nb::handle dh0) {
        View g_h_(g_h, "g_h"), h_(h, "h"), gates_(gates, "gates"), h0_(h0, "h0"), w_(w, "w_hh"), dx_(dx, "dx");
        View inner_(inner, "inner"), dh0_(dh0, "dh0");
        const Sequences s = sequences(sizes, reverse);
        nb::gil_scoped_release release;
        gru_backward(g_h_, h_, gates_, h0_, w_, s, dx_, inner_, dh0_);
    }, "g_h"_a, "h"_a, "gates"_a, "h0"_a, "w_hh"_a, "batch_sizes"_a, "reverse"_a, "dx"_a, "inner"_a, "dh0"_a);
    m.def("rnn_forward", [](nb::handle x, nb::handle h0, nb::handle w, nb::sequence sizes, bool reverse, bool relu,
                            nb::handle h) {
        View x_(x, "x"), h0_(h0, "h0"), w_(w, "w_hh"), h_(h, "h");
        const Sequences s = sequences(sizes, reverse);
        nb::gil_scoped_release release;
        rnn_forward(x_, h0_, w_, s, relu, h_);
    }, "x"_a, "h0"_a, "w_hh"_a, "batch_sizes"_a, "reverse"_a, "relu"_a, "h"_a);
    m.def("rnn_backward", [](nb::handle g_h, nb::handle h, nb::handle w, nb::sequence sizes, bool reverse, bool relu,
                             nb::handle dx, nb::handle dh0) {
        View g_h_(g_h, "g_h"), h_(h, "h"), w_(w, "w_hh"), dx_(dx, "dx"), dh0_(dh0, "dh0");
        const Sequences s = sequences(sizes, reverse);
        nb::gil_scoped_release release;
        rnn_backward(g_h_, h_, w_, s, relu, dx_, dh0_);
    }, "g_h"_a, "h"_a, "w_hh"_a, "batch_sizes"_a, "reverse"_a, "relu"_a, "dx"_a, "dh0"_a);
}

void bind_pooling(nb::module_ &m) {
    m.def("weighted_rows", [](nb::handle x, nb::handle start, nb::handle index, nb::handle weight, nb::handle out) {
        View x_(x, "x"), start_(start, "start"), index_(index, "index"), weight_(weight, "weight"), out_(out, "out");
        nb::gil_scoped_release release;
        weighted_rows(x_, start_, index_, weight_, out_);
    }, "x"_a, "start"_a, "index"_a, "weight"_a, "out"_a);
    m.def("max_pool2d", [](nb::handle x, nb::handle out, nb::handle which, Pair kernel, Pair stride, Pair padding,
                           Pair dilation) {
        View x_(x, "x"), out_(out, "out"), which_(which, "which");
        nb::gil_scoped_release release;
        max_pool2d(x_, out_, which_, {{kernel[0], kernel[1]}, {stride[0], stride[1]}, {padding[0], padding[1]},
                                      {dilation[0], dilation[1]}});
    }, "x"_a, "out"_a, "which"_a, "kernel"_a, "stride"_a, "padding"_a, "dilation"_a);
    m.def("max_pool2d_gradient", [](nb::handle g, nb::handle which, nb::handle gx, Pair kernel, Pair stride, Pair padding,
                                    Pair dilation) {
        View g_(g, "g"), which_(which, "which"), gx_(gx, "gx");
        nb::gil_scoped_release release;
        max_pool2d_gradient(g_, which_, gx_, {{kernel[0], kernel[1]}, {stride[0], stride[1]}, {padding[0], padding[1]},
                                              {dilation[0], dilation[1]}});
    }, "g"_a, "which"_a, "gx"_a, "kernel"_a, "stride"_a, "padding"_a, "dilation"_a);
    m.def("pool_place", [](nb::handle g, nb::handle indices, nb::handle gx) {
        View g_(g, "g"), indices_(indices, "indices"), gx_(gx, "gx");
        nb::gil_scoped_release release;
        pool_place(g_, indices_, gx_);
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

void bind_products(nb::module_ &m) {
    m.def("matmul", [](nb::handle x, nb::handle y, nb::handle bias, nb::handle out) {
        View x_(x, "x"), y_(y, "y"), out_(out, "out");
        Maybe bias_(bias, "bias");
        nb::gil_scoped_release release;
        matmul(x_, y_, bias_.get(), out_);
    }, "x"_a, "y"_a, "bias"_a.none(), "out"_a);
    m.def("attention", [](nb::handle query, nb::handle key, nb::handle value, nb::handle mask, bool causal, double scale,
                          nb::handle out) {
        View query_(query, "query"), key_(key, "key"), value_(value, "value"), out_(out, "out");
        Maybe mask_(mask, "mask");
        nb::gil_scoped_release release;
        attention({&query_, &key_, &value_, mask_.get(), causal, scale}, out_);
    }, "query"_a, "key"_a, "value"_a, "mask"_a.none(), "causal"_a, "scale"_a, "out"_a);
    m.def("attention_gradient", [](nb::handle query, nb::handle key, nb::handle value, nb::handle mask, bool causal,
                                   double scale, nb::handle g, nb::handle g_query, nb::handle g_key,
                                   nb::handle g_value) {
        View query_(query, "query"), key_(key, "key"), value_(value, "value"), g_(g, "g"), g_query_(g_query, "g_query"),
            g_key_(g_key, "g_key"), g_value_(g_value, "g_value");
        Maybe mask_(mask, "mask");
        nb::gil_scoped_release release;
        attention_gradient({&query_, &key_, &value_, mask_.get(), causal, scale}, g_, g_query_, g_key_, g_value_);
    }, "query"_a, "key"_a, "value"_a, "mask"_a.none(), "causal"_a, "scale"_a, "g"_a, "g_query"_a, "g_key"_a, "g_value"_a);
    m.def("multiply_adds", [](int64_t rounds) {
        nb::gil_scoped_release release;
        const int threads = num_threads();
        std::vector<int64_t> done(threads);
        parallel(threads, [&](int64_t task) {
            float sink = 0.5f;
            done[task] = kernels().f32.multiply_adds(rounds, &sink);
        });
        int64_t sum = 0;
        for (int64_t n : done) sum += n;
        return sum;
    }, "rounds"_a, "Multiply-adds on registers, as a measure of the processor: how many float32 operations were done.");
    m.def("sum_rows", [](nb::handle x, nb::handle out) {
        View x_(x, "x"), out_(out, "out");
        nb::gil_scoped_release release;
        sum_rows(x_, out_);
    }, "x"_a, "out"_a);
}

void bind_losses(nb::module_ &m) {
    m.def("nll_loss", [](nb::handle x, nb::handle target, nb::handle weight, int64_t ignored, nb::handle out, bool mean) {
        View x_(x, "x"), target_(target, "target"), out_(out, "out");
        Maybe weight_(weight, "weight");
        if (x_.ndim != 2) refuse("x must have two dimensions");
        return nll_loss(x_, target_, weight_.get(), ignored, out_, mean);
    }, "x"_a, "target"_a, "weight"_a.none(), "ignored"_a, "out"_a, "mean"_a);
    m.def("nll_loss_gradient", [](nb::handle g, nb::handle target, nb::handle weight, int64_t ignored, nb::handle gx,
                                  bool mean) {
        View g_(g, "g"), target_(target, "target"), gx_(gx, "gx");
        Maybe weight_(weight, "weight");
        if (gx_.ndim != 2) refuse("gx must have two dimensions");
        return nll_loss_gradient(g_, target_, weight_.get(), ignored, gx_, mean);
    }, "g"_a, "target"_a, "weight"_a.none(), "ignored"_a, "gx"_a, "mean"_a);
}

// A view of x expanded to a shape; None where x doesn't fit it.
nb::object expand(nb::handle x, nb::tuple shape) {
    if (!PyArray_Check(x.ptr())) throw nb::type_error("x must be a NumPy array");
    auto *array = reinterpret_cast<PyArrayObject *>(x.ptr());
    const int ndim = static_cast<int>(nb::len(shape)), extra = ndim - PyArray_NDIM(array);
    if (ndim > kMaxDims || extra < 0) return nb::none();
    npy_intp dims[kMaxDims], strides[kMaxDims];
    for (int i = 0; i < ndim; i++) {
        dims[i] = nb::cast<npy_intp>(shape[i]);
        const npy_intp n = i < extra ? 1 : PyArray_DIM(array, i - extra);
        if (dims[i] < 0 || (n != 1 && n != dims[i])) return nb::none();
        strides[i] = n == dims[i] && i >= extra ? PyArray_STRIDE(array, i - extra) : 0;
    }
    PyArray_Descr *descr = PyArray_DESCR(array);
    Py_INCREF(descr);  // the new array takes it
    const int flags = PyArray_FLAGS(array) & NPY_ARRAY_WRITEABLE;
    PyObject *out = PyArray_NewFromDescr(&PyArray_Type, descr, ndim, dims, strides, PyArray_DATA(array), flags, nullptr);
    if (!out) throw nb::python_error();
    if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject *>(out), x.inc_ref().ptr()) < 0) {
        Py_DECREF(out);
        throw nb::python_error();
    }
    return nb::steal(out);
}

// An array of this shape and of like's dtype. channels_last: (N, C, ...) with contiguous channels.
nb::object empty(nb::tuple shape, nb::handle like, bool channels_last, bool stays) {
    const int ndim = static_cast<int>(nb::len(shape));
    if (!PyArray_Check(like.ptr())) throw nb::type_error("like must be a NumPy array");
    if (ndim > kMaxDims) refuse("an array of more than 8 dimensions");
    int64_t dims[kMaxDims];
    for (int i = 0; i < ndim; i++) dims[i] = nb::cast<int64_t>(shape[i]);
    auto *descr = reinterpret_cast<PyObject *>(PyArray_DESCR(reinterpret_cast<PyArrayObject *>(like.ptr())));
    try {
        return nb::steal(new_array(ndim, dims, descr, channels_last, stays).release());
    } catch (Raised) {
        throw nb::python_error();
    }
}

// The factors of a weight's gradient; None where multiplying them out at once is better.
nb::object weight_factors(nb::handle gy, nb::handle x, nb::tuple shape, Pair stride, Pair padding, Pair dilation,
                          int64_t groups) {
    View gy_(gy, "gy"), x_(x, "x");
    Array w = gy_;
    w.name = "w";
    w.ndim = 4;
    std::fill_n(w.shape, 4, 1);
    if (nb::len(shape) != 2 && nb::len(shape) != 4) refuse("shape must be (O, I, KH, KW) or (O, I)");
    for (size_t i = 0; i < nb::len(shape); i++) w.shape[i] = nb::cast<int64_t>(shape[i]);
    for (Array *a : {static_cast<Array *>(&gy_), static_cast<Array *>(&x_)})
        while (a->ndim < 4) a->shape[a->ndim] = 1, a->stride[a->ndim++] = 0;
    const ConvGeometry g = geometry(stride, padding, dilation, groups);
    const ConvSizes s = conv_sizes(x_, w, gy_, g);
    if (!Factors::pays(s, g, gy_.type)) return nb::none();
    nb::object dtype = nb::borrow(reinterpret_cast<PyObject *>(PyArray_DESCR(reinterpret_cast<PyArrayObject *>(gy.ptr()))));
    return nb::cast(new WeightFactors{shape, dtype, Factors(gy_, x_, s, g)}, nb::rv_policy::take_ownership);
}

void bind_factors(nb::module_ &m) {
    nb::class_<WeightFactors>(m, "Factors", "The gradient of a large weight as the factors that it is the product of.")
        .def_ro("shape", &WeightFactors::shape)
        .def_ro("dtype", &WeightFactors::dtype)
        .def("fit", &WeightFactors::fit, "weight"_a, "Whether an array has the product's dtype, shape and order in memory.")
        .def("multiply", [](const WeightFactors &self) {
            nb::object like = nb::steal(PyArray_Zeros(0, nullptr, reinterpret_cast<PyArray_Descr *>(self.dtype.inc_ref().ptr()), 0));
            nb::object out = empty(self.shape, like, true, false);
            void *data = PyArray_DATA(reinterpret_cast<PyArrayObject *>(out.ptr()));
            nb::gil_scoped_release release;
            self.factors.multiply_all(data);
            return out;
        }, "The gradient.");
    m.def("weight_factors", &weight_factors, "gy"_a, "x"_a, "shape"_a, "stride"_a, "padding"_a, "dilation"_a, "groups"_a);
    m.def("set_factors", &set_factors, "allowed"_a);
    m.def("get_factors", &get_factors);
}

}  // namespace

NB_MODULE(_native, m) {
    try {
        add_door(m.ptr());  // first: it imports NumPy's interface
        add_row_kernels(m.ptr());
    } catch (Raised) {
        throw nb::python_error();
    }
    m.doc() = "The compiled kernels. Arrays in, results into arrays given for them; see the headers in native/.";
    m.def("isa", [] { return kernels().isa; }, "The instruction set in use: generic, avx2, avx512 or neon.");
    m.def("get_num_threads", &num_threads);
    m.def("set_num_threads", [](int threads) {
        if (threads < 1) refuse("set_num_threads expects a number of at least 1, not " + std::to_string(threads));
        set_num_threads(threads);
    });
    m.def("set_winograd", &set_winograd, "allowed"_a);
    m.def("get_winograd", &get_winograd);
    m.def("empty_cache", &empty_cache, "Gives unused memory back to the system.");
    m.def("cached_bytes", &cached_bytes, "Memory that is held for reuse.");
    m.def("empty", &empty, "shape"_a, "like"_a, "channels_last"_a = false, "stays"_a = false,
          "A new array of this shape and of like's dtype; large ones use memory again that was freed before. stays: it is "
          "kept as long as a model.");
    bind_convolution(m);
    bind_factors(m);
    bind_normalisation(m);
    bind_pooling(m);
    bind_recurrent(m);
    bind_pointwise(m);
    bind_optimizers(m);
    bind_losses(m);
    bind_products(m);
    m.def("expand", &expand, "x"_a, "shape"_a, "A view of x expanded to a shape; None where x doesn't fit it.");
}
