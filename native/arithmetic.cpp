// Arithmetic of small arrays: one loop, no dispatch; the operations are those of IEEE 754, so the bits are NumPy's.
#include "numpy_api.h"

#include "door.h"
#include "isa.h"
#include "kernels.h"

namespace retrograd {
namespace {

// An array of float32 or float64 in C order, with fewer than kSmall elements.
struct Operand {
    PyArrayObject *array = nullptr;
    npy_intp size = 1;

    explicit Operand(PyObject *object) {
        if (!PyArray_CheckExact(object)) return;
        auto *a = reinterpret_cast<PyArrayObject *>(object);
        const int type = PyArray_TYPE(a);
        if ((type != NPY_FLOAT && type != NPY_DOUBLE) || !PyArray_ISCARRAY_RO(a)) return;
        for (int i = 0; i < PyArray_NDIM(a); i++) size *= PyArray_DIM(a, i);
        if (size < kSmall) array = a;
    }
    int type() const { return PyArray_TYPE(array); }
    template <class T> T *data() const { return static_cast<T *>(PyArray_DATA(array)); }
};

bool same_shape(PyArrayObject *x, PyArrayObject *y) {
    const int n = PyArray_NDIM(x);
    return n == PyArray_NDIM(y) && PyArray_CompareLists(PyArray_DIMS(x), PyArray_DIMS(y), n);
}

Ref empty_like(PyArrayObject *x) {
    PyArray_Descr *descr = PyArray_DESCR(x);
    Py_INCREF(descr);  // the new array takes it
    return checked(PyArray_NewFromDescr(&PyArray_Type, descr, PyArray_NDIM(x), PyArray_DIMS(x), nullptr, nullptr, 0,
                                        nullptr));
}

// A number that converts to T as NumPy converts it: a float, or an int that either format holds.
bool number(PyObject *object, double &value) {
    if (PyFloat_CheckExact(object)) {
        value = PyFloat_AS_DOUBLE(object);
        return true;
    }
    if (!PyLong_CheckExact(object)) return false;
    int overflow;
    const long long whole = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow || whole > (1 << 24) || whole < -(1 << 24)) return false;
    value = static_cast<double>(whole);
    return true;
}

// out[i] = op(x[i], y[i]), of which one may be a single number.
template <class T, class F> void combine(const T *x, bool one_x, const T *y, bool one_y, T *out, npy_intp n, F op) {
    if (one_y) {
        const T v = *y;
        for (npy_intp i = 0; i < n; i++) out[i] = op(x[i], v);
    } else if (one_x) {
        const T v = *x;
        for (npy_intp i = 0; i < n; i++) out[i] = op(v, y[i]);
    } else {
        for (npy_intp i = 0; i < n; i++) out[i] = op(x[i], y[i]);
    }
}

template <class T> void binary(char op, const T *x, bool one_x, const T *y, bool one_y, T *out, npy_intp n) {
    if (n > 16 && !one_x && !one_y) return kernels().of<T>().binary(op, x, y, out, n);
    switch (op) {
        case '+': return combine(x, one_x, y, one_y, out, n, [](T a, T b) { return a + b; });
        case '-': return combine(x, one_x, y, one_y, out, n, [](T a, T b) { return a - b; });
        case '*': return combine(x, one_x, y, one_y, out, n, [](T a, T b) { return a * b; });
        case '/': return combine(x, one_x, y, one_y, out, n, [](T a, T b) { return a / b; });
    }
}

template <class T> Ref two(char op, const Operand &x, const Operand &y) {
    const bool one_x = PyArray_NDIM(x.array) == 0, one_y = PyArray_NDIM(y.array) == 0;
    if (!one_x && !one_y && !same_shape(x.array, y.array)) return {};
    const Operand &whole = one_x ? y : x;
    Ref out = empty_like(whole.array);
    binary<T>(op, x.data<T>(), one_x && !one_y, y.data<T>(), one_y, Operand(out.get()).data<T>(), whole.size);
    return out;
}

template <class T> Ref with_number(char op, const Operand &x, double value) {
    const T y = static_cast<T>(value);
    Ref out = empty_like(x.array);
    binary<T>(op, x.data<T>(), false, &y, true, Operand(out.get()).data<T>(), x.size);
    return out;
}

template <class T> Ref one(char op, const Operand &x) {
    Ref out = empty_like(x.array);
    const T *from = x.data<T>();
    T *to = Operand(out.get()).data<T>();
    if (op == 'r')
        kernels().of<T>().relu(from, to, x.size);
    else
        for (npy_intp i = 0; i < x.size; i++) to[i] = -from[i];
    return out;
}

template <class T> Ref masked(const Operand &x, PyObject *mask) {
    if (!PyArray_CheckExact(mask)) return {};
    auto *m = reinterpret_cast<PyArrayObject *>(mask);
    if (PyArray_TYPE(m) != NPY_BOOL || !PyArray_ISCARRAY_RO(m) || !same_shape(x.array, m)) return {};
    Ref out = empty_like(x.array);
    kernels().of<T>().masked(x.data<T>(), static_cast<const uint8_t *>(PyArray_DATA(m)), Operand(out.get()).data<T>(),
                             x.size);
    return out;
}

}  // namespace

Ref arithmetic(char op, PyObject *x, PyObject *y) {
    const Operand a(x);
    if (!a.array) return {};
    const bool single = a.type() == NPY_FLOAT;
    if (op == 'n' || op == 'r') return single ? one<float>(op, a) : one<double>(op, a);
    if (op == 'm') return single ? masked<float>(a, y) : masked<double>(a, y);
    if (double value; number(y, value))
        return single ? with_number<float>(op, a, value) : with_number<double>(op, a, value);
    const Operand b(y);
    if (!b.array || a.type() != b.type()) return {};
    return single ? two<float>(op, a, b) : two<double>(op, a, b);
}

bool add_in_place(PyObject *x, PyObject *y) {
    const Operand a(x), b(y);
    if (!a.array || !b.array || a.type() != b.type() || !same_shape(a.array, b.array)) return false;
    if (a.type() == NPY_FLOAT)
        binary<float>('+', a.data<float>(), false, b.data<float>(), false, a.data<float>(), a.size);
    else
        binary<double>('+', a.data<double>(), false, b.data<double>(), false, a.data<double>(), a.size);
    return true;
}

}  // namespace retrograd
