// The row kernels of matrix products and of sums over leading axes: see row_kernels.h.
#include "numpy_api.h"

#include "row_kernels.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "boundary.h"
#include "conv.h"
#include "isa.h"
#include "kernels.h"
#include "matmul.h"
#include "memory.h"
#include "pointwise.h"
#include "rows.h"

namespace retrograd {
namespace {

void exchange_last(Array &x) {
    std::swap(x.shape[x.ndim - 1], x.shape[x.ndim - 2]);
    std::swap(x.stride[x.ndim - 1], x.stride[x.ndim - 2]);
}

bool runs_by_rows(const Array &x) {
    return (x.shape[1] == 1 || x.stride[1] == 1) && (x.shape[0] == 1 || x.stride[0] == x.shape[1]);
}
bool runs_by_columns(const Array &x) {
    return (x.shape[0] == 1 || x.stride[0] == 1) && (x.shape[1] == 1 || x.stride[1] == x.shape[0]);
}

// A matrix as images of one pixel.
Array pixels(Array x) {
    x.ndim = 4;
    x.shape[2] = x.shape[3] = 1;
    x.stride[2] = x.stride[3] = 1;
    return x;
}

constexpr int64_t kFew = 16, kLarge = 1 << 16;  // rows; elements

// A layer's product, or one of its gradients, for few rows and a large weight (features out, in): as the convolution of
// so many images of one pixel, which reads or writes the weight once, as it lies. Gives false where it isn't one.
bool multiply_few(const Array &x, const Array &y, const Array *bias, const Array &out) {
    const int64_t few = std::min(x.shape[0], x.shape[1]);
    const int64_t features = std::min(y.shape[1], std::max(x.shape[0], x.shape[1]));
    if (few > kFew || few == 0 || features < kFew || std::max(y.size(), out.size()) < kLarge) return false;
    const ConvGeometry once = {{1, 1}, {0, 0}, {1, 1}, 1};
    Array x_t = x, y_t = y;
    exchange_last(x_t);
    exchange_last(y_t);
    if (x.shape[1] == few && runs_by_columns(x) && runs_by_rows(y) && !bias)
        conv2d_weight_gradient(pixels(x_t), pixels(y), pixels(out), once);
    else if (x.shape[0] == few && runs_by_rows(x) && runs_by_columns(y))
        conv2d_forward(pixels(x), pixels(y_t), bias, pixels(out), once);
    else if (x.shape[0] == few && runs_by_rows(x) && runs_by_rows(y) && !bias)
        conv2d_input_gradient(pixels(x), pixels(y), pixels(out), once);
    else
        return false;
    return true;
}

// The leading axes of x as one, where strides allow it.
bool collapse(Array &x) {
    int64_t rows = 1, stride = x.stride[x.ndim - 2];
    for (int i = x.ndim - 2; i >= 0; i--) {
        if (x.shape[i] != 1) {
            if (rows != 1 && x.stride[i] != rows * stride) return false;
            if (rows == 1) stride = x.stride[i];
        }
        rows *= x.shape[i];
    }
    x = {x.name, x.data, 2, {rows, x.shape[x.ndim - 1]}, {stride, x.stride[x.ndim - 1]}, x.type, x.writable};
    return true;
}

// `x` with so many dimensions, of which the leading ones are expanded to those of `shape`.
Array expanded(const Array &x, int ndim, const int64_t *shape) {
    Array wide = x;
    wide.ndim = ndim;
    const int more = ndim - x.ndim;
    for (int i = ndim - 1; i >= 0; i--) {
        const bool has = i >= more;
        wide.shape[i] = has ? x.shape[i - more] : 1;
        wide.stride[i] = has ? x.stride[i - more] : 0;
        if (i < ndim - 2 && wide.shape[i] != shape[i]) {
            wide.shape[i] = shape[i];
            wide.stride[i] = 0;
        }
    }
    return wide;
}

// x (..., M, K) @ y (..., K, N) + bias, of arrays of one dtype with two dimensions or more.
Ref multiply(PyObject *x_object, Array x, Array y, const Array *bias) {
    if (x.ndim < 2 || y.ndim < 2 || x.shape[x.ndim - 1] != y.shape[y.ndim - 2]) return {};
    int64_t shape[kMaxDims];
    const int ndim = std::max(x.ndim, y.ndim);
    for (int i = 1; i <= ndim - 2; i++) {  // the leading sizes, from the last one on
        const int64_t m = i + 2 <= x.ndim ? x.shape[x.ndim - 2 - i] : 1, n = i + 2 <= y.ndim ? y.shape[y.ndim - 2 - i] : 1;
        if (m != n && m != 1 && n != 1) return {};
        shape[ndim - 2 - i] = m == 1 ? n : m;
    }
    shape[ndim - 2] = x.shape[x.ndim - 2];
    shape[ndim - 1] = y.shape[y.ndim - 1];
    Result out(x_object, ndim, shape);
    Array to = out;
    Ref kept;
    if (y.ndim == 2 && x.ndim > 2) {  // one product instead of many; a copy of x where its rows lie scattered
        if (!collapse(x)) {
            kept = checked(PyArray_NewCopy(numpy(x_object), NPY_CORDER));
            see(kept.get(), "x", x);
            collapse(x);
        }
        collapse(to);
    } else if (ndim > 2) {
        x = expanded(x, ndim, shape);
        y = expanded(y, ndim, shape);
    }
    {
        const Running running(out.size() * x.shape[x.ndim - 1]);
        if (x.ndim > 2 || !multiply_few(x, y, bias, to)) matmul(x, y, bias, to);
    }
    return std::move(out.array);
}

}  // namespace

// x, y
Ref matmul_row(PyObject *const *args) {
    Array x, y;
    if (!floats(args[0], "x", x) || !floats_like(args[1], "y", x, y)) return {};
    return multiply(args[0], x, y, nullptr);
}

namespace {

// Whether BLAS does better: a matrix times very few columns, and deep products with a small result.
bool is_for_blas(const Array &x, const Array &y) {
    const int64_t rows = x.shape[x.ndim - 2], columns = y.shape[y.ndim - 1], depth = x.shape[x.ndim - 1];
    return (columns < 4 && rows * depth >= 1024) || (rows * columns <= 1024 && depth >= 1024);
}

// x (M, K) @ y (K, N), or batches of these of one size, without broadcasting.
Ref product_of_rank(PyObject *const *args, int rank) {
    Array x, y;
    if (!floats(args[0], "x", x) || !floats_like(args[1], "y", x, y) || x.ndim != rank || y.ndim != rank ||
        (rank == 3 && x.shape[0] != y.shape[0]) || is_for_blas(x, y))
        return {};
    return multiply(args[0], x, y, nullptr);
}

bool is_one(PyObject *number) {
    if (PyFloat_CheckExact(number)) return PyFloat_AS_DOUBLE(number) == 1;
    int overflow;
    return PyLong_CheckExact(number) && PyLong_AsLongAndOverflow(number, &overflow) == 1;
}

// input + x @ y: a row for all, or a value for each element.
Ref product_plus(PyObject *const *args, int rank) {
    Array input, x, y;
    if (!is_one(args[3]) || !is_one(args[4]) || !floats(args[1], "x", x) || !floats_like(args[0], "input", x, input) ||
        !floats_like(args[2], "y", x, y) || x.ndim != rank || y.ndim != rank || (rank == 3 && x.shape[0] != y.shape[0]) ||
        is_for_blas(x, y))
        return {};
    if (input.ndim == 1 && input.shape[0] == y.shape[rank - 1] && (input.shape[0] <= 1 || input.stride[0] == 1))
        return multiply(args[1], x, y, &input);
    if (input.ndim != rank || input.shape[rank - 2] != x.shape[rank - 2] || input.shape[rank - 1] != y.shape[rank - 1] ||
        input.shape[0] != x.shape[0] || !PyArray_IS_C_CONTIGUOUS(numpy(args[0])))
        return {};
    Ref out = multiply(args[1], x, y, nullptr);
    Array to;
    if (!out || see(out.get(), "out", to)) return {};
    const Running running(to.size());
    binary('+', to, input, to);
    return out;
}

}  // namespace

// input, mat2
Ref mm_row(PyObject *const *args) { return product_of_rank(args, 2); }
Ref bmm_row(PyObject *const *args) { return product_of_rank(args, 3); }

// input, x, y, beta, alpha
Ref addmm_row(PyObject *const *args) { return product_plus(args, 2); }
Ref baddbmm_row(PyObject *const *args) { return product_plus(args, 3); }

// x, weight, bias
Ref linear_row(PyObject *const *args) {
    Array x, w, b;
    const Array *bias;
    if (!floats(args[0], "x", x) || !floats_like(args[1], "weight", x, w) || w.ndim != 2 ||
        !maybe_floats(args[2], "bias", x, b, bias))
        return {};
    if (bias && (b.ndim != 1 || b.shape[0] != w.shape[0] || (b.shape[0] > 1 && b.stride[0] != 1))) return {};
    exchange_last(w);
    return multiply(args[0], x, w, bias);
}

namespace {

constexpr int64_t kPart = 1 << 15;  // elements that a thread sums up at a time

template <class T> void sum_runs(const T *x, int64_t count, int64_t length, T *out) {
    if (length > kPart) {  // parts of runs, joined in order
        const int64_t parts = (length + kPart - 1) / kPart;
        Scratch<double> sums(count * parts);
        parallel(count * parts, [&](int64_t task) {
            const int64_t at = task % parts * kPart;
            sums.get()[task] = kernels().of<T>().sum(x + task / parts * length + at, std::min(kPart, length - at));
        });
        for (int64_t r = 0; r < count; r++) {
            double sum = 0;
            for (int64_t p = 0; p < parts; p++) sum += sums.get()[r * parts + p];
            out[r] = static_cast<T>(sum);
        }
        return;
    }
    const int64_t each = std::max<int64_t>(1, kPart / std::max<int64_t>(1, length));
    parallel((count + each - 1) / each, [&](int64_t task) {
        for (int64_t r = task * each; r < std::min(count, (task + 1) * each); r++)
            out[r] = static_cast<T>(kernels().of<T>().sum(x + r * length, length));
    });
}

// Whether the memory of x is one run without gaps, with its axes in the order of their strides, the greatest first.
bool is_run(const Array &x, int *order) {
    for (int i = 0; i < x.ndim; i++) order[i] = i;
    std::stable_sort(order, order + x.ndim, [&](int a, int b) { return x.stride[a] > x.stride[b]; });
    int64_t run = 1;
    for (int i = x.ndim - 1; i >= 0; i--) {
        if (x.shape[order[i]] != 1 && x.stride[order[i]] != run) return false;
        run *= x.shape[order[i]];
    }
    return true;
}

// How many of the leading axes go, of those that are not the last ones too, if the axes between are kept; else 0.
int leading_axes(const bool *goes, int ndim) {
    int before = 0, after = ndim;
    while (before < ndim && goes[before]) before++;
    while (after > before && goes[after - 1]) after--;
    return std::find(goes + before, goes + after, true) == goes + after ? before : 0;
}

template <class T> void sum_around(const Array &x, int64_t before, int64_t between, const Array &out) {
    const int64_t after = x.size() / std::max<int64_t>(1, before * between);
    Scratch<T> sums(before * between);
    sum_runs(x.as<T>(), before * between, after, sums.get());
    sum_rows({"sums", sums.get(), 2, {before, between}, {between, 1}, x.type, false}, out);
}

// Of the leading axes, or of the last ones, or of both, or of all, of an array in C order; and of axes that lead all others
// in memory where only one is kept, as the sum over pixels of channels-last images. divide: by how many there are.
Ref sums(PyObject *const *args, bool divide) {
    Array x;
    if (!floats(args[0], "x", x) || !PyTuple_CheckExact(args[1])) return {};
    const int count = static_cast<int>(PyTuple_GET_SIZE(args[1])), kept = x.ndim - count;
    int64_t axes[kMaxDims], shape[kMaxDims], summed = 1, rest = 1;
    if (count == 0 || kept < 0 || !numbers(args[1], count, axes)) return {};
    bool goes[kMaxDims] = {}, first = true, last = true;  // whether the axes are the first ones, or the last ones
    for (int i = 0; i < count; i++) {
        if (axes[i] < 0 || axes[i] >= x.ndim || goes[axes[i]]) return {};
        goes[axes[i]] = true;
        first = first && axes[i] == i;
        last = last && axes[i] == kept + i;
    }
    const bool keep = truth(args[2]);
    for (int i = 0, to = 0; i < x.ndim; i++) {
        (goes[i] ? summed : rest) *= x.shape[i];
        if (!goes[i] || keep) shape[to++] = goes[i] ? 1 : x.shape[i];
    }
    int order[kMaxDims];
    const bool in_order = PyArray_IS_C_CONTIGUOUS(numpy(args[0]));
    const bool whole = rest == 1 && (in_order || is_run(x, order));
    const int before = in_order && !first && !last ? leading_axes(goes, x.ndim) : 0;
    const bool leading = !whole && !before && !(in_order && last);
    if (leading && !(in_order && first) && (kept != 1 || in_order || !is_run(x, order) || goes[order[x.ndim - 1]])) return {};
    Result out(args[0], keep ? x.ndim : kept, shape);
    const Running running(summed * rest * kPerElement / 2);
    const Array row = {"out", out.data, 1, {rest}, {1}, x.type, true};
    if (before) {
        const int64_t rows = std::accumulate(x.shape, x.shape + before, int64_t(1), std::multiplies<int64_t>());
        x.type == 'f' ? sum_around<float>(x, rows, rest, row) : sum_around<double>(x, rows, rest, row);
    } else if (leading) sum_rows({"x", x.data, 2, {summed, rest}, {rest, 1}, x.type, false}, row);
    else if (x.type == 'f') sum_runs(x.as<float>(), rest, summed, out.as<float>());
    else sum_runs(x.as<double>(), rest, summed, out.as<double>());
    for (int64_t i = 0; divide && i < rest; i++) {
        if (x.type == 'f') out.as<float>()[i] /= static_cast<float>(summed);
        else out.as<double>()[i] /= static_cast<double>(summed);
    }
    return std::move(out.array);
}

}  // namespace

// x, axes, keepdim
Ref sum_row(PyObject *const *args) {
    if (PyArray_CheckExact(args[0]) && PyArray_TYPE(numpy(args[0])) == NPY_BOOL) return count_row(args);
    return sums(args, false);
}
Ref mean_row(PyObject *const *args) { return sums(args, true); }

}  // namespace retrograd
