// The door, compiled: see door.h. Each function here names the Python function that it does the common path of.
#define RETROGRAD_IMPORTS_NUMPY
#include "numpy_api.h"

#include "door.h"

#include <structmember.h>

#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace retrograd {

Names names;

namespace {

bool enabled = true;

constexpr Py_ssize_t kMaxArguments = 16;
constexpr size_t kMaxEdges = 16;

// What the door needs of the package, looked up when the first operation passes.
struct Core {
    PyTypeObject *tensor, *version, *view, *accumulate_grad;
    PyObject *modes, *anomaly, *user_location, *interpret, *execute, *record, *save, *mark_views, *untracked, *run, *numpy, *quiet,
        *quiet_variable, *quiet_value, *counter, *root, *no_edge, *nothing, *zero;

    Core() {
        const auto type = [](const char *module, const char *name) {
            return reinterpret_cast<PyTypeObject *>(imported(module, name).release());
        };
        tensor = type("retrograd.core.tensor", "Tensor");
        version = type("retrograd.core.graph", "Version");
        view = type("retrograd.core.graph", "View");
        accumulate_grad = type("retrograd.core.graph", "AccumulateGrad");
        modes = imported("retrograd.core.modes", "modes").release();
        anomaly = imported("retrograd.core.location", "anomaly").release();
        user_location = imported("retrograd.core.location", "user_location").release();
        root = imported("retrograd.core.location", "_ROOT").release();
        interpret = imported("retrograd.core.apply", "interpret").release();
        execute = imported("retrograd.core.apply", "execute").release();
        record = imported("retrograd.core.apply", "record").release();
        mark_views = imported("retrograd.core.apply", "_mark_views").release();
        save = imported("retrograd.core.apply", "_save").release();
        untracked = imported("retrograd.core.graph", "untracked").release();
        no_edge = imported("retrograd.core.apply", "_NO_EDGE").release();
        const Ref op = imported("retrograd.core.op", "Op");
        run = checked(PyObject_GetAttr(op.get(), names.run)).release();
        numpy = checked(PyImport_ImportModule("numpy")).release();
        quiet = imported("retrograd.core.arrays", "quiet").release();
        quiet_variable = checked(PyObject_GetAttrString(quiet, "variable")).release();
        quiet_value = checked(PyObject_GetAttrString(quiet, "ignore")).release();
        const Ref next = imported("retrograd.core.graph", "next_number");
        counter = checked(PyObject_GetAttrString(next.get(), "__self__")).release();
        nothing = checked(PyTuple_New(0)).release();
        zero = checked(PyLong_FromLong(0)).release();
    }
};

const Core &core() {
    static const Core *loaded = nullptr;
    if (!loaded) loaded = new Core;
    return *loaded;
}

Ref new_object(PyTypeObject *type) { return checked(PyBaseObject_Type.tp_new(type, core().nothing, nullptr)); }

int64_t whole(PyObject *object) {
    const long long value = PyLong_AsLongLong(object);
    if (value == -1 && PyErr_Occurred()) throw Raised{};
    return value;
}

}  // namespace

// --- modes, places, tensors --------------------------------------------------------------------------------------

namespace {

// The dictionaries of threads that are gone: thrown away by the next thread that holds the interpreter's lock.
std::mutex gone_lock;
std::vector<PyObject *> gone;

struct ThreadModes {
    uint64_t thread = 0;  // Python's id of the thread, which is never used again
    PyObject *dict = nullptr;

    ~ThreadModes() {
        if (!dict) return;
        const std::lock_guard<std::mutex> lock(gone_lock);
        gone.push_back(dict);
    }
    void refresh(uint64_t now) {
        std::vector<PyObject *> old;
        {
            const std::lock_guard<std::mutex> lock(gone_lock);
            old.swap(gone);
        }
        for (PyObject *d : old) Py_DECREF(d);
        Ref fresh = checked(PyObject_GetAttrString(core().modes, "__dict__"));
        Py_XDECREF(std::exchange(dict, fresh.release()));
        thread = now;
    }
};
thread_local ThreadModes thread_modes;

}  // namespace

Modes::Modes() {
    const uint64_t now = PyThreadState_GetID(PyThreadState_Get());
    if (thread_modes.thread != now) thread_modes.refresh(now);
    dict_ = thread_modes.dict;
}

bool Modes::is(PyObject *name, bool otherwise) const {
    PyObject *value = PyDict_GetItemWithError(dict_, name);
    if (!value) {
        if (PyErr_Occurred()) throw Raised{};
        return otherwise;
    }
    return truth(value);
}

bool is_tensor(PyObject *object) { return PyObject_TypeCheck(object, core().tensor); }

Ref wrap(PyObject *array) {
    Ref tensor = new_object(core().tensor);
    set_attribute(tensor.get(), names._array, array);
    return tensor;
}

bool in_anomaly_mode() {
    return truth(checked(PyObject_GetAttr(core().anomaly, names.on)).get());
}

