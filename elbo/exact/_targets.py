"""The gradient that an estimator should give, from a source other than the estimator."""

from typing import Any

import torch
from torch import Tensor

from elbo._errors import Error, InputValueError
from elbo.exact.multi_sample import iwae_bound
from elbo.exact.quadrature import IntegrationError

STEP = 0.006
STENCIL = (4 / 5, -1 / 5, 4 / 105, -1 / 280)
"""Central differences of order eight: truncation STEP^8 / 630 (3e-21) times the ninth derivative, rounding 4e-13."""


def target_gradient(estimator: Any, problem: Any, parameters: Any) -> dict[str, Tensor] | None:
    """∇ of what ``estimator.of`` names, or ``None`` where it cannot be had.

    "elbo": automatic differentiation of the problem's closed form, or differences of E log w; of an expectation: of the
    sum over states or over nodes. "iwae": differences of the exact L_K.
    """
    of = getattr(estimator, "of", "elbo")
    if hasattr(problem, "cost"):
        with torch.enable_grad():
            return _of_expectation(problem, parameters)
    if of == "elbo":
        try:
            with torch.enable_grad():
                return _automatic(problem, parameters)
        except (Error, NotImplementedError):
            return _differences(problem, parameters, 1)
    if of == "iwae":
        return _differences(problem, parameters, int(getattr(estimator, "samples", 1)))
    raise InputValueError(f"the estimator is of {of!r}; write 'elbo' or 'iwae', or pass truth= to certify")


def _leaves(parameters: Any) -> dict[str, Tensor]:
    return {name: value.detach().double().clone().requires_grad_() for name, value in parameters.items()}


def _gradient(value: Tensor, leaves: dict[str, Tensor]) -> dict[str, Tensor]:
    found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    return {n: torch.zeros_like(t) if g is None else g for (n, t), g in zip(leaves.items(), found, strict=True)}


def _automatic(problem: Any, parameters: Any) -> dict[str, Tensor]:
    leaves = _leaves(parameters)
    live = parameters.replaced(leaves)
    return _gradient(live.problem(problem).elbo(parameters.x, live.q), leaves)


def _of_expectation(problem: Any, parameters: Any) -> dict[str, Tensor] | None:
    leaves = _leaves(parameters)
    live = parameters.replaced(leaves)
    family = parameters.family
    if family.discrete:
        states, _ = family.noise(parameters, ()).enumerate()
        weights = torch.exp(family.log_prob(live, states))
        return _gradient((weights * problem.cost(family.sample(live, states))).sum(), leaves)
    if family.event_shape.numel() > 2:
        return None
    # a trapezoid rule over z itself, so that a cost with jumps is not differentiated
    e, weights = _wide_rule(family.event_shape)
    z = family.sample(parameters, e).detach()
    ratio = torch.exp(family.log_prob(live, z) - family.log_prob(parameters, z))
    return _gradient((weights * ratio * problem.cost(z)).sum(), leaves)


def _wide_rule(shape: torch.Size) -> tuple[Tensor, Tensor]:
    line = torch.linspace(-12.0, 12.0, 961 if shape.numel() <= 1 else 241, dtype=torch.float64)
    density = torch.exp(-0.5 * line**2)
    density = density / density.sum()
    if shape.numel() <= 1:
        return line.reshape(-1, *shape), density
    grid = torch.cartesian_prod(line, line)
    return grid.reshape(-1, *shape), torch.outer(density, density).reshape(-1)


def _differences(problem: Any, parameters: Any, k: int) -> dict[str, Tensor] | None:
    total = sum(value.numel() for value in parameters.values())
    if total > 32:
        return None
    found = {}
    for name, value in parameters.items():
        gradient = torch.zeros(value.numel(), dtype=torch.float64)
        for i in range(value.numel()):
            for j, coefficient in enumerate(STENCIL, start=1):
                for sign in (1.0, -1.0):
                    moved = value.detach().double().reshape(-1).clone()
                    moved[i] += sign * j * STEP
                    other = parameters.replaced({name: moved.reshape(value.shape)})
                    try:
                        bound = iwae_bound(other.problem(problem), parameters.x, other.q, k)
                    except (IntegrationError, InputValueError):
                        return None
                    gradient[i] += sign * coefficient * float(bound.value) / STEP
        found[name] = gradient.reshape(value.shape)
    return found
