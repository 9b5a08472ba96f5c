#include "elementwise.h"

#include <algorithm>
#include <cstring>

#include "numpy_api.h"
#define PY_UFUNC_UNIQUE_SYMBOL retrograd_door_ufunc
#include <numpy/ufuncobject.h>

#include "boundary.h"
#include "door.h"
#include "isa.h"
#include "kernels.h"
#include "nest.h"
#include "pointwise.h"
#include "pool.h"

namespace retrograd {
namespace {

constexpr size_t kMostArguments = 12, kMaxOperands = 4;
constexpr npy_intp kBlock = 1024;        // elements that a program takes through all its steps at a time
constexpr npy_intp kTask = 16 * kBlock;  // elements of one task of the thread pool
constexpr npy_intp kShortest = 8;         // elements of a line for which a program is started
constexpr npy_intp kShared = 2 * kTask;  // from here on the threads share the work, and Python's lock is let go
constexpr size_t kMaxVariants = 8;       // programs of a function whose steps depend on a number's value

int64_t item_size(char type) { return type == 'f' ? 4 : type == '?' ? 1 : 8; }

// The letter that stands for a dtype here: 'l' for int64; 0 for those that programs don't run on.
char letter_of(int type) {
    return type == NPY_FLOAT    ? 'f'
           : type == NPY_DOUBLE ? 'd'
           : type == NPY_BOOL   ? '?'
           : type == NPY_INT64  ? 'l'
                                : '\0';
}

int number_of(char type) {
    return type == 'f' ? NPY_FLOAT : type == 'd' ? NPY_DOUBLE : type == '?' ? NPY_BOOL : NPY_INT64;
}

// A number in a dtype, as NumPy converts it.
struct Cell {
    alignas(8) char bytes[8] = {};
    Cell() = default;
    Cell(double value, char type) {
        const auto put = [this](auto v) { std::memcpy(bytes, &v, sizeof v); };
        if (type == 'f') put(static_cast<float>(value));
        else if (type == 'l') put(static_cast<int64_t>(value));
        else put(value);
    }
};

// A float, or an int that all dtypes hold.
bool number(PyObject *object, double &value) {
    if (PyFloat_CheckExact(object)) {
        value = PyFloat_AS_DOUBLE(object);
        return true;
    }
    if (!PyLong_CheckExact(object)) return false;
    int overflow;
    const long long whole = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow || whole > (1 << 24) || whole < -(1 << 24)) return false;
    value = static_cast<double>(whole);
    return true;
}

bool same_shape(PyArrayObject *x, PyArrayObject *y) {
    const int n = PyArray_NDIM(x);
    return n == PyArray_NDIM(y) && PyArray_CompareLists(PyArray_DIMS(x), PyArray_DIMS(y), n);
}

// Whether an array is (N, C, ...) in memory with contiguous channels.
bool is_channels_last(PyArrayObject *x) {
    const int n = PyArray_NDIM(x);
    if (n < 3 || n > kMaxDims || !PyArray_ISALIGNED(x) || !PyArray_ISNOTSWAPPED(x)) return false;
    npy_intp run = PyArray_ITEMSIZE(x);
    for (int k = n - 1; k >= 0; k--) {
        const int axis = k == 0 ? 0 : k == n - 1 ? 1 : k + 1;  // from the densest on
        if (PyArray_DIM(x, axis) != 1 && PyArray_STRIDE(x, axis) != run) return false;
        run *= PyArray_DIM(x, axis);
    }
    return true;
}

// One number, expanded to a shape, as the gradient of a sum is.
bool is_expanded(PyArrayObject *x) {
    for (int i = 0; i < PyArray_NDIM(x); i++)
        if (PyArray_STRIDE(x, i) != 0 && PyArray_DIM(x, i) != 1) return false;
    return PyArray_ISALIGNED(x) && PyArray_ISNOTSWAPPED(x) && PyArray_SIZE(x) > 0;
}

// out = condition ? x : y, where results are one after the other. Numbers are told apart by their size alone.
template <class T> void select(char **args, npy_intp const *n, npy_intp const *steps, void *) {
    const auto *x = reinterpret_cast<const T *>(args[1]), *y = reinterpret_cast<const T *>(args[2]);
    auto *out = reinterpret_cast<T *>(args[3]);
    const auto single_or_run = [&](int i) { return steps[i] == 0 || steps[i] == sizeof(T); };
    if constexpr (sizeof(T) > 1)
        if (steps[0] == 1 && single_or_run(1) && single_or_run(2))
            return kernels().of<T>().select(args[0], x, steps[1] != 0, y, steps[2] != 0, out, *n);
    for (npy_intp i = 0; i < *n; i++)
        out[i] = *reinterpret_cast<const T *>(args[0][i * steps[0]] ? args[1] + i * steps[1] : args[2] + i * steps[2]);
}

// kernel(operands, result, n) of a ufunc's operands: as they are if they are runs, else block by block through copies.
template <class T, class Kernel>
void in_runs(const char *const *operands, npy_intp const *steps, int count, char *out, npy_intp step, npy_intp n,
             const Kernel &kernel) {
    const T *in[kMostActivationArrays] = {};
    bool runs = step == sizeof(T);
    for (int k = 0; k < count; k++) {
        in[k] = reinterpret_cast<const T *>(operands[k]);
        runs = runs && steps[k] == sizeof(T);
    }
    if (runs) return kernel(in, reinterpret_cast<T *>(out), n);
    constexpr npy_intp kCopied = 256;
    T block[kMostActivationArrays][kCopied];
    for (npy_intp from = 0; from < n; from += kCopied) {
        const npy_intp some = std::min(kCopied, n - from);
        for (int k = 0; k < count; k++) {
            in[k] = block[k];
            for (npy_intp i = 0; i < some; i++) std::memcpy(block[k] + i, operands[k] + (from + i) * steps[k], sizeof(T));
        }
        kernel(in, block[0], some);
        for (npy_intp i = 0; i < some; i++) std::memcpy(out + (from + i) * step, block[0] + i, sizeof(T));
    }
}

// A ufunc's loop for a kernel from runs to runs.
template <class T, void (*TypedKernels<T>::*Kernel)(const T *, T *, int64_t)>
void loop_of(char **args, npy_intp const *n, npy_intp const *steps, void *) {
    const auto kernel = kernels().of<T>().*Kernel;
    in_runs<T>(args, steps, 1, args[1], steps[1], *n,
               [=](const T *const *in, T *out, int64_t some) { kernel(in[0], out, some); });
}

// An activation as a ufunc: of its arrays, and then its numbers.
struct ActivationUfunc {
    Activation which;
    const char *name;
    int arrays, numbers;
    void *data[2];
    char types[2 * (kMaxOperands + 1)];
};

template <class T> void activation_loop(char **args, npy_intp const *n, npy_intp const *steps, void *data) {
    const auto &of = *static_cast<const ActivationUfunc *>(data);
    const int operands = of.arrays + of.numbers;
    npy_intp some = *n;  // elements with the same numbers
    for (int k = of.arrays; k < operands; k++)
        if (steps[k] != 0) some = 1;
    for (npy_intp from = 0; from < *n; from += some) {
        const char *in[kMaxOperands];
        for (int k = 0; k < operands; k++) in[k] = args[k] + from * steps[k];
        T numbers[kMostActivationNumbers] = {};
        for (int k = 0; k < kMostActivationNumbers; k++)
            if (k < of.numbers) std::memcpy(numbers + k, in[of.arrays + k], sizeof(T));
        in_runs<T>(in, steps, of.arrays, args[operands] + from * steps[operands], steps[operands], some,
                   [&](const T *const *arrays, T *out, int64_t count) {
                       kernels().of<T>().activation(of.which, arrays, numbers, out, count);
                   });
    }
}

// What of the package the recording needs.
struct Recorder {
    PyObject *record, *where, *numpy;
    PyTypeObject *ufunc;