namespace {

// (code, instruction), the same tuple as last time where it is still known: programs pass the same places in loops.
Ref place_in(PyObject *code, int instruction) {
    static PyObject *known[256];
    PyObject *&slot = known[(reinterpret_cast<uintptr_t>(code) / 64 * 31 + instruction / 2) % 256];
    if (slot && PyTuple_GET_ITEM(slot, 0) == code && PyLong_AsLong(PyTuple_GET_ITEM(slot, 1)) == instruction)
        return Ref::borrow(slot);
    const Ref number = checked(PyLong_FromLong(instruction));
    Ref place = checked(PyTuple_Pack(2, code, number.get()));
    Py_XDECREF(std::exchange(slot, Py_NewRef(place.get())));
    return place;
}

}  // namespace

Ref location() {
    if (in_anomaly_mode()) return call(core().user_location);
    const char *root = static_cast<const char *>(PyUnicode_DATA(core().root));
    const Py_ssize_t length = PyUnicode_GET_LENGTH(core().root);
    const bool narrow = PyUnicode_KIND(core().root) == PyUnicode_1BYTE_KIND;
    Ref frame = Ref::borrow(reinterpret_cast<PyObject *>(PyEval_GetFrame()));
    while (frame) {
        auto *f = reinterpret_cast<PyFrameObject *>(frame.get());
        const Ref code = Ref::steal(reinterpret_cast<PyObject *>(PyFrame_GetCode(f)));
        PyObject *file = reinterpret_cast<PyCodeObject *>(code.get())->co_filename;
        const bool inside =
            narrow && PyUnicode_KIND(file) == PyUnicode_1BYTE_KIND
                ? PyUnicode_GET_LENGTH(file) >= length && !std::memcmp(PyUnicode_DATA(file), root, length)
                : PyUnicode_Tailmatch(file, core().root, 0, PY_SSIZE_T_MAX, -1) == 1;
        if (!inside) return place_in(code.get(), PyFrame_GetLasti(f));
        frame = Ref::steal(reinterpret_cast<PyObject *>(PyFrame_GetBack(f)));
    }
    return Ref::borrow(Py_None);
}

// The array's shape, the same tuple as last time where it is still known.
Ref shape_of(PyObject *array) {
    static PyObject *known[64];
    auto *a = reinterpret_cast<PyArrayObject *>(array);
    const int n = PyArray_NDIM(a);
    const npy_intp *dims = PyArray_DIMS(a);
    size_t hash = n;
    for (int i = 0; i < n; i++) hash = hash * 31 + static_cast<size_t>(dims[i]);
    PyObject *&slot = known[(hash ^ hash >> 6) % 64];
    bool same = slot && PyTuple_GET_SIZE(slot) == n;
    for (int i = 0; same && i < n; i++) same = PyLong_AsSsize_t(PyTuple_GET_ITEM(slot, i)) == dims[i];
    if (same) return Ref::borrow(slot);
    Ref shape = checked(PyTuple_New(n));
    for (int i = 0; i < n; i++) PyTuple_SET_ITEM(shape.get(), i, checked(PyLong_FromSsize_t(dims[i])).release());
    Py_XDECREF(std::exchange(slot, Py_NewRef(shape.get())));
    return shape;
}

bool ours(PyObject *array) {
    if (Py_REFCNT(array) != 1 || !PyArray_CheckExact(array)) return false;
    auto *a = reinterpret_cast<PyArrayObject *>(array);
    return !PyArray_BASE(a) && PyArray_CHKFLAGS(a, NPY_ARRAY_OWNDATA | NPY_ARRAY_WRITEABLE);
}

Quiet::Quiet() {
    const Core &c = core();
    if (c.quiet_variable == Py_None) {  // a NumPy that does it otherwise
        token_ = checked(PyObject_CallMethod(c.quiet, "enter", nullptr)).release();
        return;
    }
    PyObject *now;
    checked(PyContextVar_Get(c.quiet_variable, nullptr, &now));
    const bool already = now == c.quiet_value;
    Py_XDECREF(now);
    if (!already) token_ = checked(PyContextVar_Set(c.quiet_variable, c.quiet_value)).release();
}

Quiet::~Quiet() {
    if (!token_) return;
    Ref error = PyErr_Occurred() ? take_exception() : Ref();
    if (core().quiet_variable == Py_None)
        Py_XDECREF(PyObject_CallMethod(core().quiet, "leave", "O", token_));
    else
        PyContextVar_Reset(core().quiet_variable, token_);
    PyErr_Clear();
    Py_DECREF(token_);
    if (error) raise_exception(std::move(error));
}

// --- rows and plans ----------------------------------------------------------------------------------------------

namespace {

Ref item(PyObject *object, const char *name) { return checked(PyObject_GetAttrString(object, name)); }

bool flag(PyObject *object, const char *name) { return truth(item(object, name).get()); }

template <class F> void each(PyObject *sequence, F body) {
    const Ref fast = checked(PySequence_Fast(sequence, "expected a sequence"));
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(fast.get()); i++)
        body(PySequence_Fast_GET_ITEM(fast.get(), i), static_cast<size_t>(i));
}

