"""Bounds from other divergences, and from a path between laws."""

from fractions import Fraction

from derivations.catalogue._sources import S3
from derivations.catalogue._sources_variants import (
    DIENG_2017,
    GROSSE_2015,
    LI_TURNER_2016,
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
    sqrt,
)

half = Fraction(1, 2)
z, x = Variable("z"), Variable("x")
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

root_mean = E(q, sqrt(weight))
tilted = Density("t", z, given=x)
halfway = Model(
    primitives=(prior, likelihood, q),
    definitions=(
        Definition("conditional density", joint, posterior * evidence),
        Definition("half-way law", tilted, q * sqrt(weight) / root_mean),
    ),
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
        sources=(
            S3("lines 90-116"),
            GROSSE_2015("the stochastic upper bound"),
            MASRANI_2019("the upper bound at the end of the path"),
        ),
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
        sources=(S3("lines 90-116"), DIENG_2017("the definition of CUBO")),
        implements=("elbo.bounds.cubo",),
        depends_on=("eubo",),
    ),
    Derivation(
        title="The Rényi bound of order one half lies above the ELBO",
        slug="renyi-half",
        statement=r"$2 \log \mathbb{E}_{q} \sqrt{w}$ is at least the ELBO (the bound of order one).",
        model=model.only(),
        start=2 * log(E(q, sqrt(weight))),
        steps=(
            Step(2 * E(q, log(sqrt(weight))), "Jensen", relation=">="),
            Step(E(q, log(weight)), ("log of a product", "linearity")),
        ),
        wrong=(
            Wrong(E(q, log(weight)), "Bounds of all orders are thought to agree."),
            Wrong(E(q, log(weight)), "The order of the bounds is turned around.", relation="<="),
            Wrong(log(evidence), "A bound above the ELBO is taken for the evidence."),
        ),
        instances=(linear,),
        sources=(S3("lines 90-116"), LI_TURNER_2016("monotonicity of the bound in its order")),
        implements=("elbo.bounds.renyi",),
    ),
    Derivation(
        title="The Rényi bound of order one half is a lower bound",
        slug="renyi-half-lower",
        statement=(
            r"$2 \log \mathbb{E}_{q} \sqrt{w} \leq \log p(x)$, by Jensen under the law tilted half-way to the "
            "posterior."
        ),
        model=halfway,
        start=log(evidence),
        steps=(
            Step(log(E(q, weight)), ("conditional density", "linearity", "change of measure", "normalisation")),
            Step(
                log(root_mean * E(q, tilted / q * sqrt(weight))),
                ("half-way law", "linearity"),
            ),
            Step(log(root_mean * E(tilted, sqrt(weight))), "change of measure"),
            Step(log(root_mean) + log(E(tilted, sqrt(weight))), "log of a product"),
            Step(log(root_mean) + E(tilted, log(sqrt(weight))), "Jensen", relation=">="),
            Step(log(root_mean) + E(tilted, log(root_mean * tilted / q)), "half-way law"),
            Step(
                2 * log(root_mean) + KL(tilted, q),
                ("log of a product", "linearity", "normalisation", "definition of KL"),
            ),
            Step(2 * log(root_mean), "Gibbs", relation=">="),
        ),
        wrong=(
            Wrong(2 * log(root_mean), "The bound is taken for exact."),
            Wrong(2 * log(root_mean), "The bound is turned around.", relation="<="),
            Wrong(log(root_mean), "The root is not undone."),
        ),
        instances=(linear,),
        sources=(S3("lines 90-116"), LI_TURNER_2016("monotonicity of the bound in its order")),
        implements=("elbo.bounds.renyi",),
        depends_on=("renyi-half",),
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
        sources=(S3("lines 90-116"), MASRANI_2019("the thermodynamic integration identity")),
        silent=("moments",),
        depends_on=("eubo",),
    ),
)
