"""Linear models: the subspace of principal components, and when a code of the linear autoencoder collapses."""

from fractions import Fraction

from derivations.catalogue._sources import S4
from derivations.catalogue._sources_variants import BALDI_HORNIK_1989, LUCAS_2019, TIPPING_BISHOP_1999
from derivations.language import (
    PI,
    Definition,
    Density,
    Derivation,
    Derivative,
    E,
    Instance,
    Model,
    Normal,
    Parameter,
    Step,
    Variable,
    Wrong,
    log,
    sqrt,
)

half = Fraction(1, 2)
x, y = Variable("x"), Variable("y")
tilt = Parameter("t")
major, minor = (
    Parameter("lambda1", latex=r"\lambda_{1}", positive=True),
    Parameter("lambda2", latex=r"\lambda_{2}", positive=True),
)
along, across, data = Density("q", x), Density("r", y), Density("s", (x, y), latex="q")

# the direction (c, s) of the code, on the circle by its rational parametrisation
c, s = (1 - tilt**2) / (1 + tilt**2), 2 * tilt / (1 + tilt**2)
code = c * x + s * y
error = (x - c * code) ** 2 + (y - s * code) ** 2
plane = Model(
    primitives=(along, across),
    definitions=(
        Definition("uncorrelated axes", data, along * across),
        Definition("mean along", E(along, x), 0 * major, of_instances=True),
        Definition("variance along", E(along, x**2), major, of_instances=True),
        Definition("variance across", E(across, y**2), minor, of_instances=True),
    ),
)
ellipse = Instance(
    "centred normal data",
    laws={along: Normal(0, sqrt(major)), across: Normal(0, sqrt(minor))},
    parameters={tilt: 0.3, major: 2.0, minor: 0.5},
)

w, variance, noise = Parameter("w"), Parameter("lambda", latex=r"\lambda", positive=True), Parameter("v", positive=True)
fit = -half * log(2 * PI) - half * log(w**2 + noise) - variance / (2 * (w**2 + noise))
numbers = Instance("numbers", laws={}, parameters={w: 0.8, variance: 2.0, noise: 0.5})

DERIVATIONS = (
    Derivation(
        title="A linear autoencoder finds the principal subspace",
        slug="principal-subspace",
        statement=(
            r"Data with uncorrelated axes of variances $\lambda_{1}, \lambda_{2}$, coded by the direction $(c, s)$ "
            r"of the unit circle: the expected squared error is $\lambda_{2} + (\lambda_{1} - \lambda_{2})\, "
            "s^{2}$. It is smallest along the major axis and does not depend on how the code itself is scaled."
        ),
        model=plane,
        start=E(data, error),
        steps=(
            Step(
                E(data, s**2 * x**2 - 2 * c * s * x * y + c**2 * y**2),
                "linearity",
                note="What is lost is the coordinate at right angles to the code.",
            ),
            Step(
                s**2 * E(along, x**2) - 2 * c * s * E(along, x) * E(across, y) + c**2 * E(across, y**2),
                ("linearity", "uncorrelated axes", "independence"),
            ),
            Step(
                minor + (major - minor) * s**2,
                ("variance along", "variance across", "mean along"),
            ),
        ),
        wrong=(
            Wrong(major + (minor - major) * s**2, "The variance kept is taken for the variance lost."),
            Wrong(minor + (major - minor) * s, "The sine is not squared."),
            Wrong(minor, "Any direction is thought to give the error of the best."),
        ),
        instances=(ellipse,),
        sources=(S4("line 20"), BALDI_HORNIK_1989("the landscape of the linear autoencoder")),
        silent=("moments",),
    ),
    Derivation(
        title="Stationary points of the linear autoencoder",
        slug="linear-collapse",
        statement=(
            r"One code with slope $w$ and noise variance $v$ on data of variance $\lambda$: the slope of the "
            r"expected log evidence is $w(\lambda - v - w^{2})/(w^{2} + v)^{2}$. If $\lambda > v$ the optimum is "
            r"$w^{2} = \lambda - v$ and $w = 0$ a saddle or minimum; if $\lambda \leq v$ only $w = 0$ is left: the "
            "code collapses."
        ),
        model=Model(),
        start=Derivative(fit, w),
        steps=(
            Step(
                w * (variance - noise - w**2) / (w**2 + noise) ** 2,
                "derivative",
                note=r"That is $-w/(w^{2} + v) + \lambda w/(w^{2} + v)^{2}$.",
            ),
        ),
        wrong=(
            Wrong(
                w * (variance - w**2) / (w**2 + noise) ** 2,
                "The threshold is thought to be at zero, whatever the noise.",
            ),
            Wrong(w * (noise - variance + w**2) / (w**2 + noise) ** 2, "The sign of a loss."),
            Wrong(
                (variance - noise - w**2) / (w**2 + noise) ** 2,
                "The stationary point at zero is divided out, and so lost.",
            ),
        ),
        instances=(numbers,),
        sources=(
            S4("line 20"),
            TIPPING_BISHOP_1999("the maximum-likelihood solution"),
            LUCAS_2019("the stationary points of the linear VAE"),
        ),
        depends_on=("linear-decoder-evidence",),
    ),
)
