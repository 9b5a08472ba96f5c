"""Private modules of vmap, under PyTorch's names: those of their names that other people's code reads."""
