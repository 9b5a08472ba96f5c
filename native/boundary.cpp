#include "numpy_api.h"

#include "boundary.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "memory.h"

namespace retrograd {
namespace {

// NumPy arrays in memory from the cache (NEP 49: the handler goes with the array, which owns its memory as any other).
// The context tells whether their memory stays.
bool brief = false, lasting = true;

void *cached_malloc(void *stays, size_t size) {
    try {
        return acquire(size, *static_cast<bool *>(stays));
    } catch (const std::bad_alloc &) {
        return nullptr;  // NumPy raises MemoryError
    }
}
void *cached_calloc(void *stays, size_t count, size_t size) {
    void *data = cached_malloc(stays, count * size);
    return data ? std::memset(data, 0, count * size) : nullptr;
}
void *cached_realloc(void *stays, void *old, size_t size) {
    void *data = cached_malloc(stays, size);
    if (data && old) std::memcpy(data, old, std::min(size, capacity(old)));
    if (data) release(old);
    return data;
}
void cached_free(void *, void *data, size_t) { release(data); }

PyDataMem_Handler handlers[2] = {
    {"retrograd's cache", 1, {&brief, cached_malloc, cached_calloc, cached_realloc, cached_free}},
    {"retrograd's cache", 1, {&lasting, cached_malloc, cached_calloc, cached_realloc, cached_free}}};

constexpr int64_t kCachedFrom = 1 << 15;  // bytes; NumPy keeps small blocks itself

}  // namespace

const char *see(PyObject *object, const char *name, Array &to) {
    if (!PyArray_Check(object)) return "must be a NumPy array";
    auto *array = reinterpret_cast<PyArrayObject *>(object);
    to.name = name;
    to.data = PyArray_DATA(array);
    to.ndim = PyArray_NDIM(array);
    to.writable = PyArray_ISWRITEABLE(array);
    const int64_t item = PyArray_ITEMSIZE(array);
    to.type = PyArray_DESCR(array)->type;
    if ((to.type == 'l' || to.type == 'q') && item == 8) to.type = 'q';
    if (item == 0) return "has elements without size";
    if (!PyArray_ISNOTSWAPPED(array)) return "is not in this machine's byte order";
    if (!PyArray_ISALIGNED(array)) return "is not aligned";
    if (to.ndim > kMaxDims) return "has more than 8 dimensions";
    for (int i = 0; i < to.ndim; i++) {
        to.shape[i] = PyArray_DIM(array, i);
        if (PyArray_STRIDE(array, i) % item) return "has strides that are not whole elements";
        to.stride[i] = PyArray_STRIDE(array, i) / item;
    }
    return nullptr;
}

namespace {

// run: bytes of the array; strides: in bytes, or nullptr for C order
Ref new_memory(int ndim, const int64_t *shape, const int64_t *steps, int64_t run, PyObject *descr, bool stays) {
    static PyObject *const capsules[2] = {PyCapsule_New(&handlers[0], "mem_handler", nullptr),
                                          PyCapsule_New(&handlers[1], "mem_handler", nullptr)};
    npy_intp dims[kMaxDims], strides[kMaxDims];
    std::copy(shape, shape + ndim, dims);
    if (steps) std::copy(steps, steps + ndim, strides);
    Py_INCREF(descr);  // the new array takes it
    PyObject *before = run >= kCachedFrom ? PyDataMem_SetHandler(capsules[stays]) : nullptr;
    PyObject *array = PyArray_NewFromDescr(&PyArray_Type, reinterpret_cast<PyArray_Descr *>(descr), ndim, dims,
                                           steps ? strides : nullptr, nullptr, 0, nullptr);
    if (before) {
        Py_XDECREF(PyDataMem_SetHandler(before));
        Py_DECREF(before);
    }
    return checked(array);
}

}  // namespace

Ref new_array(int ndim, const int64_t *shape, PyObject *descr, bool channels_last, bool stays) {
    int64_t strides[kMaxDims], run = PyDataType_ELSIZE(reinterpret_cast<PyArray_Descr *>(descr));
    const bool move = channels_last && ndim > 2;
    for (int k = ndim - 1; k >= 0; k--) {
        const int axis = !move || k == 0 ? k : k == ndim - 1 ? 1 : k + 1;  // from the densest on
        strides[axis] = run;
        run *= shape[axis];
    }
    return new_memory(ndim, shape, move ? strides : nullptr, run, descr, stays);
}

Ref new_array_strided(int ndim, const int64_t *shape, const int64_t *strides, PyObject *descr) {
    int64_t run = PyDataType_ELSIZE(reinterpret_cast<PyArray_Descr *>(descr));
    bool in_c_order = true;
    for (int k = ndim - 1; k >= 0; k--) {
        in_c_order = in_c_order && strides[k] == run;
        run *= shape[k];
    }
    return new_memory(ndim, shape, in_c_order ? nullptr : strides, run, descr, false);
}

}  // namespace retrograd
