"""Importance weighted bounds with any number of draws: all draws are one variable, Z = (z₁, …, z_K)."""

from fractions import Fraction

from derivations.catalogue._sources import BURDA_2016, COVER_THOMAS, DOMKE_SHELDON_2018, NOWOZIN_2018, S3
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
    sqrt,
)

half = Fraction(1, 2)
draws, x = Variable("Z"), Variable("x")
q = Density("q", draws, given=x)  # the product of the proposals
other = Density("s", draws, given=x)  # what the extended target has beyond its share of q
target = Density("e", draws, given=x)  # (mean weight / p(x)) q(Z | x): the extended target
a, b = Parameter("a", positive=True), Parameter("b", positive=True)
share = Definition("share of the proposal", target, (a * q + b * other) / (a + b))
rest = Definition("rest of the target", other, ((a + b) * target - a * q) / b)

j = Variable("j")
uniform = Density("u", j)  # which draw is left out
means = Function("m", j, draws, positive=True)  # mean weight without draw j
mean = E(uniform, means)
chosen = Density("r", j, given=draws)
all_draws = Density("q", draws)

first, another = Variable("D"), Variable("d")  # relative error of the mean of K weights, and of one more weight
so_far, one_more = Density("f", first), Density("g", another)
together = Density("h", (first, another))
number, spread = Parameter("K", positive=True), Parameter("V", r"\chi^{2}", positive=True)

