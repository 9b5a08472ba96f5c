"""One seed, one training run; NaN and infinity kept; integers at their limits as in PyTorch.

Bits are the same from run to run and for any number of threads. Between instruction sets and between the two
sets of kernels they are not promised (sums are added in another order): there the results must be close.
"""

import itertools
import warnings

import numpy as np
from common import python

RUN = """
import hashlib, sys
import numpy as np
import retrograd as torch
from retrograd import kernels
from retrograd.utils.data import DataLoader, TensorDataset

kernels.set_num_threads(int(sys.argv[1]))
torch.manual_seed(5)
model = torch.nn.Sequential(
    torch.nn.Conv2d(3, 16, 3, padding=1), torch.nn.BatchNorm2d(16), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
    torch.nn.Conv2d(16, 32, 3, padding=1), torch.nn.GELU(), torch.nn.Dropout(0.2),
    torch.nn.AdaptiveAvgPool2d(2),
    torch.nn.Flatten(), torch.nn.LayerNorm(128), torch.nn.Linear(128, 10))
attention = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
lstm = torch.nn.LSTM(16, 16)
parameters = [*model.parameters(), *attention.parameters(), *lstm.parameters()]
optimizer = torch.optim.AdamW(parameters, 1e-3)
data = TensorDataset(torch.randn(64, 3, 16, 16), torch.randint(0, 10, (64,)))
losses = []
for epoch in range(int(sys.argv[2])):
    for x, target in DataLoader(data, 16, shuffle=True):
        optimizer.zero_grad()
        y = lstm(attention(x.flatten(1)[:, :256].reshape(16, 16, 16)))[0].mean()
        loss = torch.nn.functional.cross_entropy(model(x), target) + y
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(loss.item())
held = b"".join(p.detach().numpy().tobytes() for p in parameters)
print(hashlib.sha256(held + repr(losses).encode()).hexdigest(), losses[0], losses[-1])
"""


def run(options):
    return same_bits(options.quick) + kept(options.quick) + integers(options.quick)


# --- one seed, one run ------------------------------------------------------------------------------------


def same_bits(quick):
    from retrograd import kernels

    epochs = 1 if quick else 10
    sets = [{}, {"RETROGRAD_KERNELS": "numpy"}]
    if kernels.available() and not quick:
        sets[1:1] = [{"RETROGRAD_ISA": isa} for isa in ("generic", "avx2", "avx512") if _runs(isa)]
    failures, first = [], []
    for environment in sets:
        ways = [(1, "1"), (4, "0")] if quick else [(1, "1"), (1, "2"), (2, "3"), (3, "4"), (4, "5")]
        found = []
        for threads, hashing in ways:
            done = python(RUN, threads, epochs, PYTHONHASHSEED=hashing, **environment)
            found.append(done.stdout.split() or [done.stderr[-500:]])
        name = " ".join(f"{k}={v}" for k, v in environment.items()) or kernels.describe()
        if any(f != found[0] for f in found):
            failures.append(f"{name}: other bits from run to run or for other numbers of threads: {found}")
        first.append(float(found[0][-1]))
        print(
            f"{name}: {len(ways)} runs with 1 to {max(ways)[0]} threads end with "
            f"{len({tuple(f) for f in found})} result, {found[0][0][:12]}, loss {first[-1]}"
        )
    if np.ptp(first) > 1e-2 * abs(first[0]):
        failures.append(f"the sets of kernels disagree: {first}")
    return failures


def _runs(isa):
    done = python("from retrograd import kernels; print(kernels.native.isa())", RETROGRAD_ISA=isa)
    return done.stdout.strip() == isa


# --- NaN and infinity -------------------------------------------------------------------------------------

F = "nn.functional."
UNARY = """
abs acos asinh atan ceil cos cosh deg2rad erf erfinv exp expm1 floor frac isfinite isinf isnan
lgamma log log10 log1p log2 logit neg nan_to_num positive reciprocal relu round rsqrt sigmoid sign
sgn signbit sin sinc sinh sqrt square tan tanh trunc sum mean prod std var amax amin max min argmax
argmin median nanmedian nansum nanmean any all cumsum cumprod logcumsumexp logsumexp sort argsort
norm cummax cummin aminmax unique diff trace flip tril count_nonzero
""".split()
LAYERS = """
relu relu6 gelu silu elu selu celu leaky_relu softplus softsign tanhshrink hardtanh hardswish
hardsigmoid mish logsigmoid softshrink hardshrink threshold
""".split()
BINARY = """
add sub mul div pow atan2 fmod remainder floor_divide maximum minimum fmax fmin hypot copysign
nextafter logaddexp logaddexp2 xlogy eq ne lt le gt ge isclose heaviside matmul outer dot
""".split()


