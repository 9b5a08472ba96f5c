#include "nest.h"

#include <cstdlib>

#include "boundary.h"

namespace retrograd {

bool Nest::add(PyArrayObject *array) {
    const int n = PyArray_NDIM(array);
    if (n > kMaxDims || !PyArray_ISALIGNED(array) || !PyArray_ISNOTSWAPPED(array)) return false;
    int64_t lengths[kMaxDims], bytes[kMaxDims];
    std::copy_n(PyArray_DIMS(array), n, lengths);
    std::copy_n(PyArray_STRIDES(array), n, bytes);
    return add(n, lengths, bytes);
}

bool Nest::add(int n, const int64_t *lengths, const int64_t *bytes) {
    if (operands >= kMostOperands) return false;
    if (n > ndim) {  // the shapes so far get axes of length 1 before them
        const int more = n - ndim;
        std::move_backward(shape, shape + ndim, shape + n);
        std::fill_n(shape, more, 1);
        for (int o = 0; o < operands; o++) {
            std::move_backward(strides[o], strides[o] + ndim, strides[o] + n);
            std::fill_n(strides[o], more, 0);
        }
        ndim = n;
    }
    for (int i = 0; i < ndim; i++) {
        const int axis = i - (ndim - n);
        const int64_t length = axis < 0 ? 1 : lengths[axis];
        strides[operands][i] = length == 1 ? 0 : bytes[axis];
        if (length == 1 || length == shape[i]) continue;
        if (shape[i] != 1) return false;
        shape[i] = length;
    }
    operands++;
    return true;
}

void Nest::sort() {
    // As NumPy's iterator does it, so that results are laid out as NumPy's own: from the innermost axis on, each goes inwards
    // past those of larger strides. Arrays that are repeated along an axis have no say; the others must not disagree.
    int from_inside[kMaxDims];
    for (int i = 0; i < ndim; i++) {
        const int axis = ndim - 1 - i;
        int place = i;
        for (int k = i - 1; k >= 0; k--) {
            bool swap = false, decided = false;
            for (int o = 0; o < operands; o++) {
                const int64_t outer = std::llabs(strides[o][axis]), inner = std::llabs(strides[o][from_inside[k]]);
                if (!outer || !inner) continue;
                swap = inner > outer && (swap || !decided);
                decided = true;
            }
            if (!decided) continue;
            if (!swap) break;
            place = k;
        }
        std::move_backward(from_inside + place, from_inside + i, from_inside + i + 1);
        from_inside[place] = axis;
    }
    std::reverse_copy(from_inside, from_inside + ndim, order);
}

void Nest::add_result(int64_t item) {
    int64_t run = item;
    for (int k = ndim - 1; k >= 0; k--) {
        strides[operands][order[k]] = run;
        run *= shape[order[k]];
    }
    operands++;
}

void Nest::merge() {
    axes = 0;
    for (int k = 0; k < ndim; k++) {
        const int axis = order[k];
        if (shape[axis] == 1) continue;
        bool joined = axes > 0;
        for (int o = 0; o < operands && joined; o++)
            joined = steps[o][axes - 1] == strides[o][axis] * shape[axis];
        if (!joined) counts[axes++] = 1;
        counts[axes - 1] *= shape[axis];
        for (int o = 0; o < operands; o++) steps[o][axes - 1] = strides[o][axis];
    }
}

void Nest::avoid_short_lines(int64_t least) {
    if (axes < 2 || counts[axes - 1] >= least || counts[axes - 2] <= counts[axes - 1]) return;
    std::swap(counts[axes - 1], counts[axes - 2]);
    for (int o = 0; o < operands; o++) std::swap(steps[o][axes - 1], steps[o][axes - 2]);
}

Ref new_result(const Nest &nest, PyObject *descr) {
    int64_t strides[kMaxDims], run = PyDataType_ELSIZE(reinterpret_cast<PyArray_Descr *>(descr));
    for (int k = nest.ndim - 1; k >= 0; k--) {
        strides[nest.order[k]] = run;
        run *= nest.shape[nest.order[k]];
    }
    return new_array_strided(nest.ndim, nest.shape, strides, descr);
}

}  // namespace retrograd
