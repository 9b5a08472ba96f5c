"""Anomaly mode: which operation fails in backward, the line that made it, its shapes, the first bad
element."""

import gc
import io
import sys
import threading
import warnings
import weakref

import pytest

import retrograd


def bad_functions(torch):
    """An outer Function whose backward applies an inner one; the inner one's backward makes NaN."""

    class Inner(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b, first):
            ctx.first = first
            return a * 2.0 + b

        @staticmethod
        def backward(ctx, g):
            bad = g.clone()
            bad[0] = float("nan")
            return (bad, g.clone(), None) if ctx.first else (g.clone(), bad, None)

    class Outer(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, first):
            ctx.first = first
            ctx.save_for_backward(x)
            return x.sum(0, keepdim=True)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            g = g.clone().expand(x.shape)
            return Inner.apply(g * x, g + x, ctx.first), None

    return Inner, Outer


def anomaly(torch, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.autograd.detect_anomaly(**options)


def test_nan_is_named(torch):
    inner, _ = bad_functions(torch)
    for first in (True, False):
        a, b = (torch.rand(10, requires_grad=True) for _ in range(2))
        out = inner.apply(a, b, first).sum()
        out.backward(retain_graph=True)  # nothing is checked
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            message = f"Function 'InnerBackward' returned nan values in its {0 if first else 1}th output."
            with pytest.raises(RuntimeError, match=message), torch.autograd.detect_anomaly():
                out.backward()
        assert "Anomaly Detection has been enabled" in str(seen[0].message)
        assert "No forward pass information" in str(seen[1].message)


def test_the_forward_code_is_shown(torch):
    _, outer = bad_functions(torch)
    x = torch.rand(10, requires_grad=True)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(
            RuntimeError, match="Function 'InnerBackward' returned nan values in its 1th output."
        ):
            with torch.autograd.detect_anomaly():
                out = outer.apply(x, False)
                (g,) = torch.autograd.grad(out, (x,), create_graph=True)
                g.sum().backward()
    texts = [str(w.message) for w in seen]
    assert "Inner.apply" in texts[1] and "Error detected in InnerBackward" in texts[1]
    assert "outer.apply" in texts[2] and "Previous calculation was induced by OuterBackward" in texts[2]


def test_errors_are_shown_too(torch):
    def fails():
        a = torch.randn(5, requires_grad=True)
        b = a + 1
        c = b**2
        b += 1
        torch.autograd.grad(c.sum(), a)

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
            with torch.autograd.detect_anomaly():
                fails()
    assert len(seen) == 2 and "Error detected in PowBackward0" in str(seen[1].message)
    outside, sys.stderr = sys.stderr, io.StringIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
                with anomaly(torch):
                    warnings.simplefilter("error")
                    fails()
        assert "Error detected in PowBackward0" in sys.stderr.getvalue()
    finally:
        sys.stderr = outside


def test_nan_may_pass(torch):
    class Nan(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return torch.tensor(float("nan")).expand(10, 10)

    with anomaly(torch, check_nan=False):
        out = Nan.apply(torch.rand(10, 10, requires_grad=True)).sum()
        out.backward(retain_graph=True)
        with pytest.raises(
            RuntimeError, match="Function 'NanBackward' returned nan values in its 0th output."
        ):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with anomaly(torch, check_nan=True):
                    out.backward(retain_graph=True)
        out.backward()


def test_the_switch(torch):
    enabled = torch.is_anomaly_enabled if hasattr(torch, "is_anomaly_enabled") else None
    with torch.autograd.set_detect_anomaly(True):
        assert enabled is None or enabled()
        with torch.autograd.set_detect_anomaly(False):
            assert enabled is None or not enabled()
    assert enabled is None or not enabled()


def test_nothing_is_kept_alive(torch):
    class Thing:
        pass

    def make():
        x = torch.randn(2, 2, requires_grad=True)
        y = x.exp()
        with anomaly(torch):
            torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)
        thing = Thing()
        y.grad_fn.metadata["note"] = thing
        return y, weakref.ref(thing)

    gc.disable()
    try:
        y, ref = make()
        assert ref() is not None
        del y
        assert ref() is None
    finally:
        gc.enable()


# --- beyond PyTorch -------------------------------------------------------------------------------


def divide(x):
    return (x / x).sum()  # the line that makes NaN


def test_the_line_the_shapes_and_the_place():
    x = retrograd.tensor([[1.0, 2.0], [0.0, 3.0]], requires_grad=True)
    loss = divide(x)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with pytest.raises(RuntimeError) as caught, retrograd.autograd.detect_anomaly():
            loss.backward()
    text = str(caught.value)
    assert "index (1, 0) of the gradient, of shape [2, 2]" in text and "divide" in text
    assert "the line that makes NaN" in text and "from inputs of shape [2, 2], [2, 2]" in text
    # known even where anomaly mode was off in forward
    assert "the line that makes NaN" in str(seen[1].message)


def test_infinities():
    x = retrograd.tensor([1.0, 1e-300], dtype=retrograd.float64, requires_grad=True)
    loss = (x**-2).sum()
    with anomaly(retrograd):
        loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match=r"returned inf values in its 0th output(.|\n)*index \(1,\)"):
        with anomaly(retrograd, check_inf=True):
            loss.backward()


def test_forward_checks():
    x = retrograd.tensor([4.0, -1.0])
    with anomaly(retrograd, check_forward=True):
        x.sqrt  # noqa: B018
        with pytest.raises(RuntimeError, match=r"sqrt: the first bad value .* is nan at index \(1,\)"):
            x.sqrt()
        nan = retrograd.tensor([float("nan")])
        assert (nan * 2).isnan().all()  # it came with the input
        with pytest.raises(RuntimeError, match="log"):
            x.log()
        retrograd.nn.functional.relu(x)
    x.sqrt()
    with anomaly(retrograd, check_forward=True, check_inf=True):
        with pytest.raises(RuntimeError, match="is inf at index"):
            retrograd.tensor([1.0, 0.0]).reciprocal()


def test_all_threads_are_watched():
    loss = divide(retrograd.zeros(3, requires_grad=True))
    errors = []

    def run():
        try:
            loss.backward()
        except RuntimeError as error:
            errors.append(str(error))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with retrograd.autograd.detect_anomaly():
            thread = threading.Thread(target=run)
            thread.start()
            thread.join()
    assert "nan values" in errors[0]
