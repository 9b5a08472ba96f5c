// The package as the compiled door sees it: its classes and functions, this thread's modes, rows and plans.
#define RETROGRAD_IMPORTS_NUMPY
#include "numpy_api.h"

#include "door.h"

#include <cstring>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace retrograd {

Names names;

void name_everything() {
    checked(_import_array());
#define X(name) names.name = checked(PyUnicode_InternFromString(#name)).release();
    RETROGRAD_NAMES(X)
#undef X
}

Core::Core() {
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
    one = checked(PyLong_FromLong(1)).release();
    write = imported("retrograd.core.inplace", "write").release();
}

const Core &core() {
    static const Core *loaded = nullptr;
    if (!loaded) loaded = new Core;
    return *loaded;
}

int64_t whole(PyObject *object) {
    const long long value = PyLong_AsLongLong(object);
    if (value == -1 && PyErr_Occurred()) throw Raised{};
    return value;
}

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

PyObject *Modes::find(PyObject *name) const {
    PyObject *value = PyDict_GetItemWithError(dict_, name);
    if (!value && PyErr_Occurred()) throw Raised{};
    return value;
}

bool Modes::is(PyObject *name, bool otherwise) const {
    PyObject *value = find(name);
    return value ? truth(value) : otherwise;
}

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

Ref place(Compiled &, PyObject *const *, Py_ssize_t) { return in_anomaly_mode() ? Ref() : location(); }

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

bool laid_out_alike(PyObject *x, PyObject *y) {
    auto *a = reinterpret_cast<PyArrayObject *>(x), *b = reinterpret_cast<PyArrayObject *>(y);
    if (PyArray_NDIM(a) != PyArray_NDIM(b)) return false;
    for (int i = 0; i < PyArray_NDIM(a); i++)
        if (PyArray_DIM(a, i) != 1 && PyArray_STRIDE(a, i) != PyArray_STRIDE(b, i)) return false;
    return true;
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
    const Ref sources = item(object, "sources"), deferrals = item(object, "deferrals");
    const bool elementwise = flag(object, "elementwise");
    each(item(object, "steps").get(), [&](PyObject *step, size_t i) {
        if (step == Py_None) return void(plan->steps.emplace_back());
        PyObject *deferral = PyList_GET_ITEM(deferrals.get(), i);
        Plan::Step made = {Elementwise(PyTuple_GET_ITEM(step, 0)), elementwise, {},
                           deferral == Py_None ? nullptr : Py_NewRef(deferral)};
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
    row->writes = 0;
    for (const auto &[writer, letter] : {std::pair("relu", 'r'), {"add", '+'}, {"sub", '-'}, {"mul", '*'}, {"div", '/'}})
        if (is(name.get(), writer)) row->writes = letter;
    row->norm = is(name.get(), "batch_norm") ? 't' : is(name.get(), "batch_norm_eval") ? 'e' : 0;
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

PyObject *descr_of(PyObject *array) {
    return reinterpret_cast<PyObject *>(PyArray_DESCR(reinterpret_cast<PyArrayObject *>(array)));
}

Ref tuple_of(PyObject *const *args, Py_ssize_t count) {
    Ref tuple = checked(PyTuple_New(count));
    for (Py_ssize_t i = 0; i < count; i++) PyTuple_SET_ITEM(tuple.get(), i, Py_NewRef(args[i]));
    return tuple;
}

}  // namespace retrograd
