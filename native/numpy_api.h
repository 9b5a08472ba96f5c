// NumPy's C interface for the files beside door.cpp, which imports it for them.
#pragma once
#include <Python.h>

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION
#define PY_ARRAY_UNIQUE_SYMBOL retrograd_door_numpy
#ifndef RETROGRAD_IMPORTS_NUMPY
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

namespace retrograd {

inline PyArrayObject *numpy(PyObject *array) { return reinterpret_cast<PyArrayObject *>(array); }

}  // namespace retrograd
