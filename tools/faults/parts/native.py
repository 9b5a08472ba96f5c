"""The compiled module under random arguments: errors are fine, a crash or a write beside an array is not.

Every function gets valid calls with one to three arguments changed, and calls of nothing but chance; arrays
lie between guards that are looked at after each call. All in processes of their own, which write down each
call before it is made, so that a crash names its call. Functions with rows are reached by those too.
"""

import collections
import faulthandler
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import ROOT, surroundings

from retrograd.core.tensor import Tensor, wrap

GUARD = 256  # bytes on each side of an array
DTYPES = ["f4", "f8", "f4", "f8", "f2", "i8", "i4", "u1", "?", "c8", "c16", ">f4", "O", "S3", "M8[s]", "V2"]
SETTINGS = {"set_num_threads", "set_winograd", "use_door", "observe", "method", "stand_in", "multiply_adds"}


def run(options):
    from retrograd import kernels

    if options.sanitize:
        return sanitized(options.sanitize)
    if not kernels.available():
        print(f"nothing to call: {kernels.describe()}")
        return []
    calls = options.calls or (60 if options.quick else 5_000)
    isas = [None] if options.quick else [None, "generic"]
    failures, total = [], collections.Counter()
    for isa in isas:
        more = {"RETROGRAD_ISA": isa} if isa else {}
        found, counts = _all_functions(options.seed, calls, more)
        failures += found
        total += counts
    print(
        f"{len(isas)} instruction sets: {total['calls']:,} calls of "
        f"{total['functions'] // len(isas)} functions: "
        f"{total['returned']:,} returned, {total['refused']:,} were refused with an error, "
        f"{len(failures)} crashed or wrote outside their arrays"
    )
    return failures


def _all_functions(seed, calls, environment):
    """Restart after each crash, behind the function that crashed."""
    failures, total, skip = [], collections.Counter(), []
    while True:
        with tempfile.TemporaryDirectory() as folder:
            note = Path(folder) / "call"
            command = [
                sys.executable,
                "-m",
                "parts.native",
                str(seed),
                str(calls),
                str(note),
                json.dumps(skip),
            ]
            done = subprocess.run(command, env=surroundings(**environment), capture_output=True, text=True)
            for line in done.stdout.splitlines():
                if line.startswith("{"):
                    total += collections.Counter(json.loads(line))
                else:
                    failures.append(line)
            if done.returncode == 0:
                return failures, total
            text = note.read_text() if note.exists() else "? before any call"
        failures.append(f"exit status {done.returncode} in {text[:1500]}\n{done.stderr[-1500:]}")
        if len(failures) > 20:
            return failures, total
        skip.append(text.split(" ", 1)[0])


# --- in the process that may crash ------------------------------------------------------------------------


def _process(seed, calls, note, skip):
    from retrograd import _native

    faulthandler.enable()
    np.seterr(all="ignore")
    valid = recorded()
    with open(note, "wb", buffering=0) as log:
        for name, function in functions(_native).items():
            if name in skip:
                continue
            counts = collections.Counter(functions=1, reached=bool(valid[name]))
            rng = random.Random(f"{seed} {name}")
            for n in range(calls):
                guarded, names = [], ()
                if valid[name] and rng.random() < 0.9:
                    arguments, names = rng.choice(valid[name])
                    arguments = [copied(a, guarded, rng) for a in arguments]
                    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
                        at = rng.randrange(len(arguments)) if arguments else 0
                        arguments[at : at + 1] = [
                            changed(arguments[at], guarded, rng) if arguments else anything(guarded, rng)
                        ]
                else:
                    arguments = [anything(guarded, rng) for _ in range(rng.randrange(14))]
                if name in SETTINGS:
                    arguments = tamed(name, arguments)
                log.seek(0)
                log.truncate()
                log.write(f"{name} call {n}: {shown(arguments)}".encode())
                signal.alarm(30)  # nobody handles it: a call that hangs ends the process
                at = max(len(arguments) - len(names), 0)  # what was given by name still is
                try:
                    function(*arguments[:at], **dict(zip(names, arguments[at:], strict=False)))
                    counts["returned"] += 1
                except Exception:  # any error is fine: it is no crash
                    counts["refused"] += 1
                counts["calls"] += 1
                if not all(intact(memory) for memory in guarded):
                    print(f"{name} wrote outside an array: call {n}: {shown(arguments)}"[:1500], flush=True)
                    break
            signal.alarm(0)
            restore(_native)
            print(json.dumps(counts), flush=True)


