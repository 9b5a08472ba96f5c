// Operations on each tensor of lists, in one parallel pass: functions of retrograd._native for _foreach.py and optim, and
// in-place methods of Tensor, each of which is one on lists of one.
//
// Here are floating tensors outside of graphs, dense and laid out alike. All else is left to Python, as a whole.
#include "numpy_api.h"

#include "door.h"

#include <structmember.h>

#include <algorithm>
#include <cstring>

#include "boundary.h"
#include "isa.h"
#include "kernels.h"
#include "layout.h"
#include "lists.h"
#include "pending.h"
#include "row_kernels.h"

namespace retrograd {
namespace {

constexpr int64_t kChunk = 32768;  // elements of one task

struct Traits {
    const char *name;
    int arrays, numbers;
};
constexpr Traits traits[] = {
#define X(name, arrays, numbers) {#name, arrays, numbers},
    RETROGRAD_EACH(X)
#undef X
};
const Traits &traits_of(Each op) { return traits[static_cast<int>(op)]; }

Each each_named(const char *name) {
    for (int i = 0; i < static_cast<int>(Each::count); i++)
        if (!std::strcmp(traits[i].name, name)) return static_cast<Each>(i);
    PyErr_Format(PyExc_ValueError, "there is no operation on lists named '%s'", name);
    throw Raised{};
}

bool is_float(PyObject *array) {
    const int type = PyArray_CheckExact(array) ? PyArray_TYPE(numpy(array)) : NPY_NOTYPE;
    return (type == NPY_FLOAT || type == NPY_DOUBLE) && PyArray_NDIM(numpy(array)) <= kMaxDims &&
           PyArray_ISALIGNED(numpy(array)) && PyArray_ISNOTSWAPPED(numpy(array));
}

bool dense(PyObject *array) {
    if (PyArray_IS_C_CONTIGUOUS(numpy(array))) return true;
    Array seen;
    return !see(array, "x", seen) && is_dense(seen);
}

bool same_shape(PyObject *x, PyObject *y) {
    PyArrayObject *a = numpy(x), *b = numpy(y);
    return PyArray_NDIM(a) == PyArray_NDIM(b) && PyArray_CompareLists(PyArray_DIMS(a), PyArray_DIMS(b), PyArray_NDIM(a));
}

// Of a float array x, which is dense: whether y is one in the same order.
bool alike(PyObject *x, PyObject *y) {
    return is_float(y) && PyArray_TYPE(numpy(x)) == PyArray_TYPE(numpy(y)) && same_shape(x, y) &&
           (PyArray_IS_C_CONTIGUOUS(numpy(x)) ? PyArray_IS_C_CONTIGUOUS(numpy(y)) : laid_out_alike(x, y));
}

// What one tensor of the lists contributes.
struct Run {
    char type;
    const void *in[kMostEachArrays];
    void *out;
    int64_t size;
    double numbers[kMostEachNumbers];
};

template <class T> void run_part(Each op, const Run &run, int64_t first, int64_t count) {
    const T *in[kMostEachArrays];
    for (int i = 0; i < kMostEachArrays; i++) in[i] = run.in[i] ? static_cast<const T *>(run.in[i]) + first : nullptr;
    kernels().of<T>().each(op, run.numbers, in, static_cast<T *>(run.out) + first, count);
}

// Calls body(which, first, count) for stretches of runs of these sizes, in parallel; small runs of one task together.
template <class Size, class Body> void for_stretches(size_t runs, Size size_of, const Body &body) {
    struct Task {
        size_t which, runs;
        int64_t first, count;
    };
    int64_t all = 0;
    for (size_t i = 0; i < runs; i++) all += size_of(i);
    const Running running(all * kPerElement);
    if (all <= kChunk) {
        for (size_t i = 0; i < runs; i++) body(i, int64_t(0), size_of(i));
        return;
    }
    std::vector<Task> tasks;
    for (size_t i = 0; i < runs; i++) {
        const int64_t size = size_of(i);
        if (size > kChunk) {
            for (int64_t first = 0; first < size; first += kChunk)
                tasks.push_back({i, 0, first, std::min(kChunk, size - first)});
        } else if (!tasks.empty() && tasks.back().runs && tasks.back().count + size <= kChunk) {
            tasks.back().runs++;
            tasks.back().count += size;
        } else {
            tasks.push_back({i, 1, 0, size});
        }
    }
    parallel(static_cast<int64_t>(tasks.size()), [&](int64_t task) {
        const Task &t = tasks[task];
        if (!t.runs) return body(t.which, t.first, t.count);
        for (size_t i = t.which; i < t.which + t.runs; i++) body(i, int64_t(0), size_of(i));
    });
}

void run_all(Each op, const std::vector<Run> &runs) {
    for_stretches(
        runs.size(), [&](size_t i) { return runs[i].size; },
        [&](size_t i, int64_t first, int64_t count) {
            if (runs[i].type == 'f') run_part<float>(op, runs[i], first, count);
            else run_part<double>(op, runs[i], first, count);
        });
}

// Whether what is read or written by one run is not written by another: they are worked on at the same time.
bool independent(const std::vector<Run> &runs, int arrays) {
    if (runs.size() == 1 && arrays < 2) return true;
    struct Range {
        const char *from, *to;
    };
    const auto bytes = [](const Run &run) { return run.size * (run.type == 'f' ? 4 : 8); };
    std::vector<Range> written;
    for (const Run &run : runs)
        if (run.size) written.push_back({static_cast<char *>(run.out), static_cast<char *>(run.out) + bytes(run)});
    const auto before = [](const Range &a, const Range &b) { return a.from < b.from; };
    if (!std::is_sorted(written.begin(), written.end(), before)) std::sort(written.begin(), written.end(), before);
    for (size_t i = 1; i < written.size(); i++)
        if (written[i].from < written[i - 1].to) return false;
    for (const Run &run : runs)
        for (int i = 0; i < arrays; i++) {
            if (run.in[i] == run.out || !run.in[i] || !run.size) continue;
            const auto *from = static_cast<const char *>(run.in[i]), *to = from + bytes(run);
            const auto next = std::lower_bound(written.begin(), written.end(), Range{to, to}, before);
            if (next != written.begin() && (next - 1)->to > from) return false;
        }
    return true;
}

// Takes a tensor to be written to, and what is read; whether it can be. arrays[0] is x.
bool take(const Modes &modes, Each op, PyObject *const *tensors, Ref *arrays, bool in_place, Run &run) {
    const int count = std::max(1, traits_of(op).arrays);
    const bool graph = modes.is(names.grad, true);
    run = {};
    for (int i = 0; i < count; i++) {
        if (!is_tensor(tensors[i])) return false;
        if (i == 0 ? !outside_graph(modes, tensors[0]) : graph && !outside_graph(modes, tensors[i])) return false;
        arrays[i] = attribute(tensors[i], names._array);
        if (i == 0 ? !is_float(arrays[0].get()) || !dense(arrays[0].get()) : !alike(arrays[0].get(), arrays[i].get()))
            return false;
        run.in[i] = PyArray_DATA(numpy(arrays[i].get()));
    }
    PyArrayObject *x = numpy(arrays[0].get());
    run.type = PyArray_TYPE(x) == NPY_FLOAT ? 'f' : 'd';
    run.size = PyArray_SIZE(x);
    run.out = PyArray_DATA(x);
    return !in_place || PyArray_ISWRITEABLE(x);
}

// A number of Python's own.
bool plain_number(PyObject *object, double &to) {
    if (PyFloat_CheckExact(object)) {
        to = PyFloat_AS_DOUBLE(object);
        return true;
    }
    return PyLong_CheckExact(object) && number(object, to);
}

// The number of an operation for each tensor: one for all, or a list of them.
bool take_numbers(Each op, PyObject *given, std::vector<Run> &runs) {
    const int count = traits_of(op).numbers;
    if (!PyTuple_Check(given) || PyTuple_GET_SIZE(given) != count) {
        PyErr_Format(PyExc_TypeError, "%s takes a tuple of %d numbers", traits_of(op).name, count);
        throw Raised{};
    }
    for (int i = 0; i < count; i++) {
        PyObject *one = PyTuple_GET_ITEM(given, i);
        const bool list = PyList_CheckExact(one) || PyTuple_CheckExact(one);
        double value = 0;
        if (list ? Py_SIZE(one) != static_cast<Py_ssize_t>(runs.size()) : !plain_number(one, value)) return false;
        for (size_t r = 0; r < runs.size(); r++) {
            if (list && !plain_number(PySequence_Fast_GET_ITEM(one, r), value)) return false;
            runs[r].numbers[i] = value;
        }
    }
    return true;
}

// A call's arguments: the operation's name, its numbers, and a list of tensors for each array that it reads.
class Lists {
  public:
    Lists(PyObject *const *args, Py_ssize_t count, bool in_place) {
        if (count < 3 || !PyUnicode_Check(args[0])) {
            PyErr_SetString(PyExc_TypeError, "expected the name of an operation, a tuple of numbers, and lists of Tensors");
            throw Raised{};
        }
        const char *name = PyUnicode_AsUTF8(args[0]);
        if (!name) throw Raised{};
        op_ = each_named(name);
        arrays_ = std::max(1, traits_of(op_).arrays);
        if (count != 2 + arrays_) {
            PyErr_Format(PyExc_TypeError, "%s takes %d lists, got %zd", name, arrays_, count - 2);
            throw Raised{};
        }
        for (int i = 0; i < arrays_; i++)
            if (!PyList_CheckExact(args[2 + i]) && !PyTuple_CheckExact(args[2 + i])) {
                PyErr_Format(PyExc_TypeError, "%s takes lists of Tensors, got %.100s", name, Py_TYPE(args[2 + i])->tp_name);
                throw Raised{};
            }
        lists_ = args + 2;
        const Py_ssize_t n = Py_SIZE(args[2]);
        for (int i = 1; i < arrays_; i++)
            if (Py_SIZE(lists_[i]) != n) return;
        const Modes modes;
        if (!plain(modes)) return;
        runs_.resize(n);
        held_.resize(n * arrays_);
        for (Py_ssize_t r = 0; r < n; r++) {
            PyObject *tensors[kMostEachArrays];
            for (int i = 0; i < arrays_; i++) {
                if (Py_SIZE(lists_[i]) != n) return;  // a look at a tensor may run Python
                tensors[i] = PySequence_Fast_GET_ITEM(lists_[i], r);
            }
            if (!take(modes, op_, tensors, &held_[r * arrays_], in_place, runs_[r])) return;
        }
        taken_ = take_numbers(op_, args[1], runs_);
    }

