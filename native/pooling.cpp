#include "pooling.h"

#include <algorithm>
#include <vector>

#include "isa.h"
#include "kernels.h"
#include "layout.h"
#include "pool.h"

namespace retrograd {
namespace {

constexpr int64_t kChannels = 64;  // channels of one task where a task may not share an image with another

Array channels_last_like(const Array &x) {
    Array like = x;
    like.stride[1] = 1;
    like.stride[3] = x.shape[1];
    like.stride[2] = x.shape[3] * like.stride[3];
    like.stride[0] = x.shape[2] * like.stride[2];
    return like;
}

void expect_image(const Array &a, char type) {
    if (a.ndim != 4) refuse(std::string(a.name) + " has shape " + a.shape_text() + ", expected (N, C, H, W)");
    if (a.type != type) refuse(std::string(a.name) + " has the wrong dtype");
}

void expect_real(const Array &a) {
    if (a.type != 'f' && a.type != 'd') refuse("pooling kernels take float32 and float64");
    expect_image(a, a.type);
}

void expect_result(const Array &a) {
    if (!a.writable) refuse(std::string(a.name) + " is read-only");
    if (a.size() && !same_layout(a, channels_last_like(a))) refuse(std::string(a.name) + " must be stored channels last");
}

// The taps of a window that lie inside the image, along one axis: tap `first` at pixel `start`, and so on up to `last`.
struct Window {
    int64_t first, last, start;
};

std::vector<Window> windows_of(int64_t count, int64_t size, const PoolGeometry &g, int axis) {
    std::vector<Window> result(count);
    for (int64_t i = 0; i < count; i++) {
        Window &w = result[i];
        w.start = i * g.stride[axis] - g.padding[axis];
        w.first = w.start < 0 ? (g.dilation[axis] - 1 - w.start) / g.dilation[axis] : 0;
        w.last = w.start < size ? std::min(g.kernel[axis], (size - 1 - w.start) / g.dilation[axis] + 1) : 0;
        if (w.first >= w.last) refuse("max_pool2d: a window lies outside the image");
    }
    return result;
}

template <class T, class Number>
void max_pool(const Array &x, const Array &out, const Array &which, const PoolGeometry &g,
              const typename TypedKernels<T>::template MaxPool<Number> &kernels) {
    const Array like = channels_last_like(x);
    const Flat<T> in(x, like);
    const int64_t C = x.shape[1], H = x.shape[2], W = x.shape[3], OH = out.shape[2], OW = out.shape[3];
    const std::vector<Window> rows = windows_of(OH, H, g, 0), columns = windows_of(OW, W, g, 1);
    const int64_t most = std::min(g.kernel[0], H) * std::min(g.kernel[1], W);
    Scratch<int64_t> scratch(2 * most * OH * x.shape[0]);  // for each task, the taps of one window at a time
    parallel(x.shape[0] * OH, [&](int64_t task) {
        const int64_t n = task / OH, i = task % OH;
        int64_t *offset = scratch.get() + task * 2 * most, *number = offset + most;
        for (int64_t j = 0; j < OW; j++) {
            int64_t count = 0;
            for (int64_t a = rows[i].first; a < rows[i].last; a++)
                for (int64_t b = columns[j].first; b < columns[j].last; b++, count++) {
                    const int64_t h = rows[i].start + a * g.dilation[0], w = columns[j].start + b * g.dilation[1];
                    offset[count] = (h * W + w) * C;
                    number[count] = a * g.kernel[1] + b;
                }
            const int64_t to = ((n * OH + i) * OW + j) * C;
            kernels.pixel(in.get() + n * H * W * C, count, offset, number, C, out.as<T>() + to, which.as<Number>() + to);
        }
    });
}

// The windows that a pixel lies in, along one axis, in order: each with the number of its tap that meets the pixel.
struct Meeting {
    int64_t window, tap;
};

std::vector<std::vector<Meeting>> meetings_of(int64_t size, int64_t windows, const PoolGeometry &g, int axis) {
    std::vector<std::vector<Meeting>> result(size);
    const std::vector<Window> all = windows_of(windows, size, g, axis);
    for (int64_t i = 0; i < windows; i++)
        for (int64_t k = all[i].first; k < all[i].last; k++)
            result[all[i].start + k * g.dilation[axis]].push_back({i, k});
    return result;
}

template <class T, class Number>
void max_pool_gradient(const Array &y, const Array &which, const Array &gx, const PoolGeometry &g,
                       const typename TypedKernels<T>::template MaxPool<Number> &kernels) {
    const Array like = channels_last_like(y);
    const Flat<T> in(y, like);
    const Flat<Number> which_in(which, like);
    const int64_t C = gx.shape[1], H = gx.shape[2], W = gx.shape[3], OH = y.shape[2], OW = y.shape[3];
    const auto rows = meetings_of(H, OH, g, 0), columns = meetings_of(W, OW, g, 1);
    const auto most_of = [](const std::vector<std::vector<Meeting>> &all) {
        size_t most = 0;
        for (const auto &meetings : all) most = std::max(most, meetings.size());
        return most;
    };
    const int64_t most = most_of(rows) * most_of(columns);
    Scratch<int64_t> scratch(2 * most * H * gx.shape[0]);  // for each task, the windows of one pixel at a time
    parallel(gx.shape[0] * H, [&](int64_t task) {
        const int64_t n = task / H, h = task % H, from = n * OH * OW * C;
        int64_t *offset = scratch.get() + task * 2 * most, *number = offset + most;
        for (int64_t w = 0; w < W; w++) {
            int64_t count = 0;
            for (const auto [i, a] : rows[h])
                for (const auto [j, b] : columns[w]) {
                    offset[count] = (i * OW + j) * C;
                    number[count++] = a * g.kernel[1] + b;
                }
            kernels.gradient(in.get() + from, which_in.get() + from, count, offset, number, C,
                             gx.as<T>() + (task * W + w) * C);
        }
    });
}

template <class T> void place(const Array &g, const Array &indices, const Array &gx) {
    const Array like = channels_last_like(g);
    const Flat<T> g_in(g, like);
    const Flat<int64_t> index_in(indices, like);
    const int64_t C = gx.shape[1], pixels = gx.shape[2] * gx.shape[3], windows = g.shape[2] * g.shape[3];
    const int64_t parts = (C + kChannels - 1) / kChannels;
    parallel(gx.shape[0] * parts, [&](int64_t task) {
        const int64_t n = task / parts, c0 = task % parts * kChannels, c1 = std::min(C, c0 + kChannels);
        T *to = gx.as<T>() + n * pixels * C;
        for (int64_t p = 0; p < pixels; p++) std::fill(to + p * C + c0, to + p * C + c1, T(0));
        for (int64_t w = 0; w < windows; w++) {
            const T *from = g_in.get() + (n * windows + w) * C;
            const int64_t *index = index_in.get() + (n * windows + w) * C;
            for (int64_t c = c0; c < c1; c++)
                if (index[c] >= 0 && index[c] < pixels) to[index[c] * C + c] += from[c];
        }
    });
}

// The windows of an average: bounds checked once, here.
struct Windows {
    const int64_t *rows, *columns;
    const double *divisors;
    int64_t OH, OW;

