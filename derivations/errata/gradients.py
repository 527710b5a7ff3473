"""Errata on gradients: sampling, relaxations, straight-through, score function."""

# ruff: noqa: D103 - what a counterexample refutes is said by its title

import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
import scipy

from derivations.errata._entry import Comparison, Evaluation, Kind, evaluation, refuted
from derivations.errata._numbers import integral, normal_nodes


@refuted(
    "E20",
    ("S2", 117),
    kind=Kind.CONDITION,
    title="once z is sampled the term does not depend on phi and its gradient is zero",
    said=r"After sampling, the estimate does not depend on $\phi$ and has gradient zero; reparameterisation is needed.",
    correct=r"What is zero is what automatic differentiation reports when the draw is detached, and it is a **biased** "
    r"estimate of a gradient that is not zero. The pathwise gradient is one cure, the score function another.",
)
def sampling_removes_the_gradient() -> Evaluation:
    import torch

    x, variance = 1.0, 0.5
    points, weights = (torch.from_numpy(a) for a in normal_nodes())
    mean = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    path = mean + math.sqrt(variance) * points
    drawn = path.detach()

    def log_likelihood(z: torch.Tensor) -> torch.Tensor:
        return -0.5 * (x - z) ** 2 - 0.5 * math.log(2 * math.pi)

    def gradient(surrogate: torch.Tensor) -> float:
        return float(torch.autograd.grad((weights * surrogate).sum() + 0 * mean, mean)[0])

    log_q = -0.5 * (drawn - mean) ** 2 / variance
    naive, score = gradient(log_likelihood(drawn)), gradient(log_likelihood(drawn) * log_q)
    exact = x - 0.4
    return evaluation(
        Comparison("gradient through detached draws, said to be the gradient", naive, "=", exact),
        Comparison("pathwise gradient", gradient(log_likelihood(path)), "=", exact),
        Comparison("score-function gradient", score, "=", exact),
    )


@refuted(
    "E25",
    ("S2", 167),
    kind=Kind.CONDITION,
    title="gradient descent draws many codes a datum, stochastic gradient descent one",
    said="The difference between gradient descent and its stochastic form is the number of codes drawn for a datum.",
    correct=(
        "Two independent choices: how many data are in a step (then scale by $N/B$) and how many codes $M$ are "
        "drawn for each. The gradient estimate is unbiased for every choice, and the variance has a part from each."
    ),
    source="Kingma and Welling, Auto-Encoding Variational Bayes (arXiv:1312.6114), section 2.3",
)
def many_codes_is_gradient_descent() -> Evaluation:
    data = np.array([0.5, -1.0, 2.0, 0.3])
    mean = 0.4
    per_datum = data - mean  # gradients with every code averaged out: M infinite
    batches = [2 * sum(per_datum[list(b)]) for b in combinations(range(4), 2)]  # N / B = 2
    unscaled = [sum(per_datum[list(b)]) for b in combinations(range(4), 2)]
    points, weights = normal_nodes(20)
    one_code = data[:, None] - (mean + points)  # pathwise gradients of single draws, unit variance
    return evaluation(
        (
            Comparison(
                "variance over minibatches with infinitely many codes, said to be none",
                float(np.var(batches)),
                "=",
                0.0,
            ),
            Comparison("mean of the minibatch sums without N/B", float(np.mean(unscaled)), "=", float(per_datum.sum())),
            Comparison(
                "variance with all data and one code each, said to be none",
                float((weights @ (one_code.T - per_datum) ** 2).sum()),
                "=",
                0.0,
            ),
        ),
        Comparison("mean over minibatches, scaled by N/B", float(np.mean(batches)), "=", float(per_datum.sum())),
        Comparison("mean over single codes, all data", float((one_code @ weights).sum()), "=", float(per_datum.sum())),
    )


@refuted(
    "E31",
    ("S3", 134),
    kind=Kind.NOTATION,
    title="the likelihood-ratio gradient is maximum likelihood estimation",
    said="The likelihood-ratio (score-function) gradient is maximum likelihood estimation.",
    correct=(
        r"They share a symbol: $\nabla_\phi\mathbb{E}_q f=\mathbb{E}_q[f\nabla_\phi\log q]$ holds for any $f$ and "
        r"fits no data. The gradient of maximum likelihood at its own law is $\mathbb{E}_q\nabla_\phi\log q=0$."
    ),
)
def likelihood_ratio_is_maximum_likelihood() -> Evaluation:
    points, weights = normal_nodes()
    z = 1.0 + points  # q = N(1, 1), f(z) = z^2
    score = z - 1.0
    return evaluation(
        Comparison(
            "likelihood-ratio gradient of E z^2, said to be that of maximum likelihood",
            float(weights @ (z**2 * score)),
            "=",
            float(weights @ score),
            1e-11,
        ),
        Comparison(
            "likelihood-ratio gradient of E z^2, against 2 mu", float(weights @ (z**2 * score)), "=", 2.0, 1e-11
        ),
        Comparison("gradient of the expected log likelihood at its own law", float(weights @ score), "=", 0.0, 1e-11),
    )


