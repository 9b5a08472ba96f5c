// softmax(query key^T scale + mask) value without its matrix of weights ever being whole in memory.
#pragma once
#include "array.h"

namespace retrograd {

// query (B, H, L, E), key (B, H, S, E), value (B, H, S, V), mask (B, H, L, S) or null; in any layout, expanded ones too.
// causal: query i sees keys up to i. Queries that see nothing give zeros.
struct Attention {
    const Array *query, *key, *value, *mask;
    bool causal;
    double scale;
};

// out (B, H, L, V): its last dimension is contiguous, the others are laid out in any way.
void attention(const Attention &a, const Array &out);

// The gradients of query, key and value, for the gradient g of out; laid out like out above.
void attention_gradient(const Attention &a, const Array &g, const Array &g_query, const Array &g_key,
                        const Array &g_value);

}  // namespace retrograd
