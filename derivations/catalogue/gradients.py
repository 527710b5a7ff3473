"""Gradients of expectations: score function, pathwise, the identity between them, and what follows from it."""

from fractions import Fraction

from derivations.catalogue._sources import S3
from derivations.catalogue._sources_variants import (
    GREENSMITH_2004,
    MOHAMED_2020,
    RICHTER_2020,
    ROEDER_2017,
    TUCKER_2019,
)
from derivations.language import (
    Definition,
    Density,
    Derivation,
    Derivative,
    E,
    Function,
    Instance,
    Model,
    Normal,
    Parameter,
    Step,
    Variable,
    Wrong,
    log,
)

half = Fraction(1, 2)
z, x = Variable("z"), Variable("x")
phi = Parameter("phi", latex=r"\varphi")
m = Parameter("m")
q = Density("q", z, parameters=phi)
f = Function("f", z)
b = Parameter("b")
joint, prior, likelihood = Density("p", (x, z)), Density("p", z), Density("p", x, given=z)
encoder = Density("q", z, given=x, parameters=phi)
score, encoder_score = Derivative(log(q), phi), Derivative(log(encoder), phi)

free = Model(primitives=(q,))
latent = Model(primitives=(prior, likelihood, encoder))

drifting = Instance(
    "normal law with a drifting mean",
    laws={q: Normal(phi, half)},
    parameters={phi: 0.4, b: 0.7},
    functions={"f": lambda z: z**3 - 2 * z + 1},
)
amortised = Instance(
    "linear Gaussian decoder",
    laws={
        prior: Normal(0, 1),
        likelihood: Normal(Fraction(6, 5) * z - half, Fraction(4, 5)),
        encoder: Normal(phi * x, phi**2 + half),
    },
    values={x: 0.9},
    parameters={phi: 0.4},
)

c, d = Function("c", phi), Parameter("d")
best = Definition("best baseline", E(q, f * score**2), c * E(q, score**2), of_instances=True)
based = Instance(  # z = phi + e / 2 with f = z^3 - 2 z + 1: E f e^2 = phi^3 + 9 phi / 4 - 2 phi + 1
    "normal law with a drifting mean",
    laws={q: Normal(phi, half)},
    parameters={phi: 0.5, d: 0.7},
    functions={"f": lambda z: z**3 - 2 * z + 1, "c": lambda phi: phi**3 + phi / 4 + 1},
)

# a law with a location: its score in the parameter is minus its slope in the variable
located = Density("q", z, parameters=m)
location = Definition("location family", Derivative(log(located), m), -Derivative(log(located), z), of_instances=True)
moving = Model(primitives=(located,), definitions=(location,))
moved = Instance(
    "normal law with a location",
    laws={located: Normal(m, half)},
    parameters={m: 0.4},
    functions={"f": lambda z: z**3 - 2 * z + 1},
)

z1, z2 = Variable("z1", latex="z_{1}"), Variable("z2", latex="z_{2}")
q1, q2 = Density("q", z1, parameters=phi), Density("q", z2, parameters=phi)
f1, f2 = Function("f", z1), Function("f", z2)
pair = Density("q2", (z1, z2), parameters=phi, latex="q")
two = Model(primitives=(q,), definitions=(Definition("independent draws", pair, q1 * q2),), copies={z1: z, z2: z})
s1, s2 = Derivative(log(q1), phi), Derivative(log(q2), phi)

