// The compiled door and walk: the common path of core/apply.py and engine.py, which stay the reference and the fall-back.
//
// What is compiled here is written in Python too, and only there explained: a change there wants one here.
//
//   door.cpp         Op.__call__, apply, execute, record, _save: rows on Tensors of arrays, one node for one output
//   walk.cpp         engine._walk, _deliver, _add, _accumulate; RowNode.run and unpack: arrays through formulas
//   elementwise.cpp  elementwise forwards and formulas, as recorded by core/elementwise.py
//
// What is not here is asked of the Python functions: interpreters (vmap, forward mode), inference mode, saved-tensor
// hooks, create_graph, anomaly mode, all hooks, errors.
#pragma once
#include "elementwise.h"
#include "python.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace retrograd {

// Names of attributes and methods, interned.
#define RETROGRAD_NAMES(X)                                                                                             \
    X(_accumulator) X(_array) X(_edge) X(_grad) X(_grad_dtype) X(_grad_fn) X(_hooks) X(_output_nr) X(_plans) X(_post_hooks)           \
    X(_requires) X(_version_counter) X(_view) X(base) X(callbacks) X(chain) X(dtype) X(dual) X(edges) X(explain) X(forward) X(free) X(grad) X(grad_layout) \
    X(holds) X(inference) X(interpreters) X(kernels) X(kind) X(n) X(name) X(node) X(node_class) X(number) X(on) X(op)          \
    X(outputs) X(plan) X(post_hooks) X(pre_hooks) X(promote_arguments) X(requires_grad) X(retained) X(run) X(saved)    \
    X(saving) X(shape) X(tensor_hooks) X(variable) X(version) X(versions) X(where) X(astype) X(zero_gradient)
struct Names {
#define X(name) PyObject *name;
    RETROGRAD_NAMES(X)
#undef X
};
extern Names names;

// A plan of core/op.py: what a node saves and the formulas that it runs, as numbers.
struct Plan {
    enum Kind { Input, Inputs, Output, Shape, Dtype };  // as in core/apply.py
    struct Entry {
        Kind kind;
        int position;
    };
    struct Step {
        Elementwise formula;
        bool recorded;             // the row is elementwise: the formula may be run as a program
        std::vector<int> sources;  // where among the node's values its arguments are; -1: the last
    };
    PyObject *object;  // core/op.py's Plan, kept for good, as the table of rows is
    PyObject *wanted;
    std::vector<Entry> entries;
    std::vector<std::optional<Step>> steps;  // nothing where no gradient is wanted
    bool joint, several, variadic;
};
Plan &plan_of(PyObject *plan);

// A row of the table, as numbers.
struct Row {
    enum Promotion { None, Pair, PairFloat, Float };
    PyObject *op, *node_class;  // kept for good
    Elementwise forward;
    std::vector<int> inputs, nondiff;
    Py_ssize_t parameters;
    Promotion promotion;
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
    PyObject *dict() const { return dict_; }

  private:
    PyObject *dict_;  // lives as long as the thread
};

bool is_tensor(PyObject *object);
Ref wrap(PyObject *array);
Ref location();     // core/location.py's user_location()
bool in_anomaly_mode();
Ref shape_of(PyObject *array);
bool ours(PyObject *array);  // whether an array has no holder but the caller, and its own memory: it may be overwritten

// Quiet arithmetic while it lives: NumPy doesn't warn (core/arrays.py).
class Quiet {
  public:
    Quiet();
    ~Quiet();

  private:
    PyObject *token_ = nullptr;
};

// A callable that takes the place of a Python function, and calls it for what it leaves to it.
struct Compiled;
using Body = Ref (*)(Compiled &self, PyObject *const *args, Py_ssize_t count);  // empty: leaves it to the function
struct Compiled {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *function;  // the Python function
    Body body;
    PyObject *op;  // whose method it is, or nullptr
    Row *row;      // the same, from the first call on
    bool operands, reflected;
};
Ref walk(Compiled &self, PyObject *const *args, Py_ssize_t count);

void add_door(PyObject *module);

}  // namespace retrograd
