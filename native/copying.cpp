#include "copying.h"

#include <cstring>
#include <new>
#include <type_traits>
#include <vector>

#include "boundary.h"
#include "nest.h"
#include "row_kernels.h"

namespace retrograd {

bool Memory::see(PyObject *object) {
    if (!PyArray_CheckExact(object)) return false;
    auto *a = reinterpret_cast<PyArrayObject *>(object);
    PyArray_Descr *descr = PyArray_DESCR(a);
    ndim = PyArray_NDIM(a);
    number = descr->type_num;
    item = static_cast<int>(PyArray_ITEMSIZE(a));
    const bool numbers = PyTypeNum_ISNUMBER(number) || PyTypeNum_ISBOOL(number) || PyTypeNum_ISUSERDEF(number);
    if (!numbers || PyDataType_REFCHK(descr) || ndim > kMaxDims || !PyArray_ISALIGNED(a) || !PyArray_ISNOTSWAPPED(a) ||
        (item != 1 && item != 2 && item != 4 && item != 8 && item != 16))
        return false;
    data = static_cast<char *>(PyArray_DATA(a));
    std::copy_n(PyArray_DIMS(a), ndim, shape);
    std::copy_n(PyArray_STRIDES(a), ndim, strides);
    return true;
}

Memory Memory::part(int axis, int64_t from, int64_t n) const {
    Memory some = *this;
    some.data += from * strides[axis];
    some.shape[axis] = n;
    return some;
}

int64_t Memory::size() const {
    int64_t n = 1;
    for (int i = 0; i < ndim; i++) n *= shape[i];
    return n;
}

namespace {

constexpr int64_t kPiece = 1 << 14, kTask = 1 << 15;  // elements
constexpr int64_t kTile = 16;                         // rows and columns of what is transposed at a time

using Line = void (*)(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t n);

template <class To, class From>
void convert_line(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t n) {
    const auto one = [](From v) -> To {
        if constexpr (std::is_same_v<To, bool>) return v != 0;
        else return static_cast<To>(v);
    };
    if (to_step == sizeof(To) && from_step == sizeof(From)) {
        const auto *x = reinterpret_cast<const From *>(from);
        auto *out = reinterpret_cast<To *>(to);
        for (int64_t i = 0; i < n; i++) out[i] = one(x[i]);
        return;
    }
    for (int64_t i = 0; i < n; i++, to += to_step, from += from_step)
        *reinterpret_cast<To *>(to) = one(*reinterpret_cast<const From *>(from));
}

struct Wide {
    uint64_t halves[2];
};

template <class T> void copy_line(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t n) {
    if (to_step == sizeof(T) && from_step == sizeof(T)) return void(std::memcpy(to, from, n * sizeof(T)));
    T v;
    if (to_step == sizeof(T) && from_step == 0) {
        std::memcpy(&v, from, sizeof v);
        for (int64_t i = 0; i < n; i++) std::memcpy(to + i * sizeof(T), &v, sizeof v);
        return;
    }
    for (int64_t i = 0; i < n; i++, to += to_step, from += from_step) {
        std::memcpy(&v, from, sizeof v);
        std::memcpy(to, &v, sizeof v);
    }
}

template <class To> Line from_number(int from) {
    switch (from) {
    case NPY_FLOAT: return convert_line<To, float>;
    case NPY_DOUBLE: return convert_line<To, double>;
    case NPY_INT64: return convert_line<To, int64_t>;
    case NPY_INT32: return convert_line<To, int32_t>;
    case NPY_UINT8: return convert_line<To, uint8_t>;
    case NPY_BOOL: return convert_line<To, uint8_t>;  // 0 and 1
    default: return nullptr;
    }
}

// nullptr: there is none
Line line_of(int to, int from, int item) {
    if (to == from)
        return item == 1   ? copy_line<uint8_t>
               : item == 2 ? copy_line<uint16_t>
               : item == 4 ? copy_line<uint32_t>
               : item == 8 ? copy_line<uint64_t>
                           : copy_line<Wide>;
    switch (to) {
    case NPY_FLOAT: return from_number<float>(from);
    case NPY_DOUBLE: return from_number<double>(from);
    case NPY_INT64: return from_number<int64_t>(from);
    case NPY_INT32: return from_number<int32_t>(from);
    case NPY_BOOL: return from_number<bool>(from);
    default: return nullptr;
    }
}

// The two innermost axes change places: by tiles, so that neither side goes through memory in strides.
template <class T> void transpose_tiles(const Nest &nest, char *const *bases) {
    const int inner = nest.axes - 1, outer = nest.axes - 2;
    Nest tiles = nest;  // whose lines are over the outer axis' tiles
    const int64_t rows = nest.counts[outer], columns = nest.counts[inner];
    const int64_t to_row = nest.steps[0][outer], from_column = nest.steps[1][inner];
    tiles.axes--;
    tiles.counts[outer] = (rows + kTile - 1) / kTile;
    for (int o = 0; o < 2; o++) tiles.steps[o][outer] = nest.steps[o][outer] * kTile;
    int64_t whole = 1;
    for (int k = 0; k < tiles.axes; k++) whole *= tiles.counts[k];
    const int64_t across = tiles.counts[outer];
    const int64_t each = std::max<int64_t>(1, kTask / (kTile * columns));
    parallel((whole + each - 1) / each, [&](int64_t task) {
        for (int64_t t = task * each; t < std::min(whole, (task + 1) * each); t++) {
            char *to = bases[0];
            const char *from = bases[1];
            int64_t rest = t;
            for (int k = tiles.axes - 1; k >= 0; k--) {
                to += rest % tiles.counts[k] * tiles.steps[0][k];
                from += rest % tiles.counts[k] * tiles.steps[1][k];
                rest /= tiles.counts[k];
            }
            const int64_t height = std::min(kTile, rows - t % across * kTile);
            for (int64_t c = 0; c < columns; c += kTile) {
                const int64_t width = std::min(kTile, columns - c);
                for (int64_t r = 0; r < height; r++) {
                    auto *line = reinterpret_cast<T *>(to + r * to_row) + c;
                    const char *source = from + r * sizeof(T) + c * from_column;
                    for (int64_t i = 0; i < width; i++) std::memcpy(line + i, source + i * from_column, sizeof(T));
                }
            }
        }
    });
}

Ref like(const Memory &m, PyObject *descr, const int64_t *strides) {
    return strides ? new_array_strided(m.ndim, m.shape, strides, descr) : new_array(m.ndim, m.shape, descr, false);
}

PyObject *descr_at(PyObject *array) {
    return reinterpret_cast<PyObject *>(PyArray_DESCR(reinterpret_cast<PyArrayObject *>(array)));
}

// Strides of dense memory of elements of `item` bytes in the order of x's, as NumPy's copies in "K" order have them; false
// where that order is in doubt.
bool dense_strides(const Memory &x, int64_t item, int64_t *strides) {
    int order[kMaxDims];
    for (int i = 0; i < x.ndim; i++) order[i] = i;
    for (int i = 0; i < x.ndim; i++)
        if (x.shape[i] < 2 || x.strides[i] <= 0) return false;
    std::stable_sort(order, order + x.ndim, [&](int a, int b) { return x.strides[a] > x.strides[b]; });
    for (int k = x.ndim - 1; k >= 0; k--) {
        strides[order[k]] = item;
        item *= x.shape[order[k]];
    }
    return true;
}

// A copy of another dtype, or the same, laid out as NumPy's "K" order.
Ref copied(PyObject *object, PyObject *descr) {
    Memory x, out;
    const auto *to = reinterpret_cast<PyArray_Descr *>(descr);
    if (!x.see(object) || (to->type_num != x.number && !convertible(x.number, to->type_num))) return {};
    int64_t strides[kMaxDims];
    const bool ordered = PyArray_IS_C_CONTIGUOUS(reinterpret_cast<PyArrayObject *>(object));
    const bool repeated = std::find(x.strides, x.strides + x.ndim, 0) != x.strides + x.ndim;
    if (!ordered && !repeated && !dense_strides(x, PyDataType_ELSIZE(to), strides)) return {};
    Ref made = like(x, descr, ordered || repeated ? nullptr : strides);
    out.see(made.get());
    copy_into(out, x);
    return made;
}

Ref clone_row(PyObject *const *args) { return PyArray_CheckExact(args[0]) ? copied(args[0], descr_at(args[0])) : Ref(); }

// x, dtype. A repeated array is left: NumPy keeps its order.
Ref cast_row(PyObject *const *args) {
    if (!PyArray_CheckExact(args[0]) || !PyArray_DescrCheck(args[1])) return {};
    auto *x = reinterpret_cast<PyArrayObject *>(args[0]);
    for (int i = 0; i < PyArray_NDIM(x); i++)
        if (PyArray_STRIDE(x, i) == 0) return {};
    return copied(args[0], args[1]);
}

// x, axes: a copy in C order of the axes as these list them
Ref contiguous_row(PyObject *const *args) {
    Memory x, out;
    if (!x.see(args[0]) || !PyTuple_CheckExact(args[1]) || PyTuple_GET_SIZE(args[1]) != x.ndim) return {};
    int64_t strides[kMaxDims], run = x.item;
    bool seen[kMaxDims] = {};
    for (int k = x.ndim - 1; k >= 0; k--) {
        const long axis = PyLong_AsLong(PyTuple_GET_ITEM(args[1], k));
        if (axis == -1 && PyErr_Occurred()) throw Raised{};
        if (axis < 0 || axis >= x.ndim || std::exchange(seen[axis], true)) return {};
        strides[axis] = run;
        run *= std::max<int64_t>(1, x.shape[axis]);
    }
    Ref made = new_array_strided(x.ndim, x.shape, strides, descr_at(args[0]));
    out.see(made.get());
    copy_into(out, x);
    return made;
}

// x, axes
Ref flip_row(PyObject *const *args) {
    Memory x, out;
    if (!x.see(args[0]) || !PyTuple_CheckExact(args[1]) || x.size() == 0 ||
        !PyArray_IS_C_CONTIGUOUS(reinterpret_cast<PyArrayObject *>(args[0])))
        return {};
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args[1]); i++) {
        const long axis = PyLong_AsLong(PyTuple_GET_ITEM(args[1], i));
        if (axis == -1 && PyErr_Occurred()) throw Raised{};
        if (axis < 0 || axis >= x.ndim) return {};
        x.data += (x.shape[axis] - 1) * x.strides[axis];
        x.strides[axis] = -x.strides[axis];
    }
    Ref made = like(x, descr_at(args[0]), nullptr);
    out.see(made.get());
    copy_into(out, x);
    return made;
}

