// Arrays that broadcast to one shape, walked together: line by line along the densest axis.
#pragma once
#include "numpy_api.h"

#include <algorithm>
#include <cstdint>

#include "array.h"
#include "pool.h"
#include "python.h"

namespace retrograd {

constexpr int kMostOperands = 13;

struct Nest {
    int operands = 0, ndim = 0;              // arrays; axes of the shape
    int64_t shape[kMaxDims];                 // that they broadcast to
    int64_t strides[kMostOperands][kMaxDims];  // in bytes; 0 along axes that an array is repeated on
    int order[kMaxDims];                     // the axes from the outermost to the densest, as NumPy orders a result's
    int axes = 0;                            // after `merge`: those of the walk, outermost first
    int64_t counts[kMaxDims], steps[kMostOperands][kMaxDims];

    // Takes an array in; false if it doesn't broadcast with those before, or has too many dimensions.
    bool add(PyArrayObject *array);
    bool add(int dimensions, const int64_t *lengths, const int64_t *bytes);
    // Orders the axes; to be called when all arrays are in.
    void sort();
    // Takes in a result of the whole shape, densely laid out in the axes' order, of elements of so many bytes.
    void add_result(int64_t item);
    // Joins axes that all arrays run through in one step.
    void merge();
    // Lines along the axis beside the innermost, where that one is short.
    void avoid_short_lines(int64_t least);

    int64_t size() const {
        int64_t n = 1;
        for (int i = 0; i < ndim; i++) n *= shape[i];
        return n;
    }
    int64_t length() const { return axes ? counts[axes - 1] : 1; }  // of a line
    int64_t step(int operand) const { return axes ? steps[operand][axes - 1] : 0; }

    // Calls body(data, n, slot) for pieces of at most `most` elements of lines, spread over `slots` threads; data: where each
    // operand's piece begins.
    template <class Body> void run(char *const *bases, int64_t most, int64_t task, int slots, const Body &body) const {
        if (size() == 0) return;
        const int64_t n = length(), whole = axes > 1 ? size() / n : 1, parts = (n + most - 1) / most, units = whole * parts;
        const int64_t each = std::max<int64_t>(1, task / std::min(n, most));
        parallel((units + each - 1) / each, slots, [&](int64_t number, int slot) {
            const int64_t first = number * each, end = std::min(units, first + each);
            int64_t index[kMaxDims], rest = first / parts, part = first % parts;
            char *line[kMostOperands], *data[kMostOperands];
            std::copy_n(bases, operands, line);
            for (int k = axes - 2; k >= 0; k--) {
                index[k] = rest % counts[k];
                rest /= counts[k];
                for (int o = 0; o < operands; o++) line[o] += index[k] * steps[o][k];
            }
            for (int64_t unit = first; unit < end; unit++) {
                const int64_t from = part * most;
                for (int o = 0; o < operands; o++) data[o] = line[o] + from * step(o);
                body(data, std::min(most, n - from), slot);
                if (++part < parts) continue;
                part = 0;
                for (int k = axes - 2; k >= 0; k--) {
                    if (++index[k] < counts[k]) {
                        for (int o = 0; o < operands; o++) line[o] += steps[o][k];
                        break;
                    }
                    for (int o = 0; o < operands; o++) line[o] -= steps[o][k] * (counts[k] - 1);
                    index[k] = 0;
                }
            }
        });
    }
};

// A new array of the nest's shape, laid out as add_result says.
Ref new_result(const Nest &nest, PyObject *descr);

}  // namespace retrograd
