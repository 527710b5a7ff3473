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
    eta = (torch.sign(u[4] - 0.5) * 10 ** (7.6 * u[5] - 6)).to(dtype)
    parameters = [x.to(dtype) for x in parameters_of(u, eta.double())]
    laws = [ContinuousBernoulli(logits=eta, validate_args=False), family(*parameters, validate_args=False)]
    laws = laws[::-1] if name.startswith("from") else laws
    allowed = find(*map(type, laws)).accuracy
    assert allowed == 8
    with mp.workdps(40):
        for got, *given in zip(elbo.kl(*laws).tolist(), eta.tolist(), *[x.tolist() for x in parameters], strict=True):
            want = true(*map(mpf, given))
            assert abs(mpf(got) - want) <= allowed * torch.finfo(dtype).eps * abs(want), given
