"""Weighted divergences and the aggregated posterior: what beta, surgery and total correlation do to the ELBO."""

from derivations.catalogue._sources import S3
from derivations.catalogue._sources_variants import CHEN_2018, HIGGINS_2017, HOFFMAN_JOHNSON_2016
from derivations.language import (
    KL,
    Definition,
    Density,
    Derivation,
    E,
    Instance,
    Model,
    MutualInformation,
    Normal,
    Parameter,
    Step,
    TotalCorrelation,
    Variable,
    Wrong,
    log,
)

z, x, n = Variable("z"), Variable("x"), Variable("n")
z1, z2 = Variable("z1", latex="z_{1}"), Variable("z2", latex="z_{2}")
gamma = Parameter("gamma", latex=r"\gamma", positive=True)
q, prior, likelihood = Density("q", z, given=x), Density("p", z), Density("p", x, given=z)

single = Model(primitives=(prior, likelihood, q))
linear = Instance(
    "linear Gaussian decoder",
    laws={prior: Normal(0, 1), likelihood: Normal(z + 1, 1), q: Normal(x - 1, 1)},
    values={x: 0.9},
    parameters={gamma: 1.5},
)
reconstruction = E(q, log(likelihood))
elbo = reconstruction - KL(q, prior)

index = Density("d", n)
encoder, joint, aggregate = Density("q", z, given=n), Density("q", (n, z)), Density("q", z)
indexed = Model(
    primitives=(index, encoder, prior),
    joints={"q": index * encoder},
    definitions=(
        Definition("joint encoder", joint, index * encoder),
        Definition("index", Density("q", n), index),
    ),
)

pair, first, second = Density("q", (z1, z2)), Density("q", z1), Density("q", z2)
prior_1, prior_2, prior_pair = Density("p1", z1, latex="p"), Density("p2", z2, latex="p"), Density("p", (z1, z2))
factorised = Model(
    primitives=(pair, prior_1, prior_2),
    definitions=(Definition("factorised prior", prior_pair, prior_1 * prior_2),),
)

pair_encoder, pair_joint = Density("q", (z1, z2), given=n), Density("q", (n, z1, z2))
pair_aggregate = Density("q", (z1, z2))
surgery = MutualInformation(pair_joint, n, (z1, z2)) + KL(pair_aggregate, prior_pair)
coordinates = TotalCorrelation(pair_aggregate) + KL(first, prior_1) + KL(second, prior_2)
indexed_pair = Model(
    primitives=(index, pair_encoder, prior_1, prior_2),
    joints={"q": index * pair_encoder, "p": prior_1 * prior_2},
    definitions=(
        Definition("ELBO surgery", E(index, KL(pair_encoder, prior_pair)), surgery),
        Definition("total correlation", KL(pair_aggregate, prior_pair), coordinates),
    ),
)

