// See pending.h.
#include "numpy_api.h"

#include "pending.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>

#include "boundary.h"
#include "layout.h"
#include "norm.h"
#include "row_kernels.h"

namespace retrograd {
namespace {

constexpr int64_t kLeast = 1 << 10;  // elements: with fewer, nothing is gained

bool allowed_at_start() {
    const char *text = std::getenv("RETROGRAD_FUSION");
    return !text || std::strcmp(text, "0") != 0;
}
bool enabled = allowed_at_start();
PyTypeObject *pending_type, *guard_type, *descriptor_type;

struct Pending;

// What holds a Tensor's array while there are Pendings that read it; each of them holds the Guard.
struct Guard {
    PyObject_HEAD
    PyObject *array;
    std::vector<Pending *> *readers;
};

using Factors = std::shared_ptr<Scratch<double>>;  // numbers per channel, see norm.h

struct Pending {
    PyObject_HEAD
    Guard *x, *added;           // `added` or nullptr
    Factors *factors;           // those of x, and those of `added` where that is to be normalised too
    PyObject *result;           // the array, once it was made
    bool busy;                  // a thread reads x
    Pending *before, *after;    // all Pendings without a result are in a list
};
Pending *first = nullptr;

Pending &pending_of(PyObject *object) { return *reinterpret_cast<Pending *>(object); }

void read(Guard *&slot, Guard *source, Pending *reader) {
    if (!source) return;
    slot = reinterpret_cast<Guard *>(Py_NewRef(reinterpret_cast<PyObject *>(source)));
    if (source->readers->empty() || source->readers->back() != reader) source->readers->push_back(reader);
}

// It reads nothing any more.
void let_go(Pending &p) {
    if (p.before) p.before->after = p.after;
    else if (first == &p) first = p.after;
    if (p.after) p.after->before = p.before;
    p.before = p.after = nullptr;
    for (Guard *&source : {std::ref(p.x), std::ref(p.added)}) {
        if (!source) continue;
        auto &readers = *source->readers;
        readers.erase(std::remove(readers.begin(), readers.end(), &p), readers.end());
        Guard *held = std::exchange(source, nullptr);
        Py_DECREF(reinterpret_cast<PyObject *>(held));
    }
    for (int i = 0; i < 2; i++) p.factors[i].reset();
}

void pending_dealloc(PyObject *object) {
    Pending &p = pending_of(object);
    let_go(p);
    Py_XDECREF(p.result);
    delete[] p.factors;
    PyTypeObject *type = Py_TYPE(object);
    type->tp_free(object);
    Py_DECREF(type);
}

void guard_dealloc(PyObject *object) {
    auto &self = *reinterpret_cast<Guard *>(object);
    Py_XDECREF(self.array);
    delete self.readers;
    PyTypeObject *type = Py_TYPE(object);
    type->tp_free(object);
    Py_DECREF(type);
}

Ref new_guard(PyObject *array) {
    auto *made = PyObject_New(Guard, guard_type);
    if (!made) throw Raised{};
    made->array = Py_NewRef(array);
    made->readers = new std::vector<Pending *>;
    return Ref::steal(reinterpret_cast<PyObject *>(made));
}

Ref new_pending(Guard *x, Factors of_x, Guard *added = nullptr, Factors of_added = nullptr) {
    auto *made = PyObject_New(Pending, pending_type);
    if (!made) throw Raised{};
    made->x = made->added = nullptr;
    made->factors = new Factors[2]{std::move(of_x), std::move(of_added)};
    made->result = nullptr;
    made->busy = false;
    read(made->x, x, made);
    read(made->added, added, made);
    made->before = nullptr;
    made->after = std::exchange(first, made);
    if (made->after) made->after->before = made;
    return Ref::steal(reinterpret_cast<PyObject *>(made));
}

bool is_guard(PyObject *object) { return Py_TYPE(object) == guard_type; }

// The only thread that works on a Pending while it lives: others wait, without the interpreter's lock.
class Busy {
  public:
    explicit Busy(Pending &p) : p_(p) {
        while (p.busy) {
            Py_BEGIN_ALLOW_THREADS;
            std::this_thread::yield();
            Py_END_ALLOW_THREADS;
        }
        p.busy = true;
    }
    ~Busy() { p_.busy = false; }

