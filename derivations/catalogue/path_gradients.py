"""Path gradients: sticking the landing, and the doubly reparameterised gradient of the importance-weighted bound."""

from fractions import Fraction

from derivations.catalogue._sources import BURDA_2016, S3
from derivations.catalogue._sources_variants import MOHAMED_2020, ROEDER_2017, TUCKER_2019
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
    Term,
    Variable,
    Wrong,
    log,
)

half = Fraction(1, 2)
z, x, e = Variable("z"), Variable("x"), Variable("e", latex=r"\varepsilon")
m = Parameter("m")
q, noise = Density("q", z, parameters=m), Density("n", e)
joint, prior, likelihood = Density("p", (x, z)), Density("p", z), Density("p", x, given=z)
weight = joint / q

model = Model(
    primitives=(prior, likelihood, q, noise),
    definitions=(Definition("location family", Derivative(log(q), m), -Derivative(log(q), z), of_instances=True),),
    reparameterisations={q: (noise, m + half * e)},
)
linear = Instance(
    "linear Gaussian decoder",
    laws={
        prior: Normal(0, 1),
        likelihood: Normal(Fraction(6, 5) * z - half, Fraction(4, 5)),
        q: Normal(m, half),
        noise: Normal(0, 1),
    },
    values={x: 0.9},
    parameters={m: 0.4},
)

z1, z2 = Variable("z1", latex="z_{1}"), Variable("z2", latex="z_{2}")
q1, q2 = Density("q", z1, parameters=m), Density("q", z2, parameters=m)
w1, w2 = Density("p", (x, z1)) / q1, Density("p", (x, z2)) / q2
v1, v2 = Function("v1", x, z1, z2, latex="v_{1}"), Function("v2", x, z1, z2, latex="v_{2}")
slope1, slope2 = Derivative(log(w1), z1), Derivative(log(w2), z2)
pairs = Model(
    primitives=(prior, likelihood, q),
    definitions=(
        Definition("location family 1", Derivative(log(q1), m), -Derivative(log(q1), z1), of_instances=True),
        Definition("location family 2", Derivative(log(q2), m), -Derivative(log(q2), z2), of_instances=True),
        Definition("slope of weight 1", Derivative(v1, z1), (v1 - v1**2) * slope1, of_instances=True),
        Definition("slope of weight 2", Derivative(v2, z2), (v2 - v2**2) * slope2, of_instances=True),
    ),
    copies={z1: z, z2: z},
)


def mean(body: Term) -> Term:
    """Over two independent draws."""
    return E(q1, E(q2, body))


score1, score2 = Derivative(log(q1), m), Derivative(log(q2), m)

DERIVATIONS = (
    Derivation(
        title="Sticking the landing",
        slug="sticking-the-landing",
        statement=(
            r"Of the total derivative of $\log w$ along a reparameterised draw, the part through the parameter "
            r"inside $\log q$ has mean zero; without it the gradient of the ELBO is unbiased, and at $q = p(z \mid "
            "x)$ it is zero draw by draw."
        ),
        model=model,
        start=Derivative(E(q, log(weight)), m),
        steps=(
            Step(
                E(q, log(weight) * Derivative(log(q), m) + Derivative(log(weight), m)),
                ("differentiation under the integral", "derivative"),
            ),
            Step(
                E(q, -log(weight) * Derivative(log(q), z)) - E(q, Derivative(log(q), m)),
                ("derivative", "linearity", "location family"),
            ),
            Step(
                E(q, -log(weight) * Derivative(log(q), z)),
                "score identity",
                note="The explicit dependence of $\\log q$ on the parameter drops out in the mean.",
            ),
            Step(E(q, Derivative(log(weight), z)), ("integration by parts", "linearity")),
        ),
        wrong=(
            Wrong(
                E(q, Derivative(log(likelihood), z)),
                "Only the reconstruction term is differentiated along the draw: prior and entropy are forgotten.",
            ),
            Wrong(-E(q, Derivative(log(weight), z)), "The sign of a loss."),
            Wrong(
                E(q, Derivative(log(weight), z) - log(weight)),
                "The weight itself is subtracted, as if it were the mean-zero part.",
            ),
        ),
        instances=(linear,),
        sources=(S3("lines 118-136"), ROEDER_2017("the path derivative estimator"), MOHAMED_2020("section 5")),
        implements=("elbo.gradients.StickingTheLanding",),
        depends_on=("elbo-score-gradient", "score-equals-pathwise"),
    ),
    Derivation(
        title="The doubly reparameterised gradient",
        slug="doubly-reparameterised",
        statement=(
            "For two draws with normalised weights $v_{i} = w_{i} / (w_{1} + w_{2})$: the score that is left in "
            "the reparameterised gradient of the importance-weighted bound is reparameterised once more, and "
            r"leaves $\sum_{i} v_{i}^{2}\, \partial \log w_{i}$. The same steps hold for any number of draws."
        ),
        model=pairs,
        start=mean(v1 * slope1 + v2 * slope2) - mean(v1 * score1 + v2 * score2),
        steps=(
            Step(
                mean(v1 * slope1 + v2 * slope2) + mean(v1 * Derivative(log(q1), z1) + v2 * Derivative(log(q2), z2)),
                ("location family 1", "location family 2", "linearity"),
            ),
            Step(
                mean(v1 * slope1 + v2 * slope2) - mean(Derivative(v1, z1) + Derivative(v2, z2)),
                ("linearity", "integration by parts", "differentiation under the integral", "derivative"),
            ),
            Step(
                mean(v1**2 * slope1 + v2**2 * slope2),
                ("slope of weight 1", "slope of weight 2", "linearity"),
                note=r"$\partial v_{i} = (v_{i} - v_{i}^{2})\, \partial \log w_{i}$.",
            ),
        ),
        wrong=(
            Wrong(
                mean(v1 * slope1 + v2 * slope2),
                "The score is dropped as for a single draw (sticking the landing), which is biased for more than one.",
            ),
            Wrong(mean(v1 * slope1), "One of the two draws is dropped without doubling the other."),
            Wrong(
                mean((v1 - v1**2) * slope1 + (v2 - v2**2) * slope2),
                "The complement of the squared weights is kept: that is the gradient of reweighted wake-sleep.",
            ),
        ),
        instances=(
            Instance(
                "linear Gaussian decoder",
                laws={
                    prior: Normal(0, 1),
                    likelihood: Normal(Fraction(6, 5) * z - half, Fraction(4, 5)),
                    q: Normal(m, half),
                },
                values={x: 0.9},
                parameters={m: 0.4},
                functions={"v1": lambda *_: w1 / (w1 + w2), "v2": lambda *_: w2 / (w1 + w2)},
            ),
        ),
        sources=(
            S3("lines 90-104"),
            TUCKER_2019("the doubly reparameterised gradient"),
            BURDA_2016("the gradient of the importance-weighted bound"),
        ),
        silent=("moments",),
        implements=("elbo.gradients.Dreg",),
        depends_on=("score-equals-pathwise", "sticking-the-landing"),
    ),
)
