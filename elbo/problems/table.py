"""A finite table p(x, z) (Z3)."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Categorical, constraints

from elbo._errors import InputValueError
from elbo.problems._finite import FiniteProblem
from elbo.problems._kernels import safe_log
from elbo.problems._problem import Latent, UnknownAnswerError, parameter


class Table(FiniteProblem):
    """p(x, z) as a table of numbers: x and z are indices of its rows and columns.

    Args:
        joint: probabilities ``[X, Z]``, nonnegative, with a sum of at most 1. A row alone, ``[Z]``, is p(x, ·) at the
            one x that was observed (then x = 0); prior and likelihood need the whole table, whose sum is 1.

    >>> problem = Table([0.18, 0.05, 0.12])
    >>> x, q = torch.tensor(0), Categorical(torch.tensor([0.3, 0.3, 0.4], dtype=torch.float64))
    >>> round(problem.log_evidence(x).item(), 10), round(problem.chi2(x, q).item(), 10)
    (-1.0498221245, 0.243537415)
    """

    formula = "p(x, z) a table; x and z are indices"
    known = "everything, by enumeration of z"
    conditions = "q must be positive where p(x, z) is, else EUBO, χ² and the moments above 1 are infinite"
    source = "any discrete model; Burda et al. 2016, arXiv:1509.00519, use the ordering L_K ≤ L_{K+1}"

    def __init__(self, joint: Any) -> None:
        table = parameter("joint", joint, constraints.nonnegative)
        self.joint = table[None] if table.ndim == 1 else table
        if self.joint.ndim != 2 or 0 in self.joint.shape:
            raise InputValueError(f"joint has shape {tuple(table.shape)}; write a table [X, Z] or one row [Z]")
        slack = self.joint.numel() * torch.finfo(self.joint.dtype).eps
        total = self.joint.detach().sum().item()
        if total > 1 + slack or bool((self.joint.detach().sum(-1) == 0).any()):
            raise InputValueError(f"joint sums to {total}; it must be at most 1, and no row may be all zero")
        self._complete = abs(total - 1) <= slack

    @property
    def latent(self) -> Latent:
        n = self.joint.shape[-1]
        states = torch.arange(n, device=self.joint.device)
        return Latent(torch.Size(), constraints.integer_interval(0, n - 1), states)

    @property
    def observation(self) -> constraints.Constraint:
        return constraints.integer_interval(0, self.joint.shape[0] - 1)

    @property
    def prior(self) -> Categorical:
        self._need_all("prior")
        return Categorical(self.joint.sum(0))

    def likelihood(self, z: Tensor) -> Categorical:
        self._need_all("likelihood")
        return Categorical(self.joint.T[z.long()])

    def posterior(self, x: Tensor) -> Categorical:
        return Categorical(self.joint[self.check_observation(x).long()])

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        return safe_log(self.joint)[self.check_observation(x).long(), z.long()]

    def _need_all(self, what: str) -> None:
        if not self._complete:
            raise UnknownAnswerError(f"the {what} needs the whole table p(x, z), whose sum is 1")