std::unique_ptr<Plan> read_plan(PyObject *object) {
    auto plan = std::make_unique<Plan>();
    each(item(object, "entries").get(), [&](PyObject *entry, size_t) {
        plan->entries.push_back({static_cast<Plan::Kind>(whole(PyTuple_GET_ITEM(entry, 0))),
                                 static_cast<int>(whole(PyTuple_GET_ITEM(entry, 1)))});
    });
    const Ref sources = item(object, "sources");
    const bool elementwise = flag(object, "elementwise");
    each(item(object, "steps").get(), [&](PyObject *step, size_t i) {
        if (step == Py_None) return void(plan->steps.emplace_back());
        Plan::Step made = {Elementwise(PyTuple_GET_ITEM(step, 0)), elementwise, {}};
        each(PyList_GET_ITEM(sources.get(), i),
             [&](PyObject *s, size_t) { made.sources.push_back(static_cast<int>(whole(s))); });
        plan->steps.emplace_back(std::move(made));
    });
    plan->joint = item(object, "joint").get() != Py_None;
    plan->several = flag(object, "several");
    plan->variadic = flag(object, "variadic");
    plan->wanted = plan->joint ? item(object, "wanted").release() : nullptr;
    plan->object = Py_NewRef(object);
    return plan;
}

std::unique_ptr<Row> read_row(PyObject *op) {
    auto row = std::make_unique<Row>(item(op, "forward").get());
    each(item(op, "nondiff").get(), [&](PyObject *i, size_t) { row->nondiff.push_back(static_cast<int>(whole(i))); });
    row->variadic_formula = item(op, "first_variadic").get() != Py_None;
    each(item(op, "inputs").get(), [&](PyObject *i, size_t) { row->inputs.push_back(static_cast<int>(whole(i))); });
    row->parameters = PyObject_Size(item(op, "parameters").get());
    row->variadic = item(op, "variadic").get() != Py_None;
    row->several = item(op, "outputs").get() != Py_None;
    row->view = flag(op, "view");
    const auto is = [](PyObject *text, const char *name) {
        return PyUnicode_Check(text) && !PyUnicode_CompareWithASCIIString(text, name);
    };
    const Ref kind = item(op, "promote"), jvp = item(op, "jvp"), name = item(op, "name");
    row->promotion = is(kind.get(), "pair")         ? Row::Pair
                     : is(kind.get(), "pair_float") ? Row::PairFloat
                     : is(kind.get(), "float")      ? Row::Float
                                                    : Row::None;
    row->elementwise = is(jvp.get(), "elementwise") || is(name.get(), "masked");
    row->node_class = nullptr;  // made with the first node
    row->op = Py_NewRef(op);
    return row;
}

}  // namespace

Plan &plan_of(PyObject *plan) {
    static auto *plans = new std::unordered_map<PyObject *, std::unique_ptr<Plan>>;
    const auto found = plans->find(plan);
    if (found != plans->end()) return *found->second;
    auto made = read_plan(plan);
    return *plans->emplace(plan, std::move(made)).first->second;
}

Row &row_of(PyObject *op) {
    static auto *rows = new std::unordered_map<PyObject *, std::unique_ptr<Row>>;
    const auto found = rows->find(op);
    if (found != rows->end()) return *found->second;
    auto made = read_row(op);
    return *rows->emplace(op, std::move(made)).first->second;
}

const Plan &Row::plan(uint64_t needs) {
    for (const auto &[known, plan] : plans)
        if (known == needs) return *plan;
    const Ref made = checked(PyObject_CallMethod(op, "plan", "K", static_cast<unsigned long long>(needs)));
    plans.emplace_back(needs, &plan_of(made.get()));
    return *plans.back().second;
}

// --- recording ---------------------------------------------------------------------------------------------------

