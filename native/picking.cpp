// Elements picked by index, and gradients put back there: functions of retrograd._native for the rows in ops/along.py,
// ops/picking.py and ops/embeddings.py.
#include "numpy_api.h"

#include "door.h"

#include <algorithm>
#include <atomic>

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

constexpr int64_t kColumns = 256;     // that one thread adds to
constexpr int64_t kShared = 1 << 15;  // elements from which on threads share the work

// Of indices of any layout; those that are repeated are looked at once.
bool are_below(const Array &indices, int64_t limit) {
    int64_t order[kMaxDims], dims = 0, size = 1;
    for (int d = 0; d < indices.ndim; d++) {
        if (indices.shape[d] == 0) return true;
        if (indices.shape[d] == 1 || indices.stride[d] == 0) continue;
        order[dims++] = d;
        size *= indices.shape[d];
    }
    const int64_t n = dims ? indices.shape[order[dims - 1]] : 1, step = dims ? indices.stride[order[dims - 1]] : 0;
    const int64_t lines = size / n, each = std::max<int64_t>(1, kShared / n), tasks = (lines + each - 1) / each;
    std::atomic<bool> wrong = false;
    const Alone alone(size < kShared);
    parallel(tasks, [&](int64_t task) {
        uint64_t beyond = 0;  // its highest bit is set as soon as one index, or its distance to the limit, is negative
        for (int64_t line = task * each; line < std::min(lines, (task + 1) * each); line++) {
            const int64_t *index = indices.as<int64_t>();
            int64_t rest = line;
            for (int64_t k = dims - 2; k >= 0; k--) {
                index += rest % indices.shape[order[k]] * indices.stride[order[k]];
                rest /= indices.shape[order[k]];
            }
            const auto look = [&](uint64_t at) { beyond |= at | (static_cast<uint64_t>(limit - 1) - at); };
            if (step == 1)
                for (int64_t i = 0; i < n; i++) look(index[i]);
            else
                for (int64_t i = 0; i < n; i++) look(index[i * step]);
        }
        if (beyond >> 63) wrong = true;
    });
    return !wrong;
}

template <class F> bool by_type(char type, F body) {
    if (type == 'f') body(0.0f);
    else if (type == 'd') body(0.0);
    else return false;
    return true;
}

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

