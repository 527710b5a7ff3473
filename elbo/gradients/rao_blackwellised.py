"""Estimators for a categorical q that sum over several states at once: top-k, and unordered sets."""

from abc import abstractmethod
from itertools import combinations, permutations
from typing import Any

import torch
from torch import Tensor

from elbo._errors import InputTypeError, InputValueError
from elbo.gradients._estimator import Parameters, SurrogateEstimator, check_samples, unvalidated
from elbo.gradients._families import CategoricalIndex
from elbo.noise import Finite, NoiseLaw


class _OverStates(SurrogateEstimator):
    """A sum over some states, each with a weight whose expectation is its probability."""

    k: int

    @abstractmethod
    def _terms(self, parameters: Parameters, noise: Any) -> tuple[Tensor, Tensor]:
        """The states that are summed over, and by how much p(s) f(s) counts for each: 1 for an exact sum."""

    def value(self, problem: Any, parameters: Parameters, noise: Any) -> Tensor:
        """The estimate of E_q f itself, f = log w or the cost; unbiased."""
        with unvalidated():
            states, factors = self._terms(parameters, noise)
            return (factors * _probabilities(parameters)[states] * parameters.log_weight(problem, states)).sum(-1)

    def surrogate(self, problem: Any, parameters: Parameters, frozen: Parameters, noise: Any) -> Tensor:
        states, factors = self._terms(frozen, noise)
        f = frozen.log_weight(problem, states)
        live = torch.exp(parameters.family.log_prob(parameters, states))
        total = (factors * (f - self._baseline(frozen, states, f)) * live).sum()
        if any(name.startswith("model.") for name in parameters):
            weights = factors * torch.exp(frozen.family.log_prob(frozen, states))
            total = total + (weights * parameters.log_weight(problem, states, frozen=frozen)).sum()
        return total

    def _baseline(self, parameters: Parameters, states: Tensor, f: Tensor) -> Tensor:
        return torch.zeros_like(f)

    def _check(self, parameters: Parameters, most: int) -> int:
        if not isinstance(parameters.family, CategoricalIndex):
            raise InputTypeError(f"{type(self).__name__} is for a Categorical q; for Bernoulli q there is DisArm")
        states = parameters["logits"].shape[-1]
        if self.k > states - most:
            raise InputValueError(f"k is {self.k} and q has {states} states; write k <= {states - most}")
        return states


class TopK(_OverStates):
    """Σ_{s in C} ∇p(s) f(s) + (1 - q(C)) f(u) ∇ log q(u), C the k most probable states, u ~ q outside C; unbiased.

    Its variance is at most (1 - q(C)) times that of a single draw.

    Args:
        k: the number of states that are summed exactly; below the number of states.

    Source: Liu et al. 2019, arXiv:1810.04777.

    >>> import torch
    >>> from elbo import certify
    >>> from elbo.gradients import Expectation
    >>> q = torch.distributions.Categorical(logits=torch.tensor([1.0, 0.0, 0.5, -1.0], dtype=torch.float64))
    >>> certify(TopK(2), Expectation(lambda z: (z - 1.3) ** 2), None, q).unbiased
    True
    """

    def __init__(self, k: int) -> None:
        self.k = check_samples(k)

    def noise(self, problem: Any, parameters: Parameters) -> NoiseLaw:
        self._check(parameters, 1)
        rest = self._order(parameters)[self.k :]
        probabilities = _probabilities(parameters).detach().double()[rest]
        return Finite(rest, probabilities / probabilities.sum())

    def _order(self, parameters: Parameters) -> Tensor:
        return torch.argsort(parameters["logits"].detach(), descending=True, stable=True)

    def _terms(self, parameters: Parameters, noise: Any) -> tuple[Tensor, Tensor]:
        order = self._order(parameters)
        p = _probabilities(parameters)
        drawn = noise.long().reshape(1)
        rest = p[order[self.k :]].sum()
        factors = torch.cat([torch.ones_like(p[: self.k]), rest / torch.gather(p, 0, drawn)])
        return torch.cat([order[: self.k], drawn]), factors

    def __repr__(self) -> str:
        return f"TopK({self.k})"


