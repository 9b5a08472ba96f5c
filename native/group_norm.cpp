#include "group_norm.h"

#include <algorithm>
#include <cmath>

#include "isa.h"
#include "kernels.h"
#include "layout.h"
#include "memory.h"
#include "pool.h"

namespace retrograd {
namespace {

// (N, C, ...) as N matrices (pixels, channels), each in parts that stay in the second cache; they depend on the shape
// only, so that sums are formed in the same order whatever the number of threads.
struct Images {
    Array like;  // shape and strides of x, channels last
    int64_t count, pixels = 1, channels, groups, each, part, parts;

    Images(const Array &x, int64_t groups) : like(x), count(x.shape[0]), channels(x.shape[1]), groups(groups) {
        int64_t run = channels;
        like.stride[1] = 1;
        for (int i = x.ndim - 1; i >= 0; i--) {
            if (i == 1) continue;
            like.stride[i] = run;
            run *= x.shape[i];
            if (i) pixels *= x.shape[i];
        }
        each = channels / groups;
        part = std::clamp<int64_t>(16384 / channels, 4, std::max<int64_t>(4, pixels));
        parts = (pixels + part - 1) / part;
    }
    int64_t size() const { return pixels * channels; }
    // Calls body(image, part, first pixel, pixels) for all parts.
    template <class Body> void each_part(const Body &body) const {
        parallel(count * parts, [&](int64_t task) {
            const int64_t first = task % parts * part;
            body(task / parts, task % parts, first, std::min(part, pixels - first));
        });
    }
};

template <class T>
void forward(const Array &x, const T *weight, const T *bias, int64_t groups, double eps, const Array &out, T *mean,
             T *variance) {
    const Images s(x, groups);
    const Flat<T> in(x, s.like);
    const TypedKernels<T> &k = kernels().of<T>();
    const int64_t C = s.channels;
    Scratch<T> moments(s.count * s.parts * 3 * C), affine(s.count * 3 * C);
    s.each_part([&](int64_t n, int64_t part, int64_t first, int64_t pixels) {
        T *to = moments.get() + (n * s.parts + part) * 3 * C;
        k.column_moments(in.get() + n * s.size() + first * C, pixels, C, to, to + C, to + 2 * C);
    });
    parallel(s.count, [&](int64_t n) {
        T *middle = affine.get() + n * 3 * C, *scale = middle + C, *shift = scale + C;
        for (int64_t q = 0; q < groups; q++) {
            double average = 0, m2 = 0;
            int64_t have = 0;
            for (int64_t part = 0; part < s.parts; part++) {
                const int64_t count = std::min(s.part, s.pixels - part * s.part);
                const T *from = moments.get() + (n * s.parts + part) * 3 * C;
                for (int64_t c = q * s.each; c < (q + 1) * s.each; c++) {  // joined by Chan's formula
                    const double left = from[C + c] / static_cast<double>(count), d = from[c] + left - average;
                    const double share = count / static_cast<double>(have + count);
                    average += d * share;
                    m2 += from[2 * C + c] - left * from[C + c] + d * d * have * share;
                    have += count;
                }
            }
            mean[n * groups + q] = static_cast<T>(average);
            variance[n * groups + q] = static_cast<T>(m2 / have);
            const T inverse = static_cast<T>(1 / std::sqrt(m2 / have + eps));
            for (int64_t c = q * s.each; c < (q + 1) * s.each; c++) {
                middle[c] = static_cast<T>(average);
                scale[c] = weight ? inverse * weight[c] : inverse;
                shift[c] = bias ? bias[c] : T(0);
            }
        }
    });
    s.each_part([&](int64_t n, int64_t, int64_t first, int64_t pixels) {
        const int64_t at = n * s.size() + first * C;
        const T *middle = affine.get() + n * 3 * C;
        k.column_affine[0][0](in.get() + at, pixels, C, middle, nullptr, nullptr, out.as<T>() + at);
    });
}

template <class T>
void gradient(const Array &g, const Array &x, const T *weight, const T *mean, const T *variance, int64_t groups,
              double eps, const Array *gx, T *gweight, T *gbias) {
    const Images s(x, groups);
    const Flat<T> g_in(g, s.like), in(x, s.like);
    const TypedKernels<T> &k = kernels().of<T>();
    const int64_t C = s.channels;
    Scratch<T> partial(s.count * s.parts * 2 * C), middles(s.count * C), terms(s.count * 3 * C);
    Scratch<double> sums(s.count * 2 * C);
    for (int64_t n = 0; n < s.count; n++)
        for (int64_t c = 0; c < C; c++) middles.get()[n * C + c] = mean[n * groups + c / s.each];
    s.each_part([&](int64_t n, int64_t part, int64_t first, int64_t pixels) {
        const int64_t at = n * s.size() + first * C;
        T *to = partial.get() + (n * s.parts + part) * 2 * C;
        k.column_sums[0](g_in.get() + at, nullptr, in.get() + at, pixels, C, middles.get() + n * C, to, to + C);
    });
    parallel(s.count, [&](int64_t n) {
        double *sum = sums.get() + n * 2 * C, *product = sum + C;
        std::fill_n(sum, 2 * C, 0.0);
        for (int64_t part = 0; part < s.parts; part++) {
            const T *from = partial.get() + (n * s.parts + part) * 2 * C;
            for (int64_t c = 0; c < 2 * C; c++) sum[c] += from[c];
        }
        T *a = terms.get() + n * 3 * C, *b = a + C, *d = b + C;
        for (int64_t q = 0; q < groups; q++) {
            const double inverse = 1 / std::sqrt(variance[n * groups + q] + eps);
            const double count = static_cast<double>(s.each * s.pixels);
            double all = 0, along = 0;
            for (int64_t c = q * s.each; c < (q + 1) * s.each; c++) {
                all += weight ? sum[c] * weight[c] : sum[c];
                along += weight ? product[c] * weight[c] : product[c];
            }
            for (int64_t c = q * s.each; c < (q + 1) * s.each; c++) {
                a[c] = static_cast<T>(weight ? inverse * weight[c] : inverse);
                b[c] = static_cast<T>(along / count * inverse * inverse * inverse);
                d[c] = static_cast<T>(all / count * inverse);
                product[c] *= inverse;
            }
        }
    });
    for (int64_t c = 0; c < C && (gweight || gbias); c++) {
        double w = 0, b = 0;
        for (int64_t n = 0; n < s.count; n++) {
            b += sums.get()[n * 2 * C + c];
            w += sums.get()[n * 2 * C + C + c];
        }
        if (gweight) gweight[c] = static_cast<T>(w);
        if (gbias) gbias[c] = static_cast<T>(b);
    }
    if (!gx) return;
    s.each_part([&](int64_t n, int64_t, int64_t first, int64_t pixels) {
        const int64_t at = n * s.size() + first * C;
        const T *a = terms.get() + n * 3 * C;
        k.column_gradient[0](g_in.get() + at, nullptr, in.get() + at, pixels, C, middles.get() + n * C, a, a + C,
                             a + 2 * C, gx->as<T>() + at);
    });
}

void expect_run(const Array *a, const Array &x, std::initializer_list<int64_t> shape, bool written = false) {
    if (!a) return;
    expect_same_type(*a, x);
    expect_shape(*a, shape);
    int64_t run = 1;
    for (int i = a->ndim - 1; i >= 0; run *= a->shape[i--])
        if (a->shape[i] > 1 && a->stride[i] != run) refuse(std::string(a->name) + " must be contiguous");
    if (written && !a->writable) refuse(std::string(a->name) + " is read-only");
}

void expect_images(const Array &x, int64_t groups) {
    if (x.ndim < 2) refuse("x has shape " + x.shape_text() + ", expected (N, C, ...)");
    if (x.type != 'f' && x.type != 'd') refuse("group norm kernels take float32 and float64");
    if (x.size() == 0) refuse("group norm kernels take no empty arrays");
    if (groups < 1 || x.shape[1] % groups) refuse("groups must be positive and divide the channels");
}

void expect_like(const Array &a, const Array &x, bool written) {
    expect_same_type(a, x);
    if (a.ndim != x.ndim || !std::equal(x.shape, x.shape + x.ndim, a.shape))
        refuse(std::string(a.name) + " has shape " + a.shape_text() + ", expected " + x.shape_text());
    if (written && (!a.writable || !same_layout(a, Images(x, 1).like)))
        refuse(std::string(a.name) + " must be writable and stored channels last");
}

template <class T> T *data(const Array *a) { return a ? a->as<T>() : nullptr; }

}  // namespace

void group_norm_forward(const Array &x, const Array *weight, const Array *bias, int64_t groups, double eps,
                        const Array &out, const Array &mean, const Array &variance) {
    expect_images(x, groups);
    expect_like(out, x, true);
    for (const Array *a : {weight, bias}) expect_run(a, x, {x.shape[1]});
    for (const Array *a : {&mean, &variance}) expect_run(a, x, {x.shape[0], groups}, true);
    if (x.type == 'f')
        forward(x, data<float>(weight), data<float>(bias), groups, eps, out, mean.as<float>(), variance.as<float>());
    else
        forward(x, data<double>(weight), data<double>(bias), groups, eps, out, mean.as<double>(), variance.as<double>());
}

void group_norm_gradient(const Array &g, const Array &x, const Array *weight, const Array &mean, const Array &variance,
                         int64_t groups, double eps, const Array *gx, const Array *gweight, const Array *gbias) {
    expect_images(x, groups);
    expect_like(g, x, false);
    if (gx) expect_like(*gx, x, true);
    expect_run(weight, x, {x.shape[1]});
    for (const Array *a : {&mean, &variance}) expect_run(a, x, {x.shape[0], groups});
    for (const Array *a : {gweight, gbias}) expect_run(a, x, {x.shape[1]}, true);
    if (x.type == 'f')
        gradient(g, x, data<float>(weight), mean.as<float>(), variance.as<float>(), groups, eps, gx,
                 data<float>(gweight), data<float>(gbias));
    else
        gradient(g, x, data<double>(weight), mean.as<double>(), variance.as<double>(), groups, eps, gx,
                 data<double>(gweight), data<double>(gbias));
}

}  // namespace retrograd
