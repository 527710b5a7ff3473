"""Vectorised draws agree with one call a replicate, and with the certificate under the ledger."""

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Independent, Normal

from elbo import problems
from elbo.evidence import Ledger, generator, mean_test
from elbo.exact import certify
from elbo.gradients import (
    DisArm,
    Dreg,
    GumbelSoftmax,
    IwaeGradient,
    MeasureValued,
    Pathwise,
    Rloo,
    ScoreFunction,
    StickingTheLanding,
    StraightThrough,
    TopK,
    UnorderedSet,
    Vimco,
    WakePhi,
)

D = torch.float64


def T(value):
    return torch.tensor(value, dtype=D)


GAUSSIAN = (problems.LinearGaussian(T(1.0)), T(1.0), Normal(T(0.8), T(2 / 3).sqrt()))
DISCRETE = (
    problems.BernoulliLatents(T([1.0, -0.7]), T([0.3, 0.6]), T(0.8)),
    T(0.6),
    Independent(Bernoulli(logits=T([0.3, -0.8])), 1),
)
TABLE = (problems.Table(T([0.18, 0.05, 0.12])), torch.tensor(0), Categorical(logits=T([0.1, -0.4, 0.3])))
ESTIMATORS = [
    (Pathwise(3), GAUSSIAN),
    (StickingTheLanding(), GAUSSIAN),
    (ScoreFunction(2), GAUSSIAN),
    (ScoreFunction(1, "optimal"), GAUSSIAN),
    (Rloo(2), GAUSSIAN),
    (IwaeGradient(8), GAUSSIAN),
    (Dreg(8), GAUSSIAN),
    (WakePhi(8), GAUSSIAN),
    (ScoreFunction(), DISCRETE),
    (Rloo(3), DISCRETE),
    (DisArm(), DISCRETE),
    (MeasureValued(), DISCRETE),
    (MeasureValued(), GAUSSIAN),
    (Vimco(2), DISCRETE),
    (StraightThrough(), DISCRETE),
    (GumbelSoftmax(0.7), DISCRETE),
    (TopK(1), TABLE),
    (UnorderedSet(2), TABLE),
]


@pytest.mark.parametrize("estimator, setting", ESTIMATORS, ids=lambda v: repr(v) if hasattr(v, "samples") else "")
def test_draws_are_the_calls_stacked(estimator, setting, rng):
    problem, x, q = setting
    parameters = estimator.parameters(problem, x, q)
    noise = estimator.noise(problem, parameters).draw((5,), generator=rng)
    together = estimator.draws(problem, parameters, noise)
    for i in range(5):
        one = tuple(part[i] for part in noise) if isinstance(noise, tuple) else noise[i]
        alone = estimator(problem, parameters, one)
        for name, value in alone.items():
            assert torch.allclose(together[name][i], value, rtol=0, atol=1e-12)


@pytest.mark.parametrize("index", range(len(ESTIMATORS)))
def test_draws_agree_with_the_certificate(index):
    estimator, (problem, x, q) = ESTIMATORS[index]
    alpha = Ledger(alpha=1e-6).split(len(ESTIMATORS))
    found = certify(estimator, problem, x, q)
    parameters = estimator.parameters(problem, x, q)
    law = estimator.noise(problem, parameters)
    drawn = estimator.draws(problem, parameters, law.draw((20_000,), generator=generator(0, "draws", index)))
    entries = sum(v.numel() for v in found.mean.values())
    for name, mean in found.mean.items():
        columns = drawn[name].reshape(20_000, -1)
        for j, truth in enumerate(mean.reshape(-1)):
            variance = float(found.variance[name].reshape(-1)[j]) + found.covariance_error
            if variance < 1e-20:
                assert (columns[:, j] - truth).abs().max() < 1e-9
                continue
            result = mean_test(columns[:, j], float(truth), variance, alpha / entries)
            assert not result.rejected, (name, j, result)


def test_a_shifted_mean_is_seen():
    problem, x, q = GAUSSIAN
    estimator = Pathwise()
    found = certify(estimator, problem, x, q)
    parameters = estimator.parameters(problem, x, q)
    noise = estimator.noise(problem, parameters).draw((20_000,), generator=generator(0, "shift"))
    drawn = estimator.draws(problem, parameters, noise)["mean"]
    variance = float(found.variance["mean"])
    shift = 0.15 * variance**0.5
    assert mean_test(drawn, float(found.mean["mean"]) + shift, variance, 1e-7).rejected


def test_grad_mode_and_validation_are_left_as_found():
    from torch.distributions import Distribution

    problem, x, q = GAUSSIAN
    before = Distribution._validate_args
    with torch.no_grad():
        certify(Pathwise(), problem, x, q)
        assert not torch.is_grad_enabled()
    assert Distribution._validate_args == before

    class Broken(Pathwise):
        def surrogate(self, *args):
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        certify(Broken(), problem, x, q)
    assert Distribution._validate_args == before