DERIVATIONS = (
    Derivation(
        title="The objective with a weight above one on the divergence",
        slug="beta-vae",
        statement=(
            r"With $\beta = 1 + \gamma \geq 1$ the objective $\mathbb{E}_{q} \log p(x \mid z) - \beta\, "
            r"\mathrm{KL}$ is at most the ELBO, and so a lower bound on $\log p(x)$. With $\beta < 1$ it need not "
            "be."
        ),
        model=single,
        start=reconstruction - (1 + gamma) * KL(q, prior),
        steps=(
            Step(
                reconstruction - E(q, log(q / prior)) - gamma * KL(q, prior),
                "definition of KL",
            ),
            Step(elbo - gamma * KL(q, prior), "definition of KL"),
            Step(elbo, ("Gibbs", "positivity"), relation="<="),
        ),
        wrong=(
            Wrong(elbo, "A weight is taken for a matter of scale: the value is read as the ELBO's."),
            Wrong(
                elbo,
                "A weight below one is taken for a bound as well.",
                left=reconstruction - KL(q, prior) / (1 + gamma),
                relation="<=",
                source="S3, line 185",
            ),
            Wrong((1 + gamma) * elbo, "The weight is applied to the whole ELBO."),
        ),
        instances=(linear,),
        sources=(S3("lines 183-185"), HIGGINS_2017("the objective with the weight beta")),
        implements=("elbo.bounds.beta_objective",),
    ),
    Derivation(
        title="ELBO surgery",
        slug="elbo-surgery",
        statement=(
            "The divergence of the encoder from the prior, averaged over the data, is the mutual information of "
            "index and code plus the divergence of the aggregated posterior from the prior."
        ),
        model=indexed,
        start=E(index, KL(encoder, prior)),
        steps=(
            Step(E(index, E(encoder, log(encoder / prior))), "definition of KL"),
            Step(
                E(index, E(encoder, log(joint / (index * aggregate)) + log(aggregate / prior))),
                ("joint encoder", "log of a product"),
                note="The aggregated posterior is multiplied and divided by.",
            ),
            Step(
                E(joint, log(joint / (index * aggregate))) + E(joint, log(aggregate / prior)),
                ("joint encoder", "linearity", "tower"),
            ),
            Step(
                E(joint, log(joint / (Density("q", n) * aggregate))) + E(aggregate, log(aggregate / prior)),
                ("index", "marginal"),
                note="The index is uniform over the data, or any law on them.",
            ),
            Step(
                MutualInformation(joint, n, z) + KL(aggregate, prior),
                ("definition of mutual information", "definition of KL"),
            ),
        ),
        wrong=(
            Wrong(KL(aggregate, prior), "The average of divergences is taken for the divergence of the average."),
            Wrong(MutualInformation(joint, n, z), "The divergence is read as the information in the code alone."),
            Wrong(MutualInformation(joint, n, z) - KL(aggregate, prior), "The second term is subtracted."),
        ),
        sources=(S3("lines 199-211"), HOFFMAN_JOHNSON_2016("the decomposition of the averaged divergence")),
        implements=(
            "elbo.bounds.index_code_information",
            "elbo.bounds.aggregate_log_density",
        ),
        sizes={n: 2},
    ),
    Derivation(
        title="Total correlation in the divergence from a factorised prior",
        slug="total-correlation",
        statement=(
            "For a prior with independent coordinates the divergence of the aggregated posterior is its total "
            "correlation plus the divergences of its coordinates."
        ),
        model=factorised,
        start=KL(pair, prior_pair),
        steps=(
            Step(E(pair, log(pair / prior_pair)), "definition of KL"),
            Step(
                E(pair, log(pair / (first * second)) + log(first / prior_1) + log(second / prior_2)),
                ("factorised prior", "log of a product"),
            ),
            Step(
                E(pair, log(pair / (first * second)))
                + E(first, log(first / prior_1))
                + E(second, log(second / prior_2)),
                ("linearity", "marginal"),
            ),
            Step(
                TotalCorrelation(pair) + KL(first, prior_1) + KL(second, prior_2),
                ("definition of mutual information", "definition of KL"),
            ),
        ),
        wrong=(
            Wrong(KL(first, prior_1) + KL(second, prior_2), "The coordinates of the code are taken for independent."),
            Wrong(
                2 * TotalCorrelation(pair) + KL(first, prior_1) + KL(second, prior_2),
                "The weight of the total correlation is left at two when the plain objective is meant.",
            ),
            Wrong(
                TotalCorrelation(pair) - KL(first, prior_1) - KL(second, prior_2),
                "The divergences of the coordinates are subtracted.",
            ),
        ),
        sources=(S3("lines 183-185"), CHEN_2018("the decomposition of the averaged divergence")),
        implements=(
            "elbo.bounds.total_correlation",
            "elbo.bounds.beta_tcvae",
        ),
        depends_on=("elbo-surgery",),
    ),
    Derivation(
        title="The decomposition behind the weighted total correlation",
        slug="beta-tcvae",
        statement=(
            "The averaged divergence from a factorised prior is the information in the code about the datum, "
            "plus the total correlation of the aggregated posterior, plus the divergences of its coordinates; "
            "each part may get a weight of its own, and with weights of at least one the objective stays below "
            "the ELBO."
        ),
        model=indexed_pair,
        start=E(index, KL(pair_encoder, prior_pair)),
        steps=(
            Step(surgery, "ELBO surgery"),
            Step(MutualInformation(pair_joint, n, (z1, z2)) + coordinates, "total correlation"),
            Step(MutualInformation(pair_joint, n, (z1, z2)), "Gibbs", relation=">="),
        ),
        wrong=(
            Wrong(
                coordinates, "The information in the code is left out, as if the encoder were the aggregated posterior."
            ),
            Wrong(
                MutualInformation(pair_joint, n, (z1, z2)) + KL(first, prior_1) + KL(second, prior_2),
                "The total correlation is left out: the coordinates are taken for independent.",
            ),
            Wrong(
                MutualInformation(pair_joint, n, (z1, z2)) - TotalCorrelation(pair_aggregate) + KL(first, prior_1),
                "The total correlation is subtracted and a coordinate forgotten.",
            ),
        ),
        sources=(S3("lines 183-185"), CHEN_2018("the decomposition of the averaged divergence")),
        implements=("elbo.bounds.beta_tcvae",),
        depends_on=("elbo-surgery", "total-correlation"),
    ),
)
