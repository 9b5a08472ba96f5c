#include "numpy_api.h"

#include "row_kernels.h"

#include <algorithm>
#include <new>
#include <stdexcept>

#include "boundary.h"
#include "conv.h"
#include "copying.h"
#include "layout.h"
#include "losses.h"
#include "norm.h"
#include "pointwise.h"
#include "rows.h"

namespace retrograd {

bool floats(PyObject *object, const char *name, Array &to) {
    return PyArray_CheckExact(object) && !see(object, name, to) && (to.type == 'f' || to.type == 'd');
}

bool floats_like(PyObject *object, const char *name, const Array &x, Array &to) {
    return floats(object, name, to) && to.type == x.type;
}

bool maybe_floats(PyObject *object, const char *name, const Array &x, Array &array, const Array *&to) {
    to = object == Py_None ? nullptr : &array;
    return !to || floats_like(object, name, x, array);
}

bool numbers(PyObject *object, int count, int64_t *to) {
    if (!PyTuple_CheckExact(object) || PyTuple_GET_SIZE(object) != count) return false;
    for (int i = 0; i < count; i++) {
        if (!PyLong_Check(PyTuple_GET_ITEM(object, i))) return false;
        to[i] = PyLong_AsLongLong(PyTuple_GET_ITEM(object, i));
        if (to[i] == -1 && PyErr_Occurred()) throw Raised{};
    }
    return true;
}

bool number(PyObject *object, double &to) {
    if (!PyFloat_Check(object) && !PyLong_Check(object)) return false;
    to = PyFloat_AsDouble(object);
    if (to == -1 && PyErr_Occurred()) throw Raised{};
    return true;
}

Result::Result(PyObject *x, int ndim, const int64_t *shape, bool channels_last) {
    auto *descr = reinterpret_cast<PyObject *>(PyArray_DESCR(reinterpret_cast<PyArrayObject *>(x)));
    array = new_array(ndim, shape, descr, channels_last);
    see(array.get(), "out", *this);
}

bool same_shape(const Array &a, const Array &b) {
    return a.ndim == b.ndim && std::equal(a.shape, a.shape + a.ndim, b.shape);
}

Array channels_last(const Array &x) {
    Array last = x;
    int64_t run = x.ndim > 1 ? x.shape[1] : 1;
    last.stride[1] = 1;
    for (int i = x.ndim - 1; i >= 0; i--)
        if (i != 1) {
            last.stride[i] = run;
            run *= x.shape[i];
        }
    return last;
}

namespace {

// A result of x's shape and, where that is without gaps, its layout.
Result result_like(PyObject *object, const Array &x) {
    auto *array = reinterpret_cast<PyArrayObject *>(object);
    if (PyArray_IS_C_CONTIGUOUS(array)) return Result(object, x.ndim, x.shape);
    if (x.ndim == 4 && same_layout(x, channels_last(x))) return Result(object, x.ndim, x.shape, true);
    Result out;
    if (is_dense(x)) {  // its axes in another order
        int order[kMaxDims];
        int64_t shape[kMaxDims];
        npy_intp place[kMaxDims];
        memory_order(x, order);
        for (int i = 0; i < x.ndim; i++) shape[i] = x.shape[order[i]], place[order[i]] = i;
        const Result lying(object, x.ndim, shape);
        PyArray_Dims axes{place, x.ndim};
        out.array = checked(PyArray_Transpose(reinterpret_cast<PyArrayObject *>(lying.array.get()), &axes));
    } else {
        out.array = checked(PyArray_NewLikeArray(array, NPY_KEEPORDER, nullptr, 0));
    }
    see(out.array.get(), "out", out);
    return out;
}

template <class... Results> Ref tuple(Results &&...results) {
    return checked(PyTuple_Pack(sizeof...(results), results...));
}

// --- convolution -------------------------------------------------------------------------------------------------

// stride, padding, dilation, groups
bool geometry(PyObject *const *args, ConvGeometry &g) {
    if (!numbers(args[0], 2, g.stride) || !numbers(args[1], 2, g.padding) || !numbers(args[2], 2, g.dilation) ||
        !PyLong_Check(args[3]))
        return false;
    g.groups = PyLong_AsLongLong(args[3]);
    if (g.groups == -1 && PyErr_Occurred()) throw Raised{};
    return g.groups > 0 && std::min(g.stride[0], g.stride[1]) > 0 && std::min(g.dilation[0], g.dilation[1]) > 0 &&
           std::min(g.padding[0], g.padding[1]) >= 0;
}

// With one channel per group and several outputs for each the row goes tap by tap, which is faster.
bool grouped_well(int64_t groups, int64_t channels, int64_t outputs) {
    return groups == 1 || channels > 1 || outputs == groups;
}

Ref conv2d(PyObject *const *args) {
    Array x, w, b;
    const Array *bias;
    ConvGeometry g;
    if (!floats(args[0], "x", x) || !floats_like(args[1], "w", x, w) || x.ndim != 4 || w.ndim != 4 ||
        !maybe_floats(args[2], "bias", x, b, bias) || !geometry(args + 3, g) || !grouped_well(g.groups, w.shape[1], w.shape[0]) ||
        x.shape[1] != w.shape[1] * g.groups || w.shape[0] % g.groups)
        return {};
    if (bias && (b.ndim != 1 || b.shape[0] != w.shape[0])) return {};
    int64_t shape[4] = {x.shape[0], w.shape[0]};
    for (int i = 0; i < 2; i++) {
        const int64_t k = w.shape[2 + i], span = x.shape[2 + i] + 2 * g.padding[i] - g.dilation[i] * (k - 1) - 1;
        if (k <= 0 || span < 0) return {};
        shape[2 + i] = span / g.stride[i] + 1;
    }
    Result out(args[0], 4, shape, true);
    {
        const Running running(out.size() * w.size() / std::max<int64_t>(1, w.shape[0]));
        conv2d_forward(x, w, bias, out, g);
    }
    return std::move(out.array);
}

// y, weight, size, ...
Ref conv2d_input(PyObject *const *args) {
    Array y, w;
    ConvGeometry g;
    int64_t size[2];
    if (!floats(args[0], "gy", y) || !floats_like(args[1], "w", y, w) || y.ndim != 4 || w.ndim != 4 ||
        !numbers(args[2], 2, size) || !geometry(args + 3, g) || !grouped_well(g.groups, w.shape[1], w.shape[0]))
        return {};
    const int64_t shape[4] = {y.shape[0], w.shape[1] * g.groups, size[0], size[1]};
    Result out(args[0], 4, shape, true);
    {
        const Running running(y.size() * w.size() / std::max<int64_t>(1, w.shape[0]));
        conv2d_input_gradient(y, w, out, g);
    }
    return std::move(out.array);
}

// y, x, size, ...
Ref conv2d_weight(PyObject *const *args) {
    Array y, x;
    ConvGeometry g;
    int64_t size[2];
    if (!floats(args[0], "gy", y) || !floats_like(args[1], "x", y, x) || y.ndim != 4 || x.ndim != 4 ||
        !numbers(args[2], 2, size) || !geometry(args + 3, g) || !grouped_well(g.groups, x.shape[1] / g.groups, y.shape[1]))
        return {};
    const int64_t shape[4] = {y.shape[1], x.shape[1] / g.groups, size[0], size[1]};
    Result out(args[0], 4, shape, true);
    {
        const Running running(y.size() * out.size() / std::max<int64_t>(1, out.shape[0]));
        conv2d_weight_gradient(y, x, out, g);
    }
    return std::move(out.array);
}

// --- normalisation -----------------------------------------------------------------------------------------------

}  // namespace

bool channel_values(PyObject *object, const char *name, const Array &x, Array &array, const Array *&to, Ref &kept) {
    if (!maybe_floats(object, name, x, array, to)) return false;
    if (!to || array.ndim != 1 || array.shape[0] < 2 || array.stride[0] == 1) return true;
    kept = checked(PyArray_NewCopy(reinterpret_cast<PyArrayObject *>(object), NPY_CORDER));
    see(kept.get(), name, array);
    return true;
}

bool images(PyObject *object, Array &x) { return floats(object, "x", x) && x.ndim >= 2 && x.size() > 0; }

namespace {

// x, weight, bias, eps
Ref batch_norm(PyObject *const *args) {
    Array x, w, b;
    const Array *weight, *bias;
    Ref kept[2];
    double eps;
    if (!images(args[0], x) || !channel_values(args[1], "weight", x, w, weight, kept[0]) ||
        !channel_values(args[2], "bias", x, b, bias, kept[1]) || !number(args[3], eps))
        return {};
    Result out(args[0], x.ndim, x.shape, true), mean(args[0], 1, x.shape + 1), variance(args[0], 1, x.shape + 1);
    {
        const Running running(x.size() * 2 * kPerElement);
        batch_norm_forward(x, mean, variance, eps, weight, bias, out, true);
    }
    return tuple(out.array.get(), mean.array.get(), variance.array.get());
}

// x, weight, bias, mean, var, eps
Ref batch_norm_eval(PyObject *const *args) {
    Array x, a[4];
    const Array *to[4];
    Ref kept[4];
    double eps;
    if (!images(args[0], x) || !number(args[5], eps)) return {};
    const char *names[] = {"weight", "bias", "mean", "variance"};
    for (int i = 0; i < 4; i++)
        if (!channel_values(args[1 + i], names[i], x, a[i], to[i], kept[i])) return {};
    if (!to[2] || !to[3]) return {};
    Result out(args[0], x.ndim, x.shape, true);
    {
        const Running running(x.size() * 2 * kPerElement);
        batch_norm_forward(x, *to[2], *to[3], eps, to[0], to[1], out, false);
    }
    return std::move(out.array);
}

}  // namespace

// g, g_mean, g_var, needs, x, weight, mean, var, eps
Ref batch_norm_backward(PyObject *const *args, PyObject *relu, bool spare, bool masks) {
    Array x, g, a[3], relu_out;
    const Array *to[3];
    Ref kept[3];
    double eps;
    if (args[1] != Py_None || args[2] != Py_None || !PyTuple_CheckExact(args[3]) || PyTuple_GET_SIZE(args[3]) != 3 ||
        !images(args[4], x) || !floats_like(args[0], "g", x, g) || !number(args[8], eps))
        return {};
    const char *names[] = {"weight", "mean", "variance"};
    for (int i = 0; i < 3; i++)
        if (!channel_values(args[5 + i], names[i], x, a[i], to[i], kept[i])) return {};
    if (!to[1] || !to[2] || (relu && (!floats_like(relu, "relu", x, relu_out) || !same_shape(relu_out, x)))) return {};
    if (masks && !(g.writable && same_shape(g, x) && same_layout(g, channels_last(x)))) return {};
    Result out[3];
    for (int i = 0; i < 3; i++) {
        if (!truth(PyTuple_GET_ITEM(args[3], i))) continue;
        if (i) {
            out[i] = Result(args[4], 1, x.shape + 1);
        } else if (spare && g.writable && same_shape(g, x) && same_layout(g, channels_last(x))) {
            static_cast<Array &>(out[0]) = g;
            out[0].array = Ref::borrow(args[0]);
        } else {
            out[0] = Result(args[4], x.ndim, x.shape, true);
        }
    }
    const auto wanted = [&](int i) { return out[i].array ? &out[i] : nullptr; };
    {
        const Running running(x.size() * 2 * kPerElement);
        batch_norm_gradient(g, x, *to[1], *to[2], eps, to[0], wanted(0), wanted(1), wanted(2), true,
                            relu ? &relu_out : nullptr, masks);
    }
    const auto given = [&](int i) { return out[i].array ? out[i].array.get() : Py_None; };
    return tuple(given(0), given(1), given(2));
}

namespace {

Ref batch_norm_backward_row(PyObject *const *args) { return batch_norm_backward(args, nullptr, false, false); }

// Makes the channels of (N, C, ...) the last axis.
void exchange_channels(Array &x) {
    std::rotate(x.shape + 1, x.shape + 2, x.shape + x.ndim);
    std::rotate(x.stride + 1, x.stride + 2, x.stride + x.ndim);
}

constexpr int64_t kRow = 8;  // channels: what makes a row of its own of each pixel's pay

// Whether the axis is x's last, or (channels) that of channels which lie side by side.
bool along_runs(PyObject *object, const Array &x, bool &channels) {
    if (!PyLong_Check(object) || x.ndim == 0 || x.size() == 0) return false;
    const long axis = PyLong_AsLong(object);
    channels = axis == 1 && x.ndim > 2 && x.stride[1] == 1 && x.shape[1] >= kRow;
    return channels || axis == x.ndim - 1;
}

// x, axis
template <bool log> Ref softmax_of(PyObject *const *args) {
    Array x;
    bool channels;
    if (!floats(args[0], "x", x) || !along_runs(args[1], x, channels)) return {};
    Result out(args[0], x.ndim, x.shape, channels);
    Array to = out;
    if (channels) exchange_channels(x), exchange_channels(to);
    {
        const Running running(x.size() * kPerElement);
        softmax(x, to, log);
    }
    return std::move(out.array);
}

// g, out, axis
template <bool log> Ref softmax_backward(PyObject *const *args) {
    Array out, g;
    bool channels;
    if (!floats(args[1], "out", out) || !floats_like(args[0], "g", out, g) || !same_shape(g, out) ||
        !along_runs(args[2], out, channels))
        return {};
    Result gx(args[1], out.ndim, out.shape, channels);
    Array to = gx;
    if (channels) exchange_channels(out), exchange_channels(g), exchange_channels(to);
    {
        const Running running(out.size() * kPerElement);
        softmax_gradient(g, out, to, log);
    }
    return std::move(gx.array);
}

// --- elementwise -------------------------------------------------------------------------------------------------

Ref relu_row(PyObject *const *args) {
    Array x;
    if (!floats(args[0], "x", x)) return {};
    Result out = result_like(args[0], x);
    {
        const Running running(x.size() * kPerElement);
        relu(x, out);
    }
    return std::move(out.array);
}

// g, out
Ref relu_backward(PyObject *const *args) {
    Array g, out;
    if (!floats(args[1], "out", out) || !floats_like(args[0], "g", out, g) || !same_shape(g, out)) return {};
    Result gx = result_like(args[1], out);
    {
        const Running running(out.size() * kPerElement);
        relu_gradient(g, out, gx);
    }
    return std::move(gx.array);
}

// For fewer elements NumPy's own loops, as elementwise.cpp runs them, are over before this has started.
constexpr int64_t kSmall = 1 << 13;

// Whether y is expanded to x by repeating all of it (a row for each row).
bool is_row(const Array &y, const Array &x) {
    int extra = 0;  // axes of length 1 that y begins with
    while (extra < y.ndim && y.shape[extra] == 1) extra++;
    const int own = y.ndim - extra;
    return own < x.ndim && y.size() > 1 && std::equal(y.shape + extra, y.shape + y.ndim, x.shape + x.ndim - own);
}

template <char op> Ref binary_row(PyObject *const *args) {
    Array x, y;
    if (!floats(args[0], "x", x) || x.size() < kSmall || !floats_like(args[1], "y", x, y)) return {};
    if (same_shape(x, y) && !same_layout(x, y)) return {};  // elementwise.cpp walks through both, and columns
    if (!same_shape(x, y)) {
        const auto ordered = [&](int i) { return PyArray_IS_C_CONTIGUOUS(reinterpret_cast<PyArrayObject *>(args[i])); };
        if (!ordered(0) || !ordered(1) || !is_row(y, x)) return {};
        Result out(args[0], x.ndim, x.shape);
        const Running running(x.size() * kPerElement);
        binary_rows(op, x, y, out);
        return std::move(out.array);
    }
    Result out = result_like(args[0], x);
    {
        const Running running(x.size() * kPerElement);
        binary(op, x, y, out);
    }
    return std::move(out.array);
}

// x, mask
Ref masked_row(PyObject *const *args) {
    Array x, mask;
    if (!floats(args[0], "x", x) || x.size() < kSmall || !PyArray_CheckExact(args[1]) || see(args[1], "mask", mask) ||
        mask.type != '?' || !same_shape(x, mask))
        return {};
    Result out = result_like(args[0], x);
    {
        const Running running(x.size() * kPerElement);
        masked(x, mask, out);
    }
    return std::move(out.array);
}

// --- losses ------------------------------------------------------------------------------------------------------

// target, weight, of x's dtype; and how the losses are reduced: 'n' not at all, 's' to their sum, 'm' to their mean
struct Targets {
    Array target, w;
    const Array *weight;
    int64_t ignored;
    char how;

