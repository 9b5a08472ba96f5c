// Convolutions whose output has few pixels: limited by reading or writing the weights, not by arithmetic.
#pragma once
#include "conv.h"
#include "images.h"

#include <vector>

namespace retrograd {

// Whether there are so few that each weight's row is best read, or written, once.
bool few_pixels(const ConvSizes &s);

// x, y: images of all channels; weights as OHWI.
template <class T>
void few_forward(const Images<const T> &x, const T *weights, const T *bias, const Images<T> &y, const ConvGeometry &g,
                 const ConvSizes &s);
template <class T>
void few_weight_gradient(const Images<const T> &x, const Images<const T> &gy, T *gw, const ConvGeometry &g,
                         const ConvSizes &s);


// For each tap, the output pixels that see it, and where in the source each reads.
struct FewPairs {
    std::vector<int64_t> start, pixel, source;
    FewTaps taps;

    template <class T> FewPairs(const Images<const T> &x, const ConvGeometry &g, const ConvSizes &s);
    FewPairs(const FewPairs &) = delete;
    FewPairs &operator=(const FewPairs &) = delete;
};

}  // namespace retrograd
