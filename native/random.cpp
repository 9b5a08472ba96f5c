// Random numbers: functions of retrograd._native for core/words.py and core/random.py, which say what is drawn.
//
// `words` is a generator's state in all of them: an array of 625 uint32, the twister's 624 and how many of them are used.
// The caller holds the generator's lock.
#include "numpy_api.h"

#include "door.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "boundary.h"
#include "isa.h"
#include "kernels.h"

namespace retrograd {
namespace {

constexpr int kTwisted = 624;
constexpr int64_t kAtOnce = 2048;  // words worked on at a time
constexpr int64_t kUnlockedFrom = 1 << 16;  // numbers
constexpr double kTwoPi = 6.283185307179586476925;

PyObject *refused(const char *message) {
    PyErr_SetString(PyExc_ValueError, message);
    return nullptr;
}

// A generator's state.
struct Words {
    uint32_t *state;

    bool read(PyObject *object) {
        Array a;
        if (see(object, "words", a) || a.type != 'I' || a.ndim != 1 || a.shape[0] != kTwisted + 1 || a.stride[0] != 1 ||
            !a.writable || a.as<uint32_t>()[kTwisted] > kTwisted) {
            PyErr_SetString(PyExc_ValueError, "words must be the state of a generator: 625 contiguous uint32");
            return false;
        }
        state = a.as<uint32_t>();
        return true;
    }
    void next(uint32_t *to, int64_t n) const {
        uint32_t &used = state[kTwisted];
        while (n > 0) {
            if (used == kTwisted) {
                kernels().twist(state);
                used = 0;
            }
            const int64_t some = std::min<int64_t>(n, kTwisted - used);
            kernels().temper(state + used, to, some);
            used += static_cast<uint32_t>(some);
            to += some;
            n -= some;
        }
    }
    double fraction() const {
        uint32_t two[2];
        double value;
        next(two, 2);
        kernels().f64.fractions(two, &value, 1);
        return value;
    }
};

// An array that results go to: contiguous, of one of these types.
bool read_out(PyObject *object, const char *types, Array &out) {
    const char *why = see(object, "out", out);
    if (!why && !PyArray_IS_C_CONTIGUOUS(reinterpret_cast<PyArrayObject *>(object))) why = "must be in C order";
    if (!why && !out.writable) why = "is read-only";
    if (!why && !std::strchr(types, out.type)) why = "has a dtype that is not drawn here";
    if (why) PyErr_Format(PyExc_ValueError, "out %s", why);
    return !why;
}

// While it lives, other threads run, if there is so much to do that it is worth it.
class Unlocked {
  public:
    explicit Unlocked(int64_t n) : state_(n < kUnlockedFrom ? nullptr : PyEval_SaveThread()) {}
    ~Unlocked() {
        if (state_) PyEval_RestoreThread(state_);
    }