def functions(native):
    """{name: function} of the compiled module, the kernels of rows among them."""
    found = {n: getattr(native, n) for n in dir(native) if not n.startswith("_")}
    found = {n: f for n, f in found.items() if callable(f) and not isinstance(f, type)}
    return found | {f"row_kernels.{n}": f for n, f in native.row_kernels.items()}


def recorded():
    """{function: [(arguments, names of the last of them)]}, of valid calls.

    Taken down while the kernels serve small programs, by the Python door, the compiled one calls them itself.
    """
    import retrograd as torch
    from retrograd import _native
    from retrograd.core.op import TABLE

    taken = collections.defaultdict(list)

    def recorder(name, function):
        def call(*arguments, **named):
            if len(taken[name]) < 60:
                values = [_kept(a) for a in (*arguments, *named.values())]
                taken[name].append((values, tuple(named)))
            return function(*arguments, **named)

        return call if callable(function) and not isinstance(function, np.ufunc) else function

    class Recorder:
        def __getattr__(self, name):
            return recorder(name, getattr(_native, name))

    users = [
        module
        for name, module in list(sys.modules.items())
        if name.startswith("retrograd.") and getattr(module, "native", None) is _native
    ]
    rows = {op: op.kernels for op in TABLE.values() if op.kernels}
    by_row = {function: f"row_kernels.{name}" for name, function in _native.row_kernels.items()}
    _native.use_door(False)
    try:
        for module in users:
            module.native = Recorder()
        for op, kernels in rows.items():
            op.kernels = tuple(
                (0, when, recorder(by_row[f], f) if f in by_row else f) for _, when, f in kernels
            )
        programs(torch)
    finally:
        _native.use_door(True)
        for module in users:
            module.native = _native
        for op, kernels in rows.items():
            op.kernels = kernels
    for name, calls in by_hand().items():
        taken[name] += [(arguments, ()) for arguments in calls]
    return taken


