// What modules do around their rows, compiled: see door.h; nn/modules/calling.py and module.py explain it.
#include "numpy_api.h"

#include "door.h"

namespace retrograd {
namespace {

// The hooks of all modules: dictionaries that are changed, never replaced.
struct Hooks {
    Ref all[4];

    Hooks() {
        const char *called[] = {"_global_forward_hooks", "_global_forward_pre_hooks", "_global_backward_hooks",
                                "_global_backward_pre_hooks"};
        for (int i = 0; i < 4; i++) all[i] = imported("retrograd.nn.modules.calling", called[i]);
    }
    bool any() const {
        for (const Ref &hooks : all)
            if (PyDict_GET_SIZE(hooks.get())) return true;
        return false;
    }
};

// An attribute of an instance or its class, without __getattr__; empty if there is none.
Ref found(PyObject *object, PyObject *name) {
    Ref value = Ref::steal(PyObject_GenericGetAttr(object, name));
    if (value) return value;
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) throw Raised{};
    PyErr_Clear();
    return value;
}

}  // namespace

// Module.__call__(module, ...) without hooks
Ref call_module(Compiled &, PyObject *const *args, Py_ssize_t count) {
    static const Hooks *global = new Hooks;
    if (count < 1 || global->any()) return {};
    for (PyObject *name : {names._forward_hooks, names._forward_pre_hooks, names._backward_hooks, names._backward_pre_hooks}) {
        const Ref hooks = found(args[0], name);
        if (!hooks || truth(hooks.get())) return {};
    }
    const Ref forward = checked(PyObject_GetAttr(args[0], names.forward));
    PyObject *out = PyObject_Vectorcall(forward.get(), args + 1, count - 1, nullptr);
    if (out) return Ref::steal(out);
    if (PyErr_ExceptionMatches(PyExc_AttributeError) || PyErr_ExceptionMatches(PyExc_TypeError)) {
        Ref error = take_exception();
        static PyObject *explain = imported("retrograd.nn.modules.calling", "_explain_argument").release();
        call(explain, args[0], tuple_of(args + 1, count - 1).get(), error.get());
        raise_exception(std::move(error));
    }
    throw Raised{};
}

// Module.__getattr__(module, name) of what is there
Ref module_attribute(Compiled &, PyObject *const *args, Py_ssize_t count) {
    if (count != 2) return {};
    for (PyObject *store : {names._parameters, names._buffers, names._modules}) {
        const Ref own = found(args[0], store);
        if (!own || !PyDict_CheckExact(own.get())) return {};
        PyObject *value = PyDict_GetItemWithError(own.get(), args[1]);
        if (value) return Ref::borrow(value);
        if (PyErr_Occurred()) throw Raised{};
    }
    return {};
}

namespace {

template <class T> void move_towards(T *running, const T *value, int64_t count, double keep, double share) {
    for (int64_t i = 0; i < count; i++) running[i] = running[i] * static_cast<T>(keep) + value[i] * static_cast<T>(share);
}

bool plain(PyObject *object, int type, int writeable) {
    if (!PyArray_CheckExact(object)) return false;
    auto *a = reinterpret_cast<PyArrayObject *>(object);
    return PyArray_TYPE(a) == type && PyArray_CHKFLAGS(a, NPY_ARRAY_CARRAY_RO | writeable);
}

// follow(running, value, keep, share): running = keep running + share value, in place, of contiguous floats; whether it was
// done
PyObject *follow(PyObject *, PyObject *const *args, Py_ssize_t count) {
    if (count != 4) return PyErr_Format(PyExc_TypeError, "follow expects 4 arguments, got %zd", count);
    const double keep = PyFloat_AsDouble(args[2]), share = PyFloat_AsDouble(args[3]);
    if (PyErr_Occurred()) return nullptr;
    for (const int type : {NPY_FLOAT, NPY_DOUBLE}) {
        if (!plain(args[0], type, NPY_ARRAY_WRITEABLE) || !plain(args[1], type, 0)) continue;
        auto *x = reinterpret_cast<PyArrayObject *>(args[0]), *y = reinterpret_cast<PyArrayObject *>(args[1]);
        if (PyArray_NDIM(x) != 1 || PyArray_NDIM(y) != 1 || PyArray_DIM(x, 0) != PyArray_DIM(y, 0)) continue;
        void *to = PyArray_DATA(x), *from = PyArray_DATA(y);
        const int64_t n = PyArray_DIM(x, 0);
        if (type == NPY_FLOAT) move_towards(static_cast<float *>(to), static_cast<float *>(from), n, keep, share);
        else move_towards(static_cast<double *>(to), static_cast<double *>(from), n, keep, share);
        Py_RETURN_TRUE;
    }
    Py_RETURN_FALSE;
}

// advance(count): an array of one number grows by 1, in place; the number then, or None if it isn't one of those known here
PyObject *advance(PyObject *, PyObject *object) {
    auto *array = reinterpret_cast<PyArrayObject *>(object);
    if (!PyArray_CheckExact(object) || PyArray_NDIM(array)) Py_RETURN_NONE;
    void *data = PyArray_DATA(array);
    if (plain(object, NPY_INT64, NPY_ARRAY_WRITEABLE)) return PyLong_FromLongLong(++*static_cast<int64_t *>(data));
    if (plain(object, NPY_FLOAT, NPY_ARRAY_WRITEABLE)) return PyFloat_FromDouble(++*static_cast<float *>(data));
    if (plain(object, NPY_DOUBLE, NPY_ARRAY_WRITEABLE)) return PyFloat_FromDouble(++*static_cast<double *>(data));
    Py_RETURN_NONE;
}

PyMethodDef functions[] = {
    {"follow", reinterpret_cast<PyCFunction>(reinterpret_cast<void *>(follow)), METH_FASTCALL,
     "running = keep running + share value, in place; whether these arrays are such that it was done."},
    {"advance", advance, METH_O, "A 0-d array grows by 1, in place; the number then, or None for unusual ones."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void add_layers(PyObject *module) { checked(PyModule_AddFunctions(module, functions)); }

}  // namespace retrograd