namespace {

PyObject *descr_of(PyObject *array) {
    return reinterpret_cast<PyObject *>(PyArray_DESCR(reinterpret_cast<PyArrayObject *>(array)));
}

Ref tuple_of(PyObject *const *args, Py_ssize_t count) {
    Ref tuple = checked(PyTuple_New(count));
    for (Py_ssize_t i = 0; i < count; i++) PyTuple_SET_ITEM(tuple.get(), i, Py_NewRef(args[i]));
    return tuple;
}

// Tensor.requires_grad, as apply.needed() asks it. node: the tensor's.
bool wants_gradient(PyObject *tensor, PyObject *node) {
    if (node != Py_None || truth(attribute(tensor, names._requires).get())) return true;
    return attribute(tensor, names._view).get() != Py_None && truth(attribute(tensor, names.requires_grad).get());
}

// graph.accumulator()
Ref accumulator(PyObject *leaf) {
    const Core &c = core();
    const Ref known = attribute(leaf, names._accumulator);  // a weak reference, or None
    if (known.get() != Py_None) {
        Ref node = call(known.get());
        if (node.get() != Py_None) return node;
    }
    const Ref array = attribute(leaf, names._array), dtype = attribute(leaf, names._grad_dtype);
    Ref node = new_object(c.accumulate_grad);
    set_attribute(node.get(), names.variable, leaf);
    set_attribute(node.get(), names.number, checked(PyIter_Next(c.counter)).get());
    set_attribute(node.get(), names.shape, shape_of(array.get()).get());
    set_attribute(node.get(), names.dtype, dtype.get() == Py_False ? descr_of(array.get()) : dtype.get());
    const Ref weak = checked(PyWeakref_NewRef(node.get(), nullptr));
    set_attribute(leaf, names._accumulator, weak.get());
    return node;
}

// Tensor._edge()
Ref edge_of(PyObject *tensor, PyObject *node) {
    if (attribute(tensor, names._view).get() != Py_None) return checked(PyObject_CallMethodNoArgs(tensor, names._edge));
    if (node == Py_None) return checked(PyTuple_Pack(2, accumulator(tensor).get(), core().zero));
    return checked(PyTuple_Pack(2, node, attribute(tensor, names._output_nr).get()));
}

// Tensor._versions()
Ref versions_of(PyObject *tensor) {
    Ref counter = attribute(tensor, names._version_counter);
    if (counter.get() == Py_None) {
        counter = new_object(core().version);
        set_attribute(counter.get(), names.n, core().zero);
        set_attribute(counter.get(), names.where, Py_None);
        set_attribute(tensor, names._version_counter, counter.get());
    }
    return counter;
}

// A counter's number; 0 for None
Ref version_of(PyObject *counter) {
    return counter == Py_None ? Ref::borrow(core().zero) : checked(PyObject_GenericGetAttr(counter, names.n));
}

// apply._save(), without hooks on what is saved
void save(PyObject *node, Row &row, const Plan &plan, PyObject *const *args, Py_ssize_t count, PyObject *result) {
    bool holds = false;
    Ref saved = checked(PyList_New(plan.entries.size())), versions;
    const auto remember = [&](size_t slot, PyObject *version) {
        if (!versions) versions = checked(PyDict_New());
        checked(PyDict_SetItem(versions.get(), checked(PyLong_FromSize_t(slot)).get(), version));
    };
    for (size_t slot = 0; slot < plan.entries.size(); slot++) {
        const auto [kind, i] = plan.entries[slot];
        Ref kept;
        if (kind == Plan::Input) {
            kept = Ref::borrow(args[i]);
            if (is_tensor(args[i])) {
                holds = true;
                const Ref counter = attribute(args[i], names._version_counter);
                if (counter.get() == core().untracked)  // it refuses
                    return void(call(core().save, node, plan.object, tuple_of(args, count).get(), result));
                const Ref version = version_of(counter.get());
                if (truth(version.get())) remember(slot, version.get());
            }
        } else if (kind == Plan::Inputs) {
            holds = true;
            kept = tuple_of(args + i, count - i);
            const Ref all = checked(PyList_New(count - i));
            for (Py_ssize_t k = i; k < count; k++) {
                const Ref counter = is_tensor(args[k]) ? attribute(args[k], names._version_counter) : Ref::borrow(Py_None);
                PyList_SET_ITEM(all.get(), k - i, version_of(counter.get()).release());
            }
            remember(slot, all.get());
        } else if (kind == Plan::Output) {
            holds = true;
            PyObject *output = row.several ? PyTuple_GET_ITEM(result, i) : result;
            const Ref counter = versions_of(output), array = attribute(output, names._array);
            kept = checked(PyTuple_Pack(2, array.get(), counter.get()));
            const Ref version = version_of(counter.get());
            if (truth(version.get())) remember(slot, version.get());
        } else {
            Ref array = is_tensor(args[i]) ? attribute(args[i], names._array) : Ref::borrow(args[i]);
            if (!PyArray_Check(array.get())) array = checked(PyArray_FROM_O(array.get()));
            kept = kind == Plan::Shape ? shape_of(array.get()) : checked(PyObject_GetAttr(array.get(), names.dtype));
        }
        PyList_SET_ITEM(saved.get(), slot, kept.release());
    }
    set_attribute(node, names.saved, saved.get());
    if (versions) set_attribute(node, names.versions, versions.get());
    if (holds) set_attribute(node, names.holds, Py_True);
}

// Op.is_differentiable_output()
bool differentiable(const Row &row, Py_ssize_t output, PyObject *array) {
    for (const int i : row.nondiff)
        if (row.several && i == output) return false;
    return std::strchr("fcV", PyArray_DESCR(reinterpret_cast<PyArrayObject *>(array))->kind);
}

// The node's outputs: their forms, and whose they are.
void set_outputs(const Row &row, PyObject *node, PyObject *result, const std::vector<Ref> &arrays) {
    const bool many = row.several && arrays.size() != 1;
    if (!many) {
        set_attribute(node, names.shape, shape_of(arrays[0].get()).get());
        set_attribute(node, names.dtype, descr_of(arrays[0].get()));
        return set_attribute(row.several ? PyTuple_GET_ITEM(result, 0) : result, names._grad_fn, node);
    }
    const Py_ssize_t count = arrays.size();
    set_attribute(node, names.outputs, checked(PyLong_FromSsize_t(count)).get());
    const Ref shapes = checked(PyList_New(count)), dtypes = checked(PyList_New(count));
    for (Py_ssize_t i = 0; i < count; i++) {
        PyList_SET_ITEM(shapes.get(), i, shape_of(arrays[i].get()).release());
        PyList_SET_ITEM(dtypes.get(), i, Py_NewRef(descr_of(arrays[i].get())));
    }
    set_attribute(node, names.shape, shapes.get());
    set_attribute(node, names.dtype, dtypes.get());
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!differentiable(row, i, arrays[i].get())) continue;
        set_attribute(PyTuple_GET_ITEM(result, i), names._grad_fn, node);
        set_attribute(PyTuple_GET_ITEM(result, i), names._output_nr, checked(PyLong_FromSsize_t(i)).get());
    }
}

