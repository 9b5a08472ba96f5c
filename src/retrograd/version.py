"""`torch.version`: what programs ask about how PyTorch was built."""

__all__ = ["__version__", "cuda", "debug", "git_version", "hip", "xpu"]

# The release of PyTorch whose interface this is; a script that is run finds it as torch.__version__ too.
__version__ = "2.13.0"
cuda = hip = xpu = None
debug = False
git_version = "unknown"
