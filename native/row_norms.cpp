// The rows of group norm as kernels.
#include "numpy_api.h"

#include "row_kernels.h"

#include <algorithm>

#include "group_norm.h"

namespace retrograd {
namespace {

// An array of so many elements in one run.
bool run(PyObject *object, const char *name, const Array &x, int64_t count, Array &array, const Array *&to) {
    if (!maybe_floats(object, name, x, array, to)) return false;
    return !to || (PyArray_IS_C_CONTIGUOUS(reinterpret_cast<PyArrayObject *>(object)) && array.size() == count);
}

// The images and the number of their groups.
bool grouped(PyObject *object, PyObject *number_of_groups, Array &x, int64_t &groups) {
    if (!floats(object, "x", x) || x.ndim < 2 || x.size() == 0 || !PyLong_Check(number_of_groups)) return false;
    groups = PyLong_AsLongLong(number_of_groups);
    if (groups == -1 && PyErr_Occurred()) throw Raised{};
    return groups > 0 && x.shape[1] % groups == 0;
}

// (N, groups, 1), as the row has moments, seen as (N, groups).
Array moments(Array a, int64_t images, int64_t groups) {
    a.ndim = 2;
    a.shape[0] = images, a.shape[1] = groups;
    a.stride[0] = groups, a.stride[1] = 1;
    return a;
}

}  // namespace

// x, weight, bias, groups, eps
Ref group_norm_row(PyObject *const *args) {
    Array x, w, b;
    const Array *weight, *bias;
    int64_t groups;
    double eps;
    if (!grouped(args[0], args[3], x, groups) || !number(args[4], eps) ||
        !run(args[1], "weight", x, x.shape[1], w, weight) || !run(args[2], "bias", x, x.shape[1], b, bias))
        return {};
    const int64_t shape[3] = {x.shape[0], groups, 1};
    Result out(args[0], x.ndim, x.shape, true), mean(args[0], 3, shape), variance(args[0], 3, shape);
    {
        const Running running(x.size() * 2 * kPerElement);
        group_norm_forward(x, weight, bias, groups, eps, out, moments(mean, shape[0], groups),
                           moments(variance, shape[0], groups));
    }
    return checked(PyTuple_Pack(3, out.array.get(), mean.array.get(), variance.array.get()));
}

// g, g_mean, g_var, needs, x, weight, mean, var, groups, eps
Ref group_norm_backward(PyObject *const *args) {
    Array x, g, a[3];
    const Array *to[3];
    int64_t groups;
    double eps;
    if (args[1] != Py_None || args[2] != Py_None || !PyTuple_CheckExact(args[3]) || PyTuple_GET_SIZE(args[3]) != 3 ||
        !grouped(args[4], args[8], x, groups) || !floats_like(args[0], "g", x, g) || g.ndim != x.ndim ||
        !std::equal(x.shape, x.shape + x.ndim, g.shape) ||
        !number(args[9], eps) || !run(args[5], "weight", x, x.shape[1], a[0], to[0]) ||
        !run(args[6], "mean", x, x.shape[0] * groups, a[1], to[1]) ||
        !run(args[7], "variance", x, x.shape[0] * groups, a[2], to[2]) || !to[1] || !to[2])
        return {};
    Result out[3];
    for (int i = 0; i < 3; i++)
        if (truth(PyTuple_GET_ITEM(args[3], i)))
            out[i] = i ? Result(args[4], 1, x.shape + 1) : Result(args[4], x.ndim, x.shape, true);
    const auto wanted = [&](int i) { return out[i].array ? &out[i] : nullptr; };
    {
        const Running running(x.size() * 2 * kPerElement);
        group_norm_gradient(g, x, to[0], moments(a[1], x.shape[0], groups), moments(a[2], x.shape[0], groups), groups,
                            eps, wanted(0), wanted(1), wanted(2));
    }
    const auto given = [&](int i) { return out[i].array ? out[i].array.get() : Py_None; };
    return checked(PyTuple_Pack(3, given(0), given(1), given(2)));
}

}  // namespace retrograd