// apply.record(), without hooks on what is saved. Gives the node, or None. arrays: those of the result.
Ref record(Row &row, PyObject *const *args, Py_ssize_t count, PyObject *result, const std::vector<Ref> &arrays) {
    size_t fixed = row.inputs.size(), edge_count = fixed;
    if (row.variadic_formula) edge_count = --fixed + count - row.parameters;
    if (edge_count > kMaxEdges)
        return call(core().record, row.op, tuple_of(args, count).get(), result);
    const auto input = [&](size_t bit) { return args[bit < fixed ? row.inputs[bit] : row.parameters + bit - fixed]; };
    uint64_t needs = 0;
    Ref nodes[kMaxEdges];
    for (size_t bit = 0; bit < edge_count; bit++) {
        PyObject *a = input(bit);
        if (!is_tensor(a)) continue;
        nodes[bit] = attribute(a, names._grad_fn);
        if (wants_gradient(a, nodes[bit].get())) needs |= uint64_t(1) << bit;
    }
    bool any = false;
    for (size_t i = 0; needs && !any && i < arrays.size(); i++) any = differentiable(row, i, arrays[i].get());
    if (!any) return Ref::borrow(Py_None);
    const Plan &plan = row.plan(needs);
    if (!row.node_class) row.node_class = checked(PyObject_CallMethodNoArgs(row.op, names.node_class)).release();
    Ref node = new_object(reinterpret_cast<PyTypeObject *>(row.node_class));
    set_attribute(node.get(), names.plan, plan.object);
    set_attribute(node.get(), names.where, location().get());
    const Ref edges = checked(PyList_New(edge_count));
    for (size_t bit = 0; bit < edge_count; bit++)
        PyList_SET_ITEM(edges.get(), bit,
                        (needs >> bit & 1 ? edge_of(input(bit), nodes[bit].get()) : Ref::borrow(core().no_edge)).release());
    set_attribute(node.get(), names.edges, edges.get());
    set_attribute(node.get(), names.number, checked(PyIter_Next(core().counter)).get());
    set_outputs(row, node.get(), result, arrays);
    if (!plan.entries.empty()) save(node.get(), row, plan, args, count, result);
    return node;
}

// apply._mark_views()
void mark_views(Row &row, PyObject *const *args, Py_ssize_t count, PyObject *result, PyObject *node, const Modes &modes) {
    const Core &c = core();
    PyObject *source = args[0];
    if (!is_tensor(source)) return;
    const Ref seen = attribute(source, names._view), counter = versions_of(source);
    bool usual = !row.several && !row.inputs.empty() && counter.get() != c.untracked && modes.is(names.grad, true);
    if (usual && seen.get() != Py_None) usual = checked(PyObject_GetAttr(seen.get(), names.dual)).get() == Py_None;
    if (!usual) return void(call(c.mark_views, row.op, tuple_of(args, count).get(), result, node));
    Ref base = Ref::borrow(source), kind = Ref::borrow(Py_None), chain;
    const Ref rest = tuple_of(args + 1, count - 1), step = checked(PyTuple_Pack(2, row.op, rest.get()));
    chain = checked(PyTuple_Pack(1, step.get()));
    if (seen.get() != Py_None) {
        base = checked(PyObject_GetAttr(seen.get(), names.base));
        kind = checked(PyObject_GetAttr(seen.get(), names.kind));
        chain = checked(PySequence_Concat(checked(PyObject_GetAttr(seen.get(), names.chain)).get(), chain.get()));
    }
    const Ref view = new_object(c.view);
    const std::pair<PyObject *, PyObject *> fields[] = {
        {names.base, base.get()}, {names.chain, chain.get()}, {names.kind, kind.get()}, {names.dual, Py_None}};
    for (const auto &[name, value] : fields) set_attribute(view.get(), name, value);
    set_attribute(view.get(), names.version, version_of(counter.get()).get());
    set_attribute(result, names._version_counter, counter.get());
    set_attribute(result, names._view, view.get());
}

