"""The normaliser of e^{ηx} on (0, 1) beside its tangent, against mpmath."""

import numpy as np
import pytest
from mpmath import mp, mpf

from elbo.divergences import _tilting

mp.dps = 60
LOGITS = (0.0, 1e-9, 1e-3, 0.4, 1.3, 1.6, 2.2, 2.9, 3.1, 5.0, 9.0, 40.0, 800.0)
STEPS = (1e-8, 1e-3, 0.3, 0.9, 1.1, 2.0, 3.9, 4.2, 30.0)


def normaliser(x: mpf) -> mpf:
    return mp.log(mp.expm1(x) / x) if x else mpf(0)


def mean(x: mpf) -> mpf:
    if abs(x) < mpf(10) ** -6:
        return mpf(1) / 2 + x / 12 - x**3 / 720
    return 1 / -mp.expm1(-x) - 1 / x


def variance(x: mpf) -> mpf:
    if abs(x) < mpf(10) ** -6:
        return mpf(1) / 12 - x**2 / 240
    return 1 / x**2 - 1 / (4 * mp.sinh(x / 2) ** 2)


def remainder(a: mpf, b: mpf) -> mpf:
    d = b - a
    if max(abs(a), abs(b)) < mpf(10) ** -4:
        return d * d / 24 - d * d * (a * a + (a + b) ** 2 / 2) / 1440
    return normaliser(b) - normaliser(a) - mean(a) * d


A, D = (np.array(column) for column in zip(
    *[(s * x, t * step) for x in LOGITS for step in STEPS for s in (1.0, -1.0) for t in (1.0, -1.0)], strict=True
))  # fmt: skip
B = A + D


def worst(got: np.ndarray, want: list[mpf]) -> tuple[float, tuple[float, float]]:
    errors = [float(abs(mpf(float(g)) / w - 1)) if w else float(abs(g)) for g, w in zip(got, want, strict=True)]
    k = int(np.nanargmax(errors)) if not np.isnan(errors).any() else int(np.flatnonzero(np.isnan(errors))[0])
    return errors[k], (float(A[k]), float(B[k]))


@pytest.mark.parametrize(("brief", "ulps"), [(False, 2.0**-52), (True, 2.0**-26)])
def test_the_normaliser_beside_its_tangent_keeps_its_digits(brief, ulps):
    pairs = [(mpf(float(a)), mpf(float(b))) for a, b in zip(A, B, strict=True)]
    with np.errstate(all="ignore"):
        got = _tilting.remainder(A, B, B - A, brief=brief)
        rise = _tilting.mean_rise(A, B, B - A, brief=brief)
        spread = _tilting.variance(A, brief=brief)
        excess = _tilting.mean_excess(A)
    error, where = worst(got, [remainder(a, b) for a, b in pairs])
    assert error < 8 * ulps, where
    error, where = worst(rise, [mean(b) - mean(a) for a, b in pairs])
    assert error < 8 * ulps, where
    error, where = worst(spread, [variance(a) for a, _ in pairs])
    assert error < 2 * ulps, where
    error, where = worst(excess, [mean(a) - mpf(1) / 2 for a, _ in pairs])
    assert error < 4 * 2.0**-52, where
