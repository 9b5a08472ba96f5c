#include "norm.h"

#include <algorithm>
#include <cmath>

#include "isa.h"
#include "kernels.h"
#include "layout.h"
#include "pool.h"

namespace retrograd {
namespace {

// (N, C, ...) seen as a matrix (rows, channels) in which all arrays of a call are laid out.
struct Matrix {
    Array like;  // shape and strides of x, channels last
    int64_t rows, channels;
};

Matrix channels_last_like(const Array &x) {
    if (x.ndim < 2) refuse(std::string(x.name) + " has shape " + x.shape_text() + ", expected (N, C, ...)");
    if (x.type != 'f' && x.type != 'd') refuse("batch norm kernels take float32 and float64");
    Matrix m{x, 1, x.shape[1]};
    int64_t run = x.shape[1];
    m.like.stride[1] = 1;
    for (int i = x.ndim - 1; i >= 0; i--) {
        if (i == 1) continue;
        m.like.stride[i] = run;
        run *= x.shape[i];
        m.rows *= x.shape[i];
    }
    return m;
}

// Rows of one block (about 16 KiB, read twice while it is in the first cache) and blocks of one task. They depend on the
// shape only, so that sums are formed in the same order whatever the number of threads.
struct Partition {
    int64_t block, task_rows, tasks;
    Partition(const Matrix &m, size_t item) {
        block = std::clamp<int64_t>(16384 / (m.channels * static_cast<int64_t>(item) + 1), 4, 256);
        const int64_t blocks = std::max<int64_t>(1, (m.rows + block - 1) / block);
        const int64_t per_task = std::max<int64_t>(1, (blocks + 31) / 32);
        task_rows = per_task * block;
        tasks = (blocks + per_task - 1) / per_task;
    }
};

void expect_channels(const Array *a, const Array &x, bool written = false) {
    if (!a) return;
    expect_same_type(*a, x);
    expect_shape(*a, {x.shape[1]});
    if (a->shape[0] > 1 && a->stride[0] != 1) refuse(std::string(a->name) + " must be contiguous");
    if (written && !a->writable) refuse(std::string(a->name) + " is read-only");
}

void expect_result(const Array &a, const Array &x, const Matrix &m) {
    expect_same_type(a, x);
    if (!a.writable) refuse(std::string(a.name) + " is read-only");
    const bool fits = a.ndim == x.ndim && std::equal(x.shape, x.shape + x.ndim, a.shape);
    if (!fits || (a.size() && !same_layout(a, m.like)))  // of no elements, any strides will do
        refuse(std::string(a.name) + " must have the shape " + x.shape_text() + ", stored channels last");
}

template <class T> void moments(const Array &x, const Matrix &m, T *mean, T *variance) {
    const TypedKernels<T> &k = kernels().of<T>();
    const Flat<T> in(x, m.like);
    const Partition p(m, sizeof(T));
    const int64_t C = m.channels;
    Scratch<double> partial(p.tasks * 2 * C);
    Scratch<T> local(p.tasks * 3 * C);
    // Joins the moments of `count` more rows to those of the `have` rows in to[c], to[C + c], by Chan's formula.
    auto join = [C](int64_t have, double *to, int64_t count, int64_t c, double mean, double m2) {
        const double d = mean - to[c], weight = count / static_cast<double>(have + count);
        to[c] += d * weight;
        to[C + c] += m2 + d * d * have * weight;
    };
    parallel(p.tasks, [&](int64_t task) {
        double *sum = partial.get() + task * 2 * C;
        T *mean = local.get() + task * 3 * C, *rest = mean + C, *m2 = rest + C;
        std::fill_n(sum, 2 * C, 0.0);
        const int64_t first = task * p.task_rows, last = std::min(m.rows, first + p.task_rows);
        for (int64_t row = first; row < last; row += p.block) {
            const int64_t count = std::min(p.block, last - row);
            k.column_moments(in.get() + row * C, count, C, mean, rest, m2);
            for (int64_t c = 0; c < C; c++) {
                const double left = rest[c] / static_cast<double>(count);
                join(row - first, sum, count, c, mean[c] + left, m2[c] - left * rest[c]);
            }
        }
    });
    double *total = partial.get();
    for (int64_t task = 1; task < p.tasks; task++) {
        const int64_t have = task * p.task_rows, count = std::min(m.rows - have, p.task_rows);
        for (int64_t c = 0; c < C; c++) join(have, total, count, c, total[task * 2 * C + c], total[task * 2 * C + C + c]);
    }
    for (int64_t c = 0; c < C; c++) {
        mean[c] = static_cast<T>(total[c]);
        variance[c] = static_cast<T>(total[C + c] / m.rows);
    }
}

template <class T> T inverse_root(T variance, double eps) { return static_cast<T>(1 / std::sqrt(variance + eps)); }

template <class T>
void find_factors(int64_t C, const T *mean, const T *variance, double eps, const T *weight, const T *bias, T *factors) {
    for (int64_t c = 0; c < C; c++) {
        factors[c] = mean[c];
        factors[C + c] = inverse_root(variance[c], eps) * (weight ? weight[c] : T(1));
        factors[2 * C + c] = bias ? bias[c] : T(0);
    }
}

template <class T>
void apply(const Array &x, const Matrix &m, const T *factors, const Array *y, const T *y_factors, bool relu, T *out) {
    const Flat<T> in(x, m.like), added(y ? *y : x, m.like);
    const int64_t C = m.channels;
    const auto run = kernels().of<T>().column_affine[!y ? 0 : !y_factors ? 1 : 2][relu];
    const Partition p(m, sizeof(T));
    parallel(p.tasks, [&](int64_t task) {
        const int64_t first = task * p.task_rows, rows = std::min(m.rows - first, p.task_rows);
        run(in.get() + first * C, rows, C, factors, added.get() + first * C, y_factors, out + first * C);
    });
}

template <class T>
void gradient(const Array &g, const Array *relu, const Array &x, const Matrix &m, const T *mean, const T *variance, double eps,
              const T *weight, T *gx, T *gweight, T *gbias, bool training, bool masks) {
    const TypedKernels<T> &k = kernels().of<T>();
    const Flat<T> g_in(g, m.like), x_in(x, m.like), relu_in(relu ? *relu : g, m.like);
    const T *out = relu_in.get();
    const Partition p(m, sizeof(T));
    const int64_t C = m.channels;
    Scratch<double> partial(p.tasks * 2 * C);
    Scratch<T> local(std::max<int64_t>(p.tasks * 2, 3) * C);
    double *sum = partial.get(), *product = sum + C;  // of g, and of g (x - mean)
    if (training || gweight || gbias) {
        parallel(p.tasks, [&](int64_t task) {
            double *to = partial.get() + task * 2 * C;
            T *block = local.get() + task * 2 * C;
            std::fill_n(to, 2 * C, 0.0);
            const int64_t first = task * p.task_rows, last = std::min(m.rows, first + p.task_rows);
            for (int64_t row = first; row < last; row += p.block) {
                k.column_sums[masks ? 2 : relu != nullptr](g_in.get() + row * C, out + row * C, x_in.get() + row * C,
                                               std::min(p.block, last - row), C, mean, block, block + C);
                for (int64_t c = 0; c < 2 * C; c++) to[c] += block[c];
            }
        });
        for (int64_t task = 1; task < p.tasks; task++)
            for (int64_t c = 0; c < 2 * C; c++) sum[c] += partial.get()[task * 2 * C + c];
        for (int64_t c = 0; c < C; c++) {
            if (gbias) gbias[c] = static_cast<T>(sum[c]);
            if (gweight) gweight[c] = static_cast<T>(product[c] * inverse_root(variance[c], eps));
        }
    }
    if (!gx) return;
    T *a = local.get(), *b = a + C, *d = b + C;
    for (int64_t c = 0; c < C; c++) {
        const T invstd = inverse_root(variance[c], eps);
        a[c] = invstd * (weight ? weight[c] : T(1));
        b[c] = training ? static_cast<T>(a[c] * product[c] / m.rows * invstd * invstd) : T(0);
        d[c] = training ? static_cast<T>(a[c] * sum[c] / m.rows) : T(0);
    }
    parallel(p.tasks, [&](int64_t task) {
        const int64_t first = task * p.task_rows, rows = std::min(m.rows - first, p.task_rows);
        k.column_gradient[relu && !masks](g_in.get() + first * C, out + first * C, x_in.get() + first * C, rows, C,
                                           mean, a, b, d, gx + first * C);
    });
}

template <class T> T *data(const Array *a) { return a ? a->as<T>() : nullptr; }

}  // namespace

void batch_norm_moments(const Array &x, const Array &mean, const Array &variance) {
    const Matrix m = channels_last_like(x);
    for (const Array *a : {&mean, &variance}) expect_channels(a, x, true);
    if (x.type == 'f') moments<float>(x, m, mean.as<float>(), variance.as<float>());
    else moments<double>(x, m, mean.as<double>(), variance.as<double>());
}

void batch_norm_factors(const Array &x, const Array &mean, const Array &variance, double eps, const Array *weight,
                        const Array *bias, void *factors) {
    for (const Array *a : {&mean, &variance, weight, bias}) expect_channels(a, x);
    auto run = [&](auto zero) {
        using T = decltype(zero);
        find_factors<T>(x.shape[1], mean.as<T>(), variance.as<T>(), eps, data<T>(weight), data<T>(bias),
                        static_cast<T *>(factors));
    };
    x.type == 'f' ? run(0.0f) : run(0.0);
}

void batch_norm_apply(const Array &x, const void *factors, const Array *y, const void *y_factors, bool relu,
                      const Array &out) {
    const Matrix m = channels_last_like(x);
    expect_result(out, x, m);
    auto run = [&](auto zero) {
        using T = decltype(zero);
        apply<T>(x, m, static_cast<const T *>(factors), y, static_cast<const T *>(y_factors), relu, out.as<T>());
    };
    x.type == 'f' ? run(0.0f) : run(0.0);
}

void batch_norm_forward(const Array &x, const Array &mean, const Array &variance, double eps, const Array *weight,
                        const Array *bias, const Array &out, bool training) {
    const Matrix m = channels_last_like(x);
    expect_result(out, x, m);
    if (training) batch_norm_moments(x, mean, variance);
    Scratch<double> factors(3 * m.channels);
    batch_norm_factors(x, mean, variance, eps, weight, bias, factors.get());
    batch_norm_apply(x, factors.get(), nullptr, nullptr, false, out);
}

void batch_norm_gradient(const Array &g, const Array &x, const Array &mean, const Array &variance, double eps,
                         const Array *weight, const Array *gx, const Array *gweight, const Array *gbias,
                         bool training, const Array *relu, bool masks) {
    const Matrix m = channels_last_like(x);
    for (const Array *a : {&g, relu}) {
        if (!a) continue;
        expect_same_type(*a, x);
        if (a->ndim != x.ndim || !std::equal(x.shape, x.shape + x.ndim, a->shape))
            refuse(std::string(a->name) + " has shape " + a->shape_text() + ", expected " + x.shape_text());
    }
    for (const Array *a : {&mean, &variance, weight}) expect_channels(a, x);
    for (const Array *a : {gweight, gbias}) expect_channels(a, x, true);
    if (gx) expect_result(*gx, x, m);
    if (masks) {
        if (!training || !relu) refuse("a gradient is masked on the way in training, after a relu");
        expect_result(g, x, m);
    }
    auto run = [&](auto zero) {
        using T = decltype(zero);
        gradient<T>(g, relu, x, m, mean.as<T>(), variance.as<T>(), eps, data<T>(weight), data<T>(gx), data<T>(gweight),
                    data<T>(gbias), training, masks);
    };
    x.type == 'f' ? run(0.0f) : run(0.0);
}

}  // namespace retrograd
