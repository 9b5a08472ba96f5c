// Results that wait: batch norm's array is made when somebody looks, or in one pass over memory with what comes next.
//
// A batch norm computes its moments at once and leaves a Tensor without an array: its attribute `_pending` is a Pending,
// which has what the array is made from. Tensor._array is a descriptor that Python asks only where a Tensor has no array of
// its own, and which makes it: so whoever looks, from Python or from here, gets what he would have got, of the same bits.
// Only the door (door.cpp) and the in-place methods (inplace.cpp) know of Pendings, and only for what comes after a batch
// norm in networks: a relu is then applied on the way, and the sum with another Tensor, such as a residual block's
// shortcut, waits in its turn. The graph is recorded as ever: neither the formula of a relu nor those of a sum or of batch
// norm need the values that were never made.
//
// What a Pending reads must stay as it is until then. The Tensor whose array that is therefore gives it up to a Guard: who
// looks at it (to write to it, or to hand its memory on) has the arrays made that depend on it, and then gets it back. A
// result waits only where nobody but that Tensor has the array: no view, no NumPy array of the user's; a node that saved
// it as its own output hands it on only after settle(). Numbers per channel are copied: parameters and running statistics
// may change.
#pragma once
#include "door.h"

namespace retrograd {

// What a row gives without looking at all of its arguments; empty: it has to be run as ever. A batch norm's (the first of)
// results and a sum may be Pendings. `inplace`: the result takes the first argument's place.
Ref without_looking(Row &row, PyObject *const *args, Py_ssize_t count, bool inplace);

bool is_pending(PyObject *value);
Ref wrap_pending(PyObject *pending);      // a Tensor that waits
PyObject *pattern_of(PyObject *pending);  // an array of the dtype and shape it will have; borrowed

// Gives a Tensor an array, or a Pending; what it had is gone.
void give(PyObject *tensor, PyObject *value);

// Has the Tensors among `args` guard what a Pending reads: after the graph was recorded, which may look at them.
void guard(PyObject *pending, PyObject *const *args, Py_ssize_t count);

}  // namespace retrograd