    Windows(const Array &r, const Array &c, const Array &d, const Array &image, const Array &pooled)
        : rows(r.as<int64_t>()), columns(c.as<int64_t>()), divisors(d.as<double>()), OH(pooled.shape[2]),
          OW(pooled.shape[3]) {
        expect_shape(r, {OH, 2});
        expect_shape(c, {OW, 2});
        expect_shape(d, {OH, OW});
        if (r.type != 'q' || c.type != 'q' || d.type != 'd') refuse("rows and columns must be int64, divisors float64");
        for (const Array *a : {&r, &c, &d})
            if (a->size() && (a->stride[1] != 1 || (a->shape[0] > 1 && a->stride[0] != a->shape[1])))
                refuse(std::string(a->name) + " must be contiguous");
        expect_shape(pooled, {image.shape[0], image.shape[1], OH, OW});
        for (int k = 0; k < 2; k++) {
            const int64_t *bounds = k ? columns : rows, count = k ? OW : OH, size = image.shape[2 + k];
            for (int64_t i = 0; i < count; i++)
                if (bounds[2 * i] < 0 || bounds[2 * i] > bounds[2 * i + 1] || bounds[2 * i + 1] > size)
                    refuse("pooling windows must lie inside the image");
        }
    }

    // How many pixels wide (high) all windows are, if they lie side by side from the first pixel on, else 0.
    int64_t even_width() const { return even(columns, OW); }
    int64_t even_height() const { return even(rows, OH); }
    static int64_t even(const int64_t *bounds, int64_t count) {
        const int64_t size = count ? bounds[1] : 0;
        for (int64_t i = 0; i < count; i++)
            if (bounds[2 * i] != i * size || bounds[2 * i + 1] != (i + 1) * size) return 0;
        return size;
    }