    Recorder() {
        record = imported("retrograd.core.elementwise", "record").release();
        numpy = checked(PyImport_ImportModule("numpy")).release();
        where = imported("numpy", "where").release();
        ufunc = reinterpret_cast<PyTypeObject *>(imported("numpy", "ufunc").release());
    }
};

const Recorder &recorder() {
    static const Recorder *loaded = nullptr;
    if (!loaded) loaded = new Recorder;
    return *loaded;
}

}  // namespace

// Arguments are what the function was given, with NumPy first if it is a forward.
struct Program {
    enum From : char { Argument, Constant, Buffer, Result };
    struct Operand {
        From from;
        char type;
        int index;
    };
    struct Step {
        PyUFuncGenericFunction loop;
        void *data;
        int count;
        Operand operands[kMaxOperands + 1];  // the last is what it gives
    };
    std::vector<Step> steps;
    std::vector<Cell> constants;
    Operand result;
    size_t buffers = 0;
    bool ends_with_result = false;  // no step reads an argument once the result is written

    // Elements [from, from + n). `scratch` holds kBlock elements for each buffer. The result has no gaps.
    void run(char *const *inputs, const npy_intp *strides, npy_intp from, npy_intp n, char *out, char *scratch) const {
        for (const Step &step : steps) {
            char *data[kMaxOperands + 1];
            npy_intp stride[kMaxOperands + 1];
            for (int i = 0; i <= step.count; i++) {
                const Operand &o = step.operands[i];
                stride[i] = o.from == Argument ? strides[o.index] : o.from == Constant ? 0 : item_size(o.type);
                data[i] = o.from == Argument   ? inputs[o.index] + from * stride[i]
                          : o.from == Constant ? const_cast<char *>(constants[o.index].bytes)
                          : o.from == Buffer   ? scratch + o.index * kBlock * 8
                                               : out + from * stride[i];
            }
            step.loop(data, &n, stride, step.data);
        }
    }

