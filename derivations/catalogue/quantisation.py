"""Quantised codes: the constant divergence, straight-through and stop-gradient; and dequantised data."""

from fractions import Fraction

from derivations.catalogue._sources import S3
from derivations.catalogue._sources_variants import HO_2019, HOOGEBOOM_2020, OORD_2017, THEIS_2016
from derivations.language import (
    KL,
    Definition,
    Density,
    Derivation,
    Derivative,
    E,
    Entropy,
    Instance,
    Law,
    Model,
    Normal,
    Number,
    Parameter,
    Step,
    StopGradient,
    Variable,
    Wrong,
    log,
)

half = Fraction(1, 2)
z = Variable("z")
code, uniform = Density("q", z), Density("p", z)
codebook = Model(
    primitives=(code,), definitions=(Definition("uniform prior over three codes", uniform, Number(Fraction(1, 3))),)
)

encoded, entry, target = Parameter("z_e"), Parameter("e"), Parameter("x")
beta = Parameter("beta", latex=r"\beta", positive=True)
passed = encoded + StopGradient(entry - encoded)
numbers = Instance("numbers", laws={}, parameters={encoded: 0.3, entry: 0.5, target: 2.0, beta: 0.25})
commitment = (StopGradient(encoded) - entry) ** 2 + beta * (encoded - StopGradient(entry)) ** 2

x, u = Variable("x"), Variable("u")
u1, u2 = Variable("u1", latex="u_{1}"), Variable("u2", latex="u_{2}")
noise, inside, cell = Density("q", u, given=x), Density("p", u, given=x), Density("p", x)
smooth = Density("p", (u, x))
q1, q2 = Density("q", u1, given=x), Density("q", u2, given=x)
smooth1, smooth2 = Density("p", (u1, x)), Density("p", (u2, x))
pair = Density("q2", (u1, u2), given=x, latex="q")
pixels = Model(
    primitives=(noise, inside, cell),
    definitions=(
        Definition("density in the cell", smooth, inside * cell),
        Definition("independent noise", pair, q1 * q2),
    ),
    copies={u1: u, u2: u},
)
pixel = Instance(
    "density that rises across the cell",
    laws={
        noise: Law(log(2 - u) - log(Number(Fraction(3, 2))), 0.0, 1.0),
        inside: Law(log(1 + 2 * u) - log(2), 0.0, 1.0),
        cell: Normal(0, 1),
    },
    values={x: 0.5},
)
spread = half * (smooth1 / q1 + smooth2 / q2)

