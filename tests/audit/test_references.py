"""The references of the audit against quadrature of the densities, and against themselves at other precisions."""

import itertools

import mpmath as mp
import numpy as np
import pytest
import torch
from scipy import integrate

from elbo.audit._cases import BOUNDARY, MEETING, _evaluate, _ordinary, arguments, cases, digits, known_pairs, reference
from elbo.audit._direct import DIRECT
from elbo.audit._families import FAMILIES, tensors
from elbo.audit._laws import LAWS

PAIRS = list(known_pairs())
CONTINUOUS = [(q, p) for q, p in PAIRS if q in LAWS and p in LAWS]
DISCRETE = [
    (q, p)
    for q, p in PAIRS
    if q in ("Bernoulli", "Binomial", "Categorical", "Geometric", "NegativeBinomial", "Poisson") and (q, p) in DIRECT
]


def ordinary_cases(q, p, n=4):
    return list(_ordinary(FAMILIES[q], FAMILIES[p], np.random.default_rng([len(q), len(p), 7]), n))


def tame(name, values):
    """Near 1, so that quadrature is easy."""
    for parameter in FAMILIES[name].parameters:
        if parameter.kind == "positive":
            values[parameter.name] = values[parameter.name] ** 0.3
        elif parameter.kind == "real":
            values[parameter.name] = np.tanh(values[parameter.name]) / 2


def laws(q, p, case):
    return (
        FAMILIES[q].make(tensors(FAMILIES[q], [case.q], torch.float64)),
        FAMILIES[p].make(tensors(FAMILIES[p], [case.p], torch.float64)),
    )


@pytest.mark.parametrize("q,p", CONTINUOUS, ids=lambda name: name)
def test_closed_form_agrees_with_quadrature_of_the_densities(q, p):
    """SciPy over quantiles of q: KL = ∫ (log q - log p) dF, with torch's densities, which no reference uses."""
    for case in ordinary_cases(q, p, 2):
        tame(q, case.q)
        tame(p, case.p)
        want = _evaluate(q, p, case, 30)
        law_q, law_p = laws(q, p, case)
        low, high = (float(x) for x in LAWS[q](*arguments(q, case.q)).support())

        def integrand(x, law_q=law_q, law_p=law_p):
            point = torch.tensor([x], dtype=torch.float64)
            log_q = law_q.log_prob(point).item()
            if log_q < -700:
                return 0.0
            return np.exp(log_q) * (log_q - law_p.log_prob(point).item())

        if mp.isinf(want):
            assert q == "Pareto" or mass_outside(law_q, law_p)  # Pareto: its moments may be infinite
            continue
        if q == "Pareto" or "ContinuousBernoulli" in (q, p):
            continue  # heavy tails; torch's density of the continuous Bernoulli is a Taylor series near 1/2
        middle = float(law_q.mean)
        breaks = [low, *sorted({middle / 30, middle / 3, middle, 3 * middle} if low == 0 else {middle}), high]
        got = bound = 0.0
        with np.errstate(all="ignore"):
            for left, right in itertools.pairwise([x for x in breaks if low <= x <= high]):
                value, error, *_ = integrate.quad(integrand, left, right, limit=400, full_output=1)
                got, bound = got + value, bound + error
        assert bound < 1e-4 * max(1, float(want))
        assert got == pytest.approx(float(want), rel=1e-6, abs=10 * bound)


def mass_outside(law_q, law_p) -> bool:
    """Whether q has a density somewhere beyond an end of the support of p."""
    ends = [getattr(law_p.support, name, None) for name in ("lower_bound", "upper_bound")]
    points = [
        float(e) + side * 0.05 * (1 + abs(float(e))) for e, side in zip(ends, (-1, 1), strict=True) if e is not None
    ]
    points += law_q.sample((50,)).flatten().tolist()
    inside = [x for x in points if not law_p.support.check(torch.tensor([x]).double()).all()]
    inside = [x for x in inside if law_q.support.check(torch.tensor([x]).double()).all()]
    return any(law_q.log_prob(torch.tensor([x]).double()).item() > -np.inf for x in inside)