    // Calls body(window, pixel, divisor) for every pixel of every window, in order.
    template <class Body> void each(int64_t i0, int64_t i1, int64_t W, Body body) const {
        for (int64_t i = i0; i < i1; i++)
            for (int64_t j = 0; j < OW; j++)
                for (int64_t h = rows[2 * i]; h < rows[2 * i + 1]; h++)
                    for (int64_t w = columns[2 * j]; w < columns[2 * j + 1]; w++)
                        body(i * OW + j, h * W + w, divisors[i * OW + j]);
    }
};

// A pixel of few channels would leave lanes idle: sums are then of so many pixels of a line at once, where windows are as
// wide as their stride and lie side by side.
constexpr int64_t kFewChannels = 16;

template <class T> void average(const Array &x, const Windows &windows, const Array &out) {
    const Array like = channels_last_like(x);
    const Flat<T> in(x, like);
    const int64_t C = x.shape[1], W = x.shape[3], pixels = x.shape[2] * W, OW = windows.OW;
    const int64_t wide = C <= kFewChannels ? windows.even_width() : 0;
    const int slots = num_threads();
    Scratch<T> lines(wide ? slots * W * C : 0);
    parallel(x.shape[0] * windows.OH, slots, [&](int64_t task, int slot) {
        const int64_t n = task / windows.OH, i = task % windows.OH;
        const T *from = in.get() + n * pixels * C;
        T *to = out.as<T>() + task * OW * C;
        const auto add = [&](const T *a, T *b, int64_t count) { kernels().of<T>().add_scaled(a, T(1), b, count); };
        if (wide) {
            T *line = lines.get() + slot * W * C;
            const int64_t h0 = windows.rows[2 * i], used = OW * wide * C;
            if (windows.rows[2 * i + 1] > h0) std::copy_n(from + h0 * W * C, used, line);
            else std::fill_n(line, used, T(0));
            for (int64_t h = h0 + 1; h < windows.rows[2 * i + 1]; h++) add(from + h * W * C, line, used);
            for (int64_t j = 0; j < OW; j++) {
                const T *pixel = line + j * wide * C, divisor = static_cast<T>(windows.divisors[i * OW + j]);
                for (int64_t c = 0; c < C; c++) {
                    T sum = pixel[c];
                    for (int64_t w = 1; w < wide; w++) sum += pixel[w * C + c];
                    to[j * C + c] = sum / divisor;
                }
            }
            return;
        }
        std::fill_n(to, OW * C, T(0));
        windows.each(i, i + 1, W, [&](int64_t window, int64_t pixel, double) {
            add(from + pixel * C, to + (window - i * OW) * C, C);
        });
        for (int64_t j = 0; j < OW; j++) {
            const T divisor = static_cast<T>(windows.divisors[i * OW + j]);
            for (int64_t c = 0; c < C; c++) to[j * C + c] /= divisor;
        }
    });
}

template <class T> void average_gradient(const Array &g, const Windows &windows, const Array &gx) {
    const Array like = channels_last_like(g);
    const Flat<T> g_in(g, like);
    const int64_t C = gx.shape[1], W = gx.shape[3], pixels = gx.shape[2] * W, OW = windows.OW;
    if (const int64_t wide = windows.even_width(); wide && windows.even_height()) {  // each pixel is of one window at most
        const int64_t high = windows.even_height(), rest = (W - OW * wide) * C;
        parallel(gx.shape[0] * windows.OH, [&](int64_t task) {
            const int64_t n = task / windows.OH, i = task % windows.OH;
            const T *from = g_in.get() + task * OW * C;
            T *const first = gx.as<T>() + (n * pixels + i * high * W) * C, *line = first;
            for (int64_t j = 0; j < OW; j++, from += C) {
                const T scale = static_cast<T>(1 / windows.divisors[i * OW + j]), *pixel = line;
                for (int64_t c = 0; c < C; c++) line[c] = from[c] * scale;
                line += C;
                for (int64_t w = 1; w < wide; w++, line += C) std::copy_n(pixel, C, line);
            }
            std::fill_n(line, rest, T(0));
            for (int64_t h = 1; h < high; h++) std::copy_n(first, W * C, first + h * W * C);
            if (i == windows.OH - 1) std::fill(first + high * W * C, gx.as<T>() + (n + 1) * pixels * C, T(0));
        });
        return;
    }
    const int64_t parts = (C + kChannels - 1) / kChannels;
    parallel(gx.shape[0] * parts, [&](int64_t task) {
        const int64_t n = task / parts, c0 = task % parts * kChannels, count = std::min(C - c0, kChannels);
        const T *from = g_in.get() + n * windows.OH * windows.OW * C + c0;
        T *to = gx.as<T>() + n * pixels * C + c0;
        for (int64_t p = 0; p < pixels; p++) std::fill_n(to + p * C, count, T(0));
        windows.each(0, windows.OH, gx.shape[3], [&](int64_t window, int64_t pixel, double divisor) {
            kernels().of<T>().add_scaled(from + window * C, static_cast<T>(1 / divisor), to + pixel * C, count);
        });
    });
}

}  // namespace

namespace {

void check(const Array &image, const Array &pooled, const Array &which, const PoolGeometry &g) {
    expect_real(pooled);
    expect_image(image, pooled.type);
    expect_shape(pooled, {image.shape[0], image.shape[1], pooled.shape[2], pooled.shape[3]});
    for (int i = 0; i < 2; i++)
        if (g.kernel[i] < 1 || g.stride[i] < 1 || g.dilation[i] < 1 || g.padding[i] < 0)
            refuse("max_pool2d expects kernel, stride and dilation of at least 1 and padding of at least 0");
    for (const auto *numbers : {&g.kernel, &g.stride, &g.padding, &g.dilation})
        for (int64_t n : *numbers)
            if (n > INT32_MAX) refuse("max_pool2d expects numbers below 2**31");
    if (image.shape[2] * image.shape[3] > INT32_MAX) refuse("max_pool2d: the image is too large");
    if (g.kernel[0] * g.kernel[1] > INT32_MAX) refuse("max_pool2d: the window is too large");
    expect_image(which, g.kernel[0] * g.kernel[1] <= 256 ? 'B' : 'i');
    expect_shape(which, {pooled.shape[0], pooled.shape[1], pooled.shape[2], pooled.shape[3]});
}

// Calls body(a zero of the dtype, the kernels) for the dtype and the numbers' size.
template <class Body> void by_type(const Array &real, const Array &which, Body body) {
    const auto sized = [&](auto zero) {
        const auto &k = kernels().of<decltype(zero)>();
        which.type == 'B' ? body(zero, k.max_pool_bytes, uint8_t()) : body(zero, k.max_pool_words, int32_t());
    };
    real.type == 'f' ? sized(0.0f) : sized(0.0);
}

}  // namespace

void max_pool2d(const Array &x, const Array &out, const Array &which, const PoolGeometry &g) {
    check(x, out, which, g);
    expect_result(out);
    expect_result(which);
    by_type(x, which, [&](auto zero, const auto &k, auto number) {
        max_pool<decltype(zero), decltype(number)>(x, out, which, g, k);
    });
}

void max_pool2d_gradient(const Array &y, const Array &which, const Array &gx, const PoolGeometry &g) {
    check(gx, y, which, g);
    expect_result(gx);
    by_type(y, which, [&](auto zero, const auto &k, auto number) {
        max_pool_gradient<decltype(zero), decltype(number)>(y, which, gx, g, k);
    });
}

void pool_place(const Array &g, const Array &indices, const Array &gx) {
    expect_real(g);
    expect_image(gx, g.type);
    expect_image(indices, 'q');
    expect_result(gx);
    expect_shape(indices, {g.shape[0], g.shape[1], g.shape[2], g.shape[3]});
    expect_shape(gx, {g.shape[0], g.shape[1], gx.shape[2], gx.shape[3]});
    g.type == 'f' ? place<float>(g, indices, gx) : place<double>(g, indices, gx);
}

void average_pool2d(const Array &x, const Array &rows, const Array &columns, const Array &divisors, const Array &out) {
    expect_real(x);
    expect_image(out, x.type);
    expect_result(out);
    const Windows windows(rows, columns, divisors, x, out);
    x.type == 'f' ? average<float>(x, windows, out) : average<double>(x, windows, out);
}

void average_pool2d_gradient(const Array &g, const Array &rows, const Array &columns, const Array &divisors,
                             const Array &gx) {
    expect_real(g);
    expect_image(gx, g.type);
    expect_result(gx);
    const Windows windows(rows, columns, divisors, gx, g);
    g.type == 'f' ? average_gradient<float>(g, windows, gx) : average_gradient<double>(g, windows, gx);
}

}  // namespace retrograd
