// Kernels that stand for a row's forward as they are: raw values in, new arrays out, without Python on the way.
//
// Each takes the row's arguments in order and gives the result (a tuple of several), or nothing for what it leaves to
// the row's own forward: other types than float32 and float64, shapes that don't fit, which the row explains.
#pragma once
#include "array.h"
#include "pool.h"
#include "python.h"

namespace retrograd {

using RowKernel = Ref (*)(PyObject *const *args);

Ref matmul_row(PyObject *const *args);
Ref mm_row(PyObject *const *args);
Ref bmm_row(PyObject *const *args);
Ref addmm_row(PyObject *const *args);
Ref baddbmm_row(PyObject *const *args);
Ref linear_row(PyObject *const *args);
Ref sum_row(PyObject *const *args);
Ref mean_row(PyObject *const *args);
Ref amax_row(PyObject *const *args);
Ref amin_row(PyObject *const *args);
Ref argmax_row(PyObject *const *args);
Ref argmin_row(PyObject *const *args);
Ref max_row(PyObject *const *args);
Ref min_row(PyObject *const *args);
Ref any_row(PyObject *const *args);
Ref all_row(PyObject *const *args);
Ref count_row(PyObject *const *args);  // the sum of a mask
Ref sort_row(PyObject *const *args);
Ref topk_row(PyObject *const *args);
Ref cumsum_row(PyObject *const *args);
Ref cumprod_row(PyObject *const *args);
Ref prod_row(PyObject *const *args);

// batch_norm_backward's row. relu: nullptr, or what a relu made of batch norm's result, if g is the gradient of that.
// spare: whether gx may be written over g. masks: g is written to, past the relu.
Ref batch_norm_backward(PyObject *const *args, PyObject *relu, bool spare, bool masks);
Ref group_norm_row(PyObject *const *args);
Ref group_norm_backward(PyObject *const *args);

// Adds `row_kernels` to the module: {name of a row: function}. A function gives NotImplemented for what it leaves.
void add_row_kernels(PyObject *module);

// --- their arguments ---------------------------------------------------------------------------------------------

// Whether an argument is an array of float32 or float64 that kernels can read, which `to` then is.
bool floats(PyObject *object, const char *name, Array &to);
// The same, and of the dtype of `x`.
bool floats_like(PyObject *object, const char *name, const Array &x, Array &to);
// The same for an array or None: `to` is nullptr for None, else `array`.
bool maybe_floats(PyObject *object, const char *name, const Array &x, Array &array, const Array *&to);
// Images or the like, (N, C, ...), of at least one element.
bool images(PyObject *object, Array &x);
// A number per channel of x as contiguous memory, or nothing for None. `kept` keeps a copy alive.
bool channel_values(PyObject *object, const char *name, const Array &x, Array &array, const Array *&to, Ref &kept);
bool same_shape(const Array &a, const Array &b);
Array channels_last(const Array &x);  // x, as it would be with contiguous channels
// A tuple of so many whole numbers.
bool numbers(PyObject *object, int count, int64_t *to);
bool number(PyObject *object, double &to);

// The result: a new array of x's dtype, and as kernels see it.
struct Result : Array {
    Ref array;
    Result() = default;
    Result(PyObject *x, int ndim, const int64_t *shape, bool channels_last = false);
};

// While it lives, a kernel runs: without the interpreter's lock, and by all threads, where the work is long enough. cost:
// in multiply-adds of a product, of which a core does about 50 in a nanosecond.
class Running {
  public:
    explicit Running(int64_t cost) : alone_(cost < kShared), state_(cost < kLong ? nullptr : PyEval_SaveThread()) {}
    ~Running() {
        if (state_) PyEval_RestoreThread(state_);
    }

  private:
    static constexpr int64_t kLong = 1 << 19, kShared = 1 << 20;
    const Alone alone_;
    PyThreadState *state_;
};
constexpr int64_t kPerElement = 32;  // the cost of reading and writing one that is somewhere in the caches

}  // namespace retrograd
