// New Tensors of one value: functions of retrograd._native for ops/creation.py.
#include "numpy_api.h"

#include "door.h"

#include <algorithm>

#include "array.h"
#include "pool.h"

namespace retrograd {
namespace {

constexpr npy_intp kPart = 1 << 16;                           // elements that one thread fills at a time
constexpr npy_intp kLeast = 2 * kPart, kMost = npy_intp(1) << 24;  // elements that the threads fill with zeros, see `made`

template <class T> void fill(PyArrayObject *a, T value) {
    T *to = static_cast<T *>(PyArray_DATA(a));
    const npy_intp n = PyArray_SIZE(a);
    if (n < kLeast) return void(std::fill_n(to, n, value));
    parallel((n + kPart - 1) / kPart, [&](int64_t part) { std::fill_n(to + part * kPart, std::min(kPart, n - part * kPart), value); });
}

// What a Tensor is filled with: a float, an int that all dtypes hold, or None for whatever was there.
bool known(PyObject *value) {
    if (value == Py_None || PyFloat_CheckExact(value)) return true;
    if (!PyLong_CheckExact(value)) return false;
    int beyond = 0;
    const long long whole = PyLong_AsLongLongAndOverflow(value, &beyond);
    return !beyond && whole <= (1 << 24) && whole >= -(1 << 24);
}

bool is_zero(PyObject *value) { return PyLong_CheckExact(value) && PyObject_RichCompareBool(value, core().zero, Py_EQ) == 1; }

// A Tensor whose array was made just now, filled with `value`. None for dtypes that are not filled here.
PyObject *filled(Ref array, PyObject *value) {
    auto *a = reinterpret_cast<PyArrayObject *>(array.get());
    const int type = PyArray_TYPE(a);
    const bool zero = is_zero(value);
    if (value != Py_None && !(zero && (PyArray_SIZE(a) < kLeast || PyArray_SIZE(a) > kMost))) {
        if (type == NPY_INT64 && PyLong_CheckExact(value)) {
            fill<int64_t>(a, PyLong_AsLongLong(value));
        } else if (type == NPY_FLOAT || type == NPY_DOUBLE) {
            const double number = PyFloat_AsDouble(value);
            type == NPY_FLOAT ? fill(a, static_cast<float>(number)) : fill(a, number);
        } else if (!zero) {
            Py_RETURN_NONE;
        }
    }
    return wrap(array.get()).release();
}

// Zeros of many elements are written by `filled`, by all threads; the most are left to the system, whose new pages are
// zeros already.
Ref made(int ndim, const npy_intp *shape, PyArray_Descr *descr, PyObject *value) {
    npy_intp size = 1;
    for (int i = 0; i < ndim && size <= kMost; i++) size *= shape[i];
    const int type = descr->type_num;
    const bool threads = size >= kLeast && size <= kMost && (type == NPY_FLOAT || type == NPY_DOUBLE || type == NPY_INT64);
    Py_INCREF(descr);  // the new array takes it
    return checked(is_zero(value) && !threads ? PyArray_Zeros(ndim, shape, descr, 0) : PyArray_Empty(ndim, shape, descr, 0));
}

// new_tensor(sizes, dtype, value): sizes: a tuple of ints, or of one sequence of them; None for what Python must look at
PyObject *new_tensor(PyObject *, PyObject *const *args, Py_ssize_t count) {
    if (count != 3 || !PyTuple_Check(args[0]) || !PyArray_DescrCheck(args[1]) || !known(args[2])) Py_RETURN_NONE;
    try {
        PyObject *sizes = args[0];
        if (PyTuple_GET_SIZE(sizes) == 1) {
            PyObject *only = PyTuple_GET_ITEM(sizes, 0);
            if (PyTuple_Check(only) || PyList_CheckExact(only)) sizes = only;
        }
        const Py_ssize_t ndim = Py_SIZE(sizes);
        if (ndim > kMaxDims || Modes().is(names.inference, false)) Py_RETURN_NONE;
        npy_intp shape[kMaxDims];
        for (Py_ssize_t i = 0; i < ndim; i++) {
            PyObject *size = PyTuple_Check(sizes) ? PyTuple_GET_ITEM(sizes, i) : PyList_GET_ITEM(sizes, i);
            int beyond = 0;
            if (!PyLong_CheckExact(size)) Py_RETURN_NONE;
            shape[i] = PyLong_AsLongAndOverflow(size, &beyond);
            if (beyond || shape[i] < 0) Py_RETURN_NONE;
        }
        auto *descr = reinterpret_cast<PyArray_Descr *>(args[1]);
        return filled(made(static_cast<int>(ndim), shape, descr, args[2]), args[2]);
    } catch (Raised) {
        return nullptr;
    }
}

// new_like(tensor, value): of its shape and dtype, in C order as it is; None for what Python must look at
PyObject *new_like(PyObject *, PyObject *const *args, Py_ssize_t count) {
    if (count != 2 || !is_tensor(args[0]) || !known(args[1])) Py_RETURN_NONE;
    try {
        const Ref array = attribute(args[0], names._array);
        auto *a = reinterpret_cast<PyArrayObject *>(array.get());
        if (!PyArray_CheckExact(array.get()) || !PyArray_IS_C_CONTIGUOUS(a) || Modes().is(names.inference, false))
            Py_RETURN_NONE;
        return filled(made(PyArray_NDIM(a), PyArray_DIMS(a), PyArray_DESCR(a), args[1]), args[1]);
    } catch (Raised) {
        return nullptr;
    }
}

template <PyObject *function(PyObject *, PyObject *const *, Py_ssize_t)> PyCFunction as_function() {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void *>(function));
}

PyMethodDef functions[] = {
    {"new_tensor", as_function<new_tensor>(), METH_FASTCALL, "A Tensor of these sizes of one number or (None) anything; or None."},
    {"new_like", as_function<new_like>(), METH_FASTCALL, "A Tensor like another of one number or (None) anything; or None."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void add_creation(PyObject *module) { checked(PyModule_AddFunctions(module, functions)); }

}  // namespace retrograd
