"""Problems whose latent takes finitely many values: everything is a sum over them."""

from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Categorical, Distribution

from elbo._errors import InputTypeError
from elbo.problems._kernels import exp_excess, safe_log
from elbo.problems._problem import Problem


class FiniteProblem(Problem):
    """Every quantity by enumeration of ``latent.states``; states come last in the tables below.

    The conventions at the edges: 0 log 0 = 0; mass of q where p(x, z) = 0 makes the ELBO -inf; posterior mass where
    q = 0 makes EUBO, χ² and every moment above order 1 infinite.
    """

    proposals: ClassVar[str] = "a Categorical"

    def log_joint_table(self, x: Tensor) -> Tensor:
        """log p(x, z) for every state, ``[*batch, n]``."""
        observed, states = self.check_observation(x), self._states()
        if self.observation is None:
            return self.log_joint(x, states)
        batch = observed.shape[: observed.ndim - self.observation.event_dim]
        shape = (states.shape[0], *[1] * len(batch), *self.latent.event_shape)
        return self.log_joint(observed, states.reshape(shape)).movedim(0, -1)

    def log_q_table(self, q: Distribution) -> Tensor:
        """log q(z) for every state, ``[*batch of q, n]``."""
        if q.event_shape != self.latent.event_shape or (isinstance(q, Categorical) and q.logits.shape[-1] != self.size):
            raise InputTypeError(
                f"q is {type(q).__name__} with event shape {tuple(q.event_shape)}; {type(self).__name__} needs "
                f"{self.proposals} over its {self.size} states"
            )
        if isinstance(q, Categorical):
            return safe_log(q.probs)  # the logits of probability zero are finite in torch
        states = self._states()
        shape = (states.shape[0], *[1] * len(q.batch_shape), *self.latent.event_shape)
        return q.log_prob(states.reshape(shape)).movedim(0, -1)

    @property
    def size(self) -> int:
        """Number of states of z."""
        return int(self._states().shape[0])

    def log_posterior_table(self, x: Tensor) -> Tensor:
        """log p(z | x) for every state, ``[*batch, n]``."""
        return torch.log_softmax(self.log_joint_table(x), -1)

    def log_evidence(self, x: Tensor) -> Tensor:
        return torch.logsumexp(self.log_joint_table(x), -1)

    def elbo(self, x: Tensor, q: Distribution) -> Tensor:
        log_q, log_joint = torch.broadcast_tensors(self.log_q_table(q), self.log_joint_table(x))
        return _expect(log_q, log_joint - _finite(log_q))

    def gap(self, x: Tensor, q: Distribution) -> Tensor:
        log_q, log_p = torch.broadcast_tensors(self.log_q_table(q), self.log_posterior_table(x))
        return _divergence(log_q, log_p)

    def eubo(self, x: Tensor, q: Distribution) -> Tensor:
        log_q, log_p = torch.broadcast_tensors(self.log_q_table(q), self.log_posterior_table(x))
        return self.log_evidence(x) + _divergence(log_p, log_q)

    def log_moment(self, x: Tensor, q: Distribution, order: float) -> Tensor:
        return order * self.log_evidence(x) + self._log_power(x, q, order)

    def moment_interval(self, x: Tensor, q: Distribution) -> tuple[Tensor, Tensor]:
        log_q, log_p = torch.broadcast_tensors(self.log_q_table(q), self.log_posterior_table(x))
        inf = torch.full_like(log_q[..., 0], torch.inf)
        uncovered = (torch.isneginf(log_q) & ~torch.isneginf(log_p)).any(-1)
        wasted = (torch.isneginf(log_p) & ~torch.isneginf(log_q)).any(-1)
        return torch.where(wasted, torch.zeros_like(inf), -inf), torch.where(uncovered, torch.ones_like(inf), inf)

    def variance_log_weight(self, x: Tensor, q: Distribution) -> Tensor:
        log_q, log_joint = torch.broadcast_tensors(self.log_q_table(q), self.log_joint_table(x))
        log_w = log_joint - _finite(log_q)
        centred = log_w - _expect(log_q, log_w)[..., None]
        return _expect(log_q, torch.where(centred.isfinite(), centred**2, torch.full_like(centred, torch.inf)))

    def chi2(self, x: Tensor, q: Distribution) -> Tensor:
        log_q, log_p = torch.broadcast_tensors(self.log_q_table(q), self.log_posterior_table(x))
        square = _expect(log_q, torch.expm1(log_p - _finite(log_q)) ** 2)
        uncovered = (torch.isneginf(log_q) & ~torch.isneginf(log_p)).any(-1)
        return torch.where(uncovered, torch.full_like(square, torch.inf), square)

    def weight_moment(self, x: Tensor, q: Distribution, order: float) -> Tensor:
        return self._log_power(x, q, order).exp()

    def _log_power(self, x: Tensor, q: Distribution, order: float) -> Tensor:
        """log Σ p(z|x)^order q(z)^(1-order), over the states where either is positive."""
        log_q, log_p = torch.broadcast_tensors(self.log_q_table(q), self.log_posterior_table(x))
        no_q, no_p = torch.isneginf(log_q), torch.isneginf(log_p)
        inside = order * _finite(log_p) + (1 - order) * _finite(log_q)
        gone, there = torch.full_like(inside, -torch.inf), torch.full_like(inside, torch.inf)
        only_p = there if order > 1 else (_finite(log_p) if order == 1 else gone)
        only_q = there if order < 0 else (_finite(log_q) if order == 0 else gone)
        term = torch.where(no_q & no_p, gone, torch.where(no_q, only_p, torch.where(no_p, only_q, inside)))
        return torch.logsumexp(term, -1)

    def _states(self) -> Tensor:
        states = self.latent.states
        assert states is not None
        return states


def _finite(log: Tensor) -> Tensor:
    """The logarithm with 0 for -inf, so that products with a zero probability stay numbers."""
    return torch.where(torch.isneginf(log), torch.zeros_like(log), log)


def _expect(log_q: Tensor, values: Tensor) -> Tensor:
    """Σ q · values with 0 · anything = 0."""
    zero = torch.isneginf(log_q)
    q = torch.where(zero, torch.zeros_like(log_q), _finite(log_q).exp())
    return (q * torch.where(zero, torch.zeros_like(values), values)).sum(-1)


def _divergence(log_q: Tensor, log_p: Tensor) -> Tensor:
    """KL(q ‖ p) = Σ_{q>0} q (e^d - 1 - d) + Σ_{q=0} p with d = log p - log q: no term is negative."""
    difference = log_p - _finite(log_q)
    gone = torch.isneginf(log_p)
    terms = exp_excess(torch.where(gone, torch.zeros_like(difference), difference))
    terms = torch.where(gone, torch.full_like(terms, torch.inf), terms)
    elsewhere = torch.where(torch.isneginf(log_q), log_p.exp(), torch.zeros_like(log_p)).sum(-1)
    return _expect(log_q, terms) + elsewhere