  private:
    Pending &p_;
};

// The array, past a relu or not; empty if it was made meanwhile. last: nobody will ask this Pending again, so that x's
// memory may take the result where the Pending has the only way to it.
Ref compute(PyObject *object, bool relu, bool last) {
    Pending &p = pending_of(object);
    if (p.result) return {};
    // Room first: to make it may run any code, which may look at what waits here.
    const Ref source = Ref::borrow(reinterpret_cast<PyObject *>(p.x));
    PyObject *given = p.x->array;
    Array x, y, out;
    see(given, "x", x);
    const bool over = last && x.writable && Py_REFCNT(source.get()) == 2 && Py_REFCNT(given) == 1;
    Ref array;
    if (over) {
        out = x;
        array = Ref::borrow(given);
    } else {
        Result made(given, x.ndim, x.shape, true);
        out = made;
        array = std::move(made.array);
    }
    const Busy busy(p);
    if (p.result) return {};
    if (p.added) see(p.added->array, "y", y);
    const void *factors[2];
    for (int i = 0; i < 2; i++) factors[i] = p.factors[i] ? p.factors[i]->get() : nullptr;
    {
        const Running running(x.size() * 2 * kPerElement);
        batch_norm_apply(x, factors[0], p.added ? &y : nullptr, factors[1], relu, out);
    }
    if (last && !relu) {
        p.result = Py_NewRef(array.get());
        let_go(p);
    }
    return array;
}

Ref make(PyObject *object) {
    Ref array = compute(object, false, true);
    return array ? std::move(array) : Ref::borrow(pending_of(object).result);
}

// Makes the arrays of all that read what a Guard holds.
void make_readers(PyObject *object) {
    auto &readers = *reinterpret_cast<Guard *>(object)->readers;
    while (!readers.empty()) {
        const Ref reader = Ref::borrow(reinterpret_cast<PyObject *>(readers.back()));
        make(reader.get());
    }
}

void take_away(PyObject *tensor, PyObject *name) { checked(PyObject_GenericSetAttr(tensor, name, nullptr)); }

// --- the descriptor Tensor._array --------------------------------------------------------------------------------

PyObject *look(PyObject *self, PyObject *tensor, PyObject *) {
    if (!tensor || tensor == Py_None) return Py_NewRef(self);
    try {
        const Ref pending = attribute(tensor, names._pending);
        Ref array;
        if (is_pending(pending.get())) {
            array = make(pending.get());
        } else if (is_guard(pending.get())) {
            make_readers(pending.get());
            array = Ref::borrow(reinterpret_cast<Guard *>(pending.get())->array);
        } else {
            return PyErr_Format(PyExc_AttributeError, "this Tensor has no array");
        }
        if (attribute(tensor, names._pending).get() != pending.get())  // another thread came first
            return PyObject_GenericGetAttr(tensor, names._array);
        give(tensor, array.get());
        return array.release();
    } catch (Raised) {
        return nullptr;
    } catch (const std::bad_alloc &) {
        return PyErr_NoMemory();
    }
}

// --- what may wait -----------------------------------------------------------------------------------------------

// Whether a node keeps this array as that of its own output.
bool saved_as_output(PyObject *node, PyObject *array) {
    static PyObject *row_node = imported("retrograd.core.apply", "RowNode").release();
    if (node == Py_None || !PyType_IsSubtype(Py_TYPE(node), reinterpret_cast<PyTypeObject *>(row_node))) return false;
    const Ref saved = attribute(node, names.saved);
    if (!PyList_CheckExact(saved.get())) return false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(saved.get()); i++) {
        PyObject *kept = PyList_GET_ITEM(saved.get(), i);
        if (PyTuple_CheckExact(kept) && PyTuple_GET_SIZE(kept) == 2 && PyTuple_GET_ITEM(kept, 0) == array) return true;
    }
    return false;
}

// Whether a Tensor is of the ordinary kind, so that what is computed of it may wait.
bool ordinary(PyObject *tensor) {
    return Py_TYPE(tensor) == core().tensor && attribute(tensor, names._view).get() == Py_None &&
           !truth(attribute(tensor, names._tangents).get());
}

// The Guard of a Tensor's array, or a new one for it, which guard() gives it; empty where others have the array too, or
// where it isn't one for the kernel.
Ref guard_for(PyObject *tensor, Array &x) {
    if (!ordinary(tensor)) return {};
    Ref found = attribute(tensor, names._pending);
    if (!is_guard(found.get())) {
        const Ref array = attribute(tensor, names._array);
        PyObject *a = array.get();
        if (!PyArray_CheckExact(a) || PyArray_BASE(numpy(a)) || !PyArray_CHKFLAGS(numpy(a), NPY_ARRAY_OWNDATA)) return {};
        const Ref node = attribute(tensor, names._grad_fn);
        const Py_ssize_t known = 2 + saved_as_output(node.get(), a);  // the Tensor and this function
        if (Py_REFCNT(a) != known) return {};
        found = new_guard(a);
    }
    PyObject *array = reinterpret_cast<Guard *>(found.get())->array;
    if (!images(array, x) || x.size() < kLeast || !same_layout(x, channels_last(x))) return {};
    return found;
}

Guard *as_guard(const Ref &object) { return reinterpret_cast<Guard *>(object.get()); }

// x, weight, bias, eps or x, weight, bias, mean, variance, eps
Ref start_batch_norm(Row &row, PyObject *const *args, Py_ssize_t count) {
    if (count != (row.norm == 't' ? 4 : 6) || !is_tensor(args[0]) ||
        attribute(row.op, names.kernels).get() == Py_None)
        return {};
    Array x, a[4];
    const Array *to[4] = {};
    Ref kept[4], arrays[4];
    double eps;
    if (!number(args[count - 1], eps)) return {};
    const Ref source = guard_for(args[0], x);
    if (!source) return {};
    const char *called[] = {"weight", "bias", "mean", "variance"};
    for (Py_ssize_t i = 0; i < count - 2; i++) {
        arrays[i] = is_tensor(args[1 + i]) ? attribute(args[1 + i], names._array) : Ref::borrow(args[1 + i]);
        if (!channel_values(arrays[i].get(), called[i], x, a[i], to[i], kept[i])) return {};
        if (to[i] && (a[i].ndim != 1 || a[i].shape[0] != x.shape[1])) return {};
    }
    PyObject *like = as_guard(source)->array;
    const auto factors = std::make_shared<Scratch<double>>(3 * x.shape[1]);
    if (row.norm == 'e') {
        if (!to[2] || !to[3]) return {};
        batch_norm_factors(x, *to[2], *to[3], eps, to[0], to[1], factors->get());
        return new_pending(as_guard(source), factors);
    }
    Result mean(like, 1, x.shape + 1), variance(like, 1, x.shape + 1);
    {
        const Running running(x.size() * kPerElement);
        batch_norm_moments(x, mean, variance);
    }
    batch_norm_factors(x, mean, variance, eps, to[0], to[1], factors->get());
    const Ref out = new_pending(as_guard(source), factors);
    return checked(PyTuple_Pack(3, out.get(), mean.array.get(), variance.array.get()));
}

// The Pending of a Tensor that waits; empty if it doesn't.
Ref waiting(PyObject *tensor) {
    if (!is_tensor(tensor)) return {};
    Ref pending = attribute(tensor, names._pending);
    return is_pending(pending.get()) && !pending_of(pending.get()).result ? std::move(pending) : Ref();
}

// A batch norm's result plus another Tensor's values.
Ref add_to(const Ref &pending, PyObject *other) {
    Pending &p = pending_of(pending.get());
    if (!is_tensor(other) || p.added) return {};
    Array x, y;
    see(p.x->array, "x", x);
    if (const Ref too = waiting(other)) {
        Pending &q = pending_of(too.get());
        if (q.added || !ordinary(other) || Py_TYPE(q.x->array) != Py_TYPE(p.x->array)) return {};
        see(q.x->array, "y", y);
        if (y.type != x.type || !same_shape(x, y)) return {};
        return new_pending(p.x, p.factors[0], q.x, q.factors[0]);
    }
    const Ref source = guard_for(other, y);
    if (!source || y.type != x.type || !same_shape(x, y)) return {};
    return new_pending(p.x, p.factors[0], as_guard(source));
}

}  // namespace

