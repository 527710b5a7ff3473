"""The route from the posterior: what KL[q(z|x) ‖ p(z|x)] is, and what that makes of log p(x)."""

from fractions import Fraction

from derivations.catalogue._sources import COVER_THOMAS, KINGMA_WELLING_2014, KINGMA_WELLING_2019, S0, S2, S3
from derivations.language import (
    KL,
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
q = Density("q", z, given=x)
prior, likelihood = Density("p", z), Density("p", x, given=z)
posterior, evidence, joint = Density("p", z, given=x), Density("p", x), Density("p", (x, z))

model = Model(
    primitives=(prior, likelihood, q),
    definitions=(
        Definition("Bayes", posterior, likelihood * prior / evidence),
        Definition("joint density", joint, likelihood * prior),
    ),
)

a, b = Parameter("a"), Parameter("b")
s, m, v = Parameter("s", positive=True), Parameter("m"), Parameter("v", positive=True)
linear = Instance(
    "linear Gaussian decoder",
    laws={prior: Normal(0, 1), likelihood: Normal(a * z + b, s), q: Normal(m, v)},
    values={x: 0.9},
    parameters={a: 1.3, b: -0.4, s: 0.7, m: 0.5, v: 0.6},
)

elbo = E(q, log(likelihood)) - KL(q, prior)

DERIVATIONS = (
    Derivation(
        title="KL divergence to the posterior",
        slug="posterior-kl",
        statement=r"The divergence of any $q(z \mid x)$ from the posterior is its divergence from the prior, minus"
        r" the expected log"
        r" likelihood, plus the log evidence.",
        model=model.only("Bayes"),
        start=KL(q, posterior),
        steps=(
            Step(E(q, log(q / posterior)), "definition of KL"),
            Step(E(q, log(q * evidence / (likelihood * prior))), "Bayes"),
            Step(E(q, log(q / prior) - log(likelihood) + log(evidence)), "log of a product"),
            Step(E(q, log(q / prior)) - E(q, log(likelihood)) + E(q, log(evidence)), "linearity"),
            Step(KL(q, prior) - E(q, log(likelihood)) + E(q, log(evidence)), "definition of KL"),
            Step(
                KL(q, prior) - E(q, log(likelihood)) + log(evidence),
                ("linearity", "normalisation"),
                note="log p(x) does not depend on z, and q(z | x) integrates to one.",
            ),
        ),
        wrong=(
            Wrong(
                KL(q, prior) - E(q, log(likelihood)) - log(evidence),
                "The evidence stands in the denominator of Bayes' rule, and that in the denominator of q/p: its"
                " sign turns twice.",
            ),
            Wrong(
                KL(q, prior) + E(q, log(likelihood)) + log(evidence),
                "The reconstruction term is remembered as a log likelihood, without the minus sign of a loss.",
            ),
            Wrong(KL(q, prior) - E(q, log(likelihood)), "The evidence is dropped because it does not depend on q."),
            Wrong(
                KL(q, prior) - E(prior, log(likelihood)) + log(evidence),
                "The expectation is taken under the prior, as in sampling from the model.",
            ),
        ),
        instances=(linear,),
        sources=(S0("lines 11-14"), KINGMA_WELLING_2014("section 2.2")),
        implements=("elbo.bounds.elbo",),
    ),
    Derivation(
        title="The evidence is the ELBO plus a divergence",
        slug="evidence-decomposition",
        statement=r"$\log p(x)$ is the ELBO plus the divergence of $q$ from the posterior, for every $q$; so the"
        r" ELBO is a lower bound and"
        r" the gap is $\mathrm{KL}[q(z \mid x) \,\|\, p(z \mid x)]$.",
        model=model.only("Bayes"),
        start=log(evidence),
        steps=(
            Step(
                E(q, log(evidence)),
                ("linearity", "normalisation"),
                note="Read from right to left: q integrates to one.",
            ),
            Step(
                E(q, log(likelihood * prior / posterior)),
                "Bayes",
                note="Bayes' rule, solved for p(x).",
            ),
            Step(
                E(q, log(likelihood) - log(q / prior) + log(q / posterior)),
                "log of a product",
                note="q is multiplied and divided by.",
            ),
            Step(E(q, log(likelihood)) - KL(q, prior) + KL(q, posterior), ("linearity", "definition of KL")),
            Step(elbo, "Gibbs", relation=">="),
        ),
        wrong=(
            Wrong(elbo - KL(q, posterior), "The gap is subtracted; then the ELBO would be an upper bound."),
            Wrong(elbo + KL(posterior, q), "The gap is taken in the other direction, as in expectation propagation."),
            Wrong(elbo, "The bound is used as if it were the evidence.", relation="="),
            Wrong(elbo, "The direction of the bound is turned around.", relation="<="),
        ),
        instances=(linear,),
        sources=(S0("line 19"), S2("lines 67-86"), S3("line 116"), KINGMA_WELLING_2014("eq. 1-3")),
        implements=("elbo.bounds.elbo",),
        depends_on=("posterior-kl",),
    ),
    Derivation(
        title="The ELBO in four forms",
        slug="elbo-forms",
        statement="The ELBO as the expected log weight, as energy plus entropy, as reconstruction minus divergence,"
        " and as evidence minus gap.",
        model=model,
        start=E(q, log(joint / q)),
        steps=(
            Step(
                E(q, log(joint)) + Entropy(q),
                ("log of a product", "linearity", "definition of entropy"),
                note="Energy and entropy.",
            ),
            Step(
                E(q, log(likelihood)) + E(q, log(prior)) + Entropy(q),
                ("joint density", "log of a product", "linearity"),
            ),
            Step(
                elbo,
                ("log of a product", "linearity", "definition of entropy", "definition of KL"),
                note="Reconstruction and divergence from the prior.",
            ),
            Step(
                E(q, log(posterior * evidence / prior)) - KL(q, prior),
                "Bayes",
            ),
            Step(
                log(evidence) - KL(q, posterior),
                ("log of a product", "linearity", "normalisation", "definition of KL"),
                note="Evidence and gap.",
            ),
        ),
        wrong=(
            Wrong(
                E(q, log(joint)) - Entropy(q),
                "The entropy is subtracted: the sign of H is confused with that of E log q.",
                source="",
            ),
            Wrong(
                E(q, log(joint)) - KL(q, prior),
                "Two forms are mixed: the joint already contains the prior, which is then counted twice.",
            ),
            Wrong(log(evidence) - KL(posterior, q), "The gap in the other direction."),
            Wrong(
                E(q, log(posterior / q)),
                "The joint is replaced by the posterior; this is minus the gap, without the evidence.",
            ),
            Wrong(
                E(q, log(likelihood)) - Fraction(1, 2) * KL(q, prior),
                "The half of the Gaussian closed form is applied once more.",
            ),
        ),
        instances=(linear,),
        sources=(S2("line 148"), KINGMA_WELLING_2019("section 2.2"), COVER_THOMAS("section 8.6")),
        implements=("elbo.bounds.elbo",),
    ),
)
