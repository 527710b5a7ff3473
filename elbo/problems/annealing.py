"""Annealed importance sampling on finitely many states (Z17): every path is enumerated."""

import itertools
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Categorical, constraints

from elbo._errors import InputValueError
from elbo.problems._finite import FiniteProblem
from elbo.problems._kernels import safe_log
from elbo.problems._problem import Latent, parameter

MOST = 1 << 16
"""Most paths that are enumerated."""


class FiniteAnnealing(FiniteProblem):
    """Annealing from a law p₀ to an unnormalised f through f_t ∝ p₀^(1-β_t) f^β_t; the latent is the whole path.

    A path x₀, ..., x_{T-1} starts from p₀ and moves by kernels that leave f_t invariant; its weight is
    w = ∏_t f_t(x_{t-1}) / f_{t-1}(x_{t-1}). Then E w = Z = Σ f, whatever the kernels; with q the law of the forward
    path, the ELBO E log w and the EUBO (the reverse chain, started from f/Z) enclose log Z.

    Args:
        initial: p₀, ``[n]``, positive, sum 1.
        target: f, ``[n]``, positive, any sum.
        steps: T ≥ 1, the number of factors of w; β_t = t/T unless given.
        temperatures: 0 = β₀ < ... < β_T = 1 instead of ``steps``.
        kernel: ``"metropolis"`` (a uniformly chosen other state, accepted by Metropolis' rule) or ``"perfect"`` (a
            fresh draw from f_t, whatever the state).

    >>> problem = FiniteAnnealing([0.2] * 5, [0.1, 0.3, 0.02, 0.3, 0.05], 3)
    >>> problem.size, round(problem.log_evidence(None).exp().item(), 12)
    (125, 0.77)
    >>> low, high = problem.elbo(None, problem.forward), problem.eubo(None, problem.forward)
    >>> bool(low < problem.log_evidence(None) < high)
    True
    """

    formula = "paths of an annealed chain on n states; w = ∏ f_t(x_{t-1}) / f_{t-1}(x_{t-1})"
    known = (
        "everything by enumeration of n^T paths: E w = Z, the sandwich E log w ≤ log Z ≤ E_reverse log w, χ², moments"
    )
    conditions = "finite: p₀ and f are positive"
    source = "Neal 2001, arXiv:physics/9803008; Grosse et al. 2015, arXiv:1511.02543"
    proposals = "a Categorical over paths, such as problem.forward,"

    def __init__(
        self,
        initial: Any,
        target: Any,
        steps: int = 3,
        temperatures: Any = None,
        kernel: str = "metropolis",
    ) -> None:
        self.initial = parameter("initial", initial, constraints.positive)
        self.target = parameter("target", target, constraints.positive)
        n = self.initial.shape[-1]
        slack = n * torch.finfo(self.initial.dtype).eps
        if self.initial.ndim != 1 or self.target.shape != (n,) or abs(self.initial.detach().sum().item() - 1) > slack:
            raise InputValueError(
                f"initial has shape {tuple(self.initial.shape)} and sum {self.initial.sum().item()}, target has shape "
                f"{tuple(self.target.shape)}; write two vectors [n], the first with sum 1"
            )
        if temperatures is None:
            temperatures = torch.linspace(0.0, 1.0, int(steps) + 1, dtype=self.initial.dtype)
        self.temperatures = parameter("temperatures", temperatures)
        ends = self.temperatures[[0, -1]].tolist()
        if len(self.temperatures) < 2 or ends != [0.0, 1.0] or bool((self.temperatures.diff() <= 0).any()):
            raise InputValueError(
                f"temperatures are {self.temperatures.tolist()}; they must rise from 0 to 1, in steps >= 1"
            )
        if kernel not in ("metropolis", "perfect"):
            raise InputValueError(f"kernel is {kernel!r}; write 'metropolis' or 'perfect'")
        self.kernel = kernel
        if n**self.steps > MOST:
            raise InputValueError(f"there are {n}^{self.steps} paths, more than {MOST}; use fewer steps or states")
        self._paths = torch.tensor(list(itertools.product(range(n), repeat=self.steps)))

    @property
    def steps(self) -> int:
        """T, the number of factors of a weight; a path has T states."""
        return len(self.temperatures) - 1

    @property
    def latent(self) -> Latent:
        n = len(self._paths)
        return Latent(torch.Size(), constraints.integer_interval(0, n - 1), torch.arange(n))

    @property
    def observation(self) -> None:
        return None

    @property
    def paths(self) -> Tensor:
        """Every path, ``[n^T, T]``; the latent is an index into it."""
        return self._paths

    def log_density(self, step: int) -> Tensor:
        """log f_t over the states."""
        beta = self.temperatures[step]
        return (1 - beta) * self.initial.log() + beta * self.target.log()

    def transition(self, step: int) -> Tensor:
        """K_t ``[from, to]``, which leaves f_t invariant."""
        log_f = self.log_density(step)
        n = len(log_f)
        if self.kernel == "perfect":
            return torch.softmax(log_f, 0).expand(n, n)
        off_diagonal = 1 - torch.eye(n, dtype=log_f.dtype)
        moves = torch.exp((log_f[None, :] - log_f[:, None]).clamp(max=0.0)) * off_diagonal / max(n - 1, 1)
        return moves + torch.diag_embed(1 - moves.sum(-1))

    @property
    def forward(self) -> Categorical:
        """q, the law of the path that annealing draws."""
        return Categorical(probs=self._log_forward().exp())

    def log_joint(self, x: None, z: Tensor) -> Tensor:  # type: ignore[override]
        """log q(path) + log w(path): f_T at the last state times the reversed kernels."""
        self.check_observation(x)
        return (self._log_forward() + self.log_path_weight())[z]

    def log_path_weight(self) -> Tensor:
        """log w of every path, ``[n^T]``."""
        terms = [
            (self.log_density(t) - self.log_density(t - 1))[self._paths[:, t - 1]] for t in range(1, self.steps + 1)
        ]
        return torch.stack(terms).sum(0)

    def mean_energy(self, temperature: float) -> Tensor:
        """g(β) = E_{f_β} log f/p₀, the integrand of thermodynamic integration: ∫₀¹ g = log Z."""
        log_ratio = self.target.log() - self.initial.log()
        return (torch.softmax(self.initial.log() + temperature * log_ratio, 0) * log_ratio).sum()

    def _log_forward(self) -> Tensor:
        value = self.initial.log()[self._paths[:, 0]]
        for t in range(1, self.steps):
            value = value + safe_log(self.transition(t))[self._paths[:, t - 1], self._paths[:, t]]
        return value