// --- running -----------------------------------------------------------------------------------------------------

// Op.promote_arguments(): whether it has nothing to do for these values.
bool promoted(Row::Promotion kind, const Ref *values) {
    if (kind == Row::None) return true;
    if (!PyArray_CheckExact(values[0].get())) return false;
    auto *x = reinterpret_cast<PyArrayObject *>(values[0].get());
    const char k = PyArray_DESCR(x)->kind;
    if (kind == Row::Float) return !std::strchr("biu", k);
    PyObject *y = values[1].get();
    if (PyArray_CheckExact(y))
        return PyArray_DESCR(x) == PyArray_DESCR(reinterpret_cast<PyArrayObject *>(y)) &&
               (kind == Row::Pair || std::strchr("fcV", k));
    return (PyFloat_CheckExact(y) || PyLong_CheckExact(y)) && k == 'f' && PyArray_ITEMSIZE(x) > 2;
}

bool cupy_is_loaded() {
    static PyObject *name = PyUnicode_InternFromString("cupy");
    PyObject *found = PyDict_GetItemWithError(PyImport_GetModuleDict(), name);
    if (!found && PyErr_Occurred()) throw Raised{};
    return found;
}

// Whether all of a row's kernels want more elements than the first value has.
bool too_small(PyObject *kernels, PyObject *value) {
    const int64_t size = PyArray_Check(value) ? PyArray_SIZE(reinterpret_cast<PyArrayObject *>(value)) : 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kernels); i++)
        if (size >= whole(PyTuple_GET_ITEM(PyTuple_GET_ITEM(kernels, i), 0))) return false;
    return true;
}

// Op.run()
Ref run(Row &row, const Ref *values, Py_ssize_t count) {
    const Ref forward = checked(PyObject_GenericGetAttr(row.op, names.forward));
    PyObject *given[kMaxArguments + 2];  // and room for what PY_VECTORCALL_ARGUMENTS_OFFSET allows
    for (Py_ssize_t i = 0; i < count; i++) given[i + 2] = values[i].get();
    const Ref kernels = checked(PyObject_GenericGetAttr(row.op, names.kernels));
    const bool kernel = kernels.get() != Py_None && !too_small(kernels.get(), given[2]);
    if (!kernel && row.elementwise && count == row.parameters && forward.get() == row.forward.function()) {
        Ref out = row.forward(given + 2, count);
        if (out) return out;
    }
    const Quiet quiet;
    if (kernel || cupy_is_loaded()) {
        given[1] = row.op;
        return checked(PyObject_Vectorcall(core().run, given + 1, (count + 1) | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr));
    }
    given[1] = core().numpy;
    return checked(PyObject_Vectorcall(forward.get(), given + 1, (count + 1) | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr));
}

// Op.promote_arguments() and Op.run(), where there is something to promote
Ref run_promoted(Row &row, Ref *values, Py_ssize_t count) {
    const Ref list = checked(PyList_New(count));
    for (Py_ssize_t i = 0; i < count; i++) PyList_SET_ITEM(list.get(), i, Py_NewRef(values[i].get()));
    Ref narrow;
    {
        const Quiet quiet;
        narrow = checked(PyObject_CallMethodOneArg(row.op, names.promote_arguments, list.get()));
    }
    for (Py_ssize_t i = 0; i < count; i++) values[i] = Ref::borrow(PyList_GET_ITEM(list.get(), i));
    Ref out = run(row, values, count);
    if (narrow.get() == Py_None) return out;
    const Ref dtype = checked(PyObject_GetAttr(out.get(), names.dtype));
    if (reinterpret_cast<PyArray_Descr *>(dtype.get())->type_num != NPY_FLOAT) return out;
    return checked(PyObject_CallMethodOneArg(out.get(), names.astype, narrow.get()));
}

Ref as_array(Ref value) {
    if (PyArray_CheckExact(value.get())) return value;
    if (PyArray_IsScalar(value.get(), Generic)) return checked(PyArray_FromScalar(value.get(), nullptr));
    return checked(PyArray_FromAny(value.get(), nullptr, 0, 0, NPY_ARRAY_ENSUREARRAY, nullptr));
}

// `raise op.explain(error, args) from error`, for the exception that is set
void explain(const Row &row, PyObject *const *args, Py_ssize_t count) {
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return;
    Ref error = take_exception();
    const Ref given = tuple_of(args, count);
    PyObject *better = PyObject_CallMethodObjArgs(row.op, names.explain, error.get(), given.get(), nullptr);
    if (!better) return;
    if (better == error.get()) {
        Py_DECREF(better);
        return raise_exception(std::move(error));
    }
    PyException_SetCause(better, Py_NewRef(error.get()));
    PyException_SetContext(better, error.release());
    raise_exception(Ref::steal(better));
}

