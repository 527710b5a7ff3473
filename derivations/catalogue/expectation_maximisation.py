"""EM as coordinate ascent on the ELBO; and what a restricted family does to the optimum."""

from fractions import Fraction

from derivations.catalogue._sources import NEAL_HINTON_1998, S2, TURNER_SAHANI_2011
from derivations.language import (
    KL,
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

half = Fraction(1, 2)
z, x = Variable("z"), Variable("x")
OLD, NEW = r"p_{\theta'}", r"p_{\theta}"
old_prior, old_likelihood = Density("p_old", z, latex=OLD), Density("p_old", x, given=z, latex=OLD)
old_posterior, old_evidence = Density("p_old", z, given=x, latex=OLD), Density("p_old", x, latex=OLD)
old_joint = Density("p_old", (x, z), latex=OLD)
prior, likelihood = Density("p", z, latex=NEW), Density("p", x, given=z, latex=NEW)
posterior, evidence, joint = (
    Density("p", z, given=x, latex=NEW),
    Density("p", x, latex=NEW),
    Density("p", (x, z), latex=NEW),
)
q = Density("q", z, given=x)

model = Model(
    primitives=(old_prior, old_likelihood, prior, likelihood, q),
    definitions=(
        Definition("joint", joint, posterior * evidence),
        Definition("old joint", old_joint, old_posterior * old_evidence),
    ),
)

a, b, s = Parameter("a"), Parameter("b"), Parameter("s", positive=True)
c, e, t = Parameter("c"), Parameter("e"), Parameter("t", positive=True)
m, v = Parameter("m"), Parameter("v", positive=True)
linear = Instance(
    "two linear Gaussian models",
    laws={
        old_prior: Normal(0, 1),
        old_likelihood: Normal(a * z + b, s),
        prior: Normal(0, 1),
        likelihood: Normal(c * z + e, t),
        q: Normal(m, v),
    },
    values={x: 0.9},
    parameters={a: 1.3, b: -0.4, s: 0.7, c: 0.8, e: 0.2, t: 0.9, m: 0.3, v: 0.6},
)

energy_new, energy_old = E(old_posterior, log(joint)), E(old_posterior, log(old_joint))


def _biased() -> Derivation:
    """One observation x = w (z1 + z2) + noise: the mean-field ELBO at its best q, as a function of w."""
    w, r = Parameter("w", positive=True), Parameter("r", positive=True)
    z1, z2 = Variable("z1", "z_{1}"), Variable("z2", "z_{2}")
    q1, q2 = Density("q1", z1, given=x, latex="q_{1}"), Density("q2", z2, given=x, latex="q_{2}")
    pair = Density("q", (z1, z2), given=x)
    p1, p2 = Density("p", z1), Density("p", z2)
    lik = Density("p", x, given=(z1, z2))
    post = Density("p", (z1, z2), given=x)
    tau = 2 * w**2 + r**2
    mean = w * x / tau
    variance = r**2 / (w**2 + r**2)
    log_post = (
        -log(2 * PI)
        - half * log(r**2 / tau)
        - ((z1**2 + z2**2) * (w**2 + r**2) + 2 * w**2 * z1 * z2 - 2 * w * x * (z1 + z2)) / (2 * r**2)
        - w**2 * x**2 / (r**2 * tau)
    )
    spread = variance ** Fraction(1, 2)
    return Derivation(
        title="A restricted family biases the optimum of variational EM",
        slug="variational-em-bias",
        statement=r"For $x = w (z_{1} + z_{2}) + r\, \varepsilon$ the best factorised $q$ leaves a gap"
        r" $\log \left((w^{2} + r^{2}) / (r \sqrt{2 w^{2} + r^{2}})\right)$, which grows with $w$: maximising the"
        r" ELBO over $w$ as well"
        r" prefers a smaller $w$ than maximum likelihood does.",
        model=Model(
            primitives=(p1, p2, lik, q1, q2),
            joints={"q": q1 * q2},
            definitions=(
                Definition("factorised", pair, q1 * q2),
                Definition("posterior density", log(post), log_post, of_instances=True),
                Definition(
                    "first density",
                    log(q1),
                    -half * log(2 * PI * variance) - (z1 - mean) ** 2 / (2 * variance),
                    of_instances=True,
                ),
                Definition(
                    "second density",
                    log(q2),
                    -half * log(2 * PI * variance) - (z2 - mean) ** 2 / (2 * variance),
                    of_instances=True,
                ),
                Definition("mean of z1", E(q1, z1), mean, of_instances=True),
            ),
        ),
        start=KL(pair, post),
        steps=(
            Step(E(pair, log(q1) + log(q2) - log(post)), ("definition of KL", "factorised", "log of a product")),
            Step(
                E(pair, log_post * -1)
                + E(q1, -half * log(2 * PI * variance) - (z1 - mean) ** 2 / (2 * variance))
                + E(q2, -half * log(2 * PI * variance) - (z2 - mean) ** 2 / (2 * variance)),
                (
                    "linearity",
                    "normalisation",
                    "factorised",
                    "independence",
                    "posterior density",
                    "first density",
                    "second density",
                ),
            ),
            Step(
                half * log(r**2 / tau) - log(variance),
                (
                    "linearity",
                    "normalisation",
                    "factorised",
                    "independence",
                    "log of a product",
                    "mean of z1",
                ),
                note="The squares cancel, and what is left is a multiple of (E z1 − mean)(E z2 − mean): one mean"
                " suffices.",
            ),
            Step(log((w**2 + r**2) / (r * tau**half)), "log of a product"),
        ),
        wrong=(
            Wrong(0, "The factorised optimum is taken for the posterior."),
            Wrong(
                half * log(tau / r**2),
                "The variances of the marginals of the posterior are used; the best factors are narrower.",
            ),
        ),
        instances=(
            Instance(
                "two causes",
                laws={
                    p1: Normal(0, 1),
                    p2: Normal(0, 1),
                    lik: Normal(w * (z1 + z2), r),
                    q1: Normal(mean, spread),
                    q2: Normal(mean, spread),
                },
                values={x: 1.4},
                parameters={w: 1.1, r: 0.9},
            ),
        ),
        sources=(TURNER_SAHANI_2011("section 5.3.1"), S2("line 148")),
        implements=("elbo.problems.ProbabilisticPCA",),
    )


DERIVATIONS = (
    Derivation(
        title="The E-step closes the gap",
        slug="em-e-step",
        statement=r"At $q = p_{\theta'}(z \mid x)$ the ELBO of $\theta'$ is $\log p_{\theta'}(x)$.",
        model=model.only("old joint"),
        start=E(old_posterior, log(old_joint)) + Entropy(old_posterior),
        steps=(
            Step(
                E(old_posterior, log(old_joint / old_posterior)),
                ("definition of entropy", "linearity", "log of a product"),
            ),
            Step(
                E(old_posterior, log(old_evidence)),
                "old joint",
                note="The joint over the posterior is the evidence, whatever z is.",
            ),
            Step(log(old_evidence), ("linearity", "normalisation")),
        ),
        wrong=(
            Wrong(log(evidence), "The ELBO after the E-step is compared with the evidence of other parameters."),
            Wrong(log(old_evidence) + Entropy(old_posterior), "The entropy is counted twice."),
        ),
        instances=(linear,),
        sources=(S2("lines 141-142"), NEAL_HINTON_1998("theorem 1")),
        implements=("elbo.bounds.elbo",),
    ),
    Derivation(
        title="The M-step needs only the expected complete log likelihood",
        slug="em-m-step",
        statement=r"With $q = p_{\theta'}(z \mid x)$ the ELBO of $\theta$ is $\mathbb{E}_{p_{\theta'}(z \mid"
        r" x)}[\log p_{\theta}(x, z)]$ plus"
        r" an entropy that does not depend on $\theta$.",
        model=model.only(),
        start=E(old_posterior, log(joint / old_posterior)),
        steps=(
            Step(energy_new - E(old_posterior, log(old_posterior)), ("linearity", "log of a product")),
            Step(energy_new + Entropy(old_posterior), "definition of entropy"),
        ),
        wrong=(
            Wrong(
                energy_new,
                "The entropy is dropped; it does not move the maximum, but the value is no bound of log p(x) then.",
                None,
            ),
            Wrong(E(posterior, log(joint)) + Entropy(old_posterior), "The expectation follows the new parameters."),
            Wrong(energy_new - Entropy(old_posterior), "The sign of the entropy."),
        ),
        instances=(linear,),
        sources=(S2("line 143"), NEAL_HINTON_1998("section 3")),
    ),
    Derivation(
        title="EM does not decrease the likelihood",
        slug="em-monotone",
        statement=r"$\log p_{\theta}(x) - \log p_{\theta'}(x)$ is the gain in expected complete log likelihood plus"
        r" a divergence; so"
        r" a gain is passed on in full.",
        model=model,
        start=log(evidence) - log(old_evidence),
        steps=(
            Step(
                E(old_posterior, log(evidence) - log(old_evidence)),
                ("linearity", "normalisation"),
            ),
            Step(
                E(old_posterior, log(joint / posterior) - log(old_joint / old_posterior)),
                ("joint", "old joint"),
            ),
            Step(
                energy_new - energy_old + KL(old_posterior, posterior),
                ("definition of KL", "linearity", "log of a product"),
            ),
            Step(energy_new - energy_old, "Gibbs", relation=">="),
        ),
        wrong=(
            Wrong(
                energy_new - energy_old, "The divergence between the posteriors is forgotten: an equality is claimed."
            ),
            Wrong(energy_new - energy_old - KL(old_posterior, posterior), "The sign of the divergence."),
            Wrong(energy_new - energy_old + KL(posterior, old_posterior), "The divergence in the other direction."),
            Wrong(energy_new - energy_old, "The inequality is turned around.", relation="<="),
        ),
        instances=(linear,),
        sources=(S2("lines 141-143"), NEAL_HINTON_1998("eq. 3 and theorem 2")),
        depends_on=("em-e-step", "em-m-step"),
    ),
    Derivation(
        title="Variational EM improves the bound only",
        slug="variational-em",
        statement=r"For any $q$ the change of $\log p$ is the change of the ELBO plus the change of the gap: the"
        r" ELBO can rise while"
        r" $\log p(x)$ falls.",
        model=model,
        start=log(evidence) - log(old_evidence),
        steps=(
            Step(E(q, log(evidence) - log(old_evidence)), ("linearity", "normalisation")),
            Step(E(q, log(joint / posterior) - log(old_joint / old_posterior)), ("joint", "old joint")),
            Step(
                E(q, log(joint / q)) - E(q, log(old_joint / q)) + KL(q, posterior) - KL(q, old_posterior),
                ("definition of KL", "linearity", "log of a product"),
            ),
        ),
        wrong=(
            Wrong(
                E(q, log(joint / q)) - E(q, log(old_joint / q)),
                "A higher ELBO is taken for a higher likelihood; true only if the gap does not change.",
            ),
            Wrong(
                E(q, log(joint / q)) - E(q, log(old_joint / q)),
                "A higher ELBO is taken for at least as high a likelihood, as in exact EM.",
                relation=">=",
            ),
        ),
        instances=(linear,),
        sources=(S2("lines 73-79"), TURNER_SAHANI_2011("section 5.2")),
        depends_on=("em-monotone",),
    ),
    _biased(),
)
