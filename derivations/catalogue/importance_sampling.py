"""Importance sampling: what it estimates without bias, the best proposal, and what sampling from the prior costs."""

from fractions import Fraction

from derivations.catalogue._sources import BURDA_2016, KAHN_MARSHALL_1953, S3
from derivations.language import (
    Definition,
    Density,
    Derivation,
    E,
    Function,
    Instance,
    Model,
    Normal,
    Parameter,
    Step,
    Variable,
    Wrong,
)

half = Fraction(1, 2)
z, x = Variable("z"), Variable("x")
u, v = Variable("z1", "z_{1}"), Variable("z2", "z_{2}")
p, q = Density("p", z), Density("q", z)
f = Function("f", z, positive=True)

general = Instance(
    "normal target and proposal",
    laws={p: Normal(0, 1), q: Normal(Fraction(1, 4), Fraction(5, 4))},
    functions={"f": lambda t: t**2 + Fraction(1, 2)},
)

prior, likelihood = Density("p", z), Density("p", x, given=z)
posterior, evidence = Density("p", z, given=x), Density("p", x)
encoder = Density("q", z, given=x)
first, second = Density("q", u, given=x), Density("q", v, given=x)
pair = Density("q2", (u, v), given=x, latex="q")
weight_u = Density("p", x, given=u) * Density("p", u) / first
weight_v = Density("p", x, given=v) * Density("p", v) / second

a, b = Parameter("a"), Parameter("b")
s, m, w = Parameter("s", positive=True), Parameter("m"), Parameter("w", positive=True)
linear = Instance(
    "linear Gaussian decoder",
    laws={prior: Normal(0, 1), likelihood: Normal(a * z + b, s), encoder: Normal(m, w)},
    values={x: 0.9},
    parameters={a: 0.8, b: -0.4, s: 0.9, m: 0.4, w: 0.9},
)
latent = Model(
    primitives=(prior, likelihood, encoder),
    definitions=(
        Definition("independent draws", pair, first * second),
        Definition("likelihood from the posterior", likelihood, posterior * evidence / prior),
    ),
    copies={u: z, v: z},
)
best = Density("best", z, latex="q^{*}")
with_best = Model(
    primitives=(p, q),
    definitions=(Definition("best proposal", best, p * f / E(p, f)),),
)

