// The door, compiled: see door.h. Each function here names the Python function that it does the common path of.
#include "numpy_api.h"

#include "door.h"
#include "pending.h"

#include <cstring>
#include <unordered_map>

namespace retrograd {
namespace {

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
    if (k == 'i' && kind == Row::Pair && PyLong_CheckExact(y)) {
        int overflow;
        const long value = PyLong_AsLongAndOverflow(y, &overflow);
        return !overflow && value >= -128 && value < 128;
    }
    return (PyFloat_CheckExact(y) || PyLong_CheckExact(y)) && k == 'f' && PyArray_ITEMSIZE(x) > 2;
}

bool cupy_is_loaded() {
    static PyObject *name = PyUnicode_InternFromString("cupy");
    PyObject *found = PyDict_GetItemWithError(PyImport_GetModuleDict(), name);
    if (!found && PyErr_Occurred()) throw Raised{};
    return found;
}

// What the first of a row's kernels that takes these values gives; empty if none does. given: with room before it.
Ref run_kernel(PyObject *kernels, PyObject **given, Py_ssize_t count) {
    const auto size = [&] {
        return PyArray_Check(given[0]) ? PyArray_SIZE(reinterpret_cast<PyArrayObject *>(given[0])) : 0;
    };
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kernels); i++) {
        PyObject *entry = PyTuple_GET_ITEM(kernels, i), *when = PyTuple_GET_ITEM(entry, 1);
        const int64_t least = whole(PyTuple_GET_ITEM(entry, 0));
        if (least && size() < least) continue;
        const size_t room = count | PY_VECTORCALL_ARGUMENTS_OFFSET;
        if (when != Py_None && !truth(checked(PyObject_Vectorcall(when, given, room, nullptr)).get())) continue;
        Ref out = checked(PyObject_Vectorcall(PyTuple_GET_ITEM(entry, 2), given, room, nullptr));
        if (out.get() != Py_NotImplemented) return out;
    }
    return {};
}

// Op.run()
Ref run(Row &row, const Ref *values, Py_ssize_t count) {
    const Ref forward = checked(PyObject_GenericGetAttr(row.op, names.forward));
    PyObject *given[kMaxArguments + 2];  // and room for what PY_VECTORCALL_ARGUMENTS_OFFSET allows
    for (Py_ssize_t i = 0; i < count; i++) given[i + 2] = values[i].get();
    const Ref kernels = checked(PyObject_GenericGetAttr(row.op, names.kernels));
    std::optional<Quiet> quiet;
    if (kernels.get() != Py_None) {
        quiet.emplace();
        Ref out = run_kernel(kernels.get(), given + 2, count);
        if (out) return out;
    }
    if (row.elementwise && count == row.parameters && forward.get() == row.forward.function()) {
        Ref out = row.forward(given + 2, count);
        if (out) return out;
    }
    if (!quiet) quiet.emplace();
    if (cupy_is_loaded()) {
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

}  // namespace

Ref run_row_forward(Row &row, PyObject *const *args, Py_ssize_t count) {
    Ref values[kMaxArguments];
    for (Py_ssize_t i = 0; i < count; i++)
        values[i] = is_tensor(args[i]) ? attribute(args[i], names._array) : Ref::borrow(args[i]);
    try {
        Ref out = promoted(row.promotion, values) ? run(row, values, count) : run_promoted(row, values, count);
        return row.several ? std::move(out) : as_array(std::move(out));
    } catch (Raised) {
        explain(row, args, count);
        throw;
    }
}

namespace {

bool may_wait(const Row &row, const Modes &modes) {
    return (row.norm || row.writes == 'r' || row.writes == '+') && !modes.is(names.saving, false);
}

// apply.apply() and apply.execute()
Ref execute_row(Row &row, PyObject *const *args, Py_ssize_t count) {
    const Modes modes;
    if (modes.is(names.interpreters, false)) return call(core().interpret, row.op, tuple_of(args, count).get());
    const bool inference = modes.is(names.inference, false);
    if (count > kMaxArguments || (inference && modes.is(names.grad, true)))
        return call(core().execute, row.op, tuple_of(args, count).get());
    Ref out, waits;
    if (may_wait(row, modes)) {
        try {
            out = without_looking(row, args, count, false);
        } catch (Raised) {
            explain(row, args, count);
            throw;
        }
    }
    if (!out) out = run_row_forward(row, args, count);
    Ref result, node = Ref::borrow(Py_None);
    std::vector<Ref> arrays;
    const auto tensor_of = [&](PyObject *value) {
        if (!is_pending(value)) {
            arrays.push_back(as_array(Ref::borrow(value)));
            return wrap(arrays.back().get());
        }
        waits = Ref::borrow(value);
        arrays.push_back(Ref::borrow(pattern_of(value)));
        return wrap_pending(value);
    };
    if (row.several) {
        const Ref outs = checked(PySequence_Fast(out.get(), "a row with several outputs gives a tuple"));
        const Py_ssize_t many = PySequence_Fast_GET_SIZE(outs.get());
        result = checked(PyTuple_New(many));
        for (Py_ssize_t i = 0; i < many; i++)
            PyTuple_SET_ITEM(result.get(), i, tensor_of(PySequence_Fast_GET_ITEM(outs.get(), i)).release());
    } else {
        result = tensor_of(out.get());
    }
    if (!row.inputs.empty() && modes.is(names.grad, true))
        node = modes.is(names.saving, false) ? call(core().record, row.op, tuple_of(args, count).get(), result.get())
                                             : record(row, args, count, result.get(), arrays);
    if (waits) guard(waits.get(), args, count);
    if (inference && !row.view) {
        if (!row.several) set_attribute(result.get(), names._version_counter, core().untracked);
        else
            for (size_t i = 0; i < arrays.size(); i++)
                set_attribute(PyTuple_GET_ITEM(result.get(), i), names._version_counter, core().untracked);
    }
    if (row.view) mark_views(row, args, count, result.get(), node.get());
    return result;
}

Ref execute(Row &row, PyObject *const *args, Py_ssize_t count) {
    if (!observer.begin) return execute_row(row, args, count);
    Observed observed(row.op, tuple_of(args, count).get());
    Ref result = execute_row(row, args, count);
    observed.end(result.get());
    return result;
}

}  // namespace

// --- observing ---------------------------------------------------------------------------------------------------

Observer observer;

Observed::Observed(PyObject *what, PyObject *given) : open_(observer.begin) {
    if (open_) call(observer.begin, what, given);
}

void Observed::end(PyObject *result) {
    const bool open = std::exchange(open_, false);
    if (open && observer.end) call(observer.end, result);
}

Observed::~Observed() {
    if (!open_ || !observer.end) return;
    Ref error = PyErr_Occurred() ? take_exception() : Ref();
    Py_XDECREF(PyObject_CallOneArg(observer.end, Py_None));
    PyErr_Clear();
    if (error) raise_exception(std::move(error));
}

// --- what takes the place of Python functions ----------------------------------------------------------------

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

// compiled.fused(function)(*args): on raw values one pass
Ref call_fused(Compiled &self, PyObject *const *args, Py_ssize_t count) {
    static auto *programs = new std::unordered_map<PyObject *, Elementwise>;
    for (Py_ssize_t i = 0; i < count; i++)
        if (is_tensor(args[i])) return {};
    auto found = programs->find(self.function);
    if (found == programs->end()) found = programs->emplace(self.function, Elementwise(self.function)).first;
    return found->second(args, count);
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

}  // namespace retrograd