    // Calls body(scratch of a slot) with Python's lock, or body(scratch of all, bytes of each slot) without it.
    template <class Few, class Many> void with_scratch(npy_intp n, const Few &few_elements, const Many &many) const {
        const size_t each = buffers * kBlock * 8;
        if (n < kShared) {
            alignas(64) char few[2 * kBlock * 8];
            if (each <= sizeof few) return few_elements(few);
            const std::unique_ptr<char[]> scratch(new char[each]);
            return few_elements(scratch.get());
        }
        const std::unique_ptr<char[]> scratch(new char[num_threads() * each]);
        Py_BEGIN_ALLOW_THREADS
        many(scratch.get(), each);
        Py_END_ALLOW_THREADS
    }

    void run_all(char *const *inputs, const npy_intp *strides, npy_intp n, char *out) const {
        const auto blocks = [&](npy_intp from, npy_intp end, char *scratch) {
            for (; from < end; from += kBlock) run(inputs, strides, from, std::min(kBlock, end - from), out, scratch);
        };
        const int slots = num_threads();
        with_scratch(
            n, [&](char *scratch) { blocks(0, n, scratch); },
            [&](char *scratch, size_t each) {
                parallel((n + kTask - 1) / kTask, slots, [&](int64_t task, int slot) {
                    blocks(task * kTask, std::min<npy_intp>(n, (task + 1) * kTask), scratch + slot * each);
                });
            });
    }

    // The same, line by line. Operands of the nest: those arguments that `arrays` numbers, and the result.
    void run_nest(const Nest &nest, const std::vector<int> &arrays, char **inputs, char *out) const {
        npy_intp strides[kMostArguments + 1] = {};
        char *bases[kMostOperands];
        const int results = nest.operands - 1;
        for (int o = 0; o < results; o++) {
            bases[o] = inputs[arrays[o]];
            strides[arrays[o]] = nest.step(o);
        }
        bases[results] = out;
        const auto piece = [&](char **data, int64_t n, char *scratch) {
            char *given[kMostArguments + 1];
            std::copy_n(inputs, kMostArguments + 1, given);
            for (int o = 0; o < results; o++) given[arrays[o]] = data[o];
            run(given, strides, 0, n, data[results], scratch);
        };
        const int slots = num_threads();
        with_scratch(
            nest.size(),
            [&](char *scratch) {
                const Alone alone(true);
                nest.run(bases, kBlock, kTask, 1, [&](char **data, int64_t n, int) { piece(data, n, scratch); });
            },
            [&](char *scratch, size_t each) {
                nest.run(bases, kBlock, kTask, slots,
                         [&](char **data, int64_t n, int slot) { piece(data, n, scratch + slot * each); });
            });
    }
};