// Whether images or volumes (N, C, ...) lie in memory with their channels side by side, and so otherwise than in C order.
bool is_channels_last(const Memory &m) {
    if (m.ndim < 4 || m.ndim > 5) return false;
    int64_t run = m.item, in_c_order = m.item;
    bool c_order = true;
    for (int k = m.ndim - 1; k >= 0; k--) {
        const int axis = k == 0 ? 0 : k == m.ndim - 1 ? 1 : k + 1;  // from the densest on
        if (m.shape[axis] != 1 && m.strides[axis] != run) return false;
        run *= m.shape[axis];
        c_order = c_order && (m.shape[k] == 1 || m.strides[k] == in_c_order);
        in_c_order *= m.shape[k];
    }
    return !c_order;
}

// Arrays of one dtype, of shapes that fit but for `axis`; all in C order, or none of them is taken.
struct Many {
    std::vector<Memory> parts;
    bool channels = false;  // all are channels-last; else all are in C order

    bool read(PyObject *const *args, Py_ssize_t count) {
        parts.resize(count);
        for (Py_ssize_t i = 0; i < count; i++) {
            if (!parts[i].see(args[i])) return false;
            const bool c_order = PyArray_IS_C_CONTIGUOUS(reinterpret_cast<PyArrayObject *>(args[i]));
            if (i == 0) channels = !c_order;
            if (channels ? !is_channels_last(parts[i]) : !c_order) return false;
            if (descr_at(args[i]) != descr_at(args[0]) || parts[i].ndim != parts[0].ndim) return false;
        }
        return count > 0;
    }
    bool fit(int axis) const {
        for (const Memory &m : parts)
            for (int d = 0; d < m.ndim; d++)
                if (d != axis && m.shape[d] != parts[0].shape[d]) return false;
        return true;
    }
};