    bool read(const Array &x, PyObject *target_object, PyObject *weight_object, PyObject *ignore, PyObject *reduction) {
        if (!PyArray_CheckExact(target_object) || see(target_object, "target", target) || target.type != 'q' ||
            target.ndim != 1 || !maybe_floats(weight_object, "weight", x, w, weight) || !PyLong_Check(ignore) ||
            !PyUnicode_Check(reduction))
            return false;
        ignored = PyLong_AsLongLong(ignore);
        if (ignored == -1 && PyErr_Occurred()) throw Raised{};
        how = static_cast<char>(PyUnicode_READ_CHAR(reduction, 0));
        return true;
    }
};

// x, target, weight, ignore_index, reduction
Ref nll_loss_row(PyObject *const *args) {
    Array x;
    Targets t;
    if (!floats(args[0], "x", x) || x.ndim != 2 || !t.read(x, args[1], args[2], args[3], args[4])) return {};
    Result out(args[0], t.how == 'n', x.shape);
    if (!nll_loss(x, t.target, t.weight, t.ignored, out, t.how == 'm')) return {};  // no class: the row says which
    return std::move(out.array);
}

// y, target, weight, shape, ignore_index, reduction
Ref nll_loss_backward(PyObject *const *args) {
    Array y;
    Targets t;
    int64_t shape[2];
    if (!floats(args[0], "g", y) || !numbers(args[3], 2, shape) || !t.read(y, args[1], args[2], args[4], args[5])) return {};
    Result out(args[0], 2, shape);
    if (!nll_loss_gradient(y, t.target, t.weight, t.ignored, out, t.how == 'm')) return {};
    return std::move(out.array);
}

// --- for Python --------------------------------------------------------------------------------------------------

template <RowKernel kernel, int count> PyObject *called(PyObject *, PyObject *const *args, Py_ssize_t given) {
    if (given != count) return PyErr_Format(PyExc_TypeError, "expected %d arguments, got %zd", count, given);
    try {
        Ref out = kernel(args);
        return out ? out.release() : Py_NewRef(Py_NotImplemented);
    } catch (Raised) {
    } catch (const std::bad_alloc &) {
        PyErr_NoMemory();
    } catch (const std::invalid_argument &error) {
        PyErr_SetString(PyExc_ValueError, error.what());
    }
    return nullptr;
}

template <RowKernel kernel, int count> constexpr PyMethodDef entry(const char *name) {
    return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void *>(called<kernel, count>)), METH_FASTCALL,
            "The forward of the row of this name on raw values; NotImplemented for what it leaves to the row's own."};
}

