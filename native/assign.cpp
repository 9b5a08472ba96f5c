// Writes to places of a Tensor outside of graphs: x[key] = value as in ops/index.py, and masked_fill_.
//
// Keys here are ints, slices and Ellipsis; and, for arrays in C order, a mask of x's shape or one tensor of int64. All else is left
// to Python, errors too.
#include "numpy_api.h"

#include "door.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "array.h"

namespace retrograd {
namespace {

constexpr int64_t kMostPicked = 1 << 16;  // elements from which on NumPy is as fast

// A part of an array.
struct Part {
    char *data;
    int ndim = 0;
    npy_intp shape[kMaxDims], stride[kMaxDims];  // in bytes

    int64_t size() const {
        int64_t n = 1;
        for (int i = 0; i < ndim; i++) n *= shape[i];
        return n;
    }
};

// An int or a bound of a slice; others with __index__ may run any code.
bool whole_or_none(PyObject *object) { return object == Py_None || PyLong_CheckExact(object); }

// Where the int or slice `key` leads in dimension `dim` of x; whether it is one that leads somewhere.
bool step_into(PyArrayObject *x, int dim, PyObject *key, Part &to) {
    const npy_intp n = PyArray_DIM(x, dim), stride = PyArray_STRIDE(x, dim);
    if (PyLong_CheckExact(key)) {
        int overflow;
        const long long i = PyLong_AsLongLongAndOverflow(key, &overflow);
        if (overflow || i < -n || i >= n) return false;
        to.data += (i < 0 ? i + n : i) * stride;
        return true;
    }
    if (!PySlice_Check(key)) return false;
    auto *slice = reinterpret_cast<PySliceObject *>(key);
    if (!whole_or_none(slice->start) || !whole_or_none(slice->stop) || !whole_or_none(slice->step)) return false;
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
        PyErr_Clear();
        return false;
    }
    if (step < 1) return false;
    const Py_ssize_t count = PySlice_AdjustIndices(n, &start, &stop, step);
    to.data += count ? start * stride : 0;
    to.shape[to.ndim] = count;
    to.stride[to.ndim++] = step * stride;
    return true;
}

bool find(PyArrayObject *x, PyObject *key, Part &to) {
    const bool several = PyTuple_CheckExact(key);
    const Py_ssize_t count = several ? PyTuple_GET_SIZE(key) : key != Py_Ellipsis;
    if (count > PyArray_NDIM(x)) return false;
    to.data = static_cast<char *>(PyArray_DATA(x));
    for (Py_ssize_t i = 0; i < count; i++)
        if (!step_into(x, static_cast<int>(i), several ? PyTuple_GET_ITEM(key, i) : key, to)) return false;
    for (int i = static_cast<int>(count); i < PyArray_NDIM(x); i++) {
        to.shape[to.ndim] = PyArray_DIM(x, i);
        to.stride[to.ndim++] = PyArray_STRIDE(x, i);
    }
    return true;
}

bool expanded(const Part &x) {
    for (int i = 0; i < x.ndim; i++)
        if (x.stride[i] == 0 && x.shape[i] > 1) return true;
    return false;
}

bool in_c_order(const Part &x, npy_intp item) {
    for (int i = x.ndim - 1; i >= 0; i--) {
        if (x.shape[i] != 1 && x.stride[i] != item) return false;
        item *= x.shape[i];
    }
    return true;
}

// One element of x's dtype.
union Element {
    float f32;
    double f64;
    int64_t i64;
    bool b;
    char bytes[8];
};

// The element that a Python number, or a 0-d array of x's dtype, stands for; whether that goes without rules or errors.
bool element_of(PyArrayObject *x, PyObject *value, Element &to) {
    const int type = PyArray_TYPE(x);
    if (type == NPY_FLOAT || type == NPY_DOUBLE) {
        double number;
        if (PyFloat_CheckExact(value)) {
            number = PyFloat_AS_DOUBLE(value);
        } else if (PyLong_CheckExact(value)) {
            int overflow;
            const long long i = PyLong_AsLongLongAndOverflow(value, &overflow);
            if (overflow || i > 1LL << 53 || i < -(1LL << 53)) return false;
            number = static_cast<double>(i);
        } else {
            return false;
        }
        if (type == NPY_DOUBLE) {
            to.f64 = number;
            return true;
        }
        if (std::isfinite(number) && std::abs(number) > std::numeric_limits<float>::max()) return false;  // NumPy warns
        to.f32 = static_cast<float>(number);
        return true;
    }
    if (type == NPY_LONG && PyLong_CheckExact(value)) {
        int overflow;
        to.i64 = PyLong_AsLongLongAndOverflow(value, &overflow);
        return !overflow;
    }
    if (type == NPY_BOOL && PyBool_Check(value)) {
        to.b = value == Py_True;
        return true;
    }
    return false;
}

// Calls body(type's zero, the element) with the type that has this size.
template <class F> void by_size(npy_intp item, const Element &value, F body) {
    if (item == 1) body(value.b);
    else if (item == 4) body(value.f32);
    else body(value.i64);  // the bits of a double
}

template <class T> void fill(const Part &to, int dim, char *at, T value) {
    if (dim == to.ndim) {
        *reinterpret_cast<T *>(at) = value;
    } else if (dim + 1 == to.ndim && to.stride[dim] == sizeof(T)) {
        std::fill_n(reinterpret_cast<T *>(at), to.shape[dim], value);
    } else {
        for (npy_intp i = 0; i < to.shape[dim]; i++) fill(to, dim + 1, at + i * to.stride[dim], value);
    }
}

// Whether an array of y's shape can be written to x as it is or broadcast.
bool fits(const Part &x, PyArrayObject *y) {
    const int extra = x.ndim - PyArray_NDIM(y);
    if (extra < 0) return false;
    for (int i = 0; i < PyArray_NDIM(y); i++)
        if (PyArray_DIM(y, i) != 1 && PyArray_DIM(y, i) != x.shape[i + extra]) return false;
    return true;
}

bool same_shape(const Part &x, PyArrayObject *y) {
    return x.ndim == PyArray_NDIM(y) && PyArray_CompareLists(const_cast<npy_intp *>(x.shape), PyArray_DIMS(y), x.ndim);
}

void copy(PyObject *x, const Part &to, PyArrayObject *from) {
    const npy_intp item = PyArray_ITEMSIZE(from);
    if (PyArray_IS_C_CONTIGUOUS(from) && same_shape(to, from) && in_c_order(to, item)) {
        std::memmove(to.data, PyArray_DATA(from), to.size() * item);
        return;
    }
    PyArray_Descr *descr = PyArray_DESCR(from);
    Py_INCREF(descr);
    const Ref part = checked(PyArray_NewFromDescr(&PyArray_Type, descr, to.ndim, to.shape, to.stride, to.data,
                                                  NPY_ARRAY_WRITEABLE, nullptr));
    checked(PyArray_SetBaseObject(numpy(part.get()), Py_NewRef(x)));  // NumPy looks for shared memory
    checked(PyArray_CopyInto(numpy(part.get()), from));
}

bool overlap(PyArrayObject *x, PyArrayObject *y) {  // of arrays in C order
    const auto *a = static_cast<char *>(PyArray_DATA(x)), *b = static_cast<char *>(PyArray_DATA(y));
    return a < b + PyArray_NBYTES(y) && b < a + PyArray_NBYTES(x);
}

bool same_shape(PyArrayObject *x, PyArrayObject *y) {
    const int n = PyArray_NDIM(x);
    return n == PyArray_NDIM(y) && PyArray_CompareLists(PyArray_DIMS(x), PyArray_DIMS(y), n);
}

void write_masked(PyArrayObject *x, PyArrayObject *mask, const Element &value) {
    const auto *on = static_cast<const bool *>(PyArray_DATA(mask));
    const npy_intp n = PyArray_SIZE(x);
    by_size(PyArray_ITEMSIZE(x), value, [&](auto v) {
        auto *to = static_cast<decltype(v) *>(PyArray_DATA(x));
        for (npy_intp i = 0; i < n; i++) to[i] = on[i] ? v : to[i];
    });
}

// Rows of x become the element, or those of `values`; whether all indices lead to rows.
bool write_rows(PyArrayObject *x, PyArrayObject *indices, const Element *value, PyArrayObject *values) {
    const auto *index = static_cast<const int64_t *>(PyArray_DATA(indices));
    const npy_intp count = PyArray_SIZE(indices), rows = PyArray_DIM(x, 0), item = PyArray_ITEMSIZE(x);
    if (!std::all_of(index, index + count, [&](int64_t i) { return i >= -rows && i < rows; })) return false;
    const npy_intp width = rows ? PyArray_SIZE(x) / rows : 0;
    auto *to = static_cast<char *>(PyArray_DATA(x));
    for (npy_intp k = 0; k < count; k++) {
        char *row = to + (index[k] < 0 ? index[k] + rows : index[k]) * width * item;
        if (values) std::memcpy(row, static_cast<char *>(PyArray_DATA(values)) + k * width * item, width * item);
        else by_size(item, *value, [&](auto v) { std::fill_n(reinterpret_cast<decltype(v) *>(row), width, v); });
    }
    return true;
}

// Whether the values' shape is that of the indices and of x's rows.
bool rows_fit(PyArrayObject *x, PyArrayObject *indices, PyArrayObject *values) {
    const int k = PyArray_NDIM(indices), rest = PyArray_NDIM(x) - 1;
    return PyArray_NDIM(values) == k + rest && PyArray_CompareLists(PyArray_DIMS(values), PyArray_DIMS(indices), k) &&
           PyArray_CompareLists(PyArray_DIMS(values) + k, PyArray_DIMS(x) + 1, rest);
}

// The array of x, if it may be written to as if there were no graph and its elements are plain.
Ref writable(const Modes &modes, PyObject *x) {
    if (!is_tensor(x) || !plain(modes) || !outside_graph(modes, x)) return {};
    Ref array = attribute(x, names._array);
    PyArrayObject *a = numpy(array.get());
    if (!PyArray_CheckExact(array.get()) || !PyArray_ISBEHAVED(a) || PyArray_NDIM(a) > kMaxDims ||
        PyDataType_REFCHK(PyArray_DESCR(a)))
        return {};
    return array;
}

bool plain_tensor(PyObject *object) { return Py_TYPE(object) == core().tensor; }

// x[picked] = value, for a mask or int64 indices; whether it was done. `value` is a Python number, or `values` an array.
bool write_picked(PyArrayObject *x, PyArrayObject *picked, PyObject *value, PyArrayObject *values) {
    if (!PyArray_CheckExact(reinterpret_cast<PyObject *>(picked)) || !PyArray_IS_C_CONTIGUOUS(x) ||
        !PyArray_IS_C_CONTIGUOUS(picked) || !PyArray_ISBEHAVED(picked) || PyArray_SIZE(x) > kMostPicked ||
        PyArray_SIZE(picked) > kMostPicked || overlap(x, picked))
        return false;
    Element element;
    if (!values && !element_of(x, value, element)) return false;
    if (PyArray_TYPE(picked) == NPY_BOOL) {
        if (values || !PyArray_NDIM(x) || !same_shape(x, picked)) return false;
        write_masked(x, picked, element);
        return true;
    }
    if (PyArray_TYPE(picked) != NPY_LONG || !PyArray_NDIM(x)) return false;
    if (values && (PyArray_SIZE(values) > kMostPicked || !PyArray_IS_C_CONTIGUOUS(values) || overlap(x, values) ||
                   !rows_fit(x, picked, values)))
        return false;
    return write_rows(x, picked, &element, values);
}

}  // namespace