def programs():
    """[(name, function of (library, values))] over 1-d arrays of 8 values, NaN and infinities among them."""
    for name in UNARY:
        yield (
            name,
            lambda lib, x, y, name=name: getattr(lib, name)(
                x.reshape(1, 8) if name in ("trace", "tril") else x, *_more(name)
            ),
        )
    for name in LAYERS:
        more = (0.1, 0.5) if name == "threshold" else ()
        yield F + name, lambda lib, x, y, name=name, more=more: getattr(lib.nn.functional, name)(x, *more)
    for name in BINARY:
        yield name, lambda lib, x, y, name=name: getattr(lib, name)(x, y)
    yield "clamp", lambda lib, x, y: x.clamp(-1, 1)
    yield "clamp by tensors", lambda lib, x, y: lib.clamp(x, y, y + 1)
    yield "where", lambda lib, x, y: lib.where(x > 0, x, y)
    yield "lerp", lambda lib, x, y: lib.lerp(x, y, 0.5)
    yield "addcmul", lambda lib, x, y: lib.addcmul(x, x, y)
    yield "topk", lambda lib, x, y: lib.topk(x, 3).values
    yield "kthvalue", lambda lib, x, y: lib.kthvalue(x, 8).values
    yield "to int and back of the finite", lambda lib, x, y: lib.nan_to_num(x, 0, 1, -1).long()
    yield "softmax", lambda lib, x, y: lib.softmax(x, 0)
    yield "log_softmax", lambda lib, x, y: lib.log_softmax(x, 0)
    yield "linear", lambda lib, x, y: lib.nn.functional.linear(x[None], lib.ones_like(x).repeat(3, 1))
    yield "layer_norm", lambda lib, x, y: lib.nn.functional.layer_norm(x, (8,))
    yield (
        "batch_norm",
        lambda lib, x, y: lib.nn.functional.batch_norm(x.reshape(4, 2), None, None, training=True),
    )
    yield "group_norm", lambda lib, x, y: lib.nn.functional.group_norm(x.reshape(1, 4, 2), 2)
    yield (
        "conv1d",
        lambda lib, x, y: lib.nn.functional.conv1d(x.reshape(1, 1, 8), lib.ones(1, 1, 3, dtype=x.dtype)),
    )
    yield (
        "conv2d",
        lambda lib, x, y: lib.nn.functional.conv2d(
            x.repeat(8).reshape(1, 1, 8, 8), lib.ones(2, 1, 3, 3, dtype=x.dtype), padding=1
        ),
    )
    for pool in ("max_pool2d", "avg_pool2d"):
        yield (
            pool,
            lambda lib, x, y, pool=pool: getattr(lib.nn.functional, pool)(x.repeat(8).reshape(1, 1, 8, 8), 2),
        )
    yield (
        "adaptive_avg_pool2d",
        lambda lib, x, y: lib.nn.functional.adaptive_avg_pool2d(x.reshape(1, 1, 2, 4), 2),
    )
    yield "interpolate", lambda lib, x, y: lib.nn.functional.interpolate(x.reshape(1, 1, 8), scale_factor=2.0)
    for loss in (
        "mse_loss",
        "l1_loss",
        "smooth_l1_loss",
        "huber_loss",
        "binary_cross_entropy_with_logits",
        "kl_div",
    ):
        yield loss, lambda lib, x, y, loss=loss: getattr(lib.nn.functional, loss)(x, y)
    yield (
        "cross_entropy",
        lambda lib, x, y: lib.nn.functional.cross_entropy(x.reshape(2, 4), lib.tensor([0, 3])),
    )
    yield (
        "attention",
        lambda lib, x, y: lib.nn.functional.scaled_dot_product_attention(*[x.reshape(1, 4, 2)] * 3),
    )
    yield "clip_grad_norm_", _clipped
    for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad"):
        yield name, lambda lib, x, y, name=name: _stepped(lib, x, getattr(lib.optim, name))


def _more(name):
    return (0,) if name in ("cumsum", "cumprod", "logcumsumexp", "logsumexp", "cummax", "cummin") else ()


def _clipped(lib, x, y):
    p = lib.ones_like(x).requires_grad_()
    p.grad = x.clone()
    lib.nn.utils.clip_grad_norm_([p], 1.0)
    return p.grad


def _stepped(lib, x, optimizer):
    p = lib.ones_like(x).requires_grad_()
    p.grad = x.clone()
    optimizer([p], lr=0.1).step()
    return p


# Where PyTorch makes a NaN of what is known, or gives an equal share to nobody.
KNOWN = {
    "amax": "the gradient goes to the NaN that was found, as that of max() does in both",
    "amin": "the same", "aminmax": "the same",
    "cumprod": "the factor of a NaN keeps its own gradient, the product of the others",
    "prod": "the same", F + "gelu": "of infinity is infinity, which PyTorch's vector code makes NaN",
}  # fmt: skip


