"""More latent variables, and fewer that are used: auxiliary variables, hierarchies, collapse, free bits."""

from fractions import Fraction

from derivations.catalogue._sources import S3
from derivations.catalogue._sources_variants import (
    AGAKOV_BARBER_2004,
    CHEN_2017,
    KINGMA_2016,
    MAALOE_2016,
)
from derivations.language import (
    KL,
    Definition,
    Density,
    Derivation,
    E,
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
z, x, a = Variable("z"), Variable("x"), Variable("a")
q, prior, likelihood = Density("q", z, given=x), Density("p", z), Density("p", x, given=z)
joint, posterior, evidence = Density("p", (x, z)), Density("p", z, given=x), Density("p", x)
weight = joint / q
model = Model(
    primitives=(prior, likelihood, q),
    definitions=(Definition("conditional density", joint, posterior * evidence),),
)
encoder, auxiliary, reverse = Density("q", z, given=x), Density("q", a, given=(x, z)), Density("r", a, given=(x, z))
both = Density("q", (a, z), given=x)
extended = Model(
    primitives=(prior, likelihood, encoder, auxiliary, reverse),
    definitions=(Definition("joint encoder", both, encoder * auxiliary),),
)

top, bottom = Variable("z2", latex="z_{2}"), Variable("z1", latex="z_{1}")
q_top, q_bottom, q_all = (
    Density("q", top, given=x),
    Density("q", bottom, given=(x, top)),
    Density("q", (bottom, top), given=x),
)
p_top, p_bottom, p_all = Density("p", top), Density("p", bottom, given=top), Density("p", (bottom, top))
layered = Model(
    primitives=(q_top, q_bottom, p_top, p_bottom),
    definitions=(
        Definition("encoder from the top", q_all, q_top * q_bottom),
        Definition("prior from the top", p_all, p_top * p_bottom),
    ),
)

ignoring = Model(
    primitives=(prior, Density("p", x), q),
    definitions=(Definition("decoder that ignores the code", joint, prior * evidence),),
    joints={"p": prior * evidence},
)
delta = Parameter("delta", latex=r"\delta", positive=True)

DERIVATIONS = (
    Derivation(
        title="Auxiliary variables",
        slug="auxiliary-variables",
        statement=(
            r"The bound with an auxiliary variable $a$ is the ELBO minus the average divergence of $q(a \mid x, z)$ "
            r"from the reverse model $r(a \mid x, z)$."
        ),
        model=extended,
        start=E(both, log(likelihood * prior * reverse / both)),
        steps=(
            Step(
                E(both, log(likelihood * prior / encoder) - log(auxiliary / reverse)),
                ("joint encoder", "log of a product"),
            ),
            Step(
                E(encoder, E(auxiliary, log(likelihood * prior / encoder)))
                - E(encoder, E(auxiliary, log(auxiliary / reverse))),
                ("linearity", "tower"),
            ),
            Step(
                E(encoder, log(likelihood * prior / encoder)) - E(encoder, KL(auxiliary, reverse)),
                ("linearity", "normalisation", "definition of KL"),
            ),
            Step(E(encoder, log(likelihood * prior / encoder)), "Gibbs", relation="<="),
        ),
        wrong=(
            Wrong(E(encoder, log(likelihood * prior / encoder)), "The reverse model is taken for exact."),
            Wrong(
                E(encoder, log(likelihood * prior / encoder)) + E(encoder, KL(auxiliary, reverse)),
                "A richer encoder is thought to raise this bound above the ELBO of its own marginal.",
            ),
            Wrong(
                E(encoder, log(likelihood * prior / encoder)) - E(encoder, KL(reverse, auxiliary)),
                "The divergence in the other direction.",
            ),
        ),
        sources=(
            S3("lines 140-181"),
            AGAKOV_BARBER_2004("the auxiliary bound"),
            MAALOE_2016("the bound with auxiliary variables"),
        ),
    ),
    Derivation(
        title="The divergence of a hierarchy",
        slug="hierarchical-latents",
        statement=(
            "With two layers of codes, inferred from the top, the divergence is that of the top layer plus the "
            "average divergence of the bottom layer given the top."
        ),
        model=layered,
        start=KL(q_all, p_all),
        steps=(
            Step(E(q_all, log(q_all / p_all)), "definition of KL"),
            Step(
                E(q_all, log(q_top / p_top) + log(q_bottom / p_bottom)),
                ("encoder from the top", "prior from the top", "log of a product"),
            ),
            Step(
                E(q_top, E(q_bottom, log(q_top / p_top))) + E(q_top, E(q_bottom, log(q_bottom / p_bottom))),
                ("linearity", "tower"),
            ),
            Step(
                KL(q_top, p_top) + E(q_top, KL(q_bottom, p_bottom)),
                ("linearity", "normalisation", "definition of KL"),
            ),
        ),
        wrong=(
            Wrong(KL(q_top, p_top), "Only the top layer has a fixed prior, and only its divergence is counted."),
            Wrong(KL(q_top, p_top) - E(q_top, KL(q_bottom, p_bottom)), "The bottom layer's divergence is subtracted."),
            Wrong(
                KL(q_top, p_top) + E(p_top, KL(q_bottom, p_bottom)),
                "The top code is drawn from the prior and not from the encoder.",
            ),
        ),
        sources=(S3("lines 154-158"), KINGMA_2016("several layers of latent variables")),
        sizes={x: 1},
    ),
    Derivation(
        title="When a code is not used",
        slug="posterior-collapse",
        statement=(
            "If the decoder ignores the code, the ELBO is the log evidence minus the divergence of $q$ from the "
            "**prior**: the best $q$ is the prior, and then the bound is tight. Ignoring the code is a maximiser, "
            "one of several."
        ),
        model=ignoring,
        start=E(q, log(joint / q)),
        steps=(
            Step(E(q, log(evidence) - log(q / prior)), ("decoder that ignores the code", "log of a product")),
            Step(log(evidence) - KL(q, prior), ("linearity", "normalisation", "definition of KL")),
            Step(log(evidence), "Gibbs", relation="<="),
        ),
        wrong=(
            Wrong(
                log(evidence),
                "The bound is thought tight whatever the encoder says, since the decoder does not listen.",
            ),
            Wrong(log(evidence) + KL(q, prior), "Information in the code is thought to raise the bound."),
            Wrong(log(evidence) - KL(prior, q), "The divergence in the other direction."),
        ),
        sources=(S3("lines 165-181"), CHEN_2017("when the latent code is ignored")),
        implements=("elbo.bounds.elbo",),
    ),
    Derivation(
        title="Free bits",
        slug="free-bits",
        statement=(
            r"Raising the divergence by any $\delta \geq 0$, as $\max(\lambda, \mathrm{KL}) = \mathrm{KL} + \delta$ "
            r"does with $\delta = \max(\lambda - \mathrm{KL}, 0)$, keeps a lower bound on $\log p(x)$."
        ),
        model=model,
        start=E(q, log(weight)) - delta,
        steps=(
            Step(E(q, log(evidence) - log(q / posterior)) - delta, ("conditional density", "log of a product")),
            Step(log(evidence) - KL(q, posterior) - delta, ("linearity", "normalisation", "definition of KL")),
            Step(log(evidence), ("Gibbs", "positivity"), relation="<="),
        ),
        wrong=(
            Wrong(log(evidence) - KL(q, posterior), "The objective with free bits is reported as the ELBO."),
            Wrong(log(evidence) - KL(q, posterior) + delta, "The free nats are added to the bound."),
            Wrong(
                log(evidence),
                "The free nats are thought to be a gift: with them added, it is still called a bound.",
                left=E(q, log(weight)) + KL(q, posterior) + delta,
                relation="<=",
            ),
        ),
        instances=(
            Instance(
                "linear Gaussian decoder",
                laws={
                    prior: Normal(0, 1),
                    likelihood: Normal(Fraction(6, 5) * z - half, 1),
                    q: Normal(half, Fraction(4, 5)),
                },
                values={x: 0.9},
                parameters={delta: 0.3},
            ),
        ),
        sources=(S3("lines 165-181"), KINGMA_2016("free bits")),
        implements=("elbo.bounds.free_bits",),
    ),
)
