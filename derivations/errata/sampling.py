"""Errata on importance sampling, importance-weighted bounds and rejection."""

# ruff: noqa: D103 - what a counterexample refutes is said by its title

import math

import numpy as np
import scipy

from derivations.errata._entry import Comparison, Evaluation, Kind, evaluation, refuted
from derivations.errata._numbers import integral, kl, log_normal, normal_nodes, on_grid, table


@refuted(
    "E26",
    ("S3", 32),
    kind=Kind.CONDITION,
    title="Bernoulli codes make p(x|z) Bernoulli",
    said=r"If every $z_i$ is Bernoulli then $p(x\mid z)$ is Bernoulli.",
    correct=(
        "The prior of the code and the law of the data given the code are chosen separately: a binary code may "
        "carry a Gaussian $x$, and a Gaussian code a binary $x$."
    ),
)
def bernoulli_codes_bernoulli_data() -> Evaluation:
    means = table(-2.0, 2.0)  # x | z ~ N(means[z], 1), z a fair coin
    points, weights = normal_nodes()
    second = [float(weights @ (m + points) ** 2) - m * m for m in means]
    return evaluation(
        Comparison("variance of x given z, said to be at most a Bernoulli's", min(second), "<=", 0.25),
        Comparison("variance of x given z", second[0], "=", 1.0),
    )


@refuted(
    "E27",
    ("S3", 72),
    kind=Kind.CONDITION,
    title="any q that can be sampled serves for importance sampling",
    said=r"One looks for a law $q$ that is easy to sample; then $\mathbb{E}_p f=\mathbb{E}_q[\frac{p}{q}f]$.",
    correct=(
        "$q$ must be positive wherever $pf$ is not zero, or the estimate is biased; and its variance is finite "
        r"only if $\mathbb{E}_q[w^2f^2]<\infty$. For $p=N(0,1)$, $q=N(0,v)$: $\mathbb{E}_q w^2=v/\sqrt{2v-1}$ for "
        r"$v>\frac12$, else infinite."
    ),
    source="Owen, Monte Carlo theory, methods and examples, chapter 9",
)
def any_proposal_serves() -> Evaluation:
    def squared(v: float, width: float) -> tuple[float, float]:
        return integral(lambda z: math.exp(2 * log_normal(z, 0.0, 1.0) - log_normal(z, 0.0, v)), -width, width)

    value, error = squared(0.7, 40.0)
    narrow = [squared(0.4, width)[0] for width in (10.0, 20.0)]
    p, q = table(0.5, 0.3, 0.2), table(0.6, 0.4, 0.0)
    f = table(1.0, 2.0, 5.0)
    reached = float((p * f)[q > 0].sum())
    return evaluation(
        (
            Comparison(
                "second moment of the weight at v = 0.4 over |z| < 20, said to have settled at |z| < 10",
                narrow[1],
                "<=",
                2 * narrow[0],
                1e-3,
            ),
            Comparison("mean of w f when q misses a state, said to be E_p f", reached, "=", float(p @ f)),
        ),
        Comparison(
            "second moment of the weight at v = 0.7, against v / sqrt(2 v - 1)", value, "=", 0.7 / math.sqrt(0.4), error
        ),
        Comparison("mean of w f when q misses a state", reached, "=", float((p * f)[:2].sum())),
    )


