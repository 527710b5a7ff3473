"""Errata on who is who: encoder, decoder, prior, posterior, data."""

# ruff: noqa: D103 - what a counterexample refutes is said by its title

import math

import numpy as np

from derivations.errata._entry import Comparison, Evaluation, Kind, evaluation, refuted
from derivations.errata._numbers import entropy, kl, log_normal, on_grid, table

# Three data states, two latent states.
PRIOR = table(0.6, 0.4)
ENCODER = table([0.7, 0.3], [0.2, 0.8], [0.5, 0.5])  # row x: law of z
DECODER = table([0.5, 0.3, 0.2], [0.1, 0.4, 0.5])  # row z: law of x
DATA = table(0.2, 0.5, 0.3)


def model_posterior(prior: np.ndarray, decoder: np.ndarray) -> np.ndarray:
    joint = prior[:, None] * decoder
    return np.asarray((joint / joint.sum(0)).T)


@refuted(
    "E2",
    ("S2", 124),
    kind=Kind.ERROR,
    title="q(z|x) is the decoder and p(x|z) the encoder",
    said=r"$q_\phi(z\mid x)$ is the network of the decoder and $p_\theta(x\mid z)$ that of the encoder.",
    correct=(
        r"The other way round: $q_\phi$ takes data to laws on codes (encoder), $p_\theta(x\mid z)$ takes codes to "
        "laws on data (decoder); elsewhere the same source says so itself."
    ),
)
def encoder_and_decoder_swapped() -> Evaluation:
    by_code = ENCODER.sum(0)  # as a decoder, each code would have to give a law on the data
    return evaluation(
        Comparison("total of q(z|x) over x at the first code, said to be a law on x", float(by_code[0]), "=", 1.0),
        Comparison("total of q(z|x) over z, worst x", float(abs(ENCODER.sum(1) - 1).max()), "=", 0.0),
        Comparison("total of p(x|z) over x, worst z", float(abs(DECODER.sum(1) - 1).max()), "=", 0.0),
    )


@refuted(
    "E3",
    ("S2", 163),
    kind=Kind.NOTATION,
    title="the mean of p(x|z) is the output of the encoder",
    said=r"In $p_\theta(x\mid z) = N(\mu_\theta, \lambda I)$ the mean $\mu_\theta$ is the output of the encoder.",
    correct=(
        r"It is the output of the **decoder**: it lives in data space, or $\lVert x-\mu_\theta\rVert^2$ makes no "
        "sense."
    ),
)
def mean_of_the_likelihood_from_the_encoder() -> Evaluation:
    x = np.array([1.0, -1.0, 2.0])
    weights = np.array([[0.5, 0.1, -0.3], [0.2, -0.4, 0.6]])
    code = weights @ x
    return evaluation(
        Comparison(
            "dimension of the encoder's output, said to be that of x", float(code.size), "=", float(x.size), 0.0
        ),
        Comparison("dimension of the decoder's output", float((weights.T @ code).size), "=", float(x.size), 0.0),
    )


@refuted(
    "E4",
    ("S2", 173),
    ("S2", 65),
    kind=Kind.NOTATION,
    title="the encoder is p_theta(z|x)",
    said=r"During training $z$ is drawn from the encoder $p_\theta(z\mid x)$ (elsewhere: $q_\theta(z\mid x)$).",
    correct=(
        r"It is drawn from $q_\phi(z\mid x)$, with its own parameters. $p_\theta(z\mid x)$ is the posterior of the "
        r"model, which is what cannot be computed and what $q_\phi$ stands in for."
    ),
)
def encoder_is_the_posterior() -> Evaluation:
    posterior = model_posterior(PRIOR, DECODER)
    gap = [kl(q, p) for q, p in zip(ENCODER, posterior, strict=True)]
    return evaluation(
        Comparison("largest KL of the encoder from the model's posterior, said to be the same law", max(gap), "=", 0.0),
        Comparison("KL of the posterior from itself", kl(posterior, posterior), "=", 0.0),
    )


@refuted(
    "E5",
    ("S1", 57),
    kind=Kind.ERROR,
    title="the code h is determined by X and the decoder, and P(X|h) needs many samples of X",
    said=r"$h$ is determined by $X$ and the decoder, so that $P_\theta(X\mid h)$ has to be estimated by sampling $X$.",
    correct=r"$h$ is produced by $X$ and the **encoder**. $P_\theta(X\mid h)$ *is* the decoder and is evaluated, not "
    r"sampled; $P_\theta(h)$ is a prior that one chooses.",
)
def code_comes_from_the_decoder() -> Evaluation:
    other = table([0.1, 0.9], [0.6, 0.4], [0.3, 0.7])
    law, law_other = DATA @ ENCODER, DATA @ other
    return evaluation(
        Comparison(
            "P(h = 0) under another encoder, same X and same decoder: said to be unchanged",
            float(law_other[0]),
            "=",
            float(law[0]),
        ),
        Comparison(
            "P(h = 0) is the encoder averaged over X",
            float(law[0]),
            "=",
            float(sum(d * e[0] for d, e in zip(DATA, ENCODER, strict=True))),
        ),
    )