namespace {

// Sets the loop of a ufunc for operands of one type, and what it gives; false if there is none.
bool find_loop(PyObject *function, Program::Step &step, char type) {
    auto *ufunc = reinterpret_cast<PyUFuncObject *>(function);
    if (ufunc->nin != step.count || ufunc->nout != 1) return false;
    for (int i = 0; i < ufunc->ntypes; i++) {
        const char *types = ufunc->types + i * (step.count + 1);
        if (!std::all_of(types, types + step.count, [&](char t) { return letter_of(t) == type; })) continue;
        step.loop = ufunc->functions[i];
        step.data = ufunc->data ? const_cast<void *>(static_cast<const void *>(ufunc->data[i])) : nullptr;
        step.operands[step.count].type = letter_of(types[step.count]);
        return step.loop && step.operands[step.count].type;
    }
    return false;
}

// What core/elementwise.py recorded, as a program; nothing if there are no loops for it. `type`: of the arrays.
std::unique_ptr<Program> read(PyObject *recorded, const std::vector<char> &arguments, char type) {
    PyObject *steps = PyTuple_GET_ITEM(recorded, 0);
    const size_t count = PyList_GET_SIZE(steps), last = PyLong_AsSize_t(PyTuple_GET_ITEM(recorded, 1));
    auto program = std::make_unique<Program>();

    struct Value {  // an argument, or what a step gives
        Program::Operand operand;
        size_t needed;  // the last step that does
    };
    std::vector<Value> values;
    for (size_t i = 0; i < arguments.size(); i++)
        values.push_back({{Program::Argument, arguments[i], static_cast<int>(i)}, 0});
    values.resize(arguments.size() + count, {{Program::Buffer, 0, -1}, 0});
    const auto operands_of = [&](size_t i) { return PyTuple_GET_ITEM(PyList_GET_ITEM(steps, i), 1); };
    for (size_t i = 0; i < count; i++)
        for (Py_ssize_t k = 0; k < PyList_GET_SIZE(operands_of(i)); k++)
            if (PyObject *o = PyList_GET_ITEM(operands_of(i), k); PyLong_Check(o))
                values[PyLong_AsSize_t(o)].needed = i;

    std::vector<int> spare;  // buffers that nobody needs any more
    for (size_t i = 0; i < count; i++) {
        PyObject *function = PyTuple_GET_ITEM(PyList_GET_ITEM(steps, i), 0), *operands = operands_of(i);
        const bool selects = function == recorder().where;
        Program::Step step = {};
        step.count = static_cast<int>(PyList_GET_SIZE(operands));
        if (step.count > static_cast<int>(kMaxOperands)) return nullptr;
        char of = type;  // the operands' type: that of the arrays, or masks without numbers
        std::vector<int> free;
        for (int k = 0; k < step.count; k++) {
            PyObject *o = PyList_GET_ITEM(operands, k);
            if (PyFloat_Check(o)) {
                step.operands[k] = {Program::Constant, type, static_cast<int>(program->constants.size())};
                program->constants.emplace_back(PyFloat_AS_DOUBLE(o), type);
                continue;
            }
            const Value &value = values[PyLong_AsSize_t(o)];
            step.operands[k] = value.operand;
            if (!(selects && k == 0)) of = value.operand.type == 'n' ? type : value.operand.type;
            if (value.operand.from == Program::Buffer && value.needed == i &&
                std::find(free.begin(), free.end(), value.operand.index) == free.end())
                free.push_back(value.operand.index);
        }
        Program::Operand &gives = step.operands[step.count];
        gives.type = of;
        if (selects)
            step.loop = of == 'f' ? select<float> : of == '?' ? select<char> : select<double>;  // by size
        else if (!PyObject_TypeCheck(function, recorder().ufunc) || !find_loop(function, step, of))
            return nullptr;
        if (arguments.size() + i == last) {
            gives.from = Program::Result;
        } else {
            gives.from = Program::Buffer;
            gives.index = spare.empty() ? static_cast<int>(program->buffers++) : spare.back();
            if (!spare.empty()) spare.pop_back();
        }
        spare.insert(spare.end(), free.begin(), free.end());
        values[arguments.size() + i].operand = gives;
        program->steps.push_back(step);
    }
    program->result = values[last].operand;
    program->ends_with_result = last + 1 == values.size();
    return program;
}

// The rule for zero gradients at poles is part of what was recorded: only the default one is.
bool usual_rules() {
    PyObject *rule = Modes().find(names.zero_gradient);
    return !rule || PyUnicode_CompareWithASCIIString(rule, "powers") == 0;
}

}  // namespace

