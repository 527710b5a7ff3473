"""Certificates: the exact mean, bias and covariance of a gradient estimator, without a seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor
from torch.distributions import Distribution

from elbo._errors import Error, InputTypeError, InputValueError
from elbo.exact._targets import target_gradient
from elbo.exact._ways import DoesNotApply, by_enumeration, by_lattice, by_nodes, by_transform, is_finite


class CertificationError(Error, ArithmeticError):
    """No exact method applies to this estimator; the message says why, and what would work."""


@dataclass(frozen=True)
class Certificate:
    """What an estimator does on average, and how much it scatters; all exact within the error bounds.

    Tensors are float64; the covariance runs over all parameters, flattened in the order of ``mean``.
    """

    mean: dict[str, Tensor]
    truth: dict[str, Tensor] | None
    """The gradient it should estimate, from a source other than the estimator; ``None`` where none is known."""
    covariance: Float64[Tensor, "entries entries"]
    mean_error: float
    """Bound on the absolute error of every entry of ``mean``."""
    covariance_error: float
    """Bound on the absolute error of every entry of ``covariance``."""
    how: str
    """How it was obtained."""

    @property
    def bias(self) -> dict[str, Tensor]:
        """mean - truth."""
        if self.truth is None:
            raise InputValueError("the gradient that this estimator should give is not known; pass truth= to certify")
        return {name: value - self.truth[name] for name, value in self.mean.items()}

    @property
    def largest_bias(self) -> float:
        """The largest absolute entry of the bias."""
        return max(float(b.abs().max()) for b in self.bias.values())

    @property
    def unbiased(self) -> bool:
        """Whether every entry of the bias is below 1e-9 (relative to 1 + the largest gradient) plus the error bound."""
        assert self.truth is not None or self.bias
        size = 1.0 + max(float(t.abs().max()) for t in (self.truth or self.mean).values())
        return self.largest_bias <= 1e-9 * size + self.mean_error

    @property
    def variance(self) -> dict[str, Tensor]:
        """The variance of each entry, in the shapes of ``mean``."""
        return _split(self.covariance.diagonal(), self.mean)

    @property
    def signal_to_noise(self) -> dict[str, Tensor]:
        """\\|mean\\| / standard deviation of each entry; ``inf`` where the variance is zero."""
        return {name: self.mean[name].abs() / v.clamp(min=0.0).sqrt() for name, v in self.variance.items()}


def certify(
    estimator: Any,
    problem: Any,
    x: Any,
    q: Distribution,
    *,
    model: tuple[str, ...] = (),
    truth: Mapping[str, Tensor] | None = None,
    tolerance: float = 1e-10,
) -> Certificate:
    """The exact mean, bias and covariance of an estimator, by the way that its noise law allows.

    A finite law is enumerated. A continuous one is replaced by quadrature nodes (uniform noise piecewise, between the
    estimator's ``breakpoints``), whose order is doubled until the moments settle. A self-normalised sum over many draws
    (an estimator with ``ratio``) goes through the one-dimensional transform, whatever K.

    Args:
        estimator: has ``noise(problem, parameters)`` and is called as ``estimator(problem, parameters, noise)``, giving
            one tensor a parameter, such as those of :mod:`elbo.gradients` or a class of your own.
        problem: the model.
        x: one datum, or ``None``.
        q: its proposal.
        model: tensors of the problem whose gradients are wanted too.
        truth: the gradient that it should estimate; by default that of the quantity that ``estimator.of`` names.
        tolerance: largest error bound, relative to the size of the gradient.

    Raises:
        CertificationError: if no way applies, with the reasons.

    >>> from torch.distributions import Normal
    >>> from elbo.gradients import StickingTheLanding
    >>> from elbo.problems import LinearGaussian
    >>> x = torch.tensor(1.0, dtype=torch.float64)
    >>> problem = LinearGaussian(1.0)
    >>> found = certify(StickingTheLanding(), problem, x, problem.posterior(x))
    >>> found.unbiased, bool(found.covariance.abs().max() < 1e-20)
    (True, True)
    """
    if not callable(estimator) or not hasattr(estimator, "noise"):
        raise InputTypeError(
            f"estimator is a {type(estimator).__name__}; it needs noise(problem, parameters) and a call with "
            "(problem, parameters, noise); subclass elbo.gradients.Estimator"
        )
    if hasattr(estimator, "parameters"):
        parameters = estimator.parameters(problem, x, q, model)
    else:
        parameters = {n: getattr(q, n) for n in q.arg_constraints if n in vars(q)} | {"x": x}
    law = estimator.noise(problem, parameters)
    finite = is_finite(law)
    reasons: list[str] = []
    found = None
    many = hasattr(estimator, "ratio") and getattr(estimator, "samples", 1) > 1
    ways = (by_transform, by_nodes, by_lattice) if many else (by_nodes, by_transform, by_lattice)
    for way in (by_enumeration, by_transform) if finite else ways:
        try:
            found = way(estimator, problem, parameters, law, tolerance)
            break
        except DoesNotApply as no:
            reasons.append(str(no))
    if found is None:
        raise CertificationError(
            f"{estimator!r} cannot be certified: {'; '.join(reasons)}. What works: fewer noise coordinates, a method "
            "ratio() if it is a self-normalised sum, breakpoints() if uniform noise makes it jump, or draws with "
            "elbo.evidence"
        )
    mean, covariance, mean_error, covariance_error, template, how = found
    names = _split(torch.from_numpy(mean), template)
    if truth is None and hasattr(parameters, "replaced"):
        truth = target_gradient(estimator, problem, parameters)
    checked = None if truth is None else {n: torch.as_tensor(truth[n], dtype=torch.float64) for n in names}
    return Certificate(names, checked, torch.from_numpy(covariance), mean_error, covariance_error, how)


def _split(flat: Tensor, template: Mapping[str, Tensor]) -> dict[str, Tensor]:
    parts, start = {}, 0
    for name, like in template.items():
        parts[name] = flat[start : start + like.numel()].reshape(like.shape)
        start += like.numel()
    return parts