    bool update() {
        if (!taken_ || !independent(runs_, arrays_)) return false;
        Ref where;
        for (size_t r = 0; r < runs_.size(); r++) count_write(tensor(r), where);
        run_all(op_, runs_);
        return true;
    }

    // New tensors of the results, or None.
    Ref make() {
        if (!taken_) return Ref::borrow(Py_None);
        Ref made = checked(PyList_New(static_cast<Py_ssize_t>(runs_.size())));
        for (size_t r = 0; r < runs_.size(); r++) {
            PyArrayObject *x = numpy(held_[r * arrays_].get());
            int64_t shape[kMaxDims];
            std::copy_n(PyArray_DIMS(x), PyArray_NDIM(x), shape);
            const bool contiguous = PyArray_IS_C_CONTIGUOUS(x);
            const Ref out = new_array(PyArray_NDIM(x), shape, reinterpret_cast<PyObject *>(PyArray_DESCR(x)), !contiguous);
            if (!contiguous && !laid_out_alike(out.get(), held_[r * arrays_].get())) return Ref::borrow(Py_None);
            runs_[r].out = PyArray_DATA(numpy(out.get()));
            PyList_SET_ITEM(made.get(), static_cast<Py_ssize_t>(r), wrap(out.get()).release());
        }
        run_all(op_, runs_);
        return made;
    }

