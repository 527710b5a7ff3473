"""Errata on logarithms, Kullback-Leibler divergences and entropies."""

# ruff: noqa: D103 - what a counterexample refutes is said by its title

import math

import numpy as np

from derivations.errata._entry import Comparison, Evaluation, Kind, evaluation, refuted
from derivations.errata._numbers import entropy, integral, kl, log_normal, table

# A joint law of (x, h) under the encoder and one under the model, x in two states, h in three.
ENCODER_JOINT = table([0.10, 0.25, 0.05], [0.30, 0.10, 0.20])
MODEL_JOINT = table([0.20, 0.15, 0.25], [0.05, 0.25, 0.10])


@refuted(
    "E1",
    ("S3", 100),
    kind=Kind.ERROR,
    title="the logarithm is convex",
    said=r"The logarithm is convex, hence by Jensen $\mathbb{E}\log w \le \log \mathbb{E} w$.",
    correct=(
        r"The logarithm is **concave** ($\frac{d^2}{dw^2}\log w = -w^{-2} < 0$); that is what gives the inequality. "
        "Convexity would give its reverse. (Some textbooks call a concave function convex; the sign has to be "
        "stated.)"
    ),
    source="Cover and Thomas, Elements of Information Theory, theorem 2.6.2",
)
def logarithm_is_convex() -> Evaluation:
    mean_of_logs, log_of_mean = (math.log(1) + math.log(3)) / 2, math.log((1 + 3) / 2)
    slope = [(math.log(w + 1e-3) - 2 * math.log(w) + math.log(w - 1e-3)) / 1e-6 for w in (0.5, 1.0, 4.0)]
    return evaluation(
        Comparison("mean of log 1 and log 3, against log 2", mean_of_logs, ">=", log_of_mean),
        Comparison("Jensen as used: mean of logs, against log of mean", mean_of_logs, "<=", log_of_mean),
        Comparison("largest second difference of log at 0.5, 1, 4", max(slope), "<=", 0.0),
    )


@refuted(
    "E8",
    ("S0", 15),
    kind=Kind.ERROR,
    title="a KL divergence needs equal supports",
    said=r"$\mathrm{KL}[q\,\|\,p]$ is defined only if $q$ and $p$ have the same support.",
    correct=(
        r"It is finite only if $q \ll p$: wherever $p$ vanishes, $q$ must vanish. The support of $q$ may be smaller "
        r"($0\log 0 = 0$); if it is not inside that of $p$ the divergence is $+\infty$, which is also defined."
    ),
    source="Cover and Thomas, Elements of Information Theory, section 2.3",
)
def kl_needs_equal_supports() -> Evaluation:
    point, coin = table(1.0, 0.0), table(0.5, 0.5)
    return evaluation(
        Comparison(
            "KL of a point mass from a fair coin, said to be undefined (infinite)", kl(point, coin), "=", math.inf
        ),
        Comparison("KL of a point mass from a fair coin", kl(point, coin), "=", math.log(2)),
        Comparison("the reverse", kl(coin, point), "=", math.inf),
    )


@refuted(
    "E9",
    ("S0", 23),
    kind=Kind.NOTATION,
    title="sum_z q(z|X) log p(X) = log p(X) because the sum over z has nothing to do with X",
    said=r"$\sum_z q(z\mid X)\log p(X) = \log p(X)$ because the summation variable does not occur in $\log p(X)$.",
    correct=r"$\log p(X)$ leaves the sum because it is constant in $z$; what then remains is "
    r"$\sum_z q(z\mid X) = 1$, and that is the reason. It uses that $q(\cdot\mid X)$ is normalised.",
)
def sum_does_not_involve_x() -> Evaluation:
    log_evidence = math.log(0.35)
    unnormalised, normalised = table(0.3, 0.3), table(0.4, 0.6)
    return evaluation(
        Comparison(
            "sum of weights 0.3, 0.3 times log p(X)", float((unnormalised * log_evidence).sum()), "=", log_evidence
        ),
        Comparison(
            "sum of weights 0.4, 0.6 times log p(X)", float((normalised * log_evidence).sum()), "=", log_evidence
        ),
    )


@refuted(
    "E10",
    ("S1", 34),
    kind=Kind.ERROR,
    title="a KL divergence of joint laws may be summed over the reconstruction as well",
    said=r"$\mathrm{KL}[P_\phi(X,h)\,\|\,P_\theta(\hat X,h)]$ is a sum over $X$, $h$ and $\hat X$ with weight "
    r"$P_\phi(X,h)$, and vanishes if the two joint laws agree.",
    correct=(
        "Both laws must live on the same pair of variables: "
        r"$\sum_{x,h}P_\phi(x,h)\log\frac{P_\phi(x,h)}{P_\theta(x,h)}$. The sum over $\hat X$ carries a weight that "
        "does not depend on it, has total mass equal to the number of its states, and is not zero for equal laws."
    ),
)
def sum_over_the_reconstruction() -> Evaluation:
    joint = ENCODER_JOINT
    ratios = np.log(joint[:, None, :] / joint[None, :, :])  # x, reconstruction, h
    triple = float((joint[:, None, :] * ratios).sum())
    return evaluation(
        Comparison("the sum over (x, h, reconstruction) for equal joint laws", triple, "=", 0.0),
        Comparison(
            "total weight of that sum with two states of x",
            float(np.broadcast_to(joint[:, None, :], (2, 2, 3)).sum()),
            "=",
            2.0,
        ),
        Comparison("KL of the joint laws", kl(joint, joint), "=", 0.0),
    )


