"""Errata on what maximising the ELBO does, and on weights in front of its terms."""

# ruff: noqa: D103 - what a counterexample refutes is said by its title

import math

import numpy as np
import scipy

from derivations.errata._entry import Comparison, Evaluation, Kind, evaluation, refuted
from derivations.errata._numbers import kl_to_standard_normal, log_normal, on_grid, table


def _log_evidence(x: float, slope: float) -> float:
    """log p(x) of p(z) = N(0, 1), p(x|z) = N(slope z, 1), integrated numerically."""
    return on_grid(lambda z: log_normal(z, 0.0, 1.0) + log_normal(x, slope * z, 1.0))[2]


def _elbo(x: float, slope: float, mean: float, variance: float) -> float:
    reconstruction = -0.5 * math.log(2 * math.pi) - 0.5 * ((x - slope * mean) ** 2 + slope**2 * variance)
    return reconstruction - kl_to_standard_normal(mean, variance)


@refuted(
    "E6",
    ("S2", 148),
    kind=Kind.ERROR,
    title="minimising KL to the posterior over theta and phi is maximising the ELBO",
    said=(
        r"$\arg\min_{\theta,\phi}\mathrm{KL}[q_\phi(z\mid x)\,\|\,p_\theta(z\mid x)] = "
        r"\arg\max_{\theta,\phi}\mathrm{ELBO}$."
    ),
    correct=(
        r"True over $\phi$ at fixed $\theta$. Since $\mathrm{ELBO} = \log p_\theta(x) - \mathrm{KL}$ and the first "
        r"term depends on $\theta$, a model can have $\mathrm{KL}=0$ and an arbitrarily bad ELBO."
    ),
)
def minimising_the_gap_maximises_the_bound() -> Evaluation:
    x = 3.0
    degenerate = _elbo(x, 0.0, 0.0, 1.0)  # a decoder that ignores z: the prior is the exact posterior
    gap = _log_evidence(x, 0.0) - degenerate

    def best(slope: float) -> float:
        return _elbo(x, slope, slope * x / (1 + slope**2), 1 / (1 + slope**2))

    # stationarity in the slope; the derivative of log p(x) is that of the ELBO at the exact posterior
    slope = float(
        scipy.optimize.brentq(lambda w: -w / (1 + w * w) + w * x * x / (1 + w * w) ** 2, 1.0, 5.0, xtol=1e-14)
    )
    return evaluation(
        Comparison(
            "ELBO at theta = 0, q = prior, where KL = 0: said to be the maximum", degenerate, ">=", best(slope), 1e-11
        ),
        Comparison("KL there", gap, "=", 0.0, 1e-11),
        Comparison("slope that maximises the ELBO", slope, "=", math.sqrt(8), 1e-11),
        Comparison("the largest ELBO is the largest log evidence", best(slope), "=", _log_evidence(x, slope), 1e-11),
    )


def _mean_field(w: float, second_moment: float = 5.0) -> tuple[float, float]:
    """(best mean-field ELBO, log evidence), averaged over x with E x^2 given, for x|z ~ N(w (z1 + z2), 1)."""

    def average(w: float, gain: float, variance: float) -> float:  # q_i = N(gain x, variance), both coordinates alike
        reconstruction = -0.5 * math.log(2 * math.pi) - 0.5 * (
            (1 - 2 * w * gain) ** 2 * second_moment + 2 * w * w * variance
        )
        return reconstruction - (gain**2 * second_moment + variance - 1 - math.log(variance))

    gain, variance = w / (1 + 2 * w * w), 1 / (1 + w * w)  # stationary in gain and in variance
    evidence = 1 + 2 * w * w
    return average(w, gain, variance), -0.5 * math.log(2 * math.pi * evidence) - second_moment / (2 * evidence)


