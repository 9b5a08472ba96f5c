// The gradient of a large weight that few pixels made, kept as the two factors that it is the product of: it is then
// multiplied out where it is used, in the caches, and need not be written to memory and read again.
#pragma once
#include "conv_few.h"

namespace retrograd {

class Factors {
  public:
    // Whether the product is so much larger than its factors that keeping them pays, and set_factors allows it.
    static bool pays(const ConvSizes &s, const ConvGeometry &g);

    // The weight's gradient of a convolution. gy and x are copied: later writes to them don't reach it.
    Factors(const Array &gy, const Array &x, const ConvSizes &s, const ConvGeometry &g);

    char type() const { return type_; }
    int64_t rows() const { return sizes_.O; }
    int64_t row() const { return sizes_.KH * sizes_.KW * sizes_.I; }  // elements: kernel row and column, input channel

    // Rows of the product from `first` on, at most few_rows of the kernels: the bits that conv2d_weight_gradient writes.
    template <class T> void multiply(int64_t first, int count, T *gw) const;
    void multiply_all(void *gw) const;
    // The same rows of the weight and its state, moved by a step with that gradient.
    template <class T> void step(int64_t first, int count, const SgdStep &s, T *const (&at)[2]) const;
    template <class T> void step(int64_t first, int count, const AdamStep &s, T *const (&at)[4]) const;

  private:
    const char type_;
    const ConvSizes sizes_;
    Scratch<char> x_, gy_;  // (N, H, W, C), with gaps, and (pixel, O)
    const FewPairs pairs_;

    template <class T> const T *x() const { return reinterpret_cast<const T *>(x_.get()); }
    template <class T> void scales(int64_t first, int count, T *to) const;
    template <class T> Images<const T> keep(const Array &gy, const Array &x);
    FewPairs pair(const Array &gy, const Array &x, const ConvGeometry &g);
};

void set_factors(bool allowed);  // RETROGRAD_FACTORS=0: not allowed to begin with
bool get_factors();

}  // namespace retrograd