Elementwise::Elementwise(PyObject *function, bool is_forward)
    : function_(Py_NewRef(function)), is_forward_(is_forward) {}
Elementwise::Elementwise(Elementwise &&) noexcept = default;
Elementwise::~Elementwise() = default;

const Program *Elementwise::find(uint64_t kinds, PyObject *const *args, size_t count, const double *numbers) {
    std::vector<double> given;
    bool tried = false;
    size_t variants = 0;
    for (size_t i = 0; i < count; i++)
        if (!PyArray_CheckExact(args[i]) && args[i] != Py_None) given.push_back(numbers[i]);
    for (const Known &known : known_) {
        if (known.kinds != kinds) continue;
        if (known.numbers.empty()) {
            if (known.program || given.empty()) return known.program.get();
            tried = true;
        } else if (++variants && !std::memcmp(known.numbers.data(), given.data(), given.size() * sizeof(double))) {
            return known.program.get();
        }
    }
    if (variants >= kMaxVariants) return nullptr;
    const char type = "fdl"[kinds & 3];
    const Ref list = checked(PyList_New(0));
    std::vector<char> types;
    if (is_forward_) {
        checked(PyList_Append(list.get(), recorder().numpy));
        types.push_back(0);
    }
    for (size_t i = 0; i < count; i++) {
        const bool array = PyArray_CheckExact(args[i]);
        const bool mask = array && PyArray_TYPE(reinterpret_cast<PyArrayObject *>(args[i])) == NPY_BOOL;
        types.push_back(mask ? '?' : array ? type : 'n');
        const Ref kind = !array && (tried || args[i] == Py_None) ? Ref::borrow(args[i])
                                         : checked(PyUnicode_FromString(mask ? "m" : array ? "a" : "n"));
        checked(PyList_Append(list.get(), kind.get()));
    }
    const Ref letter = checked(PyUnicode_FromStringAndSize(&type, 1));
    const Ref recorded = call(recorder().record, function_, list.get(), letter.get());
    known_.push_back({kinds, tried ? given : std::vector<double>(),
                      recorded.get() == Py_None ? nullptr : read(recorded.get(), types, type)});
    if (!known_.back().program && !tried && !given.empty()) return find(kinds, args, count, numbers);
    return known_.back().program.get();
}

namespace {

// The arrays among the arguments as operands of a nest; false if they don't broadcast.
bool walked(PyObject *const *args, size_t count, Nest &nest) {
    for (size_t i = 0; i < count; i++)
        if (PyArray_CheckExact(args[i]) && !nest.add(reinterpret_cast<PyArrayObject *>(args[i]))) return false;
    nest.sort();
    return true;
}

bool is_whole(PyArrayObject *a, const Nest &nest) {
    return PyArray_NDIM(a) == nest.ndim && std::equal(nest.shape, nest.shape + nest.ndim, PyArray_DIMS(a));
}

}  // namespace

