"""Bounds on mutual information: Barber and Agakov's, and noise-contrastive estimation."""

from fractions import Fraction

from derivations.catalogue._sources import S3
from derivations.catalogue._sources_variants import ALEMI_2018, BARBER_AGAKOV_2003, OORD_2018, POOLE_2019
from derivations.language import (
    KL,
    Definition,
    Density,
    Derivation,
    E,
    Entropy,
    Function,
    Model,
    MutualInformation,
    Step,
    Variable,
    Wrong,
    log,
)

x, z = Variable("x"), Variable("z")
joint, px, pz = Density("p", (x, z)), Density("p", x), Density("p", z)
posterior, guess, reference = Density("p", z, given=x), Density("q", z, given=x), Density("r", z)
information = MutualInformation(joint, x, z)
model = Model(
    primitives=(joint, guess, reference),
    definitions=(Definition("conditional density", joint, px * posterior),),
)

other = Variable("z'", latex="z'")
critic = Function("f", x, z, positive=True)
critic_other = Function("f", x, other, positive=True)
fresh = Density("p", other)
score = critic / (Fraction(1, 2) * (critic + critic_other))
contrast = Density("e", (z, other), given=x)
pair = Density("s", (z, other), given=x, latex="p")
contrastive = Model(
    primitives=(joint,),
    definitions=(
        Definition("conditional density", joint, px * posterior),
        Definition("one true and one fresh code", pair, posterior * fresh),
        Definition("contrastive law", contrast, pz * fresh * score),
    ),
    copies={other: z},
)
nce = E(px, E(pair, log(score)))

DERIVATIONS = (
    Derivation(
        title="The Barber-Agakov bound on mutual information",
        slug="barber-agakov",
        statement=(
            r"For any $q(z \mid x)$ the mutual information is $\mathrm{H}[z] + \mathbb{E} \log q(z \mid x)$ plus "
            r"the average divergence of $p(z \mid x)$ from $q$; without that term it is a lower bound."
        ),
        model=model,
        start=information,
        steps=(
            Step(E(joint, log(joint / (px * pz))), ("definition of mutual information", "definition of KL")),
            Step(
                E(joint, log(posterior / guess) + log(guess) - log(pz)),
                ("conditional density", "log of a product"),
            ),
            Step(
                E(px, E(posterior, log(posterior / guess))) + E(joint, log(guess)) - E(pz, log(pz)),
                ("linearity", "tower", "marginal"),
            ),
            Step(
                E(px, KL(posterior, guess)) + E(joint, log(guess)) + Entropy(pz),
                ("definition of KL", "definition of entropy"),
            ),
            Step(E(joint, log(guess)) + Entropy(pz), "Gibbs", relation=">="),
        ),
        wrong=(
            Wrong(
                E(joint, log(guess)) + Entropy(pz),
                "The bound is maximised as if it were the information.",
                source="S3, line 211",
            ),
            Wrong(
                E(px, KL(guess, posterior)) + E(joint, log(guess)) + Entropy(pz),
                "The gap is taken in the direction of the ELBO's.",
            ),
            Wrong(E(joint, log(guess)) - Entropy(pz), "The entropy is subtracted."),
        ),
        sources=(
            S3("lines 199-211"),
            BARBER_AGAKOV_2003("the lower bound on mutual information"),
            POOLE_2019("the Barber-Agakov bound"),
        ),
    ),
    Derivation(
        title="The rate bounds mutual information from above",
        slug="rate-bound",
        statement=(
            r"The mutual information is at most the average divergence of $p(z \mid x)$ from any fixed $r(z)$: the "
            "rate."
        ),
        model=model,
        start=E(px, KL(posterior, reference)),
        steps=(
            Step(E(px, E(posterior, log(posterior / reference))), "definition of KL"),
            Step(
                E(joint, log(posterior / pz)) + E(pz, log(pz / reference)),
                ("log of a product", "linearity", "tower", "marginal"),
            ),
            Step(
                information + KL(pz, reference),
                ("definition of mutual information", "conditional density", "definition of KL"),
            ),
            Step(information, "Gibbs", relation=">="),
        ),
        wrong=(
            Wrong(information, "The rate is taken for the information it bounds."),
            Wrong(information - KL(pz, reference), "The marginal's divergence is subtracted."),
            Wrong(information, "The bound is turned around.", relation="<="),
        ),
        sources=(
            S3("lines 199-211"),
            ALEMI_2018("the variational upper bound on mutual information (rate)"),
            POOLE_2019("the upper bound by a variational marginal"),
        ),
    ),
    Derivation(
        title="Noise-contrastive estimation bounds mutual information",
        slug="info-nce",
        statement=(
            "With one true code and one fresh one, and any positive critic $f$, the gap of the contrastive bound "
            r"is an average divergence, so $\mathrm{I}(x; z) \geq \mathbb{E} \log \frac{f(x, z)}{(f(x, z) + f(x, "
            "z')) / 2}$."
        ),
        model=contrastive,
        start=information,
        steps=(
            Step(
                E(px, E(posterior, log(posterior / pz))),
                ("definition of mutual information", "definition of KL", "conditional density", "tower"),
            ),
            Step(
                E(px, E(pair, log(posterior / pz))),
                ("one true and one fresh code", "independence"),
                note="The fresh code is not used yet.",
            ),
            Step(
                E(px, E(pair, log(pair / contrast) + log(score))),
                ("one true and one fresh code", "contrastive law", "log of a product"),
            ),
            Step(E(px, KL(pair, contrast)) + nce, ("definition of KL", "linearity")),
            Step(
                nce,
                "Gibbs",
                relation=">=",
                note="The contrastive law is normalised because the two codes may be exchanged.",
            ),
        ),
        wrong=(
            Wrong(nce, "The bound is read as an estimate of the information."),
            Wrong(nce, "The bound is turned around.", relation="<="),
            Wrong(
                E(px, E(pair, log(critic / critic_other))),
                "The true pair is left out of the denominator, which removes the bound.",
                relation=">=",
            ),
        ),
        sources=(
            S3("lines 199-211"),
            OORD_2018("the appendix on mutual information and InfoNCE"),
            POOLE_2019("the multi-sample bounds"),
        ),
    ),
)