DERIVATIONS = (
    Derivation(
        title="The divergence of a quantised code",
        slug="quantised-code",
        statement=(
            r"Against a uniform prior over $K$ codes (here three) the divergence is $\log K - \mathrm{H}[q]$; an "
            r"encoder that picks one code has no entropy, so that its divergence is the constant $\log K$ and "
            "trains nothing."
        ),
        model=codebook,
        start=KL(code, uniform),
        steps=(
            Step(E(code, log(code / uniform)), "definition of KL"),
            Step(E(code, log(code) + log(Number(Fraction(3)))), ("uniform prior over three codes", "log of a product")),
            Step(log(Number(Fraction(3))) - Entropy(code), ("linearity", "normalisation", "definition of entropy")),
        ),
        wrong=(
            Wrong(log(Number(Fraction(3))), "The encoder is taken to be one-hot where it is not."),
            Wrong(log(Number(Fraction(3))) + Entropy(code), "The sign of the entropy is lost."),
            Wrong(-Entropy(code), "The constant is dropped, and with it the value of the bound."),
        ),
        sources=(S3("lines 144-152"), OORD_2017("section 3.1")),
        implements=("elbo.bounds.quantised_kl",),
        sizes={z: 3},
    ),
    Derivation(
        title="The straight-through gradient",
        slug="straight-through",
        statement=(
            r"With $z_{q} = z_{e} + \mathrm{sg}[e - z_{e}]$ the value is that of the code $e$, and the gradient "
            "reaches the encoder as if nothing had been quantised."
        ),
        model=Model(),
        start=Derivative((target - passed) ** 2, encoded),
        steps=(Step(-2 * (target - entry), ("derivative", "stop-gradient")),),
        wrong=(
            Wrong(-2 * (target - encoded), "The gradient is taken at the encoder's output instead of at the code."),
            Wrong(Number(Fraction(0)), "Stop-gradient alone is taken for straight-through.", source="S3, line 148"),
            Wrong(2 * (target - entry), "The inner derivative of the error is lost."),
        ),
        instances=(numbers,),
        sources=(S3("line 148"), OORD_2017("section 3.2")),
        implements=("elbo.bounds.straight_through",),
    ),
    Derivation(
        title="The codebook term moves the codebook only",
        slug="codebook-gradient",
        statement=(
            r"In $(\mathrm{sg}[z_{e}] - e)^{2} + \beta\,(z_{e} - \mathrm{sg}[e])^{2}$ the first term moves the "
            "code, without the weight."
        ),
        model=Model(),
        start=Derivative(commitment, entry),
        steps=(Step(2 * (entry - encoded), ("derivative", "stop-gradient")),),
        wrong=(
            Wrong(
                2 * beta * (entry - encoded),
                "The weight is put on the codebook term, as in a code base that many copied.",
            ),
            Wrong(2 * (1 + beta) * (entry - encoded), "The stop-gradients are left out: both terms move the code."),
            Wrong(2 * (encoded - entry), "The code moves away from what it stands for."),
        ),
        instances=(numbers,),
        sources=(S3("line 148"), OORD_2017("eq. 3")),
        implements=("elbo.bounds.vq_loss",),
    ),
    Derivation(
        title="The commitment term moves the encoder only",
        slug="commitment-gradient",
        statement=r"In the same loss the second term moves the encoder, with the weight $\beta$.",
        model=Model(),
        start=Derivative(commitment, encoded),
        steps=(Step(2 * beta * (encoded - entry), ("derivative", "stop-gradient")),),
        wrong=(
            Wrong(2 * (encoded - entry), "The weight is taken for one on the other term."),
            Wrong(2 * (1 + beta) * (encoded - entry), "The stop-gradients are left out: both terms move the encoder."),
            Wrong(Number(Fraction(0)), "The encoder is thought to be reached by the reconstruction alone."),
        ),
        instances=(numbers,),
        sources=(S3("line 148"), OORD_2017("eq. 3")),
        implements=("elbo.bounds.vq_loss",),
        depends_on=("codebook-gradient",),
    ),
    Derivation(
        title="Dequantisation is a lower bound",
        slug="dequantisation",
        statement=(
            r"For discrete data $x$ with $p(x) = \int p(x, u)\,du$ over the cell and any noise $q(u \mid x)$ on it: "
            r"$\log p(x) \geq \mathbb{E}_{q}[\log p(x, u) - \log q(u \mid x)]$, with the gap $\mathrm{KL}[q \,\|\, "
            r"p(u \mid x)]$. Uniform noise has $\log q = 0$."
        ),
        model=pixels.only("density in the cell"),
        start=log(cell),
        steps=(
            Step(E(noise, log(cell)), ("linearity", "normalisation")),
            Step(
                E(noise, log(smooth / noise) + log(noise / inside)),
                ("density in the cell", "log of a product"),
                note="The density at $x + u$ is the mass of the cell times the density inside it.",
            ),
            Step(E(noise, log(smooth / noise)) + KL(noise, inside), ("linearity", "definition of KL")),
            Step(E(noise, log(smooth / noise)), "Gibbs", relation=">="),
        ),
        wrong=(
            Wrong(E(noise, log(smooth / noise)), "The bound is reported as the likelihood."),
            Wrong(
                E(noise, log(smooth)) + KL(noise, inside),
                "The noise's own density is left out although the noise is not uniform.",
            ),
            Wrong(E(noise, log(smooth / noise)) - KL(noise, inside), "The gap is subtracted."),
        ),
        instances=(pixel,),
        sources=(
            S3("lines 189-197"),
            THEIS_2016("uniform noise on discrete data"),
            HO_2019("variational dequantization"),
        ),
    ),
    Derivation(
        title="Dequantisation with several draws",
        slug="dequantisation-importance-weighted",
        statement=(
            "With two draws of the noise the log of the mean weight is still a lower bound in expectation; so it "
            "is, by the same steps, with any number."
        ),
        model=pixels,
        start=E(pair, log(spread)),
        steps=(
            Step(log(E(pair, spread)), "Jensen", relation="<="),
            Step(
                log(half * E(q1, smooth1 / q1) + half * E(q2, smooth2 / q2)),
                ("independent noise", "independence", "linearity"),
            ),
            Step(log(E(noise, smooth / noise)), "same law"),
            Step(
                log(cell * E(inside, Number(Fraction(1)))),
                ("density in the cell", "linearity", "change of measure"),
            ),
            Step(log(cell), "normalisation"),
        ),
        wrong=(
            Wrong(log(cell), "The bound is reported as the likelihood."),
            Wrong(log(cell), "The bound is turned around.", relation=">="),
            Wrong(E(noise, log(smooth / noise)), "Two draws are thought to give the bound of one."),
        ),
        instances=(pixel,),
        sources=(S3("lines 189-197"), HOOGEBOOM_2020("importance-weighted dequantization")),
        depends_on=("dequantisation",),
    ),
)
