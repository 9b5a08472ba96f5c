// The backward walk, compiled: see door.h and engine.py.
#include "numpy_api.h"

#include "boundary.h"
#include "door.h"
#include "layout.h"
#include "row_kernels.h"

#include <algorithm>
#include <map>
#include <unordered_set>

namespace retrograd {
namespace {

// What the walk needs of the package, looked up when the first one begins.
struct Engine {
    PyTypeObject *row_node, *accumulate_grad, *packed, *factors, *deferred, *relu, *add, *batch_norm;
    PyObject *batch_norm_backward, *relu_backward;  // rows
    PyObject *freed, *run_watched, *add_note, *run_tensor_hooks, *run_hooks_before, *run_hooks_after, *capture, *fit,
        *accumulate, *watchers;

    Engine() {
        const auto type = [](const char *module, const char *name) {
            return reinterpret_cast<PyTypeObject *>(imported(module, name).release());
        };
        const auto ours = [](const char *name) { return imported("retrograd.engine", name).release(); };
        row_node = type("retrograd.core.apply", "RowNode");
        accumulate_grad = type("retrograd.core.graph", "AccumulateGrad");
        packed = type("retrograd.core.saved", "Packed");
        factors = type("retrograd._native", "Factors");
        deferred = type("retrograd.core.deferred", "Deferred");
        const Ref table = imported("retrograd.core.op", "TABLE");
        const auto row = [&](const char *name) { return Py_NewRef(checked(PyMapping_GetItemString(table.get(), name)).get()); };
        const auto nodes_of = [&](const char *name) {
            const Ref made = checked(PyObject_CallMethodNoArgs(row(name), names.node_class));
            return reinterpret_cast<PyTypeObject *>(Py_NewRef(made.get()));
        };
        relu = nodes_of("relu");
        add = nodes_of("add");
        batch_norm = nodes_of("batch_norm");
        batch_norm_backward = row("batch_norm_backward");
        relu_backward = row("relu_backward");
        freed = imported("retrograd.core.graph", "Freed").release();
        run_watched = ours("run_watched");
        add_note = ours("_add_note");
        run_tensor_hooks = ours("_run_tensor_hooks");
        run_hooks_before = ours("_run_hooks_before");
        run_hooks_after = ours("_run_hooks_after");
        capture = ours("_capture");
        fit = ours("_fit");
        accumulate = ours("_accumulate");
        watchers = ours("accumulation_watchers");
    }
};

const Engine &engine() {
    static const Engine *loaded = nullptr;
    if (!loaded) loaded = new Engine;
    return *loaded;
}

// Where the i-th of a node's edges, a list or tuple, leads; borrowed.
PyObject *target_of(PyObject *edges, Py_ssize_t i) { return PyTuple_GET_ITEM(PySequence_Fast_GET_ITEM(edges, i), 0); }

PyArrayObject *as_array(const Ref &object) { return reinterpret_cast<PyArrayObject *>(object.get()); }

// Whether the caller's is the only way to the memory of an array or of the whole of what it is a view of.
bool only_holder(PyObject *array) {
    if (Py_REFCNT(array) != 1 || !PyArray_CheckExact(array)) return false;
    PyObject *base = PyArray_BASE(reinterpret_cast<PyArrayObject *>(array));
    return ours(base ? base : array);
}

// --- gradients that wait (core/deferred.py) ----------------------------------------------------------------------

constexpr npy_intp kDeferFrom = 1 << 16;  // elements: with fewer, nothing is gained

// Whether nobody would notice that the gradient of a leaf waits: it has none yet, and neither it nor its node have hooks.
bool undisturbed(PyObject *node) {
    const Ref leaf = attribute(node, names.variable);
    return PyList_GET_SIZE(engine().watchers) == 0 && attribute(leaf.get(), names._grad).get() == Py_None &&
           !truth(attribute(leaf.get(), names._hooks).get()) && !truth(attribute(leaf.get(), names._post_hooks).get()) &&
           !truth(attribute(node, names.pre_hooks).get()) && !truth(attribute(node, names.post_hooks).get()) &&
           !truth(attribute(node, names.retained).get());
}

bool may_wait(PyObject *node) {
    if (Py_TYPE(node) != engine().accumulate_grad) return false;
    const Ref array = attribute(attribute(node, names.variable).get(), names._array);
    return PyArray_Check(array.get()) && PyArray_SIZE(as_array(array)) >= kDeferFrom && undisturbed(node);
}

bool are_factors(const Ref &g) { return Py_TYPE(g.get()) == engine().factors; }

// g, multiplied out if it is factors.
Ref multiplied(Ref g) {
    return are_factors(g) ? checked(PyObject_CallMethod(g.get(), "multiply", nullptr)) : std::move(g);
}

// RowNode.run(g, False, wanted) and unpack(), with arrays; what is out of the ordinary is left to them, complaints too.
// Gives false if it was. wanted: nullptr, or a bool for each edge. edges: those of the node, as a list or tuple, if
// gradients may wait; or nullptr. spare: whether g's memory may be overwritten. relu, masks: see Walk::pass_relu().
bool run_row(PyObject *node, PyObject *g, const std::vector<bool> *wanted, PyObject *edges, bool spare, PyObject *relu,
             bool masks, std::vector<Ref> &grads) {
    const Ref plan_object = attribute(node, names.plan);
    Plan &plan = plan_of(plan_object.get());
    if (plan.joint && wanted) return false;
    size_t runs = 0;
    for (size_t i = 0; i < plan.steps.size() && !plan.variadic; i++) runs += plan.steps[i] && (!wanted || (*wanted)[i]);
    const bool norm = Py_TYPE(node) == engine().batch_norm &&
                      attribute(engine().batch_norm_backward, names.kernels).get() != Py_None;
    if (norm) spare = spare && PyList_CheckExact(g) && Py_REFCNT(g) == 1 && only_holder(PyList_GET_ITEM(g, 0));
    else spare = spare && runs == 1 && only_holder(g);
    std::vector<Ref> values;
    values.reserve(plan.entries.size() + 4);
    if (!plan.entries.empty()) {
        const Ref saved = attribute(node, names.saved), versions = attribute(node, names.versions);
        const Py_ssize_t count = plan.entries.size();
        if (!PyList_CheckExact(saved.get()) || PyList_GET_SIZE(saved.get()) != count) return false;
        const auto current = [&](PyObject *counter, size_t slot) {
            const int64_t n = whole(checked(PyObject_GetAttr(counter, names.n)).get());
            if (versions.get() == Py_None) return n == 0;
            PyObject *expected = PyDict_GetItemWithError(versions.get(), checked(PyLong_FromSize_t(slot)).get());
            if (!expected && PyErr_Occurred()) throw Raised{};
            return n == (expected ? whole(expected) : 0);
        };
        for (size_t slot = 0; slot < plan.entries.size(); slot++) {
            PyObject *s = PyList_GET_ITEM(saved.get(), slot);
            const Plan::Kind kind = plan.entries[slot].kind;
            if (Py_TYPE(s) == engine().packed) return false;
            if (kind == Plan::Input && is_tensor(s)) {
                const Ref counter = attribute(s, names._version_counter);
                if (counter.get() != Py_None && !current(counter.get(), slot)) return false;
                values.push_back(attribute(s, names._array));
            } else if (kind == Plan::Inputs) {
                PyObject *expected = PyDict_GetItemWithError(versions.get(), checked(PyLong_FromSize_t(slot)).get());
                if (!expected || !PyTuple_CheckExact(s)) return false;
                Ref arrays = checked(PyTuple_New(PyTuple_GET_SIZE(s)));
                for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(s); i++) {
                    PyObject *a = PyTuple_GET_ITEM(s, i);
                    if (Py_TYPE(a) == engine().packed) return false;
                    const bool tensor = is_tensor(a);
                    if (tensor) {
                        const Ref counter = attribute(a, names._version_counter);
                        if (counter.get() != Py_None &&
                            whole(attribute(counter.get(), names.n).get()) != whole(PyList_GET_ITEM(expected, i)))
                            return false;
                    }
                    PyTuple_SET_ITEM(arrays.get(), i, (tensor ? attribute(a, names._array) : Ref::borrow(a)).release());
                }
                values.push_back(std::move(arrays));
            } else if (kind == Plan::Output) {
                if (!current(PyTuple_GET_ITEM(s, 1), slot)) return false;
                values.push_back(Ref::borrow(PyTuple_GET_ITEM(s, 0)));
            } else {
                values.push_back(Ref::borrow(s));
            }
        }
    }
    Ref gradients = Ref::borrow(g);
    if (plan.several && !PyList_CheckExact(g)) {  // one output, of a row that may have more
        gradients = checked(PyList_New(1));
        PyList_SET_ITEM(gradients.get(), 0, Py_NewRef(g));
    }
    values.push_back(Ref::borrow(gradients.get()));
    if (plan.several)
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(gradients.get()); i++)
            values.push_back(Ref::borrow(PyList_GET_ITEM(gradients.get(), i)));
    if (plan.joint) values.push_back(Ref::borrow(plan.wanted));