// The same for elements that are only copied.
template <class F> bool by_size(int64_t item, F body) {
    if (item == 1) body(uint8_t(0));
    else if (item == 2) body(uint16_t(0));
    else if (item == 4) body(uint32_t(0));
    else if (item == 8) body(uint64_t(0));
    else return false;
    return true;
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

// Calls body(element of `wide`, element of `narrow`) for each index, in the order of the indices for each element of `wide`.
// wide: an array whose elements are picked along `axis`. Threads have parts of one axis: not of `axis`, if `adds`, so that
// no two of them have the same elements.
template <class T, bool adds, class F> void along(const Array &wide, const Array &indices, const Array &narrow, int axis, F body) {
    const int last = indices.ndim - 1;
    const int64_t size = indices.size();
    if (size == 0) return;
    int split = -1;
    for (int d = 0; d <= last; d++)
        if (!(adds && d == axis) && (split < 0 || (indices.shape[split] < 8 && indices.shape[d] > indices.shape[split]))) split = d;
    const int64_t whole = split < 0 ? 1 : indices.shape[split];
    const int64_t least = split == last ? 64 : 1, most = std::max<int64_t>(1, size / (kShared / 2));
    const int64_t each = std::max(least, (whole + most - 1) / most);
    const Alone alone(size < kShared);
    parallel((whole + each - 1) / each, [&](int64_t task) {
        int64_t first[kMaxDims] = {}, end[kMaxDims], at[kMaxDims];
        std::copy_n(indices.shape, indices.ndim, end);
        if (split >= 0) first[split] = task * each, end[split] = std::min(whole, (task + 1) * each);
        std::copy_n(first, indices.ndim, at);
        const int64_t n = end[last] - first[last], step = wide.stride[last], index_step = indices.stride[last];
        for (;;) {
            T *to = wide.as<T>(), *line = narrow.as<T>();
            const int64_t *index = indices.as<int64_t>();
            for (int d = 0; d <= last; d++) {
                if (d != axis) to += at[d] * wide.stride[d];
                line += at[d] * narrow.stride[d];
                index += at[d] * indices.stride[d];
            }
            if (axis == last)
                for (int64_t i = 0; i < n; i++) body(to[index[i * index_step] * step], line[i]);
            else if (index_step == 0 && step == 1)
                for (int64_t i = 0, row = *index * wide.stride[axis]; i < n; i++) body(to[row + i], line[i]);
            else
                for (int64_t i = 0; i < n; i++) body(to[i * step + index[i * index_step] * wide.stride[axis]], line[i]);
            int d = last - 1;
            while (d >= 0 && ++at[d] == end[d]) at[d] = first[d], d--;
            if (d < 0) return;
        }
    });
}

// Reads the arrays (wide, indices, narrow) and the axis; whether they fit each other and are of types known here.
bool read_along(PyObject *const *args, Array &wide, Array &indices, Array &narrow, int &axis) {
    axis = static_cast<int>(PyLong_AsLong(args[3]));
    if (axis == -1 && PyErr_Occurred()) throw Raised{};
    if (see(args[0], "wide", wide) || see(args[1], "indices", indices) || see(args[2], "narrow", narrow) ||
        wide.ndim != indices.ndim || narrow.ndim != indices.ndim || axis < 0 || axis >= wide.ndim || indices.type != 'q' ||
        wide.type != narrow.type || !in_c_order(narrow))
        return false;
    for (int d = 0; d < wide.ndim; d++)
        if (narrow.shape[d] != indices.shape[d] || (d != axis && indices.shape[d] > wide.shape[d])) return false;
    return are_below(indices, wide.shape[axis]);
}

// add_along(out, indices, values, axis), indices of any layout: out at the indices along an axis grows by the values; whether it was done
PyObject *add_along(PyObject *, PyObject *const *args, Py_ssize_t count) {
    if (count != 4) return PyErr_Format(PyExc_TypeError, "add_along expects 4 arguments, got %zd", count);
    try {
        Array out, indices, values;
        int axis;
        if (!read_along(args, out, indices, values, axis) || !out.writable) Py_RETURN_FALSE;
        return PyBool_FromLong(by_type(out.type, [&](auto zero) {
            using T = decltype(zero);
            along<T, true>(out, indices, values, axis, [](T &to, T from) { to += from; });
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
        return PyBool_FromLong(by_size(PyArray_ITEMSIZE(reinterpret_cast<PyArrayObject *>(args[0])), [&](auto zero) {
            using T = decltype(zero);
            along<T, false>(x, indices, out, axis, [](T from, T &to) { to = from; });
        }));
    } catch (Raised) {
        return nullptr;
    }
}

template <PyObject *function(PyObject *, PyObject *const *, Py_ssize_t)> PyCFunction as_function() {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void *>(function));
}

// indices_below(indices, limit): whether all are in [0, limit); None for what is not an array of int64
PyObject *indices_below(PyObject *, PyObject *const *args, Py_ssize_t count) {
    if (count != 2) return PyErr_Format(PyExc_TypeError, "indices_below expects 2 arguments, got %zd", count);
    const long long limit = PyLong_AsLongLong(args[1]);
    if (limit == -1 && PyErr_Occurred()) return nullptr;
    Array indices;
    if (limit < 0 || see(args[0], "indices", indices) || indices.type != 'q') Py_RETURN_NONE;
    return PyBool_FromLong(are_below(indices, limit));
}

PyMethodDef functions[] = {
    {"add_rows", as_function<add_rows>(), METH_FASTCALL, "out[rows[i]] += values[i], in order; whether it was done."},
    {"add_along", as_function<add_along>(), METH_FASTCALL, "out grows at indices along an axis; whether it was done."},
    {"indices_below", as_function<indices_below>(), METH_FASTCALL, "Whether all are in [0, limit); None for other types."},
    {"take_along", as_function<take_along>(), METH_FASTCALL, "x at indices along an axis, into out; whether it was done."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void add_picking(PyObject *module) { checked(PyModule_AddFunctions(module, functions)); }

}  // namespace retrograd
