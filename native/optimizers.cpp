#include "optimizers.h"

#include "numpy_api.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "door.h"
#include "optim.h"
#include "row_kernels.h"
#include "views.h"

namespace retrograd {

using namespace nb::literals;

namespace {

// An array of float32 or float64 as the kernels take it, in any layout.
bool floating(PyObject *array) {
    if (!PyArray_CheckExact(array)) return false;
    PyArrayObject *a = numpy(array);
    const int type = PyArray_TYPE(a);
    return (type == NPY_FLOAT || type == NPY_DOUBLE) && PyArray_ISALIGNED(a) && PyArray_ISNOTSWAPPED(a) &&
           PyArray_NDIM(a) <= kMaxDims;
}

bool alike(PyObject *x, PyObject *y) {
    PyArrayObject *a = numpy(x), *b = numpy(y);
    return PyArray_TYPE(a) == PyArray_TYPE(b) && PyArray_NDIM(a) == PyArray_NDIM(b) &&
           PyArray_CompareLists(PyArray_DIMS(a), PyArray_DIMS(b), PyArray_NDIM(a));
}

// Parameters of an optimizer that a rule moves, whose state's numbers (the count of steps) are the same.
class Rows {
  public:
    Rows(Rule rule, int states, bool fresh) : rule_(rule), states_(states), steps_(rule, states), fresh_(fresh) {}
    Rows(const Rows &) = delete;

    // arrays: the parameter, its gradient (or factors) and its state; of one shape and dtype, which was seen to.
    void add(Ref *arrays, const Factors *factors) {
        PyArrayObject *param = numpy(arrays[0].get());
        void *at[kMostArrays] = {};
        bool same = true;
        for (int i = 0; i < 2 + states_; i++) {
            if (i == 1 && factors) continue;
            at[i] = PyArray_DATA(numpy(arrays[i].get()));
            same = same && (PyArray_IS_C_CONTIGUOUS(param) ? PyArray_IS_C_CONTIGUOUS(numpy(arrays[i].get()))
                                                           : laid_out_alike(arrays[0].get(), arrays[i].get()));
        }
        if (same && PyArray_IS_C_CONTIGUOUS(param)) {
            steps_.add_run(PyArray_TYPE(param) == NPY_FLOAT ? 'f' : 'd', at, PyArray_SIZE(param), factors);
        } else {
            static const char *const labels[kMostArrays] = {"params", "grads", "state", "state", "state"};
            Array seen[kMostArrays];
            const Array *given[kMostArrays] = {};
            for (int i = 0; i < 2 + states_; i++) {
                if (i == 1 && factors) continue;
                if (const char *why = see(arrays[i].get(), labels[i], seen[i])) refuse(std::string(labels[i]) + " " + why);
                given[i] = &seen[i];
            }
            steps_.add(given, factors);
        }
        for (int i = 0; i < 2 + states_; i++) held_.push_back(std::move(arrays[i]));
    }

    // The numbers of the parameters: of the first those that Python reads and changes.
    void add_numbers(std::vector<Ref> &&arrays) { numbers_.push_back(std::move(arrays)); }
    const std::vector<std::vector<Ref>> &numbers() const { return numbers_; }
    bool fresh() const { return fresh_; }

    nb::list first_numbers() const {
        nb::list list;
        if (!numbers_.empty())
            for (const Ref &array : numbers_[0]) list.append(nb::borrow(array.get()));
        return list;
    }

    // Copies the first parameter's numbers to the others.
    void share_numbers() {
        for (size_t i = 1; i < numbers_.size(); i++)
            for (size_t j = 0; j < numbers_[i].size(); j++) {
                PyArrayObject *to = numpy(numbers_[i][j].get()), *from = numpy(numbers_[0][j].get());
                std::memcpy(PyArray_DATA(to), PyArray_DATA(from), PyArray_ITEMSIZE(from));
            }
    }

    // The step; gives an empty tuple, as nothing is left for NumPy.
    nb::tuple step(nb::kwargs constants) {
        double values[kMostConstants] = {0, 1, 0};  // no weight decay, no shrinking, no maximizing
        bool given[kMostConstants] = {true, true, true};
        for (auto [key, value] : constants) {
            const char *name = PyUnicode_AsUTF8(key.ptr());
            if (!name) throw nb::python_error();
            const int i = constant_named(rule_, name);
            if (i < 0) refuse(std::string("this rule has no constant ") + name + "; it has " + constant_names(rule_));
            values[i] = PyFloat_AsDouble(value.ptr());
            if (values[i] == -1 && PyErr_Occurred()) throw nb::python_error();
            given[i] = true;
        }
        if (!std::all_of(given, given + constants_of(rule_), [](bool g) { return g; }))
            refuse(std::string("this rule needs the constants ") + constant_names(rule_));
        const Running running(steps_.elements() * kPerElement);
        steps_.run(values);
        return nb::tuple();
    }