    constexpr size_t kMost = 24;
    PyObject *given[kMost + 1];
    const auto apply = [&](Plan::Step &step, PyObject *target) {
        for (size_t i = 0; i < step.sources.size(); i++) {
            const int source = step.sources[i];
            given[i + 1] = (source < 0 ? values.back() : values[source]).get();
        }
        const size_t count = step.sources.size() | PY_VECTORCALL_ARGUMENTS_OFFSET;
        if (step.deferral && target && may_wait(target)) {
            Ref factors = checked(PyObject_Vectorcall(step.deferral, given + 1, count, nullptr));
            if (factors.get() != Py_None) return factors;
        }
        if (step.elementwise) {
            Ref out = step.formula(given + 1, step.sources.size(), spare ? g : nullptr);
            if (out) return out;
        }
        return checked(PyObject_Vectorcall(step.formula.function(), given + 1, count, nullptr));
    };
    for (const auto &step : plan.steps)
        if (step && step->sources.size() > kMost) return false;
    const auto collect = [&](const Ref &several) {
        const Ref all = checked(PySequence_Fast(several.get(), "a formula for several inputs gives a tuple"));
        for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(all.get()); i++)
            grads.push_back(Ref::borrow(PySequence_Fast_GET_ITEM(all.get(), i)));
    };
    if (norm) {
        const Plan::Step &step = *plan.steps[0];
        for (size_t i = 0; i < step.sources.size(); i++)
            given[i] = (step.sources[i] < 0 ? values.back() : values[step.sources[i]]).get();
        const Ref out = batch_norm_backward(given, relu, spare, masks);
        if (out) collect(out);
        if (out || relu) return static_cast<bool>(out);
    }
    if (plan.joint) {
        collect(apply(*plan.steps[0], nullptr));
        return true;
    }
    const size_t single = plan.steps.size() - plan.variadic;
    for (size_t i = 0; i < single; i++)
        if (!plan.steps[i] || (wanted && !(*wanted)[i])) grads.push_back(Ref::borrow(Py_None));
        else grads.push_back(apply(*plan.steps[i], edges ? target_of(edges, i) : nullptr));
    if (plan.variadic) collect(apply(*plan.steps.back(), nullptr));
    return true;
}

