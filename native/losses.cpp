#include "losses.h"

#include <algorithm>

namespace retrograd {
namespace {

struct Classes {
    const int64_t *target;
    int64_t target_stride, count, classes, ignored;

    Classes(const Array &x, const Array &target, const Array *weight, int64_t ignored)
        : target(target.as<int64_t>()), target_stride(target.stride[0]), count(x.shape[0]), classes(x.shape[1]),
          ignored(ignored) {
        if (x.type != 'f' && x.type != 'd') refuse("this kernel takes float32 and float64");
        if (target.type != 'q') refuse("target must be int64");
        expect_shape(target, {count});
        if (!weight) return;
        expect_shape(*weight, {classes});
        expect_same_type(*weight, x);
    }
    // Calls body(row, class) for each row that counts; false if a target is no class.
    template <class Body> bool each(Body body) const {
        for (int64_t i = 0; i < count; i++) {
            const int64_t c = target[i * target_stride];
            if (c == ignored) continue;
            if (c < 0 || c >= classes) return false;
            body(i, c);
        }
        return true;
    }
};

void expect_reduced(const Array &a, int64_t count, const Array &like) {
    expect_same_type(a, like);
    if (a.ndim != 0) expect_shape(a, {count});
}

template <class T>
bool loss_of(const Array &x, const Array *weight, const Classes &classes, const Array &out, bool mean) {
    T *to = out.as<T>();
    for (int64_t i = 0; out.ndim && i < classes.count; i++) to[i * out.stride[0]] = 0;
    double sum = 0, weights = 0;
    const bool fits = classes.each([&](int64_t i, int64_t c) {
        const T w = weight ? weight->as<T>()[c * weight->stride[0]] : T(1);
        const T loss = -x.as<T>()[i * x.stride[0] + c * x.stride[1]] * w;
        if (out.ndim) to[i * out.stride[0]] = loss;
        sum += loss;
        weights += w;
    });
    if (!out.ndim) *to = static_cast<T>(mean ? sum / weights : sum);
    return fits;
}

template <class T>
bool gradient_of(const Array &g, const Array *weight, const Classes &classes, const Array &gx, bool mean) {
    T *to = gx.as<T>();
    for (int64_t i = 0; i < classes.count; i++)
        for (int64_t c = 0; c < classes.classes; c++) to[i * gx.stride[0] + c * gx.stride[1]] = 0;
    const auto weight_of = [&](int64_t c) { return weight ? weight->as<T>()[c * weight->stride[0]] : T(1); };
    double weights = 0;
    if (mean) classes.each([&](int64_t, int64_t c) { weights += weight_of(c); });
    return classes.each([&](int64_t i, int64_t c) {
        const T share = mean ? static_cast<T>(weight_of(c) / weights) : weight_of(c);
        to[i * gx.stride[0] + c * gx.stride[1]] = -g.as<T>()[g.ndim ? i * g.stride[0] : 0] * share;
    });
}

}  // namespace

bool nll_loss(const Array &x, const Array &target, const Array *weight, int64_t ignored, const Array &out, bool mean) {
    const Classes classes(x, target, weight, ignored);
    expect_reduced(out, classes.count, x);
    return x.type == 'f' ? loss_of<float>(x, weight, classes, out, mean)
                         : loss_of<double>(x, weight, classes, out, mean);
}

bool nll_loss_gradient(const Array &g, const Array &target, const Array *weight, int64_t ignored, const Array &gx,
                       bool mean) {
    const Classes classes(gx, target, weight, ignored);
    expect_reduced(g, classes.count, gx);
    return gx.type == 'f' ? gradient_of<float>(g, weight, classes, gx, mean)
                          : gradient_of<double>(g, weight, classes, gx, mean);
}

}  // namespace retrograd
