// Elements picked by index, and gradients put back there: functions of retrograd._native for the rows in ops/along.py,
// ops/picking.py and ops/embeddings.py.
#include "numpy_api.h"

#include "door.h"

#include <algorithm>

#include "boundary.h"
#include "pool.h"

namespace retrograd {
namespace {

bool in_c_order(const Array &x) {
    int64_t run = 1;
    if (x.size() == 0) return true;
    for (int i = x.ndim - 1; i >= 0; i--) {
        if (x.shape[i] != 1 && x.stride[i] != run) return false;
        run *= x.shape[i];
    }
    return true;
}

bool are_below(const Array &indices, int64_t limit) {
    const int64_t *i = indices.as<int64_t>(), *end = i + indices.size();
    return std::all_of(i, end, [&](int64_t at) { return at >= 0 && at < limit; });
}

template <class F> bool by_type(char type, F body) {
    if (type == 'f') body(0.0f);
    else if (type == 'd') body(0.0);
    else return false;
    return true;
}

constexpr int64_t kColumns = 256;      // that one thread adds to
constexpr int64_t kShared = 1 << 15;  // elements from which on threads share the work

template <class T> void add_each(const Array &out, const int64_t *rows, const Array &values) {
    const int64_t count = values.shape[0], width = values.shape[1];
    const Alone alone(values.size() < kShared);
    parallel((width + kColumns - 1) / kColumns, [&](int64_t task) {
        const int64_t first = task * kColumns, n = std::min(kColumns, width - first);
        for (int64_t i = 0; i < count; i++) {
            T *to = out.as<T>() + rows[i] * out.stride[0] + first;
            const T *from = values.as<T>() + i * values.stride[0] + first;
            for (int64_t k = 0; k < n; k++) to[k] += from[k];
        }
    });
}

// add_rows(out, rows, values): out[rows[i]] += values[i], in order; whether these are arrays for which it was done
PyObject *add_rows(PyObject *, PyObject *const *args, Py_ssize_t count) {
    if (count != 3) return PyErr_Format(PyExc_TypeError, "add_rows expects 3 arguments, got %zd", count);
    Array out, rows, values;
    if (see(args[0], "out", out) || see(args[1], "rows", rows) || see(args[2], "values", values) || out.ndim != 2 ||
        values.ndim != 2 || rows.ndim != 1 || rows.type != 'q' || !in_c_order(rows) || !out.writable ||
        values.type != out.type || values.shape[0] != rows.shape[0] || values.shape[1] != out.shape[1] ||
        (out.shape[1] > 1 && values.size() && (out.stride[1] != 1 || values.stride[1] != 1)) || !are_below(rows, out.shape[0]))
        Py_RETURN_FALSE;
    return PyBool_FromLong(by_type(out.type, [&](auto zero) { add_each<decltype(zero)>(out, rows.as<int64_t>(), values); }));
}

// Calls body(place in `wide`, place in an array of the indices' shape in C order) for each index. wide: an array whose
// elements are picked along `axis`.
template <class F> void along(const Array &wide, const Array &indices, int axis, F body) {
    const int64_t count = indices.size();
    const int64_t *index = indices.as<int64_t>();
    int64_t at[kMaxDims] = {}, place = 0;  // of the other axes
    for (int64_t i = 0; i < count; i++) {
        body(place + index[i] * wide.stride[axis], i);
        for (int d = indices.ndim - 1; d >= 0; d--) {
            const int64_t step = d == axis ? 0 : wide.stride[d];
            if (++at[d] < indices.shape[d]) {
                place += step;
                break;
            }
            place -= step * (at[d] - 1);
            at[d] = 0;
        }
    }
}

// Reads the arrays (wide, indices, narrow) and the axis; whether they fit each other and are of types known here.
bool read_along(PyObject *const *args, Array &wide, Array &indices, Array &narrow, int &axis) {
    axis = static_cast<int>(PyLong_AsLong(args[3]));
    if (axis == -1 && PyErr_Occurred()) throw Raised{};
    if (see(args[0], "wide", wide) || see(args[1], "indices", indices) || see(args[2], "narrow", narrow) ||
        wide.ndim != indices.ndim || narrow.ndim != indices.ndim || axis < 0 || axis >= wide.ndim || indices.type != 'q' ||
        wide.type != narrow.type || !in_c_order(indices) || !in_c_order(narrow))
        return false;
    for (int d = 0; d < wide.ndim; d++)
        if (narrow.shape[d] != indices.shape[d] || (d != axis && indices.shape[d] > wide.shape[d])) return false;
    return are_below(indices, wide.shape[axis]);
}

// add_along(out, indices, values, axis): out at the indices along an axis grows by the values; whether it was done
PyObject *add_along(PyObject *, PyObject *const *args, Py_ssize_t count) {
    if (count != 4) return PyErr_Format(PyExc_TypeError, "add_along expects 4 arguments, got %zd", count);
    try {
        Array out, indices, values;
        int axis;
        if (!read_along(args, out, indices, values, axis) || !out.writable) Py_RETURN_FALSE;
        return PyBool_FromLong(by_type(out.type, [&](auto zero) {
            using T = decltype(zero);
            along(out, indices, axis, [&](int64_t to, int64_t from) { out.as<T>()[to] += values.as<T>()[from]; });
        }));
    } catch (Raised) {
        return nullptr;
    }
}

// take_along(x, indices, out, axis): out, in C order, becomes x at the indices along an axis; whether it was done
PyObject *take_along(PyObject *, PyObject *const *args, Py_ssize_t count) {
    if (count != 4) return PyErr_Format(PyExc_TypeError, "take_along expects 4 arguments, got %zd", count);
    try {
        Array x, indices, out;
        int axis;
        if (!read_along(args, x, indices, out, axis) || !out.writable) Py_RETURN_FALSE;
        return PyBool_FromLong(by_type(x.type, [&](auto zero) {
            using T = decltype(zero);
            along(x, indices, axis, [&](int64_t from, int64_t to) { out.as<T>()[to] = x.as<T>()[from]; });
        }));
    } catch (Raised) {
        return nullptr;
    }
}

template <PyObject *function(PyObject *, PyObject *const *, Py_ssize_t)> PyCFunction as_function() {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void *>(function));
}

PyMethodDef functions[] = {
    {"add_rows", as_function<add_rows>(), METH_FASTCALL, "out[rows[i]] += values[i], in order; whether it was done."},
    {"add_along", as_function<add_along>(), METH_FASTCALL, "out grows at indices along an axis; whether it was done."},
    {"take_along", as_function<take_along>(), METH_FASTCALL, "x at indices along an axis, into out; whether it was done."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void add_picking(PyObject *module) { checked(PyModule_AddFunctions(module, functions)); }

}  // namespace retrograd
