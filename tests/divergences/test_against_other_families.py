"""Pairs whose usual forms cancel: at parameters from 1e-6 to 1e6, and where p is all but the best law of its family."""

import math

import mpmath as mp
import numpy as np
import pytest
import torch
import torch.distributions as D

from elbo.audit import _cases as audit_cases
from elbo.audit._families import FAMILIES, tensors
from elbo.divergences import kl

EPS = torch.finfo(torch.float64).eps
BETA_GAMMA_GUMBEL = [  # the largest relative error allowed of a value, in ulps; what was measured is below
    ("Beta", "Exponential", 8),
    ("Beta", "Gamma", 8),
    ("Beta", "Normal", 4),
    ("Gamma", "Gumbel", 8),
    ("Gamma", "Normal", 4),
    ("Uniform", "Gamma", 8),
    ("Gumbel", "Normal", 4),
    ("Laplace", "Normal", 4),
    ("Exponential", "Normal", 4),
    ("Normal", "Laplace", 8),
    ("Beta", "Beta", 8),
    ("Dirichlet", "Dirichlet", 8),
    ("Gamma", "Gamma", 8),
    ("InverseGamma", "InverseGamma", 8),
    ("Independent", "LowRankMultivariateNormal", 16),
    ("MultivariateNormal", "LowRankMultivariateNormal", 16),
    ("LowRankMultivariateNormal", "Independent", 4),
]