bool is_pending(PyObject *value) { return Py_TYPE(value) == pending_type; }

PyObject *pattern_of(PyObject *pending) {
    const Pending &p = pending_of(pending);
    return p.result ? p.result : p.x->array;
}

void give(PyObject *tensor, PyObject *value) {
    const bool waits = is_pending(value) || is_guard(value);
    const Ref before = attribute(tensor, names._pending);
    set_attribute(tensor, waits ? names._pending : names._array, value);
    if (!waits && before.get() != Py_None) take_away(tensor, names._pending);
    if (waits && before.get() == Py_None) take_away(tensor, names._array);
}

Ref wrap_pending(PyObject *pending) {
    Ref tensor = new_object(core().tensor);
    set_attribute(tensor.get(), names._pending, pending);
    return tensor;
}

void guard(PyObject *pending, PyObject *const *args, Py_ssize_t count) {
    const Pending &p = pending_of(pending);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!is_tensor(args[i]) || attribute(args[i], names._pending).get() != Py_None) continue;
        const Ref array = attribute(args[i], names._array);
        for (Guard *source : {p.x, p.added})
            if (source && source->array == array.get()) {
                give(args[i], reinterpret_cast<PyObject *>(source));
                break;
            }
    }
}

Ref without_looking(Row &row, PyObject *const *args, Py_ssize_t count, bool inplace) {
    if (!enabled || in_anomaly_mode()) return {};
    if (row.norm) return inplace ? Ref() : start_batch_norm(row, args, count);
    const Ref pending = waiting(args[0]);
    if (row.writes == 'r') {
        if (count != 1 || !pending || attribute(row.op, names.kernels).get() == Py_None) return {};
        return compute(pending.get(), true, inplace && Py_REFCNT(pending.get()) == 2);
    }
    if (row.writes != '+' || count != 2 || args[0] == args[1]) return {};
    if (pending) return add_to(pending, args[1]);
    const Ref second = waiting(args[1]);
    return second && !inplace ? add_to(second, args[0]) : Ref();
}

