"""The objective as it is computed: reparameterised draws, several of them, squared error with a weight."""

from fractions import Fraction

from derivations.catalogue._sources import KINGMA_WELLING_2014, S2
from derivations.catalogue._sources_variants import RYBKIN_2021
from derivations.language import (
    KL,
    PI,
    At,
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
    log,
)
from derivations.language.matrices import Identity, Lower, Named, Quadratic, Trace, Vector, Zero

half = Fraction(1, 2)
z, x, e = Variable("z"), Variable("x"), Variable("e", latex=r"\varepsilon")
m, s = Parameter("m"), Parameter("s", positive=True)
q, noise = Density("q", z, parameters=(m, s)), Density("n", e, latex="n")
f = Function("f", z)

located = Model(primitives=(q, noise), reparameterisations={q: (noise, m + s * e)})
normal = Instance(
    "normal law",
    laws={q: Normal(m, s), noise: Normal(0, 1)},
    parameters={m: 0.4, s: 0.7},
    functions={"f": lambda z: z**3 - 2 * z + 1},
)

z1, z2 = Variable("z1", latex="z_{1}"), Variable("z2", latex="z_{2}")
plain = Density("q", z, given=x)
first, second = Density("q", z1, given=x), Density("q", z2, given=x)
both = Density("q2", (z1, z2), given=x, latex="q")
likelihood, prior = Density("p", x, given=z), Density("p", z)
sampled = Model(
    primitives=(plain, likelihood, prior),
    definitions=(Definition("independent draws", both, first * second),),
    copies={z1: z, z2: z},
)
draw_1, draw_2 = Density("p", x, given=z1), Density("p", x, given=z2)

lam = Parameter("lambda", latex=r"\lambda", positive=True)
mu = Function("mu", z, latex=r"\mu")
weighted = Model(
    primitives=(plain, prior, likelihood),
    definitions=(
        Definition(
            "Gaussian decoder",
            log(likelihood),
            -half * log(2 * PI) - half * log(lam) - (x - mu) ** 2 / (2 * lam),
            of_instances=True,
        ),
    ),
)
decoder = Instance(
    "quadratic decoder",
    laws={plain: Normal(half, Fraction(3, 5)), prior: Normal(0, 1), likelihood: Normal(mu, lam**half)},
    values={x: 0.9},
    parameters={lam: 0.3},
    functions={"mu": lambda z: z**2 - z},
)
elbo = E(plain, log(likelihood)) - KL(plain, prior)
constant = half * lam * (log(2 * PI) + log(lam))

# the vector case: z = m + A e for any root A of the covariance
centre, root, draw = Vector(Parameter("m")), Lower(Parameter("A")), Vector(e)
law, standard = Density("q", z), Density("n", e)
covariance = Named("Sigma", root @ root.T, r"\Sigma")
vectors = Model(
    primitives=(law, standard),
    definitions=(
        Definition(
            "reparameterised draw",
            E(law, Quadratic(Vector(z))),
            E(standard, Quadratic(centre + root @ draw)),
            of_instances=True,
        ),
        Definition(
            "moments of the noise",
            E(standard, Quadratic(centre + root @ draw)),
            Quadratic(centre) + Trace(covariance),
            of_instances=True,
        ),
    ),
)

