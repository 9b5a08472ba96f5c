#include "rows.h"

#include <algorithm>

#include "isa.h"
#include "kernels.h"
#include "layout.h"
#include "memory.h"
#include "pool.h"

namespace retrograd {
namespace {

struct Rows {
    int64_t count, length;
};

Array c_order(const Array &x) {
    Array like = x;
    int64_t run = 1;
    for (int i = x.ndim - 1; i >= 0; i--) {
        like.stride[i] = run;
        run *= x.shape[i];
    }
    return like;
}

Rows rows_of(const Array &x) {
    if (x.type != 'f' && x.type != 'd') refuse("this kernel takes float32 and float64");
    if (x.ndim < 1) refuse(std::string(x.name) + " must have at least one dimension");
    const int64_t length = x.shape[x.ndim - 1];
    return {length ? x.size() / length : 0, length};
}

void expect_like(const Array *a, const Array &x, bool written) {
    if (!a) return;
    expect_same_type(*a, x);
    if (a->ndim != x.ndim || !std::equal(x.shape, x.shape + x.ndim, a->shape))
        refuse(std::string(a->name) + " has shape " + a->shape_text() + ", expected " + x.shape_text());
    if (!written) return;
    if (!a->writable) refuse(std::string(a->name) + " is read-only");
    if (a->size() && !same_layout(*a, c_order(x))) refuse(std::string(a->name) + " must be contiguous");
}

void expect_run(const Array *a, const Array &x, int64_t size, bool written) {
    if (!a) return;
    expect_same_type(*a, x);
    if (a->size() != size || !same_layout(*a, c_order(*a)))
        refuse(std::string(a->name) + " has shape " + a->shape_text() + ", expected " + std::to_string(size) +
               " contiguous elements");
    if (written && !a->writable) refuse(std::string(a->name) + " is read-only");
}

// About 16 thousand elements a task.
template <class Body> void for_rows(const Rows &rows, const Body &body) {
    const int64_t chunk = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, rows.length));
    parallel((rows.count + chunk - 1) / chunk, [&](int64_t task) {
        for (int64_t r = task * chunk; r < std::min(rows.count, (task + 1) * chunk); r++) body(r, r * rows.length);
    });
}

template <class T> T *data(const Array *a) { return a ? a->as<T>() : nullptr; }

template <class T>
void layer_norm_of(const Array &x, const Rows &rows, const Array *weight, const Array *bias, double eps,
                   const Array &out, const Array &mean, const Array &variance) {
    const Array like = c_order(x);
    const Flat<T> in(x, like);
    for_rows(rows, [&](int64_t r, int64_t at) {
        kernels().of<T>().layer_norm(in.get() + at, rows.length, static_cast<T>(eps), data<T>(weight), data<T>(bias),
                                     out.as<T>() + at, mean.as<T>() + r, variance.as<T>() + r);
    });
}

template <class T>
void layer_norm_gradient_of(const Array &g, const Array &x, const Rows &rows, const Array &mean, const Array &invstd,
                            const Array *weight, const Array *gx, const Array *gweight, const Array *gbias) {
    const Array like = c_order(x);
    const Flat<T> g_in(g, like), x_in(x, like);
    const int64_t D = rows.length;
    // The gradients of weight and bias are sums over rows: a fixed number of parts, joined in order.
    const int64_t parts = std::clamp<int64_t>(rows.count / 16, 1, 32);
    Scratch<T> partial(parts * 2 * D);
    parallel(parts, [&](int64_t part) {
        T *sums = partial.get() + part * 2 * D;
        std::fill_n(sums, 2 * D, T(0));
        for (int64_t r = rows.count * part / parts; r < rows.count * (part + 1) / parts; r++)
            kernels().of<T>().layer_norm_gradient(g_in.get() + r * D, x_in.get() + r * D, D, mean.as<T>()[r],
                                                  invstd.as<T>()[r], data<T>(weight),
                                                  gx ? gx->as<T>() + r * D : nullptr, gweight ? sums : nullptr,
                                                  gbias ? sums + D : nullptr);
    });
    T *sums = partial.get();
    for (int64_t part = 1; part < parts; part++)
        for (int64_t d = 0; d < 2 * D; d++) sums[d] += sums[part * 2 * D + d];
    if (gweight) std::copy_n(sums, D, gweight->as<T>());
    if (gbias) std::copy_n(sums + D, D, gbias->as<T>());
}

template <class T> void softmax_of(const Array &x, const Rows &rows, const Array &out, bool log) {
    const Array like = c_order(x);
    const Flat<T> in(x, like);
    for_rows(rows, [&](int64_t, int64_t at) {
        kernels().of<T>().softmax(in.get() + at, rows.length, out.as<T>() + at, log);
    });
}