// index.setitem(x, key, value)
Ref setitem(Compiled &, PyObject *const *args, Py_ssize_t count) {
    if (count != 3) return {};
    const Modes modes;
    const Ref array = writable(modes, args[0]);
    if (!array) return {};
    PyArrayObject *x = numpy(array.get());
    Ref from;
    if (plain_tensor(args[2])) {
        if (modes.is(names.grad, true) && !outside_graph(modes, args[2])) return {};
        from = attribute(args[2], names._array);
        if (!PyArray_CheckExact(from.get()) || PyArray_DESCR(numpy(from.get())) != PyArray_DESCR(x)) return {};
    }
    PyArrayObject *values = from ? numpy(from.get()) : nullptr;
    if (plain_tensor(args[1])) {
        const Ref picked = attribute(args[1], names._array);
        if (!write_picked(x, numpy(picked.get()), args[2], values)) return {};
    } else {
        Part to;
        if (!find(x, args[1], to) || expanded(to)) return {};
        if (values) {
            if (!fits(to, values)) return {};
            copy(array.get(), to, values);
        } else {
            Element element;
            if (!element_of(x, args[2], element)) return {};
            if (to.size()) by_size(PyArray_ITEMSIZE(x), element, [&](auto v) { fill(to, 0, to.data, v); });
        }
    }
    Ref where;
    count_write(args[0], where);
    return Ref::borrow(Py_None);
}

// x.masked_fill_(mask, value)
Ref masked_fill(Compiled &, PyObject *const *args, Py_ssize_t count) {
    if (count != 3 || !plain_tensor(args[1]) || PyBool_Check(args[2])) return {};
    const Modes modes;
    const Ref array = writable(modes, args[0]);
    if (!array) return {};
    const Ref mask = attribute(args[1], names._array);
    if (!PyArray_CheckExact(mask.get()) || PyArray_TYPE(numpy(mask.get())) != NPY_BOOL ||
        !write_picked(numpy(array.get()), numpy(mask.get()), args[2], nullptr))
        return {};
    Ref where;
    count_write(args[0], where);
    return Ref::borrow(args[0]);
}

}  // namespace retrograd