  private:
    const Rule rule_;
    const int states_;
    Steps steps_;
    const bool fresh_;
    std::vector<Ref> held_;
    std::vector<std::vector<Ref>> numbers_;
};

// What a gradient waits as (core/deferred.py); empty for an ordinary one.
Ref waiting(PyObject *grad) {
    if (Py_TYPE(grad) == core().tensor) return {};
    const Ref own = checked(PyObject_GenericGetDict(grad, nullptr));
    PyObject *factors = PyDict_GetItemWithError(own.get(), names._factors);
    if (!factors && PyErr_Occurred()) throw Raised{};
    return factors && factors != Py_None && nb::isinstance<WeightFactors>(nb::handle(factors)) ? Ref::borrow(factors) : Ref();
}

// Whether any two parameters share memory, or are one: they are not to be moved at the same time.
bool overlap(PyObject *params) {
    std::vector<std::pair<const char *, const char *>> ranges;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(params); i++) {
        const Ref array = attribute(PyList_GET_ITEM(params, i), names._array);
        if (!PyArray_CheckExact(array.get())) continue;
        const char *data = PyArray_BYTES(numpy(array.get()));
        ranges.emplace_back(data, data + PyArray_NBYTES(numpy(array.get())));
    }
    std::sort(ranges.begin(), ranges.end());
    for (size_t i = 1; i < ranges.size(); i++)
        if (ranges[i].first < ranges[i - 1].second) return true;
    return false;
}

// A number of the state: a 0-d array of float32 or float64 to write to.
bool is_number(PyObject *array) {
    return floating(array) && PyArray_NDIM(numpy(array)) == 0 && PyArray_ISWRITEABLE(numpy(array));
}
double value_of(PyObject *number) {
    const void *data = PyArray_DATA(numpy(number));
    return PyArray_TYPE(numpy(number)) == NPY_FLOAT ? *static_cast<const float *>(data) : *static_cast<const double *>(data);
}

// Gathers the parameters of one call.
class Gathering {
  public:
    Gathering(PyObject *optimizer, PyObject *group, Rule rule, PyObject *names, PyObject *numbers)
        : optimizer_(optimizer), group_(group), rule_(rule), names_(names), numbers_(numbers),
          states_(static_cast<int>(PyTuple_GET_SIZE(names))), owner_(checked(PyObject_GetAttr(optimizer, retrograd::names.state))) {
        if (!PyDict_Check(owner_.get())) refuse("the optimizer's state must be a dict");
        expect_states(rule, states_);
    }

    // Whether the parameter was taken.
    bool take(PyObject *param) {
        Ref arrays[kMostArrays];
        arrays[0] = attribute(param, retrograd::names._array);
        if (!floating(arrays[0].get()) || !PyArray_ISWRITEABLE(numpy(arrays[0].get()))) return false;
        const Ref grad = attribute(param, retrograd::names._grad);
        if (!is_tensor(grad.get())) refuse("each parameter needs a gradient (leave out those that have none)");

        std::vector<Ref> counts;
        bool fresh = false;
        if (states_ || PyTuple_GET_SIZE(numbers_)) {
            const Ref state = state_of(param, fresh);
            for (int i = 0; i < states_; i++) {
                arrays[2 + i] = array_of(state.get(), PyTuple_GET_ITEM(names_, i));
                if (arrays[2 + i] && floating(arrays[2 + i].get()) && !laid_out_alike(arrays[0].get(), arrays[2 + i].get())) {
                    arrays[2 + i] = Ref();  // whose memory it is, is told by who else refers to it
                    lay_out(PyDict_GetItem(state.get(), PyTuple_GET_ITEM(names_, i)), arrays[0].get());
                    arrays[2 + i] = array_of(state.get(), PyTuple_GET_ITEM(names_, i));
                }
                if (!arrays[2 + i] || !floating(arrays[2 + i].get()) || !alike(arrays[0].get(), arrays[2 + i].get()) ||
                    !PyArray_ISWRITEABLE(numpy(arrays[2 + i].get())))
                    return false;
            }
            for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(numbers_); i++) {
                counts.push_back(array_of(state.get(), PyTuple_GET_ITEM(numbers_, i)));
                if (!counts.back() || !is_number(counts.back().get())) return false;
            }
        }
        Ref factors = waiting(grad.get());
        const WeightFactors *kept = factors ? &nb::cast<const WeightFactors &>(nb::handle(factors.get())) : nullptr;
        for (int i = 0; kept && i < 2 + states_; i++)
            if (i != 1 && !kept->fit(arrays[i].get())) kept = nullptr;
        if (kept) {
            arrays[1] = std::move(factors);
        } else {
            arrays[1] = attribute(grad.get(), retrograd::names._array);
            if (!floating(arrays[1].get()) || !alike(arrays[0].get(), arrays[1].get())) return false;
        }
        if (!counts.empty()) advance(counts[0].get());
        Rows &rows = of(counts, fresh);
        rows.add(arrays, kept ? &kept->factors : nullptr);
        rows.add_numbers(std::move(counts));
        return true;
    }

