#include "optim.h"

#include <algorithm>
#include <array>
#include <deque>

#include "isa.h"
#include "layout.h"
#include "pool.h"

namespace retrograd {
namespace {

constexpr int64_t kChunk = 32768;  // elements of one task

void expect_alike(const Array &param, const Array *other, bool written) {
    if (!other) return;
    expect_same_type(*other, param);
    if (other->ndim != param.ndim || !std::equal(param.shape, param.shape + param.ndim, other->shape))
        refuse(std::string(other->name) + " has shape " + other->shape_text() + ", expected its parameter's " +
               param.shape_text());
    if (written && !other->writable) refuse(std::string(other->name) + " is read-only");
}

// Any dense order will do for a parameter that is not dense itself: C's.
Array contiguous_like(const Array &param) {
    Array like = param;
    int64_t run = 1;
    for (int i = like.ndim - 1; i >= 0; i--) {
        like.stride[i] = run;
        run *= like.shape[i];
    }
    return like;
}

// The arrays of the tensors of one dtype as runs in one order each, cut into tasks.
template <class T, int Count> class Runs {
  public:
    // arrays[0] is the parameter, arrays[1] its gradient, the others its state.
    void add(const Array *const (&arrays)[Count]) {
        const Array &param = *arrays[0];
        likes_.push_back(is_dense(param) ? param : contiguous_like(param));
        const size_t which = runs_.size();
        runs_.emplace_back();
        for (int i = 0; i < Count; i++) {
            runs_.back()[i] = nullptr;
            if (!arrays[i]) continue;
            flats_.emplace_back(*arrays[i], likes_.back());
            runs_.back()[i] = flats_.back().get();
            if (i != 1) written_.push_back(&flats_.back());
        }
        for (int64_t i = 0, n = param.size(); i < n; i += kChunk) tasks_.push_back({which, i, std::min(kChunk, n - i)});
    }

    template <class Body> void run(const Body &body) {
        parallel(tasks_.size(), [&](int64_t task) {
            const Task &t = tasks_[task];
            T *at[Count];
            for (int i = 0; i < Count; i++) at[i] = runs_[t.which][i] ? runs_[t.which][i] + t.first : nullptr;
            body(at, t.count);
        });
        for (const Flat<T> *flat : written_) flat->write_back();
    }

  private:
    struct Task {
        size_t which;
        int64_t first, count;
    };
    std::deque<Array> likes_;
    std::deque<Flat<T>> flats_;
    std::vector<const Flat<T> *> written_;
    std::vector<std::array<T *, Count>> runs_;
    std::vector<Task> tasks_;
};

template <class T> void sgd_of(const std::vector<SgdTensors> &tensors, const SgdStep &step, char type) {
    Runs<T, 3> runs;
    for (const SgdTensors &t : tensors)
        if (t.param->type == type) runs.add({t.param, t.grad, t.momentum});
    runs.run([&](T *const(&at)[3], int64_t n) { kernels().of<T>().sgd(step, at[0], at[1], at[2], n); });
}

template <class T> void adam_of(const std::vector<AdamTensors> &tensors, const AdamStep &step, char type) {
    Runs<T, 5> runs;
    for (const AdamTensors &t : tensors)
        if (t.param->type == type) runs.add({t.param, t.grad, t.average, t.square, t.largest});
    runs.run([&](T *const(&at)[5], int64_t n) {
        kernels().of<T>().adam(step, at[0], at[1], at[2], at[3], at[4], n);
    });
}

void expect_parameter(const Array &param) {
    if (param.type != 'f' && param.type != 'd') refuse("optimizer kernels take float32 and float64 parameters");
    if (!param.writable) refuse("param is read-only");
}

}  // namespace

void sgd_step(const std::vector<SgdTensors> &tensors, const SgdStep &step) {
    for (const SgdTensors &t : tensors) {
        expect_parameter(*t.param);
        expect_alike(*t.param, t.grad, false);
        expect_alike(*t.param, t.momentum, true);
    }
    sgd_of<float>(tensors, step, 'f');
    sgd_of<double>(tensors, step, 'd');
}

void adam_step(const std::vector<AdamTensors> &tensors, const AdamStep &step) {
    for (const AdamTensors &t : tensors) {
        expect_parameter(*t.param);
        expect_alike(*t.param, t.grad, false);
        for (const Array *state : {t.average, t.square, t.largest}) expect_alike(*t.param, state, true);
    }
    adam_of<float>(tensors, step, 'f');
    adam_of<double>(tensors, step, 'd');
}

}  // namespace retrograd
