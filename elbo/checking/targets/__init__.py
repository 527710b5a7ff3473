"""One file a target: its roles and the judge that compares a function with it."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from elbo.checking._case import Case

MODULES = {
    "gaussian_kl": "gaussian_kl",
    "gaussian_kl_pair": "gaussian_kl_pair",
    "gaussian_kl_sample": "gaussian_kl_sample",
    "gaussian_log_prob": "log_density",
    "gaussian_sample": "gaussian_sample",
    "categorical_kl": "categorical_kl",
    "vmf_kl": "vmf_kl",
    "gaussian_nll": "likelihoods",
    "bernoulli_nll": "likelihoods",
    "laplace_nll": "likelihoods",
    "negative_elbo": "negative_elbo",
    "iwae": "iwae",
    "mmd": "mmd",
    "total_correlation": "total_correlation",
    "score_surrogate": "score_surrogate",
    "path_surrogate": "path_surrogate",
    "vq": "vq",
    "vq_quantize": "vq_quantize",
}
"""Name of every target and the module that judges it."""


@dataclass(frozen=True)
class Target:
    """A thing that a function can be checked against.

    Args:
        name: as users write it.
        computes: one line.
        roles: name of each positional role and the letters of its shape.
        judge: fills in a :class:`Case`.
        optional: how many of the last roles a function may leave out.
    """

    name: str
    computes: str
    roles: dict[str, str]
    judge: Callable[[Case], None]
    optional: int = 0


def load(name: str) -> Target:
    """The target of that name (which must be one of :data:`MODULES`)."""
    module = importlib.import_module(f"elbo.checking.targets.{MODULES[name]}")
    target: Target = module.TARGETS[name]
    return target
