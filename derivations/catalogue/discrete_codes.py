"""Discrete and spherical codes: the race behind the Gumbel-max trick, and von Mises-Fisher against the uniform law."""

from fractions import Fraction

from derivations.catalogue._sources import S0
from derivations.catalogue._sources_variants import DAVIDSON_2018, JANG_2017, MADDISON_2017
from derivations.language import (
    KL,
    Definition,
    Density,
    Derivation,
    Derivative,
    E,
    Function,
    Instance,
    Law,
    Model,
    Number,
    Parameter,
    Step,
    Variable,
    Wrong,
    exp,
    log,
)

half = Fraction(1, 2)
t = Variable("t")
a, b = Parameter("a", positive=True), Parameter("b", positive=True)
first, either = Density("q", t), Density("r", t)
race = Model(
    primitives=(first, either),
    definitions=(
        Definition("first arrival", log(first), log(a) - a * t, of_instances=True),
        Definition("either arrival", log(either), log(a + b) - (a + b) * t, of_instances=True),
    ),
)
arrivals = Instance(
    "exponential arrivals",
    laws={first: Law(log(a) - a * t, 0.0, 60.0), either: Law(log(a + b) - (a + b) * t, 0.0, 60.0)},
    parameters={a: 1.6, b: 0.7},
)

# on the sphere in three dimensions the cosine t with the mean direction carries the whole divergence
kappa = Parameter("kappa", latex=r"\kappa", positive=True)
log_c = Function("c", kappa)
fisher, uniform = Density("q", t, parameters=kappa), Density("p", t)
sphere = Model(
    primitives=(fisher, uniform),
    definitions=(
        Definition("von Mises-Fisher law", log(fisher), log_c + kappa * t, of_instances=True),
        Definition("uniform law", log(uniform), -log(Number(Fraction(2))), of_instances=True),
    ),
)
normaliser = {"c": lambda k: log(k) - log(exp(k) - exp(-k))}
cosine = Instance(
    "cosine with the mean direction, in three dimensions",
    laws={
        fisher: Law(log(kappa) - log(exp(kappa) - exp(-kappa)) + kappa * t, -1.0, 1.0),
        uniform: Law(-log(Number(Fraction(2))), -1.0, 1.0),
    },
    parameters={kappa: 1.7},
    functions=normaliser,
)

# a coin with odds r, relaxed at temperature one: the sigmoid of its log odds plus logistic noise, in a uniform u
u, odds = Variable("u"), Parameter("r", positive=True)
even = Density("n", u)
relaxed, below = Function("b", u), 1 + (odds - 1) * u
coin = Model(
    primitives=(even,),
    definitions=(
        Definition("relaxed draw", relaxed, odds / (odds - 1) - odds / (odds - 1) / below, of_instances=True),
        Definition("mean of a reciprocal", E(even, 1 / below), log(odds) / (odds - 1), of_instances=True),
    ),
)
loaded = Instance(
    "a coin with odds 2.2",
    laws={even: Law(log(Number(Fraction(1))), 0.0, 1.0)},
    values={u: 0.3},
    parameters={odds: 2.2},
    functions={"b": lambda u: odds * u / (odds * u + 1 - u)},
)

