"""Gaussian vectors of low rank: against 60 digits, at the cost of the rank, and by the form that keeps its digits."""

from dataclasses import replace

import mpmath as mp
import pytest
import torch
import torch.distributions as D

from elbo.divergences import _by_forms, kl, multivariate_gaussian
from elbo.divergences._by_forms import Form, Ladder, by_forms

F64 = torch.float64
KINDS = ("low", "full")


def parameters(kind, generator, d, r, strength, dtype=F64):
    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=F64)

    diagonal = 0.3 + torch.rand(d, generator=generator, dtype=F64)
    if kind == "low":
        found = normal(d), strength * normal(d, r), diagonal
    else:
        found = normal(d), normal(d, d).tril(-1) / d + torch.diag_embed(diagonal)
    return [x.to(dtype) for x in found]


def moved(values, distance, generator):
    return [
        (x * (1 + distance * torch.randn(x.shape, generator=generator, dtype=F64).to(x.dtype))).to(x.dtype)
        for x in values
    ]


def law(kind, values):
    if kind == "low":
        return D.LowRankMultivariateNormal(*values, validate_args=False)
    return D.MultivariateNormal(values[0], scale_tril=values[1], validate_args=False)


def covariance(kind, values):
    if kind == "low":
        w = mp.matrix(values[1].tolist())
        return w * w.T + mp.diag(values[2].tolist())
    factor = mp.matrix(values[1].tolist())
    return factor * factor.T


def truth(kinds, q, p):
    """KL and its derivatives by every parameter, at the working precision."""
    s1, s2 = (covariance(kind, values) for kind, values in zip(kinds, (q, p), strict=True))
    gap = mp.matrix(q[0].tolist()) - mp.matrix(p[0].tolist())
    inverse1, inverse2 = mp.inverse(s1), mp.inverse(s2)
    d = gap.rows
    product = inverse2 * s1
    value = (
        sum(product[i, i] for i in range(d)) - d - mp.log(mp.det(s1) / mp.det(s2)) + (gap.T * inverse2 * gap)[0]
    ) / 2
    turned = inverse2 * gap
    by_1, by_2 = (inverse2 - inverse1) / 2, (inverse2 - product * inverse2 - turned * turned.T) / 2
    slopes = []
    for sign, kind, values, by in ((1, kinds[0], q, by_1), (-1, kinds[1], p, by_2)):
        matrix = by * mp.matrix(values[1].tolist()) * 2
        slopes += [sign * turned, matrix]
        if kind == "low":
            slopes.append(mp.matrix([by[i, i] for i in range(d)]))
        else:
            for i in range(d):
                for j in range(i + 1, d):
                    matrix[i, j] = mp.mpf(0)
    return value, slopes


DISTANCES = [  # a law of low rank and one of a Cholesky factor do not come near each other in these parameters
    (kinds, dtype, distance)
    for dtype, finest in ((F64, 1e-8), (torch.float32, 1e-5))
    for kinds in (("low", "low"), ("low", "full"), ("full", "low"))
    for distance in (None, 1e-2, 1e-5, 1e-8)
    if distance is None or (kinds == ("low", "low") and distance >= finest)
]


@pytest.mark.parametrize("strength", [0.5, 3.0, 300.0])
@pytest.mark.parametrize(("kinds", "dtype", "distance"), DISTANCES)
def test_values_and_derivatives_keep_their_digits(kinds, dtype, distance, strength):
    generator, eps = torch.Generator().manual_seed(1), torch.finfo(dtype).eps
    for _ in range(6):
        q = parameters(kinds[0], generator, 7, 2, strength, dtype)
        p = (
            parameters(kinds[1], generator, 7, 2, strength, dtype)
            if distance is None
            else moved(q, distance, generator)
        )
        leaves = [x.requires_grad_() for x in (*q, *p)]
        value = kl(law(kinds[0], leaves[: len(q)]), law(kinds[1], leaves[len(q) :]))
        found = torch.autograd.grad(value, leaves)
        with mp.workdps(80):
            want, slopes = truth(kinds, q, p)
            # the rounding of a factor of p is felt as often as it is ill-conditioned
            roughness = float(max(mp.cond(covariance(kinds[1], p)) ** 0.5, 1)) if distance is not None else 1.0
            assert abs(value.item() - want) <= 8 * roughness * eps * want
            largest = max(abs(x) for slope in slopes for x in slope)
            for slope, exact in zip(found, slopes, strict=True):
                for got, x in zip(slope.flatten().tolist(), exact, strict=True):
                    assert abs(got - x) <= 16 * roughness * eps * largest


