"""Noise that a function draws is replaced by nodes: its expectation is exact."""

import math

import pytest
import torch
import torch.distributions as td

from elbo.checking._intercept import Expectation, Intercept, NotExactError, exact_rule, record

SHAPE = (2, 3)


@pytest.mark.parametrize(
    ("draw", "kind"),
    [
        (lambda: torch.randn(SHAPE), "normal"),
        (lambda: torch.randn_like(torch.zeros(SHAPE)), "normal"),
        (lambda: torch.zeros(SHAPE).normal_(), "normal"),
        (lambda: torch.normal(torch.zeros(SHAPE), torch.ones(SHAPE)), "normal"),
        (lambda: td.Normal(torch.zeros(SHAPE), 1.0).rsample(), "normal"),
        (lambda: torch.randn(SHAPE, generator=torch.Generator().manual_seed(1)), "normal"),
        (lambda: torch.rand(SHAPE), "uniform"),
        (lambda: torch.rand_like(torch.zeros(SHAPE)), "uniform"),
        (lambda: torch.zeros(SHAPE).uniform_(), "uniform"),
        (lambda: torch.bernoulli(torch.full(SHAPE, 0.3)), "coin"),
        (lambda: torch.nn.functional.dropout(torch.ones(SHAPE), 0.5), "coin"),
        (lambda: torch.multinomial(torch.ones(SHAPE), 1), "other"),
    ],
)
def test_every_way_to_draw_is_seen(draw, kind):
    assert kind in {d.kind for d in record(draw)}


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (1.5, 0.2)])
def test_a_draw_is_replaced_with_its_own_mean_and_scale(mean, std):
    with Intercept(lambda i, d: torch.full((math.prod(d.shape),), 2.0)):
        out = torch.zeros(SHAPE, dtype=torch.float64).normal_(mean, std)
    assert torch.equal(out, torch.full(SHAPE, mean + 2 * std, dtype=torch.float64))


def test_a_sum_over_coordinates_is_exact_with_its_gradient():
    mean = torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()

    def loss():
        return ((mean + 0.3 * torch.randn_like(mean)) ** 4).sum()

    rule = exact_rule(loss, record(loss))
    assert not rule.tensor
    value = rule.expectation(loss)
    v = 0.3**2
    exact = (mean**4 + 6 * v * mean**2 + 3 * v**2).sum()
    assert value.item() == pytest.approx(exact.item(), rel=1e-13)
    assert torch.allclose(*(torch.autograd.grad(f, mean)[0] for f in (value, exact)), rtol=1e-12)


def test_a_product_of_coordinates_takes_the_grid_or_nothing():
    def product(n):
        return lambda: torch.randn(n, dtype=torch.float64).prod() ** 2

    rule = exact_rule(product(2), record(product(2)))
    assert rule.tensor
    assert rule.expectation(product(2)).item() == pytest.approx(1.0, rel=1e-12)
    with pytest.raises(NotExactError, match="too many for a grid"):
        exact_rule(product(6), record(product(6)))


def test_uniform_noise_is_integrated_by_legendre_nodes():
    def loss():
        return torch.rand(SHAPE, dtype=torch.float64).exp().sum()

    assert Expectation(record(loss)).expectation(loss).item() == pytest.approx(6 * (math.e - 1), rel=1e-12)


def test_coins_have_no_exact_rule():
    def loss():
        return torch.bernoulli(torch.full(SHAPE, 0.5)).sum()

    with pytest.raises(NotExactError, match="coin"):
        exact_rule(loss, record(loss))
