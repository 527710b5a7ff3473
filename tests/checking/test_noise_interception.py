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


def test_coins_are_enumerated_with_their_own_probabilities():
    p = torch.tensor([[0.3, 0.9, 0.5], [0.0, 1.0, 0.25]], dtype=torch.float64)

    def loss():
        return (torch.bernoulli(p).sum() + 1.0) ** 2

    exact = (1 + p.sum()) ** 2 + (p * (1 - p)).sum()
    assert exact_rule(loss, record(loss)).expectation(loss).item() == pytest.approx(exact.item(), rel=1e-13)


@pytest.mark.parametrize(
    "draw",
    [
        lambda x: torch.nn.functional.dropout(x, 0.2),
        lambda x: x * torch.bernoulli(torch.full_like(x, 0.8)) / 0.8,
        lambda x: x * torch.empty_like(x).bernoulli_(0.8) / 0.8,
        lambda x: x * td.Bernoulli(probs=torch.full_like(x, 0.8)).sample() / 0.8,
        lambda x: torch.native_dropout(x, 0.2, True)[0],
    ],
)
def test_dropout_has_its_exact_mean_however_it_is_written(draw):
    x = torch.linspace(-1.0, 2.0, 4, dtype=torch.float64)

    def loss():
        return (draw(x) ** 2).sum()

    rule = exact_rule(loss, record(loss))
    assert rule.expectation(loss).item() == pytest.approx((x**2).sum().item() / 0.8, rel=1e-12)


def test_a_coin_whose_chance_depends_on_another_is_weighted_along_its_path():
    def loss():
        first = torch.bernoulli(torch.tensor(0.25, dtype=torch.float64))
        return first * 2 + torch.bernoulli(0.5 + 0.4 * first)

    assert exact_rule(loss, record(loss)).expectation(loss).item() == pytest.approx(0.5 + 0.6, rel=1e-13)


def test_coins_and_normal_noise_share_a_grid():
    def loss():
        coin = torch.bernoulli(torch.tensor(0.25, dtype=torch.float64))
        return coin * torch.randn((), dtype=torch.float64) ** 2

    assert exact_rule(loss, record(loss)).expectation(loss).item() == pytest.approx(0.25, rel=1e-12)


def test_many_coins_and_other_laws_have_no_exact_rule():
    for draw, words in (
        (lambda: torch.bernoulli(torch.full((20,), 0.5)).prod(), "20 coins"),
        (lambda: torch.multinomial(torch.ones(SHAPE), 1).sum(), "other"),
    ):
        with pytest.raises(NotExactError, match=words):
            exact_rule(draw, record(draw))
