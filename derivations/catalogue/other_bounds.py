"""Bounds from other divergences, from a path between laws, and with more latent variables."""

from fractions import Fraction

from derivations.catalogue._sources import S3
from derivations.catalogue._sources_variants import (
    AGAKOV_BARBER_2004,
    CHEN_2017,
    DIENG_2017,
    GROSSE_2015,
    KINGMA_2016,
    MAALOE_2016,
    MASRANI_2019,
)
from derivations.language import (
    KL,
    PI,
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
    exp,
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
linear = Instance(
    "linear Gaussian decoder",
    laws={prior: Normal(0, 1), likelihood: Normal(Fraction(6, 5) * z - half, 1), q: Normal(half, Fraction(4, 5))},
    values={x: 0.9},
)

beta = Parameter("beta", latex=r"\beta")
path = Density("r", z, given=x, parameters=beta, latex=r"\pi")
partition = Function("Z", beta, x, positive=True)
between = Model(
    primitives=(prior, likelihood, q, path),
    definitions=(
        Definition("geometric path", log(path), log(q) + beta * log(joint / q) - log(partition), of_instances=True),
    ),
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
        title="The upper bound from posterior draws",
        slug="eubo",
        statement=(
            r"Under posterior draws the expected log weight is the log evidence plus $\mathrm{KL}[p(z \mid "
            r"x)\,\|\,q]$: an upper bound, where the ELBO is a lower one."
        ),
        model=model,
        start=E(posterior, log(weight)),
        steps=(
            Step(E(posterior, log(evidence) + log(posterior / q)), ("conditional density", "log of a product")),
            Step(log(evidence) + KL(posterior, q), ("linearity", "normalisation", "definition of KL")),
            Step(log(evidence), "Gibbs", relation=">="),
        ),
        wrong=(
            Wrong(log(evidence) - KL(posterior, q), "The sign of the ELBO's gap is kept."),
            Wrong(log(evidence) + KL(q, posterior), "The direction of the ELBO's gap is kept."),
            Wrong(log(evidence), "Draws from the posterior are thought to make the bound exact."),
        ),
        instances=(linear,),
        sources=(S3("lines 90-116"), GROSSE_2015("section 3.1"), MASRANI_2019("section 2")),
        implements=("elbo.bounds",),
    ),
    Derivation(
        title="The chi-squared upper bound",
        slug="cubo",
        statement=(
            r"Half the log of the second moment of the weights is at least $\log p(x)$. (The Rényi bound of order "
            "$-1$. Its Monte Carlo estimate is not a bound.)"
        ),
        model=model,
        start=half * log(E(q, weight**2)),
        steps=(
            Step(
                half * log(evidence**2 * E(q, (posterior / q) ** 2)),
                ("conditional density", "linearity"),
            ),
            Step(
                half * log(evidence**2 * E(posterior, posterior / q)),
                "change of measure",
            ),
            Step(log(evidence) + half * log(E(posterior, posterior / q)), "log of a product"),
            Step(log(evidence) + half * E(posterior, log(posterior / q)), "Jensen", relation=">="),
            Step(log(evidence) + half * KL(posterior, q), "definition of KL"),
            Step(log(evidence), "Gibbs", relation=">="),
        ),
        wrong=(
            Wrong(log(evidence), "The bound is taken for exact."),
            Wrong(log(evidence), "The bound is turned around, as for a positive order.", relation="<="),
            Wrong(half * log(E(posterior, posterior / q)), "The evidence is lost on normalising the weights."),
        ),
        instances=(linear,),
        sources=(S3("lines 90-116"), DIENG_2017("eq. 4")),
        implements=("elbo.bounds",),
        depends_on=("eubo",),
    ),
    Derivation(
        title="The thermodynamic identity",
        slug="thermodynamic",
        statement=(
            r"On the path $\pi_{\beta} \propto q^{1 - \beta}\, p(x, z)^{\beta}$ the log normaliser grows at the "
            r"rate $\mathbb{E}_{\pi_{\beta}} \log w$, so that $\log p(x)$ is its integral over $\beta$ from 0 to 1."
        ),
        model=between,
        start=Derivative(log(partition), beta),
        steps=(
            Step(
                Derivative(log(partition), beta) + E(path, Derivative(log(path), beta)),
                "score identity",
                note="The path consists of normalised laws.",
            ),
            Step(E(path, log(weight)), ("geometric path", "derivative", "linearity", "normalisation")),
        ),
        wrong=(
            Wrong(E(q, log(weight)), "The ELBO is the rate at the start of the path only."),
            Wrong(E(posterior, log(weight)), "The upper bound is the rate at the end of the path only."),
            Wrong(-E(path, log(weight)), "The sign of an energy."),
        ),
        instances=(
            Instance(
                "linear Gaussian decoder",
                # pi_beta of q = N(0, 1), p(x, z) = N(z; 0, 1) N(x; z, 1): precision 1 + beta, mean beta x / (1 + beta)
                laws={
                    prior: Normal(0, 1),
                    likelihood: Normal(z, 1),
                    q: Normal(0, 1),
                    path: Normal(beta * x / (1 + beta), (1 + beta) ** -half),
                },
                values={x: 0.9},
                parameters={beta: 0.6},
                functions={"Z": lambda b, x: exp(-b / 2 * log(2 * PI) - half * log(1 + b) - b * x**2 / (2 * (1 + b)))},
            ),
        ),
        sources=(S3("lines 90-116"), MASRANI_2019("eq. 7")),
        implements=("elbo.bounds",),
        depends_on=("eubo",),
    ),
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
        sources=(S3("lines 140-181"), AGAKOV_BARBER_2004("section 2"), MAALOE_2016("eq. 3")),
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
        sources=(S3("lines 154-158"), KINGMA_2016("section 2.1")),
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
        sources=(S3("lines 165-181"), CHEN_2017("section 2.1")),
        implements=("elbo.bounds",),
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
        instances=(Instance(linear.name, linear.laws, linear.values, {delta: 0.3}),),
        sources=(S3("lines 165-181"), KINGMA_2016("section 3.3")),
        implements=("elbo.bounds",),
    ),
)