// apply.apply() and apply.execute()
Ref execute(Row &row, PyObject *const *args, Py_ssize_t count) {
    const Modes modes;
    if (modes.is(names.interpreters, false)) return call(core().interpret, row.op, tuple_of(args, count).get());
    if (count > kMaxArguments || modes.is(names.inference, false))
        return call(core().execute, row.op, tuple_of(args, count).get());
    Ref values[kMaxArguments];
    for (Py_ssize_t i = 0; i < count; i++)
        values[i] = is_tensor(args[i]) ? attribute(args[i], names._array) : Ref::borrow(args[i]);
    Ref out;
    try {
        out = promoted(row.promotion, values) ? run(row, values, count) : run_promoted(row, values, count);
    } catch (Raised) {
        explain(row, args, count);
        throw;
    }
    Ref result, node = Ref::borrow(Py_None);
    std::vector<Ref> arrays;
    if (row.several) {
        const Ref outs = checked(PySequence_Fast(out.get(), "a row with several outputs gives a tuple"));
        const Py_ssize_t many = PySequence_Fast_GET_SIZE(outs.get());
        result = checked(PyTuple_New(many));
        for (Py_ssize_t i = 0; i < many; i++) {
            arrays.push_back(as_array(Ref::borrow(PySequence_Fast_GET_ITEM(outs.get(), i))));
            PyTuple_SET_ITEM(result.get(), i, wrap(arrays[i].get()).release());
        }
    } else {
        arrays.push_back(as_array(std::move(out)));
        result = wrap(arrays[0].get());
    }
    if (!row.inputs.empty() && modes.is(names.grad, true))
        node = modes.is(names.saving, false) ? call(core().record, row.op, tuple_of(args, count).get(), result.get())
                                             : record(row, args, count, result.get(), arrays);
    if (row.view) mark_views(row, args, count, result.get(), node.get(), modes);
    return result;
}

// --- what takes the place of Python functions --------------------------------------------------------------------

// apply.apply(op, args)
Ref apply(Compiled &, PyObject *const *args, Py_ssize_t count) {
    if (count != 2 || !PyTuple_CheckExact(args[1])) return {};
    return execute(row_of(args[0]), &PyTuple_GET_ITEM(args[1], 0), PyTuple_GET_SIZE(args[1]));
}

// Op.__call__(op, ...) with all parameters given by position
Ref call_row(Compiled &, PyObject *const *args, Py_ssize_t count) {
    if (count < 1) return {};
    Row &row = row_of(args[0]);
    if (--count < row.parameters || (count > row.parameters && !row.variadic) || count > kMaxArguments) return {};
    args++;
    for (Py_ssize_t i = 0; i < count; i++)
        if (is_tensor(args[i])) return execute(row, args, count);
    Ref values[kMaxArguments];
    for (Py_ssize_t i = 0; i < count; i++) values[i] = Ref::borrow(args[i]);
    return run(row, values, count);
}

// A row as a method of Tensor, or the operators' method of ops/operators.py
Ref call_method(Compiled &self, PyObject *const *args, Py_ssize_t count) {
    if (!self.row) self.row = &row_of(self.op);
    Row &row = *self.row;
    if (count != row.parameters || row.variadic || !is_tensor(args[0])) return {};
    if (self.operands && count == 2) {
        const bool tensor = is_tensor(args[1]);
        if (!tensor && (self.reflected || !(PyFloat_CheckExact(args[1]) || PyLong_CheckExact(args[1])))) return {};
        PyObject *const exchanged[] = {args[1], args[0]};
        return execute(row, self.reflected ? exchanged : args, count);
    }
    return execute(row, args, count);
}

PyObject *compiled_call(PyObject *object, PyObject *const *args, size_t nargs, PyObject *keywords) {
    auto &self = *reinterpret_cast<Compiled *>(object);
    const Py_ssize_t count = PyVectorcall_NARGS(nargs);
    if (enabled && (!keywords || !PyTuple_GET_SIZE(keywords))) {
        try {
            Ref result = self.body(self, args, count);
            if (result) return result.release();
        } catch (Raised) {
            return nullptr;
        } catch (const std::bad_alloc &) {
            return PyErr_NoMemory();
        }
    }
    return PyObject_Vectorcall(self.function, args, nargs, keywords);
}

PyObject *compiled_bind(PyObject *self, PyObject *object, PyObject *) {
    return object && object != Py_None ? PyMethod_New(self, object) : Py_NewRef(self);
}

// What it doesn't have itself, such as its name and signature, is the Python function's.
PyObject *compiled_attribute(PyObject *self, PyObject *name) {
    PyObject *function = reinterpret_cast<Compiled *>(self)->function;
    if (PyUnicode_CompareWithASCIIString(name, "__wrapped__") == 0) return Py_NewRef(function);
    if (PyUnicode_CompareWithASCIIString(name, "__class__") != 0) {
        PyObject *found = PyObject_GetAttr(function, name);
        if (found || !PyErr_ExceptionMatches(PyExc_AttributeError)) return found;
        PyErr_Clear();
    }
    return PyObject_GenericGetAttr(self, name);
}