    nb::list taken() const {
        nb::list list;
        for (const auto &[rows, object] : taken_) list.append(object);
        return list;
    }

  private:
    // The parameter's state, with all that is named: begun by the optimizer where it isn't there yet.
    Ref state_of(PyObject *param, bool &fresh) {
        PyObject *state = PyDict_GetItemWithError(owner_.get(), param);
        if (!state && PyErr_Occurred()) throw Raised{};
        if (state && PyDict_Check(state) && whole(state)) return Ref::borrow(state);
        fresh = true;
        PyObject *const given[] = {optimizer_, group_, param};
        Ref begun = checked(PyObject_VectorcallMethod(retrograd::names.begin, given, 3, nullptr));
        if (!PyDict_Check(begun.get())) refuse("begin must give a dict");
        return begun;
    }
    bool whole(PyObject *state) const {
        if (states_ == 0) return PyDict_GET_SIZE(state) > 0;
        for (int i = 0; i < states_; i++) {
            PyObject *value = PyDict_GetItemWithError(state, PyTuple_GET_ITEM(names_, i));
            if (!value && PyErr_Occurred()) throw Raised{};
            if (!value || value == Py_None) return false;
        }
        return true;
    }
    static Ref array_of(PyObject *state, PyObject *name) {
        PyObject *tensor = PyDict_GetItemWithError(state, name);
        if (!tensor && PyErr_Occurred()) throw Raised{};
        if (!tensor || !is_tensor(tensor)) return {};
        return attribute(tensor, retrograd::names._array);
    }
    static void lay_out(PyObject *tensor, PyObject *like) {
        static PyObject *const function = imported("retrograd.optim.compiled", "lay_out").release();
        call(function, tensor, like);
    }
    static void advance(PyObject *count) {
        if (PyArray_TYPE(numpy(count)) == NPY_FLOAT) ++*static_cast<float *>(PyArray_DATA(numpy(count)));
        else ++*static_cast<double *>(PyArray_DATA(numpy(count)));
    }

    // The rows with these numbers. Most often they are all the same, so the last are looked at first.
    Rows &of(const std::vector<Ref> &counts, bool fresh) {
        for (auto i = taken_.rbegin(); i != taken_.rend(); ++i) {
            const std::vector<Ref> &known = i->first->numbers()[0];
            if (i->first->fresh() == fresh &&
                std::equal(counts.begin(), counts.end(), known.begin(), known.end(), [](const Ref &a, const Ref &b) {
                    return PyArray_TYPE(numpy(a.get())) == PyArray_TYPE(numpy(b.get())) &&
                           value_of(a.get()) == value_of(b.get());
                }))
                return *i->first;
        }
        auto *rows = new Rows(rule_, states_, fresh);
        taken_.emplace_back(rows, nb::cast(rows, nb::rv_policy::take_ownership));
        return *rows;
    }

    PyObject *const optimizer_, *const group_;
    const Rule rule_;
    PyObject *const names_, *const numbers_;
    const int states_;
    const Ref owner_;
    std::vector<std::pair<Rows *, nb::object>> taken_;
};

void expect_texts(nb::tuple texts, const char *what) {
    for (nb::handle text : texts)
        if (!PyUnicode_CheckExact(text.ptr())) refuse(std::string(what) + " must be a tuple of str");
}

