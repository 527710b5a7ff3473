"""The list of all problems, each with an instance to look at."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.distributions import (
    Bernoulli,
    Beta,
    Categorical,
    Dirichlet,
    Distribution,
    Gamma,
    Independent,
    MultivariateNormal,
    Normal,
)

from elbo.problems._problem import Problem


@dataclass(frozen=True)
class Entry:
    """One model of the catalogue.

    Args:
        title: its name in words.
        kind: its class in :mod:`elbo.problems`.
        formula: the model on one line.
        known: what is exact, and by which means.
        conditions: when the moments of the weights exist.
        source: where it comes from.
        example: makes an instance; for a :class:`~elbo.problems.Problem` the tuple (problem, x, q), else the object
            alone.
    """

    title: str
    kind: type
    formula: str
    known: str
    conditions: str
    source: str
    example: Callable[[], Any]

    @property
    def name(self) -> str:
        """The name of the class."""
        return self.kind.__name__

    @property
    def is_problem(self) -> bool:
        """Whether it is a model p(x, z) with the interface of :class:`~elbo.problems.Problem`."""
        return issubclass(self.kind, Problem)


@cache
def catalogue() -> tuple[Entry, ...]:
    """Every problem with known answers: formula, what is known exactly, conditions, source, and an example.

    >>> [entry.title for entry in catalogue()][:3]
    ['Linear Gaussian, one dimension', 'Factor analysis', 'Probabilistic PCA']
    >>> problem, x, q = catalogue()[0].example()
    >>> bool(problem.elbo(x, q) <= problem.log_evidence(x) <= problem.eubo(x, q))
    True
    """
    entries = []
    for title, example in _EXAMPLES:
        made = example()
        kind = type(made[0] if isinstance(made, tuple) else made)
        entries.append(Entry(title, kind, kind.formula, kind.known, kind.conditions, kind.source, example))
    return tuple(entries)


def _t(value: Any) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


def _normal(mean: Any, std: Any) -> Distribution:
    return Normal(_t(mean), _t(std))


def _diagonal(mean: Any, std: Any) -> Distribution:
    return Independent(_normal(mean, std), 1)


def _linear_gaussian() -> Any:
    from elbo.problems.linear_gaussian import LinearGaussian

    return LinearGaussian(1.0, 0.0, 1.0), _t(1.0), _normal(0.8, (2 / 3) ** 0.5)


def _factor_analysis() -> Any:
    from elbo.problems.linear_gaussian import FactorAnalysis

    problem = FactorAnalysis(_t([[1.0, 0.2], [0.4, -0.8], [0.3, 0.5]]), _t([0.1, 0.0, -0.2]), _t([0.4, 0.6, 0.9]))
    return problem, _t([0.7, -0.4, 0.2]), _diagonal([0.4, 0.2], [0.6, 0.7])


def _probabilistic_pca() -> Any:
    from elbo.problems.linear_gaussian import ProbabilisticPCA

    problem = ProbabilisticPCA(_t([[1.0, 0.0], [0.5, 1.0], [0.0, -0.5]]), 0.0, 0.5)
    return problem, _t([0.8, 0.1, -0.3]), problem.best_diagonal(_t([0.8, 0.1, -0.3]))


def _hierarchical() -> Any:
    from elbo.problems.hierarchical import HierarchicalGaussian

    q = MultivariateNormal(_t([0.4, 0.1]), _t([[0.5, 0.2], [0.2, 0.8]]))
    return HierarchicalGaussian(1.2, 0.6, 0.8, 0.5), _t(0.9), q


def _table() -> Any:
    from elbo.problems.table import Table

    problem = Table(_t([[0.18, 0.05, 0.12], [0.25, 0.3, 0.1]]))
    return problem, torch.tensor(0), Categorical(_t([0.3, 0.3, 0.4]))


def _gaussian_mixture() -> Any:
    from elbo.problems.gaussian_mixture import GaussianMixture

    problem = GaussianMixture(_t([0.3, 0.7]), _t([[-1.0], [1.5]]), _t([[[0.5]], [[1.2]]]))
    return problem, _t([0.4]), Categorical(_t([0.4, 0.6]))


def _bernoulli_latents() -> Any:
    from elbo.problems.bernoulli_latents import BernoulliLatents

    problem = BernoulliLatents(_t([0.9, -1.2, 0.5]), _t([0.5, 0.3, 0.7]), 0.8)
    return problem, _t(0.4), Independent(Bernoulli(_t([0.6, 0.3, 0.7])), 1)


def _vector_quantised() -> Any:
    from elbo.problems.vector_quantised import VectorQuantised

    problem = VectorQuantised(_t([[0.0, 0.0], [1.0, 0.5], [-1.0, 2.0], [3.0, 1.0]]), _t([[1.0, 0.0], [0.5, 1.0]]))
    return problem, _t([0.8, 1.1]), Categorical(_t([0.2, 0.5, 0.2, 0.1]))


def _beta_binomial() -> Any:
    from elbo.problems.beta_binomial import BetaBinomial

    return BetaBinomial(1.5, 2.5, 12), torch.tensor(4), Beta(_t(5.0), _t(9.0))


def _gamma_poisson() -> Any:
    from elbo.problems.gamma_poisson import GammaPoisson

    return GammaPoisson(2.0, 1.5), torch.tensor(3), Gamma(_t(3.5), _t(1.9))


def _gamma_precision() -> Any:
    from elbo.problems.gamma_precision import GammaPrecision

    return GammaPrecision(2.0, 1.0), _t(0.7), Gamma(_t(2.2), _t(1.1))


def _exponential_exponential() -> Any:
    from elbo.problems.exponential_exponential import ExponentialExponential

    return ExponentialExponential(2.0), _t(0.6), Gamma(_t(1.7), _t(2.0))


def _dirichlet_multinomial() -> Any:
    from elbo.problems.dirichlet_multinomial import DirichletMultinomial

    return DirichletMultinomial(_t([1.2, 0.7, 2.0]), 7), torch.tensor([4, 1, 2]), Dirichlet(_t([4.0, 2.0, 3.5]))


def _square_decoder() -> Any:
    from elbo.problems.nonconjugate import SquareDecoder

    return SquareDecoder(0.5), _t(1.1), _normal(0.9, 0.4)


def _poisson_log_normal() -> Any:
    from elbo.problems.nonconjugate import PoissonLogNormal

    return PoissonLogNormal(), torch.tensor(2), _normal(0.4, 0.75)


def _logistic_decoder() -> Any:
    from elbo.problems.nonconjugate import LogisticDecoder

    return LogisticDecoder(2.0, -0.5), _t(1.0), _normal(0.6, 0.8)


def _discretised() -> Any:
    from elbo.problems.discretised import DiscretisedLogistic

    return DiscretisedLogistic(0.6, 0.2), torch.tensor(0), Beta(_t(1.6), _t(1.3))


def _correlated() -> Any:
    from elbo.problems.targets import CorrelatedGaussian

    problem = CorrelatedGaussian(0.8)
    return problem, None, problem.mean_field()


def _isotropic() -> Any:
    from elbo.problems.targets import IsotropicGaussian

    problem = IsotropicGaussian(10)
    return problem, None, problem.proposal(1.3)


def _log_normal_weights() -> Any:
    from elbo.problems.targets import LogNormalWeights

    problem = LogNormalWeights(1.0)
    return problem, None, problem.proposal()


def _annealing() -> Any:
    from elbo.problems.annealing import FiniteAnnealing

    problem = FiniteAnnealing(_t([0.2] * 5), _t([0.1, 0.3, 0.02, 0.3, 0.05]), 3)
    return problem, None, problem.forward


def _toy() -> Any:
    from elbo.problems.bernoulli_toy import BernoulliToy

    return BernoulliToy(0.49)


def _aggregated() -> Any:
    from elbo.problems.aggregated import AggregatedPosterior

    return AggregatedPosterior(_t([[-1.0, 0.3], [0.8, -0.5], [1.5, 1.2]]), _t([[0.5, 0.7], [0.6, 0.4], [0.8, 0.9]]))


def _mutual_information() -> Any:
    from elbo.problems.mutual_information import BivariateGaussian

    return BivariateGaussian(0.9)


_EXAMPLES: tuple[tuple[str, Callable[[], Any]], ...] = (
    ("Linear Gaussian, one dimension", _linear_gaussian),
    ("Factor analysis", _factor_analysis),
    ("Probabilistic PCA", _probabilistic_pca),
    ("Two levels of Gaussian latents", _hierarchical),
    ("Finite table", _table),
    ("Gaussian mixture", _gaussian_mixture),
    ("Binary latents behind a Gaussian", _bernoulli_latents),
    ("Codebook (vector quantisation)", _vector_quantised),
    ("Beta-Binomial", _beta_binomial),
    ("Gamma-Poisson", _gamma_poisson),
    ("Gamma precision", _gamma_precision),
    ("Exponential-exponential", _exponential_exponential),
    ("Dirichlet-multinomial", _dirichlet_multinomial),
    ("Quadratic decoder", _square_decoder),
    ("Poisson with a log-normal rate", _poisson_log_normal),
    ("Logistic decoder", _logistic_decoder),
    ("Discretised density", _discretised),
    ("Correlated Gaussian target", _correlated),
    ("Isotropic Gaussian target", _isotropic),
    ("Log-normal weights", _log_normal_weights),
    ("Annealed importance sampling on finitely many states", _annealing),
    ("Bernoulli toy", _toy),
    ("Aggregated posterior of N encoders", _aggregated),
    ("Mutual information of a Gaussian pair", _mutual_information),
)
