// Optimizers' rules, alone and together with gradients of few rows; operations on lists. See kernel_parts.h.
#include "kernel_parts.h"

#include "each.h"
#include "few.h"
#include "updates.h"

namespace retrograd::RETROGRAD_ISA {

template <class T> void fill_updates(TypedKernels<T> &k) {
    k.few_updates[static_cast<int>(Rule::sgd)] = few_update<T, Sgd, SgdStep>;
    k.few_updates[static_cast<int>(Rule::adam)] = few_update<T, Adam, AdamStep>;
#define X(name, type)                                                    \
    k.updates[static_cast<int>(Rule::name)] = update<T, type, type##Step>; \
    k.least_states[static_cast<int>(Rule::name)] = type<T>::least;         \
    k.most_states[static_cast<int>(Rule::name)] = type<T>::most;
    RETROGRAD_RULES(X)
#undef X
    k.each = each<T>;
    k.fold = fold<T>;
}

template void fill_updates(TypedKernels<float> &k);
template void fill_updates(TypedKernels<double> &k);

}  // namespace retrograd::RETROGRAD_ISA