def by_hand():
    """{function: [arguments]} of valid calls that no program here makes."""
    taken = collections.defaultdict(list)
    a = np.linspace(-1, 1, 12, dtype="f4").reshape(3, 4)
    for ufunc in ("erf", "gelu", "gelu_slope"):
        taken[ufunc] += [[a], [a, a.copy()], [a.astype("f8")[::-1]]]
    for ufunc in ("hardswish", "hardsigmoid"):
        taken[ufunc] += [[a], [a.astype("f8")[::-1]]]
    for ufunc in ("hardswish_backward", "hardsigmoid_backward", "silu_backward"):
        taken[ufunc] += [[a, a + 1], [a, a.astype("f8")[::-1]]]
    taken["leaky_relu"] += [[a, 0.1], [a[:, ::-1], a]]
    taken["leaky_relu_backward"] += [[a, a, 0.1], [a[0], a, a]]
    taken["hardtanh"] += [[a, -1.0, 1.0], [a, a[0], a[::-1]]]
    taken["hardtanh_backward"] += [[a, a, -1.0, 1.0], [a, a, a[0], a[::-1]]]
    for op in ("add", "sub", "mul", "div"):
        taken["binary"].append([op, a, a + 1, np.empty_like(a)])
    image = np.ones((2, 8, 6, 6), "f4")
    weight = np.ones((4, 8, 3, 3), "f4")
    taken["relu"].append([a, np.empty_like(a)])
    taken["relu_gradient"].append([a, a, np.empty_like(a)])
    taken["masked"].append([a, a > 0, np.empty_like(a)])
    taken["sum_rows"].append([a, np.empty(4, "f4")])
    taken["expand"] += [[a, (2, 3, 4)], [a[:1], (3, 4)]]
    taken["empty"] += [[(2, 3), a], [(2, 3, 4, 5), a, True], [(0,), a], [(2**40,), a]]
    last = lambda x: np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    one = (1, 1)
    taken["conv2d_forward"].append(
        [last(image), last(weight), np.ones(4, "f4"), last(np.ones((2, 4, 6, 6), "f4")), one, one, one, 1]
    )
    conv = [last(image), last(weight), last(np.ones((2, 4, 6, 6), "f4"))]
    taken["conv2d_input_gradient"].append([conv[2], conv[1], conv[0].copy("K"), one, one, one, 1])
    taken["conv2d_weight_gradient"].append([conv[2], conv[0], conv[1].copy("K"), one, one, one, 1])
    eight = [np.ones(8, "f4") for _ in range(4)]
    taken["batch_norm_forward"].append([conv[0], *eight[:2], 1e-5, *eight[2:], conv[0].copy("K"), True])
    taken["batch_norm_gradient"].append(
        [conv[0], conv[0], *eight[:2], 1e-5, eight[2], conv[0].copy("K"), eight[3], eight[2].copy(), True]
    )
    taken["matmul"].append([a, a.T.copy(), np.ones(3, "f4"), np.empty((3, 3), "f4")])
    taken["softmax"].append([a, np.empty_like(a), True])
    taken["softmax_gradient"].append([a, a, np.empty_like(a), False])
    targets = np.array([0, 3, 1])
    taken["nll_loss"].append([a, targets, np.ones(4, "f4"), -100, np.empty((), "f4"), True])
    taken["nll_loss_gradient"].append([np.ones((), "f4"), targets, None, -100, np.empty_like(a), True])
    taken["add_rows"].append([a.copy(), targets[:2] % 3, a[:2].copy()])
    taken["add_along"].append([a.copy(), targets[:, None], a[:, :1].copy(), 1])
    taken["indices_below"].append([targets, 4])
    taken["take_along"].append([a, targets[:, None], np.empty((3, 1), "f4"), 1])
    words, draws = np.full(625, 7, "u4"), np.empty(40, "f4")
    taken["random_seed"].append([words, 3])
    taken["random_bits"] += [[words, np.empty(50, "u4")], [words, np.empty(50, "u8")]]
    taken["random_uniform"].append([words, draws, -1.0, 2.0])
    taken["random_normal"] += [[words, draws, 0.0, 1.0], [words, np.empty(700), 0.0, 1.0]]
    taken["random_normals"] += [[words, np.empty(5), None], [words, np.empty(4), 0.5]]
    taken["random_bernoulli"].append([words, draws, 0.3, 2.0])
    taken["random_integers"].append([words, np.empty(40, "i8"), -3, 10])
    taken["random_permutation"].append([words, np.empty(40, "i8")])
    for rule, states in (("sgd", 1), ("adam", 3), ("adadelta", 2), ("rprop", 2), ("asgd", 1)):
        taken["rows_of_arrays"].append([rule, tuple([a.copy(), a.T.copy()] for _ in range(2 + states))])
    taken["new_tensor"] += [[(2, 3), np.dtype("f4"), 0], [((2, 3),), np.dtype("i8"), 1]]
    taken["set_num_threads"] += [[1], [2]]
    taken["set_winograd"] += [[True], [False]]
    taken["multiply_adds"] += [[10]]
    return taken