bool axis_of(PyObject *object, int64_t &axis) {
    if (!PyLong_CheckExact(object)) return false;
    axis = PyLong_AsLongLong(object);
    if (axis == -1 && PyErr_Occurred()) throw Raised{};
    return true;
}

// axis, sizes, *xs; channels-last where all of them are
Ref cat_row(PyObject *const *args, Py_ssize_t count) {
    int64_t axis;
    Many many;
    if (count < 3 || !axis_of(args[0], axis) || !many.read(args + 2, count - 2) || axis < 0 || axis >= many.parts[0].ndim ||
        !many.fit(static_cast<int>(axis)))
        return {};
    Memory out = many.parts[0];
    out.shape[axis] = 0;
    for (const Memory &m : many.parts) out.shape[axis] += m.shape[axis];
    Ref made = new_array(out.ndim, out.shape, descr_at(args[2]), many.channels);
    out.see(made.get());
    int64_t at = 0;
    for (const Memory &m : many.parts) {
        copy_into(out.part(static_cast<int>(axis), at, m.shape[axis]), m);
        at += m.shape[axis];
    }
    return made;
}

// axis, *xs
Ref stack_row(PyObject *const *args, Py_ssize_t count) {
    int64_t axis;
    Many many;
    if (count < 2 || !axis_of(args[0], axis) || !many.read(args + 1, count - 1) || many.channels || !many.fit(-1))
        return {};
    const Memory &first = many.parts[0];
    if (axis < 0 || axis > first.ndim || first.ndim >= kMaxDims) return {};
    int64_t shape[kMaxDims];
    std::copy_n(first.shape, axis, shape);
    shape[axis] = count - 1;
    std::copy(first.shape + axis, first.shape + first.ndim, shape + axis + 1);
    Ref made = new_array(first.ndim + 1, shape, descr_at(args[1]), false);
    Memory out;
    out.see(made.get());
    for (Py_ssize_t i = 0; i + 1 < count; i++) {
        Memory to = out.part(static_cast<int>(axis), i, 1);
        to.ndim--;
        std::copy(to.shape + axis + 1, to.shape + to.ndim + 1, to.shape + axis);
        std::copy(to.strides + axis + 1, to.strides + to.ndim + 1, to.strides + axis);
        copy_into(to, many.parts[i]);
    }
    return made;
}

