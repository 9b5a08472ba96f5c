#include "optim.h"

#include <algorithm>
#include <cstring>

#include "isa.h"
#include "layout.h"
#include "pool.h"

namespace retrograd {
namespace {

constexpr int64_t kChunk = 32768;  // elements of one task

void expect_alike(const Array &param, const Array &other, bool written) {
    expect_same_type(other, param);
    if (other.ndim != param.ndim || !std::equal(param.shape, param.shape + param.ndim, other.shape))
        refuse(std::string(other.name) + " has shape " + other.shape_text() + ", expected its parameter's " +
               param.shape_text());
    if (written && !other.writable) refuse(std::string(other.name) + " is read-only");
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

struct Traits {
    const char *name, *constants;
    int count;
};
constexpr Traits traits[kRules] = {
#define X(name, type) {#name, type##Step::names, sizeof(type##Step) / sizeof(double)},
    RETROGRAD_RULES(X)
#undef X
};
static_assert([] {
    for (const Traits &t : traits)
        if (t.count > kMostConstants) return false;
    return true;
}());

// A task: a stretch of one large run, or several small runs.
struct Task {
    size_t which, runs;
    int64_t first, count;  // elements, or rows of factors; of several runs all
};

}  // namespace

Rule rule_named(const std::string &name) {
    for (int i = 0; i < kRules; i++)
        if (name == traits[i].name) return static_cast<Rule>(i);
    refuse("there is no rule named '" + name + "'");
}

int constants_of(Rule rule) { return traits[static_cast<int>(rule)].count; }
const char *constant_names(Rule rule) { return traits[static_cast<int>(rule)].constants; }

int constant_named(Rule rule, const char *name) {
    const char *at = constant_names(rule);
    const size_t length = std::strlen(name);
    for (int i = 0; at; i++) {
        const char *end = std::strchr(at, ',');
        if ((end ? static_cast<size_t>(end - at) : std::strlen(at)) == length && !std::strncmp(at, name, length)) return i;
        at = end ? end + 2 : nullptr;
    }
    return -1;
}

void expect_states(Rule rule, int states) {
    const TypedKernels<float> &k = kernels().f32;
    const int i = static_cast<int>(rule), least = k.least_states[i], most = k.most_states[i];
    if (states < least || states > most)
        refuse(std::string(traits[i].name) + " takes between " + std::to_string(least) + " and " + std::to_string(most) +
               " arrays of state for each parameter, got " + std::to_string(states));
}

Steps::Steps(Rule rule, int states) : rule_(rule), states_(states) { expect_states(rule, states); }

void Steps::add_run(char type, void *const *at, int64_t size, const Factors *factors) {
    std::vector<Run> &runs = type == 'f' ? floats_ : doubles_;
    runs.push_back({{}, size, factors});
    std::copy_n(at, 2 + states_, runs.back().at);
    elements_ += size;
}

void Steps::add(const Array *const *arrays, const Factors *factors) {
    const Array &param = *arrays[0];
    if (param.type != 'f' && param.type != 'd') refuse("optimizer kernels take float32 and float64 parameters");
    if (!param.writable) refuse("param is read-only");
    if (factors) {
        if (factors->type() != param.type || factors->rows() * factors->row() != param.size())
            refuse("the factors of a gradient do not fit a parameter of shape " + param.shape_text());
    } else {
        if (!arrays[1]) refuse("each parameter needs a gradient (leave out those that have none)");
        expect_alike(param, *arrays[1], false);
    }
    bool alike = is_dense(param) && (factors || same_layout(param, *arrays[1]));
    for (int i = 2; i < 2 + states_; i++) {
        if (!arrays[i]) refuse("each parameter needs its arrays of state");
        expect_alike(param, *arrays[i], true);
        alike = alike && same_layout(param, *arrays[i]);
    }
    if (alike) {
        void *at[kMostArrays];
        for (int i = 0; i < 2 + states_; i++) at[i] = arrays[i] ? arrays[i]->data : nullptr;
        return add_run(param.type, at, param.size(), factors);
    }
    if (factors) refuse("a parameter whose gradient is factors must be dense, and its state laid out as it is");
    odd_.emplace_back();
    for (int i = 0; i < 2 + states_; i++) odd_.back()[i] = *arrays[i];
    elements_ += param.size();
}

template <class T> void Steps::run_of(char type, std::vector<Run> runs, const double *constants) const {
    std::deque<Array> likes;
    std::deque<Flat<T>> flats;
    std::vector<const Flat<T> *> written;
    for (const auto &arrays : odd_) {
        if (arrays[0].type != type) continue;
        likes.push_back(is_dense(arrays[0]) ? arrays[0] : contiguous_like(arrays[0]));
        runs.push_back({{}, arrays[0].size(), nullptr});
        for (int i = 0; i < 2 + states_; i++) {
            flats.emplace_back(arrays[i], likes.back());
            runs.back().at[i] = flats.back().get();
            if (i != 1) written.push_back(&flats.back());
        }
    }

    std::vector<Task> tasks;
    for (size_t i = 0; i < runs.size(); i++) {
        const Run &run = runs[i];
        if (run.factors && !run.factors->few()) continue;
        if (!run.factors && !tasks.empty() && tasks.back().runs > 0 && tasks.back().which + tasks.back().runs == i &&
            tasks.back().count + run.size <= kChunk) {
            tasks.back().runs++;
            tasks.back().count += run.size;
            continue;
        }
        if (!run.factors && run.size <= kChunk) {
            tasks.push_back({i, 1, 0, run.size});
            continue;
        }
        const int64_t n = run.factors ? run.factors->rows() : run.size;
        const int64_t step = run.factors ? ceil_div(kChunk, kFewMostRows * run.factors->row()) * kFewMostRows : kChunk;
        for (int64_t first = 0; first < n; first += step) tasks.push_back({i, 0, first, std::min(step, n - first)});
    }

    const auto move = [&](const Run &run, const T *grad, int64_t first, int64_t count) {
        T *at[kMostArrays];
        for (int i = 0; i <= states_; i++) at[i] = static_cast<T *>(run.at[i ? i + 1 : 0]) + first;
        kernels().of<T>().updates[static_cast<int>(rule_)](constants, states_, grad, at, count);
    };
    const auto stretch = [&](const Run &run, int64_t first, int64_t count) {
        move(run, static_cast<const T *>(run.at[1]) + first, first, count);
    };
    // Rows of a gradient that is factors of few pixels: it goes into the step as it is made, or is made just before.
    const auto rows = [&](const Run &run, int64_t first, int64_t end) {
        const Factors &f = *run.factors;
        for (; first < end; first += kFewMostRows) {
            const int count = static_cast<int>(std::min<int64_t>(kFewMostRows, end - first));
            if (Factors::steps(rule_)) {
                T *at[kMostArrays];
                for (int i = 0; i <= states_; i++) at[i] = static_cast<T *>(run.at[i ? i + 1 : 0]) + first * f.row();
                f.step<T>(first, count, rule_, constants, states_, at);
                continue;
            }
            Scratch<T> grad(count * f.row());
            const int most = kernels().of<T>().few_rows;
            for (int r = 0; r < count; r += most) f.multiply(first + r, std::min(most, count - r), grad.get() + r * f.row());
            move(run, grad.get(), first * f.row(), count * f.row());
        }
    };
    // All of one that is factors of more pixels.
    const auto blocks = [&](const Run &run) {
        const auto made = run.factors->template blocks<T>();
        const int64_t row = run.factors->row(), size = ceil_div(made->most_rows() * row, 16) * 16;
        const int64_t each = size + made->scratch();
        const int slots = num_threads();
        Scratch<T> scratch(slots * each);
        parallel(made->count(), slots, [&](int64_t block, int slot) {
            T *grad = scratch.get() + slot * each;
            const int64_t first = made->first(block), count = made->first(block + 1) - first;
            made->make(block, grad, grad + size, false);
            move(run, grad, first * row, count * row);
        });
    };

    const Alone alone(elements_ < kChunk);
    parallel(tasks.size(), [&](int64_t i) {
        const Task &t = tasks[i];
        if (runs[t.which].factors) return rows(runs[t.which], t.first, t.first + t.count);
        if (!t.runs) return stretch(runs[t.which], t.first, t.count);
        for (size_t j = t.which; j < t.which + t.runs; j++) stretch(runs[j], 0, runs[j].size);
    });
    for (const Run &run : runs)
        if (run.factors && !run.factors->few()) blocks(run);
    for (const Flat<T> *flat : written) flat->write_back();
}

void Steps::run(const double *constants) const {
    run_of<float>('f', floats_, constants);
    run_of<double>('d', doubles_, constants);
}

}  // namespace retrograd
