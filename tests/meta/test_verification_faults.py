"""A planted fault in what is verified must turn the main job red."""

import torch

from elbo.evidence import Verdict
from elbo.verification import collect
from elbo.verification._run import run


def only(name: str) -> Verdict:
    (row,) = run(collect(name), workers=0).rows
    return row.outcome.verdict


def test_nodes_with_a_wrong_weight_are_refuted(monkeypatch) -> None:
    name = "noise.standard_normal.nodes"
    assert only(name) is Verdict.CONFIRMED
    from elbo.noise import StandardNormal

    right = StandardNormal.nodes

    def wrong(self, order):
        points, weights = right(self, order)
        return points, weights * torch.linspace(0.999, 1.001, len(weights), dtype=torch.float64)

    monkeypatch.setattr(StandardNormal, "nodes", wrong)
    assert only(name) is Verdict.REFUTED


def test_draws_with_a_wrong_scale_are_refuted(monkeypatch) -> None:
    name = "noise.standard_normal.draws"
    assert only(name) is Verdict.CONFIRMED
    from elbo.noise import StandardNormal

    right = StandardNormal.draw
    monkeypatch.setattr(StandardNormal, "draw", lambda self, *a, **k: 1.1 * right(self, *a, **k))
    assert only(name) is Verdict.REFUTED


def test_a_test_that_is_too_eager_is_refuted(monkeypatch) -> None:
    """If the sequential test were studentised, its alarms on heavy weights would exceed the rate that it states."""
    name = "evidence.mean_test.false_alarms"
    assert only(name) is Verdict.CONFIRMED
    import numpy as np

    import elbo.evidence

    class Eager:
        def __init__(self, x: np.ndarray, mean: float, variance: float, alpha: float) -> None:
            self.rejected = abs(x.mean() - mean) > 2.576 * x.std(ddof=1) / np.sqrt(len(x))

    monkeypatch.setattr(elbo.evidence, "mean_test", Eager)
    assert only(name) is Verdict.REFUTED


def test_a_loss_that_is_not_what_it_is_said_to_be_is_refuted() -> None:
    """The claims on torch's losses fail if the function is another one, in both directions."""
    from elbo.verification import Context
    from elbo.verification.claims import torch_losses as claims

    judge, context = claims._judge, Context(0, "fault")
    mean = frozenset({"reconstruction-averaged"})
    right = judge(context, function=claims._cross_entropy, target="bernoulli_nll", expected=mean)
    assert right.verdict is Verdict.CONFIRMED
    for function, expected in ((claims._summed_cross_entropy, mean), (claims._cross_entropy, frozenset())):
        found = judge(context, function=function, target="bernoulli_nll", expected=expected)
        assert found.verdict is Verdict.REFUTED