  private:
    PyObject *tensor(size_t r) const { return PySequence_Fast_GET_ITEM(lists_[0], static_cast<Py_ssize_t>(r)); }

    Each op_;
    int arrays_;
    PyObject *const *lists_;
    std::vector<Run> runs_;
    std::vector<Ref> held_;
    bool taken_ = false;
};

// update_each(op, numbers, x, ...): the operation in place on each tensor of x; whether it was done.
PyObject *update_each(PyObject *, PyObject *const *args, Py_ssize_t count) {
    try {
        return PyBool_FromLong(Lists(args, count, true).update());
    } catch (Raised) {
        return nullptr;
    }
}

// new_each(op, numbers, x, ...): a list of the results for each tensor of x; None where Python has to do it.
PyObject *new_each(PyObject *, PyObject *const *args, Py_ssize_t count) {
    try {
        return Lists(args, count, false).make().release();
    } catch (Raised) {
        return nullptr;
    }
}

// fold_each(what, tensors): for each tensor the sum of its magnitudes or squares, or the largest, as an array of float64;
// None where one of them is no dense float tensor.
PyObject *fold_each(PyObject *, PyObject *const *args, Py_ssize_t count) {
    try {
        if (count != 2 || !PyUnicode_Check(args[0]) || !PyList_CheckExact(args[1]))
            return PyErr_Format(PyExc_TypeError, "fold_each expects a name and a list of Tensors");
        const char *const known[] = {"magnitudes", "squares", "largest"};
        int which = 0;
        while (which < 3 && PyUnicode_CompareWithASCIIString(args[0], known[which])) which++;
        if (which == 3) return PyErr_Format(PyExc_ValueError, "fold_each folds magnitudes, squares or largest, not %R", args[0]);
        const auto op = static_cast<Fold>(which);
        const Modes modes;
        if (!plain(modes)) Py_RETURN_NONE;
        std::vector<Ref> held;
        std::vector<Run> runs;
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(args[1]); i++) {
            PyObject *tensor = PyList_GET_ITEM(args[1], i);
            if (!is_tensor(tensor)) Py_RETURN_NONE;
            held.push_back(attribute(tensor, names._array));
            PyObject *x = held.back().get();
            if (!is_float(x) || !dense(x)) Py_RETURN_NONE;
            runs.push_back({PyArray_TYPE(numpy(x)) == NPY_FLOAT ? 'f' : 'd', {PyArray_DATA(numpy(x))}, nullptr,
                            PyArray_SIZE(numpy(x)), {}});
        }
        npy_intp size = static_cast<npy_intp>(runs.size());
        Ref out = checked(PyArray_Zeros(1, &size, PyArray_DescrFromType(NPY_DOUBLE), 0));
        auto *to = static_cast<double *>(PyArray_DATA(numpy(out.get())));
        std::vector<int64_t> start;  // of each run's parts
        int64_t parts = 0;
        for (const Run &run : runs) {
            start.push_back(parts);
            parts += std::max<int64_t>(1, (run.size + kChunk - 1) / kChunk);
        }
        std::vector<double> part(parts);
        for_stretches(
            runs.size(), [&](size_t i) { return runs[i].size; },
            [&](size_t i, int64_t first, int64_t n) {
                part[start[i] + first / kChunk] =
                    runs[i].type == 'f' ? kernels().f32.fold(op, static_cast<const float *>(runs[i].in[0]) + first, n)
                                        : kernels().f64.fold(op, static_cast<const double *>(runs[i].in[0]) + first, n);
            });
        for (size_t i = 0; i < runs.size(); i++) {
            const int64_t end = i + 1 < runs.size() ? start[i + 1] : parts;
            for (int64_t p = start[i]; p < end; p++) {
                if (op != Fold::largest) to[i] += part[p];
                else if (part[p] > to[i] || part[p] != part[p]) to[i] = part[p];
                if (to[i] != to[i]) break;
            }
        }
        return out.release();
    } catch (Raised) {
        return nullptr;
    }
}

// What PyArray_CopyInto does for arrays of one shape, where no imaginary part is lost.
bool copy_values(const Modes &modes, PyObject *x, PyObject *y) {
    if (!is_tensor(y) || (modes.is(names.grad, true) && !outside_graph(modes, y)) || !outside_graph(modes, x)) return false;
    const Ref to = attribute(x, names._array), from = attribute(y, names._array);
    if (!PyArray_CheckExact(to.get()) || !PyArray_CheckExact(from.get()) || !same_shape(to.get(), from.get()) ||
        !PyArray_ISWRITEABLE(numpy(to.get())) || PyArray_DESCR(numpy(to.get())) != PyArray_DESCR(numpy(from.get())))
        return false;
    for (int i = 0; i < PyArray_NDIM(numpy(to.get())); i++)
        if (PyArray_STRIDE(numpy(to.get()), i) == 0 && PyArray_DIM(numpy(to.get()), i) > 1) return false;
    checked(PyArray_CopyInto(numpy(to.get()), numpy(from.get())));
    Ref where;
    count_write(x, where);
    return true;
}

}  // namespace