@refuted(
    "E7",
    ("S2", 73),
    ("S2", 79),
    ("S0", 39),
    kind=Kind.ERROR,
    title="raising the ELBO raises the likelihood, and its maximum is the maximum-likelihood fit",
    said=r"The larger the ELBO, the larger $\log p(x)$; going on like this maximises the likelihood.",
    correct=(
        r"Only if the gap is zero or does not depend on $\theta$. If the family of $q$ cannot hold the posterior, "
        "the optimum is biased towards models whose posterior it can hold, and the likelihood can fall while the "
        "ELBO rises."
    ),
    source="Turner and Sahani, Two problems with variational expectation maximisation (2011)",
)
def raising_the_bound_raises_the_likelihood() -> Evaluation:
    def derivative(s: float) -> float:  # of the best ELBO in s = w^2: log evidence minus (log(1+s) - log(1+2s)/2)
        return -1 / (1 + 2 * s) + 5 / (1 + 2 * s) ** 2 - 1 / (1 + s) + 1 / (1 + 2 * s)

    best = float(scipy.optimize.brentq(derivative, 0.5, 2.0, xtol=1e-14))
    ml = float(scipy.optimize.brentq(lambda s: -1 / (1 + 2 * s) + 5 / (1 + 2 * s) ** 2, 1.0, 4.0, xtol=1e-14))
    elbo_ml, evidence_ml = _mean_field(math.sqrt(ml))
    elbo_best, evidence_best = _mean_field(math.sqrt(best))
    nearby = max(_mean_field(math.sqrt(best + step))[0] for step in (-1e-3, 1e-3))
    return evaluation(
        (
            Comparison("w^2 at the optimum of the ELBO, said to be the maximum-likelihood one", best, "=", ml, 1e-9),
            Comparison("log p after the ELBO went up, against before", evidence_best, ">=", evidence_ml),
        ),
        Comparison("ELBO at its optimum, against at the maximum-likelihood point", elbo_best, ">=", elbo_ml),
        Comparison("ELBO beside its optimum", nearby, "<=", elbo_best),
    )


@refuted(
    "E14",
    ("S1", 62),
    kind=Kind.ERROR,
    title="adding a part of the previous loss to the loss gives momentum",
    said=r"$L \leftarrow \gamma L_{\mathrm{old}} + (1-\gamma)L$ adds momentum to the optimisation.",
    correct=(
        r"$L_{\mathrm{old}}$ is a number with no gradient: the gradient becomes $(1-\gamma)\nabla L$, a smaller "
        "step. Momentum averages past **gradients**."
    ),
)
def averaging_losses_is_momentum() -> Evaluation:
    import torch

    gamma = 0.9
    parameter = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    before = torch.autograd.grad((parameter - 3.0) ** 2, parameter)[0].item()  # a gradient of the epoch before
    old = ((parameter.detach() - 3.0) ** 2).item()
    blended = torch.autograd.grad(gamma * old + (1 - gamma) * parameter**2, parameter)[0].item()
    plain = torch.autograd.grad(parameter**2, parameter)[0].item()
    return evaluation(
        Comparison(
            "gradient of the blended loss, said to be that of momentum",
            blended,
            "=",
            gamma * before + (1 - gamma) * plain,
        ),
        Comparison("gradient of the blended loss, against 0.1 of the plain one", blended, "=", (1 - gamma) * plain),
    )


@refuted(
    "E22",
    ("S2", 165),
    kind=Kind.ERROR,
    title="minus half the squared error minus lambda KL is the objective, lambda a free weight",
    said=r"$-\frac12\lVert x-\mu\rVert^2 - \lambda\,\mathrm{KL}$ is the lower bound for $p(x\mid z)=N(\mu,\lambda I)$.",
    correct=(
        r"It equals $\lambda\,\mathrm{ELBO}+\frac{\lambda D}{2}\log(2\pi\lambda)$: the same optimum in "
        r"$\theta,\phi$ at fixed $\lambda$, but not a bound, not comparable between values of $\lambda$, and no use "
        r"for learning it (it is largest at $\lambda\to0$, the ELBO at $\lambda=\lVert x-\mu\rVert^2/D$)."
    ),
    source=(
        "Rybkin, Daniilidis and Levine, Simple and effective VAE training with calibrated decoders (arXiv:2006.13202)"
    ),
)
def squared_error_plus_weighted_kl() -> Evaluation:
    x, mu = np.array([1.0, -1.0, 2.0]), np.array([0.2, 0.5, -0.1])
    divergence = kl_to_standard_normal(0.9, 0.4)
    error, dimension = float(((x - mu) ** 2).sum()), x.size

    def elbo(weight: float) -> float:
        return float(log_normal(x, mu, weight).sum()) - divergence

    def shortened(weight: float) -> float:
        return -0.5 * error - weight * divergence

    best = float(scipy.optimize.brentq(lambda s: error / (2 * s * s) - dimension / (2 * s), 0.1, 50.0, xtol=1e-14))
    identity = max(
        abs(shortened(s) - s * elbo(s) - 0.5 * s * dimension * math.log(2 * math.pi * s)) for s in (0.1, 1.0, 3.0)
    )
    return evaluation(
        (
            Comparison("the objective at weight 1, said to be the ELBO", shortened(1.0), "=", elbo(1.0)),
            Comparison(
                "the objective at 0.1 against at 1, said to order them as the ELBO does (reversed)",
                shortened(0.1),
                "<=",
                shortened(1.0),
            ),
        ),
        Comparison("ELBO at 0.1 against at 1", elbo(0.1), "<=", elbo(1.0)),
        Comparison("objective - weight ELBO - weight D/2 log(2 pi weight), worst of three weights", identity, "=", 0.0),
        Comparison("variance that maximises the ELBO, against error / D", best, "=", error / dimension),
    )


