#include "weighted.h"

#include <algorithm>

#include "isa.h"
#include "kernels.h"
#include "pool.h"

namespace retrograd {
namespace {

constexpr int64_t kRun = 2048;  // elements of one task's row, so that its sum stays in the first cache

void expect_run(const Array &a, char type) {
    if (a.type != type) refuse(std::string(a.name) + " has the wrong dtype");
    int64_t run = 1;
    for (int i = a.ndim - 1; i >= 0; run *= a.shape[i--])
        if (a.size() && a.shape[i] > 1 && a.stride[i] != run) refuse(std::string(a.name) + " must be contiguous");
}

template <class T>
void sums(const Array &x, const int64_t *start, const int64_t *index, const double *weight, const Array &out) {
    const int64_t size = x.shape[1], outputs = out.shape[1], inner = x.shape[2];
    const int64_t runs = (inner + kRun - 1) / kRun, some = std::max<int64_t>(1, kRun / std::max<int64_t>(1, inner));
    const int64_t rows = x.shape[0] * outputs, tasks = (rows + some - 1) / some;
    parallel(tasks * runs, [&](int64_t task) {
        const int64_t from = task % runs * kRun, count = std::min(kRun, inner - from);
        for (int64_t row = task / runs * some; row < std::min(rows, (task / runs + 1) * some); row++) {
            const int64_t i = row / outputs, j = row % outputs;
            T *to = out.as<T>() + row * inner + from;
            std::fill_n(to, count, T(0));
            for (int64_t k = start[j]; k < start[j + 1]; k++)
                kernels().of<T>().add_scaled(x.as<T>() + (i * size + index[k]) * inner + from,
                                             static_cast<T>(weight[k]), to, count);
        }
    });
}

}  // namespace

void weighted_rows(const Array &x, const Array &start, const Array &index, const Array &weight, const Array &out) {
    if (x.type != 'f' && x.type != 'd') refuse("weighted_rows takes float32 and float64");
    if (x.ndim != 3 || out.ndim != 3) refuse("weighted_rows expects x and out of three dimensions");
    expect_run(x, x.type);
    expect_run(out, x.type);
    expect_run(start, 'q');
    expect_run(index, 'q');
    expect_run(weight, 'd');
    if (!out.writable) refuse("out is read-only");
    expect_shape(out, {x.shape[0], out.shape[1], x.shape[2]});
    expect_shape(start, {out.shape[1] + 1});
    expect_shape(index, {index.size()});
    expect_shape(weight, {index.size()});
    const int64_t *at = start.as<int64_t>(), *places = index.as<int64_t>();
    for (int64_t j = 0; j <= out.shape[1]; j++)
        if (at[j] < (j ? at[j - 1] : 0) || at[j] > index.size()) refuse("start must not fall, nor exceed the indices");
    for (int64_t k = 0; k < index.size(); k++)
        if (places[k] < 0 || places[k] >= x.shape[1]) refuse("an index is outside x");
    if (out.size() == 0) return;
    x.type == 'f' ? sums<float>(x, at, places, weight.as<double>(), out)
                  : sums<double>(x, at, places, weight.as<double>(), out);
}

}  // namespace retrograd