def _by_inverse(
    density: Callable[[float], float], path: Callable[[float], float], lower: float, upper: float
) -> tuple[float, float]:
    """E cos(z) dz/dtheta, the pathwise gradient of E sin(z), and its error bound."""
    return integral(lambda z: density(z) * math.cos(z) * path(z), lower, upper)


@refuted(
    "E32",
    ("S3", 136),
    kind=Kind.ERROR,
    title="the pathwise derivative needs Gaussian q and Gaussian p",
    said=r"For the pathwise derivative both $q$ and $p$ have to be Gaussian.",
    correct=(
        r"$q$ must have draws that are differentiable in $\phi$ (location and scale, inverse distribution function, "
        r"or implicitly) and $\log p(x,z)$ must be differentiable in $z$. $p$ may be any such law."
    ),
    source="Figurnov, Mohamed and Mnih, Implicit reparameterization gradients (arXiv:1805.08498)",
)
def pathwise_needs_gaussians() -> Evaluation:
    # Laplace(0.3, b): z = 0.3 + b e, dz/db = (z - 0.3) / b;  E sin z = sin(0.3) / (1 + b^2)
    b = 0.8
    sides = [
        _by_inverse(lambda z: math.exp(-abs(z - 0.3) / b) / (2 * b), lambda z: (z - 0.3) / b, *ends)
        for ends in ((-40, 0.3), (0.3, 40))
    ]
    laplace, laplace_error = sides[0][0] + sides[1][0], sides[0][1] + sides[1][1]
    laplace_exact = -2 * b * math.sin(0.3) / (1 + b * b) ** 2

    # Kumaraswamy(a, b): u -> (1 - (1 - u)^(1/b))^(1/a); the exact gradient from the score of the density
    a, c = 2.0, 3.0

    def kumaraswamy(z: float) -> float:
        return float(a * c * z ** (a - 1) * (1 - z**a) ** (c - 1))

    kuma, kuma_error = _by_inverse(kumaraswamy, lambda z: -z * math.log(z) / a, 1e-300, 1.0)
    score, score_error = integral(
        lambda z: kumaraswamy(z) * math.sin(z) * (1 / a + math.log(z) * (1 - (c - 1) * z**a / (1 - z**a))),
        1e-300,
        1 - 1e-16,
    )

    # Beta(2, 3), implicitly: dz/da = -dF/da / density. The series of the Beta integral in a is differentiated by hand
    def beta_density(z: float) -> float:
        return 12 * z * (1 - z) ** 2

    digamma = float(scipy.special.digamma(2.0) - scipy.special.digamma(5.0))

    def beta_cdf_in_a(z: float) -> float:  # d/da of (1/B) int_0^z t^(a-1) (1-t)^2 dt at a = 2, term by term
        powers = [(1, 2), (-2, 3), (1, 4)]
        inner = sum(k * z**n * (math.log(z) / n - 1 / n**2) for k, n in powers)
        return 12 * (inner - digamma * sum(k * z**n / n for k, n in powers))

    beta, beta_error = integral(lambda z: -math.cos(z) * beta_cdf_in_a(z), 1e-300, 1.0)
    beta_score, beta_score_error = integral(
        lambda z: beta_density(z) * math.sin(z) * (math.log(z) - digamma), 1e-300, 1.0
    )
    return evaluation(
        (
            Comparison(
                "pathwise gradient for a Laplace q, said not to be had (off by a hundredth or more)",
                abs(laplace - laplace_exact),
                ">=",
                1e-2,
                1e-3,
            ),
            Comparison("pathwise gradient for a Beta q, said not to be had", abs(beta - beta_score), ">=", 1e-2, 1e-3),
        ),
        Comparison(
            "Laplace: pathwise, against the derivative of the closed form", laplace, "=", laplace_exact, laplace_error
        ),
        Comparison(
            "Kumaraswamy: pathwise, against the score function", kuma, "=", score, kuma_error + score_error + 1e-11
        ),
        Comparison(
            "Beta(2, 3), first parameter: implicit, against the score function",
            beta,
            "=",
            beta_score,
            beta_error + beta_score_error,
        ),
    )