// --- for Python --------------------------------------------------------------------------------------------------

template <Ref (*kernel)(PyObject *const *, Py_ssize_t)> PyObject *called(PyObject *, PyObject *const *args, Py_ssize_t count) {
    try {
        Ref out = kernel(args, count);
        return out ? out.release() : Py_NewRef(Py_NotImplemented);
    } catch (Raised) {
    } catch (const std::bad_alloc &) {
        PyErr_NoMemory();
    }
    return nullptr;
}

template <RowKernel kernel, int expected> Ref counted(PyObject *const *args, Py_ssize_t count) {
    if (count != expected) {
        PyErr_Format(PyExc_TypeError, "expected %d arguments, got %zd", expected, count);
        throw Raised{};
    }
    return kernel(args);
}

// copy_into(out, x): out[...] = x, broadcast and converted; whether these are arrays for which it was done
Ref copy_into_out(PyObject *const *args) {
    Memory out, x;
    if (!out.see(args[0]) || !x.see(args[1]) || !PyArray_ISWRITEABLE(reinterpret_cast<PyArrayObject *>(args[0])) ||
        (x.number != out.number && !convertible(x.number, out.number)) || x.ndim > out.ndim)
        return Ref::borrow(Py_False);
    auto *a = reinterpret_cast<PyArrayObject *>(args[0]), *b = reinterpret_cast<PyArrayObject *>(args[1]);
    const int more = out.ndim - x.ndim;
    Memory wide = out;
    wide.data = x.data;
    wide.item = x.item;
    wide.number = x.number;
    for (int i = 0; i < out.ndim; i++) {
        const int64_t n = i < more ? 1 : x.shape[i - more];
        if (n != 1 && n != out.shape[i]) return Ref::borrow(Py_False);
        wide.strides[i] = n == 1 ? 0 : x.strides[i - more];
        if (out.strides[i] == 0 && out.shape[i] > 1 && out.size()) return Ref::borrow(Py_False);
    }
    if (PyArray_BASE(a) || PyArray_BASE(b) || a == b) {  // they may share memory
        const auto bounds = [](const Memory &m) {
            const char *low = m.data, *high = m.data + m.item;
            for (int i = 0; i < m.ndim; i++) {
                const int64_t reach = (m.shape[i] - 1) * m.strides[i];
                (reach < 0 ? low : high) += reach;
            }
            return std::pair(low, high);
        };
        if (out.size() == 0) return Ref::borrow(Py_True);
        const auto [low, high] = bounds(out);
        const auto [from, to] = bounds(wide);
        if (low < to && from < high) return Ref::borrow(Py_False);
    }
    copy_into(out, wide);
    return Ref::borrow(Py_True);
}