@pytest.mark.parametrize("dtype", [F64, torch.float32], ids=str)
@pytest.mark.parametrize("distance", [None, 1e-3])
def test_a_thousand_dimensions_cost_no_decomposition_of_them(dtype, distance, monkeypatch):
    def refuse(*_):
        raise AssertionError("a matrix of a thousand rows is decomposed")

    monkeypatch.setattr(multivariate_gaussian, "_low_rank_factor", refuse)
    generator = torch.Generator().manual_seed(0)
    q = parameters("low", generator, 1024, 8, 1.0, dtype)
    p = parameters("low", generator, 1024, 8, 1.0, dtype) if distance is None else moved(q, distance, generator)
    leaves = [x.requires_grad_() for x in (*q, *p)]
    value = kl(law("low", leaves[:3]), law("low", leaves[3:]))
    found = torch.autograd.grad(value, leaves)
    assert value.item() > 0
    theirs = [x.detach().double().requires_grad_() for x in leaves]
    reference = torch.distributions.kl_divergence(law("low", theirs[:3]), law("low", theirs[3:]))
    tolerance = {"rtol": 1e-5 if dtype is torch.float32 else 1e-9, "atol": 1e-6}
    torch.testing.assert_close(value.double(), reference, **tolerance)
    for mine, other in zip(found, torch.autograd.grad(reference, theirs), strict=True):
        torch.testing.assert_close(mine.double(), other, rtol=1e-3, atol=1e-4)


def test_laws_of_different_rank_and_diagonal_ones_broadcast():
    generator = torch.Generator().manual_seed(0)

    def batch(r, *shape):
        drawn = [parameters("low", generator, 5, r, 1.0) for _ in range(max(1, int(torch.tensor(shape).prod())))]
        return [torch.stack(x).reshape(*shape, *x[0].shape) for x in zip(*drawn, strict=True)]

    q, p = batch(1, 3, 1), batch(3, 4)
    values = kl(law("low", q), law("low", p))
    assert values.shape == (3, 4)
    dense = [
        D.MultivariateNormal(m, covariance_matrix=w @ w.mT + torch.diag_embed(d), validate_args=False)
        for m, w, d in (q, p)
    ]
    torch.testing.assert_close(values, torch.distributions.kl_divergence(*dense), rtol=1e-12, atol=0)
    plain = D.Independent(D.Normal(q[0], q[2].sqrt()), 1)
    low = D.LowRankMultivariateNormal(q[0], 0 * q[1], q[2])
    torch.testing.assert_close(kl(plain, law("low", p)), kl(low, law("low", p)), rtol=1e-13, atol=0)


def steps(log):
    """The square of a − b: expanded, from the difference, and densely."""

    def expanded(a, b):
        log.append("expanded")
        return a * a - 2 * a * b + b * b, a * a + 2 * (a * b).abs() + b * b, ()

    def difference(a, b):
        log.append("difference")
        return (a - b) ** 2, torch.where(a > 100.0, torch.inf, (a - b) ** 2), ()

    def slopes(a, b):
        found = 2 * (a - b)
        return (found, -found), found.abs() > 1e-3 * a.abs()

    def dense(a, b):
        log.append("dense")
        return (a - b) ** 2

    forms = Form(expanded, slopes), Form(difference, slopes)
    return Ladder(forms, dense, (0, 0), lambda rows: [x.double() for x in rows])


def test_each_row_goes_down_the_ladder_as_far_as_it_must():
    log = []
    ladder = steps(log)
    a = torch.tensor([5.0, 5.0, 200.0], dtype=F64, requires_grad=True)
    b = torch.tensor([1.0, 5.0 + 1e-12, 200.0 + 1e-9], dtype=F64, requires_grad=True)
    value = by_forms(ladder, a, b)
    assert log == ["expanded", "difference", "dense"]
    torch.testing.assert_close(value, (a - b) ** 2, rtol=1e-15, atol=0)
    slopes = torch.autograd.grad(value.sum(), (a, b))
    torch.testing.assert_close(slopes[0], 2 * (a - b), rtol=1e-15, atol=0)
    twice = torch.autograd.grad(by_forms(ladder, a, b).sum(), a, create_graph=True)[0]
    torch.testing.assert_close(torch.autograd.grad(twice.sum(), b)[0], torch.full_like(b, -2.0))
    del log[:]
    with torch.no_grad():
        by_forms(ladder, a[:1], b[:1])
    assert log == ["expanded"]


def test_rows_of_float32_are_done_again_in_float64():
    log = []
    ladder = replace(steps(log), forms=steps(log).forms[:1])
    a, b = torch.tensor([5.0]), torch.tensor([5.0 + 1e-3])
    exact = (a.double() - b.double()) ** 2
    assert by_forms(ladder, a, b).double().item() == pytest.approx(exact.item(), rel=1e-6)
    assert log == ["expanded", "expanded", "dense"]


def test_a_form_that_hides_its_terms_would_be_believed():
    # the planted fault: with the size of its terms left out, the expanded square keeps no digit, and nobody notices
    honest = steps([])
    boastful = replace(
        honest,
        forms=(replace(honest.forms[0], value=lambda a, b: (a * a - 2 * a * b + b * b, -torch.ones_like(a), ())),),
    )
    a, b = torch.tensor([5.0], dtype=F64), torch.tensor([5.0 + 1e-12], dtype=F64)
    exact = ((a - b) ** 2).item()
    assert by_forms(honest, a, b).item() == pytest.approx(exact, rel=1e-15)
    assert abs(by_forms(boastful, a, b).item() / exact - 1) > 0.5
    assert 0 < _by_forms.LEFT < 1
