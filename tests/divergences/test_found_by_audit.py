"""What `elbo audit elbo` once called wrong, so that it stays right."""

import math

import pytest
import torch
import torch.distributions as D
from mpmath import mp, mpf

from elbo.divergences import kl
from elbo.divergences._stirling import digamma, log_gamma

F64 = torch.float64
mp.dps = 60


def _tensor(*values, dtype=F64):
    return torch.tensor(values, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_batches_of_continuous_bernoulli_laws_meet_every_partner(dtype):
    law = D.ContinuousBernoulli(probs=torch.full((5,), 0.3, dtype=dtype))
    one, two = torch.ones(5, dtype=dtype), torch.full((5,), 2.0, dtype=dtype)
    partners = [
        (law, D.Uniform(0 * one, one)), (law, D.Exponential(two)), (law, D.Normal(one, two)),
        (D.Beta(two, one), law), (D.Uniform(0 * one, one), law),
    ]  # fmt: skip
    for q, p in partners:
        value = kl(q, p)
        single = kl(*(type(side)(*(x[0] for x in _parameters(side))) for side in (q, p)))
        torch.testing.assert_close(value, single.expand(5), rtol=1e-6, atol=0)
        assert value.dtype is dtype


def _parameters(law):
    names = {
        D.ContinuousBernoulli: ["probs"], D.Uniform: ["low", "high"], D.Exponential: ["rate"],
        D.Normal: ["loc", "scale"], D.Beta: ["concentration1", "concentration0"],
    }[type(law)]  # fmt: skip
    return [getattr(law, name) for name in names]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_poisson_laws_of_rate_zero_have_one_sided_derivatives(dtype):
    q, p = (torch.zeros(2, dtype=dtype, requires_grad=True) for _ in range(2))
    value = kl(D.Poisson(q), D.Poisson(p))
    by_q, by_p = torch.autograd.grad(value.sum(), (q, p))
    assert value.eq(0).all()
    assert by_p.eq(1).all()
    assert by_q.eq(math.inf).all()


# the factor is so much larger than the diagonal that D + WWᵀ is singular in float32
FACTOR = [[-771.1712646484375], [414.986572265625], [68.86026000976562]]
DIAGONAL = [8.419341611443087e-06, 27.361587524414062, 6.299590313574299e-05]
MEANS = (
    [-58.10212326049805, 10.07853889465332, -65.69316101074219],
    [3.81885242462158, 3.4206838607788, -1.8606970310211],
)
TRIL = [[0.8494760990142822, 0, 0], [-0.298218309879303, 1.1332181692123413, 0],
        [-0.49093425273895264, -0.10893981158733368, 1.0276049375534058]]  # fmt: skip


def _closed_form(m1, s1, m2, s2):
    gap = m1 - m2
    trace = sum((s2**-1 * s1)[i, i] for i in range(3))
    return (trace - 3 - mp.log(mp.det(s1) / mp.det(s2)) + (gap.T * s2**-1 * gap)[0]) / 2


@pytest.mark.parametrize("dtype, ulps", [(torch.float64, 256), (torch.float32, 4)], ids=["float64", "float32"])
@pytest.mark.parametrize("order", ["low rank first", "low rank last"])
def test_low_rank_laws_with_a_dominant_factor(dtype, ulps, order):
    m1, m2, w, d, tril = (_tensor(*x, dtype=dtype) for x in (*MEANS, FACTOR, DIAGONAL, TRIL))
    wide = [mp.matrix(x.tolist()) for x in (m1, m2, w, tril)]
    s1 = wide[2] * wide[2].T + mp.diag([mpf(x) for x in d.tolist()])
    s2 = wide[3] * wide[3].T
    low_rank, full = D.LowRankMultivariateNormal(m1, w, d), D.MultivariateNormal(m2, scale_tril=tril)
    if order == "low rank first":
        value, truth = kl(low_rank, full), _closed_form(wide[0], s1, wide[1], s2)
    else:
        value, truth = kl(full, low_rank), _closed_form(wide[1], s2, wide[0], s1)
    assert value.dtype is dtype
    assert abs(mpf(value.item()) - truth) / truth <= ulps * torch.finfo(dtype).eps


def test_gradients_through_digamma_keep_their_digits():
    a = torch.logspace(-3, 4, 60, dtype=F64).requires_grad_()
    (slope,) = torch.autograd.grad(digamma(a).sum(), a)
    for x, got in zip(a.tolist(), slope.tolist(), strict=True):
        truth = mp.psi(1, mpf(x))
        assert abs(mpf(got) - truth) / truth <= 8 * torch.finfo(F64).eps
    assert torch.autograd.gradgradcheck(log_gamma, a[10:40].detach().requires_grad_())


def test_kumaraswamy_to_beta_has_finite_slopes():
    leaves = [_tensor(x).requires_grad_() for x in (2.18349, 0.39808, 5.32253, 0.38174)]
    value = kl(D.Kumaraswamy(*leaves[:2]), D.Beta(*leaves[2:]))
    slopes = torch.autograd.grad(value.sum(), leaves)
    assert slopes[1].item() == pytest.approx(1.71392, rel=1e-4)
    assert all(torch.isfinite(slope).all() for slope in slopes)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("distance", [1.0, 1e-2, 1e-5, 1e-9])
def test_uniform_to_beta_close_to_the_uniform_law(dtype, distance, rng):
    a, b = (1 + distance * (torch.rand(20, generator=rng, dtype=F64) - 0.5).to(dtype) for _ in range(2))
    value = kl(D.Uniform(torch.zeros((), dtype=dtype), torch.ones((), dtype=dtype)), D.Beta(a, b))
    for got, x, y in zip(value.tolist(), map(mpf, a.tolist()), map(mpf, b.tolist()), strict=True):
        truth = mp.loggamma(x) + mp.loggamma(y) - mp.loggamma(x + y) + x + y - 2
        assert abs(mpf(got) - truth) <= 32 * truth * torch.finfo(dtype).eps


def _normaliser(p):
    eta = mp.log(p / (1 - p))
    return mp.log(mp.expm1(eta) / eta) if eta else mpf(0)


def _continuous_bernoulli(q, p):
    eta, other = mp.log(q / (1 - q)), mp.log(p / (1 - p))
    mean = 1 / (1 - mp.exp(-eta)) - 1 / eta if eta else mpf(1) / 2
    return _normaliser(p) - _normaliser(q) - mean * (other - eta)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("distance", [1.0, 1e-2, 1e-4, 1e-7])
def test_continuous_bernoulli_laws_given_by_probabilities(dtype, distance, rng):
    q = 0.02 + 0.9 * torch.rand(20, generator=rng, dtype=F64)
    q = torch.cat([q, 0.5 + distance * (torch.rand(10, generator=rng, dtype=F64) - 0.5) * 0.9])
    p = (q + distance * (torch.rand(30, generator=rng, dtype=F64) - 0.5) * torch.minimum(q, 1 - q)).to(dtype)
    q = q.to(dtype)
    value = kl(D.ContinuousBernoulli(probs=q), D.ContinuousBernoulli(probs=p))
    uniform = D.Uniform(torch.zeros((), dtype=dtype), torch.ones((), dtype=dtype))
    to_uniform, from_uniform = kl(D.ContinuousBernoulli(probs=q), uniform), kl(uniform, D.ContinuousBernoulli(probs=p))
    rows = zip(*(x.tolist() for x in (q, p, value, to_uniform, from_uniform)), strict=True)
    half = mpf(1) / 2
    for x, y, *got in rows:
        truths = [_continuous_bernoulli(*pair) for pair in ((mpf(x), mpf(y)), (mpf(x), half), (half, mpf(y)))]
        for one, truth in zip(got, truths, strict=True):
            assert abs(mpf(one) - truth) <= 16 * truth * torch.finfo(dtype).eps


def test_continuous_bernoulli_laws_given_by_probabilities_differentiate_twice():
    q, p = (_tensor(*x).requires_grad_() for x in ((0.3, 0.5, 0.7, 0.1), (0.31, 0.52, 0.2, 0.9)))

    def divergence(q, p):
        return kl(D.ContinuousBernoulli(probs=q), D.ContinuousBernoulli(probs=p))

    assert torch.autograd.gradcheck(divergence, (q, p))
    assert torch.autograd.gradgradcheck(divergence, (q, p))
