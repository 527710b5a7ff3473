"""Every pair against the accuracy that it states: ordinary, nearly equal and extreme parameters, both dtypes."""

import mpmath as mp
import pytest
import torch
import torch.distributions as D

from elbo.audit._cases import known_pairs
from elbo.audit._judge import judge
from elbo.divergences import kl, kl_pairs

STATED = {(pair.q.__name__, pair.p.__name__): pair for pair in kl_pairs()}
JUDGED = [names for names in known_pairs() if names in STATED]
TIMES = 5
ELSE = 8.0  # of pairs whose accuracy depends on more than a number can say (see their notes), for these parameters


@pytest.mark.parametrize("names", JUDGED, ids=" ‖ ".join)
def test_values_and_gradients_are_as_accurate_as_is_stated(names):
    pair = STATED[names]
    allowed = max(pair.accuracy, 1.0) if pair.accuracy < float("inf") else ELSE
    report = judge(kl, *names, allowed, 2 if "Kumaraswamy" in names else TIMES)
    assert report.status == "right", [str(finding) for finding in report.findings()]
    assert not report.negative
    # a derivative, of the largest, by the common standard: 5 is the most measured where a pair states a number
    assert all(error <= max(allowed, 8) for error in report.gradient.values()), report.gradient


def test_only_two_pairs_have_no_reference():
    assert {names for names in STATED if names not in JUDGED} == {
        ("ExponentialFamily", "ExponentialFamily"),
        ("HypersphericalUniform", "HypersphericalUniform"),
    }


def categorical(a, b):
    tops = [mp.log(mp.fsum(map(mp.exp, x))) for x in (a, b)]
    return mp.fsum(mp.exp(x - tops[0]) * ((x - tops[0]) - (y - tops[1])) for x, y in zip(a, b, strict=True))


def dirichlet(a, b):
    n, m = mp.fsum(a), mp.fsum(b)
    terms = (
        mp.loggamma(y) - mp.loggamma(x) + (x - y) * (mp.digamma(x) - mp.digamma(n)) for x, y in zip(a, b, strict=True)
    )
    return mp.loggamma(n) - mp.loggamma(m) + mp.fsum(terms)


WIDE = {
    "Categorical": (lambda x: D.Categorical(logits=x), lambda law: law.logits, categorical),
    "Dirichlet": (lambda x: D.Dirichlet(x.exp()), lambda law: law.concentration, dirichlet),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("distance", [1e-7, 1e-3, 3.0])
@pytest.mark.parametrize("family", WIDE)
def test_a_thousand_outcomes(family, distance, dtype):
    make, parameter, truth = WIDE[family]
    a, b = torch.randn(2, 1024, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    q, p = (make(x.to(dtype)) for x in (a, a + (distance if dtype is torch.float64 else max(distance, 1e-4)) * b))
    with mp.workdps(50):
        want = truth(*([mp.mpf(x) for x in parameter(law).tolist()] for law in (q, p)))
        assert abs(mp.mpf(kl(q, p).item()) - want) <= 8 * torch.finfo(dtype).eps * want