def programs(torch):
    """Small programs that reach the kernels, in two dtypes."""
    F = torch.nn.functional
    for dtype in (torch.float32, torch.float64):
        x = torch.rand(3, 4, 8, 8, dtype=dtype, requires_grad=True)
        for model in (
            torch.nn.Conv2d(4, 6, 3, padding=1, dtype=dtype),
            torch.nn.Conv2d(4, 8, 3, stride=2, groups=2, dtype=dtype),
            torch.nn.Conv2d(4, 4, 1, dtype=dtype),
            torch.nn.Conv2d(4, 4, 3, padding=1, groups=4, dtype=dtype),
            torch.nn.BatchNorm2d(4, dtype=dtype),
            torch.nn.BatchNorm2d(4, dtype=dtype).eval(),
            torch.nn.MaxPool2d(2),
            torch.nn.AvgPool2d(3, 2, 1),
            torch.nn.AdaptiveAvgPool2d(3),
            torch.nn.ReLU(),
            torch.nn.LayerNorm(8, dtype=dtype),
            torch.nn.GroupNorm(2, 4, dtype=dtype),
            torch.nn.Upsample(scale_factor=2, mode="bilinear"),
            torch.nn.GELU(),
            torch.nn.Softmax(-1),
            torch.nn.LogSoftmax(-1),
        ):
            model(x).sum().backward()
        y = torch.rand(3, 4, 8, 8, dtype=dtype, requires_grad=True)
        for result in (x + y, x - y, x * y, x / y, x.relu(), x.sum(0), x.sum((0, 2, 3)), x @ y, F.dropout(x)):
            result.sum().backward()
        F.conv_transpose2d(x, torch.rand(4, 2, 3, 3, dtype=dtype), stride=2).sum().backward()
        for make in (torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU):
            make(8, 6, bidirectional=True, dtype=dtype)(x[0])[0].sum().backward()
        F.conv1d(x[0], torch.rand(5, 8, 3, dtype=dtype)).sum().backward()
        (x[0, 0] @ y[0, 0]).sum().backward()
        index = torch.tensor([2, 0, 1])
        gathered = x.gather(0, index.reshape(3, 1, 1, 1))
        for result in (x[index], gathered, F.embedding(index, x[0, 0]), x.mean(0)):
            result.sum().backward()
        x.masked_fill(x > 0.5, 0.0).sum().backward()
        x.detach().add_(y.detach(), alpha=0.5)
        q = torch.rand(2, 2, 5, 4, dtype=dtype, requires_grad=True)
        for how in ({}, {"is_causal": True}, {"attn_mask": torch.zeros(5, 5, dtype=dtype)}):
            F.scaled_dot_product_attention(q, q, q, **how).sum().backward()
        logits = torch.rand(6, 5, dtype=dtype, requires_grad=True)
        for how in ({}, {"reduction": "sum"}, {"weight": torch.rand(5, dtype=dtype)}, {"ignore_index": 2}):
            F.cross_entropy(logits, torch.arange(6) % 5, **how).backward()
        layer = torch.nn.Linear(70, 90, dtype=dtype)
        for make in (
            lambda p: torch.optim.SGD(p, 0.1),
            lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True),
            torch.optim.Adam,
            lambda p: torch.optim.AdamW(p, amsgrad=True),
            lambda p: torch.optim.RMSprop(p, centered=True, momentum=0.9),
            torch.optim.NAdam,
            torch.optim.ASGD,
        ):
            optimizer = make(layer.parameters())
            for _ in range(2):
                layer(torch.rand(60, 70, dtype=dtype)).relu().sum().backward()
                optimizer.step()


def _kept(a):
    if isinstance(a, Tensor):
        return wrap(a._array.copy("K"))
    return a.copy("K") if isinstance(a, np.ndarray) else list(map(_kept, a)) if isinstance(a, list) else a


# --- arguments --------------------------------------------------------------------------------------------


def between_guards(array, guarded, strides=None):
    """A copy of `array` whose memory has guards on both sides; noted in `guarded`."""
    if array.dtype.hasobject:
        return array.copy()
    memory = np.full(array.nbytes + 2 * GUARD, 0xA5, np.uint8)
    guarded.append((memory, array.nbytes))
    order = sorted(range(array.ndim), key=lambda k: -abs(array.strides[k]))
    body = (
        memory[GUARD : GUARD + array.nbytes].view(array.dtype) if array.nbytes else np.empty(0, array.dtype)
    )
    out = body.reshape([array.shape[k] for k in order]).transpose(np.argsort(order).tolist())
    out[...] = array
    return out


def intact(guarded):
    memory, size = guarded
    return (memory[:GUARD] == 0xA5).all() and (memory[GUARD + size :] == 0xA5).all()


def copied(value, guarded, rng):
    if isinstance(value, Tensor):
        return wrap(between_guards(value._array, guarded))
    if isinstance(value, np.ndarray):
        return between_guards(value, guarded)
    return [copied(v, guarded, rng) for v in value] if isinstance(value, list) else value