@refuted(
    "E13",
    ("S1", 45),
    kind=Kind.CONDITION,
    title="KL[P_phi(h|X) | P_theta(h|X)] is a gap between two encoders",
    said=r"$\mathrm{KL}[P_\phi(h\mid X)\,\|\,P_\theta(h\mid X)]$ compares two encoders.",
    correct=(
        r"$P_\theta(h\mid X)$ is the posterior of the model, fixed by prior and decoder through Bayes' rule. What "
        r"is true: $\mathrm{KL}[p_{\mathrm{data}}\,q_\phi\,\|\,p_\theta(x,h)] = -\mathbb{E}\,\mathrm{ELBO} - "
        r"H(p_{\mathrm{data}})$, in which that term has cancelled exactly."
    ),
    source="Kingma and Welling, An Introduction to Variational Autoencoders (arXiv:1906.02691)",
)
def gap_between_two_encoders() -> Evaluation:
    other_decoder = table([0.2, 0.2, 0.6], [0.5, 0.4, 0.1])
    before, after = model_posterior(PRIOR, DECODER), model_posterior(PRIOR, other_decoder)
    moved = 0.5 * float(abs(after[0] - before[0]).sum())
    joint = (PRIOR[:, None] * DECODER).T
    elbo = np.array([float(q @ np.log(joint[i] / q)) for i, q in enumerate(ENCODER)])
    return evaluation(
        Comparison(
            "change of P_theta(h|X) when only the decoder changes (total variation), said to be an encoder's",
            moved,
            "=",
            0.0,
        ),
        Comparison(
            "KL of the joints, against - E ELBO - H",
            kl(DATA[:, None] * ENCODER, joint),
            "=",
            -float(DATA @ elbo) - entropy(DATA),
        ),
    )


@refuted(
    "E15",
    ("S1", 56),
    ("S1", 57),
    kind=Kind.CONDITION,
    title="assuming h Gaussian makes the loss computable",
    said=r"Assume $h\sim N(\mu,\Sigma)$; then the loss can be computed.",
    correct=(
        r"Three laws of $h$ are in play. The prior $P_\theta(h)$ is chosen Gaussian; the encoder $P_\phi(h\mid X)$ "
        "is *restricted* to Gaussians, and that is what gives its KL a closed form; the posterior and the "
        "aggregated code are whatever they are, in general not Gaussian."
    ),
)
def code_is_gaussian() -> Evaluation:
    x, variance = 3.0, 0.25
    z, weights, _ = on_grid(lambda z: log_normal(z, 0.0, 1.0) + log_normal(x, z**2, variance), 6.0)
    second, fourth = float(weights @ z**2), float(weights @ z**4)
    mode = math.sqrt(x - variance / 2)
    slope = -mode + (x - mode**2) * 2 * mode / variance  # derivative of the log joint
    return evaluation(
        (
            Comparison(
                "excess kurtosis of the posterior for x = 3 | z ~ N(z^2, 1/4), said to be Gaussian",
                fourth / second**2 - 3,
                "=",
                0.0,
            ),
            Comparison("its mean, said to be its mode", float(weights @ z), "=", mode),
        ),
        Comparison("a mode: derivative of the log density there", slope, "=", 0.0),
    )


@refuted(
    "E21",
    ("S2", 124),
    kind=Kind.CONDITION,
    title="reconstruction belongs to the decoder, the regulariser to the encoder",
    said="The reconstruction term trains the decoder and the KL term trains the encoder.",
    correct=(
        r"The KL term depends on $\phi$ alone, but the reconstruction term $\mathbb{E}_{q_\phi}\log p_\theta(x\mid "
        r"z)$ depends on both, and its gradient in $\phi$ is what makes codes informative."
    ),
)
def reconstruction_belongs_to_the_decoder() -> Evaluation:
    x, m, v = 1.0, 0.4, 0.5

    def reconstruction(mean: float) -> float:  # of p(x|z) = N(x; z, 1) under q = N(mean, v), from the moments of q
        return -0.5 * math.log(2 * math.pi) - 0.5 * ((x - mean) ** 2 + v)

    step = 1e-3  # a quadratic: the central difference is exact up to rounding
    gradient = (reconstruction(m + step) - reconstruction(m - step)) / (2 * step)
    return evaluation(
        Comparison(
            "derivative of the reconstruction term in the encoder's mean, said to be none", gradient, "=", 0.0, 1e-10
        ),
        Comparison("the same, against x - m", gradient, "=", x - m, 1e-10),
    )
