"""Engines with a mistake in them, and integrals that fool a rule: the checks see it."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from elbo import exact, problems
from elbo.exact import _transform
from elbo.exact.enumeration import iwae_by_enumeration

Q = np.array([0.3, 0.3, 0.4])
LOG_W = np.log(np.array([0.18, 0.05, 0.12]) / Q)
D = torch.float64


def agrees(k=5):
    found = exact.iwae_from_weights(LOG_W, Q, k)
    truth = iwae_by_enumeration(LOG_W, Q, k)
    return abs(found.value.item() - truth.value) <= found.error_bound.item() + truth.error_bound


def test_the_sound_engine_agrees():
    assert agrees()


@pytest.mark.parametrize("step", [0.9, 1.5])
def test_a_step_too_coarse_is_seen(monkeypatch, step):
    monkeypatch.setattr(_transform, "STEP", step)
    # the bound knows the step and grows with it: it is the accuracy that is lost, and said to be lost
    found = exact.iwae_from_weights(LOG_W, Q, 5)
    assert found.error_bound.item() > 1e-6
    assert agrees()


def test_a_kernel_that_cancels_is_seen(monkeypatch):
    """expm1(y) - y without its series: the gap near the posterior loses its digits."""
    law = np.array([0.5, 0.5])
    log_w = np.array([1e-7, -1e-7])
    sound = exact.iwae_from_weights(log_w, law, 2).gap.item()
    assert sound == pytest.approx(1e-14 / 4, rel=1e-6, abs=0.0)
    monkeypatch.setattr(_transform, "exp_excess", lambda y: np.exp(y) - 1.0 - y)
    assert exact.iwae_from_weights(log_w, law, 2).gap.item() != pytest.approx(1e-14 / 4, rel=1e-3, abs=0.0)


def test_a_transition_cut_off_is_seen(monkeypatch):
    monkeypatch.setattr(_transform, "_lower_end", lambda delta, laws, k_max: 0.0)
    assert not agrees(5) or exact.iwae_from_weights(LOG_W, Q, 5).error_bound.item() > 1e-3


def test_a_wrong_power_is_seen(monkeypatch):
    sound = _transform._integrand

    def off_by_one(log_phi, psi, s, k):
        return sound(log_phi, psi, s, k - 1)

    monkeypatch.setattr(_transform, "_integrand", off_by_one)
    assert not agrees()


def test_a_lost_jacobian_is_seen(monkeypatch):
    """The lattice for a positive z without log dz/dv gives another integral than the closed form."""
    from elbo.exact import _coordinates

    problem, x = problems.GammaPoisson(2.0, 1.5), torch.tensor(3.0, dtype=D)
    truth = problem.log_evidence(x)
    assert abs(exact.log_evidence(problem, x).value - truth) < 1e-13
    monkeypatch.setattr(_coordinates, "log_slope", lambda transform, v, z: torch.zeros_like(v))
    assert abs(exact.log_evidence(problem, x).value - truth) > 1e-2


def test_torchs_logistic_jacobian_would_be_seen(monkeypatch):
    """Its softplus turns linear at 20, which costs up to e^-20 of the density: 3e-12 of this evidence."""
    from elbo.exact import _coordinates

    problem, x = problems.BetaBinomial(0.3, 0.2, 12), torch.tensor(0.0, dtype=D)
    truth = problem.log_evidence(x)
    found = exact.log_evidence(problem, x)
    assert abs(found.value - truth) <= found.error_bound + 1e-15
    monkeypatch.setattr(_coordinates, "log_slope", lambda transform, v, z: transform.log_abs_det_jacobian(v, z))
    fooled = exact.log_evidence(problem, x)
    assert abs(fooled.value - truth) > fooled.error_bound + 1e-13


def test_a_certificate_of_the_wrong_problem_is_refused():
    """The zero-step control: the truth is compared with, not copied."""
    from elbo.gradients import Pathwise

    problem, x = problems.LinearGaussian(torch.tensor(1.0, dtype=D)), torch.tensor(1.0, dtype=D)
    q = Normal(torch.tensor(0.8, dtype=D), torch.tensor(0.7, dtype=D))
    other = {"mean": torch.tensor(-0.6001, dtype=D), "log_std": torch.tensor(0.0, dtype=D)}
    assert exact.certify(Pathwise(), problem, x, q).unbiased
    assert not exact.certify(Pathwise(), problem, x, q, truth=other).unbiased


def test_a_tail_that_was_cut_is_refused():
    with pytest.raises(exact.IntegrationError):
        exact.trapezoid(lambda t: 1 / (1 + t * t), -30.0, 30.0, limit=1 << 12)


def test_a_lost_jacobian_of_a_simplex_is_seen(monkeypatch):
    from elbo.exact import _space

    counts = torch.tensor([1.0, 3.0, 1.0], dtype=D)
    problem = problems.DirichletMultinomial(torch.tensor([1.5, 2.0, 0.7], dtype=D), 5)
    truth = problem.log_evidence(counts)
    found = exact.log_evidence(problem, counts)
    assert abs(found.value - truth) <= found.error_bound
    whole = _space.log_slope
    monkeypatch.setattr(_space, "log_slope", lambda transform, v, z: 0.5 * whole(transform, v, z))
    assert abs(exact.log_evidence(problem, counts).value - truth) > 1e-2
    # without any of it the density does not even fall off
    monkeypatch.setattr(_space, "log_slope", lambda transform, v, z: torch.zeros_like(v[..., 0]))
    with pytest.raises(exact.IntegrationError, match="fall off"):
        exact.log_evidence(problem, counts)


def test_a_lattice_that_is_cut_short_is_refused_by_its_own_bound(monkeypatch):
    from elbo.exact import _space

    problem, x = problems.HierarchicalGaussian(1.3, 0.2, 0.7, 0.4), torch.tensor(1.2, dtype=D)
    assert exact.log_evidence(problem, x).error_bound < 1e-12
    monkeypatch.setattr(_space, "DEPTH", 8.0)
    with pytest.raises(exact.IntegrationError, match="nodes"):
        exact.log_evidence(problem, x)
