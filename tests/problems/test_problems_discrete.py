"""Annealing on finitely many states, the Bernoulli toy, discretised cells, and latents of many bits."""

import math

import pytest
import torch
from torch.distributions import Beta, Uniform

from elbo import problems as P


def t(value):
    return torch.tensor(value, dtype=torch.float64)


TARGET = t([0.1, 0.3, 0.02, 0.3, 0.05])


@pytest.mark.parametrize("kernel", ["metropolis", "perfect"])
def test_kernels_leave_their_density_invariant_and_the_weights_are_unbiased(kernel):
    problem = P.FiniteAnnealing([0.2] * 5, TARGET, 3, kernel=kernel)
    for step in range(1, 3):
        law, move = torch.softmax(problem.log_density(step), 0), problem.transition(step)
        assert torch.allclose(move.sum(-1), torch.ones(5).double(), atol=1e-15)
        assert torch.allclose(law @ move, law, atol=1e-15)
    assert problem.log_evidence(None).exp().item() == pytest.approx(TARGET.sum().item(), rel=1e-13)
    assert problem.weight_moment(None, problem.forward, 1.0).item() == pytest.approx(1, rel=1e-13)


def test_paths_of_annealing_by_a_loop_over_them():
    problem = P.FiniteAnnealing(t([0.5, 0.3, 0.2]), t([0.2, 0.1, 0.4]), 3)
    mean = log_mean = reverse = 0.0
    for path in problem.paths.tolist():
        forward, log_w = problem.initial[path[0]].item(), 0.0
        for step in range(1, 4):
            if step < 3:
                forward *= problem.transition(step)[path[step - 1], path[step]].item()
            log_w += (problem.log_density(step) - problem.log_density(step - 1))[path[step - 1]].item()
        mean, log_mean = mean + forward * math.exp(log_w), log_mean + forward * log_w
        reverse += forward * math.exp(log_w) * log_w
    assert mean == pytest.approx(0.7, rel=1e-13)
    assert problem.elbo(None, problem.forward).item() == pytest.approx(log_mean, rel=1e-12)
    assert problem.eubo(None, problem.forward).item() == pytest.approx(reverse / mean, rel=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_perfect_transitions_make_the_sandwich_a_riemann_sum(steps):
    problem = P.FiniteAnnealing([0.2] * 5, TARGET, steps, kernel="perfect")
    left = sum(problem.mean_energy(k / steps) for k in range(steps)) / steps
    right = sum(problem.mean_energy((k + 1) / steps) for k in range(steps)) / steps
    low, high = problem.elbo(None, problem.forward), problem.eubo(None, problem.forward)
    assert low.item() == pytest.approx(left.item(), rel=1e-12)
    assert high.item() == pytest.approx(right.item(), rel=1e-12)
    one = P.FiniteAnnealing([0.2] * 5, TARGET, 1)
    width = one.eubo(None, one.forward) - one.elbo(None, one.forward)
    assert (high - low).item() == pytest.approx(width.item() / steps, rel=1e-12)


def test_more_temperatures_tighten_the_sandwich():
    widths = []
    for steps in (1, 2, 4):
        problem = P.FiniteAnnealing([0.2] * 5, TARGET, steps)
        widths.append((problem.eubo(None, problem.forward) - problem.elbo(None, problem.forward)).item())
    assert widths[0] > widths[1] > widths[2] > 0


def test_toy_expectation_gradient_and_variance_by_enumeration():
    toy, logits = P.BernoulliToy(0.49), t([-2.0, 0.0, 1.3]).requires_grad_()
    (gradient,) = torch.autograd.grad(toy.expectation(logits).sum(), logits)
    assert torch.allclose(gradient, toy.gradient(logits), rtol=1e-12)
    theta = torch.sigmoid(logits)
    law, values = toy.law(logits), t([0.0, 1.0])[:, None]
    score = toy.cost(values) * (values - theta)
    mass = law.log_prob(values).exp()
    assert torch.allclose((mass * score).sum(0), toy.gradient(logits), rtol=1e-12)
    variance = (mass * (score - toy.gradient(logits)) ** 2).sum(0)
    assert torch.allclose(variance, toy.score_function_variance(logits), rtol=1e-12)


def test_cells_sum_to_one_and_keep_their_digits_in_the_tail():
    problem = P.DiscretisedLogistic(0.3, 0.7)
    assert problem.log_evidence(torch.arange(-60, 60)).exp().sum().item() == pytest.approx(1, rel=1e-13)
    # σ(42) - σ(40) is 0 in float64; at scale ½ the cell [20, 21] is [40, 42] in units of the scale
    far = P.DiscretisedLogistic(0.0, 0.5)
    assert far.log_evidence(torch.tensor(20)).item() == pytest.approx(-40 + math.log1p(-math.exp(-2)), rel=1e-15)


def test_closed_cell_probability_is_the_integral_of_the_density():
    from elbo.problems._line import LineProblem

    problem = P.DiscretisedLogistic(t([0.3, -1.0]), t([0.2, 1.5]))
    for x in (-2, 0, 1):
        integral = LineProblem.log_evidence(problem, torch.tensor([x, x]))
        assert torch.allclose(problem.log_evidence(torch.tensor([x, x])), integral, rtol=1e-12)


def test_dequantisation_bounds_order_and_a_spike_gains_nothing():
    uniform = Uniform(t(0.0), t(1.0))
    narrow, wide = P.DiscretisedLogistic(0.5, 0.01), P.DiscretisedLogistic(0.5, 5.0)
    x = torch.tensor(0)
    for problem in (narrow, wide):
        assert problem.elbo(x, uniform) <= problem.log_evidence(x) <= 0
    # nearly constant in the cell: nearly tight
    assert problem.gap(x, uniform) < 1e-5
    # log p(x + u) is above 3 at its peak, and the bound is far below 0
    assert narrow.log_joint(x, t(0.5)) > 3
    assert narrow.elbo(x, uniform) < -10
    # a flexible q(u | x) is tighter than the uniform one
    middle = P.DiscretisedLogistic(0.5, 0.15)
    assert middle.elbo(x, Beta(t(3.0), t(3.0))) > middle.elbo(x, uniform)


def test_many_bits_have_a_normalised_posterior_and_a_closed_mean_field_elbo():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(10, generator=generator, dtype=torch.float64)
    problem = P.BernoulliLatents(weight, torch.sigmoid(weight), 0.9)
    x = t([0.3, -2.0])
    assert torch.allclose(problem.log_posterior_table(x).exp().sum(-1), torch.ones(2).double(), rtol=1e-13)
    q = torch.distributions.Independent(torch.distributions.Bernoulli(torch.sigmoid(2 * weight)), 1)
    assert torch.allclose(problem.elbo(x, q), problem.elbo_by_enumeration(x, q), rtol=1e-12)


def test_probabilities_of_zero_and_one_are_exact():
    problem = P.BernoulliLatents([1.0, -1.0], [0.5, 1.0], 1.0)
    q = torch.distributions.Independent(torch.distributions.Bernoulli(t([0.0, 1.0])), 1)
    x = t(0.2)
    want = problem.log_joint(x, t([0.0, 1.0]))
    assert problem.elbo(x, q).item() == pytest.approx(want.item(), rel=1e-14)
    assert problem.elbo_by_enumeration(x, q).item() == pytest.approx(want.item(), rel=1e-14)
