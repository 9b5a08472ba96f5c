// Copies of arrays into arrays: other orders of memory, other dtypes, repeated along axes; by all threads where large.
#pragma once
#include "numpy_api.h"

#include "array.h"
#include "python.h"

namespace retrograd {

// Where an array's elements are, with strides in bytes. It owns nothing.
struct Memory {
    char *data;
    int ndim, item, number;  // number: NumPy's of the dtype
    int64_t shape[kMaxDims], strides[kMaxDims];

    // Fills it; false for what isn't copied here (objects, records, other byte orders, more than 8 dimensions).
    bool see(PyObject *array);
    // Its part [from, from + n) along an axis.
    Memory part(int axis, int64_t from, int64_t n) const;
    int64_t size() const;
};

// Whether numbers of one dtype are made those of another here.
bool convertible(int from, int to);

// out[...] = x, of one shape; x may have strides of zero or less. Numbers are converted as NumPy's astype does it. The two
// don't overlap. Without the interpreter's lock where it takes long.
void copy_into(const Memory &out, const Memory &x);

// Fills functions of retrograd._native: `copy_into`, and rows' forwards by name into `kernels`.
void add_copying(PyObject *module, PyObject *kernels);

}  // namespace retrograd
