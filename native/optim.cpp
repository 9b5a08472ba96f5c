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
    // arrays[0] is the parameter, the others its state; at[0] and at[2], at[3], ... of a body, at[1] the gradient.
    void add(const Gradient &grad, const Array *const (&arrays)[Count - 1]) {
        const Array &param = *arrays[0];
        elements_ += param.size();
        likes_.push_back(is_dense(param) ? param : contiguous_like(param));
        runs_.push_back({{}, grad.factors});
        for (int i = 0; i < Count; i++) {
            const Array *array = i == 1 ? grad.array : arrays[std::max(0, i - 1)];
            if (!array) continue;
            flats_.emplace_back(*array, likes_.back());
            runs_.back().at[i] = flats_.back().get();
            if (i != 1) written_.push_back(&flats_.back());
        }
        if (grad.factors && !grad.factors->few()) return;
        const int64_t n = grad.factors ? grad.factors->rows() : param.size();
        const int64_t step = grad.factors ? ceil_div(kChunk, kFewMostRows * grad.factors->row()) * kFewMostRows : kChunk;
        for (int64_t i = 0; i < n; i += step) tasks_.push_back({runs_.size() - 1, i, std::min(step, n - i)});
    }

    // body(parameter, gradient and state, count) for stretches of all runs, of which the gradient may have been made just
    // now; or few(factors, first row, how many, parameter and state) where it is factors of few pixels.
    template <class Body, class Few> void run(const Body &body, const Few &few) {
        const Alone alone(elements_ < kChunk);
        parallel(tasks_.size(), [&](int64_t task) {
            const Task &t = tasks_[task];
            const Run &run = runs_[t.which];
            if (run.factors) {
                T *at[Count - 1];
                for (int64_t first = t.first, end = t.first + t.count; first < end; first += kFewMostRows) {
                    const int64_t from = first * run.factors->row();
                    for (int i = 0, j = 0; i < Count; i++)
                        if (i != 1) at[j++] = run.at[i] ? run.at[i] + from : nullptr;
                    few(*run.factors, first, static_cast<int>(std::min<int64_t>(kFewMostRows, end - first)), at);
                }
                return;
            }
            T *at[Count];
            for (int i = 0; i < Count; i++) at[i] = run.at[i] ? run.at[i] + t.first : nullptr;
            body(at, t.count);
        });
        for (const Run &run : runs_)
            if (run.factors && !run.factors->few()) run_blocks(run, body);
        for (const Flat<T> *flat : written_) flat->write_back();
    }

    // The same, with gradients of few pixels made as well.
    template <class Body> void run(const Body &body) {
        run(body, [&](const Factors &f, int64_t first, int count, T *const(&state)[Count - 1]) {
            Scratch<T> grad(count * f.row());
            const int most = kernels().of<T>().few_rows;
            for (int r = 0; r < count; r += most) f.multiply(first + r, std::min(most, count - r), grad.get() + r * f.row());
            T *at[Count] = {state[0], grad.get()};
            std::copy(state + 1, state + Count - 1, at + 2);
            body(at, count * f.row());
        });
    }

  private:
    struct Run {
        std::array<T *, Count> at;
        const Factors *factors;
    };
    struct Task {
        size_t which;
        int64_t first, count;  // elements, or rows of factors
    };
    template <class Body> static void run_blocks(const Run &run, const Body &body) {
        const auto blocks = run.factors->template blocks<T>();
        const int64_t row = run.factors->row(), size = ceil_div(blocks->most_rows() * row, 16) * 16;
        const int64_t each = size + blocks->scratch();
        const int slots = num_threads();
        Scratch<T> scratch(slots * each);
        parallel(blocks->count(), slots, [&](int64_t block, int slot) {
            T *rows = scratch.get() + slot * each, *at[Count];
            const int64_t first = blocks->first(block), count = blocks->first(block + 1) - first;
            blocks->make(block, rows, rows + size, false);
            for (int i = 0; i < Count; i++) at[i] = i == 1 ? rows : run.at[i] ? run.at[i] + first * row : nullptr;
            body(at, count * row);
        });
    }

    int64_t elements_ = 0;
    std::deque<Array> likes_;
    std::deque<Flat<T>> flats_;
    std::vector<const Flat<T> *> written_;
    std::vector<Run> runs_;
    std::vector<Task> tasks_;
};