DERIVATIONS = (
    Derivation(
        title="The race behind Gumbel-max",
        slug="gumbel-max",
        statement=(
            "Of two exponential clocks with rates $a$ and $b$ the first rings first with probability $a/(a + b)$. "
            r"With rates $e^{\ell_{k}}$ the negative logs of the times are $\ell_{k}$ plus Gumbel noise: the "
            "largest is a draw from the softmax, exactly. (A race with more clocks is one against their sum.)"
        ),
        model=race,
        start=E(first, exp(-b * t)),
        steps=(
            Step(
                E(first, exp(log(either) - log(first)) * (a / (a + b))),
                ("first arrival", "either arrival", "log of a product", "linearity"),
                note="The other clock has not rung by time $t$ with probability $e^{-b t}$.",
            ),
            Step(E(first, either / first * (a / (a + b))), "log of a product"),
            Step(a / (a + b) * E(first, either / first), "linearity"),
            Step(a / (a + b), ("change of measure", "normalisation")),
        ),
        wrong=(
            Wrong(b / (a + b), "The winner is the clock with the larger time."),
            Wrong(exp(a - b), "The odds of the race are taken for the ratio of exponentials of the rates."),
            Wrong(a**2 / (a**2 + b**2), "The temperature is set to one half: that is another law."),
        ),
        instances=(arrivals,),
        sources=(S0("line 43"), MADDISON_2017("the Gumbel-max trick"), JANG_2017("section 2, the Gumbel-max trick")),
    ),
    Derivation(
        title="The relaxed coin is biased",
        slug="concrete-bias",
        statement=(
            r"At temperature one the concrete relaxation of a coin with odds $r$ has the mean $\frac{r}{r - 1} "
            r"- \frac{r \log r}{(r - 1)^{2}}$ and not $\frac{r}{1 + r}$: even of a linear function the relaxed "
            "expectation is biased."
        ),
        model=coin,
        start=E(even, relaxed),
        steps=(
            Step(E(even, odds / (odds - 1) - odds / (odds - 1) / below), "relaxed draw"),
            Step(odds / (odds - 1) - odds / (odds - 1) * E(even, 1 / below), ("linearity", "normalisation")),
            Step(odds / (odds - 1) - odds * log(odds) / (odds - 1) ** 2, "mean of a reciprocal"),
        ),
        wrong=(
            Wrong(odds / (1 + odds), "The relaxed draw is taken to have the mean of the coin.", source="S0, line 43"),
            Wrong(odds / (odds - 1) - odds * log(odds) / (odds - 1), "The width of the noise is counted once."),
            Wrong(log(odds) / (odds - 1), "The mean of the reciprocal is taken for that of the draw."),
        ),
        instances=(loaded,),
        sources=(
            S0("line 43"),
            MADDISON_2017("the concrete random variable"),
            JANG_2017("section 2, the Gumbel-softmax law"),
        ),
        depends_on=("gumbel-max",),
    ),
    Derivation(
        title="Von Mises-Fisher against the uniform law on the sphere",
        slug="von-mises-fisher-uniform",
        statement=(
            r"With log normaliser $c(\kappa)$ the divergence is $\kappa\, \mathbb{E}\, t + c(\kappa) + \log 2$, $t$ "
            "the cosine with the mean direction (here in three dimensions, where its uniform law is that of $t$ on "
            "$(-1, 1)$)."
        ),
        model=sphere,
        start=KL(fisher, uniform),
        steps=(
            Step(E(fisher, log(fisher) - log(uniform)), ("definition of KL", "log of a product")),
            Step(
                E(fisher, log_c + kappa * t + log(Number(Fraction(2)))),
                ("von Mises-Fisher law", "uniform law"),
            ),
            Step(kappa * E(fisher, t) + log_c + log(Number(Fraction(2))), ("linearity", "normalisation")),
        ),
        wrong=(
            Wrong(kappa * E(fisher, t) + log_c, "The area of the sphere is forgotten."),
            Wrong(kappa + log_c + log(Number(Fraction(2))), "The mean cosine is taken to be one."),
            Wrong(
                kappa * E(fisher, t) - log_c + log(Number(Fraction(2))),
                "The normaliser stands where its reciprocal belongs.",
            ),
        ),
        instances=(cosine,),
        sources=(S0("line 29"), DAVIDSON_2018("the divergence from the uniform law")),
        implements=("elbo.kl",),
    ),
    Derivation(
        title="The mean cosine is the slope of the normaliser",
        slug="von-mises-fisher-mean",
        statement=r"$\mathbb{E}\, t = -c'(\kappa)$, since the score has mean zero.",
        model=sphere.only("von Mises-Fisher law"),
        start=E(fisher, t),
        steps=(
            Step(E(fisher, t) - E(fisher, Derivative(log(fisher), kappa)), "score identity"),
            Step(-Derivative(log_c, kappa), ("von Mises-Fisher law", "derivative", "linearity", "normalisation")),
        ),
        wrong=(
            Wrong(Derivative(log_c, kappa), "The normaliser is taken for the partition function, its reciprocal."),
            Wrong(-kappa * Derivative(log_c, kappa), "The derivative by the logarithm of the concentration is taken."),
            Wrong(1 + Derivative(log_c, kappa), "The variance of the direction is taken for its mean."),
        ),
        instances=(cosine,),
        sources=(S0("line 29"), DAVIDSON_2018("the appendix on the divergence from the uniform law")),
        implements=("elbo.kl",),
        depends_on=("von-mises-fisher-uniform",),
    ),
)