PyObject *compiled_repr(PyObject *self) { return PyObject_Repr(reinterpret_cast<Compiled *>(self)->function); }

int compiled_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(reinterpret_cast<Compiled *>(self)->function);
    Py_VISIT(reinterpret_cast<Compiled *>(self)->op);
    return 0;
}

int compiled_clear(PyObject *self) {
    Py_CLEAR(reinterpret_cast<Compiled *>(self)->function);
    Py_CLEAR(reinterpret_cast<Compiled *>(self)->op);
    return 0;
}

void compiled_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    compiled_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

PyTypeObject *compiled_type = nullptr;

PyTypeObject *make_compiled_type() {
    static PyMemberDef members[] = {
        {"__vectorcalloffset__", T_PYSSIZET, offsetof(Compiled, vectorcall), READONLY, nullptr}, {}};
    static PyType_Slot slots[] = {
        {Py_tp_call, reinterpret_cast<void *>(PyVectorcall_Call)},
        {Py_tp_descr_get, reinterpret_cast<void *>(compiled_bind)},
        {Py_tp_getattro, reinterpret_cast<void *>(compiled_attribute)},
        {Py_tp_repr, reinterpret_cast<void *>(compiled_repr)},
        {Py_tp_traverse, reinterpret_cast<void *>(compiled_traverse)},
        {Py_tp_clear, reinterpret_cast<void *>(compiled_clear)},
        {Py_tp_dealloc, reinterpret_cast<void *>(compiled_dealloc)},
        {Py_tp_members, members},
        {Py_tp_doc, const_cast<char *>("A compiled stand-in for a Python function, which it calls for what is rare.")},
        {0, nullptr}};
    static PyType_Spec spec = {
        "retrograd._native.Compiled", sizeof(Compiled), 0,
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR |
            Py_TPFLAGS_DISALLOW_INSTANTIATION,
        slots};
    return reinterpret_cast<PyTypeObject *>(checked(PyType_FromSpec(&spec)).release());
}

PyObject *make_compiled(PyObject *function, Body body) {
    auto *made = PyObject_GC_New(Compiled, compiled_type);
    if (!made) return nullptr;
    made->vectorcall = compiled_call;
    made->function = Py_NewRef(function);
    made->body = body;
    made->op = nullptr;
    made->row = nullptr;
    made->operands = made->reflected = false;
    PyObject_GC_Track(made);
    return reinterpret_cast<PyObject *>(made);
}

// stand_in(name, function): what is compiled under that name, with the function for the rest
PyObject *stand_in(PyObject *, PyObject *args) {
    const char *name;
    PyObject *function;
    if (!PyArg_ParseTuple(args, "sO", &name, &function)) return nullptr;
    const std::pair<const char *, Body> known[] = {{"apply", apply}, {"__call__", call_row}, {"_walk", walk}};
    for (const auto &[called, body] : known)
        if (!std::strcmp(called, name)) return make_compiled(function, body);
    return PyErr_Format(PyExc_ValueError, "nothing is compiled under the name '%s'", name);
}

// method(row, function, operands=False, reflected=False): the row as a method, with the function for the rest
PyObject *method(PyObject *, PyObject *args) {
    PyObject *op, *function;
    int operands = 0, reflected = 0;
    if (!PyArg_ParseTuple(args, "OO|pp", &op, &function, &operands, &reflected)) return nullptr;
    PyObject *made = make_compiled(function, call_method);
    if (!made) return nullptr;
    auto &self = *reinterpret_cast<Compiled *>(made);
    self.op = Py_NewRef(op);
    self.operands = operands;
    self.reflected = reflected;
    return made;
}

// use_door(bool): whether compiled stand-ins are used; gives what held before
PyObject *use_door(PyObject *, PyObject *value) {
    const int wanted = PyObject_IsTrue(value);
    if (wanted < 0) return nullptr;
    return PyBool_FromLong(std::exchange(enabled, static_cast<bool>(wanted)));
}

PyMethodDef functions[] = {{"stand_in", stand_in, METH_VARARGS, "What is compiled under a name, and a function for the rest."},
                           {"method", method, METH_VARARGS, "A row as a method of Tensor, and a function for the rest."},
                           {"use_door", use_door, METH_O, "Whether the compiled door and walk are used; gives what held before."},
                           {nullptr, nullptr, 0, nullptr}};

}  // namespace

void add_door(PyObject *module) {
    checked(_import_array());
#define X(name) names.name = checked(PyUnicode_InternFromString(#name)).release();
    RETROGRAD_NAMES(X)
#undef X
    compiled_type = make_compiled_type();
    checked(PyModule_AddFunctions(module, functions));
}

}  // namespace retrograd
