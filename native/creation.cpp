// New Tensors of one value: functions of retrograd._native for ops/creation.py.
#include "numpy_api.h"

#include "door.h"

#include <algorithm>

#include "array.h"

namespace retrograd {
namespace {

// A Tensor whose array was made just now, filled with what `value` says: 0 and 1, or None for whatever was there. Empty for
// dtypes that are not filled here.
PyObject *filled(Ref array, PyObject *value) {
    auto *a = reinterpret_cast<PyArrayObject *>(array.get());
    if (value == core().one) {
        const npy_intp n = PyArray_SIZE(a);
        switch (PyArray_TYPE(a)) {
        case NPY_FLOAT: std::fill_n(static_cast<float *>(PyArray_DATA(a)), n, 1.0f); break;
        case NPY_DOUBLE: std::fill_n(static_cast<double *>(PyArray_DATA(a)), n, 1.0); break;
        case NPY_INT64: std::fill_n(static_cast<int64_t *>(PyArray_DATA(a)), n, 1); break;
        default: Py_RETURN_NONE;
        }
    }
    return wrap(array.get()).release();
}

Ref made(int ndim, const npy_intp *shape, PyArray_Descr *descr, PyObject *value) {
    Py_INCREF(descr);  // the new array takes it
    return checked(value == core().zero ? PyArray_Zeros(ndim, shape, descr, 0) : PyArray_Empty(ndim, shape, descr, 0));
}

bool known(PyObject *value) { return value == core().zero || value == core().one || value == Py_None; }

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
    {"new_tensor", as_function<new_tensor>(), METH_FASTCALL, "A Tensor of these sizes of 0, 1 or (None) anything; or None."},
    {"new_like", as_function<new_like>(), METH_FASTCALL, "A Tensor like another of 0, 1 or (None) anything; or None."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void add_creation(PyObject *module) { checked(PyModule_AddFunctions(module, functions)); }

}  // namespace retrograd