Ref Elementwise::operator()(PyObject *const *args, size_t count, PyObject *spare) {
    if (count > kMostArguments) return {};
    PyArrayObject *whole = nullptr, *single = nullptr;  // an array with dimensions, and one without
    int type = 0;
    uint64_t kinds = 1;
    double numbers[kMostArguments];
    bool in_c_order = true, channels_last = true;  // all arrays but those that are one number, or expanded from one
    bool alike = true;                             // the arrays are of one shape
    uint64_t expanded = 0;                         // which of them are, by bits
    for (size_t i = 0; i < count; i++) {
        int kind = 3;
        if (PyArray_CheckExact(args[i])) {
            auto *a = reinterpret_cast<PyArrayObject *>(args[i]);
            const int t = PyArray_TYPE(a);
            if (!letter_of(t)) return {};
            if (PyArray_ISCARRAY_RO(a)) {
                if (PyArray_NDIM(a) > 0) channels_last = channels_last && is_channels_last(a);
            } else if (is_expanded(a)) {
                expanded |= uint64_t(1) << i;
            } else {
                in_c_order = false;
                channels_last = channels_last && is_channels_last(a);
            }
            kind = t == NPY_BOOL ? 2 : 1;
            if (kind == 1 && type && t != type) return {};
            if (kind == 1) type = t;
            if (PyArray_NDIM(a) == 0) single = a;
            else if (!whole) whole = a;
            else alike = alike && same_shape(whole, a);
        } else if (args[i] == Py_None) {
            kind = 0;
        } else if (!number(args[i], numbers[i]) || (PyFloat_CheckExact(args[i]) && type == NPY_INT64)) {
            return {};
        }
        kinds = kinds << 2 | kind;
    }
    const bool flat = alike && (in_c_order || channels_last);
    Nest nest;
    if (!flat && !walked(args, count, nest)) return {};
    if (!type || !usual_rules()) return {};
    if (type == NPY_INT64)  // a float before the first array would make it another dtype
        for (size_t i = 0; i < count; i++)
            if (PyFloat_CheckExact(args[i])) return {};
    const Program *program = find(kinds << 2 | (type == NPY_INT64 ? 2 : type == NPY_DOUBLE), args, count, numbers);
    if (!program) return {};
    const size_t shift = is_forward_;
    if (program->result.from == Program::Argument) {
        PyObject *same = args[program->result.index - shift];
        return flat || (PyArray_CheckExact(same) && is_whole(reinterpret_cast<PyArrayObject *>(same), nest)) ? Ref::borrow(same)
                                                                                                       : Ref();
    }

    char *inputs[kMostArguments + 1] = {};
    npy_intp strides[kMostArguments + 1];
    Cell cells[kMostArguments];
    std::vector<int> arrays;
    for (size_t i = 0; i < count; i++) {
        if (PyArray_CheckExact(args[i])) {
            auto *a = reinterpret_cast<PyArrayObject *>(args[i]);
            inputs[i + shift] = static_cast<char *>(PyArray_DATA(a));
            const bool one = PyArray_NDIM(a) == 0 ? whole != nullptr : expanded >> i & 1;
            strides[i + shift] = one ? 0 : PyArray_ITEMSIZE(a);
            if (!flat) arrays.push_back(static_cast<int>(i + shift));
        } else if (args[i] != Py_None) {
            cells[i] = Cell(numbers[i], letter_of(type));
            inputs[i + shift] = cells[i].bytes;
            strides[i + shift] = 0;
        }
    }
    const int gives = number_of(program->result.type);
    const Ref descr = checked(reinterpret_cast<PyObject *>(PyArray_DescrFromType(gives)));
    if (!flat) {
        Ref out = new_result(nest, descr.get());
        nest.add_result(item_size(program->result.type));
        nest.merge();
        if (nest.size() > 1 && nest.length() < kShortest) return {};
        program->run_nest(nest, arrays, inputs, static_cast<char *>(PyArray_DATA(reinterpret_cast<PyArrayObject *>(out.get()))));
        return out;
    }
    PyArrayObject *like = whole ? whole : single;
    const npy_intp n = PyArray_SIZE(like);
    Ref out;
    for (size_t i = 0; i < count && spare && program->ends_with_result; i++) {
        auto *a = reinterpret_cast<PyArrayObject *>(spare);
        if (args[i] == spare && PyArray_CheckExact(spare) && PyArray_TYPE(a) == gives && same_shape(a, like) &&
            !(expanded >> i & 1) && PyArray_ISWRITEABLE(a))
            out = Ref::borrow(spare);
    }
    if (!out && PyArray_NDIM(like) <= kMaxDims) {
        int64_t shape[kMaxDims];
        std::copy_n(PyArray_DIMS(like), PyArray_NDIM(like), shape);
        out = new_array(PyArray_NDIM(like), shape, descr.get(), !in_c_order);
    } else if (!out) {
        const NPY_ORDER order = in_c_order ? NPY_CORDER : NPY_KEEPORDER;
        Py_INCREF(descr.get());  // the new array takes it
        out = checked(PyArray_NewLikeArray(like, order, reinterpret_cast<PyArray_Descr *>(descr.get()), 0));
    }
    auto *result = reinterpret_cast<PyArrayObject *>(out.get());
    program->run_all(inputs, strides, n, static_cast<char *>(PyArray_DATA(result)));
    return out;
}

