// The compiled door and walk: the common path of core/apply.py and engine.py, which stay the reference and fall-back.
//
// What is compiled here is written in Python too, and only there explained: a change there wants one here.
//
//   door.cpp         Op.__call__, apply, execute, Op.run: from Tensors to arrays, through a row, and back
//   record.cpp       record, _save, _mark_views: nodes, their edges, what they keep
//   assign.cpp       writes to places: x[key] = value, masked_fill_
//   inplace.cpp      the methods that core/inplace.py makes of rows: x.relu_(), x += y
//   pending.cpp      results whose arrays are made when somebody looks, or in one pass with what comes next
//   lists.cpp        operations in place and on lists of tensors: x.zero_(), _foreach_add_
//   layers.cpp       Module.__call__ and __getattr__; what layers do with their statistics
//   walk.cpp         engine._walk, _deliver, _add, _accumulate; RowNode.run and unpack: arrays through formulas
//   elementwise.cpp  elementwise forwards and formulas, as core/elementwise.py recorded them
//   package.cpp      what of the package they know: its classes, the thread's modes, rows and plans as numbers
//   stand_in.cpp     what takes the place of Python functions (core/compiled.py), and calls them for the rest
//
// The rest, which is left to the Python functions: interpreters (vmap, forward mode), hooks on saved
// tensors, views of views with tangents, create_graph, the rule that zero gradients stay zero, anomaly mode, hooks of
// nodes, gradients that don't have their input's shape, errors.
#pragma once
#include "elementwise.h"
#include "python.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace retrograd {

// --- the package -------------------------------------------------------------------------------------------------

// Names of attributes and methods, interned.
#define RETROGRAD_NAMES(X)                                                                                             \
    X(_accumulator) X(_array) X(_fresh) X(_source) X(_restructured) X(_deliver) X(acquire) X(lock) X(release) X(_pending) X(_backward_hooks) X(_backward_pre_hooks) X(_buffers) X(_edge) X(_factors) X(_forward_hooks)          \
    X(_forward_pre_hooks) X(_modules) X(_parameters) X(_grad) X(_grad_dtype) X(_grad_fn) X(_hooks) X(_output_nr) X(_post_hooks)      \
    X(_requires) X(_retains) X(_tangents) X(_version_counter) X(_view) X(astype) X(base) X(before_write) X(chain) X(dtype) X(dual) X(edges) X(explain)          \
    X(forward) X(free) X(grad) X(grad_layout) X(holds) X(inference) X(interpreters) X(kernels) X(kind) X(n) X(name) X(node) X(node_class)      \
    X(number) X(on) X(outputs) X(plan) X(post_hooks) X(pre_hooks) X(promote_arguments) X(requires_grad) X(retained)   \
    X(run) X(saved) X(saving) X(shape) X(state) X(begin) X(task) X(tensor_hooks) X(variable) X(version) X(versions) X(where)             \
    X(zero_gradient)
struct Names {
#define X(name) PyObject *name;
    RETROGRAD_NAMES(X)
#undef X
};
extern Names names;

// Its classes, functions and constants, looked up when the first operation passes the door.
struct Core {
    PyTypeObject *tensor, *version, *view, *accumulate_grad;
    PyObject *modes, *anomaly, *user_location, *root, *interpret, *execute, *record, *save, *mark_views, *run,
        *untracked, *no_edge, *counter, *quiet, *quiet_variable, *quiet_value, *numpy, *nothing, *zero, *one, *write;

    Core();
};
const Core &core();

// A plan of core/op.py: what a node saves and the formulas that it runs.
struct Plan {
    enum Kind { Input, Inputs, Output, Shape, Dtype };  // as in core/apply.py
    struct Entry {
        Kind kind;
        int position;
    };
    struct Step {
        Elementwise formula;
        bool elementwise;          // the row says so: the formula may be run as a program
        std::vector<int> sources;  // where among the node's values its arguments are; -1: the last
        PyObject *deferral;        // see core/deferred.py; nullptr if there is none
    };
    PyObject *object, *wanted;  // core/op.py's Plan and what it says is wanted; kept for good, as the table of rows is
    std::vector<Entry> entries;
    std::vector<std::optional<Step>> steps;  // nothing where no gradient is wanted
    bool joint, several, variadic;
};
Plan &plan_of(PyObject *plan);

