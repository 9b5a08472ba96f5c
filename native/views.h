// NumPy arrays and what stands for them, as the functions that Python calls are given them.
#pragma once
#include "numpy_api.h"

#include <nanobind/nanobind.h>

#include <string>

#include "array.h"
#include "boundary.h"
#include "factors.h"
#include "images.h"

namespace retrograd {

namespace nb = nanobind;

// A NumPy array as the kernels see it. The caller's argument keeps it alive.
struct View : Array {
    View(nb::handle object, const char *label) {
        const char *why = see(object.ptr(), label, *this);
        if (!why) return;
        const std::string message = std::string(label) + " " + why;
        if (!PyArray_Check(object.ptr())) throw nb::type_error(message.c_str());
        refuse(message);
    }
};

// Factors as Python holds them (core/deferred.py): the product's shape is (O, I, KH, KW), or (O, I) of a linear layer.
struct WeightFactors {
    nb::tuple shape;
    nb::object dtype;
    Factors factors;

    // Whether an array has the product's dtype and shape, and its order in memory.
    bool fit(nb::handle array) const {
        if (!PyArray_CheckExact(array.ptr())) return false;
        auto *a = reinterpret_cast<PyArrayObject *>(array.ptr());
        if (!PyArray_EquivTypes(PyArray_DESCR(a), reinterpret_cast<PyArray_Descr *>(dtype.ptr()))) return false;
        const int n = PyArray_NDIM(a);
        if (!PyArray_ISALIGNED(a) || n != static_cast<int>(nb::len(shape))) return false;
        for (int i = 0; i < n; i++)
            if (PyArray_DIM(a, i) != nb::cast<npy_intp>(shape[i])) return false;
        if (n == 2) return PyArray_IS_C_CONTIGUOUS(a);
        return is_ohwi(View(array, "weight"));
    }
};

}  // namespace retrograd