DERIVATIONS = (
    Derivation(
        title="Reparameterisation of a law with location and scale",
        slug="reparameterised-gradient",
        statement=(
            r"If $z = m + s \varepsilon$ the derivative of $\mathbb{E}_{q} f$ by the location is $\mathbb{E}_{q} "
            "f'$: the parameter has moved from the law into the integrand."
        ),
        model=located,
        start=Derivative(E(q, f), m),
        steps=(
            Step(Derivative(E(noise, At(f, z, m + s * e)), m), "reparameterisation"),
            Step(
                E(noise, At(Derivative(f, z), z, m + s * e)),
                ("differentiation under the integral", "derivative"),
                note="The law of the noise does not depend on $m$.",
            ),
            Step(E(q, Derivative(f, z)), "reparameterisation"),
        ),
        wrong=(
            Wrong(s * E(q, Derivative(f, z)), "The inner derivative of the scale is used for that of the location."),
            Wrong(E(q, z * Derivative(f, z)), "The draw is differentiated as if it were m times noise."),
            Wrong(-E(q, Derivative(f, z)), "The sign of the score of a location (minus the slope of log q) is kept."),
        ),
        instances=(normal,),
        sources=(S2("line 131"), KINGMA_WELLING_2014("section 2.4")),
        implements=("elbo.gradients.Pathwise",),
    ),
    Derivation(
        title="The derivative by the scale",
        slug="reparameterised-scale",
        statement=r"If $z = m + s \varepsilon$ the derivative of $\mathbb{E}_{q} f$ by the scale is"
        r" $\mathbb{E}_{q}[f'(z) (z - m)/s]$.",
        model=located,
        start=Derivative(E(q, f), s),
        steps=(
            Step(Derivative(E(noise, At(f, z, m + s * e)), s), "reparameterisation"),
            Step(
                E(noise, At(Derivative(f, z), z, m + s * e) * e),
                ("differentiation under the integral", "derivative"),
            ),
            Step(E(q, Derivative(f, z) * (z - m) / s), "reparameterisation", note="The noise is $(z - m)/s$."),
        ),
        wrong=(
            Wrong(
                E(q, Derivative(f, z) * (z - m)), "The derivative is taken with the noise replaced by the deviation."
            ),
            Wrong(E(q, Derivative(f, z)), "The scale is treated as a location."),
            Wrong(E(q, Derivative(f, z) * z / s), "The location is not taken off the draw."),
        ),
        instances=(normal,),
        sources=(S2("lines 129-134"), KINGMA_WELLING_2014("section 2.4")),
        implements=("elbo.gradients.Pathwise",),
        depends_on=("reparameterised-gradient",),
    ),
    Derivation(
        title="Reparameterisation with a full covariance",
        slug="reparameterised-covariance",
        statement=(
            r"With $z = m + A \varepsilon$ and a triangular root $A A^{\top} = \Sigma$ the expected square of "
            r"$z$ is that of $N(m, \Sigma)$: the root enters through $\Sigma$ alone."
        ),
        model=vectors,
        start=E(law, Quadratic(Vector(z))),
        steps=(
            Step(E(standard, Quadratic(centre + root @ draw)), "reparameterised draw"),
            Step(Quadratic(centre) + Trace(covariance), "moments of the noise"),
        ),
        wrong=(
            Wrong(Quadratic(centre) + Trace(root), "The root is taken for the covariance."),
            Wrong(
                Quadratic(centre) + Trace(root @ root),
                "The root is squared without the transpose, which is right for a symmetric root only.",
            ),
            Wrong(Trace(covariance), "The mean is left out: these are the central moments."),
        ),
        instances=tuple(
            Instance(
                f"dimension {n}", laws={law: Normal(centre, root), standard: Normal(Zero(), Identity())}, dimension=n
            )
            for n in (1, 2, 3)
        ),
        sources=(S2("line 131"), KINGMA_WELLING_2014("section 2.4")),
        depends_on=("reparameterised-gradient",),
    ),
    Derivation(
        title="Several draws have the same expectation",
        slug="several-draws",
        statement=(
            "The mean of the log likelihood over two independent draws is unbiased for the reconstruction term; so "
            "it is, by the same steps, for any number."
        ),
        model=sampled,
        start=E(both, half * (log(draw_1) + log(draw_2))),
        steps=(
            Step(half * E(both, log(draw_1)) + half * E(both, log(draw_2)), "linearity"),
            Step(half * E(first, log(draw_1)) + half * E(second, log(draw_2)), ("independent draws", "independence")),
            Step(E(plain, log(likelihood)), "same law"),
        ),
        wrong=(
            Wrong(2 * E(plain, log(likelihood)), "The draws are added and not averaged."),
            Wrong(
                half * E(plain, log(likelihood)),
                "The average is taken twice, over draws and again over a batch of draws.",
            ),
            Wrong(
                E(plain, log(likelihood)),
                "The mean is taken inside the logarithm, which is another bound (that of importance weighting).",
                left=E(both, log(half * (draw_1 + draw_2))),
            ),
        ),
        instances=(
            Instance(
                "linear decoder",
                laws={plain: Normal(half, Fraction(3, 5)), likelihood: Normal(z + 1, half), prior: Normal(0, 1)},
                values={x: 0.9},
            ),
        ),
        sources=(S2("lines 113-116, 159-162"), KINGMA_WELLING_2014("eq. 7")),
        implements=("elbo.bounds.elbo_analytic_kl",),
    ),
    Derivation(
        title="Squared error plus a weighted divergence",
        slug="squared-error-objective",
        statement=(
            r"With a decoder $N(\mu(z), \lambda)$, $-\frac{1}{2} \mathbb{E}(x - \mu)^{2} - \lambda\, \mathrm{KL}$ "
            r"is $\lambda$ times the ELBO plus a term that depends on $\lambda$ alone: the same optimum at fixed "
            r"$\lambda$, no bound, and nothing to learn $\lambda$ from."
        ),
        model=weighted,
        start=-half * E(plain, (x - mu) ** 2) - lam * KL(plain, prior),
        steps=(
            Step(
                lam * E(plain, -((x - mu) ** 2) / (2 * lam)) - lam * KL(plain, prior),
                "linearity",
            ),
            Step(
                lam * E(plain, log(likelihood) + half * log(2 * PI) + half * log(lam)) - lam * KL(plain, prior),
                "Gaussian decoder",
            ),
            Step(lam * elbo + constant, ("linearity", "normalisation")),
        ),
        wrong=(
            Wrong(elbo, "The weighted objective is called the lower bound.", source="S2, line 165"),
            Wrong(
                lam * elbo,
                "The normalising constant of the decoder is dropped, and with it what lambda is learned from.",
            ),
            Wrong(
                lam * elbo + constant / lam,
                "The constant of the log density is carried over without the factor lambda.",
            ),
        ),
        instances=(decoder,),
        sources=(S2("lines 163-165"), RYBKIN_2021("the weight as the variance of the decoder")),
        implements=("elbo.bounds.elbo_analytic_kl",),
    ),
)
