// One sequence's step of a recurrent layer, after the matrix product: over `count` of its units, lanes along them. Gates
// lie `width` apart, in the products `step` apart.
#pragma once
#include "curves.h"
#include "kernels.h"
#include "loops.h"
#include "vec.h"

namespace retrograd::RETROGRAD_ISA {

template <class T> void lstm_cell(const T *product, int64_t step, const T *x, const T *before, int64_t width,
                                  int64_t count, T *gates, T *c, T *h) {
    for_vectors<T>(count, [=](int64_t j, auto get, auto put) INLINE_LAMBDA {
        const auto sum = [=](int gate) INLINE_LAMBDA { return get(product + gate * step + j) + get(x + gate * width + j); };
        const Vec<T> in = sigmoid_of<T>(sum(0)), keep = sigmoid_of<T>(sum(1)), fresh = tanh_of<T>(sum(2));
        const Vec<T> out = sigmoid_of<T>(sum(3)), cell = keep * get(before + j) + in * fresh;
        put(gates + j, in);
        put(gates + width + j, keep);
        put(gates + 2 * width + j, fresh);
        put(gates + 3 * width + j, out);
        put(c + j, cell);
        put(h + j, out * tanh_of<T>(cell));
    });
}

// g: the gradient of h; gc: that of c, or null. dc: the gradient that the step after gave c; becomes what this one gives
// the step before. dx: the gradient of the gates before their nonlinearities.
template <class T> void lstm_slopes(const T *g, const T *gc, const T *gates, const T *c, const T *before, int64_t width,
                                    int64_t count, T *dc, T *dx) {
    for_vectors<T>(count, [=](int64_t j, auto get, auto put) INLINE_LAMBDA {
        const Vec<T> in = get(gates + j), keep = get(gates + width + j), fresh = get(gates + 2 * width + j);
        const Vec<T> out = get(gates + 3 * width + j), squashed = tanh_of<T>(get(c + j)), d = get(g + j);
        Vec<T> cell = get(dc + j) + d * (out * (1 - squashed * squashed));
        if (gc) cell += get(gc + j);
        put(dx + j, cell * (fresh * in * (1 - in)));
        put(dx + width + j, cell * (get(before + j) * keep * (1 - keep)));
        put(dx + 2 * width + j, cell * (in * (1 - fresh * fresh)));
        put(dx + 3 * width + j, d * (squashed * out * (1 - out)));
        put(dc + j, cell * keep);
    });
}

template <class T> void gru_cell(const T *product, int64_t step, const T *x, const T *before, int64_t width,
                                 int64_t count, T *gates, T *h) {
    for_vectors<T>(count, [=](int64_t j, auto get, auto put) INLINE_LAMBDA {
        const Vec<T> reset = sigmoid_of<T>(get(product + j) + get(x + j)), mixed = get(product + 2 * step + j);
        const Vec<T> update = sigmoid_of<T>(get(product + step + j) + get(x + width + j));
        const Vec<T> fresh = tanh_of<T>(reset * mixed + get(x + 2 * width + j));
        put(gates + j, reset);
        put(gates + width + j, update);
        put(gates + 2 * width + j, fresh);
        put(gates + 3 * width + j, mixed);
        put(h + j, (get(before + j) - fresh) * update + fresh);
    });
}

// g: the gradient of h. carry: what of it goes to the step before directly. dx, inner: the gradients of the gates before
// their nonlinearities, in what comes from the input and in what comes from the state.
template <class T> void gru_slopes(const T *g, const T *gates, const T *before, int64_t width, int64_t count, T *carry,
                                   T *dx, T *inner) {
    for_vectors<T>(count, [=](int64_t j, auto get, auto put) INLINE_LAMBDA {
        const Vec<T> reset = get(gates + j), update = get(gates + width + j), fresh = get(gates + 2 * width + j);
        const Vec<T> d = get(g + j), d_fresh = d * ((1 - update) * (1 - fresh * fresh));
        const Vec<T> d_reset = d_fresh * (get(gates + 3 * width + j) * reset * (1 - reset));
        const Vec<T> d_update = d * ((get(before + j) - fresh) * update * (1 - update));
        put(dx + j, d_reset);
        put(dx + width + j, d_update);
        put(dx + 2 * width + j, d_fresh);
        put(inner + j, d_reset);
        put(inner + width + j, d_update);
        put(inner + 2 * width + j, d_fresh * reset);
        put(carry + j, d * update);
    });
}

template <class T> void rnn_cell(const T *product, const T *x, int64_t count, bool relu, T *h) {
    for_vectors<T>(count, [=](int64_t j, auto get, auto put) INLINE_LAMBDA {
        const Vec<T> sum = get(product + j) + get(x + j);
        put(h + j, relu ? (sum <= Vec<T>{} ? Vec<T>{} : sum) : tanh_of<T>(sum));
    });
}

template <class T> void rnn_slopes(const T *g, const T *h, int64_t count, bool relu, T *dx) {
    for_vectors<T>(count, [=](int64_t j, auto get, auto put) INLINE_LAMBDA {
        const Vec<T> out = get(h + j), d = get(g + j);
        put(dx + j, relu ? d * (out > Vec<T>{} ? broadcast(T(1)) : Vec<T>{}) : d * (1 - out * out));
    });
}

}  // namespace retrograd::RETROGRAD_ISA