// engine._add()
Ref add(Ref a, Ref b) {
    if (ours(a.get())) {
        if (add_in_place(a.get(), b.get())) return a;
        return checked(PyNumber_InPlaceAdd(a.get(), b.get()));
    }
    static Elementwise plus(imported("_operator", "add").get());
    PyObject *const both[] = {a.get(), b.get()};
    Ref sum = plus(both, 2);
    if (!sum) sum = checked(PyNumber_Add(a.get(), b.get()));
    if (PyArray_IsScalar(sum.get(), Generic)) return checked(PyArray_FromScalar(sum.get(), nullptr));
    return sum;
}

class Walk {
  public:
    Walk(PyObject *task, PyObject *needed, PyObject *freed, PyObject *targets, bool accumulate)
        : task_(task), needed_(needed == Py_None ? nullptr : needed), freed_(freed == Py_None ? nullptr : freed),
          targets_(targets == Py_None ? nullptr : targets), accumulate_(accumulate) {
        if (!targets_) return;
        PyObject *edge, *value;
        for (Py_ssize_t at = 0; PyDict_Next(targets_, &at, &edge, &value);) ends_.insert(PyTuple_GET_ITEM(edge, 0));
    }

    // Whether the walk goes to a node, and whether the node runs.
    bool leads(PyObject *node) const { return !needed_ || find(node); }
    bool runs(PyObject *node) const { return !needed_ || truth(find(node)); }