def over_the_domain(q: str, p: str, count: int):
    rng = np.random.default_rng(1)
    families = FAMILIES[q], FAMILIES[p]
    found = [*audit_cases._ordinary(*families, rng, count // 2), *audit_cases._extreme(*families, rng, count)]
    found += audit_cases._near(*families, rng, [10.0**-k for k in range(1, 9)], count // 16)
    for case in found:
        case.reference = audit_cases._evaluate(q, p, case, audit_cases.digits(q, p))
    return found


@pytest.mark.parametrize(("q", "p", "allowed"), BETA_GAMMA_GUMBEL, ids=lambda x: str(x))
def test_values_keep_their_digits_over_the_whole_domain(q, p, allowed):
    cases = over_the_domain(q, p, 160)
    values = kl(
        FAMILIES[q].make(tensors(FAMILIES[q], [case.q for case in cases], torch.float64)),
        FAMILIES[p].make(tensors(FAMILIES[p], [case.p for case in cases], torch.float64)),
    )
    bad, seen = [], 0
    for case, value in zip(cases, values.tolist(), strict=True):
        if not 1e-290 < case.reference < 1e290:
            continue
        seen += 1
        error = float(abs(mp.mpf(value) - case.reference) / case.reference) / EPS
        if not error <= allowed:
            bad.append((error, case))
    assert seen > 100
    assert not bad, max(bad, key=lambda row: row[0])


def test_a_large_shape_against_a_pareto_law():
    sides = (0.5597971053440949, 2.806794396776331), (20132.20998761962, 31347.346831182873)  # 33 ulps were measured
    with mp.workdps(60):
        truth = audit_cases.reference("Pareto", "Gamma")(*(mp.mpf(x) for side in sides for x in side))
        q, p = (torch.tensor(side, dtype=torch.float64) for side in sides)
        assert abs(kl(D.Pareto(*q), D.Gamma(*p)).item() - truth) <= 8 * EPS * truth


@pytest.mark.parametrize(
    ("q", "p"),
    [  # with the ulps that were measured
        ((0.00014422852154519978, 0.15174700016371884), (0.00014733000037419594, 1.2801821302721909e-06)),  # 898
        ((2.151684781890401e-06, 1.2516669967318814), (1.823555839159356e-06, 0.23952478898291774)),  # 171
        ((8305.938419043185, 625927.8771287142), (8416.152106446509, 642649.6334289053)),  # 884
        ((0.24801711598933637, 2.0320156721724043), (0.26695959701063504, 2.5978656190117633)),  # 29
        ((0.0026599246757056834, 1.766288573112685e-05), (241908.5008903481, 84.14239006006417)),  # 22
        ((898024.4622315374, 3.1913448941977793), (339463034910.6182, 339464227931.57355)),
    ],
)
def test_what_a_beta_law_that_is_all_but_a_gamma_law_has_beyond_it(q, p):
    with mp.workdps(60):
        truth = audit_cases.reference("Beta", "Gamma")(*(mp.mpf(x) for side in (q, p) for x in side))
        value = kl(D.Beta(*torch.tensor(q, dtype=torch.float64)), D.Gamma(*torch.tensor(p, dtype=torch.float64)))
        assert abs(value.item() - truth) <= 8 * EPS * truth


def beta_and_gamma(rng, away):
    a, b = 10 ** (rng.uniform(-6, 6, 2) if rng.random() < 0.5 else rng.uniform(-2, 2, 2))
    c = a * (a + b) / b * (1 + away[0])
    return (a, b), (c, c * (a + b) / a * (1 + away[1] / math.sqrt(1 + c)))


def beta_and_exponential(rng, away):
    b = 10 ** rng.uniform(-1, 6)
    return (1 + away[0], b), ((1 + b) * (1 + away[1]),)


def beta_and_normal(rng, away):
    a, b = 10 ** rng.uniform(-1, 6, 2)
    if rng.random() < 0.3:
        b = a
    n = a + b
    deviation = math.sqrt(a * b / (n + 1)) / n
    return (a, b), (a / n + away[0] * deviation, deviation * (1 + away[1]))


def gamma_and_normal(rng, away):
    a, b = 10 ** rng.uniform(-1, 6, 2)
    deviation = math.sqrt(a) / b
    return (a, b), (a / b + away[0] * deviation, deviation * (1 + away[1]))


def gamma_and_gumbel(rng, away):
    a, b = 10 ** rng.uniform(-1, 6, 2)
    s = math.sqrt(a) / b * (1 + 0.3 * away[0])
    return (a, b), ((a * math.log1p(1 / (b * s)) + away[1]) * s, s)


MATCHED = [
    ("Beta", "Exponential", beta_and_exponential, 8),
    ("Beta", "Normal", beta_and_normal, 16),
    ("Gamma", "Normal", gamma_and_normal, 8),
    ("Gamma", "Gumbel", gamma_and_gumbel, 8),
    ("Beta", "Gamma", beta_and_gamma, 8),
]


@pytest.mark.parametrize(("q", "p", "draw", "allowed"), MATCHED, ids=lambda x: x if isinstance(x, str) else "")
def test_values_keep_their_digits_where_the_moments_match(q, p, draw, allowed):
    rng = np.random.default_rng(2)
    bad = []
    for _ in range(150):
        away = 10 ** rng.uniform(-8, -0.3) * rng.uniform(-1, 1, 2)
        sides = draw(rng, away)
        with mp.workdps(100):
            truth = audit_cases.reference(q, p)(*(mp.mpf(float(x)) for side in sides for x in side))
            laws = [
                getattr(D, name)(*(torch.tensor(float(x), dtype=torch.float64) for x in side), validate_args=False)
                for name, side in zip((q, p), sides, strict=True)
            ]
            error = float(abs(kl(*laws).item() - truth) / truth) / EPS
        if not error <= allowed:
            bad.append((error, sides, float(truth)))
    assert not bad, max(bad)


@pytest.mark.parametrize(
    ("q", "p"),
    [("Beta", "Gamma"), ("Beta", "Normal"), ("Gamma", "Normal"), ("Gamma", "Gumbel"), ("Laplace", "Normal")],
)
@pytest.mark.parametrize("size", [1.0, 40.0])
def test_derivatives_are_those_of_the_value(q, p, size):
    generator = torch.Generator().manual_seed(0)
    leaves = [(torch.rand(3, generator=generator, dtype=torch.float64) * size + 0.3).requires_grad_() for _ in range(4)]

    def value(*x):
        return kl(getattr(D, q)(*x[:2], validate_args=False), getattr(D, p)(*x[2:], validate_args=False))

    assert torch.autograd.gradcheck(value, leaves, rtol=1e-6, atol=1e-9)
    assert torch.autograd.gradgradcheck(value, leaves, rtol=1e-6, atol=1e-8)
    bare = [leaf.detach() for leaf in leaves]
    torch.testing.assert_close(torch.func.vmap(value)(*bare), value(*bare), rtol=1e-12, atol=0)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # by torch itself, in jvp
@pytest.mark.parametrize("low_rank_is", ["q", "p"])
def test_low_rank_laws_have_derivatives_of_every_kind(low_rank_is):
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    leaves = [normal(2, 3), normal(2, 3).exp(), normal(2, 3), normal(2, 3, 2), normal(2, 3).exp()]

    def value(loc, scale, mean, factor, diagonal):
        plain = D.Independent(D.Normal(loc, scale, validate_args=False), 1, validate_args=False)
        low_rank = D.LowRankMultivariateNormal(mean, factor, diagonal, validate_args=False)
        return kl(plain, low_rank) if low_rank_is == "p" else kl(low_rank, plain)

    assert torch.autograd.gradcheck(value, [x.requires_grad_() for x in leaves])
    assert torch.autograd.gradgradcheck(value, leaves)
    bare = [x.detach() for x in leaves]
    twice = torch.func.vmap(torch.func.jacrev(torch.func.jacrev(value, argnums=3), argnums=3))(*bare)
    forward = torch.func.vmap(torch.func.hessian(value, argnums=3))(*bare)
    torch.testing.assert_close(twice, forward, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("trials", [1, 7])
def test_certain_coins_have_the_divergence_of_the_limit(dtype, trials):
    inf = math.inf
    expected = {
        (inf, inf): 0.0, (-inf, -inf): 0.0, (inf, -inf): inf, (-inf, inf): inf, (0.3, inf): inf, (0.3, -inf): inf,
        (inf, 0.3): math.log1p(math.exp(-0.3)), (-inf, 0.3): math.log1p(math.exp(0.3)),
    }  # fmt: skip
    for (a, b), want in expected.items():
        q, p = (torch.tensor(x, dtype=dtype) for x in (a, b))
        by_logits = kl(D.Binomial(trials, logits=q), D.Binomial(trials, logits=p))
        by_probs = kl(D.Binomial(trials, probs=torch.sigmoid(q)), D.Binomial(trials, probs=torch.sigmoid(p)))
        for value in (by_logits, by_probs):
            assert value.item() == pytest.approx(trials * want, rel=8 * torch.finfo(dtype).eps)


def test_a_beta_law_against_the_uniform_law_on_all_but_its_own_interval():
    # log(h − l) of a width that is all but one: 1e12 ulps were measured
    rng = np.random.default_rng(4)
    for _ in range(100):
        a, b = 1 + 10 ** rng.uniform(-12, -1, 2) * rng.choice([-1, 1], 2)
        low, high = -(10 ** rng.uniform(-14, 0)), 1 + 10 ** rng.uniform(-14, 0)
        sides = torch.tensor([a, b, low, high], dtype=torch.float64)
        value = kl(D.Beta(*sides[:2]), D.Uniform(*sides[2:]))
        with mp.workdps(60):
            a, b, low, high = map(mp.mpf, sides.tolist())
            entropy = mp.log(mp.beta(a, b)) + (a + b - 2) * mp.digamma(a + b)
            entropy -= (a - 1) * mp.digamma(a) + (b - 1) * mp.digamma(b)
            truth = mp.log(high - low) - entropy
            assert abs(value.item() - truth) <= 8 * EPS * truth