namespace {

// Where in the objects of a class the value of one of its __slots__ is.
Py_ssize_t slot_of(PyTypeObject *type, PyObject *name) {
    const Ref member = checked(PyObject_GetAttr(reinterpret_cast<PyObject *>(type), name));
    if (Py_TYPE(member.get()) != &PyMemberDescr_Type) {
        PyErr_Format(PyExc_TypeError, "%U of %s is no slot", name, type->tp_name);
        throw Raised{};
    }
    return reinterpret_cast<PyMemberDescrObject *>(member.get())->d_member->offset;
}

}  // namespace

bool plain(const Modes &modes) {
    return !modes.is(names.interpreters, false) && !modes.is(names.inference, false) &&
           !modes.is(names.before_write, false) && !observer.begin;
}

void count_write(PyObject *tensor, Ref &where) {
    const Ref counter = versions_of(tensor);
    if (counter.get() == core().untracked) return;
    if (!where) where = location();
    static const Py_ssize_t count = slot_of(core().version, names.n), place = slot_of(core().version, names.where);
    const auto put = [&](Py_ssize_t at, Ref value) {
        auto *slot = reinterpret_cast<PyObject **>(reinterpret_cast<char *>(counter.get()) + at);
        Py_XDECREF(std::exchange(*slot, value.release()));
    };
    const Ref n = Ref::borrow(*reinterpret_cast<PyObject **>(reinterpret_cast<char *>(counter.get()) + count));
    put(count, checked(PyNumber_Add(n.get(), core().one)));
    put(place, Ref::borrow(where.get()));
}