template <class T> void sgd_of(const std::vector<SgdTensors> &tensors, const SgdStep &step, char type) {
    Runs<T, 3> runs;
    for (const SgdTensors &t : tensors)
        if (t.param->type == type) runs.add(t.grad, {t.param, t.momentum});
    runs.run([&](T *const(&at)[3], int64_t n) { kernels().of<T>().sgd(step, at[0], at[1], at[2], n); },
             [&](const Factors &f, int64_t first, int count, T *const(&at)[2]) { f.step(first, count, step, at); });
}

template <class T> void adam_of(const std::vector<AdamTensors> &tensors, const AdamStep &step, char type) {
    Runs<T, 5> runs;
    for (const AdamTensors &t : tensors)
        if (t.param->type == type) runs.add(t.grad, {t.param, t.average, t.square, t.largest});
    runs.run([&](T *const(&at)[5], int64_t n) {
        kernels().of<T>().adam(step, at[0], at[1], at[2], at[3], at[4], n);
    }, [&](const Factors &f, int64_t first, int count, T *const(&at)[4]) { f.step(first, count, step, at); });
}

template <class T> void rmsprop_of(const std::vector<RmspropTensors> &tensors, const RmspropStep &step, char type) {
    Runs<T, 5> runs;
    for (const RmspropTensors &t : tensors)
        if (t.param->type == type) runs.add(t.grad, {t.param, t.square, t.mean, t.momentum});
    runs.run([&](T *const(&at)[5], int64_t n) {
        kernels().of<T>().rmsprop(step, at[0], at[1], at[2], at[3], at[4], n);
    });
}

template <class T> void adagrad_of(const std::vector<AdagradTensors> &tensors, const AdagradStep &step, char type) {
    Runs<T, 3> runs;
    for (const AdagradTensors &t : tensors)
        if (t.param->type == type) runs.add(t.grad, {t.param, t.sum});
    runs.run([&](T *const(&at)[3], int64_t n) { kernels().of<T>().adagrad(step, at[0], at[1], at[2], n); });
}

void expect_gradient(const Array &param, const Gradient &grad) {
    expect_alike(param, grad.array, false);
    if (grad.factors && (grad.factors->type() != param.type || grad.factors->rows() * grad.factors->row() != param.size()))
        refuse("the factors of a gradient do not fit a parameter of shape " + param.shape_text());
}

void expect_parameter(const Array &param) {
    if (param.type != 'f' && param.type != 'd') refuse("optimizer kernels take float32 and float64 parameters");
    if (!param.writable) refuse("param is read-only");
}

}  // namespace

void sgd_step(const std::vector<SgdTensors> &tensors, const SgdStep &step) {
    for (const SgdTensors &t : tensors) {
        expect_parameter(*t.param);
        expect_gradient(*t.param, t.grad);
        expect_alike(*t.param, t.momentum, true);
    }
    sgd_of<float>(tensors, step, 'f');
    sgd_of<double>(tensors, step, 'd');
}

void adam_step(const std::vector<AdamTensors> &tensors, const AdamStep &step) {
    for (const AdamTensors &t : tensors) {
        expect_parameter(*t.param);
        expect_gradient(*t.param, t.grad);
        for (const Array *state : {t.average, t.square, t.largest}) expect_alike(*t.param, state, true);
    }
    adam_of<float>(tensors, step, 'f');
    adam_of<double>(tensors, step, 'd');
}

void rmsprop_step(const std::vector<RmspropTensors> &tensors, const RmspropStep &step) {
    for (const RmspropTensors &t : tensors) {
        expect_parameter(*t.param);
        expect_gradient(*t.param, t.grad);
        for (const Array *state : {t.square, t.mean, t.momentum}) expect_alike(*t.param, state, true);
    }
    rmsprop_of<float>(tensors, step, 'f');
    rmsprop_of<double>(tensors, step, 'd');
}

void adagrad_step(const std::vector<AdagradTensors> &tensors, const AdagradStep &step) {
    for (const AdagradTensors &t : tensors) {
        expect_parameter(*t.param);
        expect_gradient(*t.param, t.grad);
        expect_alike(*t.param, t.sum, true);
    }
    adagrad_of<float>(tensors, step, 'f');
    adagrad_of<double>(tensors, step, 'd');
}

}  // namespace retrograd
