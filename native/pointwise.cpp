#include "pointwise.h"

#include <algorithm>

#include "isa.h"
#include "kernels.h"
#include "layout.h"
#include "pool.h"

namespace retrograd {
namespace {

constexpr int64_t kChunk = 16384;  // elements of one task

template <class Body> void in_chunks(int64_t n, const Body &body) {
    parallel((n + kChunk - 1) / kChunk,
             [&](int64_t task) { body(task * kChunk, std::min(kChunk, n - task * kChunk)); });
}

void expect_alike(std::initializer_list<const Array *> arrays, const Array &result) {
    if (!result.writable || !is_dense(result)) refuse(std::string(result.name) + " must be writable and dense");
    for (const Array *a : arrays) {
        if (a->type != '?') expect_same_type(*a, result);
        if (a->ndim != result.ndim || !std::equal(a->shape, a->shape + a->ndim, result.shape))
            refuse(std::string(a->name) + " has shape " + a->shape_text() + ", expected " + result.shape_text());
    }
    if (result.type != 'f' && result.type != 'd') refuse("this kernel takes float32 and float64");
}

template <class T> void relu_of(const Array &x, const Array &out) {
    const Flat<T> in(x, out);
    in_chunks(out.size(), [&](int64_t i, int64_t n) {
        kernels().of<T>().relu(in.get() + i, out.as<T>() + i, n);
    });
}

template <class T> void relu_gradient_of(const Array &g, const Array &out, const Array &gx) {
    const Flat<T> g_in(g, gx), out_in(out, gx);
    in_chunks(gx.size(), [&](int64_t i, int64_t n) {
        kernels().of<T>().relu_gradient(g_in.get() + i, out_in.get() + i, gx.as<T>() + i, n);
    });
}

template <class T> void binary_of(char op, const Array &x, const Array &y, const Array &out) {
    const Flat<T> x_in(x, out), y_in(y, out);
    in_chunks(out.size(), [&](int64_t i, int64_t n) {
        kernels().of<T>().binary(op, x_in.get() + i, y_in.get() + i, out.as<T>() + i, n);
    });
}

template <class T> void binary_rows_of(char op, const Array &x, const Array &y, const Array &out) {
    const int64_t n = y.size(), count = x.size() / n, each = std::max<int64_t>(1, kChunk / n);
    parallel((count + each - 1) / each, [&](int64_t task) {
        for (int64_t r = task * each; r < std::min(count, (task + 1) * each); r++)
            kernels().of<T>().binary(op, x.as<T>() + r * n, y.as<T>(), out.as<T>() + r * n, n);
    });
}

template <class T> void masked_of(const Array &x, const Array &mask, const Array &out) {
    const Flat<T> x_in(x, out);
    const Flat<uint8_t> mask_in(mask, out);
    in_chunks(out.size(), [&](int64_t i, int64_t n) {
        kernels().of<T>().masked(x_in.get() + i, mask_in.get() + i, out.as<T>() + i, n);
    });
}

}  // namespace

void relu(const Array &x, const Array &out) {
    expect_alike({&x}, out);
    out.type == 'f' ? relu_of<float>(x, out) : relu_of<double>(x, out);
}

void relu_gradient(const Array &g, const Array &out, const Array &gx) {
    expect_alike({&g, &out}, gx);
    gx.type == 'f' ? relu_gradient_of<float>(g, out, gx) : relu_gradient_of<double>(g, out, gx);
}

void binary(char op, const Array &x, const Array &y, const Array &out) {
    expect_alike({&x, &y}, out);
    if (op != '+' && op != '-' && op != '*' && op != '/') refuse("binary expects one of + - * /");
    out.type == 'f' ? binary_of<float>(op, x, y, out) : binary_of<double>(op, x, y, out);
}

void binary_rows(char op, const Array &x, const Array &y, const Array &out) {
    x.type == 'f' ? binary_rows_of<float>(op, x, y, out) : binary_rows_of<double>(op, x, y, out);
}

void masked(const Array &x, const Array &mask, const Array &out) {
    expect_alike({&x, &mask}, out);
    if (mask.type != '?' || x.type == '?') refuse("masked expects a mask of bools");
    out.type == 'f' ? masked_of<float>(x, mask, out) : masked_of<double>(x, mask, out);
}

}  // namespace retrograd