    // engine._deliver()
    void deliver(PyObject *node, PyObject *output, Ref g, PyObject *source) {
        const int64_t outputs = whole(attribute(node, names.outputs).get());
        Ref shape = attribute(node, names.shape), kind = attribute(node, names.dtype);
        const int64_t place = outputs == 1 ? 0 : whole(output);
        if (outputs != 1) {
            shape = checked(PySequence_GetItem(shape.get(), place));
            kind = checked(PySequence_GetItem(kind.get(), place));
        }
        if (PyArray_IsScalar(g.get(), Float32) || PyArray_IsScalar(g.get(), Float64))
            g = checked(PyArray_FromScalar(g.get(), nullptr));
        Pending &waiting = announce(node, outputs);
        if (are_factors(g)) {
            if (waiting.g.get() == Py_None && fit_leaf(g, node)) return void(waiting.g = std::move(g));
            g = multiplied(std::move(g));
        }
        if (!fits(g, shape.get(), kind.get())) {
            const Ref way = checked(PyTuple_Pack(3, source, node, output));
            g = call(engine().fit, g.get(), shape.get(), kind.get(), Py_False, way.get());
        }
        if (outputs == 1) {
            waiting.g = waiting.g.get() == Py_None ? std::move(g) : add(multiplied(std::move(waiting.g)), std::move(g));
        } else {
            Ref before = Ref::borrow(PyList_GET_ITEM(waiting.g.get(), place));
            checked(PyList_SetItem(waiting.g.get(), place, Py_NewRef(Py_None)));  // `before` may be its only holder
            if (before.get() != Py_None) g = add(std::move(before), std::move(g));
            checked(PyList_SetItem(waiting.g.get(), place, g.release()));
        }
    }

    // engine._walk(): all nodes, newest first
    void run() {
        while (!pending_.empty()) {
            checked(PyErr_CheckSignals());
            const auto first = pending_.begin();
            const Ref node = std::move(first->second.node);
            Ref g = std::move(first->second.g);
            pending_.erase(first);
            set_attribute(task_, names.node, node.get());
            visit(node.get(), std::move(g));
        }
    }

  private:
    struct Pending {
        Ref node, g;  // g: a list where the node has several outputs
    };
    struct NewestFirst {
        bool operator()(const std::pair<int64_t, PyObject *> &a, const std::pair<int64_t, PyObject *> &b) const {
            return a.first != b.first ? a.first > b.first : a.second < b.second;
        }
    };

    PyObject *task_, *needed_, *freed_, *targets_;
    bool accumulate_;
    std::unordered_set<PyObject *> ends_;
    std::map<std::pair<int64_t, PyObject *>, Pending, NewestFirst> pending_;
    std::vector<Ref> grads_;
    std::vector<bool> wanted_;
    Ref relu_;            // what the relu gave whose gradient the next node takes as its own
    bool masks_ = false;  // somebody else was given that gradient: batch norm does the relu's work in its memory

    // engine._announce()
    Pending &announce(PyObject *node, int64_t outputs) {
        Pending &waiting = pending_[{whole(attribute(node, names.number).get()), node}];
        if (waiting.node) return waiting;
        waiting.node = Ref::borrow(node);
        if (outputs == 1) {
            waiting.g = Ref::borrow(Py_None);
        } else {
            waiting.g = checked(PyList_New(outputs));
            for (int64_t i = 0; i < outputs; i++) PyList_SET_ITEM(waiting.g.get(), i, Py_NewRef(Py_None));
        }
        return waiting;
    }