template <class T>
void softmax_gradient_of(const Array &g, const Array &out, const Rows &rows, const Array &gx, bool log) {
    const Array like = c_order(out);
    const Flat<T> g_in(g, like), out_in(out, like);
    for_rows(rows, [&](int64_t, int64_t at) {
        kernels().of<T>().softmax_gradient(g_in.get() + at, out_in.get() + at, rows.length, gx.as<T>() + at, log);
    });
}

// In blocks of rows, whose sums are joined in double precision; how depends on the shape alone. Rows that are too short for
// the lanes are read some at a time, as one.
template <class T> void sum_rows_of(const Array &x, const Array &out) {
    constexpr int64_t short_row = 32, together = 16;
    const int64_t D = x.shape[1], fold = D <= short_row && x.stride[0] == D ? together : 1;
    const int64_t R = x.shape[0] / fold, width = fold * D, block = 64;
    const int64_t parts = std::clamp<int64_t>(R * width / 65536, 1, 32);
    Scratch<double> totals(parts * width);
    Scratch<T> sums(parts * width);
    parallel(parts, [&](int64_t part) {
        double *total = totals.get() + part * width;
        T *sum = sums.get() + part * width;
        std::fill_n(total, width, 0.0);
        for (int64_t r = R * part / parts, end = R * (part + 1) / parts; r < end; r += block) {
            std::fill_n(sum, width, T(0));
            kernels().of<T>().add_all_rows(x.as<T>() + r * fold * x.stride[0], fold * x.stride[0], std::min(block, end - r),
                                           sum, width);
            for (int64_t d = 0; d < width; d++) total[d] += sum[d];
        }
    });
    double *total = totals.get();
    for (int64_t i = D; i < parts * width; i += D)
        for (int64_t d = 0; d < D; d++) total[d] += total[i + d];
    for (int64_t r = R * fold; r < x.shape[0]; r++)
        for (int64_t d = 0; d < D; d++) total[d] += x.as<T>()[r * x.stride[0] + d];
    for (int64_t d = 0; d < D; d++) out.as<T>()[d] = static_cast<T>(total[d]);
}

}  // namespace

void sum_rows(const Array &x, const Array &out) {
    if (x.ndim != 2) refuse("x must have two dimensions");
    if (x.type != 'f' && x.type != 'd') refuse("this kernel takes float32 and float64");
    if (x.shape[1] > 1 && x.stride[1] != 1) refuse("the rows of x must be contiguous");
    expect_run(&out, x, x.shape[1], true);
    x.type == 'f' ? sum_rows_of<float>(x, out) : sum_rows_of<double>(x, out);
}

void layer_norm(const Array &x, const Array *weight, const Array *bias, double eps, const Array &out, const Array &mean,
                const Array &variance) {
    const Rows rows = rows_of(x);
    expect_like(&out, x, true);
    for (const Array *a : {weight, bias}) expect_run(a, x, rows.length, false);
    for (const Array *a : {&mean, &variance}) expect_run(a, x, rows.count, true);
    if (x.type == 'f') layer_norm_of<float>(x, rows, weight, bias, eps, out, mean, variance);
    else layer_norm_of<double>(x, rows, weight, bias, eps, out, mean, variance);
}

void layer_norm_gradient(const Array &g, const Array &x, const Array &mean, const Array &invstd, const Array *weight,
                         const Array *gx, const Array *gweight, const Array *gbias) {
    const Rows rows = rows_of(x);
    expect_like(&g, x, false);
    expect_like(gx, x, true);
    expect_run(weight, x, rows.length, false);
    for (const Array *a : {gweight, gbias}) expect_run(a, x, rows.length, true);
    for (const Array *a : {&mean, &invstd}) expect_run(a, x, rows.count, false);
    if (x.type == 'f') layer_norm_gradient_of<float>(g, x, rows, mean, invstd, weight, gx, gweight, gbias);
    else layer_norm_gradient_of<double>(g, x, rows, mean, invstd, weight, gx, gweight, gbias);
}

void softmax(const Array &x, const Array &out, bool log) {
    const Rows rows = rows_of(x);
    expect_like(&out, x, true);
    x.type == 'f' ? softmax_of<float>(x, rows, out, log) : softmax_of<double>(x, rows, out, log);
}

void softmax_gradient(const Array &g, const Array &out, const Array &gx, bool log) {
    const Rows rows = rows_of(out);
    expect_like(&g, out, false);
    expect_like(&gx, out, true);
    out.type == 'f' ? softmax_gradient_of<float>(g, out, rows, gx, log)
                    : softmax_gradient_of<double>(g, out, rows, gx, log);
}

}  // namespace retrograd