@pytest.mark.parametrize("q,p", DISCRETE, ids=lambda name: name)
def test_closed_form_agrees_with_summation(q, p):
    for case in ordinary_cases(q, p, 3):
        want = _evaluate(q, p, case, 30)
        law_q, law_p = laws(q, p, case)
        if mp.isinf(want):
            continue
        points = torch.arange(
            4.0 if q == "Categorical" else 8.0 if "inomial" in q and q[0] == "B" else 2.0, dtype=torch.float64
        )
        if q in ("Geometric", "NegativeBinomial", "Poisson"):
            points = torch.arange(4000.0, dtype=torch.float64)
        points = points.unsqueeze(-1)
        log_q, log_p = law_q.log_prob(points), law_p.log_prob(points)
        got = torch.where(log_q > -600, log_q.exp() * (log_q - log_p), 0.0).sum().item()
        assert got == pytest.approx(float(want), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    "name", ["MultivariateNormal", "LowRankMultivariateNormal", "Dirichlet", "VonMisesFisher", "VonMises"]
)
def test_closed_form_agrees_with_an_average_over_draws(name, rng):
    """log q - log p over draws of torch, with a fixed seed, to six standard errors."""
    torch.manual_seed(int(torch.randint(10**6, (), generator=rng)))
    for case in ordinary_cases(name, name, 2):
        want = float(_evaluate(name, name, case, 30))
        law_q, law_p = laws(name, name, case)
        x = law_q.sample((20_000,))
        difference = (law_q.log_prob(x) - law_p.log_prob(x)).squeeze(-1)
        assert abs(difference.mean().item() - want) < 6 * difference.std().item() / 20_000**0.5


def test_references_keep_thirty_digits_in_every_case():
    """Against 80 digits more, where those used could have been too few: near equality and at extremes."""
    for q, p in PAIRS:
        more = digits(q, p) + 80
        for dtype in ("float64", "float32"):
            for case in cases(q, p, dtype):
                if case.kind not in ("near", "extreme") or (case.distance or 0) > 1e-6:
                    continue
                better = _evaluate(q, p, case, more)
                with mp.workdps(more):
                    same = case.reference == better or abs(case.reference / better - 1) < mp.mpf(10) ** -30
                    assert same, (q, p, case)


def expected_log_rest(a, b):
    return LAWS["Kumaraswamy"](mp.mpf(a), mp.mpf(b)).mean(("log1-",))


@pytest.mark.parametrize("x", [1e-6, 1e-5, 0.3, 1.0, 5.0, 1e5, 1e6])
def test_expected_logarithm_under_kumaraswamy_is_that_of_beta_where_they_meet(x):
    with mp.workdps(60):
        assert abs(expected_log_rest(1, x) * x + 1) < 1e-55
        assert abs(expected_log_rest(x, 1) / (mp.digamma(1) - mp.digamma(1 + mp.mpf(x))) - 1) < 1e-48


@pytest.mark.parametrize("a", [1e-6, 1e-3, 0.3, 17.0, 1e6])
@pytest.mark.parametrize("b", [1e-6, 0.07, 2.5, 3e3, 1e6])
def test_expected_logarithm_under_kumaraswamy_by_another_quadrature(a, b):
    """The integral of log(1 - (1 - e^(-s/b))^(1/a)) e^-s, by the tanh-sinh rule on pieces."""

    def integrand(s):
        log_x = mp.log1p(-mp.exp(-s / b)) / a
        return (mp.log1p(-mp.exp(log_x)) if log_x < -1 else mp.log(-mp.expm1(log_x))) * mp.exp(-s)

    with mp.workdps(40):
        breaks = {mp.mpf(x) for x in (0, 1, 10, 120)}
        breaks |= {b * x for x in (mp.mpf(1) / 100, 1, 10, max(1, -mp.log(a))) if b * x < 120}
        want = mp.quad(integrand, sorted(breaks))
        # where a is small and b large x is all but zero, and the mean below any other term
        assert abs(expected_log_rest(a, b) - want) < 1e-30 * (abs(want) + mp.mpf(10) ** -30)


def test_references_are_never_negative_and_zero_at_equality_only():
    for q, p in PAIRS:
        for case in cases(q, p, "float64"):
            assert case.reference >= 0
            assert (case.reference == 0) <= (case.kind in ("equal", "boundary")), (q, p, case)


def test_laws_meet_where_the_table_says():
    for (q, p), (left, right) in MEETING.items():
        function = reference(q, p)
        with mp.workdps(40):
            value = function(*(mp.mpf(v) for v in left.values()), *(mp.mpf(v) for v in right.values()))
            assert abs(value) < mp.mpf(10) ** -25, (q, p, value)


def test_boundary_cases_name_known_pairs_and_parameters():
    for (q, p), listed in BOUNDARY.items():
        assert (q, p) in PAIRS
        for left, right in listed:
            assert set(left) == {x.name for x in FAMILIES[q].parameters}
            assert set(right) == {x.name for x in FAMILIES[p].parameters}


def test_every_finite_and_infinite_pair_of_torch_has_a_reference():
    from torch.distributions import kl

    registered = {(q.__name__, p.__name__) for q, p in kl._KL_REGISTRY}
    assert registered - set(PAIRS) == {("ExponentialFamily", "ExponentialFamily")}  # abstract: no law of that type