template <Ref (*kernel)(PyObject *const *, Py_ssize_t)> constexpr PyMethodDef entry(const char *name) {
    return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void *>(called<kernel>)), METH_FASTCALL,
            "The forward of the row of this name on raw values; NotImplemented for what it leaves to the row's own."};
}

PyMethodDef rows[] = {
    entry<counted<clone_row, 1>>("clone"),           entry<counted<cast_row, 2>>("cast"),
    entry<counted<contiguous_row, 2>>("contiguous"), entry<counted<flip_row, 2>>("flip"),
    entry<cat_row>("cat"),                           entry<stack_row>("stack"),
};

PyMethodDef functions[] = {
    {"copy_into", reinterpret_cast<PyCFunction>(reinterpret_cast<void *>(called<counted<copy_into_out, 2>>)), METH_FASTCALL,
     "out[...] = x, broadcast and converted; whether it was done."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

bool convertible(int from, int to) { return from == to || line_of(to, from, 0); }

void copy_into(const Memory &out, const Memory &x) {
    const int64_t size = out.size();
    if (size == 0) return;
    const Line line = line_of(out.number, x.number, x.item);
    Nest nest;
    nest.add(out.ndim, out.shape, out.strides);
    nest.sort();  // by where things are written to
    nest.add(x.ndim, x.shape, x.strides);
    nest.merge();
    char *const bases[] = {out.data, x.data};
    if (nest.axes == 0) return line(out.data, 0, x.data, 0, 1);
    const Running running(size * (out.item + x.item) * kPerElement / 16);
    const int inner = nest.axes - 1;
    if (inner > 0 && out.number == x.number && nest.steps[0][inner] == out.item && nest.steps[1][inner - 1] == x.item &&
        nest.steps[1][inner] != x.item && nest.counts[inner] >= 8 && nest.counts[inner - 1] >= 8) {
        if (x.item == 4) return transpose_tiles<uint32_t>(nest, bases);
        if (x.item == 8) return transpose_tiles<uint64_t>(nest, bases);
    }
    nest.avoid_short_lines(8);
    nest.run(bases, kPiece, kTask, num_threads(), [&](char **data, int64_t n, int) {
        line(data[0], nest.step(0), data[1], nest.step(1), n);
    });
}

void add_copying(PyObject *module, PyObject *kernels) {
    for (PyMethodDef &method : rows) {
        const Ref function = checked(PyCFunction_New(&method, nullptr));
        checked(PyDict_SetItemString(kernels, method.ml_name, function.get()));
    }
    checked(PyModule_AddFunctions(module, functions));
}

}  // namespace retrograd