@refuted(
    "E11",
    ("S1", 38),
    ("S1", 44),
    kind=Kind.ERROR,
    title="KL of joints = KL of marginals + KL of conditionals, with no average over x",
    said=r"$\mathrm{KL}[P_\phi(X,h)\,\|\,P_\theta(X,h)] = \mathrm{KL}[P_\phi(X)\,\|\,P_\theta(X)] + "
    r"\mathrm{KL}[P_\phi(h\mid X)\,\|\,P_\theta(h\mid X)]$ with a second term that does not average over $X$.",
    correct=(
        r"The second term is $\mathbb{E}_{P_\phi(X)}\mathrm{KL}[P_\phi(h\mid X)\,\|\,P_\theta(h\mid X)]$: an "
        "average with the weights of the data, neither a plain mean over the states nor the KL of the aggregated "
        "codes."
    ),
    source="Cover and Thomas, Elements of Information Theory, theorem 2.5.3",
)
def chain_rule_without_average() -> Evaluation:
    q, p = ENCODER_JOINT, MODEL_JOINT
    qx, px = q.sum(1), p.sum(1)
    conditionals = [kl(q[i] / qx[i], p[i] / px[i]) for i in range(2)]
    joint, marginal = kl(q, p), kl(qx, px)
    return evaluation(
        (
            Comparison(
                "KL of joints, against marginal + unweighted mean of conditionals",
                joint,
                "=",
                marginal + float(np.mean(conditionals)),
            ),
            Comparison(
                "KL of joints, against marginal + KL of aggregated codes", joint, "=", marginal + kl(q.sum(0), p.sum(0))
            ),
            Comparison(
                "KL of joints, against marginal + sum of conditionals", joint, "=", marginal + sum(conditionals)
            ),
        ),
        Comparison(
            "KL of joints, against marginal + average over x of conditionals",
            joint,
            "=",
            marginal + float(qx @ conditionals),
        ),
    )


@refuted(
    "E12",
    ("S1", 42),
    kind=Kind.ERROR,
    title="minus the entropy of the data is a harmless constant, always",
    said=r"$-H(P_\phi(X))$ is a constant that can be dropped, whatever the data law and the model.",
    correct=(
        r"It is constant because the data law does not depend on $\phi$ (so it should not carry that index). It is "
        "finite only if the data law has a density where the model has one: a differential entropy can be "
        r"negative, and for an empirical law it is $-\infty$, so that the KL of the joints is $+\infty$ for every "
        r"$\theta$. Then minimise the cross-entropy $-\mathbb{E}\log p_\theta(x)$ instead."
    ),
)
def entropy_of_the_data_is_harmless() -> Evaluation:
    def narrow(sigma: float) -> tuple[float, float]:
        return integral(
            lambda t: -math.exp(log_normal(t, 0.0, 1.0)) * (log_normal(t, 0.0, 1.0) - math.log(sigma)), -12, 12
        )

    value, error = narrow(0.01)
    closed = 0.5 * math.log(2 * math.pi * math.e * 0.01**2)
    # an empirical law as the limit of narrow bumps: KL to the model N(0, 1) grows without bound, by log 10 a decade
    bump = [-narrow(s)[0] + 0.5 * math.log(2 * math.pi) + s**2 / 2 for s in (1e-2, 1e-3)]
    return evaluation(
        (
            Comparison(
                "differential entropy of N(0, 0.01^2), said to be an entropy (not negative)", value, ">=", 0.0, error
            ),
            Comparison(
                "KL of a bump from N(0, 1) at width 0.001, said to be what it is at 0.01", bump[1], "=", bump[0], 1e-9
            ),
        ),
        Comparison("differential entropy of N(0, 0.01^2), closed form", value, "=", closed, error),
        Comparison(
            "growth of that KL over one decade of width", bump[1] - bump[0], "=", math.log(10) - (1e-4 - 1e-6) / 2, 1e-9
        ),
    )


@refuted(
    "E47",
    ("S1", 24),
    ("S0", 11),
    kind=Kind.NOTATION,
    title="KL is a distance",
    said=r"$\mathrm{KL}[q\,\|\,p]$ is a distance between $q$ and $p$.",
    correct=(
        "It is not negative and vanishes only for equal laws, and that is all: it is not symmetric and violates "
        "the triangle inequality."
    ),
)
def kl_is_a_distance() -> Evaluation:
    a, b, c = table(0.9, 0.1), table(0.5, 0.5), table(0.1, 0.9)
    skew = table(0.99, 0.01)
    return evaluation(
        (
            Comparison("KL[(.99,.01) | (.5,.5)], said to equal its reverse", kl(skew, b), "=", kl(b, skew)),
            Comparison(
                "KL[(.9,.1) | (.1,.9)], said to be at most the way through (.5,.5)", kl(a, c), "<=", kl(a, b) + kl(b, c)
            ),
        ),
        Comparison("KL is not negative", kl(skew, b), ">=", 0.0),
        Comparison("entropy form: KL to the fair coin is log 2 - H", kl(skew, b), "=", math.log(2) - entropy(skew)),
    )
