// Largest and smallest elements and where they are, and how many of a mask are set: kernels of rows in ops/extremes.py and
// ops/reduce.py, of arrays in C order, along all axes, the last ones or (extremes) the first ones.
#include "numpy_api.h"

#include "row_kernels.h"

#include <algorithm>
#include <cstring>

#include "boundary.h"
#include "isa.h"
#include "kernels.h"
#include "memory.h"

namespace retrograd {
namespace {

constexpr int64_t kPart = 1 << 14;  // elements of one task

// What is reduced: `count` lines of `length` elements each, or, if leading, the columns of `length` rows of `count` elements.
struct Reduction {
    int64_t count = 1, length = 1;
    bool leading = false;
    int ndim = 0;
    int64_t shape[kMaxDims];  // of the result

    bool read(const Array &x, PyObject *axes, bool keep) {
        const int n = static_cast<int>(PyTuple_GET_SIZE(axes)), kept = x.ndim - n;
        int64_t at[kMaxDims];
        if (kept < 0 || (n && !numbers(axes, n, at))) return false;
        bool goes[kMaxDims] = {}, first = true, last = true;
        for (int i = 0; i < n; i++) {
            if (at[i] < 0 || at[i] >= x.ndim || goes[at[i]]) return false;
            goes[at[i]] = true;
            first = first && at[i] == i;
            last = last && at[i] == kept + i;
        }
        for (int i = 0; i < x.ndim; i++) {
            (goes[i] ? length : count) *= x.shape[i];
            if (!goes[i] || keep) shape[ndim++] = goes[i] ? 1 : x.shape[i];
        }
        leading = !last;
        return n > 0 && (first || last) && length > 0;
    }
};

bool ordered(PyObject *array) { return PyArray_IS_C_CONTIGUOUS(reinterpret_cast<PyArrayObject *>(array)); }

Ref new_of(int type, int ndim, const int64_t *shape) {
    const Ref descr = checked(reinterpret_cast<PyObject *>(PyArray_DescrFromType(type)));
    return new_array(ndim, shape, descr.get(), false);
}

void *data_of(const Ref &array) { return PyArray_DATA(reinterpret_cast<PyArrayObject *>(array.get())); }

template <class T> T better(T a, T b, bool least) { return b != b || (least ? b < a : b > a) ? b : a; }

template <class T> void extremes(const T *x, const Reduction &r, bool least, T *out) {
    const auto &k = kernels().of<T>();
    if (r.leading) {
        const int64_t width = std::clamp<int64_t>(kPart / r.length, 64, 1024);  // columns of one task
        parallel((r.count + width - 1) / width, [&](int64_t task) {
            const int64_t from = task * width, n = std::min(width, r.count - from);
            std::copy_n(x + from, n, out + from);
            for (int64_t i = 1; i < r.length; i++) k.extreme_rows(x + i * r.count + from, out + from, n, least);
        });
        return;
    }
    if (r.count == 1 && r.length > kPart) {
        const int64_t parts = (r.length + kPart - 1) / kPart;
        Scratch<T> found(parts);
        parallel(parts, [&](int64_t p) {
            found.get()[p] = k.extreme(x + p * kPart, std::min(kPart, r.length - p * kPart), least);
        });
        T top = found.get()[0];
        for (int64_t p = 1; p < parts; p++)
            if (top == top) top = better(top, found.get()[p], least);
        *out = top;
        return;
    }
    const int64_t each = std::max<int64_t>(1, kPart / r.length);
    parallel((r.count + each - 1) / each, [&](int64_t task) {
        for (int64_t i = task * each; i < std::min(r.count, (task + 1) * each); i++)
            out[i] = k.extreme(x + i * r.length, r.length, least);
    });
}

// x, axes, keepdim
template <bool least> Ref extreme_row(PyObject *const *args) {
    Array x;
    Reduction r;
    if (!floats(args[0], "x", x) || !PyTuple_CheckExact(args[1]) || !ordered(args[0]) || !r.read(x, args[1], truth(args[2])))
        return {};
    Result out(args[0], r.ndim, r.shape);
    const Running running(x.size() * kPerElement / 2);
    if (x.type == 'f') extremes(x.as<float>(), r, least, out.as<float>());
    else extremes(x.as<double>(), r, least, out.as<double>());
    return std::move(out.array);
}

// The same for columns, whose extremes are found first: then the places from the last row to the first one.
template <class T> void places_in_columns(const T *x, const Reduction &r, bool least, T *values, int64_t *out) {
    constexpr int64_t kMost = 1024;
    const int64_t width = std::clamp<int64_t>(kPart / r.length, 64, kMost);  // columns of one task
    parallel((r.count + width - 1) / width, [&](int64_t task) {
        const int64_t from = task * width, n = std::min(width, r.count - from);
        T top[kMost];
        int32_t place[kMost] = {};
        std::copy_n(x + from, n, top);
        for (int64_t i = 1; i < r.length; i++) kernels().of<T>().extreme_rows(x + i * r.count + from, top, n, least);
        for (int64_t i = r.length - 1; i >= 0; i--) {
            const T *row = x + i * r.count + from;
            for (int64_t c = 0; c < n; c++)
                place[c] = (row[c] == top[c]) | (row[c] != row[c]) ? static_cast<int32_t>(i) : place[c];
        }
        for (int64_t c = 0; c < n; c++) {
            out[from + c] = place[c];
            if (values) values[from + c] = x[place[c] * r.count + from + c];
        }
    });
}

// The place of the first extreme element of each line; `values`: them, or nullptr.
template <class T> void places(const T *x, const Reduction &r, bool least, T *values, int64_t *out) {
    if (r.leading) return places_in_columns(x, r, least, values, out);
    const auto &k = kernels().of<T>();
    const int64_t each = std::max<int64_t>(1, kPart / r.length);
    parallel((r.count + each - 1) / each, [&](int64_t task) {
        for (int64_t i = task * each; i < std::min(r.count, (task + 1) * each); i++) {
            const T *line = x + i * r.length;
            const T top = k.extreme(line, r.length, least);
            out[i] = k.first_of(line, r.length, top);
            if (values) values[i] = line[out[i]];
        }
    });
}

// x, axis or None: as a tuple of axes
bool read_axis(const Array &x, PyObject *axis, bool keep, Reduction &r) {
    Ref axes;
    if (axis == Py_None) {
        axes = checked(PyTuple_New(x.ndim));
        for (int i = 0; i < x.ndim; i++) PyTuple_SET_ITEM(axes.get(), i, checked(PyLong_FromLong(i)).release());
    } else if (PyLong_CheckExact(axis)) {
        axes = checked(PyTuple_Pack(1, axis));
    } else {
        return false;
    }
    return r.read(x, axes.get(), keep) && !(r.leading && r.length > INT32_MAX);
}

// x, axis, keepdim
template <bool least> Ref place_row(PyObject *const *args) {
    Array x;
    Reduction r;
    if (!floats(args[0], "x", x) || !ordered(args[0]) || !read_axis(x, args[1], truth(args[2]), r)) return {};
    Ref out = new_of(NPY_INT64, r.ndim, r.shape);
    const Running running(x.size() * kPerElement / 2);
    auto *to = static_cast<int64_t *>(data_of(out));
    if (x.type == 'f') places<float>(x.as<float>(), r, least, nullptr, to);
    else places<double>(x.as<double>(), r, least, nullptr, to);
    return out;
}

// x, axis, keepdim, k: (values, indices)
template <bool least> Ref both_row(PyObject *const *args) {
    Array x;
    Reduction r;
    if (!floats(args[0], "x", x) || x.ndim == 0 || !ordered(args[0]) || args[1] == Py_None ||
        !read_axis(x, args[1], truth(args[2]), r))
        return {};
    Ref indices = new_of(NPY_INT64, r.ndim, r.shape);
    Result values(args[0], r.ndim, r.shape);
    {
        const Running running(x.size() * kPerElement / 2);
        auto *to = static_cast<int64_t *>(data_of(indices));
        if (x.type == 'f') places(x.as<float>(), r, least, values.as<float>(), to);
        else places(x.as<double>(), r, least, values.as<double>(), to);
    }
    return checked(PyTuple_Pack(2, values.array.get(), indices.get()));
}

// --- masks -------------------------------------------------------------------------------------------------------

// How many of n bytes, each 0 or 1, are set.
int64_t count_set(const uint8_t *x, int64_t n) {
    constexpr uint64_t even = 0x00ff00ff00ff00ff;
    int64_t total = 0, i = 0;
    while (i + 8 <= n) {
        uint64_t sums = 0, word;  // eight of them, of at most 255
        for (const int64_t end = std::min(n - 7, i + 255 * 8); i < end; i += 8) {
            std::memcpy(&word, x + i, 8);
            sums += word;
        }
        const uint64_t pairs = (sums & even) + (sums >> 8 & even);
        total += static_cast<int64_t>(pairs * 0x0001000100010001 >> 48);
    }
    for (; i < n; i++) total += x[i];
    return total;
}

enum class Question { Any, All, Count };

// x, axes, keepdim
template <Question asked> Ref mask_row(PyObject *const *args) {
    if (!PyArray_CheckExact(args[0]) || !PyTuple_CheckExact(args[1])) return {};
    Array x;
    Reduction r;
    if (see(args[0], "x", x) || x.type != '?' || !ordered(args[0]) || !r.read(x, args[1], truth(args[2])) || r.leading)
        return {};
    Ref out = new_of(asked == Question::Count ? NPY_INT64 : NPY_BOOL, r.ndim, r.shape);
    const Running running(x.size() * kPerElement / 16);
    const auto *from = x.as<uint8_t>();
    const auto give = [&](int64_t i, int64_t count) {
        if constexpr (asked == Question::Count) static_cast<int64_t *>(data_of(out))[i] = count;
        else static_cast<uint8_t *>(data_of(out))[i] = count > 0;
    };
    const auto answer = [&](const uint8_t *line, int64_t n) -> int64_t {
        if (asked == Question::Any) return std::memchr(line, 1, n) != nullptr;
        if (asked == Question::All) return std::memchr(line, 0, n) == nullptr;
        return count_set(line, n);
    };
    if (r.count == 1) {
        give(0, answer(from, r.length));
        return out;
    }
    const int64_t each = std::max<int64_t>(1, 4 * kPart / r.length);
    parallel((r.count + each - 1) / each, [&](int64_t task) {
        for (int64_t i = task * each; i < std::min(r.count, (task + 1) * each); i++) give(i, answer(from + i * r.length, r.length));
    });
    return out;
}

}  // namespace

Ref amax_row(PyObject *const *args) { return extreme_row<false>(args); }
Ref amin_row(PyObject *const *args) { return extreme_row<true>(args); }
Ref argmax_row(PyObject *const *args) { return place_row<false>(args); }
Ref argmin_row(PyObject *const *args) { return place_row<true>(args); }
Ref max_row(PyObject *const *args) { return both_row<false>(args); }
Ref min_row(PyObject *const *args) { return both_row<true>(args); }
Ref any_row(PyObject *const *args) { return mask_row<Question::Any>(args); }
Ref all_row(PyObject *const *args) { return mask_row<Question::All>(args); }
Ref count_row(PyObject *const *args) { return mask_row<Question::Count>(args); }

}  // namespace retrograd