  private:
    PyThreadState *state_;
};

// Calls body(words, first, count) for n numbers, `each` words a number, some at a time.
template <class Body> void in_parts(const Words &words, int64_t n, int each, const Body &body) {
    const Unlocked unlocked(n);
    alignas(64) uint32_t some[kAtOnce];
    for (int64_t i = 0; i < n; i += kAtOnce / each) {
        const int64_t count = std::min(kAtOnce / each, n - i);
        words.next(some, count * each);
        body(some, i, count);
    }
}

bool arguments(PyObject *const *args, Py_ssize_t count, Py_ssize_t expected, const char *types, Words &words, Array &out) {
    if (count != expected) {
        PyErr_Format(PyExc_TypeError, "expected %zd arguments, got %zd", expected, count);
        return false;
    }
    if (!words.read(args[0]) || !read_out(args[1], types, out)) return false;
    const char *end = static_cast<char *>(out.data) + out.size() * (out.type == 'f' || out.type == 'I' ? 4 : 8);
    const auto *state = reinterpret_cast<const char *>(words.state);
    if (out.data < state + sizeof(uint32_t) * (kTwisted + 1) && state < end) return refused("out and words share memory");
    return true;
}

bool real(PyObject *object, double &to) {
    to = PyFloat_AsDouble(object);
    return to != -1 || !PyErr_Occurred();
}

// random_seed(words, seed): starts the stream anew
PyObject *random_seed(PyObject *, PyObject *const *args, Py_ssize_t count) {
    Words words;
    if (count != 2) return PyErr_Format(PyExc_TypeError, "random_seed expects 2 arguments, got %zd", count);
    if (!words.read(args[0])) return nullptr;
    const unsigned long long seed = PyLong_AsUnsignedLongLongMask(args[1]);
    if (PyErr_Occurred()) return nullptr;
    words.state[0] = static_cast<uint32_t>(seed);
    for (uint32_t i = 1; i < kTwisted; i++)
        words.state[i] = 1812433253u * (words.state[i - 1] ^ words.state[i - 1] >> 30) + i;
    words.state[kTwisted] = kTwisted;
    Py_RETURN_NONE;
}

// random_bits(words, out): the next words (uint32), or pairs of them (uint64), the earlier one the higher
PyObject *random_bits(PyObject *, PyObject *const *args, Py_ssize_t count) {
    Words words;
    Array out;
    if (!arguments(args, count, 2, "ILQ", words, out)) return nullptr;
    if (out.type == 'I') {
        const Unlocked unlocked(out.size());
        words.next(out.as<uint32_t>(), out.size());
    } else {
        in_parts(words, out.size(), 2, [&](const uint32_t *w, int64_t i, int64_t n) {
            for (int64_t k = 0; k < n; k++) out.as<uint64_t>()[i + k] = static_cast<uint64_t>(w[2 * k]) << 32 | w[2 * k + 1];
        });
    }
    Py_RETURN_NONE;
}

template <class T> void uniform(const Words &words, const Array &out, double low, double high) {
    const T first = static_cast<T>(low), span = static_cast<T>(high) - first;
    in_parts(words, out.size(), sizeof(T) / 4, [&](const uint32_t *w, int64_t i, int64_t n) {
        T *to = out.as<T>() + i;
        kernels().of<T>().fractions(w, to, n);
        if (first == 0 && span == 1) return;
        kernels().of<T>().scale_and_shift(to, span, first, n);
        for (int64_t k = 0; k < n; k++)  // rounded up to the bound that is excluded
            if (to[k] == static_cast<T>(high)) to[k] = first;
    });
}

// random_uniform(words, out, low, high)
PyObject *random_uniform(PyObject *, PyObject *const *args, Py_ssize_t count) {
    Words words;
    Array out;
    double low, high;
    if (!arguments(args, count, 4, "fd", words, out) || !real(args[2], low) || !real(args[3], high)) return nullptr;
    out.type == 'f' ? uniform<float>(words, out, low, high) : uniform<double>(words, out, low, high);
    Py_RETURN_NONE;
}

// Blocks of 16 numbers: eight radii, then their angles.
void normal_blocks(const uint32_t *words, float *to, int64_t n, double mean, double std) {
    kernels().block_normals(words, to, n / 16, static_cast<float>(mean), static_cast<float>(std));
}

void normal_blocks(const uint32_t *words, double *to, int64_t n, double mean, double std) {
    kernels().f64.fractions(words, to, n);
    for (double *block = to; block < to + n; block += 16)
        for (int k = 0; k < 8; k++) {
            const double radius = std::sqrt(-2 * std::log(1 - block[k])), theta = kTwoPi * block[k + 8];
            block[k] = radius * std::cos(theta);
            block[k + 8] = radius * std::sin(theta);
        }
    kernels().f64.scale_and_shift(to, std, mean, n);
}

template <class T> void normal(const Words &words, const Array &out, double mean, double std) {
    const int64_t n = out.size(), whole = n / 16 * 16;
    T *to = out.as<T>();
    in_parts(words, whole, sizeof(T) / 4, [&](const uint32_t *w, int64_t i, int64_t some) {
        normal_blocks(w, to + i, some, mean, std);
    });
    if (whole == n) return;
    alignas(64) uint32_t last[32];
    words.next(last, (n - whole) * sizeof(T) / 4);  // for the block that is not whole: they are not used
    words.next(last, 16 * sizeof(T) / 4);           // the last 16 numbers are drawn anew
    normal_blocks(last, to + n - 16, 16, mean, std);
}

// random_normal(words, out, mean, std): at least 16 numbers
PyObject *random_normal(PyObject *, PyObject *const *args, Py_ssize_t count) {
    Words words;
    Array out;
    double mean, std;
    if (!arguments(args, count, 4, "fd", words, out) || !real(args[2], mean) || !real(args[3], std)) return nullptr;
    if (out.size() < 16) return refused("random_normal draws at least 16 numbers; random_normals draws less");
    out.type == 'f' ? normal<float>(words, out, mean, std) : normal<double>(words, out, mean, std);
    Py_RETURN_NONE;
}

// random_normals(words, out, waiting): standard normals one by one. They come in pairs: `waiting` is a second one that was
// not used, or None; gives the one that waits then.
PyObject *random_normals(PyObject *, PyObject *const *args, Py_ssize_t count) {
    Words words;
    Array out;
    double second = 0;
    if (!arguments(args, count, 3, "d", words, out)) return nullptr;
    bool waits = args[2] != Py_None;
    if (waits && !real(args[2], second)) return nullptr;
    {
        const Unlocked unlocked(out.size());
        for (int64_t i = 0; i < out.size(); i++) {
            double &to = out.as<double>()[i];
            if (waits) {
                to = second;
                waits = false;
                continue;
            }
            const double theta = kTwoPi * words.fraction(), radius = std::sqrt(-2 * std::log1p(-words.fraction()));
            to = radius * std::cos(theta);
            second = radius * std::sin(theta);
            waits = true;
        }
    }
    return waits ? PyFloat_FromDouble(second) : Py_NewRef(Py_None);
}

void bernoulli(const Words &words, const Array &out, double p, double one) {
    const auto threshold = static_cast<int64_t>(std::ceil(p * 0x1p53));  // u < p for u a multiple of 2^-53
    in_parts(words, out.size(), 2, [&](const uint32_t *w, int64_t i, int64_t n) {
        if (out.type == 'f') kernels().f32.below(w, threshold, static_cast<float>(one), out.as<float>() + i, n);
        else kernels().f64.below(w, threshold, one, out.as<double>() + i, n);
    });
}

// random_bernoulli(words, out, p, one): `one` with probability p, else zero
PyObject *random_bernoulli(PyObject *, PyObject *const *args, Py_ssize_t count) {
    Words words;
    Array out;
    double p, one;
    if (!arguments(args, count, 4, "fd", words, out) || !real(args[2], p) || !real(args[3], one)) return nullptr;
    if (!(p >= 0 && p <= 1)) return refused("p must be in [0, 1]");
    bernoulli(words, out, p, one);
    Py_RETURN_NONE;
}

// random_integers(words, out, low, span): low + a word modulo span, which is at most 2^32 - 1
PyObject *random_integers(PyObject *, PyObject *const *args, Py_ssize_t count) {
    Words words;
    Array out;
    if (!arguments(args, count, 4, "lq", words, out)) return nullptr;
    const long long low = PyLong_AsLongLong(args[2]);
    if (low == -1 && PyErr_Occurred()) return nullptr;
    const long long span = PyLong_AsLongLong(args[3]);
    if (span == -1 && PyErr_Occurred()) return nullptr;
    if (span < 1 || span > 0xffffffffll) return refused("span must be from 1 to 2**32 - 1");
    const auto divisor = static_cast<uint32_t>(span);
    in_parts(words, out.size(), 1, [&](const uint32_t *w, int64_t i, int64_t n) {
        for (int64_t k = 0; k < n; k++)
            out.as<uint64_t>()[i + k] = static_cast<uint64_t>(low) + w[k] % divisor;
    });
    Py_RETURN_NONE;
}

// random_permutation(words, out): 0 to n - 1, each exchanged with one that comes later or itself
PyObject *random_permutation(PyObject *, PyObject *const *args, Py_ssize_t count) {
    Words words;
    Array out;
    if (!arguments(args, count, 2, "lq", words, out)) return nullptr;
    const int64_t n = out.size();
    if (n > 0xffffffffll) return refused("out must have less than 2**32 elements");
    int64_t *to = out.as<int64_t>();
    std::iota(to, to + n, 0);
    in_parts(words, std::max<int64_t>(0, n - 1), 1, [&](const uint32_t *w, int64_t i, int64_t some) {
        for (int64_t k = 0; k < some; k++) std::swap(to[i + k], to[i + k + w[k] % static_cast<uint32_t>(n - i - k)]);
    });
    Py_RETURN_NONE;
}

template <PyObject *function(PyObject *, PyObject *const *, Py_ssize_t)> PyCFunction as_function() {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void *>(function));
}

PyMethodDef functions[] = {
    {"random_seed", as_function<random_seed>(), METH_FASTCALL, "Starts the stream `words` anew from a seed."},
    {"random_bits", as_function<random_bits>(), METH_FASTCALL, "Fills out, uint32 or uint64, with the stream's words."},
    {"random_uniform", as_function<random_uniform>(), METH_FASTCALL, "Fills out with numbers on [low, high)."},
    {"random_normal", as_function<random_normal>(), METH_FASTCALL, "Fills out with at least 16 normals, by blocks."},
    {"random_normals", as_function<random_normals>(), METH_FASTCALL,
     "Fills out with standard normals one by one; takes and gives the one that waits, or None."},
    {"random_bernoulli", as_function<random_bernoulli>(), METH_FASTCALL, "Fills out with `one` where p, else zero."},
    {"random_integers", as_function<random_integers>(), METH_FASTCALL, "Fills out with low + a word modulo span."},
    {"random_permutation", as_function<random_permutation>(), METH_FASTCALL, "Fills out with 0 to n - 1, shuffled."},
    {nullptr, nullptr, 0, nullptr}};

// --- in-place methods, on the default generator ------------------------------------------------------------------

// Calls body(words, out) with x's array and the stream, if this goes without rules or errors: for floats in C order outside
// of graphs, few enough that no other thread runs in between. Gives x, or nothing where it is left to Python.
template <class Body> Ref draw(PyObject *const *args, int64_t least, const Body &body) {
    PyObject *x = args[0];
    const Modes modes;
    if (!is_tensor(x) || !plain(modes) || !outside_graph(modes, x)) return {};
    const Ref array = attribute(x, names._array);
    auto *a = reinterpret_cast<PyArrayObject *>(array.get());
    if (!PyArray_CheckExact(array.get()) || (PyArray_TYPE(a) != NPY_FLOAT && PyArray_TYPE(a) != NPY_DOUBLE) ||
        !PyArray_ISCARRAY(a) || PyArray_NDIM(a) > kMaxDims || PyArray_SIZE(a) < least || PyArray_SIZE(a) >= kUnlockedFrom)
        return {};
    static PyObject *generator = imported("retrograd.core.generator", "default_generator").release();
    static PyObject *lock = attribute(generator, names.lock).release();
    static PyObject *acquire = checked(PyObject_GetAttr(lock, names.acquire)).release();
    static PyObject *release = checked(PyObject_GetAttr(lock, names.release)).release();
    const Ref source = attribute(generator, names._source);
    if (source.get() == Py_None) return {};  // the first draw makes it
    const Ref state = attribute(source.get(), names.state);
    Array out;
    Words words;
    if (see(array.get(), "x", out)) return {};
    if (!words.read(state.get())) throw Raised{};
    // A thread that draws many numbers holds this lock while others run.
    if (!truth(call(acquire, Py_False).get())) return {};
    set_attribute(generator, names._fresh, Py_False);
    body(words, out);
    call(release);
    Ref where;
    count_write(x, where);
    return Ref::borrow(x);
}

// The numbers after x among the arguments, or their defaults; whether they are Python's own.
bool numbers(PyObject *const *args, Py_ssize_t count, Py_ssize_t most, double *to) {
    if (count < 1 || count > most + 1) return false;
    for (Py_ssize_t i = 1; i < count; i++) {
        if (PyFloat_CheckExact(args[i])) to[i - 1] = PyFloat_AS_DOUBLE(args[i]);
        else if (PyLong_CheckExact(args[i])) to[i - 1] = PyLong_AsDouble(args[i]);
        else return false;
        if (PyErr_Occurred()) {
            PyErr_Clear();  // too large an int
            return false;
        }
    }
    return true;
}

}  // namespace

