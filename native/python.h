// Python objects in C++: references that count themselves, errors as exceptions. For door.cpp and walk.cpp, which
// use CPython's own interface where nanobind's conveniences would cost more than what they do.
#pragma once
#include <Python.h>

#include <utility>

namespace retrograd {

struct Raised {};  // thrown where a Python exception is set

class Ref {
  public:
    Ref() = default;
    Ref(Ref &&other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    Ref(const Ref &) = delete;
    Ref &operator=(Ref &&other) noexcept {
        PyObject *old = std::exchange(object_, std::exchange(other.object_, nullptr));
        Py_XDECREF(old);  // last: it may run any code
        return *this;
    }
    ~Ref() { Py_XDECREF(object_); }

    static Ref steal(PyObject *object) {  // of a new reference, as most functions return
        Ref ref;
        ref.object_ = object;
        return ref;
    }
    static Ref borrow(PyObject *object) {
        Py_XINCREF(object);
        return steal(object);
    }
    PyObject *get() const { return object_; }
    PyObject *release() { return std::exchange(object_, nullptr); }
    explicit operator bool() const { return object_ != nullptr; }

  private:
    PyObject *object_ = nullptr;
};

// A new reference that a function of Python's returned, or its error.
inline Ref checked(PyObject *object) {
    if (!object) throw Raised{};
    return Ref::steal(object);
}
inline void checked(int status) {
    if (status < 0) throw Raised{};
}

// Attributes of Tensors and nodes, whose classes define no __getattribute__; also skips a node's __getattr__.
inline Ref attribute(PyObject *object, PyObject *name) { return checked(PyObject_GenericGetAttr(object, name)); }
inline void set_attribute(PyObject *object, PyObject *name, PyObject *value) {
    checked(PyObject_GenericSetAttr(object, name, value));
}

inline bool truth(PyObject *object) {
    if (object == Py_True) return true;
    if (object == Py_False || object == Py_None) return false;
    const int answer = PyObject_IsTrue(object);
    checked(answer);
    return answer;
}

template <class... Args> Ref call(PyObject *function, Args... args) {
    PyObject *const given[] = {nullptr, args...};
    return checked(PyObject_Vectorcall(function, given + 1, sizeof...(args) | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr));
}

inline Ref imported(const char *module, const char *name) {
    return checked(PyObject_GetAttrString(checked(PyImport_ImportModule(module)).get(), name));
}

// The exception that is set, taken away or put back.
inline Ref take_exception() {
#if PY_VERSION_HEX >= 0x030C0000
    return Ref::steal(PyErr_GetRaisedException());
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback) PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return Ref::steal(value);
#endif
}
inline void raise_exception(Ref error) {
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(error.release());
#else
    PyObject *value = error.release();
    PyErr_Restore(Py_NewRef(reinterpret_cast<PyObject *>(Py_TYPE(value))), value, PyException_GetTraceback(value));
#endif
}

}  // namespace retrograd