// A row of the table.
struct Row {
    enum Promotion { None, Pair, PairFloat, Float };
    PyObject *op, *node_class;  // kept for good
    Elementwise forward;
    std::vector<int> inputs, nondiff;
    Py_ssize_t parameters;
    Promotion promotion;
    char writes;  // what has a kernel that writes its result over x: 'r' relu, + - * /; else 0
    char norm;    // a batch norm, whose result may wait (pending.h): 't' of the batch's moments, 'e' of given ones; else 0
    bool view, several, elementwise;
    bool variadic, variadic_formula;  // takes a variable number of arguments, and has a formula for them
    std::vector<std::pair<uint64_t, const Plan *>> plans;

    explicit Row(PyObject *forward) : forward(forward, true) {}
    const Plan &plan(uint64_t needs);
};
Row &row_of(PyObject *op);

// This thread's modes (core/modes.py).
class Modes {
  public:
    Modes();
    bool is(PyObject *name, bool otherwise) const;  // whether a mode is set to something true
    PyObject *find(PyObject *name) const;           // borrowed; nullptr if it was never set

  private:
    PyObject *dict_;  // lives as long as the thread
};

// Quiet arithmetic while it lives: NumPy doesn't warn (core/arrays.py).
class Quiet {
  public:
    Quiet();
    ~Quiet();

  private:
    PyObject *token_ = nullptr;
};

inline bool is_tensor(PyObject *object) { return PyObject_TypeCheck(object, core().tensor); }
inline Ref new_object(PyTypeObject *type) { return checked(PyBaseObject_Type.tp_new(type, core().nothing, nullptr)); }
Ref wrap(PyObject *array);
Ref location();  // core/location.py's user_location()
bool in_anomaly_mode();
Ref tuple_of(PyObject *const *items, Py_ssize_t count);
int64_t whole(PyObject *object);  // an int's value

// Of arrays.
Ref shape_of(PyObject *array);
PyObject *descr_of(PyObject *array);  // borrowed
bool laid_out_alike(PyObject *x, PyObject *y);  // of one shape: the strides are the same; those of axes of length 1 are free
bool ours(PyObject *array);           // it has no holder but the caller, and memory of its own: it may be overwritten

// While a profiler runs: its functions begin(row or node, arguments or gradient) and end(result), which are called around
// each row that runs on Tensors and each node of a walk.
struct Observer {
    PyObject *begin = nullptr, *end = nullptr;
};
extern Observer observer;

class Observed {
  public:
    Observed(PyObject *what, PyObject *given);
    ~Observed();  // ends what was not ended: an error came
    void end(PyObject *result);

  private:
    bool open_;
};

// --- door and walk -----------------------------------------------------------------------------------------------