namespace {

template <void (*TypedKernels<float>::*Single)(const float *, float *, int64_t),
          void (*TypedKernels<double>::*Double)(const double *, double *, int64_t)>
void add_ufunc(PyObject *module, const char *name, const char *text) {
    static void *data[2] = {};
    static PyUFuncGenericFunction loops[] = {loop_of<float, Single>, loop_of<double, Double>};
    static char types[] = {NPY_FLOAT, NPY_FLOAT, NPY_DOUBLE, NPY_DOUBLE};
    const Ref ufunc = checked(PyUFunc_FromFuncAndData(loops, data, types, 2, 1, 1, PyUFunc_None, name, text, 0));
    checked(PyModule_AddObjectRef(module, name, ufunc.get()));
}

void add_activations(PyObject *module) {
    static ActivationUfunc all[] = {
#define X(name, arrays, numbers) {Activation::name, #name, arrays, numbers, {}, {}},
        RETROGRAD_ACTIVATIONS(X)
#undef X
    };
    static PyUFuncGenericFunction loops[] = {activation_loop<float>, activation_loop<double>};
    for (ActivationUfunc &of : all) {
        const int operands = of.arrays + of.numbers;
        of.data[0] = of.data[1] = &of;
        std::fill_n(of.types, operands + 1, NPY_FLOAT);
        std::fill_n(of.types + operands + 1, operands + 1, NPY_DOUBLE);
        const Ref ufunc = checked(PyUFunc_FromFuncAndData(loops, of.data, of.types, 2, operands, 1, PyUFunc_None, of.name,
                                                          "The row of this name, of its arrays and numbers.", 0));
        checked(PyModule_AddObjectRef(module, of.name, ufunc.get()));
    }
}

}  // namespace

void add_ufuncs(PyObject *module) {
    checked(_import_umath());
    using Float = TypedKernels<float>;
    using Double = TypedKernels<double>;
    add_ufunc<&Float::erf, &Double::erf>(module, "erf", "The error function.");
    add_ufunc<&Float::gelu, &Double::gelu>(module, "gelu", "x times the normal distribution function of x.");
    add_ufunc<&Float::sigmoid, &Double::sigmoid>(module, "sigmoid", "1 / (1 + exp(-x)).");
    add_ufunc<&Float::silu, &Double::silu>(module, "silu", "x / (1 + exp(-x)).");
    add_ufunc<&Float::gelu_slope, &Double::gelu_slope>(module, "gelu_slope", "The derivative of gelu.");
    add_activations(module);
}

bool add_in_place(PyObject *x, PyObject *y) {
    if (!PyArray_CheckExact(x) || !PyArray_CheckExact(y)) return false;
    auto *a = reinterpret_cast<PyArrayObject *>(x), *b = reinterpret_cast<PyArrayObject *>(y);
    const int type = PyArray_TYPE(a);
    if (type != PyArray_TYPE(b) || (type != NPY_FLOAT && type != NPY_DOUBLE) || !same_shape(a, b) ||
        !PyArray_ISWRITEABLE(a) ||
        !((PyArray_ISCARRAY(a) && PyArray_ISCARRAY_RO(b)) || (is_channels_last(a) && is_channels_last(b))))
        return false;
    const npy_intp n = PyArray_SIZE(a);
    if (n >= kShared) {
        Array to, from;
        if (see(x, "x", to) || see(y, "y", from)) return false;
        PyThreadState *state = PyEval_SaveThread();
        binary('+', to, from, to);
        PyEval_RestoreThread(state);
        return true;
    }
    void *to = PyArray_DATA(a), *from = PyArray_DATA(b);
    if (type == NPY_FLOAT)
        kernels().f32.binary('+', static_cast<float *>(to), static_cast<float *>(from), static_cast<float *>(to), n);
    else
        kernels().f64.binary('+', static_cast<double *>(to), static_cast<double *>(from), static_cast<double *>(to), n);
    return true;
}

}  // namespace retrograd
