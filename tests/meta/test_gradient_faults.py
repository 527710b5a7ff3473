"""Estimators with the mistakes that people make: each is rejected by its certificate."""

import pytest
import torch
from torch.distributions import Bernoulli, Normal

from elbo import problems
from elbo.bounds import normalised_weights
from elbo.exact import certify
from elbo.gradients import DisArm, Dreg, Expectation, Pathwise, Rloo, ScoreFunction, StickingTheLanding
from elbo.gradients._estimator import SurrogateEstimator
from elbo.gradients.pathwise import reparameterised_noise

D = torch.float64


def T(value):
    return torch.tensor(value, dtype=D)


class DregWithoutStopGradient(Dreg):
    """The squared weights are differentiated as well."""

    def surrogate(self, problem, parameters, frozen, noise):
        z = parameters.family.sample(parameters, noise)
        weights = normalised_weights(parameters.log_weight(problem, z))
        return (weights.square() * parameters.log_weight(problem, z, frozen=frozen)).sum()


class DregWithoutTheSquare(Dreg):
    """Weights not squared: sticking the landing by another name."""

    power = 1


class DregWithTheScore(Dreg):
    """log q is not frozen, so that its score comes in a second time."""

    def _term(self, problem, live, frozen, noise):
        return live.log_weight(problem, live.family.sample(live, noise))


class DetachedSample(SurrogateEstimator):
    """Pathwise with the sample detached: what is left has mean zero."""

    samples = 1

    def noise(self, problem, parameters):
        return reparameterised_noise(self, parameters)

    def surrogate(self, problem, parameters, frozen, noise):
        return parameters.log_weight(problem, frozen.family.sample(frozen, noise)).mean()


class MissingScoreOfTheEntropy(StickingTheLanding):
    """The path through log q is dropped too."""

    def surrogate(self, problem, parameters, frozen, noise):
        z = parameters.family.sample(parameters, noise)
        joint = parameters.problem(problem).log_joint(parameters.x, z).mean()
        return joint - frozen.family.log_prob(frozen, frozen.family.sample(frozen, noise)).mean()


class HalfTheScoreFunction(ScoreFunction):
    """A lost factor."""

    def __call__(self, problem, parameters, noise):
        return {name: 0.5 * value for name, value in super().__call__(problem, parameters, noise).items()}


class BaselineThatSeesItsOwnSample(Rloo):
    """The mean over all draws instead of over the others: biased by a factor 1 - 1/K."""

    def _baseline(self, f):
        return f.mean(-1, keepdim=True)


class DisArmWithoutTheSign(DisArm):
    """(-1)^b̃ forgotten."""

    def __call__(self, problem, parameters, noise):
        b, other, difference = self._pair(problem, parameters, noise)
        return {"logits": 0.5 * difference * (b != other) * torch.sigmoid(parameters["logits"].abs())}


class DisArmWithTheWrongSigma(DisArm):
    """σ(φ) instead of σ(|φ|): right for positive logits only."""

    def __call__(self, problem, parameters, noise):
        b, other, difference = self._pair(problem, parameters, noise)
        sign = torch.where(b != other, 1.0 - 2.0 * other, 0.0)
        return {"logits": 0.5 * difference * sign * torch.sigmoid(parameters["logits"])}


GAUSSIAN = (problems.LinearGaussian(T(1.0)), T(1.0), Normal(T(0.8), T(2 / 3).sqrt()))
COIN = (Expectation(lambda z: (z - 0.45) ** 2), None, Bernoulli(logits=T(-0.7)))
FAULTS = [
    (DregWithoutTheSquare(4), GAUSSIAN),
    (DregWithTheScore(4), GAUSSIAN),
    (DetachedSample(), GAUSSIAN),
    (MissingScoreOfTheEntropy(), GAUSSIAN),
    (HalfTheScoreFunction(), GAUSSIAN),
    (BaselineThatSeesItsOwnSample(2), GAUSSIAN),
    (BaselineThatSeesItsOwnSample(3), COIN),
    (DisArmWithoutTheSign(), COIN),
    (DisArmWithTheWrongSigma(), COIN),
]
SOUND = [(Dreg(4), GAUSSIAN), (Pathwise(), GAUSSIAN), (Rloo(2), GAUSSIAN), (Rloo(3), COIN), (DisArm(), COIN)]


@pytest.mark.parametrize("estimator, setting", FAULTS, ids=lambda v: type(v).__name__)
def test_faults_are_rejected(estimator, setting):
    found = certify(estimator, *setting)
    assert not found.unbiased
    assert found.largest_bias > 1e-3


@pytest.mark.parametrize("estimator, setting", SOUND, ids=lambda v: type(v).__name__)
def test_the_sound_ones_pass(estimator, setting):
    assert certify(estimator, *setting).unbiased


def test_a_missing_stop_gradient_is_rejected_by_nodes():
    class ByNodes(DregWithoutStopGradient):
        samples = 2

        def __getattribute__(self, name):
            if name == "ratio":
                raise AttributeError(name)
            return super().__getattribute__(name)

    class SoundByNodes(Dreg):
        def __getattribute__(self, name):
            if name == "ratio":
                raise AttributeError(name)
            return super().__getattribute__(name)

    assert certify(SoundByNodes(2), *GAUSSIAN, tolerance=1e-8).unbiased
    assert certify(ByNodes(2), *GAUSSIAN, tolerance=1e-8).largest_bias > 1e-2


def test_the_lost_factor_has_the_size_that_theory_says():
    """The leave-one-out baseline with its own sample in it shrinks the gradient by 1 - 1/K."""
    for k in (2, 3):
        found = certify(BaselineThatSeesItsOwnSample(k), *COIN)
        assert abs(found.mean["logits"] / found.truth["logits"] - (1 - 1 / k)) < 1e-10


def test_zero_is_no_estimator():
    """The control: an estimator that always returns nothing is rejected where the gradient is not zero."""

    class Nothing(Pathwise):
        def surrogate(self, problem, parameters, frozen, noise):
            return 0.0 * super().surrogate(problem, parameters, frozen, noise)

    assert not certify(Nothing(), *GAUSSIAN).unbiased
