"""Continuous Bernoulli laws beside laws of other families, to 8 ulps, also where both are nearly the same."""

import pytest
import torch
from mpmath import mp, mpf
from torch.distributions import ContinuousBernoulli, Exponential, Normal, Uniform

import elbo
from elbo.divergences._registry import find
from elbo.evidence import generator

COUNT = 400


def normaliser(eta):
    return mp.log(mp.expm1(eta) / eta)


def mean(eta):
    return 1 + 1 / mp.expm1(eta) - 1 / eta


def to_unit(eta):
    return eta * mean(eta) - normaliser(eta)


def to_normal(eta, m, s):
    variance = 1 / eta**2 - mp.exp(eta) / mp.expm1(eta) ** 2
    return to_unit(eta) + mp.log(2 * mp.pi * s**2) / 2 + (variance + (mean(eta) - m) ** 2) / (2 * s**2)


CASES = {
    "to a normal law": (Normal, lambda u, eta: [3 * u[0] - 1, 10 ** (4 * u[1] - 2)], to_normal),
    "to an exponential law": (
        Exponential,
        # a third are that of the same slope, all but a little
        lambda u, eta: [
            torch.where((u[0] < 0.4) & (eta < 0), -eta * (1 + 10 ** (-4 * u[1] - 0.3)), 10 ** (7 * u[2] - 4))
        ],
        lambda eta, rate: to_unit(eta) - mp.log(rate) + rate * mean(eta),
    ),
    "to a uniform law": (
        Uniform,
        lambda u, eta: [-(10 ** (5 * u[0] - 4)) * (u[2] < 0.7), 1 + 10 ** (5 * u[1] - 4) * (u[3] < 0.7)],
        lambda eta, low, high: to_unit(eta) + mp.log(high - low),
    ),
    "to another": (
        lambda eta, **raw: ContinuousBernoulli(logits=eta, **raw),
        # a third of them nearly the same, a third of either sign far from it
        lambda u, eta: [
            torch.where(u[0] < 0.3, eta * (1 + 10 ** (-6 * u[1])), torch.sign(u[3] - 0.5) * 10 ** (12 * u[2] - 6))
        ],
        lambda eta, other: normaliser(other) - normaliser(eta) - mean(eta) * (other - eta),
    ),
    "from a uniform law": (
        Uniform,
        lambda u, eta: [0.9 * u[0], 0.9 * u[0] + (1 - 0.9 * u[0]) * 10 ** (-3 * u[1])],
        lambda eta, low, high: normaliser(eta) - eta * (high + low) / 2 - mp.log(high - low),
    ),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_beside_other_families(name, dtype):
    family, parameters_of, true = CASES[name]
    u = torch.rand(6, COUNT, generator=generator(3, "continuous Bernoulli", name), dtype=torch.float64)
    eta = (torch.sign(u[4] - 0.5) * 10 ** (12 * u[5] - 6)).to(dtype)
    parameters = [x.to(dtype) for x in parameters_of(u, eta.double())]
    laws = [ContinuousBernoulli(logits=eta, validate_args=False), family(*parameters, validate_args=False)]
    laws = laws[::-1] if name.startswith("from") else laws
    allowed = find(*map(type, laws)).accuracy
    assert allowed == (16 if name == "to another" else 8)
    with mp.workdps(40):
        for got, *given in zip(elbo.kl(*laws).tolist(), eta.tolist(), *[x.tolist() for x in parameters], strict=True):
            want = true(*map(mpf, given))
            assert abs(mpf(got) - want) <= allowed * torch.finfo(dtype).eps * abs(want), given


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_logits_far_beyond_any_that_is_used(sign):
    """Of 1e5 already 3e4 ulps were lost between two of them; of 1e15 the uniform law was infinitely far."""
    for size in (1e5, 1e10, 1e20, 1e150):
        eta = torch.tensor([sign * size], dtype=torch.float64)
        steep, one = ContinuousBernoulli(logits=eta), torch.ones(1, dtype=torch.float64)
        pairs = (
            (steep, ContinuousBernoulli(logits=one), lambda x: normaliser(1) - normaliser(x) - mean(x) * (1 - x)),
            (steep, Uniform(0 * one, one), to_unit),
            (Uniform(0.25 * one, 0.75 * one), steep, lambda x: normaliser(x) - x / 2 + mp.log(2)),
            (steep, Normal(0 * one, 2 * one), lambda x: to_normal(x, 0, 2)),
            (steep, Exponential(2 * one), lambda x: to_unit(x) - mp.log(2) + 2 * mean(x)),
        )
        for q, p, truth in pairs:
            with mp.workdps(400):  # of A(η), which is of the size of η
                want = truth(mpf(eta.item()))
                assert abs(mpf(elbo.kl(q, p).item()) - want) <= 8 * 2.0**-52 * want, (type(q), type(p), size)