class UnorderedSet(_OverStates):
    """Σ_{s in S} ∇p(s) R(S, s) (f(s) - b_s), S a set of k states drawn without replacement; unbiased.

    R(S, s) = P(S without s is drawn where s is removed) / P(S) is the leave-one-out ratio. It is the score function of
    the first draw, averaged over the orders in which S can arise. The noise is the set, a finite law of all of them.

    Args:
        k: size of the set, at most the number of states and 6 (each set is summed over its k! orders).
        baseline: whether to subtract b_s = Σ_{s' in S} p(s') R(S, s' | s) f(s'), which for k ≥ 2 uses the other
            states of the set; the second-order ratio R(S, s' | s) is that of the law without s, and 1 for s' = s.

    Source: Kool, van Hoof, Welling 2020, arXiv:2002.06043.

    >>> import torch
    >>> from elbo import certify
    >>> from elbo.gradients import Expectation
    >>> q = torch.distributions.Categorical(logits=torch.tensor([1.0, 0.0, 0.5, -1.0], dtype=torch.float64))
    >>> certify(UnorderedSet(2), Expectation(lambda z: (z - 1.3) ** 2), None, q).unbiased
    True
    """

    def __init__(self, k: int, baseline: bool = True) -> None:
        self.k, self.baseline = check_samples(k, 2 if baseline else 1), baseline
        if k > 6:
            raise InputValueError(f"k is {k}; the {k}! orders of a set are summed: write k <= 6")

    def noise(self, problem: Any, parameters: Parameters) -> NoiseLaw:
        states = self._check(parameters, 0)
        sets = torch.tensor(list(combinations(range(states), self.k)))
        p = _probabilities(parameters).detach().double()
        probabilities = torch.stack([_set_probability(p, [], list(s)) for s in sets])
        return Finite(sets, probabilities / probabilities.sum())

    def _terms(self, parameters: Parameters, noise: Any) -> tuple[Tensor, Tensor]:
        states, p = noise.long(), _probabilities(parameters)
        whole = _set_probability(p, [], list(states))
        factors = [_set_probability(p, [s], others) / whole for s, others in _each_left_out(list(states))]
        return states, torch.stack(factors)

    def _baseline(self, parameters: Parameters, states: Tensor, f: Tensor) -> Tensor:
        if not self.baseline:
            return torch.zeros_like(f)
        p = _probabilities(parameters)
        own = torch.gather(p, 0, states)
        members, found = list(states), []
        for i, (s, others) in enumerate(_each_left_out(members)):
            whole = _set_probability(p, [s], others)
            ratios = [
                torch.ones_like(whole)
                if j == i
                else _set_probability(p, [s, t], [m for n, m in enumerate(members) if n not in (i, j)]) / whole
                for j, t in enumerate(members)
            ]
            found.append((own * torch.stack(ratios) * f).sum())
        return torch.stack(found)

    def __repr__(self) -> str:
        return f"UnorderedSet({self.k}, baseline={self.baseline})"


def _probabilities(parameters: Parameters) -> Tensor:
    return torch.softmax(parameters["logits"], -1)


def _each_left_out(members: list[Tensor]) -> list[tuple[Tensor, list[Tensor]]]:
    return [(s, members[:i] + members[i + 1 :]) for i, s in enumerate(members)]


def _set_probability(p: Tensor, removed: list[Tensor], members: list[Tensor]) -> Tensor:
    """P(the first draws without replacement, from the states not ``removed``, are ``members`` in any order)."""
    index = torch.arange(p.shape[-1], device=p.device)
    total = torch.zeros_like(p[0])
    for order in permutations(members):
        left = p
        for s in removed:
            left = torch.where(index == s, 0.0, left)
        probability = torch.ones_like(p[0])
        for s in order:
            # the mass that is left is summed, not taken from 1: it may be tiny
            probability = probability * torch.where(index == s, left, 0.0).sum() / left.sum()
            left = torch.where(index == s, 0.0, left)
        total = total + probability
    return total
