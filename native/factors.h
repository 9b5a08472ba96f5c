// The gradient of a large weight, kept as the two factors that it is the product of while these are much smaller: it is
// then multiplied out where it is used, in the caches, and need not be written to memory and read again.
#pragma once
#include "conv_blocks.h"
#include "conv_few.h"

#include <optional>

namespace retrograd {

class Factors {
  public:
    // Whether the product is so much larger than its factors that keeping them pays, and set_factors allows it.
    static bool pays(const ConvSizes &s, const ConvGeometry &g, char type);

    // The weight's gradient of a convolution. gy and x are copied: later writes to them don't reach it.
    Factors(const Array &gy, const Array &x, const ConvSizes &s, const ConvGeometry &g);

    char type() const { return type_; }
    int64_t rows() const { return sizes_.O; }
    int64_t row() const { return sizes_.KH * sizes_.KW * sizes_.I; }  // elements: kernel row and column, input channel

    // Whether the kernels for few pixels make it: of their rows, at most few_rows from `first` on, the bits that
    // conv2d_weight_gradient writes; and the same rows of the weight and its state, moved by a step with that gradient.
    bool few() const { return pairs_.has_value(); }
    template <class T> void multiply(int64_t first, int count, T *gw) const;
    static bool steps(Rule rule) { return rule == Rule::sgd || rule == Rule::adam; }  // the rules that do the latter
    template <class T>
    void step(int64_t first, int count, Rule rule, const void *constants, int states, T *const *at) const;

    // Otherwise these do. It must outlive them.
    template <class T> std::unique_ptr<WeightBlocks<T>> blocks() const;

    void multiply_all(void *gw) const;

  private:
    const char type_;
    const ConvSizes sizes_;
    const ConvGeometry geometry_;
    const bool winograd_;
    Scratch<char> x_, gy_;  // (N, H, W, C) and (N, OH, OW, O), with gaps
    std::optional<FewPairs> pairs_;

    int64_t pitch(int64_t channels) const;
    template <class T> Images<const T> x() const;
    template <class T> Images<const T> gy() const;
    template <class T> void keep(const Array &gy, const Array &x);
    template <class T> void scales(int64_t first, int count, T *to) const;
    template <class T> void write(T *gw) const;
};

void set_factors(bool allowed);  // RETROGRAD_FACTORS=0: not allowed to begin with
bool get_factors();

}  // namespace retrograd
