"""Random models with known answers, with an observation and a proposal that is neither perfect nor hopeless."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from hypothesis import strategies as st
from torch import Tensor
from torch import distributions as D

from elbo import problems as P
from elbo._errors import InputTypeError, InputValueError
from elbo.strategies._numbers import Range, check_range, check_size, positive_tensors, real_tensors
from elbo.strategies._tables import probability_tables


class Case(NamedTuple):
    """A model, an observation and a proposal."""

    problem: Any
    x: Any
    q: Any


def linear_gaussians(
    latent: int = 1,
    observed: int = 1,
    *,
    finite_variance: bool = False,
    log_variance_ratio: Range = (-1.5, 1.5),
    full: bool = False,
) -> st.SearchStrategy[Case]:
    """Linear Gaussian models (factor analysis, or one-dimensional) with x and a Gaussian q near the posterior.

    Args:
        latent: k, dimensions of z; at least 1.
        observed: D, dimensions of x; at least 1. With ``latent = observed = 1`` the model is ``LinearGaussian``.
        finite_variance: whether the weights shall have a variance, that is every variance of q exceed half the
            posterior's.
        log_variance_ratio: range of log(variance of q / variance of the posterior), along every axis of z; for a
            diagonal q and k ≥ 2 relative to the posterior's largest variance in any direction.
        full: whether q has a full covariance (for k ≥ 2).

    >>> from hypothesis import given
    >>> @given(linear_gaussians(finite_variance=True))
    ... def test_sandwich(case):
    ...     problem, x, q = case
    ...     assert problem.elbo(x, q) <= problem.log_evidence(x) + 1e-11
    ...     assert problem.log_moment(x, q, 2.0) < torch.inf
    >>> test_sandwich()
    """
    k = check_size("latent", latent, 1, "there is nothing to infer")
    d = check_size("observed", observed, 1, "there is no data")
    low, high = check_range("log_variance_ratio", log_variance_ratio)
    if full and k == 1:
        raise InputValueError("full=True with latent=1: one variance has no correlations; write latent=2 or full=False")
    if finite_variance and high <= -0.69:
        raise InputValueError(
            f"log_variance_ratio is {log_variance_ratio} and finite_variance=True; the variance is finite iff the "
            "ratio exceeds ½: write a range with an upper end above log ½ = -0.69"
        )
    if finite_variance:
        low = max(low, -0.69)
    parts = st.tuples(
        real_tensors((d, k), between=(-2.0, 2.0)),
        real_tensors((d,), between=(-3.0, 3.0)),
        positive_tensors((d,), log_between=(-2.0, 2.0)),
        real_tensors((d,), between=(-4.0, 4.0)),
        real_tensors((k,), between=(-2.0, 2.0)),
        real_tensors((k,), between=(low, high)),
        real_tensors((k, k), between=(-1.0, 1.0)),
    )

    def build(drawn: tuple[Tensor, ...]) -> Case:
        weight, offset, noise, x, shift, log_ratio, rotation = drawn
        if k == d == 1:
            line = P.LinearGaussian(weight[0, 0], offset[0], noise[0])
            p = line.posterior(x[0])
            return Case(line, x[0], D.Normal(p.loc + shift[0] * p.scale, p.scale * (0.5 * log_ratio[0]).exp()))
        problem = P.FactorAnalysis(weight, offset, noise)
        posterior = problem.posterior(x)
        root = torch.linalg.cholesky(posterior.covariance_matrix)
        mean = posterior.loc + root @ shift
        if full:
            # Q from the orthogonal directions of a random matrix: covariance root Q diag(ratio) Qᵀ rootᵀ
            q_matrix = torch.linalg.qr(rotation + 2 * torch.eye(k, dtype=rotation.dtype)).Q
            factor = root @ q_matrix * (0.5 * log_ratio).exp()
            return Case(problem, x, D.MultivariateNormal(mean, factor @ factor.mT))
        # a diagonal q that dominates: the largest eigenvalue of the posterior in place of each variance
        level = torch.linalg.eigvalsh(posterior.covariance_matrix)[-1]
        std = (0.5 * (level.log() + log_ratio)).exp()
        return Case(problem, x, D.Independent(D.Normal(mean, std), 1))

    return parts.map(build)


def problem_kinds() -> tuple[type, ...]:
    """The classes that :func:`problems` draws instances of."""
    return tuple(_KINDS)


def problems(kind: type) -> st.SearchStrategy[Case]:
    """Random instances of one class of :mod:`elbo.problems`, each with an x inside its support and a q.

    Args:
        kind: a class of :func:`problem_kinds`.

    >>> from hypothesis import given
    >>> @given(problems(P.GammaPoisson))
    ... def test_gap(case):
    ...     assert case.problem.gap(case.x, case.q) >= 0
    >>> test_gap()
    """
    if kind not in _KINDS:
        known = ", ".join(known.__name__ for known in _KINDS)
        raise InputTypeError(f"kind is {getattr(kind, '__name__', kind)!r}; write one of {known}")
    return _KINDS[kind]()


def _build(maker: Callable[..., tuple[Any, Any, Any]], *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Case]:
    return st.builds(lambda *values: Case(*maker(*values)), *parts)


def _positive(*shape: int) -> st.SearchStrategy[Tensor]:
    return positive_tensors(shape, log_between=(-1.5, 1.5))


def _near(*shape: int) -> st.SearchStrategy[Tensor]:
    """What the parameters of a posterior are multiplied by to give those of q."""
    return positive_tensors(shape, log_between=(-0.5, 0.5))


def _real(*shape: int) -> st.SearchStrategy[Tensor]:
    return real_tensors(shape, between=(-2.0, 2.0))


def _gamma_like(problem: Any, x: Tensor, a: Tensor, b: Tensor) -> tuple[Any, Any, Any]:
    p = problem.posterior(x)
    return problem, x, D.Gamma(p.concentration * a, p.rate * b)


def _beta_binomial(a: Tensor, b: Tensor, n: int, share: float, f: Tensor, g: Tensor) -> tuple[Any, Any, Any]:
    problem, x = P.BetaBinomial(a, b, n), torch.tensor(round(n * share))
    p = problem.posterior(x)
    return problem, x, D.Beta(p.concentration1 * f, p.concentration0 * g)


def _dirichlet(alpha: Tensor, counts: list[int], f: Tensor) -> tuple[Any, Any, Any]:
    problem, x = P.DirichletMultinomial(alpha, sum(counts)), torch.tensor(counts)
    return problem, x, D.Dirichlet(problem.posterior(x).concentration * f)


def _table(table: Tensor, x: int, q: Tensor) -> tuple[Any, Any, Any]:
    return P.Table(table / table.sum()), torch.tensor(x), D.Categorical(q)


def _bernoulli(w: Tensor, prior: Tensor, s: Tensor, x: Tensor, q: Tensor) -> tuple[Any, Any, Any]:
    problem = P.BernoulliLatents(w, torch.sigmoid(prior), s)
    return problem, x, D.Independent(D.Bernoulli(torch.sigmoid(q)), 1)


def _mixture(pi: Tensor, mu: Tensor, log_std: Tensor, x: Tensor, q: Tensor) -> tuple[Any, Any, Any]:
    covariances = torch.diag_embed((2 * log_std).exp())
    return P.GaussianMixture(pi, mu, covariances), x, D.Categorical(q)


def _normal(problem: Any, x: Tensor, mean: Tensor, std: Tensor) -> tuple[Any, Any, Any]:
    return problem, x, D.Normal(mean, std)


def _hierarchical(a: Tensor, r: Tensor, b: Tensor, t: Tensor, x: Tensor, m: Tensor, f: Tensor) -> tuple[Any, Any, Any]:
    problem = P.HierarchicalGaussian(a, r, b, t)
    p = problem.posterior(x)
    return problem, x, D.MultivariateNormal(p.loc + 0.5 * m, p.covariance_matrix * f)


_KINDS: dict[type, Callable[[], st.SearchStrategy[Case]]] = {
    P.LinearGaussian: lambda: linear_gaussians(),
    P.FactorAnalysis: lambda: linear_gaussians(2, 3, full=True),
    P.HierarchicalGaussian: lambda: _build(
        _hierarchical, _real(), _positive(), _real(), _positive(), _real(), _real(2), _near()
    ),
    P.Table: lambda: _build(
        _table, probability_tables(3, 4, zeros=True), st.integers(0, 2), probability_tables(4, zeros=True)
    ),
    P.GaussianMixture: lambda: _build(
        _mixture, probability_tables(3), _real(3, 2), _real(3, 2), _real(2), probability_tables(3)
    ),
    P.BernoulliLatents: lambda: _build(_bernoulli, _real(3), _real(3), _positive(), _real(), _real(3)),
    P.VectorQuantised: lambda: _build(
        lambda e, w, s, x, q: (P.VectorQuantised(e, w, 0.0, s), x, D.Categorical(q)),
        *(_real(4, 2), _real(2, 2), _positive(), _real(2), probability_tables(4)),
    ),
    P.BetaBinomial: lambda: _build(
        _beta_binomial, _positive(), _positive(), st.integers(1, 30), st.floats(0, 1), _near(), _near()
    ),
    P.GammaPoisson: lambda: _build(
        lambda a, b, x, f, g: _gamma_like(P.GammaPoisson(a, b), torch.tensor(x), f, g),
        *(_positive(), _positive(), st.integers(0, 30), _near(), _near()),
    ),
    P.GammaPrecision: lambda: _build(
        lambda a, b, x, f, g: _gamma_like(P.GammaPrecision(a, b), x, f, g),
        *(_positive(), _positive(), _real(), _near(), _near()),
    ),
    P.ExponentialExponential: lambda: _build(
        lambda b, x, f, g: _gamma_like(P.ExponentialExponential(b), x, f, g),
        *(_positive(), _positive(), _near(), _near()),
    ),
    P.DirichletMultinomial: lambda: _build(
        _dirichlet, _positive(3), st.lists(st.integers(0, 9), min_size=3, max_size=3), _near(3)
    ),
    P.SquareDecoder: lambda: _build(
        lambda s, x, m, t: _normal(P.SquareDecoder(s), x, m, t), _positive(), _real(), _real(), _near()
    ),
    P.PoissonLogNormal: lambda: _build(
        lambda x, m, t: _normal(P.PoissonLogNormal(), torch.tensor(x), m, t), st.integers(0, 20), _real(), _near()
    ),
    P.LogisticDecoder: lambda: _build(
        lambda a, c, x, m, t: _normal(P.LogisticDecoder(a, c), torch.tensor(float(x)), m, t),
        *(_real(), _real(), st.booleans(), _real(), _near()),
    ),
    P.DiscretisedLogistic: lambda: _build(
        lambda m, s, x, a, b: (P.DiscretisedLogistic(m, s), torch.tensor(x), D.Beta(a, b)),
        *(_real(), _positive(), st.integers(-3, 3), _near(), _near()),
    ),
    P.CorrelatedGaussian: lambda: _build(
        lambda r, f: (lambda p: (p, None, D.Independent(D.Normal(torch.zeros(2).double(), f.sqrt()), 1)))(
            P.CorrelatedGaussian(r)
        ),
        *(st.floats(-0.98, 0.98), _positive(2)),
    ),
}
