"""Carries the results of one machine to another: whether its kernels compute what NumPy does here.

    RETROGRAD_KERNELS=numpy python tools/kernel_results.py save results.npz
    python tools/kernel_results.py compare results.npz     # there; exit status 1 where one differs

For machines that PyTorch, the tests' reference, isn't on, such as an AArch64 system in an emulator: only
NumPy and ml_dtypes need be there. Inputs come from a seed, so both sides see the same ones.
"""

import argparse
import sys

import numpy as np

import retrograd as torch
import retrograd.nn.functional as F

TOLERANCE = {np.dtype(np.float32): 1e-4, np.dtype(np.float64): 1e-11}  # of the largest element

# images, channels, side, channels out, kernel, stride, padding, dilation, groups
CONVOLUTIONS = [
    (2, 3, 17, 8, 7, 2, 3, 1, 1),
    (1, 16, 14, 32, 3, 1, 1, 1, 1),
    (2, 64, 28, 64, 3, 1, 1, 1, 1),
    (1, 64, 7, 128, 3, 2, 1, 1, 1),
    (2, 8, 9, 8, 3, 1, 1, 2, 4),
    (1, 33, 5, 17, 1, 1, 0, 1, 1),
    (1, 128, 2, 128, 3, 1, 1, 1, 1),
    (2, 12, 11, 12, 3, 1, 1, 1, 12),
    (2, 16, 11, 16, 5, 2, 2, 1, 16),
    (4, 64, 14, 96, 1, 2, 0, 1, 1),
]
ROWS = ("gelu", "silu", "relu", "tanh", "sigmoid", "hardswish", "softplus", "elu", "leaky_relu", "mish")
OPTIMIZERS = (
    *("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"),
    *("Adamax", "NAdam", "RAdam", "ASGD", "Rprop"),
)


class Results(dict):
    """name -> array of what was computed; draws inputs of one dtype."""

    def __init__(self):
        super().__init__()
        self.random = np.random.default_rng(0)
        self.dtype = np.dtype(np.float32)

    def draw(self, *shape):
        return torch.from_numpy(self.random.normal(0, 1, shape).astype(self.dtype)).requires_grad_()

    def keep(self, name, out, *inputs):
        """`out` and the gradients of the inputs, for a gradient of `out` that is drawn."""
        name = f"{name}, {self.dtype}"
        gradients = torch.autograd.grad(out, inputs, self.draw(*out.shape).detach())
        self[name] = out.detach().numpy()
        self.update((f"{name}, gradient {i}", g.numpy()) for i, g in enumerate(gradients))


def compute():
    """All results, of float32 and float64."""
    results = Results()
    for results.dtype in TOLERANCE:
        for family in (_convolutions, _layers, _products, _recurrent, _optimizers):
            family(results)
    return results


