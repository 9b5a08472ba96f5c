// Recurrent layers: all steps of one direction of one layer, forward and backward (see ops/recurrent_rows.py).
//
// Elements are packed: those of one step after those of another. Arrays are contiguous.
#pragma once
#include <vector>

#include "array.h"

namespace retrograd {

struct Sequences {
    std::vector<int64_t> sizes;  // sequences of each step, never more than in the step before
    bool reverse;
};

// What the input contributes, x (elements, gates * n); w (gates * n, n); h0 and c0 (sequences, n).
void lstm_forward(const Array &x, const Array &h0, const Array &c0, const Array &w, const Sequences &s, const Array &h,
                  const Array &c, const Array &gates);
// g_h, g_c: gradients of h and c, or null. Writes those of x, h0 and c0.
void lstm_backward(const Array *g_h, const Array *g_c, const Array &c, const Array &gates, const Array &c0,
                   const Array &w, const Sequences &s, const Array &dx, const Array &dh0, const Array &dc0);
// bias: of the product with w, or null. gates (elements, 4 n): those after their nonlinearities, and the new one's product.
void gru_forward(const Array &x, const Array &h0, const Array &w, const Array *bias, const Sequences &s, const Array &h,
                 const Array &gates);
// inner: the gradient of the product with w.
void gru_backward(const Array &g_h, const Array &h, const Array &gates, const Array &h0, const Array &w,
                  const Sequences &s, const Array &dx, const Array &inner, const Array &dh0);
void rnn_forward(const Array &x, const Array &h0, const Array &w, const Sequences &s, bool relu, const Array &h);
void rnn_backward(const Array &g_h, const Array &h, const Array &w, const Sequences &s, bool relu, const Array &dx,
                  const Array &dh0);

}  // namespace retrograd