PyMethodDef kernels_by_row[] = {
    entry<conv2d, 7>("conv2d"),
    entry<conv2d_input, 7>("conv2d_input"),
    entry<conv2d_weight, 7>("conv2d_weight"),
    entry<batch_norm, 4>("batch_norm"),
    entry<batch_norm_eval, 6>("batch_norm_eval"),
    entry<batch_norm_backward_row, 9>("batch_norm_backward"),
    entry<softmax_of<false>, 2>("softmax"),
    entry<softmax_of<true>, 2>("log_softmax"),
    entry<softmax_backward<false>, 3>("softmax_backward"),
    entry<softmax_backward<true>, 3>("log_softmax_backward"),
    entry<relu_row, 1>("relu"),
    entry<relu_backward, 2>("relu_backward"),
    entry<binary_row<'+'>, 2>("add"),
    entry<binary_row<'-'>, 2>("sub"),
    entry<binary_row<'*'>, 2>("mul"),
    entry<binary_row<'/'>, 2>("div"),
    entry<masked_row, 2>("masked"),
    entry<nll_loss_row, 5>("nll_loss"),
    entry<nll_loss_backward, 6>("nll_loss_backward"),
    entry<matmul_row, 2>("matmul"),
    entry<mm_row, 2>("mm"),
    entry<bmm_row, 2>("bmm"),
    entry<addmm_row, 5>("addmm"),
    entry<baddbmm_row, 5>("baddbmm"),
    entry<linear_row, 3>("linear"),
    entry<sum_row, 3>("sum"),
    entry<mean_row, 3>("mean"),
    entry<amax_row, 3>("amax"),
    entry<amin_row, 3>("amin"),
    entry<amax_row, 3>("max_of_all"),
    entry<amin_row, 3>("min_of_all"),
    entry<argmax_row, 3>("argmax"),
    entry<argmin_row, 3>("argmin"),
    entry<max_row, 4>("max"),
    entry<min_row, 4>("min"),
    entry<any_row, 3>("any"),
    entry<all_row, 3>("all"),
    entry<sort_row, 3>("sort"),
    entry<topk_row, 4>("topk"),
    entry<cumsum_row, 3>("cumsum"),
    entry<cumprod_row, 3>("cumprod"),
    entry<prod_row, 3>("prod"),
    entry<group_norm_row, 5>("group_norm"),
    entry<group_norm_backward, 10>("group_norm_backward"),
};

}  // namespace

void add_row_kernels(PyObject *module) {
    const Ref all = checked(PyDict_New());
    for (PyMethodDef &method : kernels_by_row) {
        const Ref function = checked(PyCFunction_New(&method, nullptr));
        checked(PyDict_SetItemString(all.get(), method.ml_name, function.get()));
    }
    add_copying(module, all.get());
    checked(PyModule_AddObjectRef(module, "row_kernels", all.get()));
}

}  // namespace retrograd
