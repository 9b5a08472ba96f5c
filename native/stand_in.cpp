// The type of what stands in for a Python function, and the functions of retrograd._native that make them.
#include <Python.h>
#include <structmember.h>

#include <cstring>
#include <new>

#include "door.h"

namespace retrograd {
namespace {

bool enabled = true;

bool is_out(PyObject *keywords) {
    return PyTuple_GET_SIZE(keywords) == 1 && !PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keywords, 0), "out");
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
    if (enabled && self.body == call_row && keywords && is_out(keywords)) {
        try {
            Ref result = call_row(self, args, count);
            if (result) return deliver(args[0], result.get(), args[count]).release();
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
    made->code = 0;
    PyObject_GC_Track(made);
    return reinterpret_cast<PyObject *>(made);
}

// stand_in(name, function): what is compiled under that name, with the function for the rest
PyObject *stand_in(PyObject *, PyObject *args) {
    const char *name;
    PyObject *function;
    if (!PyArg_ParseTuple(args, "sO", &name, &function)) return nullptr;
    const std::pair<const char *, Body> known[] = {{"apply", apply},         {"Op.__call__", call_row},
                                                  {"_walk", walk},          {"user_location", place},
                                                  {"Calls.__call__", call_module},
                                                  {"Module.__getattr__", module_attribute},
                                                  {"Version.bump", bump},   {"Tensor._versions", versions},
                                                  {"setitem", setitem},     {"masked_fill_", masked_fill},
                                                  {"uniform_", draw_uniform}, {"normal_", draw_normal},
                                                  {"bernoulli_", draw_bernoulli}, {"unsqueeze_", unsqueeze},
                                                  {"squeeze_", squeeze},    {"transpose_", transpose},
                                                  {"exponential_", draw_exponential},
                                                  {"Tensor._outside", outside}, {"Tensor.detach", detach},
                                                  {"Tensor.data", set_data},      {"Tensor.grad", set_grad}};
    for (const auto &[called, body] : known)
        if (!std::strcmp(called, name)) return make_compiled(function, body);
    return PyErr_Format(PyExc_ValueError, "nothing is compiled under the name '%s'", name);
}

// method(row, function, operands=False, reflected=False, inplace=False): the row as a method, with the function for the
// rest
PyObject *method(PyObject *, PyObject *args) {
    PyObject *op, *function;
    int operands = 0, reflected = 0, inplace = 0;
    if (!PyArg_ParseTuple(args, "OO|ppp", &op, &function, &operands, &reflected, &inplace)) return nullptr;
    PyObject *made = make_compiled(function, inplace ? call_inplace : call_method);
    if (!made) return nullptr;
    auto &self = *reinterpret_cast<Compiled *>(made);
    self.op = Py_NewRef(op);
    self.operands = operands;
    self.reflected = reflected;
    return made;
}

// fused(function): the same function, in one pass on raw values
PyObject *fused(PyObject *, PyObject *function) { return make_compiled(function, call_fused); }

// each_method(name, function, reflected=False): an operation of lists.h as an in-place method, with the function for the
// rest. reflected: sub_ of add, zero_ of fill, pow_ of square.
PyObject *each_method(PyObject *, PyObject *args) {
    const char *name;
    PyObject *function;
    int reflected = 0;
    if (!PyArg_ParseTuple(args, "sO|p", &name, &function, &reflected)) return nullptr;
    try {
        const int code = each_code(name);
        PyObject *made = make_compiled(function, call_each);
        if (!made) return nullptr;
        auto &self = *reinterpret_cast<Compiled *>(made);
        self.reflected = reflected;
        self.code = code;
        return made;
    } catch (Raised) {
        return nullptr;
    }
}

// use_door(bool): whether compiled stand-ins are used; gives what held before
PyObject *use_door(PyObject *, PyObject *value) {
    const int wanted = PyObject_IsTrue(value);
    if (wanted < 0) return nullptr;
    return PyBool_FromLong(std::exchange(enabled, static_cast<bool>(wanted)));
}

// observe(begin, end): see Observer; None and None: no longer.
PyObject *observe(PyObject *, PyObject *args) {
    PyObject *begin, *end;
    if (!PyArg_ParseTuple(args, "OO", &begin, &end)) return nullptr;
    const auto set = [](PyObject *&to, PyObject *value) {
        Py_XDECREF(std::exchange(to, value == Py_None ? nullptr : Py_NewRef(value)));
    };
    set(observer.begin, begin);
    set(observer.end, end);
    Py_RETURN_NONE;
}

PyMethodDef functions[] = {
    {"observe", observe, METH_VARARGS, "Calls begin(row or node, given) and end(result) around each; None: no longer."},
    {"stand_in", stand_in, METH_VARARGS, "What is compiled under a name, and a function for the rest."},
    {"method", method, METH_VARARGS, "A row as a method of Tensor, and a function for the rest."},
    {"fused", fused, METH_O, "An elementwise function that takes one pass on raw values."},
    {"each_method", each_method, METH_VARARGS, "An operation of lists.h as an in-place method, and a function for the rest."},
    {"add_scaled", reinterpret_cast<PyCFunction>(reinterpret_cast<void *>(add_scaled)), METH_FASTCALL,
     "x += scale * y for Tensors outside of graphs; whether they are such that it was done."},
    {"use_door", use_door, METH_O, "Whether the compiled door and walk are used; gives what held before."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void add_door(PyObject *module) {
    name_everything();
    compiled_type = make_compiled_type();
    checked(PyModule_AddFunctions(module, functions));
    add_ufuncs(module);
    add_layers(module);
    add_pending(module);
    add_picking(module);
    add_random(module);
    add_creation(module);
    add_lists(module);
}

}  // namespace retrograd

