"""retrograd and PyTorch side by side: `python -m benchmarks` prints every figure that the README quotes."""
