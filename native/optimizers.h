// Optimizers as Python sees them: their parameters gathered, and moved by a rule in one pass.
#pragma once
#include <nanobind/nanobind.h>

namespace retrograd {

void bind_optimizers(nanobind::module_ &m);

}  // namespace retrograd
