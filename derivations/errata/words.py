"""Errata on words: reconstruction, inference, inverse, posterior, variational."""

# ruff: noqa: D103 - what a counterexample refutes is said by its title

import math

import numpy as np

from derivations.errata._entry import Comparison, Evaluation, Kind, Place, Refuted, evaluation, refuted
from derivations.errata._numbers import integral, log_normal
from derivations.errata.roles import DECODER, PRIOR, model_posterior


@refuted(
    "E23",
    ("S2", 107),
    ("S2", 63),
    kind=Kind.NOTATION,
    title="the reconstruction term samples x from the decoder",
    said="Given a code, one draws an x from the decoder and compares it with the input.",
    correct=(
        "One evaluates the log density of the decoder at the **observed** $x$. Nothing is drawn from the decoder "
        "in training; scoring a fresh draw would give minus the decoder's entropy, whatever the input."
    ),
)
def reconstruction_samples_x() -> Evaluation:
    x, mean, variance = 2.5, 1.0, 0.5
    scored, error = integral(
        lambda t: math.exp(log_normal(t, mean, variance)) * log_normal(t, mean, variance), mean - 9, mean + 9
    )
    at_data = float(log_normal(x, mean, variance))
    return evaluation(
        Comparison(
            "expected log density of a drawn x, said to be the reconstruction term", scored, "=", at_data, error
        ),
        Comparison(
            "expected log density of a drawn x, against minus the decoder's entropy",
            scored,
            "=",
            -0.5 * math.log(2 * math.pi * math.e * variance),
            error,
        ),
    )


@refuted(
    "E24",
    ("S2", 139),
    kind=Kind.NOTATION,
    title="drawing z from the prior and decoding it is inference",
    said="After training, sampling from the prior to make new data is called inference.",
    correct=r"That is **generation**. Inference computes $p_\theta(z\mid x)$, or $q_\phi$ in its place.",
)
def generation_is_inference() -> Evaluation:
    posterior = model_posterior(PRIOR, DECODER)
    distance = 0.5 * float(abs(posterior[0] - PRIOR).sum())
    evidence = PRIOR @ DECODER
    return evaluation(
        Comparison("total variation of prior and posterior, said to serve one end", distance, "=", 0.0),
        Comparison(
            "posteriors averaged over generated x give back the prior",
            float((evidence @ posterior)[0]),
            "=",
            float(PRIOR[0]),
        ),
    )


@refuted(
    "E45",
    ("S0", 9),
    kind=Kind.NOTATION,
    title="the posterior of the code is what one has after many samples",
    said=(
        r"The posterior $p(z\mid X)$ is the estimate of the law of $z$ once many samples are in; $X$ stands for one "
        "datum and for the data set alike."
    ),
    correct=(
        r"Each datum has its own code, and $p(z_i\mid x_i)$ is conditioned on that one datum; further data change "
        "it only through the parameters. A posterior that sharpens with the number of data is that of a shared "
        "(global) variable."
    ),
)
def posterior_after_many_samples() -> Evaluation:
    posterior = model_posterior(PRIOR, DECODER)
    joint = (PRIOR[:, None] * DECODER).T  # x, z
    local = np.einsum("a,b->ab", joint[0], joint[1])  # codes of two data, each with its own
    first = local.sum(1) / local.sum()
    shared = PRIOR * DECODER[:, 0] * DECODER[:, 1]
    shared = shared / shared.sum()
    return evaluation(
        Comparison(
            "P(z = 0) of the first datum given one datum, said to be that given two",
            float(posterior[0][0]),
            "=",
            float(shared[0]),
        ),
        Comparison(
            "its own code: P(z = 0) given both data, against given its own",
            float(first[0]),
            "=",
            float(posterior[0][0]),
        ),
    )


@refuted(
    "E41",
    ("S4", 7),
    kind=Kind.NOTATION,
    title="the decoder is the inverse of the encoder",
    said="The decoder undoes the encoder.",
    correct=(
        "It inverts it only on data that are encoded without loss. With fewer code than data dimensions it is at "
        "best an inverse on a surface; off it the reconstruction differs from the input."
    ),
)
def decoder_inverts_the_encoder() -> Evaluation:
    angle = 0.3
    basis = np.array([[math.cos(angle), math.sin(angle), 0.0], [0.0, 0.0, 1.0]])
    x = np.array([1.0, -1.0, 2.0])
    rebuilt = basis.T @ (basis @ x)
    normal = np.array([-math.sin(angle), math.cos(angle), 0.0])
    return evaluation(
        Comparison(
            "squared distance of a datum from its reconstruction, said to be none",
            float(((x - rebuilt) ** 2).sum()),
            "=",
            0.0,
        ),
        Comparison(
            "that distance, against the part off the surface",
            float(((x - rebuilt) ** 2).sum()),
            "=",
            float(normal @ x) ** 2,
        ),
        Comparison("encoding once more changes nothing", float(abs(basis @ rebuilt - basis @ x).max()), "=", 0.0),
    )


UNIFORM_SPHERE = Refuted(
    "E43",
    (Place("S0", 29),),
    Kind.NOTATION,
    "the prior is in practice a Gaussian or a von Mises-Fisher law",
    "In practice the prior is a multivariate Gaussian or a von Mises-Fisher law.",
    (
        "In the hyperspherical autoencoder the *posterior* is von Mises-Fisher and the prior is uniform on the "
        "sphere, the von Mises-Fisher law of concentration zero."
    ),
    source="Davidson and others, Hyperspherical Variational Auto-Encoders (arXiv:1804.00891)",
)


VARIATIONAL = Refuted(
    "E44",
    (Place("S0", 9),),
    Kind.NOTATION,
    "'variational' means that q has parameters that vary",
    "The word variational comes from the parameters of $q$, which can be varied.",
    (
        "It comes from the calculus of variations: a functional is optimised over a set of laws. Parameters enter "
        "only when that set is restricted."
    ),
    source="Jordan, Ghahramani, Jaakkola and Saul, An introduction to variational methods for graphical models (1999)",
)