@refuted(
    "E35",
    ("S3", 177),
    kind=Kind.ERROR,
    title="the less information in z, the closer the bound is to log p(x)",
    said=r"The less $z$ says about $x$ and the stronger the decoder, the closer the bound comes to $\log p(x)$.",
    correct=(
        r"The gap is $\mathrm{KL}[q\,\|\,p(z\mid x)]$ and can be zero at any mutual information. A decoder that "
        "needs no $z$ makes ignoring $z$ *a* maximiser, tied with others; it wins only if $q$ is too restricted "
        "for the posterior."
    ),
    source="Chen and others, Variational Lossy Autoencoder (arXiv:1611.02731)",
)
def less_information_is_a_tighter_bound() -> Evaluation:
    slope, x = 2.0, 1.7
    posterior_mean, posterior_variance = slope * x / (1 + slope**2), 1 / (1 + slope**2)
    gap = _log_evidence(x, slope) - _elbo(x, slope, posterior_mean, posterior_variance)
    gap_without = _log_evidence(x, slope) - _elbo(x, slope, 0.0, 1.0)
    # the same fair-coin data, once with z ignored and once with z copied: both bounds are minus the entropy
    prior, data = table(0.5, 0.5), table(0.5, 0.5)
    ignored = float(data @ np.log(data))
    copied = float(data @ (np.log(1.0) - np.array([np.log(1.0 / p) for p in prior])))
    return evaluation(
        Comparison(
            "gap with 0.805 nats in z (exact posterior), said to exceed that with none (prior as q)",
            gap,
            ">=",
            gap_without,
            1e-11,
        ),
        Comparison("gap with the exact posterior", gap, "=", 0.0, 1e-11),
        Comparison(
            "mutual information there, against half log 5",
            0.5 * math.log(1 / posterior_variance),
            "=",
            0.5 * math.log(5),
        ),
        Comparison("bound with z copied, against with z ignored", copied, "=", ignored),
    )


@refuted(
    "E36",
    ("S3", 185),
    kind=Kind.CONDITION,
    title="beta > 1 gives better disentanglement",
    said=(
        r"A weight $\beta>1$ on the KL lowers the information in $z$ and raises disentanglement; $\beta$ is a free "
        "choice."
    ),
    correct=(
        r"What can be proved is about the bound: $\beta\ge1$ keeps the objective below the ELBO and so below $\log "
        r"p(x)$; $\beta<1$ does not. Disentanglement is an empirical observation and not a consequence: a rotation "
        "of the code leaves a rotation-invariant objective as it was."
    ),
    source="Locatello and others, Challenging common assumptions in unsupervised disentanglement (arXiv:1811.12359)",
)
def any_beta_is_fine() -> Evaluation:
    x = 0.5
    evidence = _log_evidence(x, 1.0)

    def best(beta: float) -> float:
        mean, variance = x / (1 + beta), beta / (1 + beta)  # stationary points of the quadratic objective
        return (
            -0.5 * math.log(2 * math.pi)
            - 0.5 * ((x - mean) ** 2 + variance)
            - beta * kl_to_standard_normal(mean, variance)
        )

    def variational(beta: float) -> float:  # Gibbs: the optimum is beta log E_prior p(x|z)^(1/beta)
        return beta * on_grid(lambda z: log_normal(z, 0.0, 1.0) + log_normal(x, z, 1.0) / beta)[2]

    # a rotated code: KL of N(Rm, R S R') from N(0, I) is that of N(m, S), so no beta prefers one
    mean, cov, angle = np.array([0.7, -0.3]), np.diag([0.2, 0.9]), 0.6
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])

    def divergence(m: np.ndarray, s: np.ndarray) -> float:
        return float(0.5 * (np.trace(s) + m @ m - 2 - np.linalg.slogdet(s)[1]))

    return evaluation(
        Comparison("largest objective at beta = 0.2, said to be a bound on log p(x)", best(0.2), "<=", evidence, 1e-11),
        Comparison(
            "KL to the prior of a code, and of the same code turned",
            divergence(mean, cov),
            "=",
            divergence(turn @ mean, turn @ cov @ turn.T),
        ),
        Comparison("largest objective at beta = 4, against log p(x)", best(4.0), "<=", evidence, 1e-11),
        Comparison("its value by the Gibbs variational formula", best(4.0), "=", variational(4.0), 1e-11),
        Comparison("that at beta = 0.2", best(0.2), "=", variational(0.2), 1e-11),
    )