DERIVATIONS = (
    Derivation(
        title="The relative error of the mean weight has second moment χ²/K",
        slug="iwae-second-moment",
        statement=r"If the relative error $D$ of the mean of $K$ weights has mean zero and second moment $\chi^{2} /"
        r" K$, then the mean of $K + 1$ weights has $\chi^{2} / (K + 1)$. For $K = 1$ this is the definition of"
        r" $\chi^{2}(p(z \mid x) \,\|\, q)$, so it holds for every $K$.",
        model=Model(
            definitions=(
                Definition("independent draws", together, so_far * one_more),
                Definition("mean so far", E(so_far, first), 0 * number, of_instances=True),
                Definition("second moment so far", E(so_far, first**2), spread / number, of_instances=True),
                Definition("second moment of one more", E(one_more, another**2), spread, of_instances=True),
            ),
            primitives=(so_far, one_more),
        ),
        start=E(together, ((number * first + another) / (number + 1)) ** 2),
        steps=(
            Step(
                (
                    number**2 * E(so_far, first**2)
                    + 2 * number * E(so_far, first) * E(one_more, another)
                    + E(one_more, another**2)
                )
                / (number + 1) ** 2,
                ("linearity", "independent draws", "independence"),
            ),
            Step(
                spread / (number + 1),
                ("mean so far", "second moment so far", "second moment of one more"),
                note="K²/K + 1 = K + 1.",
            ),
        ),
        wrong=(
            Wrong(spread / number, "One draw more is taken to change nothing."),
            Wrong(spread / (number + 1) ** 2, "The second moment is taken to fall as the square."),
            Wrong(spread, "The variance of one weight is not divided by the number of draws."),
        ),
        instances=(
            Instance(
                "normal errors",
                laws={so_far: Normal(0, sqrt(spread / number)), one_more: Normal(0, sqrt(spread))},
                parameters={number: 3.0, spread: 0.7},
            ),
        ),
        conditions=(
            "the weights are independent and unbiased, so that the mean of K + 1 of them has relative error of mean"
            " zero as well",
            "the χ² divergence of the posterior from the proposal is finite",
        ),
        sources=(NOWOZIN_2018("proposition 1"), S3("lines 102-116")),
        implements=("elbo.bounds.iwae",),
        depends_on=("iwae-bias",),
        silent=("moments",),
    ),
    Derivation(
        title="The importance weighted bound converges at rate 1/K",
        slug="iwae-limit",
        statement=r"Let $t = e(Z \mid x) / q(Z \mid x)$ be the mean of $K$ weights divided by $p(x)$. If the posterior"
        r" contains a share $a / (a + b)$ of the proposal, so does $e$, and $\log p(x) - L_{K} = \mathrm{KL}[q \,\|\,"
        r" e] \leq (1 + b/a)\, \mathbb{E}_{q}[(t - 1)^{2}]$. For independent draws the second moment is the variance of"
        r" a mean, $\chi^{2}(p(z \mid x) \,\|\, q) / K$: so $L_{K} \to \log p(x)$ for $K \to"
        r" \infty$, at rate $1/K$.",
        model=Model(primitives=(q, other), definitions=(share, rest)),
        start=KL(q, target),
        steps=(
            Step(E(q, log(q / target)), "definition of KL"),
            Step(E(q, q / target - 1), "tangent", relation="<="),
            Step(
                E(q, (target / q - 1) ** 2 * q / target),
                ("linearity", "normalisation", "change of measure"),
                note="The linear term vanishes because the weights are unbiased.",
            ),
            Step(
                (1 + b / a) * E(q, (target / q - 1) ** 2) - E(q, b / a * other / target * (target / q - 1) ** 2),
                ("linearity", "rest of the target"),
            ),
            Step(
                (1 + b / a) * E(q, (target / q - 1) ** 2),
                ("square", "positivity"),
                relation="<=",
                note="For K independent draws this is (1 + b/a) χ²/K.",
            ),
        ),
        wrong=(
            Wrong(
                half * E(q, (target / q - 1) ** 2),
                "The leading term of the expansion is taken for the gap.",
            ),
            Wrong(KL(target, q), "The gap in the other direction; that one is at most log(1 + χ²/K) without a share."),
            Wrong((1 + b / a) * E(q, (target / q - 1) ** 2), "The bound on the gap is turned around.", relation=">="),
        ),
        instances=(
            Instance(
                "normal proposal and rest",
                laws={q: Normal(Fraction(2, 5), Fraction(9, 10)), other: Normal(Fraction(1, 10), 1)},
                parameters={a: 1.0, b: 2.0},
                values={x: 0.9},
            ),
        ),
        conditions=(
            "the posterior is at least a/(a + b) times the proposal everywhere; without such a share the gap need not"
            " be of order 1/K, and where the proposal misses part of the posterior the limit is the log of the joint"
            " mass where it is positive",
            "the χ² divergence of the posterior from the proposal is finite",
        ),
        sources=(
            S3("lines 102-116"),
            DOMKE_SHELDON_2018("theorem 3 (there with a condition on the mean of the reciprocal weights)"),
            NOWOZIN_2018("proposition 1"),
            COVER_THOMAS("problem 2.13"),
        ),
        implements=("elbo.bounds.iwae",),
        depends_on=("iwae-gap", "iwae-second-moment"),
        silent=("moments",),
    ),
    Derivation(
        title="One draw more is better, for any number of draws",
        slug="iwae-monotone-any",
        statement=r"The mean of $K + 1$ weights is the average over $j$ of the $K + 1$ means $m(j, Z)$ that leave"
        r" out draw $j$. So $L_{K+1}$ exceeds the average of $\mathbb{E}_{q} \log m(j, Z)$ by a divergence; as the"
        r" draws are exchangeable, each of these is $L_{K}$.",
        model=Model(
            primitives=(all_draws, uniform),
            definitions=(Definition("choice in proportion to the means", chosen, uniform * means / mean),),
        ),
        start=E(all_draws, log(mean)),
        steps=(
            Step(E(all_draws, E(uniform, log(mean))), ("linearity", "normalisation")),
            Step(
                E(all_draws, E(uniform, log(means) + log(uniform / chosen))),
                ("choice in proportion to the means", "log of a product"),
            ),
            Step(
                E(all_draws, E(uniform, log(means))) + E(all_draws, KL(uniform, chosen)),
                ("linearity", "definition of KL"),
            ),
            Step(E(all_draws, E(uniform, log(means))), "Gibbs", relation=">="),
        ),
        wrong=(
            Wrong(
                E(all_draws, E(uniform, log(means))),
                "The draw that is added is taken to change nothing.",
            ),
            Wrong(E(all_draws, E(uniform, log(means))), "The order is turned around.", relation="<="),
            Wrong(log(E(all_draws, mean)), "The logarithm is moved out of the expectation: the bound is called exact."),
        ),
        instances=(
            Instance(
                "normal draws and index",
                laws={all_draws: Normal(0, 1), uniform: Normal(Fraction(1, 2), 1)},
                functions={"m": lambda left_out, z: 1 + (z - left_out) ** 2},
            ),
        ),
        conditions=(
            "the draws are exchangeable: their joint law does not change when they change places (independence of"
            " draws from one law is enough)",
        ),
        sources=(S3("line 102"), BURDA_2016("theorem 1 and appendix A")),
        implements=("elbo.bounds.iwae",),
        depends_on=("iwae-gap",),
        silent=("moments",),
    ),
)