@refuted(
    "E28",
    ("S3", 78),
    ("S3", 80),
    kind=Kind.ERROR,
    title="the Gaussian proposal with the smallest KL[q | p] is the one to sample from",
    said=r"For importance sampling take the Gaussian $q$ that is closest to $p$ in $\mathrm{KL}[q\,\|\,p]$.",
    correct=(
        r"The variance is governed by $\chi^2(p\,\|\,q)$, which punishes tails that $q$ lacks; "
        r"$\mathrm{KL}[q\,\|\,p]$ does not see them. Its minimiser can have an enormous, even infinite, variance."
    ),
)
def closest_in_kl_is_best() -> Evaluation:
    def log_target(z: np.ndarray) -> np.ndarray:
        return np.asarray(np.logaddexp(log_normal(z, 3.0, 1.0), log_normal(z, -3.0, 1.0)) - math.log(2))

    points, weights = normal_nodes(200)

    def gradient(parameters: np.ndarray) -> list[float]:
        mean, log_scale = parameters
        z = mean + math.exp(log_scale) * points
        slope = -z + 3 * np.tanh(3 * z)  # of the log target
        return [-float(weights @ slope), -1 - float(weights @ (slope * points)) * math.exp(log_scale)]

    mean, log_scale = scipy.optimize.root(gradient, [2.9, 0.0], tol=1e-13).x

    def chi_squared(mean: float, variance: float) -> float:
        ratio = on_grid(lambda z: 2 * log_target(z) - log_normal(z, mean, variance), 400.0, 160001)
        return math.exp(ratio[2]) - 1

    narrow = chi_squared(float(mean), math.exp(2 * float(log_scale)))
    best = scipy.optimize.minimize_scalar(
        lambda v: chi_squared(0.0, v), bounds=(4.0, 20.0), method="bounded", options={"xatol": 1e-8}
    )
    v = float(best.x)  # for every pair of modes: the product of two unit Gaussians over N(0, v) is again a Gaussian
    pairs = [(a + b, a * a + b * b) for a in (-3, 3) for b in (-3, 3)]
    moments = [math.exp(0.5 * total**2 / (2 - 1 / v) - 0.5 * squares) for total, squares in pairs]
    closed = sum(moments) / 4 * math.sqrt(v / (2 - 1 / v)) - 1
    return evaluation(
        Comparison(
            "chi-squared at the KL-optimal Gaussian, said to be the smallest", narrow, "<=", float(best.fun), 1e-6
        ),
        Comparison(
            "its mean is a stationary point of KL[q | p]",
            max(abs(g) for g in gradient(np.array([mean, log_scale]))),
            "=",
            0.0,
            1e-10,
        ),
        Comparison("smallest chi-squared of a centred Gaussian", float(best.fun), "<=", 1.0),
        Comparison("that chi-squared, by quadrature against its closed form", float(best.fun), "=", closed, 1e-11),
    )


def _binomial_bound(k: int, log_weights: tuple[float, float]) -> float:
    """E log of the mean of ``k`` weights that take two values with probability one half each, by enumeration."""
    counts = np.arange(k + 1)
    log_mass = (
        scipy.special.gammaln(k + 1)
        - scipy.special.gammaln(counts + 1)
        - scipy.special.gammaln(k - counts + 1)
        - k * math.log(2)
    )
    mean = (counts * math.exp(log_weights[0]) + (k - counts) * math.exp(log_weights[1])) / k
    return float(np.exp(log_mass) @ np.log(mean))


@refuted(
    "E29",
    ("S3", 102),
    kind=Kind.ERROR,
    title="L_k is at most log p(x) and becomes log p(x) as k grows, always",
    said=r"$L_k\le\log p(x)$, and $L_k=\log p(x)$ for $k\to\infty$.",
    correct=(
        r"The limit needs $q$ positive wherever the posterior is, and $L_1>-\infty$ (or bounded weights). If $q$ "
        "misses states the limit is the log of the mass it reaches. The inequality is about the **expectation**; a "
        r"single estimate may exceed $\log p(x)$."
    ),
    source="Burda, Grosse and Salakhutdinov, Importance weighted autoencoders (arXiv:1509.00519)",
)
def iwae_always_reaches_the_evidence() -> Evaluation:
    joint = table(0.3, 0.2, 0.1)  # p(x, z) over three codes; q is a fair coin on the first two
    evidence = math.log(joint.sum())
    weights = (math.log(joint[0] / 0.5), math.log(joint[1] / 0.5))
    far = _binomial_bound(100_000, weights)
    full = _binomial_bound(100_000, (math.log(0.8), math.log(0.4)))  # both codes of a model with p(x) = 0.6 reached
    return evaluation(
        (
            Comparison("L_k at k = 100000 when q misses a code, said to be log p(x)", far, "=", evidence, 1e-3),
            Comparison(
                "log of a single weight 0.8 in a model with p(x) = 0.6, said to be at most log p(x)",
                math.log(0.8),
                "<=",
                evidence,
            ),
        ),
        Comparison("L_k there, against the log of the mass reached", far, "=", math.log(0.5), 1e-6),
        Comparison("L_k at k = 100000 when q reaches every code, against log p(x)", full, "=", evidence, 1e-6),
        Comparison("the bound in expectation", _binomial_bound(2, weights), "<=", evidence),
    )