    // Whether no gradient came for a node.
    static bool nothing(PyObject *g) {
        if (!PyList_CheckExact(g)) return g == Py_None;
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(g); i++)
            if (PyList_GET_ITEM(g, i) != Py_None) return false;
        return true;
    }

    PyObject *find(PyObject *node) const {
        PyObject *found = PyDict_GetItemWithError(needed_, node);
        if (!found && PyErr_Occurred()) throw Raised{};
        return found;
    }

    // Whether factors fit a leaf as it lies in memory.
    static bool fit_leaf(const Ref &g, PyObject *node) {
        const Ref kind = attribute(node, names.dtype), array = attribute(attribute(node, names.variable).get(), names._array);
        return (kind.get() == Py_None || kind.get() == checked(PyObject_GetAttr(g.get(), names.dtype)).get()) &&
               truth(checked(PyObject_CallMethod(g.get(), "fit", "O", array.get())).get());
    }

    static bool fits(const Ref &g, PyObject *shape, PyObject *kind) {
        if (!PyArray_Check(g.get()) || !PyTuple_Check(shape)) return false;
        const int n = PyArray_NDIM(as_array(g));
        if (PyTuple_GET_SIZE(shape) != n) return false;
        for (int i = 0; i < n; i++)
            if (whole(PyTuple_GET_ITEM(shape, i)) != PyArray_DIM(as_array(g), i)) return false;
        PyArray_Descr *descr = PyArray_DESCR(as_array(g));
        return kind == Py_None || reinterpret_cast<PyObject *>(descr) == kind ||
               (PyArray_DescrCheck(kind) && PyArray_EquivTypes(descr, reinterpret_cast<PyArray_Descr *>(kind)));
    }

    void visit(PyObject *node, Ref g) {
        const Engine &e = engine();
        const bool leaf = Py_TYPE(node) == e.accumulate_grad;
        Ref relu = std::move(relu_);
        if (are_factors(g) && !undisturbed(node)) g = multiplied(std::move(g));
        if (has_tensor_hooks(node, leaf)) g = call(e.run_tensor_hooks, node, g.get(), Py_False);
        if (targets_) {
            if (ends_.count(node)) call(e.capture, node, g.get(), targets_, Py_False);
            if (!(leaf ? accumulate_ : runs(node))) return;
        }
        if (truth(attribute(node, names.pre_hooks).get())) g = call(e.run_hooks_before, node, g.get(), Py_False);
        if (leaf) {
            std::optional<Observed> observed;
            if (observer.begin) observed.emplace(node, g.get());
            return accumulate(node, std::move(g));
        }
        const Ref edges = attribute(node, names.edges);
        const Ref fast = checked(PySequence_Fast(edges.get(), "edges are a sequence"));
        const Py_ssize_t count = PySequence_Fast_GET_SIZE(fast.get());
        grads_.clear();
        wanted_.clear();
        bool all = true;
        if (needed_)
            for (Py_ssize_t i = 0; i < count; i++) {
                wanted_.push_back(leads(PyTuple_GET_ITEM(PySequence_Fast_GET_ITEM(fast.get(), i), 0)));
                all = all && wanted_.back();
            }
        const bool hooked = truth(attribute(node, names.post_hooks).get());  // they see the gradients
        std::optional<Observed> observed;
        if (observer.begin) observed.emplace(node, g.get());
        if (relu && Py_TYPE(node) == e.add) {
            if (observed) observed->end(g.get());
            if (freed_) free(node);
            deliver_both(node, fast.get(), std::move(g));
            relu_ = std::move(relu);
            return;
        }
        const bool masks = std::exchange(masks_, false);
        if (!hooked && pass_relu(node, g)) {
            if (observed) observed->end(g.get());
            if (freed_) free(node);
            PyObject *edge = PySequence_Fast_GET_ITEM(fast.get(), 0);
            return deliver(PyTuple_GET_ITEM(edge, 0), PyTuple_GET_ITEM(edge, 1), std::move(g), node);
        }
        try {
            if (nothing(g.get()) && PyType_IsSubtype(Py_TYPE(node), e.row_node))
                for (Py_ssize_t i = 0; i < count; i++) grads_.push_back(Ref::borrow(Py_None));
            else
                run_node(node, g.get(), all ? nullptr : &wanted_, targets_ || hooked ? nullptr : fast.get(), !hooked, relu.get(), masks);
        } catch (Raised) {
            if (PyErr_ExceptionMatches(PyExc_Exception)) {
                Ref error = take_exception();
                call(e.add_note, error.get(), node);
                raise_exception(std::move(error));
            }
            throw;
        }
        if (observed) observed->end(list_of(grads_).get());
        if (hooked) {
            const Ref given = list_of(grads_);
            collect(call(e.run_hooks_after, node, given.get(), g.get(), Py_False));
        }
        if (freed_) free(node);
        g = Ref();  // whoever gets the array next may then be its only holder
        if (static_cast<Py_ssize_t>(grads_.size()) != count) {
            PyErr_Format(PyExc_ValueError, "%R gave %zd gradients for %zd inputs", node, grads_.size(), count);
            throw Raised{};
        }
        for (Py_ssize_t i = 0; i < count; i++) {
            PyObject *edge = PySequence_Fast_GET_ITEM(fast.get(), i), *target = PyTuple_GET_ITEM(edge, 0);
            Ref gx = std::move(grads_[i]);
            if (target == Py_None || !leads(target)) continue;
            if (gx.get() == Py_None)
                announce(target, whole(attribute(target, names.outputs).get()));
            else
                deliver(target, PyTuple_GET_ITEM(edge, 1), std::move(gx), node);
        }
    }

    static bool has_tensor_hooks(PyObject *node, bool leaf) {
        if (truth(attribute(node, names.retained).get())) return true;
        if (leaf) return truth(attribute(attribute(node, names.variable).get(), names._hooks).get());
        return truth(attribute(node, names.tensor_hooks).get());
    }

    // Whether nobody sees what a node takes and gives.
    static bool unseen(PyObject *node) {
        return !has_tensor_hooks(node, false) && !truth(attribute(node, names.pre_hooks).get()) &&
               !truth(attribute(node, names.post_hooks).get());
    }

    static int64_t number_of(PyObject *node) { return whole(attribute(node, names.number).get()); }

    // Whether an edge leads to the only output of a kind of node that nobody sees, which is the next to run.
    bool next_is(PyObject *edge, PyTypeObject *kind) const {
        PyObject *node = PyTuple_GET_ITEM(edge, 0);
        return Py_TYPE(node) == kind && whole(PyTuple_GET_ITEM(edge, 1)) == 0 && unseen(node) &&
               (pending_.empty() || pending_.begin()->first.first < number_of(node));
    }

    bool next_is_norm(PyObject *edge) const {
        return next_is(edge, engine().batch_norm) && attribute(engine().batch_norm_backward, names.kernels).get() != Py_None;
    }

    static bool takes(PyObject *node, const Ref &g) {
        const Ref shape = attribute(node, names.shape), kind = attribute(node, names.dtype);
        return fits(g, shape.get(), kind.get());
    }

    // Whether a sum, which is next, gives g as it is to two nodes: to a batch norm that comes next, and to one after it for
    // which nothing came yet. g's memory may be written to, so that both get what batch norm makes of it.
    bool passes_sum(PyObject *edge, const Ref &g) const {
        if (!next_is(edge, engine().add) || !only_holder(g.get()) || !takes(PyTuple_GET_ITEM(edge, 0), g)) return false;
        const Ref edges = attribute(PyTuple_GET_ITEM(edge, 0), names.edges);
        if (!PyList_CheckExact(edges.get()) || PyList_GET_SIZE(edges.get()) != 2) return false;
        PyObject *first = PyList_GET_ITEM(edges.get(), 0), *second = PyList_GET_ITEM(edges.get(), 1);
        if (PyTuple_GET_ITEM(first, 0) == Py_None || PyTuple_GET_ITEM(second, 0) == Py_None) return false;
        if (number_of(PyTuple_GET_ITEM(first, 0)) < number_of(PyTuple_GET_ITEM(second, 0))) std::swap(first, second);
        PyObject *other = PyTuple_GET_ITEM(second, 0);
        const auto key = std::pair(number_of(other), other);
        if (!next_is_norm(first) || other == PyTuple_GET_ITEM(first, 0) || pending_.count(key)) return false;
        for (PyObject *target : {first, second}) {
            PyObject *node = PyTuple_GET_ITEM(target, 0);
            const Ref shape = attribute(node, names.shape), kind = attribute(node, names.dtype);
            const int64_t outputs = whole(attribute(node, names.outputs).get()), at = whole(PyTuple_GET_ITEM(target, 1));
            if (outputs == 1 ? !fits(g, shape.get(), kind.get())
                             : !PyList_CheckExact(shape.get()) || !PyList_CheckExact(kind.get()) ||
                                   !fits(g, PyList_GET_ITEM(shape.get(), at), PyList_GET_ITEM(kind.get(), at)))
                return false;
        }
        Array seen;
        return floats(g.get(), "g", seen) && seen.ndim >= 2 && seen.writable && same_layout(seen, channels_last(seen));
    }

    void deliver_both(PyObject *node, PyObject *edges, Ref g) {
        for (Py_ssize_t i = 0; i < 2; i++) {
            PyObject *edge = PySequence_Fast_GET_ITEM(edges, i);
            deliver(PyTuple_GET_ITEM(edge, 0), PyTuple_GET_ITEM(edge, 1), Ref::borrow(g.get()), node);
        }
    }

    // Leaves a relu's work to the batch norm before it, or before a sum that comes between: whether it did. That node is the
    // next to run and nobody sees what it takes, so that it may take the relu's own gradient g, together with what the relu
    // gave.
    bool pass_relu(PyObject *node, const Ref &g) {
        const Engine &e = engine();
        if (Py_TYPE(node) != e.relu || targets_ || needed_ || in_anomaly_mode() || !PyArray_CheckExact(g.get())) return false;
        const Ref edges = attribute(node, names.edges), saved = attribute(node, names.saved);
        PyObject *edge = PySequence_Fast_GET_ITEM(edges.get(), 0);
        if (!PyList_CheckExact(saved.get()) || PyList_GET_SIZE(saved.get()) != 1) return false;
        PyObject *kept = PyList_GET_ITEM(saved.get(), 0);
        if (!PyTuple_CheckExact(kept) || PyTuple_GET_SIZE(kept) != 2) return false;
        PyObject *out = PyTuple_GET_ITEM(kept, 0);
        const Ref versions = attribute(node, names.versions);
        int64_t expected = 0;
        if (versions.get() != Py_None) {
            PyObject *found = PyDict_GetItemWithError(versions.get(), core().zero);
            if (!found && PyErr_Occurred()) throw Raised{};
            if (found) expected = whole(found);
        }
        if (whole(attribute(PyTuple_GET_ITEM(kept, 1), names.n).get()) != expected) return false;
        Array gradient, given;
        if (!floats(g.get(), "g", gradient) || !floats_like(out, "relu", gradient, given)) return false;
        masks_ = !next_is_norm(edge);
        if (masks_ && !(same_shape(gradient, given) && passes_sum(edge, g))) return masks_ = false;
        relu_ = Ref::borrow(out);
        return true;
    }

    void run_node(PyObject *node, PyObject *g, const std::vector<bool> *wanted, PyObject *edges, bool spare,
                  PyObject *relu, bool masks) {
        const bool watched = in_anomaly_mode();
        if (!watched && PyType_IsSubtype(Py_TYPE(node), engine().row_node) &&
            run_row(node, g, wanted, edges, spare, relu, masks, grads_))
            return;
        if (relu) {  // it was no batch norm for the kernel
            Ref masked = call(engine().relu_backward, PyList_GET_ITEM(g, 0), relu);
            if (masks) checked(PyArray_CopyInto(reinterpret_cast<PyArrayObject *>(PyList_GET_ITEM(g, 0)), as_array(masked)));
            else checked(PyList_SetItem(g, 0, masked.release()));
            return run_node(node, g, wanted, edges, spare, nullptr, false);
        }
        Ref asked = Ref::borrow(Py_None);
        if (wanted) {
            asked = checked(PyList_New(wanted->size()));
            for (size_t i = 0; i < wanted->size(); i++)
                PyList_SET_ITEM(asked.get(), i, Py_NewRef((*wanted)[i] ? Py_True : Py_False));
        }
        if (watched)
            collect(call(engine().run_watched, node, g, Py_False, asked.get()));
        else
            collect(checked(PyObject_CallMethodObjArgs(node, names.run, g, Py_False, asked.get(), nullptr)));
    }

    void collect(Ref grads) {
        const Ref fast = checked(PySequence_Fast(grads.get(), "a node gives a sequence of gradients"));
        grads_.clear();
        for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(fast.get()); i++)
            grads_.push_back(Ref::borrow(PySequence_Fast_GET_ITEM(fast.get(), i)));
    }

    static Ref list_of(const std::vector<Ref> &items) {
        Ref list = checked(PyList_New(items.size()));
        for (size_t i = 0; i < items.size(); i++) PyList_SET_ITEM(list.get(), i, Py_NewRef(items[i].get()));
        return list;
    }

    // Node.free(), RowNode.free()
    void free(PyObject *node) {
        if (!PyType_IsSubtype(Py_TYPE(node), engine().row_node))
            checked(PyObject_CallMethodOneArg(node, names.free, freed_));
        else if (truth(attribute(node, names.holds).get()))
            set_attribute(node, names.saved, freed_);
    }

    // engine._laid_out(), where the leaf's array has no gaps: g becomes a copy with its strides.
    static bool lay_out(Ref &g, const Ref &like) {
        PyArray_Descr *descr = PyArray_DESCR(as_array(g));
        Ref copy;
        if (PyArray_IS_C_CONTIGUOUS(as_array(like))) {
            int64_t shape[kMaxDims];
            std::copy_n(PyArray_DIMS(as_array(g)), PyArray_NDIM(as_array(g)), shape);
            copy = new_array(PyArray_NDIM(as_array(g)), shape, reinterpret_cast<PyObject *>(descr), false);
        } else {
            Py_INCREF(descr);  // the new array takes it
            copy = checked(PyArray_NewLikeArray(as_array(like), NPY_KEEPORDER, descr, 0));
            if (!laid_out_alike(copy.get(), like.get())) return false;
        }
        checked(PyArray_CopyInto(as_array(copy), as_array(g)));
        g = std::move(copy);
        return true;
    }

    // engine._accumulate(), for the first gradient of a leaf without hooks, laid out as the leaf is
    static void accumulate(PyObject *node, Ref g) {
        const Ref leaf = attribute(node, names.variable), array = attribute(leaf.get(), names._array);
        if (are_factors(g)) {
            const Ref made = new_object(engine().deferred);
            set_attribute(made.get(), names._factors, g.get());
            return set_attribute(leaf.get(), names._grad, made.get());
        }
        if (PyList_GET_SIZE(engine().watchers) == 0 && PyArray_Check(g.get()) && PyArray_Check(array.get()) &&
            attribute(leaf.get(), names._grad).get() == Py_None && PyArray_NDIM(as_array(g)) <= kMaxDims &&
            (laid_out_alike(g.get(), array.get()) || (Modes().is(names.grad_layout, true) && lay_out(g, array))) &&
            !truth(attribute(leaf.get(), names._post_hooks).get()) && !truth(attribute(node, names.post_hooks).get())) {
            if (!ours(g.get())) g = checked(PyArray_NewCopy(as_array(g), NPY_KEEPORDER));
            const Ref made = wrap(g.get());
            if (attribute(leaf.get(), names._grad).get() == Py_None)  // no other thread came first
                return set_attribute(leaf.get(), names._grad, made.get());
        }
        call(engine().accumulate, node, g.get(), Py_False);
    }
};

}  // namespace

