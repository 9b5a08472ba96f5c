// Flat runs, rows of softmax, layer norm and attention, random numbers. See kernel_parts.h.
#include "kernel_parts.h"

#include "activations.h"
#include "curves.h"
#include "loops.h"
#include "random_loops.h"
#include "row_loops.h"

namespace retrograd::RETROGRAD_ISA {

template <class T> void fill_rows(TypedKernels<T> &k) {
    k.add_runs = add_runs<T>;
    k.transpose = transpose<T>;
    k.relu = relu<T>;
    k.relu_gradient = relu_gradient<T>;
    k.binary = binary<T>;
    k.masked = masked<T>;
    k.select = select<T>;
    k.erf = erf<T>;
    k.gelu = gelu<T>;
    k.sigmoid = sigmoid<T>;
    k.silu = silu<T>;
    k.activation = activation<T>;
    k.sum = sum<T>;
    k.extreme = extreme<T>;
    k.extreme_rows = extreme_rows<T>;
    k.first_of = first_of<T>;
    k.gelu_slope = gelu_slope<T>;
    k.add_scaled = add_scaled<T>;
    k.layer_norm = layer_norm<T>;
    k.layer_norm_gradient = layer_norm_gradient<T>;
    k.softmax = softmax<T>;
    k.softmax_gradient = softmax_gradient<T>;
    k.attention_weights = attention_weights<T>;
    k.attention_slopes = attention_slopes<T>;
    k.add_all_rows = add_all_rows<T>;
    k.fractions = fractions;
    k.scale_and_shift = scale_and_shift<T>;
    k.below = below<T>;
}

template void fill_rows(TypedKernels<float> &k);
template void fill_rows(TypedKernels<double> &k);

}  // namespace retrograd::RETROGRAD_ISA
