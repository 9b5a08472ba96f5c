"""Bessel and Airy functions against SciPy: PyTorch's own are exact to 1e-6 in places."""

import numpy as np
import pytest

import retrograd

scipy_special = pytest.importorskip("scipy.special", reason="SciPy is not installed")

BOTH_SIDES = np.concatenate([np.linspace(-50, 50, 1001), [1e-8, 4.999, 5.0, 5.001, 7.999, 8.001]])
POSITIVE = BOTH_SIDES[BOTH_SIDES > 0]
CASES = {
    "bessel_j0": (scipy_special.j0, BOTH_SIDES),
    "bessel_j1": (scipy_special.j1, BOTH_SIDES),
    "bessel_y0": (scipy_special.y0, POSITIVE),
    "bessel_y1": (scipy_special.y1, POSITIVE),
    "modified_bessel_k0": (scipy_special.k0, POSITIVE),
    "modified_bessel_k1": (scipy_special.k1, POSITIVE),
    "scaled_modified_bessel_k0": (scipy_special.k0e, POSITIVE),
    "scaled_modified_bessel_k1": (scipy_special.k1e, POSITIVE),
    "airy_ai": (lambda x: scipy_special.airy(x)[0], BOTH_SIDES),
}


@pytest.mark.parametrize("name", CASES)
def test_as_exact_as_scipy(name):
    function, points = CASES[name]
    got = getattr(retrograd.special, name)(retrograd.from_numpy(points)).numpy()
    np.testing.assert_allclose(got, function(points), rtol=2e-13, atol=0 if "k" in name else 2e-14)