// A callable that takes the place of a Python function, and calls it for what it leaves to it.
struct Compiled;
using Body = Ref (*)(Compiled &self, PyObject *const *args, Py_ssize_t count);  // empty: leaves it to the function
struct Compiled {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *function;  // the Python function
    Body body;
    PyObject *op;              // whose method it is, or nullptr
    Row *row;                  // the same, from the first call on
    bool operands, reflected;  // see core/compiled.py
    int code;                  // the operation of lists.h that call_each() does
};
Ref apply(Compiled &self, PyObject *const *args, Py_ssize_t count);        // apply.apply()
Ref call_row(Compiled &self, PyObject *const *args, Py_ssize_t count);     // Op.__call__()
Ref call_method(Compiled &self, PyObject *const *args, Py_ssize_t count);  // a row as a method of Tensor
Ref call_inplace(Compiled &self, PyObject *const *args, Py_ssize_t count);  // the in-place form of a row
Ref outside(Compiled &self, PyObject *const *args, Py_ssize_t count);  // Tensor._outside()
Ref detach(Compiled &self, PyObject *const *args, Py_ssize_t count);   // Tensor.detach()
Ref set_data(Compiled &self, PyObject *const *args, Py_ssize_t count);  // setting Tensor.data
Ref set_grad(Compiled &self, PyObject *const *args, Py_ssize_t count);  // setting Tensor.grad
// What core.inplace.restructure() makes of view functions.
Ref unsqueeze(Compiled &self, PyObject *const *args, Py_ssize_t count);
Ref squeeze(Compiled &self, PyObject *const *args, Py_ssize_t count);
Ref transpose(Compiled &self, PyObject *const *args, Py_ssize_t count);
// A row's `result` as the tensor `out`, which the caller gave as out=.
Ref deliver(PyObject *op, PyObject *result, PyObject *out);
Ref setitem(Compiled &self, PyObject *const *args, Py_ssize_t count);      // index.setitem()
Ref masked_fill(Compiled &self, PyObject *const *args, Py_ssize_t count);  // Tensor.masked_fill_()
Ref draw_uniform(Compiled &self, PyObject *const *args, Py_ssize_t count);    // Tensor.uniform_() and so on
Ref draw_exponential(Compiled &self, PyObject *const *args, Py_ssize_t count);
Ref draw_normal(Compiled &self, PyObject *const *args, Py_ssize_t count);
Ref draw_bernoulli(Compiled &self, PyObject *const *args, Py_ssize_t count);
Ref call_each(Compiled &self, PyObject *const *args, Py_ssize_t count);  // an in-place method, by lists.h
int each_code(const char *name);
Ref walk(Compiled &self, PyObject *const *args, Py_ssize_t count);         // engine._walk()
Ref call_module(Compiled &self, PyObject *const *args, Py_ssize_t count);       // Module.__call__()
Ref module_attribute(Compiled &self, PyObject *const *args, Py_ssize_t count);  // Module.__getattr__()
Ref bump(Compiled &self, PyObject *const *args, Py_ssize_t count);              // Version.bump()
Ref versions(Compiled &self, PyObject *const *args, Py_ssize_t count);          // Tensor._versions()
Ref place(Compiled &self, PyObject *const *args, Py_ssize_t count);        // location.user_location()

Ref call_fused(Compiled &self, PyObject *const *args, Py_ssize_t count);        // what compiled.fused() decorates

PyObject *add_scaled(PyObject *, PyObject *const *args, Py_ssize_t count);  // x += scale * y, where that is simple

constexpr Py_ssize_t kMaxArguments = 16;  // with more, a call is left to Python

// The row's forward on the values of its arguments, promoted: what apply.execute() does before it records a node.
Ref run_row_forward(Row &row, PyObject *const *args, Py_ssize_t count);

Ref versions_of(PyObject *tensor);                                             // Tensor._versions()
// Whether operations may be done beside the door: no interpreter or profiler looks on, and inference mode is off.
bool plain(const Modes &modes);
// Whether x may be written to as if there were no graph: none is recorded, or it isn't part of one.
bool outside_graph(const Modes &modes, PyObject *x);
// Counts a write to a tensor's memory; where: the place of the user's code, looked up where it isn't known yet.
void count_write(PyObject *tensor, Ref &where);
uint64_t needed(const Row &row, PyObject *const *args, Py_ssize_t count);  // apply.needed(), of at most 64 inputs

// apply.record() and apply._mark_views(). arrays: the result's. record gives the node, or None.
Ref record(Row &row, PyObject *const *args, Py_ssize_t count, PyObject *result, const std::vector<Ref> &arrays);
void mark_views(const Row &row, PyObject *const *args, Py_ssize_t count, PyObject *result, PyObject *node);

void name_everything();  // fills `names`, imports NumPy's interface
void add_door(PyObject *module);
void add_layers(PyObject *module);
void add_pending(PyObject *module);
void add_picking(PyObject *module);
void add_random(PyObject *module);
void add_creation(PyObject *module);
void add_lists(PyObject *module);

}  // namespace retrograd