DERIVATIONS = (
    Derivation(
        title="The score-function gradient",
        slug="score-function",
        statement=(
            r"The derivative of $\mathbb{E}_{q_{\varphi}} f$ by the parameter of the law is "
            r"$\mathbb{E}_{q_{\varphi}}[f\, \partial_{\varphi} \log q_{\varphi}]$, and any constant baseline $b$ "
            "may be taken off $f$."
        ),
        model=free,
        start=Derivative(E(q, f), phi),
        steps=(
            Step(E(q, f * score), ("differentiation under the integral", "derivative")),
            Step(
                E(q, f * score) - b * E(q, score),
                "score identity",
                note="The score has mean zero, so a constant multiple of it may be taken off.",
            ),
            Step(E(q, (f - b) * score), "linearity"),
        ),
        wrong=(
            Wrong(
                E(q, Derivative(f, phi)),
                "The draws are detached: f does not depend on the parameter and the gradient is lost.",
            ),
            Wrong(E(q, f) * E(q, score), "The expectation of a product is taken for the product of expectations."),
            Wrong(E(q, (f - b) * score) + b, "The baseline is added back, as for a control variate of unknown mean."),
            Wrong(-E(q, f * score), "The sign of a loss."),
        ),
        instances=(drifting,),
        sources=(S3("lines 120-130"), MOHAMED_2020("section 4")),
        implements=("elbo.gradients.ScoreFunction",),
    ),
    Derivation(
        title="The score-function gradient of the ELBO",
        slug="elbo-score-gradient",
        statement=r"The log weight itself depends on $\varphi$, but that part has mean zero: only the score remains.",
        model=latent,
        start=Derivative(E(encoder, log(joint / encoder)), phi),
        steps=(
            Step(
                E(encoder, log(joint / encoder) * encoder_score + Derivative(log(joint / encoder), phi)),
                ("differentiation under the integral", "derivative"),
            ),
            Step(
                E(encoder, log(joint / encoder) * encoder_score - encoder_score),
                "derivative",
                note="The joint density does not depend on the encoder.",
            ),
            Step(E(encoder, log(joint / encoder) * encoder_score), ("linearity", "score identity")),
        ),
        wrong=(
            Wrong(
                E(encoder, (log(joint / encoder) - 2) * encoder_score) + 1,
                "A constant in the weight is harmless, one outside the expectation is not.",
            ),
            Wrong(E(encoder, log(joint) * encoder_score), "The encoder's own density is left out of the weight."),
            Wrong(-E(encoder, encoder_score), "The weight is held fixed and only its explicit derivative is taken."),
        ),
        instances=(amortised,),
        sources=(S3("lines 118-136"), MOHAMED_2020("section 4"), ROEDER_2017("the parts of the total derivative")),
        implements=("elbo.gradients.ScoreFunction",),
        depends_on=("score-function",),
    ),
    Derivation(
        title="Score function and pathwise gradient agree by integration by parts",
        slug="score-equals-pathwise",
        statement=(
            r"For a law with location $m$ the score-function gradient $\mathbb{E}[f\, \partial_{m} \log q]$ equals "
            r"the pathwise gradient $\mathbb{E} f'$."
        ),
        model=moving,
        start=Derivative(E(located, f), m),
        steps=(
            Step(E(located, f * Derivative(log(located), m)), ("differentiation under the integral", "derivative")),
            Step(
                -E(located, f * Derivative(log(located), z)),
                ("location family", "linearity"),
                note="Moving the law to the right is moving the variable to the left.",
            ),
            Step(E(located, Derivative(f, z)), "integration by parts"),
        ),
        wrong=(
            Wrong(-E(located, Derivative(f, z)), "One of the two minus signs is lost."),
            Wrong(
                E(located, f * Derivative(log(located), z)),
                "The score in the parameter is taken for the slope in the variable.",
            ),
            Wrong(E(located, f * Derivative(f, z)), "The score is replaced by the slope of the integrand."),
        ),
        instances=(moved,),
        sources=(
            S3("lines 122-136"),
            MOHAMED_2020("section 5"),
            TUCKER_2019("equivalence of score function and reparameterisation"),
        ),
        implements=(
            "elbo.gradients.ScoreFunction",
            "elbo.gradients.Pathwise",
        ),
        depends_on=("score-function", "reparameterised-gradient"),
    ),
    Derivation(
        title="The best constant baseline",
        slug="optimal-baseline",
        statement=(
            r"The second moment of $(f - b)\, s$, $s$ the score, is smallest at $b = c = \mathbb{E}[f s^{2}] / "
            r"\mathbb{E}[s^{2}]$, which is not $\mathbb{E} f$; a baseline off by $d$ costs $d^{2}\, "
            r"\mathbb{E}[s^{2}]$."
        ),
        model=Model(primitives=(q,), definitions=(best,)),
        start=E(q, (f - c - d) ** 2 * score**2),
        steps=(
            Step(
                E(q, (f - c) ** 2 * score**2)
                - 2 * d * E(q, f * score**2)
                + 2 * d * c * E(q, score**2)
                + d**2 * E(q, score**2),
                "linearity",
            ),
            Step(
                E(q, (f - c) ** 2 * score**2) + d**2 * E(q, score**2), "best baseline", note="The middle terms cancel."
            ),
            Step(E(q, (f - c) ** 2 * score**2), "square", relation=">="),
        ),
        wrong=(
            Wrong(
                E(q, (f - c) ** 2 * score**2) - d**2 * E(q, score**2), "Any baseline is expected to lower the variance."
            ),
            Wrong(E(q, (f - c - d) ** 2) * E(q, score**2), "The integrand and the score are treated as independent."),
            Wrong(
                E(q, (f - E(q, f)) ** 2 * score**2),
                "The mean of f is taken for the best baseline.",
                left=E(q, (f - c) ** 2 * score**2),
            ),
        ),
        instances=(based,),
        sources=(GREENSMITH_2004("the optimal constant baseline"), MOHAMED_2020("section 7, control variates")),
        implements=("elbo.gradients.ScoreFunction",),
        depends_on=("score-function",),
    ),
    Derivation(
        title="The gradient of a sample variance is leave-one-out",
        slug="vargrad",
        statement=(
            "Half the sample variance of two detached draws of a log ratio $f$ has the gradient of REINFORCE in "
            r"which each draw is the baseline of the other: unbiased for $\partial_{\varphi} \mathbb{E} f$."
        ),
        model=two,
        start=half * E(pair, (f1 - f2) * (s1 - s2)),
        steps=(
            Step(
                half * E(pair, (f1 - f2) * s1) + half * E(pair, (f2 - f1) * s2),
                "linearity",
                note="Each draw with the other as its baseline.",
            ),
            Step(
                half * E(q1, f1 * s1) + half * E(q2, f2 * s2),
                ("independent draws", "independence", "linearity", "score identity"),
                note="The other draw is independent of the score.",
            ),
            Step(E(q, f * score), ("same law",)),
            Step(Derivative(E(q, f), phi), ("differentiation under the integral", "derivative")),
        ),
        wrong=(
            Wrong(2 * E(q, f * score), "The two draws are counted twice: the sum is used for the mean."),
            Wrong(half * E(q, f * score), "The sample variance is divided by n, not by n − 1."),
            Wrong(
                E(q, f * score) - E(q, f) * E(q, score**2),
                "A baseline from the same draw is not independent of its score.",
            ),
        ),
        instances=(drifting,),
        sources=(RICHTER_2020("the leave-one-out form of the gradient"), MOHAMED_2020("section 7, control variates")),
        implements=("elbo.gradients.Rloo",),
        depends_on=("score-function",),
    ),
)