def changed(value, guarded, rng):
    """Another value of about the same kind."""
    if rng.random() < 0.1:
        return anything(guarded, rng)
    if isinstance(value, Tensor):
        return wrap(array_changed(value._array, guarded, rng))
    if isinstance(value, np.ndarray):
        return array_changed(value, guarded, rng)
    if isinstance(value, (list, tuple)) and value and rng.random() < 0.9:
        items, at = list(value), rng.randrange(len(value))
        how = rng.randrange(4)
        if how == 0:
            del items[at]
        elif how == 1:
            items.insert(at, items[at])
        else:
            items[at] = changed(items[at], guarded, rng)
        return type(value)(items) if type(value) in (list, tuple) else items
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.choice(
            [0, 1, -1, 2, 3, 7, 100, 2**31, -(2**31), 2**62, -(2**63), 2**63, 2**100, value + 1]
        )
    if isinstance(value, float):
        return rng.choice([0.0, -1.0, 1e308, -1e308, 1e-320, float("nan"), float("inf")])
    return anything(guarded, rng)


def array_changed(a, guarded, rng):
    how = rng.randrange(12)
    if how == 0:
        return between_guards(np.resize(a, rng.choice(shapes(a, rng))), guarded)
    if how == 1 and not a.dtype.hasobject:
        with np.errstate(all="ignore"):
            try:
                return between_guards(a.astype(rng.choice(DTYPES)), guarded)
            except (TypeError, ValueError, RuntimeError):  # RuntimeError: times as short texts
                return a
    if how == 2 and a.ndim:
        k = rng.randrange(a.ndim)
        return a[(slice(None),) * k + (slice(None, None, rng.choice([-1, 2, -2])),)]
    if how == 3:
        return a.T
    if how == 4 and a.ndim:
        axis = rng.randrange(a.ndim)
        return np.broadcast_to(a[(slice(None),) * axis + (slice(0, 1),)], a.shape)
    if how == 5:
        read_only = a.view()
        read_only.flags.writeable = False
        return read_only
    if how == 6 and a.ndim:
        k = rng.randrange(a.ndim)
        return a[(slice(None),) * k + (slice(rng.randrange(3), rng.randrange(5)),)]
    if how == 7:
        return a[..., None] if rng.random() < 0.5 else a[None]
    if how == 8 and a.ndim:
        return a[0] if a.shape[0] else a
    if how == 9 and a.dtype.kind == "i":
        shift = np.array(rng.choice([-(2**62), -1, 1, 1000, 2**62])).astype(a.dtype)
        return between_guards(a + shift, guarded)
    if how == 10 and a.itemsize > 1 and a.size and not a.dtype.hasobject:  # not aligned
        memory = np.zeros(a.nbytes + 1, np.uint8)
        return memory[1:].view(a.dtype).reshape(a.shape)
    if how == 11 and a.dtype.kind == "f" and a.size:
        values = between_guards(a, guarded)
        values.flat[rng.randrange(a.size)] = rng.choice([np.nan, np.inf, -np.inf, 1e30])
        return values
    return a


def shapes(a, rng):
    flat = list(a.shape)
    found = [(), (0,), (1,), (a.size,), tuple(flat[::-1]), (*flat, 1), (1, *flat), tuple(flat[1:])]
    if flat:
        k = rng.randrange(len(flat))
        found += [
            tuple(flat[:k] + [n] + flat[k + 1 :])
            for n in (0, 1, flat[k] + 1, 2 * flat[k], max(flat[k] - 1, 0))
        ]
    return found


def anything(guarded, rng):
    kind = rng.randrange(16)
    if kind < 7:
        shape = [rng.choice([0, 1, 1, 2, 3, 5]) for _ in range(rng.choice([0, 1, 2, 2, 3, 4, 4, 5]))]
        array = np.zeros(shape, rng.choice(DTYPES))
        return array if array.dtype.hasobject else between_guards(array, guarded)
    if kind == 7:
        return [anything(guarded, rng) for _ in range(rng.randrange(4))]
    if kind == 8:
        return tuple(rng.choice([0, 1, 2, -1, 2**40, 2**63, None, 1.5]) for _ in range(rng.randrange(5)))
    return rng.choice(
        [
            None,
            True,
            False,
            0,
            1,
            -1,
            2**31,
            2**63,
            -(2**70),
            0.5,
            float("nan"),
            "add",
            "",
            "x" * 100,
            b"",
            object(),
            int,
            len,
            np.float32(1),
            np.ma.zeros(2),
            range(3),
            {},
            lambda *a: None,
        ]
    )


