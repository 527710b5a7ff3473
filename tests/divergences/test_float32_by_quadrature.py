"""Laws of torch with float32 parameters: quadrature takes them for the numbers that they are."""

import pytest
import torch
import torch.distributions as D

from elbo.divergences import kl_by_quadrature
from elbo.divergences._laws import dtype_of, widened


def of(x):
    return torch.tensor(x, dtype=torch.float32)


COVARIANCE, FACTOR = [[1.1, 0.3], [0.3, 2.1]], [[1.1, 0.0], [0.3, 2.1]]
LAWS = [
    D.Normal(of(0.1), of(1.2)), D.LogNormal(of(0.1), of(1.2)), D.HalfNormal(of(1.1)), D.HalfCauchy(of(1.1)),
    D.Weibull(of(1.1), of(2.3)), D.Kumaraswamy(of(1.1), of(2.3)), D.Pareto(of(1.1), of(2.3)),
    D.Gumbel(of(0.1), of(1.2)),
    D.Chi2(of(3.3)), D.FisherSnedecor(of(3.3), of(4.4)), D.StudentT(of(3.3), of(0.1), of(1.2)),
    D.Laplace(of(0.1), of(1.2)),
    D.Cauchy(of(0.1), of(1.2)), D.Beta(of(1.1), of(2.3)), D.Gamma(of(1.1), of(2.3)), D.InverseGamma(of(1.1), of(2.3)),
    D.Exponential(of(1.1)), D.Uniform(of(0.1), of(1.2)), D.VonMises(of(0.1), of(1.2)),
    D.Bernoulli(of(0.3)), D.Bernoulli(logits=of(0.3)), D.Geometric(of(0.3)),
    D.Binomial(3, of(0.3)), D.NegativeBinomial(3, logits=of(0.3)), D.Poisson(of(2.3)), D.Categorical(of([0.2, 0.7])),
    D.Dirichlet(of([0.2, 0.7])), D.OneHotCategorical(logits=of([0.2, 0.7])),
    D.MultivariateNormal(of([0.1, 0.2]), of(COVARIANCE)),
    D.MultivariateNormal(of([0.1, 0.2]), scale_tril=of(FACTOR)),
    D.Independent(D.Laplace(of([0.1, 0.2]), of([1.1, 1.2])), 1),
    D.LowRankMultivariateNormal(of([0.1, 0.2]), of([[1.1], [0.3]]), of([0.4, 0.5])),
    D.MixtureSameFamily(D.Categorical(of([0.2, 0.8])), D.Normal(of([0.1, 1.2]), of([1.1, 2.3]))),
]  # fmt: skip


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_every_parameter_is_the_same_number(law):
    wide = widened(law)
    assert type(wide) is type(law)
    assert dtype_of(wide) is torch.float64
    for name in law.arg_constraints:
        if name in vars(wide):
            torch.testing.assert_close(getattr(wide, name), getattr(law, name).double(), rtol=1e-7, atol=0)
    x = law.sample((5,))
    torch.testing.assert_close(wide.log_prob(x.double()).float(), law.log_prob(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "law",
    [
        D.ContinuousBernoulli(of(0.3)),
        D.Multinomial(3, of([0.2, 0.8])),
        D.RelaxedBernoulli(of(0.5), of(0.3)),
        D.TransformedDistribution(LAWS[0], []),
    ],
)
def test_laws_that_are_made_from_more_are_left_alone(law):
    assert widened(law) is law


def test_the_bound_is_that_of_float64():
    """In float32 it was 6e-3, after three seconds."""
    narrow = kl_by_quadrature(D.StudentT(of(5.1)), D.Normal(of(0.1), of(1.2)))
    wide = kl_by_quadrature(D.StudentT(of(5.1).double()), D.Normal(of(0.1).double(), of(1.2).double()))
    assert narrow == wide
    assert narrow.error_bound < 1e-12
