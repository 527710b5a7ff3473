"""Every pair against its closed form at 60 digits, from equal to far, in both dtypes, with gradients."""

import math

import pytest
import torch
from kl_references import REFERENCES, Reference, draw, exact, laws, rounded, slope
from mpmath import mpf

from elbo.divergences import kl, kl_pairs
from elbo.evidence import generator

DISTANCES = (None, 1.0, 1e-2, 1e-4, 1e-8)
ACCURACY = {(pair.q, pair.p): pair.accuracy for pair in kl_pairs()}
FINITE = [reference for reference in REFERENCES if reference.bounded]


def cases(reference: Reference, dtype: torch.dtype, count: int):
    source = generator(0, reference.name, str(dtype))
    for distance in DISTANCES:
        if distance is not None and not reference.same_family:
            continue
        if distance is not None and dtype is torch.float32:
            distance = max(distance, 1e-6)
        for _ in range(count):
            q, p = draw(reference, distance, source)
            yield rounded(q, dtype), rounded(p, dtype)


def representable(value: mpf, dtype: torch.dtype) -> bool:
    limits = torch.finfo(dtype)
    return value == math.inf or limits.tiny / limits.eps < abs(value) < limits.max / 8


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("reference", FINITE, ids=lambda reference: reference.name)
def test_values_and_gradients_keep_their_digits(reference, dtype):
    eps = torch.finfo(dtype).eps
    bad, stated = [], ACCURACY[reference.q, reference.p]
    allowed = stated if stated < math.inf else 8.0
    for q, p in cases(reference, dtype, 4):
        truth = reference.kl(exact(q), exact(p))
        law_q, law_p, leaves = laws(reference, q, p, dtype, validate_args=False)
        value = kl(law_q, law_p)
        assert value.dtype is dtype
        assert value.item() >= 0
        if truth == 0 or not representable(truth, dtype):
            continue
        if truth == math.inf:
            assert value.item() == math.inf
            continue
        error = float(abs(mpf(value.item()) - truth) / truth) / eps
        # where KL is all but e^y, the rounding of y counts |y| times; only these three pairs reach beyond e^20
        grown = float(math.log(truth)) if reference.exponential and truth > 1e9 else 0.0
        if not error <= allowed + grown:
            bad.append((error, q, p, value.item(), float(truth)))
        value.backward()
        slopes = {
            (side, name): slope(reference, side, name, exact(q), exact(p))
            for side in (0, 1)
            for name, leaf in leaves[side].items()
            if leaf.requires_grad and name not in reference.shared
        }
        # relative to the largest change that a relative change of one parameter can make
        largest = max(abs(s * (q, p)[side][name]) for (side, name), s in slopes.items())
        for (side, name), s in slopes.items():
            scale = max(abs(s), abs(largest / (q, p)[side][name]))
            if not representable(scale, dtype):
                continue
            error = float(abs(mpf(leaves[side][name].grad.item()) - s) / scale) / eps
            if not error <= max(2 * allowed, 16) + grown:
                bad.append((error, side, name, q, p, leaves[side][name].grad.item(), float(s)))
    assert not bad, f"{len(bad)} beyond {allowed} ulps; the worst: {max(bad, key=lambda row: row[0])}"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("reference", [r for r in REFERENCES if r.same_family], ids=lambda reference: reference.name)
def test_equal_laws_have_divergence_zero_and_no_slope(reference, dtype):
    for q, _ in list(cases(reference, dtype, 4))[:8]:
        law_q, law_p, leaves = laws(reference, q, q, dtype, validate_args=False)
        value = kl(law_q, law_p)
        value.backward()
        assert value.item() == 0
        for side in leaves:
            for name, leaf in side.items():
                if leaf.requires_grad and not (reference.name == "pareto_pareto" and name == "scale"):
                    assert leaf.grad.item() == 0, (name, q)