Ref walk(Compiled &, PyObject *const *args, Py_ssize_t count) {
    if (count != 7 || truth(args[4])) return {};  // Tensors through the formulas: create_graph, vmap
    PyObject *rule = Modes().find(names.zero_gradient);
    if (rule && PyUnicode_CompareWithASCIIString(rule, "always") == 0) return {};
    PyObject *roots = args[0], *gradients = args[1];
    const Ref task = Ref::borrow(Modes().find(names.task));
    Walk walk(task.get(), args[2], args[3], args[5], truth(args[6]));
    const Ref edges = checked(PySequence_Fast(roots, "roots are a sequence"));
    const Ref starts = checked(PySequence_Fast(gradients, "gradients are a sequence"));
    if (PySequence_Fast_GET_SIZE(edges.get()) != PySequence_Fast_GET_SIZE(starts.get())) return {};  // it raises
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(edges.get()); i++) {
        PyObject *edge = PySequence_Fast_GET_ITEM(edges.get(), i), *node = PyTuple_GET_ITEM(edge, 0);
        if (!walk.leads(node)) continue;
        Ref g = attribute(PySequence_Fast_GET_ITEM(starts.get(), i), names._array);
        walk.deliver(node, PyTuple_GET_ITEM(edge, 1), std::move(g), Py_None);
    }
    walk.run();
    return Ref::borrow(Py_None);
}

}  // namespace retrograd
