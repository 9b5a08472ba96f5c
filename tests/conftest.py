"""For all tests: PyTorch on one thread, and the helpers of this folder first among modules of their names."""

import torch

import oracle

torch.set_num_threads(1)
assert oracle.__file__.startswith(__file__.rpartition("/")[0]), "another module named oracle is in the way"
