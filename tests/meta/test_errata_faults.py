"""The verdict on an erratum can go wrong in each way that it could be wrong."""

import math

import numpy as np
import pytest

from derivations.errata import Comparison, Evaluation, divergences, errata, erratum, gaussians, roles

EVALUATED = [entry for entry in errata() if entry.counterexample is not None]


@pytest.mark.parametrize("entry", EVALUATED, ids=lambda e: e.label)
def test_a_true_statement_is_not_refuted(entry) -> None:
    """Exchange the roles: the correct statement then stands accused, and must not be found guilty."""
    found = entry.evaluate()
    assert not Evaluation(found.confirms, found.violates).refutes
    assert not Evaluation(found.confirms).refutes


@pytest.mark.parametrize("entry", EVALUATED, ids=lambda e: e.label)
def test_a_wrong_correction_is_not_confirmed(entry) -> None:
    """Each number of the correct statement moved to the far side of its error bound is noticed."""
    found = entry.evaluate()
    for i, c in enumerate(found.confirms):
        if not math.isfinite(c.asserted):
            moved = 0.0
        else:
            step = 3 * c.error_bound + 1e-12
            moved = c.asserted + (step if c.relation != ">=" else -step)
        wrong = Comparison(c.quantity, moved, c.relation, c.asserted, c.error_bound)
        assert not Evaluation(found.violates, (*found.confirms[:i], wrong, *found.confirms[i + 1 :])).refutes


def test_nothing_evaluated_refutes_nothing() -> None:
    assert not Evaluation(()).refutes


def test_nan_and_unbounded_errors_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        Comparison("x", math.nan, "=", 0.0)
    with pytest.raises(ValueError, match="finite"):
        Comparison("x", 1.0, "=", 0.0, math.inf)


def test_the_average_over_x_is_not_refuted_where_it_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal weights make the plain mean of E11 right, so the counterexample must no longer count."""
    even = np.array([[0.2, 0.1, 0.2], [0.1, 0.3, 0.1]])
    monkeypatch.setattr(divergences, "ENCODER_JOINT", even)
    assert not erratum("E11").evaluate().refutes


def test_equal_posterior_and_encoder_are_not_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "ENCODER", roles.model_posterior(roles.PRIOR, roles.DECODER))
    assert not erratum("E4").evaluate().refutes


def test_a_wrong_closed_form_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaussians, "kl_to_standard_normal", lambda m, v: 0.5 * (m * m + v - 1))
    assert not erratum("E18").evaluate().refutes