// x.uniform_(low, high)
Ref draw_uniform(Compiled &, PyObject *const *args, Py_ssize_t count) {
    double bounds[] = {0, 1};
    constexpr double kMost = 1e38;  // refused are those that float32 doesn't hold
    if (!numbers(args, count, 2, bounds) || !(bounds[0] <= bounds[1]) || !(std::abs(bounds[0]) < kMost) ||
        !(std::abs(bounds[1]) < kMost))
        return {};
    return draw(args, 1, [&](const Words &words, const Array &out) {
        out.type == 'f' ? uniform<float>(words, out, bounds[0], bounds[1])
                        : uniform<double>(words, out, bounds[0], bounds[1]);
    });
}

// x.normal_(mean, std)
Ref draw_normal(Compiled &, PyObject *const *args, Py_ssize_t count) {
    double how[] = {0, 1};
    if (!numbers(args, count, 2, how) || !(how[1] >= 0)) return {};
    return draw(args, 16, [&](const Words &words, const Array &out) {
        out.type == 'f' ? normal<float>(words, out, how[0], how[1]) : normal<double>(words, out, how[0], how[1]);
    });
}

// x.exponential_(rate)
Ref draw_exponential(Compiled &, PyObject *const *args, Py_ssize_t count) {
    double rate = 1;
    if (!numbers(args, count, 1, &rate) || !(rate > 0)) return {};
    return draw(args, 1, [&](const Words &words, const Array &out) {
        for (int64_t i = 0; i < out.size(); i++) {
            const double number = -1.0 / rate * std::log1p(-words.fraction());
            if (out.type == 'f') out.as<float>()[i] = static_cast<float>(number);
            else out.as<double>()[i] = number;
        }
    });
}

// x.bernoulli_(p)
Ref draw_bernoulli(Compiled &, PyObject *const *args, Py_ssize_t count) {
    double p = 0.5;
    if (!numbers(args, count, 1, &p) || !(p >= 0 && p <= 1)) return {};
    return draw(args, 1, [&](const Words &words, const Array &out) { bernoulli(words, out, p, 1); });
}

void add_random(PyObject *module) { checked(PyModule_AddFunctions(module, functions)); }

}  // namespace retrograd
