"""Reading and writing checkpoints: PyTorch's zip and stream formats, and safetensors.

Files come from strangers, so nothing here executes what a file says: `opcodes` interprets a pickle stream and
asks a policy for everything that has a name; `allowed` is the policy that knows tensors and plain containers
only.
"""
