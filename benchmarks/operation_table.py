"""The operations that operations.py measures: functions of a library's namespace and tensors, and these.

Most are there at three sizes: one number, (32, 32), and a million elements. What takes long at a million by
its nature is measured at fewer.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Numbers:
    """An input: floats of a shape, with a gradient unless `constant`; or indices below `limit`; or a mask."""

    shape: tuple
    constant: bool = False
    limit: int = 0
    mask: bool = False
    positive: bool = False
    dtype: type = np.float32

    @property
    def has_gradient(self):
        return not (self.constant or self.limit or self.mask)

    def make(self, library, seed):
        random = np.random.default_rng(seed)
        if self.limit:
            return library.array(random.integers(0, self.limit, self.shape))
        values = random.normal(0, 1, self.shape)
        if self.mask:
            return library.array(np.asarray(values > 0))
        values = np.abs(values) + 0.5 if self.positive else values
        tensor = library.array(np.asarray(values, self.dtype))
        return tensor if self.constant else tensor.requires_grad_()


SQUARE, LARGE = (32, 32), (1000, 1000)
SINGLE, DOUBLE = np.float32, np.float64


def elementwise(shape, dtype=SINGLE):
    """What works on elements alone, at any shape: {name: (function, *inputs)}."""
    x, c, p = (Numbers(shape, dtype=dtype, **o) for o in ({}, {"constant": True}, {"positive": True}))
    m = Numbers(shape, mask=True)
    return {
        "x + y": (lambda t, x, y: x + y, x, x),
        "x + 1": (lambda t, x: x + 1, x),
        "1 - x": (lambda t, x: 1 - x, x),
        "x - y": (lambda t, x, y: x - y, x, x),
        "x * y": (lambda t, x, y: x * y, x, x),
        "x * 0.5": (lambda t, x: x * 0.5, x),
        "x / y": (lambda t, x, y: x / y, x, p),
        "x / 2": (lambda t, x: x / 2, x),
        "1 / x": (lambda t, x: 1 / x, p),
        "-x": (lambda t, x: -x, x),
        "x ** 2": (lambda t, x: x**2, x),
        "x ** 0.5": (lambda t, x: x**0.5, p),
        "x ** y": (lambda t, x, y: x**y, p, c),
        "torch.add": (lambda t, x, y: t.add(x, y), x, x),
        "add(alpha)": (lambda t, x, y: t.add(x, y, alpha=0.5), x, x),
        "addcmul": (lambda t, x, y, z: t.addcmul(x, y, z, value=0.5), x, x, x),
        "lerp": (lambda t, x, y: t.lerp(x, y, 0.3), x, x),
        "exp": (lambda t, x: t.exp(x), x),
        "log": (lambda t, x: t.log(x), p),
        "log1p": (lambda t, x: t.log1p(x), p),
        "sqrt": (lambda t, x: t.sqrt(x), p),
        "rsqrt": (lambda t, x: t.rsqrt(x), p),
        "abs": (lambda t, x: x.abs(), x),
        "sign": (lambda t, x: x.sign(), c),
        "floor": (lambda t, x: x.floor(), c),
        "round": (lambda t, x: x.round(), c),
        "sin": (lambda t, x: t.sin(x), x),
        "cos": (lambda t, x: t.cos(x), x),
        "tanh": (lambda t, x: t.tanh(x), x),
        "sigmoid": (lambda t, x: t.sigmoid(x), x),
        "silu": (lambda t, x: t.nn.functional.silu(x), x),
        "relu": (lambda t, x: t.relu(x), x),
        "softplus": (lambda t, x: t.nn.functional.softplus(x), x),
        "leaky_relu": (lambda t, x: t.nn.functional.leaky_relu(x), x),
        "elu": (lambda t, x: t.nn.functional.elu(x), x),
        "erf": (lambda t, x: t.erf(x), x),
        "gelu": (lambda t, x: t.nn.functional.gelu(x), x),
        "clamp": (lambda t, x: x.clamp(-1, 1), x),
        "clamp(min)": (lambda t, x: x.clamp(min=0.1), x),
        "maximum": (lambda t, x, y: t.maximum(x, y), x, x),
        "minimum(constant)": (lambda t, x, y: t.minimum(x, y), c, c),
        "where": (lambda t, x, y, m: t.where(m, x, y), x, x, m),
        "where(number)": (lambda t, x, m: t.where(m, x, 0.0), x, m),
        "masked_fill": (lambda t, x, m: x.masked_fill(m, 0.0), x, m),
        "x > y": (lambda t, x, y: x > y, c, c),
        "x > 0": (lambda t, x: x > 0, c),
        "x == y": (lambda t, x, y: x == y, c, c),
        "isnan": (lambda t, x: x.isnan(), c),
        "isfinite": (lambda t, x: t.isfinite(x), c),
        "~mask": (lambda t, m: ~m, m),
        "mask & mask": (lambda t, m, n: m & n, m, m),
        "clone": (lambda t, x: x.clone(), x),
        "float()": (lambda t, x: x.float(), Numbers(shape, constant=True, dtype=DOUBLE)),
        "double()": (lambda t, x: x.double(), Numbers(shape, constant=True)),
        "to(other float)": (lambda t, x: x.to(t.float64 if x.dtype == t.float32 else t.float32), x),
        "mask.float()": (lambda t, m: m.float(), m),
        "int64.float()": (lambda t, i: i.float(), Numbers(shape, limit=1000)),
        "long()": (lambda t, x: x.long(), c),
        "bool()": (lambda t, x: x.bool(), c),
        "int64 + int64": (lambda t, i, j: i + j, Numbers(shape, limit=100), Numbers(shape, limit=100)),
        "int64 * 3": (lambda t, i: i * 3, Numbers(shape, limit=100)),
        "int64 == int64": (lambda t, i, j: i == j, Numbers(shape, limit=3), Numbers(shape, limit=3)),
        "sum": (lambda t, x: x.sum(), x),
        "mean": (lambda t, x: x.mean(), x),
        "max": (lambda t, x: x.max(), x),
        "any": (lambda t, m: m.any(), m),
        "all": (lambda t, m: m.all(), m),
        "mask.sum": (lambda t, m: m.sum(), m),
        "mse_loss": (lambda t, x, y: t.nn.functional.mse_loss(x, y), x, c),
        "l1_loss": (lambda t, x, y: t.nn.functional.l1_loss(x, y), x, c),
        "smooth_l1_loss": (lambda t, x, y: t.nn.functional.smooth_l1_loss(x, y), x, c),
        "bce_with_logits": (lambda t, x, y: t.nn.functional.binary_cross_entropy_with_logits(x, y), x, c),
        "zeros_like": (lambda t, x: t.zeros_like(x), c),
        "ones_like": (lambda t, x: t.ones_like(x), c),
        "full_like": (lambda t, x: t.full_like(x, 0.5), c),
        "empty_like": (lambda t, x: t.empty_like(x).shape[-1] if x.ndim else 0, c),
        "zeros": (lambda t: t.zeros(shape),),
        "ones": (lambda t: t.ones(shape),),
        "full": (lambda t: t.full(shape, 2.0),),
        "rand": (lambda t: t.rand(shape),),
        "randn": (lambda t: t.randn(shape),),
        "dropout": (lambda t, x: t.nn.functional.dropout(x, 0.5), x),
        "x.add_(y)": (lambda t, x, y: x.add_(y, alpha=1e-9), c, c),
        "x.mul_(1)": (lambda t, x: x.mul_(1.0), c),
        "x.zero_": (lambda t, x: x.zero_(), c),
        "x.copy_(y)": (lambda t, x, y: x.copy_(y), c, c),
        "a short chain": (lambda t, x, y: ((x * y + x).tanh() - y).exp() * 0.5, x, x),
    }  # fmt: skip


def matrices(shape):
    """What works along the axes of a matrix."""
    rows, columns = shape
    x, c, m = Numbers(shape), Numbers(shape, constant=True), Numbers(shape, mask=True)
    row, column = Numbers((columns,)), Numbers((rows, 1))
    some_rows, some_columns = Numbers((rows,), limit=rows), Numbers((rows,), limit=columns)
    along = Numbers((rows, columns // 4), limit=columns)
    return {
        "x + row": (lambda t, x, y: x + y, x, row),
        "x + column": (lambda t, x, y: x + y, x, column),
        "x * row": (lambda t, x, y: x * y, x, row),
        "x * column": (lambda t, x, y: x * y, x, column),
        "x - column": (lambda t, x, y: x - y, x, column),
        "x / column": (lambda t, x, y: x / y, x, Numbers((rows, 1), positive=True)),
        "row - x": (lambda t, x, y: y - x, x, row),
        "column + row": (lambda t, x, y: x + y, column, row),
        "column * row": (lambda t, x, y: x * y, column, row),
        "x > row": (lambda t, x, y: x > y, c, Numbers((columns,), constant=True)),
        "column == row": (
            lambda t, x, y: x == y, Numbers((rows, 1), limit=5), Numbers((columns,), limit=5)
        ),
        "x + mean(dim)": (lambda t, x: x - x.mean(1, keepdim=True), x),
        "masked_fill(row)": (lambda t, x, m: x.masked_fill(m, -1e9), x, Numbers((columns,), mask=True)),
        "where(row)": (lambda t, x, y, m: t.where(m, x, y), x, row, m),
        "x.T + y": (lambda t, x, y: x.t() + y, x, Numbers((columns, rows))),
        "x[:, ::2] + y[:, ::2]": (lambda t, x, y: x[:, ::2] + y[:, ::2], x, x),
        "sum(0)": (lambda t, x: x.sum(0), x),
        "sum(1)": (lambda t, x: x.sum(1), x),
        "sum(1, keepdim)": (lambda t, x: x.sum(1, keepdim=True), x),
        "sum((0, 1))": (lambda t, x: x.sum((0, 1)), x),
        "mean(0)": (lambda t, x: x.mean(0), x),
        "mean(1, keepdim)": (lambda t, x: x.mean(dim=1, keepdim=True), x),
        "amax(0)": (lambda t, x: x.amax(0), x),
        "amax(1)": (lambda t, x: x.amax(1), x),
        "max(dim)": (lambda t, x: x.max(1)[0], x),
        "max(0)": (lambda t, x: x.max(0)[0], x),
        "max(dim), both": (lambda t, x: x.max(1)[1], c),
        "min(dim)": (lambda t, x: x.min(dim=-1)[0], c),
        "argmax": (lambda t, x: x.argmax(1), c),
        "argmax(0)": (lambda t, x: x.argmax(0), c),
        "argmax()": (lambda t, x: x.argmax(), c),
        "argmin": (lambda t, x: x.argmin(dim=-1), c),
        "any(1)": (lambda t, m: m.any(1), m),
        "all(1)": (lambda t, m: m.all(1), m),
        "any(0)": (lambda t, m: m.any(0), m),
        "mask.sum(1)": (lambda t, m: m.sum(1), m),
        "var": (lambda t, x: x.var(), x),
        "var(0)": (lambda t, x: x.var(0), x),
        "var(1)": (lambda t, x: x.var(dim=1), x),
        "std": (lambda t, x: x.std(), x),
        "std(1)": (lambda t, x: x.std(1, keepdim=True), x),
        "norm": (lambda t, x: x.norm(), x),
        "norm(1)": (lambda t, x: x.norm(dim=1), x),
        "linalg.norm": (lambda t, x: t.linalg.norm(x, dim=-1), x),
        "normalize": (lambda t, x: t.nn.functional.normalize(x, dim=1), x),
        "cosine_similarity": (lambda t, x, y: t.nn.functional.cosine_similarity(x, y), x, x),
        "logsumexp": (lambda t, x: x.logsumexp(1), x),
        "cumsum": (lambda t, x: x.cumsum(1), x),
        "cumsum(0)": (lambda t, x: x.cumsum(0), x),
        "cumprod": (lambda t, x: x.cumprod(1), c),
        "prod(1)": (lambda t, x: x.prod(1), c),
        "sort": (lambda t, x: x.sort(1)[0], x),
        "argsort": (lambda t, x: x.argsort(1), c),
        "topk": (lambda t, x: x.topk(5, 1)[0], x),
        "softmax": (lambda t, x: t.softmax(x, 1), x),
        "softmax(0)": (lambda t, x: t.softmax(x, 0), x),
        "log_softmax": (lambda t, x: t.log_softmax(x, 1), x),
        "cross_entropy": (lambda t, x, i: t.nn.functional.cross_entropy(x, i), x, some_columns),
        "nll_loss": (lambda t, x, i: t.nn.functional.nll_loss(x, i), x, some_columns),
        "kl_div": (lambda t, x, y: t.nn.functional.kl_div(x, y.abs(), reduction="batchmean"), x, c),
        "layer_norm": (lambda t, x, w, b: t.nn.functional.layer_norm(x, (columns,), w, b), x, row, row),
        "cat": (lambda t, x, y: t.cat([x, y], 1), x, x),
        "cat(0)": (lambda t, x, y: t.cat([x, y]), x, x),
        "stack": (lambda t, x, y: t.stack([x, y]), x, x),
        "stack(-1)": (lambda t, x, y: t.stack([x, y], -1), x, x),
        "split": (lambda t, x: x.split(columns // 2, 1)[0], x),
        "split, add": (lambda t, x: (lambda a, b: a + b)(*x.split(columns // 2, 1)), x),
        "chunk": (lambda t, x: x.chunk(2, 1)[0], x),
        "chunk, mul": (lambda t, x: (lambda a, b: a * b)(*x.chunk(2, 1)), x),
        "unbind": (lambda t, x: x.unbind(0)[1], x),
        "x[3]": (lambda t, x: x[3], x),
        "x[3, 4]": (lambda t, x: x[3, 4], x),
        "x[-1]": (lambda t, x: x[-1], x),
        "x[:, 4:8]": (lambda t, x: x[:, 4:8], x),
        "x[:, 1:]": (lambda t, x: x[:, 1:], x),
        "x[:, -1]": (lambda t, x: x[:, -1], x),
        "x[..., 0]": (lambda t, x: x[..., 0], x),
        "x[::2]": (lambda t, x: x[::2], x),
        "x[:, None]": (lambda t, x: x[:, None], x),
        "x[rows]": (lambda t, x, i: x[i], x, some_rows),
        "x[:, rows]": (lambda t, x, i: x[:, i], x, some_columns),
        "x[mask]": (lambda t, x, m: x[m], x, m),
        "x[row mask]": (lambda t, x, m: x[m], x, Numbers((rows,), mask=True)),
        "x[range, rows]": (lambda t, x, i, j: x[i, j], x, some_rows, some_columns),
        "x[rows] = 0": (lambda t, x, i: _assigned(x, i, 0.0), c, some_rows),
        "x[1:3] = 0": (lambda t, x: _assigned(x, slice(1, 3), 0.0), c),
        "x[mask] = 0": (lambda t, x, m: _assigned(x, m, 0.0), c, m),
        "x[:, 0] = y": (
            lambda t, x, y: _assigned(x, (slice(None), 0), y), c, Numbers((rows,), constant=True)
        ),
        "gather": (lambda t, x, i: x.gather(1, i), x, along),
        "gather(column)": (lambda t, x, i: x.gather(1, i), x, Numbers((rows, 1), limit=columns)),
        "take_along_dim": (lambda t, x, i: t.take_along_dim(x, i, 1), x, along),
        "index_select": (lambda t, x, i: x.index_select(0, i), x, some_rows),
        "index_select(1)": (lambda t, x, i: x.index_select(1, i), x, some_columns),
        "index_add": (lambda t, x, i, y: x.index_add(0, i, y), x, some_rows, x),
        "scatter_add": (
            lambda t, x, i, y: x.scatter_add(1, i, y), x, along, Numbers((rows, columns // 4))
        ),
        "scatter": (lambda t, x, i: x.scatter(1, i, 1.0), x, Numbers((rows, 1), limit=columns)),
        "embedding": (lambda t, w, i: t.nn.functional.embedding(i, w), x, some_rows),
        "one_hot": (lambda t, i: t.nn.functional.one_hot(i, columns), some_columns),
        "nonzero": (lambda t, m: m.nonzero(), m),
        "view": (lambda t, x: x.view(-1), x),
        "reshape": (lambda t, x: x.reshape(columns // 2, rows * 2), x),
        "transpose": (lambda t, x: x.transpose(0, 1), x),
        "x.T": (lambda t, x: x.T, x),
        "unsqueeze": (lambda t, x: x.unsqueeze(1), x),
        "squeeze": (lambda t, x: x.squeeze(), x),
        "expand": (lambda t, x: x[:1].expand(rows, columns), x),
        "narrow": (lambda t, x: x.narrow(1, 2, 5), x),
        "contiguous": (lambda t, x: x.t().contiguous(), x),
        "permute, reshape": (
            lambda t, x: x.view(rows // 2, 2, columns).permute(1, 0, 2).reshape(rows, columns), x
        ),
        "heads": (lambda t, x: x.view(rows, 4, columns // 4).transpose(0, 1).contiguous(), x),
        "repeat": (lambda t, x: x.repeat(2, 1), x),
        "repeat_interleave": (lambda t, x: x.repeat_interleave(2, 0), x),
        "tril": (lambda t, x: x.tril(), x),
        "triu(1)": (lambda t, x: t.triu(x, 1), x),
        "flip": (lambda t, x: x.flip(1), x),
        "flip(0)": (lambda t, x: x.flip(0), x),
        "roll": (lambda t, x: x.roll(1, 0), x),
        "roll(1)": (lambda t, x: t.roll(x, 2, 1), x),
        "pad": (lambda t, x: t.nn.functional.pad(x, (1, 1, 1, 1)), x),
        "diagonal": (lambda t, x: x.diagonal(), x),
        "trace": (lambda t, x: x.trace(), x),
        "outer": (lambda t, x, y: t.outer(x, y), row, row),
        "detach": (lambda t, x: x.detach(), c),
        "requires_grad_": (lambda t, x: x.detach().requires_grad_(), c),
        "numpy": (lambda t, x: x.numpy(), c),
        "from_numpy": (lambda t, x: t.from_numpy(x.numpy()), c),
        "tensor(array)": (lambda t, x: t.tensor(x.numpy()), c),
        "as_tensor": (lambda t, x: t.as_tensor(x.numpy(), dtype=t.float32), c),
        "autograd.grad": (lambda t, x: t.autograd.grad((x * x).sum(), x)[0], x),
        "backward of a chain": (lambda t, x: _backward(((x * 2).relu() + x).mean(), x), x),
        "func.grad": (lambda t, x: t.func.grad(lambda v: (v * v).sum())(x), c),
        "func.vmap": (lambda t, x: t.func.vmap(lambda v: (v * v).sum())(x), c),
        "allclose": (lambda t, x, y: float(t.allclose(x, y)), c, c),
        "equal": (lambda t, x: float(t.equal(x, x)), c),
        "accuracy": (lambda t, x, i: (x.argmax(1) == i).float().mean(), c, some_columns),
    }  # fmt: skip


def _assigned(x, where, value):
    x[where] = value
    return x


def _backward(loss, x):
    loss.backward()
    g, x.grad = x.grad, None
    return g


def small():
    """What is measured small only: creation, layers, images, what gives no tensor."""
    b3 = Numbers((4, 16, 16))
    heads = [Numbers((2, 2, 16, 16))] * 3
    image, kernel = Numbers((2, 8, 8, 8)), Numbers((8, 8, 3, 3))
    x, one = Numbers(SQUARE), Numbers((), constant=True)
    return {
        "x @ y": (lambda t, x, y: x @ y, x, x),
        "x @ y.T": (lambda t, x, y: x @ y.T, x, x),
        "x @ vector": (lambda t, x, y: x @ y, x, Numbers((32,))),
        "bmm": (lambda t, x, y: t.bmm(x, y), b3, b3),
        "einsum": (lambda t, x, y: t.einsum("bij,bjk->bik", x, y), b3, b3),
        "einsum(ij,kj)": (lambda t, x, y: t.einsum("ij,kj->ik", x, y), x, x),
        "einsum(bhqd,bhkd)": (lambda t, q, k: t.einsum("bhqd,bhkd->bhqk", q, k), *heads[:2]),
        "einsum(ij->j)": (lambda t, x: t.einsum("ij->j", x), x),
        "linear": (lambda t, x, w, b: t.nn.functional.linear(x, w, b), x, x, Numbers((32,))),
        "addmm": (lambda t, b, x, y: t.addmm(b, x, y), Numbers((32,)), x, x),
        "permute": (lambda t, x: x.permute(0, 2, 1), b3),
        "flatten": (lambda t, x: x.flatten(1), b3),
        "item": (lambda t, x: x.item(), one),
        "float(x)": (lambda t, x: float(x), one),
        "tolist": (lambda t, x: float(len(x.tolist())), Numbers((32,), constant=True)),
        "arange": (lambda t: t.arange(32)),
        "linspace": (lambda t: t.linspace(0, 1, 32)),
        "eye": (lambda t: t.eye(8)),
        "randint": (lambda t: t.randint(0, 10, (32,)) * 0),
        "randperm": (lambda t: t.randperm(32)),
        "tensor": (lambda t: t.tensor([1.0, 2.0, 3.0])),
        "tensor(number)": (lambda t: t.tensor(1.0)),
        "tensor(nested)": (lambda t: t.tensor([[1.0, 2.0], [3.0, 4.0]])),
        "unique": (lambda t, i: t.unique(i), Numbers((32,), limit=10)),
        "bincount": (lambda t, i: t.bincount(i, minlength=10), Numbers((32,), limit=10)),
        "multinomial": (lambda t, p: t.multinomial(p, 1) * 0, Numbers((4, 32), constant=True, positive=True)),
        "group_norm": (lambda t, x: t.nn.functional.group_norm(x, 2), image),
        "batch_norm": (lambda t, x: t.nn.functional.batch_norm(x, None, None, training=True), image),
        "conv1d": (
            lambda t, x, w: t.nn.functional.conv1d(x, w, padding=1), Numbers((2, 8, 16)), Numbers((8, 8, 3))
        ),
        "conv2d": (lambda t, x, w: t.nn.functional.conv2d(x, w, padding=1), image, kernel),
        "max_pool2d": (lambda t, x: t.nn.functional.max_pool2d(x, 2), image),
        "avg_pool2d": (lambda t, x: t.nn.functional.avg_pool2d(x, 2), image),
        "adaptive_avg_pool2d": (lambda t, x: t.nn.functional.adaptive_avg_pool2d(x, 1), image),
        "interpolate": (lambda t, x: t.nn.functional.interpolate(x, scale_factor=2), image),
        "interpolate(bilinear)": (
            lambda t, x: t.nn.functional.interpolate(x, scale_factor=2, mode="bilinear"), image
        ),
        "pixel_shuffle": (lambda t, x: t.nn.functional.pixel_shuffle(x, 2), image),
        "pad(image)": (lambda t, x: t.nn.functional.pad(x, (1, 1, 1, 1)), image),
        "attention": (
            lambda t, q, k, v: t.nn.functional.scaled_dot_product_attention(q, k, v), *heads
        ),
    }  # fmt: skip


def middle():
    """What is measured at sizes between."""
    image = Numbers((8, 16, 64, 64))
    b3 = Numbers((16, 64, 64))
    return {
        "x @ y": (lambda t, x, y: x @ y, Numbers((256, 256)), Numbers((256, 256))),
        "bmm": (lambda t, x, y: t.bmm(x, y), b3, b3),
        "einsum": (lambda t, x, y: t.einsum("bij,bjk->bik", x, y), b3, b3),
        "unique": (lambda t, i: t.unique(i), Numbers((10000,), limit=100)),
        "bincount": (lambda t, i: t.bincount(i), Numbers((10000,), limit=100)),
        "arange": (lambda t: t.arange(100000)),
        "randperm": (lambda t: t.randperm(10000)),
        "tolist": (lambda t, x: float(len(x.tolist())), Numbers((10000,), constant=True)),
        "tensor(list)": (lambda t, values=[0.5] * 1000: t.tensor(values)),
        "interpolate": (lambda t, x: t.nn.functional.interpolate(x, scale_factor=2), image),
        "interpolate(bilinear)": (
            lambda t, x: t.nn.functional.interpolate(x, scale_factor=2, mode="bilinear"), image
        ),
        "pixel_shuffle": (lambda t, x: t.nn.functional.pixel_shuffle(x, 2), image),
        "pad(image)": (lambda t, x: t.nn.functional.pad(x, (1, 1, 1, 1)), image),
        "pad(reflect)": (lambda t, x: t.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect"), image),
        "image + channels": (lambda t, x, y: x + y, image, Numbers((16, 1, 1))),
        "image * channels": (lambda t, x, y: x * y, image, Numbers((8, 16, 1, 1))),
        "mean of an image": (lambda t, x: x.mean((2, 3)), image),
        "permute(image)": (lambda t, x: x.permute(0, 2, 3, 1).contiguous(), image),
        "embedding": (
            lambda t, w, i: t.nn.functional.embedding(i, w),
            Numbers((1000, 256)), Numbers((16, 128), limit=1000)
        ),
        "x + position": (lambda t, x, y: x + y, Numbers((16, 128, 256)), Numbers((128, 256))),
    }  # fmt: skip


# What is measured in float64 too
DOUBLES = (
    "x + y", "x * 0.5", "exp", "log", "sqrt", "tanh", "sigmoid", "silu", "gelu", "x ** 2", "sum", "x > y",
)  # fmt: skip
NEEDS_GRADIENT = ("autograd.grad", "backward of a chain")


def table():
    """{name: (function, *inputs)} of all operations."""

    def titled(entries, suffix):
        entries = {name: e if isinstance(e, tuple) else (e,) for name, e in entries.items()}
        return {name + suffix: e for name, e in entries.items()}

    doubles = [elementwise(shape, DOUBLE) for shape in (SQUARE, LARGE)]
    few, many = ({name: d[name] for name in DOUBLES} for d in doubles)
    return {
        **titled(elementwise(SQUARE), ""),
        **titled(matrices(SQUARE), ""),
        **titled(small(), ""),
        **titled(elementwise(()), ", ()"),
        **titled(few, ", float64"),
        **titled(middle(), ", middle"),
        **titled(elementwise(LARGE), ", 1M"),
        **titled(matrices(LARGE), ", 1M"),
        **titled(many, ", float64 1M"),
    }
