"""Autograd through every quantity against central differences, and against derivatives done by hand."""

import inspect

import pytest
import torch
from torch.distributions import Bernoulli, Beta, Dirichlet, Gamma, Independent, MultivariateNormal, Normal

from elbo import problems as P
from elbo.problems import catalogue

QUANTITIES = ("elbo", "gap", "eubo", "chi2", "cubo", "renyi", "variance_log_weight", "log_evidence")
STEP = 1e-4


LAW_PARAMETERS = {
    Normal: ("loc", "scale"),
    MultivariateNormal: ("loc", "covariance_matrix"),
    Gamma: ("concentration", "rate"),
    Beta: ("concentration1", "concentration0"),
    Dirichlet: ("concentration",),
    Bernoulli: ("probs",),
}


def split(entry):
    """Names and values of the tensors that make the model, and of those that make q."""
    problem, _, q = entry.example()
    base = q.base_dist if isinstance(q, Independent) else q
    own = {n: getattr(problem, n, None) for n in inspect.signature(type(problem)).parameters}
    own = {n: v for n, v in own.items() if isinstance(v, torch.Tensor)}
    return own, {n: getattr(base, n) for n in LAW_PARAMETERS[type(base)]}


def rebuilt(entry, own, law):
    """The example again with these tensors."""
    problem, x, q = entry.example()
    signature = inspect.signature(type(problem)).parameters
    fixed = {n: getattr(problem, n) for n in signature if n not in own and hasattr(problem, n)}
    made = type(problem)(**fixed, **own)
    base = type(q.base_dist if isinstance(q, Independent) else q)(**law, validate_args=False)
    return made, x, Independent(base, 1) if isinstance(q, Independent) else base


def evaluate(quantity, made, x, q):
    if quantity == "log_evidence":
        return made.log_evidence(x)
    return made.renyi(x, q, 0.4) if quantity == "renyi" else getattr(made, quantity)(x, q)


# sums to one by construction, so that one entry cannot be moved alone
CONSTRAINED = {"Table", "GaussianMixture", "VectorQuantised", "FiniteAnnealing"}


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize(
    "entry", [e for e in catalogue() if e.is_problem and e.name not in CONSTRAINED], ids=lambda e: e.name
)
def test_gradients_with_respect_to_every_parameter_agree_with_central_differences(entry, quantity):
    own, law = split(entry)
    labels = [*own, *law]
    leaves = [v.detach().clone().requires_grad_() for v in (*own.values(), *law.values())]

    def value_at(values):
        named = list(zip(labels, values, strict=True))
        return evaluate(quantity, *rebuilt(entry, dict(named[: len(own)]), dict(named[len(own) :])))

    value = value_at(leaves)
    if not value.requires_grad:  # the evidence of a target, which is 1 whatever q
        assert quantity == "log_evidence"
        assert not own or value == 0
        return
    gradients = torch.autograd.grad(value, leaves, allow_unused=True)
    for label, leaf, gradient in zip(labels, leaves, gradients, strict=True):
        got = torch.zeros_like(leaf) if gradient is None else gradient
        assert torch.isfinite(got).all()
        if torch.isinf(value):  # from its condition: nothing to differentiate, and no NaN
            assert (got == 0).all()
            continue
        direction = torch.linspace(0.5, 1.0, max(leaf.numel(), 1), dtype=leaf.dtype).reshape(leaf.shape)
        if label == "covariance_matrix":
            direction = direction + direction.mT

        def moved(steps, leaf=leaf, direction=direction):
            return value_at([v.detach() + (steps * STEP * direction if v is leaf else 0.0) for v in leaves])

        # fourth order: the truncation is STEP^4 f'''''/30, the rounding 1e-15/STEP times the value
        numeric = (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * STEP)
        analytic = (got * direction).sum()
        scale = max(1.0, numeric.abs().item(), value.abs().item())
        assert (analytic - numeric).abs().item() < 2e-9 * scale, f"{label}: {analytic} instead of {numeric}"


def t(value):
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def test_elbo_gradient_of_the_linear_gaussian_is_the_distance_to_the_posterior():
    problem, x, m, v = P.LinearGaussian(0.7, 0.2, 0.5), torch.tensor(1.3).double(), t(0.4), t(0.9)
    posterior = problem.posterior(x)
    dm, dv = torch.autograd.grad(problem.elbo(x, Normal(m, v.sqrt())), [m, v])
    assert dm.item() == pytest.approx(((posterior.mean - m) / posterior.variance).item(), rel=1e-14)
    assert dv.item() == pytest.approx((0.5 * (1 / v - 1 / posterior.variance)).item(), rel=1e-13)


def test_fisher_identity_for_the_loading():
    """∂ log p(x)/∂a = E[∂ log p(x, z)/∂a | x] = E[z (x - c - a z) | x] / r."""
    a = t(0.7)
    problem, x = P.LinearGaussian(a, 0.2, 0.5), torch.tensor(1.3).double()
    (got,) = torch.autograd.grad(problem.log_evidence(x), a)
    posterior = problem.posterior(x)
    m, second = posterior.mean, posterior.mean**2 + posterior.variance
    assert got.item() == pytest.approx(((m * (x - 0.2) - a * second) / 0.5).item(), rel=1e-13)


def test_gradient_of_a_gap_is_zero_at_the_posterior_to_the_last_digits():
    problem, x = P.GammaPoisson(2.0, 1.5), torch.tensor(3)
    posterior = problem.posterior(x)
    a, b = posterior.concentration.clone().requires_grad_(), posterior.rate.clone().requires_grad_()
    gradient = torch.autograd.grad(problem.gap(x, Gamma(a, b)), [a, b])
    assert max(g.abs().item() for g in gradient) < 1e-14


def test_gradients_are_zero_and_not_nan_where_the_quantity_is_infinite():
    problem, x, m, v = P.LinearGaussian(), torch.tensor(1.0).double(), t(0.4), t(0.2)
    value = problem.log_moment(x, Normal(m, v.sqrt()), 2.0)
    assert value.item() == torch.inf
    for gradient in torch.autograd.grad(value, [m, v]):
        assert not gradient.isnan()


def test_annealing_bounds_are_differentiable_in_the_target():
    target = torch.tensor([0.1, 0.3, 0.02], dtype=torch.float64, requires_grad=True)
    problem = P.FiniteAnnealing(torch.ones(3).double() / 3, target, 2)
    (gradient,) = torch.autograd.grad(problem.log_evidence(None), target)
    assert torch.allclose(gradient, (1 / target.sum()).expand(3).detach(), rtol=1e-12)


def test_tables_are_differentiable_through_their_logits():
    logits = torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    q = torch.distributions.Categorical(torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64))

    def f(logits):
        problem = P.Table(torch.softmax(logits.flatten(), 0).reshape(2, 3))
        x = torch.tensor([0, 1])
        return torch.stack([problem.elbo(x, q), problem.eubo(x, q), problem.chi2(x, q), problem.renyi(x, q, 0.5)])

    assert torch.autograd.gradcheck(f, [logits], eps=1e-6, atol=1e-7, rtol=1e-6)