def kept(quick):
    """No NaN and no infinity that PyTorch has is a finite number here, in results and in gradients."""
    import torch

    import retrograd

    special = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -2.5, 0.3]
    inputs = [
        special,
        [1, 2, np.nan, 4, 5, 6, 7, 8],
        [np.inf, 1, 2, 3, 4, 5, 6, 7],
        [1, -np.inf, 2, 3, 0, 5, 6, 7],
    ]
    failures, compared = [], 0
    for dtype, values, (name, function) in itertools.product(
        ("float32", "float64"), inputs[:1] if quick else inputs, programs()
    ):
        x, y = np.array(values, dtype), np.array(values[3:] + values[:3], dtype)
        results = [_with_gradient(lib, function, x, y) for lib in (torch, retrograd)]
        compared += 1
        if name not in KNOWN and _dropped(*results):
            failures.append(f"{name} of {values} in {dtype}: PyTorch {results[0]}, retrograd {results[1]}")
    print(
        f"{compared:,} calls with NaN and infinities, values and gradients: {len(failures)} lose "
        f"one that PyTorch "
        f"keeps ({len(KNOWN)} functions differ on purpose)"
    )
    return failures


def _with_gradient(lib, function, x, y):
    x, y = lib.tensor(x, requires_grad=True), lib.tensor(y)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            out = function(lib, x, y)
            out = out if isinstance(out, (tuple, list)) else (out,)
            if out[0].requires_grad and not out[0].is_leaf:
                out[0].sum().backward()
        return [_kind(o) for o in (*out, x.grad) if o is not None]
    except (RuntimeError, ValueError, IndexError, TypeError, NotImplementedError) as error:
        return [f"{type(error).__name__}: {error}"]


def _kind(t):
    a = np.asarray(t.detach().numpy())
    return a if a.dtype.kind == "f" else a.astype("f8")


def _dropped(theirs, ours):
    """Whether a finite number stands where PyTorch has none (where it refuses, there is nothing to lose)."""
    if isinstance(theirs[0], str):
        return False
    return isinstance(ours[0], str) or any(
        a.shape != b.shape or (~np.isfinite(a) & np.isfinite(b)).any()
        for a, b in zip(theirs, ours, strict=True)
    )


# --- integers at their limits -----------------------------------------------------------------------------

INTEGER = [
    "add",
    "sub",
    "mul",
    "floor_divide",
    "remainder",
    "fmod",
    "pow",
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_right_shift",
    "maximum",
    "div",
    "true_divide",
    "eq",
]
FATAL = ["floor_divide", "remainder", "fmod"]  # of the least number and -1: PyTorch's process dies of SIGFPE
ALONE = [
    "abs",
    "neg",
    "square",
    "sum",
    "prod",
    "cumsum",
    "cumprod",
    "mean",
    "sqrt",
    "sign",
    "bitwise_not",
    "amax",
]
TYPES = ["uint8", "int8", "int16", "int32", "int64"]


def integers(quick):
    import torch

    import retrograd

    failures, compared = [], 0
    for dtype in TYPES[::2] if quick else TYPES:
        limits = np.iinfo(dtype)
        values = np.array([limits.min, limits.max, 0, 1, limits.max - 1, limits.max // 2 + 1, 3, 7], dtype)
        if limits.min:
            values[-1] = -1
        calls = []
        for name, y in itertools.product(INTEGER, values):
            x = values[1:] if name in FATAL and limits.min and y == -1 else values
            calls.append((name, x, np.full_like(x, y)))
        for name in FATAL if limits.min else ():
            getattr(retrograd, name)(*map(retrograd.tensor, (values[:1], values[-1:])))  # gives some number
        calls += [(name, values) for name in ALONE]
        for name, *arguments in calls:
            found = [_integer_outcome(lib, name, arguments) for lib in (torch, retrograd)]
            compared += 1
            if not _same_outcome(*found):
                failures.append(
                    f"{name} {dtype} {[a.ravel().tolist() for a in arguments]}: PyTorch {found[0]}, "
                    f"retrograd {found[1]}"
                )
    print(
        f"{compared:,} calls of integers at their limits and divisions by zero: {len(failures)} "
        f"differ from PyTorch"
    )
    return failures


def _integer_outcome(lib, name, arguments):
    try:
        with np.errstate(all="ignore"):
            args = [lib.tensor(a) for a in arguments] + ([0] if name in ("cumsum", "cumprod") else [])
            return getattr(lib, name)(*args).numpy()
    except (RuntimeError, ZeroDivisionError) as error:
        return f"RuntimeError: {str(error)[:30]}"


def _same_outcome(one, two):
    if isinstance(one, str) or isinstance(two, str):
        return isinstance(one, str) and isinstance(two, str)
    return one.dtype == two.dtype and np.allclose(one, two, 1e-5, 0, equal_nan=True)
