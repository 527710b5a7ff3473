"""The score-function estimator (REINFORCE) with its baselines, for continuous and discrete q."""

from typing import Any, Literal

import torch
from torch import Tensor

from elbo._errors import InputValueError
from elbo.gradients._estimator import Estimator, Gradient, Parameters, check_samples, single, unvalidated
from elbo.noise import NoiseLaw

Baseline = Literal["none", "leave_one_out", "optimal"]


class ScoreFunction(Estimator):
    """(1/K) Σ_i (f(z_i) - b_i) ∇_φ log q(z_i), f = log w (or the cost), with one of three baselines; unbiased.

    Gradients with respect to the model are (1/K) Σ ∇_θ log p(x, z_i). That ∇_φ of log w itself has mean zero is used.

    Args:
        samples: K; at least 2 for "leave_one_out".
        baseline: "none": b = 0. "leave_one_out": the mean of f over the other draws (RLOO, VarGrad). "optimal": for
            each parameter the constant E[f s²]/E[s²], s the score, which minimises its variance; computed exactly from
            the law of one draw. A number: that constant.

    Source: Williams 1992; Mohamed et al. 2020, arXiv:1906.10652; leave-one-out: Salimans and Knowles 2014.

    >>> import torch
    >>> from elbo import certify, problems
    >>> x = torch.tensor(1.0, dtype=torch.float64)
    >>> q = torch.distributions.Normal(0 * x, x)
    >>> certify(ScoreFunction(1, "optimal"), problems.LinearGaussian(1.0), x, q).unbiased
    True
    """

    def __init__(self, samples: int = 1, baseline: Baseline | float = "none") -> None:
        if isinstance(baseline, str) and baseline not in ("none", "leave_one_out", "optimal"):
            raise InputValueError(f"baseline is {baseline!r}; write 'none', 'leave_one_out', 'optimal' or a number")
        self.samples = check_samples(samples, 2 if baseline == "leave_one_out" else 1)
        self.baseline = baseline

    def noise(self, problem: Any, parameters: Parameters) -> NoiseLaw:
        return parameters.family.noise(parameters, (self.samples,))

    def __call__(self, problem: Any, parameters: Parameters, noise: Any) -> Gradient:
        with unvalidated():
            z = parameters.family.sample(parameters, noise)
            f = parameters.log_weight(problem, z)
            constant = f - self._baseline(f)

            def score_part(values: Gradient) -> Tensor:
                live = parameters.replaced(values)
                score = (constant * parameters.family.log_prob(live, z)).mean()
                if any(name.startswith("model.") for name in values):
                    score = score + live.log_weight(problem, z, frozen=parameters).mean()
                return score

            found: Gradient = torch.func.grad(score_part)(parameters.values_)
            if self.baseline != "optimal":
                return found

            def score(values: Gradient) -> Tensor:
                return parameters.family.log_prob(parameters.replaced(values), z).mean()

            scores: Gradient = torch.func.grad(score)(parameters.values_)
        best = self.optimal_baseline(problem, parameters)
        return {name: value - best[name] * scores[name] for name, value in found.items()}

    def optimal_baseline(self, problem: Any, parameters: Parameters, order: int = 64) -> Gradient:
        """E[f s²]/E[s²] for each parameter, by enumeration or nodes of the law of one draw; 0 where s vanishes."""
        law = parameters.family.noise(parameters, ())
        points, weights = law.enumerate() if parameters.family.discrete else law.nodes(order)
        z = parameters.family.sample(parameters, points)
        with unvalidated():
            f = parameters.log_weight(problem, z)
        scores = single(
            parameters,
            points,
            lambda live, e: parameters.family.log_prob(live, parameters.family.sample(parameters, e)),
        )
        best = {}
        for name, s in scores.items():
            square = s.square()
            top = torch.tensordot(weights * f, square, dims=1)
            bottom = torch.tensordot(weights, square, dims=1)
            best[name] = torch.where(bottom > 0, top / torch.where(bottom > 0, bottom, 1.0), 0.0)
        return best

    def _baseline(self, f: Tensor) -> Tensor | float:
        if self.baseline == "leave_one_out":
            return (f.sum(-1, keepdim=True) - f) / (self.samples - 1)
        return 0.0 if isinstance(self.baseline, str) else float(self.baseline)

    def __repr__(self) -> str:
        return f"ScoreFunction(samples={self.samples}, baseline={self.baseline!r})"


class Rloo(ScoreFunction):
    """The leave-one-out score function: ScoreFunction(samples, "leave_one_out"), at least two samples.

    >>> import torch
    >>> from elbo import certify, problems
    >>> x = torch.tensor(1.0, dtype=torch.float64)
    >>> q = torch.distributions.Normal(0 * x, x)
    >>> certify(Rloo(2), problems.LinearGaussian(1.0), x, q).unbiased
    True
    """

    def __init__(self, samples: int = 2) -> None:
        super().__init__(samples, "leave_one_out")