def _convolutions(results):
    draw, keep = results.draw, results.keep
    for images, channels, side, out, kernel, stride, padding, dilation, groups in CONVOLUTIONS:
        shape = f"{images}x{channels}x{side}x{side}"
        name = f"{shape} to {out}, kernel {kernel}, stride {stride}, groups {groups}"
        x, bias = draw(images, channels, side, side), draw(out)
        weight = draw(out, channels // groups, kernel, kernel)
        keep(f"conv2d {name}", F.conv2d(x, weight, bias, stride, padding, dilation, groups), x, weight, bias)
        if groups == 1:
            weight = draw(channels, out, kernel, kernel)
            transposed = F.conv_transpose2d(x, weight, bias, stride, padding)
            keep(f"conv_transpose2d {name}", transposed, x, weight, bias)
    x, weight = draw(2, 3, 6, 7, 5), draw(4, 3, 3, 3, 3)
    keep("conv3d", F.conv3d(x, weight, padding=1), x, weight)


def _layers(results):
    draw, keep = results.draw, results.keep
    for shape in ((4, 7, 5, 5), (2, 64, 9, 9), (8, 33)):
        x, weight, bias = draw(*shape), draw(shape[1]), draw(shape[1])
        out = F.batch_norm(x, None, None, weight, bias, True)
        keep(f"batch_norm and relu {shape}", F.relu(out), x, weight, bias)
    x = draw(2, 6, 12, 13)
    keep("max_pool2d", F.max_pool2d(x, 3, 2, 1), x)
    keep("avg_pool2d", F.avg_pool2d(x, 2), x)
    keep("adaptive_avg_pool2d", F.adaptive_avg_pool2d(x, 5), x)
    keep("group_norm", F.group_norm(x, 3), x)
    keep("interpolate", F.interpolate(x, scale_factor=2.0, mode="bilinear"), x)
    x, weight, bias = draw(6, 37), draw(37), draw(37)
    keep("layer_norm", F.layer_norm(x, (37,), weight, bias), x, weight, bias)
    keep("softmax", F.softmax(x, -1), x)
    keep("cross_entropy", F.cross_entropy(x, torch.arange(6)), x)
    for name in ROWS:
        keep(name, getattr(F, name)(x), x)
    keep("exp, erf, sin", torch.exp(x) + torch.erf(x) * torch.sin(x), x)
    keep("sums", x.sum(0) * x.mean(0) + x.var(0), x)
    keep("embedding", F.embedding(torch.arange(20) % 6, x), x)


def _products(results):
    draw, keep = results.draw, results.keep
    for rows, inner, out in ((1, 64, 100), (33, 70, 65), (128, 128, 128), (5, 1, 7), (200, 300, 260)):
        x, weight, bias = draw(rows, inner), draw(out, inner), draw(out)
        keep(f"linear {rows}x{inner} to {out}", F.linear(x, weight, bias), x, weight, bias)
    x, y = draw(3, 9, 20), draw(3, 20, 11)
    keep("bmm", torch.bmm(x, y), x, y)
    q, k, v = draw(2, 3, 19, 16), draw(2, 3, 19, 16), draw(2, 3, 19, 16)
    for causal in (False, True):
        out = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        keep(f"attention, causal {causal}", out, q, k, v)


def _recurrent(results):
    for cell in (torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN):
        layer = cell(5, 8, 2, bidirectional=True, dtype=torch.from_numpy(np.empty(0, results.dtype)).dtype)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(results.draw(*parameter.shape) / 3)
        x = results.draw(6, 3, 5)
        results.keep(cell.__name__, layer(x)[0], x, *layer.parameters())


def _optimizers(results):
    for name in OPTIMIZERS:
        parameters = [results.draw(33, 7), results.draw(129)]
        more = {"momentum": 0.9} if name == "SGD" else {}
        optimizer = getattr(torch.optim, name)(parameters, lr=1e-2, **more)
        for _ in range(4):
            for parameter in parameters:
                parameter.grad = results.draw(*parameter.shape).detach()
            optimizer.step()
        for i, parameter in enumerate(parameters):
            results[f"{name}, {results.dtype}, parameter {i}"] = parameter.detach().numpy()


def differing(results, expected):
    """Lines that say which results differ, and by how much of the largest element."""
    lines = [f"{name}: only on one side" for name in results.keys() ^ set(expected)]
    for name in sorted(results.keys() & set(expected)):
        a, b = results[name], expected[name]
        error = np.abs(a - b).max() / max(np.abs(b).max(), 1e-30)
        if not error <= TOLERANCE[b.dtype]:
            lines.append(f"{name}: differs by {error:.1e}")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("do", choices=("save", "compare"))
    parser.add_argument("file", help="the results, a .npz")
    options = parser.parse_args()
    results = compute()
    print(torch.kernels.describe())
    if options.do == "save":
        np.savez(options.file, **results)
        print(f"{len(results)} results saved")
        return 0
    with np.load(options.file) as expected:
        lines = differing(results, expected)
    print("\n".join([*lines, f"{len(results)} results, {len(lines)} differ"]))
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