@refuted(
    "E30",
    ("S3", 112),
    kind=Kind.CONDITION,
    title="with a q that is not optimal the bound is at most log p(x), perhaps equal",
    said=r"If $q$ is not the best one, the expectation is less than or equal to $\log p(x)$.",
    correct=(
        r"It is strictly less whenever $\mathrm{KL}[q\,\|\,p(z\mid x)]>0$, by exactly that amount; equality means "
        "that $q$ is the posterior."
    ),
)
def not_optimal_may_be_equal() -> Evaluation:
    x = 1.0
    points, weights = normal_nodes()
    elbo = float(weights @ log_normal(x, points, 1.0))  # q is the prior N(0, 1)
    evidence = on_grid(lambda z: log_normal(z, 0.0, 1.0) + log_normal(x, z, 1.0))[2]
    ratio = log_normal(points, 0.0, 1.0) - log_normal(points, x / 2, 0.5)
    return evaluation(
        Comparison("gap with q = prior, said to be possibly none", evidence - elbo, "=", 0.0, 1e-11),
        Comparison("gap, against KL[q | posterior]", evidence - elbo, "=", float(weights @ ratio), 1e-11),
    )


@refuted(
    "E34",
    ("S3", 156),
    kind=Kind.CONDITION,
    title="throwing away samples that a classifier dislikes is rejection sampling",
    said="Discarding generated images that a classifier scores low is rejection sampling from the model.",
    correct=(
        r"Rejection sampling accepts with probability $\propto p/q$ and leaves $p$. Accepting with $a(x)$ leaves "
        r"the law $p(x)a(x)/\mathbb{E}_p a$: a truncated law, with fewer kinds of images. (The attention of that "
        "model sits in its top prior.)"
    ),
    source="Razavi, van den Oord and Vinyals, Generating diverse high-fidelity images with VQ-VAE-2 (arXiv:1906.00446)",
)
def classifier_filter_is_rejection_sampling() -> Evaluation:
    p, accept = table(0.5, 0.3, 0.2), table(0.9, 0.5, 0.1)
    kept = p * accept / (p @ accept)
    proposal = table(0.2, 0.3, 0.5)
    rejection = proposal * (p / proposal) / (p / proposal).max()
    return evaluation(
        Comparison(
            "total variation between the law kept and the model, said to be none",
            0.5 * float(abs(kept - p).sum()),
            "=",
            0.0,
        ),
        Comparison("share accepted, against the mean of a", float(p @ accept), "=", 1 - float(p @ (1 - accept))),
        Comparison(
            "true rejection sampling: KL of the law kept from the model", kl(rejection / rejection.sum(), p), "=", 0.0
        ),
    )


@refuted(
    "E48",
    ("S3", 62),
    kind=Kind.CONDITION,
    title="uniform sampling of a binary code of length 100 succeeds with probability 2^-100",
    said=r"Sampling a code of 100 bits uniformly finds the one that fits $x$ with probability $2^{-100}$.",
    correct=(
        "That is one draw. With $N$ draws it is $1-(1-2^{-d})^N$, and the relative variance of the estimate of "
        "$p(x)$ is $(2^d-1)/N$: at $d=20$ a million draws do, at $d=100$ nothing does."
    ),
)
def uniform_sampling_never_hits() -> Evaluation:
    def hit(d: int, n: float) -> float:
        return -math.expm1(n * math.log1p(-(2.0**-d)))

    small, draws = 3, 4  # by enumeration of every outcome of four draws of three bits
    enumerated = 1 - sum(1 for outcome in np.ndindex(*(2**small,) * draws) if 0 not in outcome) / 2 ** (small * draws)
    weights = np.zeros(2**small)
    weights[0] = 2.0**small  # p(x|z) / p(x) over the codes, when one code fits
    return evaluation(
        Comparison("chance of a hit at d = 20 with a million draws, said to be 2^-20", hit(20, 1e6), "=", 2.0**-20),
        Comparison("chance of a hit at d = 3 with 4 draws, against enumeration", hit(small, draws), "=", enumerated),
        Comparison("relative variance of one draw at d = 3", float(weights.var()), "=", 2.0**small - 1),
        Comparison(
            "chance of a hit at d = 100 with a million draws, against the union bound",
            hit(100, 1e6),
            "<=",
            1e6 * 2.0**-100,
            1e-36,
        ),
    )