def tamed(name, arguments):
    """Not so many threads or rounds that the machine has nothing else to do."""
    return [min(a, 4) if isinstance(a, int) and not isinstance(a, bool) else a for a in arguments]


def restore(native):
    """Settings as they are at the beginning."""
    native.observe(None, None)
    native.use_door(True)
    native.set_num_threads(2)
    native.set_winograd(True)


def shown(arguments):
    """For a message: arrays by what matters of them."""
    return ", ".join(
        f"array({a.shape}, {a.dtype}, strides {a.strides}{'' if a.flags.writeable else ', read-only'})"
        if isinstance(a, np.ndarray)
        else f"[{shown(a)}]"
        if isinstance(a, list)
        else repr(a)[:80]
        for a in (a._array if isinstance(a, Tensor) else a for a in arguments)
    )


# --- sanitizers -------------------------------------------------------------------------------------------


def sanitized(kind):
    """Build with a sanitizer and run the kernels' tests under it."""
    build = ROOT / "build" / f"faults-{kind}"
    switch = {"thread": "thread", "address": "ON"}[kind]
    package = build / "package" / "retrograd"
    package.parent.mkdir(parents=True, exist_ok=True)
    steps = [
        ["cmake", "-S", str(ROOT), "-B", str(build), "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
         f"-DRETROGRAD_SANITIZE={switch}", "-DRETROGRAD_ISAS=generic;avx2",
         f"-DPython_EXECUTABLE={sys.executable}", f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={build}"],
        ["cmake", "--build", str(build), "-j", "2"],
    ]  # fmt: skip
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True)
        if done.returncode:
            return [f"{' '.join(step)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"]
    _mirror(ROOT / "src" / "retrograd", package, next(build.glob("_native*.so")))
    libraries = {"thread": ["libtsan.so"], "address": ["libasan.so", "libubsan.so"]}[kind]
    preload = " ".join(
        subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True).stdout.strip()
        for name in libraries
    )
    ignored = Path(__file__).with_name("tsan.txt")
    environment = surroundings(
        PYTHONPATH=str(package.parent),
        LD_PRELOAD=preload,
        ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1",
        UBSAN_OPTIONS="halt_on_error=1",
        OMP_NUM_THREADS="2",
        OPENBLAS_NUM_THREADS="1",
        TSAN_OPTIONS=f"suppressions={ignored} ignore_noninstrumented_modules=1 report_thread_leaks=0",
        PYTEST_ADDOPTS="",
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "tests/test_kernels.py",
            "tests/test_kernels_more.py",
            "tests/test_kernels_networks.py",
            "tests/test_kernels_activations.py",
            "tests/test_kernels_optim.py",
            "tests/test_door.py",
            "tests/test_fused_walk.py",
            "tests/test_fusion.py",
            "-k",
            "not lesser_instruction_sets and not environment and not switched and not fork and not "
            "long_graph",
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    text = done.stdout + done.stderr
    races = text.count("WARNING: ThreadSanitizer") + text.count("ERROR: AddressSanitizer")
    races += text.count("runtime error:")
    lines = [line for line in done.stdout.splitlines() if " passed" in line or " failed" in line]
    print(f"under {kind}: {lines[-1] if lines else 'no result'}; {races} reports")
    if done.returncode or races:
        return [text[-6000:]]
    return []


def _mirror(source, target, module):
    """The package as links, with another compiled module."""
    target.mkdir(exist_ok=True)
    for path in target.iterdir():
        path.unlink()
    for path in source.iterdir():
        if not path.name.startswith("_native"):
            os.symlink(path, target / path.name)
    os.symlink(module, target / module.name)


if __name__ == "__main__":
    _process(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4]))
