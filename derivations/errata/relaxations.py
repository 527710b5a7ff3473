"""Errata on discrete codes: straight-through, stop-gradient, Gumbel noise."""

# ruff: noqa: D103 - what a counterexample refutes is said by its title

import math

import numpy as np
import scipy

from derivations.errata._entry import Comparison, Evaluation, Kind, evaluation, refuted
from derivations.errata._numbers import Array, integral, log_normal


@refuted(
    "E33",
    ("S3", 148),
    kind=Kind.NOTATION,
    title="the stop-gradient operator is the straight-through estimator",
    said="The operator sg, ignored going forward and fixed going backward, is the straight-through estimator.",
    correct=r"Two things. **Stop-gradient** splits the codebook and commitment terms, so that each moves one side. "
    r"**Straight-through** copies $\partial L/\partial z_q$ to $z_e$ across the quantisation, which has no gradient.",
    source="van den Oord, Vinyals and Kavukcuoglu, Neural discrete representation learning (arXiv:1711.00937)",
)
def stop_gradient_is_straight_through() -> Evaluation:
    import torch

    def reconstruction(z: torch.Tensor) -> torch.Tensor:
        return ((z - torch.tensor([2.0, -1.0], dtype=torch.float64)) ** 2).sum()

    encoded = torch.tensor([0.3, 0.7], dtype=torch.float64, requires_grad=True)
    code = torch.tensor([0.5, 1.0], dtype=torch.float64, requires_grad=True)
    stopped = torch.autograd.grad(reconstruction(code.detach()) + 0 * encoded.sum(), encoded)[0]
    through = torch.autograd.grad(reconstruction(encoded + (code - encoded).detach()), encoded)[0]
    split = ((encoded.detach() - code) ** 2).sum()
    at_code = torch.autograd.grad(reconstruction(code), code)[0]
    moved = torch.autograd.grad(split, code)[0]
    return evaluation(
        Comparison(
            "encoder's gradient with stop-gradient alone, said to be straight-through's",
            float(stopped[0]),
            "=",
            float(through[0]),
        ),
        Comparison(
            "straight-through gradient at the encoder, against that at the code",
            float(abs(through - at_code).max()),
            "=",
            0.0,
        ),
        Comparison("codebook term's gradient, against 2 (e - z)", float(moved[0]), "=", 2 * (0.5 - 0.3)),
    )


@refuted(
    "E42",
    ("S0", 43),
    kind=Kind.ERROR,
    title="the multinomial can be reparameterised by Gumbel noise as the Gaussian can by normal noise",
    said="Like the Gaussian, the multinomial law has a reparameterisation, with Gumbel noise.",
    correct=(
        r"For the **categorical** law, $\arg\max_k(\ell_k+G_k)$ is exact but not differentiable; the softmax in its "
        "place is differentiable but has another law, so its gradients are **biased** at every temperature above "
        "zero."
    ),
    source="Jang, Gu and Poole (arXiv:1611.01144); Maddison, Mnih and Teh (arXiv:1611.00712)",
)
def gumbel_reparameterises_the_categorical() -> Evaluation:
    logits = np.array([0.5, -0.3, 1.2])
    weights = np.exp(logits)
    probabilities = weights / weights.sum()

    def relaxed(k: int) -> tuple[float, float]:
        """E softmax(logits + G)_k: with exp(G) = 1/Exp(1), a Bessel integral over the Laplace variable e^u."""

        def integrand(u: float) -> float:
            root = 2 * np.sqrt(math.exp(u) * weights)
            others: Array = np.delete(root * scipy.special.k1(root), k)
            return float(math.exp(u) * 2 * weights[k] * scipy.special.k0(root[k]) * others.prod())

        return integral(integrand, -60.0, 10.0)

    soft = [relaxed(k) for k in range(3)]
    # P(argmax = k) = int of exp(-g_k) exp(-sum of exp(l_j - ...)): the race of exponentials
    hard, hard_error = integral(lambda t: float(weights[0] * math.exp(-t * weights.sum())), 0.0, 60.0)
    return evaluation(
        [
            Comparison(
                f"mean of the relaxed draw, state {k}, said to be its probability",
                soft[k][0],
                "=",
                float(probabilities[k]),
                soft[k][1],
            )
            for k in range(3)
        ],
        Comparison("the relaxed means add up to one", sum(s[0] for s in soft), "=", 1.0, sum(s[1] for s in soft)),
        Comparison(
            "Gumbel-max: probability of the first state by quadrature", hard, "=", float(probabilities[0]), hard_error
        ),
    )


@refuted(
    "E46",
    ("S0", 43),
    kind=Kind.NOTATION,
    title="the sampled z is discontinuous",
    said="Sampling $z$ from $q$ makes $z$ discontinuous, which is what stands in the way of training.",
    correct=(
        "A Gaussian $z$ is a continuous variable. What stands in the way is that the *operation* of sampling is "
        r"not a differentiable function of $\phi$ until it is written as one, $z=\mu+\sigma\varepsilon$; then it is "
        "smooth."
    ),
)
def sampled_code_is_discontinuous() -> Evaluation:
    def draw(u: float, mean: float) -> float:  # the inverse distribution function of N(mean, 1/4)
        return mean + 0.5 * float(scipy.special.ndtri(u))

    jumps = [abs(draw(u, 0.4 + 1e-6) - draw(u, 0.4)) for u in (0.01, 0.3, 0.5, 0.97)]
    density, error = integral(lambda z: math.exp(log_normal(z, 0.4, 0.25)), -5.6, 6.4)
    return evaluation(
        Comparison("largest jump of a draw when the mean moves by 1e-6, said to be one", max(jumps), ">=", 1e-3),
        Comparison("largest difference quotient of the draws", max(jumps) / 1e-6, "=", 1.0, 1e-8),
        Comparison("z has a density, of mass", density, "=", 1.0, error),
    )
