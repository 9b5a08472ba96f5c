// NumPy arrays at the boundary: how kernels see those of Python, and new ones for their results.
#pragma once
#include "array.h"
#include "python.h"

namespace retrograd {

// Fills `to` from a NumPy array that the caller keeps alive. Gives why kernels can't read it, or nullptr.
const char *see(PyObject *object, const char *name, Array &to);

// A new array of a dtype (NumPy's descriptor; nothing is taken), contiguous or, where channels_last, (N, C, ...) with
// contiguous channels. Large ones use memory again that was freed; `stays`: for as long as a model is there.
Ref new_array(int ndim, const int64_t *shape, PyObject *descr, bool channels_last, bool stays = false);
// The same, of dense memory with these strides, in bytes.
Ref new_array_strided(int ndim, const int64_t *shape, const int64_t *strides, PyObject *descr);

}  // namespace retrograd
