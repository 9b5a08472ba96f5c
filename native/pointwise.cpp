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
        expect_same_type(*a, result);
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

}  // namespace

void relu(const Array &x, const Array &out) {
    expect_alike({&x}, out);
    out.type == 'f' ? relu_of<float>(x, out) : relu_of<double>(x, out);
}

void relu_gradient(const Array &g, const Array &out, const Array &gx) {
    expect_alike({&g, &out}, gx);
    gx.type == 'f' ? relu_gradient_of<float>(g, out, gx) : relu_gradient_of<double>(g, out, gx);
}

}  // namespace retrograd
