"""Importance weighted bounds: the gap is a divergence, and so is the step from K to K + 1; the bias and its removal."""

from fractions import Fraction

from derivations.catalogue._sources import BURDA_2016, CREMER_2017, DOMKE_SHELDON_2018, NOWOZIN_2018, S3
from derivations.language import (
    KL,
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
    log,
)

half, third = Fraction(1, 2), Fraction(1, 3)
z, x = Variable("z"), Variable("x")
z1, z2, z3 = Variable("z1", "z_{1}"), Variable("z2", "z_{2}"), Variable("z3", "z_{3}")
q, joint = Density("q", z, given=x), Density("p", (x, z))
prior, likelihood, evidence, posterior = (
    Density("p", z),
    Density("p", x, given=z),
    Density("p", x),
    Density("p", z, given=x),
)
q1, q2, q3 = (Density("q", zk, given=x) for zk in (z1, z2, z3))
w1, w2, w3 = (Density("p", (x, zk)) / qk for zk, qk in ((z1, q1), (z2, q2), (z3, q3)))
pair = Density("q12", (z1, z2), given=x, latex="q")
triple = Density("q123", (z1, z2, z3), given=x, latex="q")
mean2, mean3 = half * (w1 + w2), third * (w1 + w2 + w3)
weight = joint / q

extended = Density("e", (z1, z2), given=x)
reweighted = Density("r", (z1, z2), given=x)
reweighted3 = Density("r3", (z1, z2, z3), given=x, latex="r")

model = Model(
    primitives=(prior, likelihood, q),
    definitions=(
        Definition("two draws", pair, q1 * q2),
        Definition("extended target", extended, mean2 / evidence * q1 * q2),
        Definition("reweighted pair", reweighted, w1 / mean2 * q1 * q2),
        Definition("summed joint", E(q, weight), evidence, "derivation evidence-estimate"),
        Definition("joint from the posterior", joint, posterior * evidence),
    ),
    copies={z1: z, z2: z},
)
model3 = Model(
    primitives=(prior, likelihood, q),
    definitions=(
        Definition("two draws", pair, q1 * q2),
        Definition("three draws", triple, q1 * q2 * q3),
        Definition("reweighted triple", reweighted3, mean2 / mean3 * q1 * q2 * q3),
    ),
    copies={z1: z, z2: z, z3: z},
)

a, b = Parameter("a"), Parameter("b")
s, m, v = Parameter("s", positive=True), Parameter("m"), Parameter("v", positive=True)
linear = Instance(
    "linear Gaussian decoder",
    laws={prior: Normal(0, 1), likelihood: Normal(a * z + b, s), q: Normal(m, v)},
    values={x: 0.9},
    parameters={a: 0.8, b: -0.4, s: 0.9, m: 0.4, v: 0.9},
)


def _jackknife() -> Derivation:
    k = Parameter("K", positive=True)
    c, level = Parameter("c", r"\tfrac{1}{2} \chi^{2}"), Parameter("l", r"\log p(x)")
    bound, before = Function("L", k), Function("L", k - 1)
    rest, rest_before = Function("R", k), Function("R", k - 1)
    return Derivation(
        title="The jackknife removes the bias of order 1/K",
        slug="iwae-jackknife",
        statement=r"If $L_{K} = \log p(x) - \chi^{2}/(2K) + R_{K}$, then $K L_{K} - (K - 1) L_{K-1}$ has no term of"
        r" order $1/K$; what is left"
        r" comes from the remainder, and the result is no bound.",
        model=Model(
            definitions=(
                Definition("expansion at K", bound, level - c / k + rest, of_instances=True),
                Definition("expansion at K - 1", before, level - c / (k - 1) + rest_before, of_instances=True),
            )
        ),
        start=k * bound - (k - 1) * before,
        steps=(
            Step(
                k * (level - c / k + rest) - (k - 1) * (level - c / (k - 1) + rest_before),
                ("expansion at K", "expansion at K - 1"),
                note="The terms c cancel: what is left is log p(x) + K R(K) − (K − 1) R(K − 1).",
            ),
        ),
        wrong=(
            Wrong(level + rest - rest_before, "The remainders are not weighted."),
            Wrong(level - c / k + k * rest - (k - 1) * rest_before, "A term of order 1/K is left over."),
        ),
        instances=(
            Instance(
                "numbers",
                laws={},
                parameters={k: 5.0, c: 0.3, level: -1.2},
                functions={
                    "L": lambda t: level - c / t + Fraction(1, 7) / t**2,
                    "R": lambda t: Fraction(1, 7) / t**2,
                },
            ),
        ),
        sources=(NOWOZIN_2018("section 3, eq. 11"),),
        implements=("elbo.bounds.jackknife",),
        depends_on=("iwae-bias",),
    )


