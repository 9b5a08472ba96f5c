// Optimizer steps over many parameters at once, in place, in one parallel pass.
#pragma once
#include <vector>

#include "array.h"
#include "factors.h"
#include "kernels.h"

namespace retrograd {

// One parameter and what goes with it: all of one shape and dtype (float32 or float64), in any layout; fastest where the
// layouts agree. Absent ones are null. A gradient may be given as its factors instead: param and state are then dense, in
// the order of the factors' product.
struct Gradient {
    const Array *array;
    const Factors *factors;
};
struct SgdTensors {
    const Array *param;
    Gradient grad;
    const Array *momentum;
};
struct AdamTensors {
    const Array *param;
    Gradient grad;
    const Array *average, *square, *largest;
};

struct RmspropTensors {
    const Array *param;
    Gradient grad;
    const Array *square, *mean, *momentum;
};
struct AdagradTensors {
    const Array *param;
    Gradient grad;
    const Array *sum;
};

void sgd_step(const std::vector<SgdTensors> &tensors, const SgdStep &step);
void adam_step(const std::vector<AdamTensors> &tensors, const AdamStep &step);
void rmsprop_step(const std::vector<RmspropTensors> &tensors, const RmspropStep &step);
void adagrad_step(const std::vector<AdagradTensors> &tensors, const AdagradStep &step);

}  // namespace retrograd