nb::tuple gather_rows(nb::handle optimizer, nb::handle group, nb::list params, const std::string &rule, nb::tuple named,
                      nb::tuple numbers) {
    expect_texts(named, "names");
    expect_texts(numbers, "numbers");
    for (nb::handle param : params)
        if (!is_tensor(param.ptr())) throw nb::type_error("params must be a list of Tensors");
    try {
        Gathering gathering(optimizer.ptr(), group.ptr(), rule_named(rule), named.ptr(), numbers.ptr());
        if (overlap(params.ptr())) return nb::make_tuple(nb::list(), params);
        nb::list rest;
        for (size_t i = 0; i < nb::len(params); i++) {
            nb::object param = params[i];
            if (!is_tensor(param.ptr())) throw nb::type_error("params must be a list of Tensors");
            if (!gathering.take(param.ptr())) rest.append(param);
        }
        return nb::make_tuple(gathering.taken(), rest);
    } catch (Raised) {
        throw nb::python_error();
    }
}

// Rows of arrays by themselves: a list of parameters, one of gradients, and one for each array of state.
nb::object rows_of_arrays(const std::string &rule, nb::tuple columns) {
    const int count = static_cast<int>(nb::len(columns));
    if (count < 2 || count > kMostArrays) refuse("columns must be the parameters, the gradients and up to 3 of state");
    auto rows = std::make_unique<Rows>(rule_named(rule), count - 2, false);
    std::vector<nb::list> lists;
    for (nb::handle column : columns) {
        if (!PyList_CheckExact(column.ptr())) throw nb::type_error("each of the columns must be a list of arrays");
        lists.push_back(nb::borrow<nb::list>(column));
        if (nb::len(lists.back()) != nb::len(lists[0])) refuse("columns: expected one array for each parameter in each");
    }
    for (size_t r = 0; r < nb::len(lists[0]); r++) {
        Ref arrays[kMostArrays];
        const Factors *factors = nullptr;
        for (int i = 0; i < count; i++) {
            nb::object item = lists[i][r];
            arrays[i] = Ref::borrow(item.ptr());
            if (i == 1 && nb::isinstance<WeightFactors>(item)) {
                factors = &nb::cast<const WeightFactors &>(item).factors;
                if (!nb::cast<const WeightFactors &>(item).fit(nb::handle(arrays[0].get())))
                    refuse("the factors of a gradient do not fit their parameter");
                continue;
            }
            if (!floating(item.ptr())) refuse("columns must hold arrays of float32 or float64, aligned and in this byte order");
            if (!alike(arrays[0].get(), item.ptr())) {
                const View array(item, i == 1 ? "grads" : "state"), param(nb::handle(arrays[0].get()), "params");
                refuse(std::string(array.name) + " has shape " + array.shape_text() + ", expected its parameter's " +
                       param.shape_text() + ", and the same dtype");
            }
            if (i != 1 && !PyArray_ISWRITEABLE(numpy(item.ptr())))
                refuse(std::string(i ? "state" : "param") + " is read-only");
        }
        rows->add(arrays, factors);
    }
    return nb::cast(rows.release(), nb::rv_policy::take_ownership);
}

// Version.bump() for the memory of all these Tensors, which were written to at one place of the user's code.
void bump_versions(nb::list tensors) {
    try {
        Ref where;
        for (nb::handle tensor : tensors) {
            if (!is_tensor(tensor.ptr())) throw nb::type_error("bump_versions expects a list of Tensors");
            count_write(tensor.ptr(), where);
        }
    } catch (Raised) {
        throw nb::python_error();
    }
}

}  // namespace

void bind_optimizers(nb::module_ &m) {
    nb::class_<Rows>(m, "Rows", "Parameters of an optimizer that a rule moves in one pass.")
        .def_prop_ro("numbers", &Rows::first_numbers, "The numbers of the first parameter's state, as 0-d arrays.")
        .def_prop_ro("fresh", &Rows::fresh, "Whether the optimizer began the state just now.")
        .def("share_numbers", &Rows::share_numbers, "Copies the first parameter's numbers to the others.")
        .def("step", &Rows::step, "constants"_a, "Moves the parameters and their state; the constants are the rule's.");
    m.def("gather_rows", &gather_rows, "optimizer"_a, "group"_a, "params"_a, "rule"_a, "names"_a, "numbers"_a,
          "([Rows of the parameters that can be moved natively], [the other parameters]). names: of state that is arrays; "
          "numbers: of state that is one number, the first of which counts the steps and is advanced.");
    m.def("rows_of_arrays", &rows_of_arrays, "rule"_a, "columns"_a,
          "Rows of (parameters, gradients, state, ...), each a list of arrays.");
    m.def("bump_versions", &bump_versions, "tensors"_a, "Counts a write to the memory of each.");
}

}  // namespace retrograd
