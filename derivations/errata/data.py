"""Errata on discrete data, dequantisation and mutual information."""

# ruff: noqa: D103 - what a counterexample refutes is said by its title

import math

import numpy as np

from derivations.errata._entry import Comparison, Evaluation, Kind, evaluation, refuted
from derivations.errata._numbers import entropy, integral, kl, log_normal, table

MEAN, SCALE = 0.4, 0.3  # a density over the reals whose cell [0, 1) holds the pixel value x = 0


def _log_density(t: float) -> float:
    return float(log_normal(t, MEAN - 0.5, SCALE**2))


@refuted(
    "E37",
    ("S3", 193),
    kind=Kind.ERROR,
    title="uniform dequantisation does nothing: Jensen's inequality cancels the noise",
    said="Adding uniform noise to the data is no use, since the noise is removed again by Jensen's inequality.",
    correct=r"It works: $\mathbb{E}_u\log p(x+u)\le\log P(x)=\log\int_0^1p(x+u)\,du$ is a lower bound on a discrete "
    "likelihood, and it is what keeps a density from running off to infinite spikes. It is merely loose; a learned "
    r"$q(u\mid x)$ tightens it, up to equality at $q=p(u\mid x)$.",
    source="Theis, van den Oord and Bethge (arXiv:1511.01844); Ho and others, Flow++ (arXiv:1902.00275)",
)
def uniform_noise_is_useless() -> Evaluation:
    mass, mass_error = integral(lambda u: math.exp(_log_density(u)), 0.0, 1.0)
    bound, bound_error = integral(_log_density, 0.0, 1.0)
    truth, error = math.log(mass), mass_error / mass + bound_error

    def exponential(rate: float) -> float:
        """The bound with noise of density proportional to exp(-rate u) on [0, 1)."""
        log_norm = math.log(rate / -math.expm1(-rate))
        return integral(lambda u: math.exp(log_norm - rate * u) * (_log_density(u) - log_norm + rate * u), 0.0, 1.0)[0]

    learned = max(exponential(rate) for rate in np.linspace(0.5, 12.0, 47))
    posterior = integral(lambda u: math.exp(_log_density(u)) / mass * truth, 0.0, 1.0)[0]
    spike = 1e-3
    spiked = float(log_normal(0.0, 0.0, spike**2))
    dequantised = integral(lambda u: float(log_normal(u, 0.0, spike**2)), 0.0, 1.0)[0]
    return evaluation(
        (
            Comparison(
                "bound for a spike of width 0.001 at the data, said to be what the raw density gives",
                dequantised,
                "=",
                spiked,
                1e-6,
            ),
            Comparison(
                "uniform bound for the spike, said to reward it (above 0, the largest log probability)",
                dequantised,
                ">=",
                0.0,
                1e-6,
            ),
        ),
        Comparison(
            "log density of the spike at the datum, without noise: above any log probability", spiked, ">=", 0.0
        ),
        Comparison("uniform bound, against log P(x)", bound, "<=", truth, error),
        Comparison("best exponential noise, against log P(x)", learned, "<=", truth, error),
        Comparison("best exponential noise improves on uniform", learned, ">=", bound, error),
        Comparison("bound with the noise's posterior, against log P(x)", posterior, "=", truth, error),
    )


@refuted(
    "E38",
    ("S3", 211),
    kind=Kind.CONDITION,
    title="to raise the mutual information of x and z, maximise H(z) + E log q(z|x)",
    said=(
        r"The mutual information of $x$ and $z$ is the last line, $H(z)+\mathbb{E}\log q(z\mid x)$, and is to be "
        "maximised."
    ),
    correct=(
        r"That line is a lower **bound**: $I=H(z)+\mathbb{E}_p\log q(z\mid x)+\mathbb{E}_p\mathrm{KL}[p(z\mid "
        r"x)\,\|\,q]$. It can be negative while $I$ is positive; the expectation and the KL are under the model $p$."
    ),
    source="Barber and Agakov, The IM algorithm (2003)",
)
def bound_on_information_is_information() -> Evaluation:
    joint = table([0.24, 0.06, 0.10], [0.11, 0.29, 0.20])  # x, z
    q = table([0.2, 0.3, 0.5], [0.6, 0.3, 0.1])  # a poor q(z|x)
    px, pz = joint.sum(1), joint.sum(0)
    information = kl(joint, np.outer(px, pz))
    bound = entropy(pz) + float((joint * np.log(q)).sum())
    gap = sum(float(px[i]) * kl(joint[i] / px[i], q[i]) for i in range(2))
    return evaluation(
        (
            Comparison("H(z) + E log q(z|x), said to be the mutual information", bound, "=", information),
            Comparison("its sign, said to be that of an information", bound, ">=", 0.0),
        ),
        Comparison("mutual information - bound, against E KL[p(z|x) | q]", information - bound, "=", gap),
        Comparison(
            "mutual information - bound at q = p(z|x)",
            information - entropy(pz) - float((joint * np.log(joint / px[:, None])).sum()),
            "=",
            0.0,
        ),
    )