// The in-place method of one operation: Tensors first, then numbers, as self.code tells.
Ref call_each(Compiled &self, PyObject *const *args, Py_ssize_t count) {
    auto op = static_cast<Each>(self.code);
    if (count < 1 || !is_tensor(args[0])) return {};
    if ((op == Each::relu || op == Each::add) && is_pending(attribute(args[0], names._pending).get()))
        return {};  // its array is made in one pass with these
    double numbers[kMostEachNumbers] = {};
    const auto read = [&](int i, Py_ssize_t at) { return at < count && plain_number(args[at], numbers[i]); };
    Py_ssize_t expected = 0;
    switch (op) {
    case Each::add:  // add_ and sub_ know only this one
    case Each::mul:
    case Each::divide:
        expected = 2;
        if (count != 2) return {};
        if (op == Each::add) numbers[0] = self.reflected ? -1 : 1;
        if (!is_tensor(args[1])) {
            if (!read(0, 1)) return {};
            if (op == Each::add && self.reflected) numbers[0] = -numbers[0];
            op = op == Each::add ? Each::shift : op == Each::mul ? Each::scale : Each::over;
        }
        break;
    case Each::addcmul:
    case Each::addcdiv:
        expected = 3;
        numbers[0] = 1;
        break;
    case Each::fill:
        expected = self.reflected ? 1 : 2;  // zero_
        if (!self.reflected && !read(0, 1)) return {};
        break;
    case Each::lerp:
        expected = 3;
        if (!read(0, 2)) return {};
        break;
    case Each::square:
        expected = self.reflected ? 2 : 1;  // pow_, by 2
        if (self.reflected && (!read(0, 1) || numbers[0] != 2)) return {};
        break;
    default: {
        const Traits &t = traits_of(op);
        expected = t.arrays + t.numbers;
        for (int i = 0; i < t.numbers; i++)
            if (!read(i, t.arrays + i)) return {};
    }
    }
    if (count != expected) return {};
    const Modes modes;
    if (!plain(modes)) return {};
    Ref arrays[kMostEachArrays];
    Run run;
    if (!take(modes, op, args, arrays, true, run)) {
        if (op == Each::copy && copy_values(modes, args[0], args[1])) return Ref::borrow(args[0]);
        return {};
    }
    for (int i = 1; i < traits_of(op).arrays; i++) {
        const auto *x = static_cast<const char *>(run.out), *y = static_cast<const char *>(run.in[i]);
        const int64_t bytes = run.size * (run.type == 'f' ? 4 : 8);
        if (x != y && x < y + bytes && y < x + bytes) return {};
    }
    std::copy_n(numbers, kMostEachNumbers, run.numbers);
    Ref where;
    count_write(args[0], where);
    const auto size = [&](size_t) { return run.size; };
    for_stretches(1, size, [&](size_t, int64_t first, int64_t n) {
        if (run.type == 'f') run_part<float>(op, run, first, n);
        else run_part<double>(op, run, first, n);
    });
    return Ref::borrow(args[0]);
}

int each_code(const char *name) { return static_cast<int>(each_named(name)); }

void add_lists(PyObject *module) {
    static PyMethodDef functions[] = {
        {"update_each", reinterpret_cast<PyCFunction>(reinterpret_cast<void *>(update_each)), METH_FASTCALL,
         "update_each(op, numbers, x, ...): the operation in place on each tensor of x; whether it was done."},
        {"new_each", reinterpret_cast<PyCFunction>(reinterpret_cast<void *>(new_each)), METH_FASTCALL,
         "new_each(op, numbers, x, ...): a list of its results for each tensor of x; None where it can't be done here."},
        {"fold_each", reinterpret_cast<PyCFunction>(reinterpret_cast<void *>(fold_each)), METH_FASTCALL,
         "fold_each(what, tensors): sums of magnitudes or squares, or the largest, as float64; None as above."},
        {nullptr, nullptr, 0, nullptr}};
    checked(PyModule_AddFunctions(module, functions));
}

}  // namespace retrograd
