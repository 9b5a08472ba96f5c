// Convolutions of 3x3 kernels with stride 1 by Winograd's F(4x4, 3x3): 2.25 to 4 times fewer products, some more rounding.
#pragma once
#include "conv.h"
#include "conv_blocks.h"
#include "images.h"

namespace retrograd {

// Whether it is the faster way, by a count of operations, for float32 `in` channels to `out` channels of OH x OW pixels.
// Never if set_winograd(false) was said, or RETROGRAD_WINOGRAD=0.
bool winograd_pays(int64_t N, int64_t in, int64_t out, int64_t OH, int64_t OW, int64_t KH, int64_t KW,
                   const ConvGeometry &g);
void set_winograd(bool allowed);
bool get_winograd();

struct WinogradSizes {
    int64_t N, C, O;          // C channels in, O out
    int64_t H, W, OH, OW;     // of the source and of the target
    int64_t padding_h, padding_w;
};

// target = source convolved with weights (O, 3, 3, C), or, `backward`, with (C, 3, 3, O) turned and transposed: the
// gradient for the input, where source is the gradient of the output.
void winograd_convolve(const Images<const float> &source, const Images<float> &target, const float *weights,
                       bool backward, const float *bias, const WinogradSizes &s);

// The weight's gradient (O, 3, 3, C) from x (C channels) and gy (O channels), in blocks where winograd_in_blocks() says
// that they are few enough to be transformed all at once.
bool winograd_in_blocks(const WinogradSizes &s);
std::unique_ptr<WeightBlocks<float>> winograd_blocks(const Images<const float> &x, const Images<const float> &gy,
                                                     const WinogradSizes &s);
void winograd_weights_gradient(const Images<const float> &x, const Images<const float> &gy, float *gw,
                               const WinogradSizes &s);

}  // namespace retrograd
