"""The divergence between Gaussians in one dimension, in closed form; its pieces; its accurate form."""

from fractions import Fraction

from derivations.catalogue._sources import COVER_THOMAS, KINGMA_WELLING_2014, S2
from derivations.language import (
    KL,
    PI,
    CrossEntropy,
    Definition,
    Density,
    Derivation,
    E,
    Entropy,
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
z = Variable("z")
q, p = Density("q", z), Density("p", z)


def _one_dimension() -> tuple[Derivation, ...]:
    m, n = Parameter("m"), Parameter("n")
    s, t = Parameter("s", positive=True), Parameter("t", positive=True)
    log_q = -half * log(2 * PI) - log(s) - (z - m) ** 2 / (2 * s**2)
    log_p = -half * log(2 * PI) - log(t) - (z - n) ** 2 / (2 * t**2)
    model = Model(
        primitives=(q, p),
        definitions=(
            Definition("density of q", log(q), log_q, of_instances=True),
            Definition("density of p", log(p), log_p, of_instances=True),
            Definition("mean of q", E(q, z), m, of_instances=True),
            Definition("second moment of q", E(q, z**2), m**2 + s**2, of_instances=True),
        ),
    )
    instance = Instance(
        "two normal laws", laws={q: Normal(m, s), p: Normal(n, t)}, parameters={m: 0.5, s: 0.6, n: -0.2, t: 1.1}
    )
    textbook = log(t) - log(s) + (s**2 + (m - n) ** 2) / (2 * t**2) - half
    moments = ("linearity", "normalisation", "mean of q", "second moment of q")
    pair = Derivation(
        title="KL divergence between two normal laws",
        slug="gaussian-kl",
        statement=r"For $q = N(m, s^{2})$ and $p = N(n, t^{2})$ the divergence is $\log(t/s) + (s^{2} + (m -"
        r" n)^{2})/(2 t^{2}) - 1/2$.",
        model=model,
        start=KL(q, p),
        steps=(
            Step(E(q, log(q) - log(p)), ("definition of KL", "log of a product")),
            Step(
                E(q, log(t) - log(s) - (z - m) ** 2 / (2 * s**2) + (z - n) ** 2 / (2 * t**2)),
                ("density of q", "density of p"),
                note="The constants log 2π cancel.",
            ),
            Step(
                log(t) - log(s) - E(q, (z - m) ** 2) / (2 * s**2) + E(q, (z - n) ** 2) / (2 * t**2),
                ("linearity", "normalisation"),
            ),
            Step(textbook, moments, note="E(z − m)² = s² and E(z − n)² = s² + (m − n)²."),
        ),
        wrong=(
            Wrong(
                log(s) - log(t) + (t**2 + (m - n) ** 2) / (2 * s**2) - half,
                "The arguments are exchanged: this is KL[p ‖ q].",
            ),
            Wrong(
                log(t) - log(s) + (s**2 + (m - n) ** 2) / (2 * t**2), "The −1/2 is lost; then KL[q ‖ q] is not zero."
            ),
            Wrong(
                half * (log(t) - log(s)) + (s**2 + (m - n) ** 2) / (2 * t**2) - half,
                "The half of log(variance) is put before log(standard deviation).",
            ),
            Wrong(
                log(t) - log(s) + (s + (m - n) ** 2) / (2 * t) - half,
                "Standard deviations are put where variances belong.",
            ),
        ),
        instances=(instance,),
        sources=(KINGMA_WELLING_2014("appendix B"), COVER_THOMAS("theorem 8.6.5 (the Gaussian integrals)")),
        implements=("elbo.kl",),
    )
    entropy = Derivation(
        title="Entropy of a normal law",
        slug="gaussian-entropy",
        statement=r"The differential entropy of $N(m, s^{2})$ is $\tfrac{1}{2} \log(2 \pi) + \log s + \tfrac{1}{2}$"
        r" nats; it is"
        r" negative for small $s$.",
        model=model.only("density of q", "mean of q", "second moment of q"),
        start=Entropy(q),
        steps=(
            Step(-E(q, log(q)), "definition of entropy"),
            Step(-E(q, log_q), "density of q"),
            Step(
                half * log(2 * PI) + log(s) + E(q, (z - m) ** 2) / (2 * s**2),
                ("linearity", "normalisation"),
            ),
            Step(half * log(2 * PI) + log(s) + half, moments),
        ),
        wrong=(
            Wrong(half * log(2 * PI) + half * log(s) + half, "log σ² is written as log σ."),
            Wrong(half * log(2 * PI) + log(s), "The expected quadratic term, 1/2, is forgotten."),
            Wrong(-half * log(2 * PI) - log(s) - half, "The sign of E log q instead of that of −E log q."),
        ),
        instances=(instance,),
        sources=(S2("lines 98-100, second bracket"), COVER_THOMAS("example 8.1.2")),
        implements=("elbo.kl",),
    )
    cross = Derivation(
        title="Cross-entropy of two normal laws",
        slug="gaussian-cross-entropy",
        statement=r"$-\mathbb{E}_{q} \log p$ for $q = N(m, s^{2})$ and $p = N(n, t^{2})$.",
        model=model.only("density of p", "mean of q", "second moment of q"),
        start=CrossEntropy(q, p),
        steps=(
            Step(-E(q, log(p)), "definition of entropy"),
            Step(-E(q, log_p), "density of p"),
            Step(
                half * log(2 * PI) + log(t) + E(q, (z - n) ** 2) / (2 * t**2),
                ("linearity", "normalisation"),
            ),
            Step(half * log(2 * PI) + log(t) + (s**2 + (m - n) ** 2) / (2 * t**2), moments),
        ),
        wrong=(
            Wrong(
                half * log(2 * PI) + log(t) + (m - n) ** 2 / (2 * t**2),
                "p is evaluated at the mean of q: the spread of q is lost.",
            ),
            Wrong(half * log(2 * PI) + log(s) + half, "The entropy is taken for the cross-entropy."),
        ),
        instances=(instance,),
        sources=(S2("lines 98-100, first bracket"), KINGMA_WELLING_2014("appendix B")),
        implements=("elbo.kl",),
    )
    return pair, entropy, cross


def _accurate() -> Derivation:
    m, n = Parameter("m"), Parameter("n")
    k, l = Parameter("k", r"\kappa"), Parameter("l", r"\lambda")  # noqa: E741
    phi = Function("phi", k - l, latex=r"\Phi")
    return Derivation(
        title="The form of the Gaussian divergence that keeps its digits",
        slug="gaussian-kl-accurate",
        statement=r"With log variances $\kappa$ of $q$ and $\lambda$ of $p$ and $\Phi(t) = e^{t} - 1 - t$, the"
        r" textbook form equals"
        r" $\tfrac{1}{2} \left(\Phi(\kappa - \lambda) + (m - n)^{2} e^{-\lambda}\right)$, a sum of terms that are"
        r" not negative: nothing"
        r" cancels near equality.",
        model=Model(definitions=(Definition("definition of Φ", phi, exp(k - l) - 1 - (k - l)),)),
        start=half * (l - k + (exp(k) + (m - n) ** 2) / exp(l) - 1),
        steps=(
            Step(
                half * (exp(k - l) - 1 - (k - l) + (m - n) ** 2 * exp(-l)),
                "log of a product",
                note="exp(κ)/exp(λ) = exp(κ − λ).",
            ),
            Step(half * (phi + (m - n) ** 2 * exp(-l)), "definition of Φ"),
        ),
        wrong=(
            Wrong(
                half * (phi + (m - n) ** 2 * exp(-k)), "The means are measured in the spread of q instead of that of p."
            ),
            Wrong(half * (phi + (m - n) ** 2), "The variance of p is taken to be one."),
            Wrong(phi + (m - n) ** 2 * exp(-l), "The half is lost."),
        ),
        instances=(
            Instance(
                "numbers",
                laws={},
                parameters={m: 0.5, n: -0.2, k: -1.1, l: 0.3},
                functions={"phi": lambda t: exp(t) - 1 - t},
            ),
        ),
        sources=(KINGMA_WELLING_2014("appendix B (the textbook form)"),),
        implements=("elbo.kl",),
        depends_on=("gaussian-kl",),
    )


DERIVATIONS = (*_one_dimension(), _accurate())
