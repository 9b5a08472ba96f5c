// Recording, compiled: nodes, their edges, what they save; views. See door.h and core/apply.py.
#include "numpy_api.h"

#include "door.h"

#include <cstring>

namespace retrograd {

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

namespace {

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
Ref edge_of(PyObject *tensor) {
    if (attribute(tensor, names._view).get() != Py_None) return checked(PyObject_CallMethodNoArgs(tensor, names._edge));
    const Ref held = attribute(tensor, names._grad_fn);
    PyObject *node = held.get();
    if (node == Py_None) return checked(PyTuple_Pack(2, accumulator(tensor).get(), core().zero));
    return checked(PyTuple_Pack(2, node, attribute(tensor, names._output_nr).get()));
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
                const bool tensor = is_tensor(args[k]);
                const Ref counter = tensor ? attribute(args[k], names._version_counter) : Ref::borrow(Py_None);
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

}  // namespace

uint64_t needed(const Row &row, PyObject *const *args, Py_ssize_t count) {
    const size_t fixed = row.inputs.size() - row.variadic_formula;
    const size_t edges = row.variadic_formula ? fixed + count - row.parameters : fixed;
    uint64_t needs = 0;
    for (size_t bit = 0; bit < edges; bit++) {
        PyObject *a = args[bit < fixed ? row.inputs[bit] : row.parameters + bit - fixed];
        if (is_tensor(a) && wants_gradient(a, attribute(a, names._grad_fn).get())) needs |= uint64_t(1) << bit;
    }
    return needs;
}

// apply.record(), without hooks on what is saved. Gives the node, or None. arrays: those of the result.
Ref record(Row &row, PyObject *const *args, Py_ssize_t count, PyObject *result, const std::vector<Ref> &arrays) {
    size_t fixed = row.inputs.size(), edge_count = fixed;
    if (row.variadic_formula) edge_count = --fixed + count - row.parameters;
    if (edge_count > kMaxArguments)
        return call(core().record, row.op, tuple_of(args, count).get(), result);
    const auto input = [&](size_t bit) { return args[bit < fixed ? row.inputs[bit] : row.parameters + bit - fixed]; };
    const uint64_t needs = needed(row, args, count);
    bool any = false;
    for (size_t i = 0; needs && !any && i < arrays.size(); i++) any = differentiable(row, i, arrays[i].get());
    if (!any) return Ref::borrow(Py_None);
    const Plan &plan = row.plan(needs);
    if (!row.node_class) row.node_class = checked(PyObject_CallMethodNoArgs(row.op, names.node_class)).release();
    Ref node = new_object(reinterpret_cast<PyTypeObject *>(row.node_class));
    set_attribute(node.get(), names.plan, plan.object);
    set_attribute(node.get(), names.where, location().get());
    const Ref edges = checked(PyList_New(edge_count));
    for (size_t bit = 0; bit < edge_count; bit++) {
        const bool wanted = needs >> bit & 1;
        Ref edge = wanted ? edge_of(input(bit)) : Ref::borrow(core().no_edge);
        PyList_SET_ITEM(edges.get(), bit, edge.release());
    }
    set_attribute(node.get(), names.edges, edges.get());
    set_attribute(node.get(), names.number, checked(PyIter_Next(core().counter)).get());
    set_outputs(row, node.get(), result, arrays);
    if (!plan.entries.empty()) save(node.get(), row, plan, args, count, result);
    return node;
}

// apply._mark_views()
void mark_views(const Row &row, PyObject *const *args, Py_ssize_t count, PyObject *result, PyObject *node) {
    const Core &c = core();
    PyObject *source = args[0];
    if (!is_tensor(source)) return;
    const Ref seen = attribute(source, names._view), counter = versions_of(source);
    const Modes modes;
    bool usual = !row.inputs.empty() && counter.get() != c.untracked && !modes.is(names.inference, false);
    if (usual && seen.get() != Py_None) usual = checked(PyObject_GetAttr(seen.get(), names.dual)).get() == Py_None;
    if (!usual) return void(call(c.mark_views, row.op, tuple_of(args, count).get(), result, node));
    static PyObject *const multi = checked(PyUnicode_InternFromString("multi")).release();
    static PyObject *const no_grad = checked(PyUnicode_InternFromString("no_grad")).release();
    Ref base = Ref::borrow(source), kind = Ref::borrow(Py_None), earlier = Ref::borrow(c.nothing);
    if (seen.get() != Py_None) {
        base = checked(PyObject_GetAttr(seen.get(), names.base));
        kind = checked(PyObject_GetAttr(seen.get(), names.kind));
        earlier = checked(PyObject_GetAttr(seen.get(), names.chain));
    }
    if (!modes.is(names.grad, true)) kind = Ref::borrow(no_grad);
    if (row.several && kind.get() == Py_None) kind = Ref::borrow(multi);
    const Ref rest = tuple_of(args + 1, count - 1), version = version_of(counter.get());
    const Py_ssize_t outputs = row.several ? PyTuple_GET_SIZE(result) : 1;
    for (Py_ssize_t i = 0; i < outputs; i++) {
        PyObject *output = row.several ? PyTuple_GET_ITEM(result, i) : result;
        const Ref again = row.several ? checked(PyObject_CallMethod(row.op, "pick", "n", i)) : Ref::borrow(row.op);
        const Ref step = checked(PyTuple_Pack(2, again.get(), rest.get())), last = checked(PyTuple_Pack(1, step.get()));
        const Ref chain = checked(PySequence_Concat(earlier.get(), last.get())), view = new_object(c.view);
        const std::pair<PyObject *, PyObject *> fields[] = {
            {names.base, base.get()}, {names.chain, chain.get()}, {names.kind, kind.get()}, {names.dual, Py_None}};
        for (const auto &[name, value] : fields) set_attribute(view.get(), name, value);
        set_attribute(view.get(), names.version, version.get());
        set_attribute(output, names._version_counter, counter.get());
        set_attribute(output, names._view, view.get());
    }
}

}  // namespace retrograd
