"""From a mixture of finitely many Gaussians to one of infinitely many: its evidence, and when that is Gaussian."""

from fractions import Fraction

from derivations.catalogue._sources import KINGMA_WELLING_2014, S2, S3
from derivations.catalogue._sources_variants import TIPPING_BISHOP_1999
from derivations.language import (
    PI,
    Definition,
    Density,
    Derivation,
    E,
    Entropy,
    Instance,
    Model,
    Normal,
    Parameter,
    Step,
    Variable,
    Wrong,
    log,
)

z, x = Variable("z"), Variable("x")
prior, likelihood = Density("p", z), Density("p", x, given=z)
posterior, evidence = Density("p", z, given=x), Density("p", x)

mixture = Model(
    primitives=(prior, likelihood),
    definitions=(Definition("Bayes", posterior, likelihood * prior / evidence),),
)

a, b = Parameter("a"), Parameter("b")
s = Parameter("s", positive=True)
linear = Instance(
    "linear Gaussian decoder",
    laws={prior: Normal(0, 1), likelihood: Normal(a * z + b, s)},
    values={x: 0.9},
    parameters={a: 1.3, b: -0.4, s: 0.7},
)

half = Fraction(1, 2)
spread = a**2 + s**2
gaussian = Model(
    primitives=(prior, likelihood),
    definitions=(
        Definition("Bayes", log(evidence), log(likelihood) + log(prior) - log(posterior)),
        Definition("normal prior", log(prior), -half * log(2 * PI) - z**2 / 2, of_instances=True),
        Definition(
            "linear decoder",
            log(likelihood),
            -half * log(2 * PI) - log(s) - (x - a * z - b) ** 2 / (2 * s**2),
            of_instances=True,
        ),
        Definition(
            "normal posterior",
            log(posterior),
            -half * log(2 * PI) + half * log(spread) - log(s) - spread / (2 * s**2) * (z - a * (x - b) / spread) ** 2,
            of_instances=True,
        ),
    ),
)
normal_evidence = -half * log(2 * PI) - half * log(spread) - (x - b) ** 2 / (2 * spread)

DERIVATIONS = (
    Derivation(
        title="The evidence of a mixture",
        slug="mixture-evidence",
        statement=(
            r"$p(x)$ is the prior average of the components $p(x \mid z)$, whether $z$ counts $K$ of them or runs "
            "through a continuum; its logarithm is at least the prior average of the log components."
        ),
        model=mixture.only(),
        start=log(evidence),
        steps=(
            Step(
                log(E(prior, likelihood)),
                "total probability",
                note=(
                    "A sum over the components if $z$ is discrete, and then exact at the price of that sum; an "
                    "integral if not."
                ),
            ),
            Step(E(prior, log(likelihood)), "Jensen", relation=">=", note="The ELBO with the prior as $q$."),
        ),
        wrong=(
            Wrong(
                E(prior, log(likelihood)),
                "The logarithm is pulled into the sum over components, as one may for a product.",
            ),
            Wrong(
                E(posterior, log(likelihood)),
                "The components are weighted by how well they explain x, which counts x twice.",
            ),
            Wrong(
                E(prior, log(likelihood)),
                "Jensen's inequality with the logarithm taken for convex.",
                left=log(E(prior, likelihood)),
                relation="<=",
                source="S3, line 100",
            ),
        ),
        instances=(linear,),
        sources=(S2("lines 25-28"), S3("lines 52-54"), KINGMA_WELLING_2014("section 2.1")),
    ),
    Derivation(
        title="The evidence of a mixture from its responsibilities",
        slug="mixture-responsibilities",
        statement=r"With the responsibilities $p(z \mid x)$ as weights the ELBO of a mixture is its log evidence.",
        model=mixture,
        start=E(posterior, log(likelihood * prior)) + Entropy(posterior),
        steps=(
            Step(E(posterior, log(likelihood * prior)) - E(posterior, log(posterior)), "definition of entropy"),
            Step(
                E(posterior, log(posterior * evidence)) - E(posterior, log(posterior)),
                "Bayes",
                note="Bayes' rule, multiplied by p(x).",
            ),
            Step(log(evidence), ("log of a product", "linearity", "normalisation")),
        ),
        wrong=(
            Wrong(2 * log(evidence), "The evidence is counted once for the joint and once for the normalisation."),
            Wrong(
                log(evidence),
                "The entropy is left out, as in a complete-data log likelihood.",
                left=E(posterior, log(likelihood * prior)),
            ),
        ),
        instances=(linear,),
        sources=(S2("lines 141-143"), S3("lines 52-58")),
        depends_on=("mixture-evidence",),
    ),
    Derivation(
        title="A linear decoder makes one Gaussian of infinitely many",
        slug="linear-decoder-evidence",
        statement=(
            r"With $p(z) = N(0, 1)$, $p(x \mid z) = N(a z + b, s^{2})$ the infinite mixture $p(x)$ is the single "
            "Gaussian $N(b, a^{2} + s^{2})$: less than a mixture of two can be."
        ),
        model=gaussian,
        start=log(evidence),
        steps=(
            Step(
                log(likelihood) + log(prior) - log(posterior),
                "Bayes",
                note="Bayes' rule, at any $z$; what follows does not depend on it.",
            ),
            Step(
                normal_evidence,
                ("normal prior", "linear decoder", "normal posterior"),
                note="The square in $z$ is completed; $z$ cancels.",
            ),
        ),
        wrong=(
            Wrong(
                -half * log(2 * PI) - log(s) - (x - b) ** 2 / (2 * s**2),
                "The decoder at the mean code is taken for the evidence.",
            ),
            Wrong(
                -half * log(2 * PI) - log(a + s) - (x - b) ** 2 / (2 * (a + s) ** 2),
                "Standard deviations are added instead of variances.",
            ),
            Wrong(
                -half * log(2 * PI) - half * log(1 + s**2) - (x - b) ** 2 / (2 * (1 + s**2)),
                "The slope of the decoder is forgotten: the variance of the code is added as it is.",
            ),
        ),
        instances=(linear,),
        sources=(S2("line 17"), TIPPING_BISHOP_1999("the marginal law of the data")),
        depends_on=("mixture-evidence",),
    ),
)