DERIVATIONS = (
    Derivation(
        title="The gap of the importance weighted bound is a divergence",
        slug="iwae-gap",
        statement=r"$\log p(x) - L_{2}$ is the divergence of the two draws from an extended target, so $L_{2} \leq"
        r" \log p(x)$; the same"
        r" holds for every $K$.",
        model=model.only("two draws", "extended target"),
        start=log(evidence),
        steps=(
            Step(E(pair, log(evidence)), ("linearity", "normalisation")),
            Step(
                E(pair, log(mean2) + log(pair / extended)),
                ("extended target", "two draws", "log of a product"),
            ),
            Step(E(pair, log(mean2)) + KL(pair, extended), ("linearity", "definition of KL")),
            Step(E(pair, log(mean2)), "Gibbs", relation=">="),
        ),
        wrong=(
            Wrong(E(pair, log(mean2)) - KL(pair, extended), "The gap is subtracted; then it would be an upper bound."),
            Wrong(E(pair, log(mean2)) + KL(extended, pair), "The gap in the other direction."),
            Wrong(E(pair, log(mean2)) + KL(q, posterior), "The gap of the ELBO is taken for that of two draws."),
            Wrong(
                E(pair, half * (log(w1) + log(w2))), "The mean of the logarithms instead of the logarithm of the mean."
            ),
        ),
        instances=(linear,),
        sources=(S3("lines 102-116"), DOMKE_SHELDON_2018("theorem 1"), CREMER_2017("section 3")),
        conditions=(
            "the limit for K to infinity is log p(x) if q is positive wherever the posterior is and E|log w| is"
            " finite; if q misses part"
            " of the support, the limit is the log of the joint mass where q is positive",
        ),
        implements=("elbo.bounds.iwae",),
        depends_on=("evidence-decomposition",),
    ),
    Derivation(
        title="The importance weighted bound from Jensen's inequality",
        slug="iwae-jensen",
        statement=r"The logarithm is concave, so the expected log of the mean weight is at most the log of the"
        r" expected mean weight,"
        r" $\log p(x)$.",
        model=model.only("two draws", "summed joint"),
        start=E(pair, log(mean2)),
        steps=(
            Step(log(E(pair, mean2)), "Jensen", relation="<="),
            Step(
                log(half * E(q1, w1) + half * E(q2, w2)),
                ("linearity", "two draws", "independence"),
            ),
            Step(log(E(q, weight)), "same law"),
            Step(log(evidence), "summed joint"),
        ),
        wrong=(
            Wrong(log(evidence), "The logarithm is called convex: the inequality is turned around.", relation=">="),
            Wrong(log(evidence), "The bound is taken to be tight.", relation="="),
        ),
        instances=(linear,),
        sources=(S3("line 100"), BURDA_2016("theorem 1")),
        implements=("elbo.bounds.iwae",),
        depends_on=("evidence-estimate",),
    ),
    Derivation(
        title="Two draws are better than one",
        slug="iwae-monotone",
        statement=r"$L_{2} - L_{1}$ is a divergence: of the two draws from the pair reweighted by $w_{1} /"
        r" \tfrac{1}{2}(w_{1} + w_{2})$, which"
        r" is normalised because the draws are exchangeable.",
        model=model.only("two draws", "reweighted pair"),
        start=E(pair, log(mean2)),
        steps=(
            Step(E(pair, log(w1) + log(pair / reweighted)), ("reweighted pair", "two draws", "log of a product")),
            Step(E(q1, log(w1)) + KL(pair, reweighted), ("linearity", "definition of KL", "two draws", "independence")),
            Step(E(q, log(weight)) + KL(pair, reweighted), "same law"),
            Step(E(q, log(weight)), "Gibbs", relation=">="),
        ),
        wrong=(
            Wrong(
                E(q, log(weight)),
                "More draws are taken to change nothing: the average of ELBOs is confused with the bound.",
            ),
            Wrong(E(q, log(weight)), "The order is turned around.", relation="<="),
            Wrong(
                E(q, log(weight)) + KL(q, posterior), "The whole gap of the ELBO is taken to be closed by two draws."
            ),
        ),
        instances=(linear,),
        sources=(S3("line 102"), BURDA_2016("theorem 1")),
        implements=("elbo.bounds.iwae",),
        depends_on=("iwae-gap",),
        silent=("moments",),
    ),
    Derivation(
        title="Three draws are better than two",
        slug="iwae-monotone-next",
        statement=r"$L_{3} - L_{2}$ is a divergence as well; the density $\frac{\text{mean of the first }"
        r" K}{\text{mean of all}}\, q \cdots q$ is"
        r" normalised for every $K$, which is the step of the induction.",
        model=model3,
        start=E(triple, log(mean3)),
        steps=(
            Step(
                E(triple, log(mean2) + log(triple / reweighted3)),
                ("reweighted triple", "three draws", "log of a product"),
            ),
            Step(
                E(pair, log(mean2)) + KL(triple, reweighted3),
                (
                    "linearity",
                    "definition of KL",
                    "two draws",
                    "three draws",
                    "independence",
                    "tower",
                ),
            ),
            Step(E(pair, log(mean2)), "Gibbs", relation=">="),
        ),
        wrong=(
            Wrong(E(pair, log(mean2)), "The order is turned around.", relation="<="),
            Wrong(E(pair, log(mean2)), "The third draw is taken to change nothing."),
        ),
        instances=(linear,),
        sources=(S3("line 102"), BURDA_2016("theorem 1 and appendix A")),
        implements=("elbo.bounds.iwae",),
        depends_on=("iwae-monotone",),
    ),
    Derivation(
        title="The leading bias of the importance weighted bound",
        slug="iwae-bias",
        statement=r"Half the second moment of the relative error of the mean of two weights is $\chi^{2}(p(z \mid"
        r" x) \,\|\, q) / (2 \cdot 2)$; by"
        r" $-\log(1 + t) = -t + t^{2}/2 - \dots$ the bias of $L_{K}$ is $\chi^{2}/(2K) + O(K^{-2})$.",
        model=model.only("two draws", "summed joint", "joint from the posterior"),
        start=half * E(pair, (mean2 / evidence - 1) ** 2),
        steps=(
            Step(
                half
                * (
                    E(pair, (w1**2 + w2**2) / (4 * evidence**2))
                    + E(pair, w1 * w2 / (2 * evidence**2))
                    - E(pair, (w1 + w2) / evidence)
                    + 1
                ),
                ("linearity", "normalisation"),
            ),
            Step(
                half
                * (
                    half * E(q, weight**2) / evidence**2
                    + half * E(q, weight) ** 2 / evidence**2
                    - 2 * E(q, weight) / evidence
                    + 1
                ),
                ("linearity", "two draws", "independence", "same law"),
            ),
            Step(half * (half * E(q, weight**2) / evidence**2 - half), "summed joint"),
            Step(
                Fraction(1, 4) * (E(posterior, posterior / q) - 1),
                ("joint from the posterior", "linearity", "change of measure"),
                note="E_q w² = p(x)² E over the posterior of p(z | x)/q(z | x).",
            ),
        ),
        wrong=(
            Wrong(
                half * (E(posterior, posterior / q) - 1),
                "The variance of one weight is not divided by the number of draws.",
            ),
            Wrong(Fraction(1, 4) * (E(q, q / posterior) - 1), "The χ² divergence is turned around."),
            Wrong(Fraction(1, 4) * KL(posterior, q), "The χ² divergence is replaced by the divergence KL."),
        ),
        instances=(linear,),
        sources=(NOWOZIN_2018("proposition 1"), DOMKE_SHELDON_2018("theorem 3")),
        conditions=(
            "the expansion of the logarithm under the expectation needs moments of the weight (four or more) and"
            " E[1 / mean weight]; where"
            " the χ² divergence is infinite the bias is not of order 1/K",
        ),
        implements=("elbo.bounds.iwae",),
        depends_on=("iwae-gap", "prior-sampling-variance"),
    ),
    _jackknife(),
)
