"""The route from the joints: the chain rule of the divergence, and the loss of the VAE up to the entropy of the
data.
"""

from derivations.catalogue._sources import COVER_THOMAS, KINGMA_WELLING_2019, S1
from derivations.language import (
    KL,
    CrossEntropy,
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
data = Density("d", x, latex=r"p_{\mathrm{data}}")
q, q_joint, q_aggregate = Density("q", z, given=x), Density("q", (x, z)), Density("q", z)
prior, likelihood = Density("p", z), Density("p", x, given=z)
posterior, evidence, joint = Density("p", z, given=x), Density("p", x), Density("p", (x, z))

model = Model(
    primitives=(data, prior, likelihood, q),
    joints={"q": data * q},
    definitions=(
        Definition("joint of the encoder", q_joint, data * q),
        Definition("joint of the model", joint, posterior * evidence),
        Definition("Bayes", posterior, likelihood * prior / evidence),
        Definition(
            "chain rule",
            KL(q_joint, joint),
            KL(data, evidence) + E(data, KL(q, posterior)),
            "derivation joint-kl-chain-rule",
        ),
    ),
)

a, b = Parameter("a"), Parameter("b")
s, u = Parameter("s", positive=True), Parameter("u", positive=True)
m, c, v = Parameter("m"), Parameter("c"), Parameter("v", positive=True)
linear = Instance(
    "linear Gaussian encoder and decoder",
    laws={data: Normal(m, u), prior: Normal(0, 1), likelihood: Normal(a * z + b, s), q: Normal(c * x, v)},
    parameters={a: 0.8, b: -0.3, s: 0.7, m: 0.4, u: 1.1, c: 0.5, v: 0.6},
)

elbo = E(q, log(likelihood)) - KL(q, prior)
gap = E(data, KL(q, posterior))

DERIVATIONS = (
    Derivation(
        title="Chain rule of the divergence",
        slug="joint-kl-chain-rule",
        statement="The divergence of two joints is that of their marginals plus the expected divergence of their"
        " conditionals.",
        model=model.only("joint of the encoder", "joint of the model"),
        start=KL(q_joint, joint),
        steps=(
            Step(E(q_joint, log(q_joint / joint)), "definition of KL"),
            Step(
                E(q_joint, log(data * q / (evidence * posterior))),
                ("joint of the encoder", "joint of the model"),
            ),
            Step(
                E(data, E(q, log(data / evidence) + log(q / posterior))),
                ("joint of the encoder", "tower", "log of a product"),
                note="Written as a nested expectation.",
            ),
            Step(
                E(data, log(data / evidence)) + E(data, E(q, log(q / posterior))),
                ("linearity", "normalisation"),
            ),
            Step(KL(data, evidence) + gap, "definition of KL", note="The second divergence is averaged over the data."),
        ),
        wrong=(
            Wrong(
                KL(data, evidence) + E(evidence, KL(q, posterior)),
                "The conditional divergence is averaged over the model's x instead of the data.",
            ),
            Wrong(
                KL(data, evidence) + KL(q_aggregate, prior),
                "The conditional divergence is replaced by that of the aggregated posterior.",
            ),
            Wrong(KL(data, evidence) - gap, "The conditional term is subtracted."),
            Wrong(KL(data, evidence) + E(data, KL(posterior, q)), "The conditional divergence is turned around."),
        ),
        instances=(linear,),
        sources=(S1("lines 34-39"), COVER_THOMAS("theorem 2.5.3")),
        conditions=(
            "A1 of the source: the reconstruction and the input are one variable x; both joints are laws of (x, z),"
            " and no third"
            " variable is summed over",
        ),
    ),
    Derivation(
        title="The loss of the joint route",
        slug="joint-route-loss",
        statement=r"$\mathrm{KL}[p_{\mathrm{data}}(x)\, q(z \mid x) \,\|\, p(x, z)]$ is minus the expected ELBO"
        r" minus the entropy of the data;"
        r" the divergence from the posterior cancels between its two parts.",
        model=model.only("Bayes", "chain rule"),
        start=KL(q_joint, joint),
        steps=(
            Step(
                KL(data, evidence) + gap,
                "chain rule",
            ),
            Step(
                CrossEntropy(data, evidence) - Entropy(data) + gap,
                ("definition of KL", "log of a product", "linearity", "definition of entropy"),
            ),
            Step(
                -E(data, E(q, log(likelihood * prior / posterior))) - Entropy(data) + gap,
                ("definition of entropy", "Bayes", "linearity", "normalisation"),
                note="log p(x) does not depend on z and may be averaged over q; then Bayes' rule.",
            ),
            Step(
                -E(data, elbo) - gap - Entropy(data) + gap,
                ("definition of KL", "log of a product", "linearity"),
                note="The divergence from the posterior enters with the other sign.",
            ),
            Step(
                E(data, -E(q, log(likelihood)) + KL(q, prior)) - Entropy(data),
                "linearity",
                note="The two divergences from the posterior cancel exactly. The entropy of the data does not"
                " depend on q or p.",
            ),
        ),
        wrong=(
            Wrong(-E(data, elbo), "The entropy of the data is dropped as if it were zero; it is constant, not zero."),
            Wrong(-E(data, elbo) + Entropy(data), "The sign of the entropy."),
            Wrong(
                -E(data, elbo) - Entropy(q_joint),
                "The entropy of the joint of the encoder, which does depend on q, is called constant.",
            ),
            Wrong(
                -E(data, elbo) + gap - Entropy(data),
                "The cancelling term is kept: the divergence from the posterior is counted once more.",
            ),
        ),
        instances=(linear,),
        sources=(S1("lines 40-46"), KINGMA_WELLING_2019("section 2.7")),
        conditions=(
            "the marginal of x under the encoder's joint is the law of the data and has no parameters: this is why"
            " its entropy is constant",
            "the entropy of the data is finite; for an empirical law and a continuous model it is not, and the"
            " cross-entropy takes the place"
            " of the divergence",
            "A2 of the source: the encoder is Gaussian; a choice of the family of q, which this derivation does not"
            " use",
        ),
        implements=("elbo.bounds.elbo",),
        depends_on=("joint-kl-chain-rule",),
    ),
    Derivation(
        title="What the loss bounds",
        slug="joint-route-bound",
        statement="The divergence of the joints is an upper bound of the divergence of the model from the data; the"
        " slack is the expected"
        " divergence from the posterior.",
        model=model.only("chain rule"),
        start=KL(q_joint, joint),
        steps=(
            Step(
                KL(data, evidence) + gap,
                "chain rule",
            ),
            Step(KL(data, evidence), "Gibbs", relation=">="),
        ),
        wrong=(
            Wrong(KL(data, evidence), "The encoder is taken to be the posterior.", relation="="),
            Wrong(
                KL(data, evidence), "The direction of the inequality (data processing) is turned around.", relation="<="
            ),
        ),
        instances=(linear,),
        sources=(S1("line 45"), COVER_THOMAS("theorem 2.5.3 and eq. 2.90")),
        depends_on=("joint-kl-chain-rule",),
    ),
)