DERIVATIONS = (
    Derivation(
        title="Importance sampling is unbiased",
        slug="importance-sampling",
        statement=r"An expectation under $p$ is one under $q$ of the function times the weight $p/q$.",
        model=Model(primitives=(p, q)),
        start=E(q, p / q * f),
        steps=(Step(E(p, f), "change of measure"),),
        wrong=(
            Wrong(E(q, f), "The weights are forgotten.", E(p, f)),
            Wrong(E(q, q / p * f), "The weight is upside down.", E(p, f)),
            Wrong(E(p, p / q * f), "Weights are applied to draws from the target.", E(p, f)),
        ),
        instances=(general,),
        sources=(S3("line 72"), KAHN_MARSHALL_1953("section 2")),
        implements=("elbo.bounds.iwae",),
    ),
    Derivation(
        title="The average weight is an unbiased estimate of the evidence",
        slug="evidence-estimate",
        statement=r"The mean of two weights $w = p(x \mid z)\, p(z) / q(z \mid x)$ has expectation $p(x)$; so has"
        r" the mean of any number.",
        model=latent.only("independent draws"),
        start=E(pair, half * (weight_u + weight_v)),
        steps=(
            Step(
                half * E(first, weight_u) + half * E(second, weight_v),
                ("linearity", "independence", "independent draws"),
            ),
            Step(E(encoder, likelihood * prior / encoder), "same law"),
            Step(E(prior, likelihood), "change of measure"),
            Step(evidence, "total probability"),
        ),
        wrong=(
            Wrong(E(encoder, likelihood), "The likelihood is averaged over draws of the encoder without weights."),
            Wrong(E(posterior, likelihood), "The likelihood is averaged over the posterior."),
            Wrong(evidence**2, "The weights are multiplied instead of averaged."),
        ),
        instances=(linear,),
        sources=(S3("lines 72-80"), BURDA_2016("section 3, eq. 8")),
        implements=("elbo.bounds.iwae",),
        depends_on=("importance-sampling",),
    ),
    Derivation(
        title="The variance of a weighted draw is not negative, and zero for the best proposal",
        slug="importance-sampling-variance",
        statement=r"The second moment of $(p/q) f$ is its variance plus $(\mathbb{E}_{p} f)^{2}$; so no proposal"
        r" goes below that.",
        model=with_best.only(),
        start=E(q, (p / q * f) ** 2),
        steps=(
            Step(
                E(q, (p / q * f - E(p, f)) ** 2) + E(p, f) ** 2,
                ("linearity", "normalisation", "change of measure"),
            ),
            Step(E(p, f) ** 2, "square", relation=">="),
        ),
        wrong=(
            Wrong(E(p, f**2), "One of the two weights is cancelled and the other forgotten."),
            Wrong(E(p, f) ** 2, "The variance is taken to be zero for every proposal."),
            Wrong(E(p, f**2), "The second moment under the target is taken for a lower bound.", relation=">="),
        ),
        instances=(general,),
        sources=(S3("line 72"), KAHN_MARSHALL_1953("section 2")),
        depends_on=("importance-sampling",),
    ),
    Derivation(
        title="The best proposal is proportional to |f| p",
        slug="importance-sampling-optimal",
        statement=r"For positive $f$ the proposal $q^{*} = f p / \mathbb{E}_{p} f$ attains the least second moment:"
        r" every draw gives the same"
        r" number.",
        model=with_best,
        start=E(best, (p / best * f) ** 2),
        steps=(
            Step(E(best, E(p, f) ** 2), "best proposal", note="The weighted value is constant."),
            Step(E(p, f) ** 2, ("linearity", "normalisation")),
        ),
        wrong=(
            Wrong(E(p, f**2), "The target itself is taken for the best proposal."),
            Wrong(0, "The second moment is confused with the variance."),
            Wrong(E(q, (p / q * f) ** 2), "Every proposal is taken to be best."),
        ),
        instances=(general,),
        sources=(S3("line 76"), KAHN_MARSHALL_1953("section 2")),
        depends_on=("importance-sampling-variance",),
        silent=("moments",),
        conditions=(
            "f is positive; in general |f| takes its place and the variance is (E|f|)² − (E f)², which is not zero",
        ),
    ),
    Derivation(
        title="What sampling from the prior costs",
        slug="prior-sampling-variance",
        statement=r"The variance of $p(x \mid z)$ for $z$ drawn from the prior is $p(x)^{2}$ times the $\chi^{2}$"
        r" divergence of the posterior"
        r" from the prior: few draws hit where the posterior is.",
        model=latent.only("likelihood from the posterior"),
        start=E(prior, (likelihood - evidence) ** 2),
        steps=(
            Step(
                E(prior, likelihood**2) - evidence**2,
                ("linearity", "normalisation", "total probability"),
            ),
            Step(
                E(prior, posterior**2 * evidence**2 / prior**2) - evidence**2,
                "likelihood from the posterior",
            ),
            Step(
                evidence**2 * (E(posterior, posterior / prior) - 1),
                ("linearity", "change of measure"),
                note="The bracket is the χ² divergence.",
            ),
        ),
        wrong=(
            Wrong(evidence**2 * E(posterior, posterior / prior), "The −1 of the χ² divergence is forgotten."),
            Wrong(evidence**2 * (E(prior, prior / posterior) - 1), "The χ² divergence is turned around."),
            Wrong(evidence * (E(posterior, posterior / prior) - 1), "The evidence is not squared."),
        ),
        instances=(linear,),
        sources=(S3("line 62"), KAHN_MARSHALL_1953("section 2")),
        depends_on=("evidence-estimate",),
    ),
)