namespace {

// settle(): the arrays of all that waits are made
PyObject *settle(PyObject *, PyObject *) {
    try {
        while (first) {
            const Ref pending = Ref::borrow(reinterpret_cast<PyObject *>(first));
            make(pending.get());
        }
        Py_RETURN_NONE;
    } catch (Raised) {
        return nullptr;
    } catch (const std::bad_alloc &) {
        return PyErr_NoMemory();
    }
}

// use_fusion(bool): whether results may wait; gives what held before
PyObject *use_fusion(PyObject *, PyObject *value) {
    const int wanted = PyObject_IsTrue(value);
    if (wanted < 0) return nullptr;
    return PyBool_FromLong(std::exchange(enabled, static_cast<bool>(wanted)));
}

// pending(): how many results wait
PyObject *count_pending(PyObject *, PyObject *) {
    Py_ssize_t count = 0;
    for (const Pending *p = first; p; p = p->after) count++;
    return PyLong_FromSsize_t(count);
}

PyMethodDef functions[] = {
    {"settle", settle, METH_NOARGS, "Makes the arrays of all Tensors that wait for somebody to look."},
    {"use_fusion", use_fusion, METH_O, "Whether results of batch norm may wait for what comes next; gives what held before."},
    {"pending", count_pending, METH_NOARGS, "How many Tensors wait for somebody to look."},
    {nullptr, nullptr, 0, nullptr}};

PyTypeObject *make_type(const char *name, int size, const char *doc, std::initializer_list<PyType_Slot> own) {
    std::vector<PyType_Slot> slots(own);
    slots.push_back({Py_tp_doc, const_cast<char *>(doc)});
    slots.push_back({0, nullptr});
    PyType_Spec spec = {name, size, 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots.data()};
    return reinterpret_cast<PyTypeObject *>(checked(PyType_FromSpec(&spec)).release());
}

}  // namespace

void add_pending(PyObject *module) {
    pending_type = make_type("retrograd._native.Pending", sizeof(Pending), "What an array is made from when somebody looks.",
                             {{Py_tp_dealloc, reinterpret_cast<void *>(pending_dealloc)}});
    guard_type = make_type("retrograd._native.Guard", sizeof(Guard), "Keeps an array as it is while others are to be made from it.",
                           {{Py_tp_dealloc, reinterpret_cast<void *>(guard_dealloc)}});
    descriptor_type = make_type("retrograd._native.ArrayWhenLookedAt", sizeof(PyObject), "Tensor._array where it waits.",
                                {{Py_tp_descr_get, reinterpret_cast<void *>(look)}});
    const Ref descriptor = checked(PyType_GenericAlloc(descriptor_type, 0));
    checked(PyModule_AddObjectRef(module, "array_when_looked_at", descriptor.get()));
    checked(PyModule_AddFunctions(module, functions));
}

}  // namespace retrograd
