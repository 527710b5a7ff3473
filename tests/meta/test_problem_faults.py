"""Faults planted in the problems, each of which a claim of ``elbo verify --only problems`` has to refute."""

import math

import pytest
import torch

from elbo import problems as P
from elbo.evidence import Verdict
from elbo.problems._kernels import log_excess
from elbo.problems._pairs._exponential import ExponentialFamilyPair
from elbo.problems._pairs._gaussian import GaussianPair
from elbo.verification import Context
from elbo.verification.claims.problems import claims

CLAIMS = {claim.name: claim for claim in claims()}


def verdict(name):
    return CLAIMS[name].check(Context(0, name)).verdict


def plus_kl(self, x, q):
    return self.expected_log_likelihood(x, q) + self._pair(q, self.prior).kl()


def half_dropped(self, x, q):
    residual = x - self.offset - self.slope * q.mean
    square = (residual**2 + self.slope**2 * q.variance) / self.noise_variance
    return -square - 0.5 * math.log(2 * math.pi) - 0.5 * self.noise_variance.log()


def variance_dropped(self, x, q):
    return self.likelihood(q.mean).log_prob(x)


def prior_instead_of_posterior(self, x):
    return self.prior


def rate_not_updated(self, x):
    return torch.distributions.Gamma(self.concentration + x, self.rate)


def no_factorial(self, x):
    return -torch.lgamma(x + 1) + P.GammaPoisson.__mro__[1].log_evidence(self, x)


def mean_instead_of_sum(self, x):
    table = self.log_joint_table(x)
    return torch.logsumexp(table, -1) - math.log(table.shape[-1])


def never_infinite(self, order):
    """The formula without its condition, as a sum over nodes would have it."""
    s = order
    delta = self.delta.clamp(min=-0.999 / max(abs(s), 1.0))
    return self._sum(0.5 * (log_excess(s * delta) - s * log_excess(delta))) + torch.zeros_like(self.shift)


def no_third_moment(self, x, q):
    x = self.check_observation(x)
    m, v = q.mean, q.variance
    square = (x * x - 2 * x * (m**2 + v) + m**4 + 3 * m**2 * v + 3 * v**2) / self.noise_std**2
    return -0.5 * (square + math.log(2 * math.pi)) - self.noise_std.log()


def mean_field_without_variance(self, x, q):
    probs = self._mean_field(q)
    fit = torch.distributions.Normal((probs * self.weight).sum(-1), self.noise_std).log_prob(x)
    prior = torch.distributions.Bernoulli(self.prior_probs)
    return fit - torch.distributions.kl_divergence(q.base_dist, prior).sum(-1)


def detached_mean(self, x, q):
    q = torch.distributions.Normal(q.loc.detach(), q.scale)
    return self.expected_log_likelihood(x, q) - self._pair(q, self.prior).kl()


def own_weight_without_n(self, batch):
    return self._estimate([(1.0, 1 / batch, [1 / batch] * (batch - 1))])


def information_of_the_joint(self):
    return -self.expected_log_q()


def no_division_by_k(self, samples):
    return self.mutual_information() - 0.0 * samples


def transposed_kernel(self, step):
    return FAITHFUL_TRANSITION(self, step).mT.softmax(-1)


def weight_without_first_factor(self):
    terms = [(self.log_density(t) - self.log_density(t - 1))[self._paths[:, t - 1]] for t in range(2, self.steps + 1)]
    return torch.stack(terms).sum(0)


def reversed_divergence(self):
    return 0.5 * (self._sum(log_excess(-self.delta / (1 + self.delta))) + self._quadratic(1.0))


FAITHFUL_TRANSITION = P.FiniteAnnealing.transition

FAULTS = [
    ("the KL is added", P.LinearGaussian, "elbo", plus_kl, "lineargaussian.sandwich"),
    ("a half is dropped", P.LinearGaussian, "expected_log_likelihood", half_dropped,
     "lineargaussian.quadrature"),
    ("the variance of z is ignored", P.LinearGaussian, "expected_log_likelihood", variance_dropped,
     "lineargaussian.sandwich"),
    ("the prior stands for the posterior", P.LinearGaussian, "posterior", prior_instead_of_posterior,
     "lineargaussian.sandwich"),
    ("KL the wrong way round", GaussianPair, "kl", reversed_divergence, "lineargaussian.sandwich"),
    ("a moment without its condition", GaussianPair, "log_power", never_infinite, "lineargaussian.boundary"),
    ("the rate is not updated", P.GammaPoisson, "posterior", rate_not_updated, "gammapoisson.sandwich"),
    ("x! twice", P.GammaPoisson, "log_evidence", no_factorial, "gammapoisson.quadrature"),
    ("moments too small", ExponentialFamilyPair, "log_power", None, "gammapoisson.moments"),
    ("a mean over states", P.Table, "log_evidence", mean_instead_of_sum, "table.enumeration"),
    ("a mean over components", P.GaussianMixture, "log_evidence", mean_instead_of_sum,
     "gaussianmixture.enumeration"),
    ("E z⁴ with 3 m² v", P.SquareDecoder, "expected_log_likelihood", no_third_moment,
     "squaredecoder.quadrature"),
    ("no variance of the bits", P.BernoulliLatents, "elbo", mean_field_without_variance,
     "bernoullilatents.sandwich"),
    ("a detached mean", P.LinearGaussian, "elbo", detached_mean, "lineargaussian.gradient"),
    ("weights without N", P.AggregatedPosterior, "mws", own_weight_without_n, "aggregated.minibatch"),
    ("entropy left out", P.AggregatedPosterior, "mutual_information", information_of_the_joint,
     "aggregated.surgery"),
    ("InfoNCE without its mean", P.BivariateGaussian, "infonce", no_division_by_k, "mutualinformation.infonce"),
    ("a factor of the weight", P.FiniteAnnealing, "log_path_weight", weight_without_first_factor,
     "annealing.normaliser"),
    ("a kernel that moves the law", P.FiniteAnnealing, "transition", transposed_kernel, "annealing.normaliser"),
]  # fmt: skip


@pytest.mark.parametrize("label, owner, name, fault, claim", FAULTS, ids=[f[0] for f in FAULTS])
def test_a_planted_fault_is_refuted(monkeypatch, label, owner, name, fault, claim):
    assert verdict(f"problems.{claim}") is Verdict.CONFIRMED
    if fault is None:
        faithful = ExponentialFamilyPair.log_power
        fault = lambda self, order: faithful(self, order) / 3  # noqa: E731
    monkeypatch.setattr(owner, name, fault)
    assert verdict(f"problems.{claim}") is Verdict.REFUTED


def test_every_claim_holds_without_a_fault_and_none_is_vacuous():
    for name in CLAIMS:
        assert verdict(name) is Verdict.CONFIRMED, name
