"""The exact engines against the closed forms of the zoo, one problem of each kind."""

import pytest
import torch
from torch.distributions import Bernoulli, Gamma, Independent, Normal

from elbo import exact, problems

D = torch.float64


def T(value):
    return torch.tensor(value, dtype=D)


ONE = T(1.0)
WEIGHT = [[1.0, 0.3], [0.2, 0.8], [0.5, -0.4]]
CASES = [
    (problems.LinearGaussian(ONE), ONE, Normal(T(0.2), ONE)),
    (
        problems.ProbabilisticPCA(T(WEIGHT), 0.0, T(0.6)),
        T([0.5, -0.2, 0.9]),
        Independent(Normal(T([0.1, 0.2]), T(0.8)), 1),
    ),
    (problems.GammaPrecision(2.0, 1.5), T(0.7), Gamma(T(2.2), T(1.6))),
    (problems.ExponentialExponential(1.5), T(0.8), Gamma(T(1.8), T(2.0))),
    (
        problems.BernoulliLatents(T([1.0, -0.7, 0.3]), T([0.3, 0.6, 0.5]), T(0.8)),
        T(0.4),
        Independent(Bernoulli(T([0.4, 0.5, 0.2])), 1),
    ),
    (problems.SquareDecoder(T(0.7)), T(1.2), Normal(T(0.3), ONE)),
    (problems.PoissonLogNormal(), T(3.0), Normal(T(0.5), T(0.6))),
    (problems.LogisticDecoder(), ONE, Normal(T(0.5), T(0.9))),
    (problems.CorrelatedGaussian(0.8), None, Independent(Normal(T([0.0, 0.0]), T(0.7)), 1)),
    (problems.IsotropicGaussian(2), None, Independent(Normal(T([0.0, 0.0]), T(1.2)), 1)),
    (problems.LogNormalWeights(4.0), None, Normal(T(0.0), ONE)),
]


@pytest.mark.parametrize("problem, x, q", CASES, ids=[type(c[0]).__name__ for c in CASES])
def test_bounds_start_at_the_elbo_and_rise_to_the_evidence(problem, x, q):
    found = exact.iwae_bound(problem, x, q, [1, 2, 64], tolerance=1e-10)
    evidence = problem.log_evidence(x)
    own = 1e-14 * (1 + evidence.abs())  # the closed forms have some ulps of their own
    assert abs(found.value[0] - problem.elbo(x, q)) <= found.error_bound[0] + own
    assert abs(found.log_mean - evidence) <= found.error_bound[0] + own
    assert (found.value.diff() > 0).all()
    assert found.value[-1] < evidence
    if problem.latent.states is not None or problem.latent.dimension <= 3:
        alone = exact.log_evidence(problem, x)
        assert abs(alone.value - evidence) <= alone.error_bound + own
