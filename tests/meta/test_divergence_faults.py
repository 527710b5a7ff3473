"""The checks of divergences must reject wrong formulas: each fault is planted into the registry and has to be found."""

import pytest
import torch
import torch.distributions as D

from elbo.distributions import HypersphericalUniform, PowerSpherical, VonMisesFisher
from elbo.divergences import _registry, kl, register
from elbo.evidence import Verdict
from elbo.verification import Context
from elbo.verification.claims import divergence_draws
from elbo.verification.claims import divergences as claims

FAULTS = {
    "dropped half": lambda q, p: torch.log(p.scale / q.scale) + (q.scale**2 + (q.loc - p.loc) ** 2) / (2 * p.scale**2),
    "wrong sign": lambda q, p: (
        torch.log(q.scale / p.scale) + (q.scale**2 + (q.loc - p.loc) ** 2) / (2 * p.scale**2) - 0.5
    ),
    "reversed": lambda q, p: D.kl_divergence(p, q),
    "mean without its scale": lambda q, p: (
        torch.log(p.scale / q.scale) + (q.scale / p.scale) ** 2 / 2 - 0.5 + (q.loc - p.loc) ** 2 / 2
    ),
    "log of the ratio not squared": lambda q, p: 0.5 * ((q.scale / p.scale) ** 2 - 1 - torch.log(q.scale / p.scale)),
}


@pytest.fixture
def planted():
    """Replace pairs for one test."""
    before = dict(_registry._PAIRS)
    yield lambda q, p, function: register(q, p, formula="a planted fault", source="this test")(function)
    _registry._PAIRS.clear()
    _registry._PAIRS.update(before)
    _registry._FOUND.clear()


def context(name):
    return Context(0, name, 1e-8)


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_gaussians_are_refuted_by_quadrature_and_by_draws(planted, fault, monkeypatch):
    monkeypatch.setattr(divergence_draws, "EXAMPLES", claims.EXAMPLES[:4])
    planted(D.Normal, D.Normal, FAULTS[fault])
    assert claims._closed_forms(context("x"), part=0).verdict is Verdict.REFUTED
    assert divergence_draws._univariate(context("x"), group=0).verdict is Verdict.REFUTED


def test_a_form_that_cancels_is_refuted_near_equality_and_only_there(planted):
    planted(D.Normal, D.Normal, D.kl_divergence)
    assert claims._closed_forms(context("x"), part=0).verdict is Verdict.CONFIRMED
    assert claims._torch_normal(context("x")).verdict is Verdict.REFUTED
    planted(D.Gamma, D.Gamma, D.kl_divergence)
    assert claims._near(context("x"), "Gamma").verdict is Verdict.REFUTED


def test_an_expm1_repair_is_not_enough(monkeypatch):
    def halfway(mean, *, log_variance):
        return 0.5 * (torch.expm1(log_variance) - log_variance + mean * mean)

    monkeypatch.setattr("elbo.divergences.gaussian_kl", halfway)
    for dtype in ("float64", "float32"):
        assert claims._gaussian(context("x"), dtype).verdict is Verdict.REFUTED


def test_a_wrong_normaliser_is_refuted_by_the_chain_rule_and_by_the_fisher_integral(planted):
    planted(D.Dirichlet, D.Dirichlet, lambda q, p: 1.001 * D.kl_divergence(q, p))
    assert claims._stick_breaking(context("x")).verdict is Verdict.REFUTED
    assert claims._fisher(context("x")).verdict is Verdict.REFUTED


def test_a_finite_value_where_support_is_missing_is_refuted(planted):
    planted(D.Normal, D.Exponential, lambda q, p: torch.ones(()))
    assert claims._infinite(context("x")).verdict is Verdict.REFUTED


def test_bounds_that_do_not_enclose_are_refuted(monkeypatch):
    from elbo.divergences import MixtureBounds, mixture_kl_variational

    monkeypatch.setattr(
        "elbo.divergences.mixture_kl_bounds",
        lambda q, p: MixtureBounds(mixture_kl_variational(q, p), mixture_kl_variational(q, p)),
    )
    assert claims._mixtures(context("x")).verdict is Verdict.REFUTED


@pytest.mark.parametrize(
    "laws, name",
    [((D.Dirichlet, D.Dirichlet), "Dirichlet"), ((D.Categorical, D.Categorical), "Categorical"),
     ((D.LowRankMultivariateNormal, D.MultivariateNormal), "low rank ‖ full"),
     ((VonMisesFisher, HypersphericalUniform), "von Mises-Fisher ‖ uniform"),
     ((PowerSpherical, HypersphericalUniform), "power spherical ‖ uniform")],
)  # fmt: skip
def test_draws_in_several_dimensions_see_a_tenth_too_much(planted, laws, name):
    true = _registry.find(*laws).function
    planted(*laws, lambda q, p: 1.1 * true(q, p))
    found = divergence_draws._several(context("x"))
    assert found.verdict is Verdict.REFUTED
    assert found.detail.endswith(f"rejected: {name}")


def test_draws_see_any_pair_a_quarter_off(monkeypatch):
    monkeypatch.setattr("elbo.divergences.kl", lambda q, p: 1.25 * kl(q, p) + 0.02)
    for group in range(divergence_draws.GROUPS):
        found = divergence_draws._univariate(context("x"), group)
        missed = [f"{q} ‖ {p}" for q, _, p, _ in claims.EXAMPLES[group :: divergence_draws.GROUPS]
                  if f"{q} ‖ {p}" not in found.detail]  # fmt: skip
        assert not missed


def test_draws_alarm_rarely_and_only_by_chance(monkeypatch):
    monkeypatch.setattr(divergence_draws, "DRAWS", 3_000)
    # 15 runs at a false-alarm rate of 0.1: more than 7 alarms has probability below 1e-4
    found = [divergence_draws._several(Context(seed, "x", 0.1)) for seed in range(15)]
    assert sum(outcome.verdict is Verdict.REFUTED for outcome in found) <= 7
    assert all(outcome.alpha == 0.1 for outcome in found)


def test_drawing_leaves_the_global_generator_as_it_was():
    before = torch.get_rng_state()
    divergence_draws._several(context("x"))
    assert torch.equal(torch.get_rng_state(), before)


def test_without_a_fault_all_of_this_is_confirmed():
    assert kl(D.Normal(0.0, 1.0), D.Normal(0.0, 1.0)) == 0
    for check in (
        claims._torch_normal,
        claims._stick_breaking,
        claims._fisher,
        claims._infinite,
        divergence_draws._several,
    ):
        assert check(context("x")).verdict is Verdict.CONFIRMED
