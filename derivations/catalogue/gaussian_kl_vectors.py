"""The divergence between Gaussians in several dimensions, in closed form: diagonal and full covariance."""

from fractions import Fraction

from derivations.catalogue._sources import COVER_THOMAS, KINGMA_WELLING_2014, S2
from derivations.language import (
    KL,
    PI,
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
from derivations.language.matrices import (
    Coordinates,
    Diagonal,
    Dimension,
    Identity,
    Inverse,
    LogDet,
    Lower,
    Named,
    Quadratic,
    Trace,
    Vector,
    Zero,
)

half = Fraction(1, 2)
z = Variable("z")
q, p = Density("q", z), Density("p", z)


def _diagonal() -> Derivation:
    mean, spread = Vector(Parameter("m")), Diagonal(Parameter("s", r"\operatorname{diag}(\sigma)"))
    x = Vector(z)
    covariance = Named("S", spread @ spread, r"\operatorname{diag}(\sigma^{2})")
    d = Dimension()
    log_q = -half * d * log(2 * PI) - half * LogDet(covariance) - half * Quadratic(x - mean, Inverse(covariance))
    log_p = -half * d * log(2 * PI) - half * Quadratic(x)

    def total(function: object, text: str, latex: str) -> Coordinates:
        return Coordinates((mean, spread), function, text, latex)  # type: ignore[arg-type]

    second = total(
        lambda log, m, s: m * m + s * s, "sum_j (m_j^2 + s_j^2)", r"\sum_{j} \left(m_{j}^{2} + \sigma_{j}^{2}\right)"
    )
    closed = total(
        lambda log, m, s: m * m + s * s - 1 - 2 * log(s),
        "sum_j (m_j^2 + s_j^2 - 1 - log s_j^2)",
        r"\sum_{j} \left(m_{j}^{2} + \sigma_{j}^{2} - 1 - \log \sigma_{j}^{2}\right)",
    )
    squared_log = total(
        lambda log, m, s: (
            m * m + s * s - 1 - log(s) ** 2 if isinstance(m, float) else m * m + s * s - 1 - log(s) * log(s)
        ),
        "sum_j (m_j^2 + s_j^2 - 1 - (log s_j)^2)",
        r"\sum_{j} \left(m_{j}^{2} + \sigma_{j}^{2} - 1 - (\log \sigma_{j})^{2}\right)",
    )
    log_std = total(
        lambda log, m, s: m * m + s * s - 1 - log(s),
        "sum_j (m_j^2 + s_j^2 - 1 - log s_j)",
        r"\sum_{j} \left(m_{j}^{2} + \sigma_{j}^{2} - 1 - \log \sigma_{j}\right)",
    )
    std = total(
        lambda log, m, s: m * m + s - 1 - 2 * log(s),
        "sum_j (m_j^2 + s_j - 1 - log s_j^2)",
        r"\sum_{j} \left(m_{j}^{2} + \sigma_{j} - 1 - \log \sigma_{j}^{2}\right)",
    )
    return Derivation(
        title="KL divergence from a diagonal Gaussian to N(0, I)",
        slug="gaussian-kl-diagonal",
        statement=r"For $q = N(m, \operatorname{diag}(\sigma^{2}))$ and $p = N(0, I)$ the divergence is"
        r" $\tfrac{1}{2} \sum_{j} (m_{j}^{2} + \sigma_{j}^{2} - 1 - \log \sigma_{j}^{2})$.",
        model=Model(
            primitives=(q, p),
            definitions=(
                Definition("density of q", log(q), log_q, of_instances=True),
                Definition("density of p", log(p), log_p, of_instances=True),
                Definition("expected square", E(q, Quadratic(x)), second, of_instances=True),
                Definition(
                    "expected Mahalanobis distance",
                    E(q, Quadratic(x - mean, Inverse(covariance))),
                    d,
                    of_instances=True,
                ),
                Definition("sum over coordinates", closed, second - d - LogDet(covariance)),
            ),
        ),
        start=KL(q, p),
        steps=(
            Step(E(q, log(q) - log(p)), ("definition of KL", "log of a product")),
            Step(
                E(
                    q,
                    -half * LogDet(covariance) - half * Quadratic(x - mean, Inverse(covariance)) + half * Quadratic(x),
                ),
                ("density of q", "density of p"),
            ),
            Step(
                -half * LogDet(covariance)
                - half * E(q, Quadratic(x - mean, Inverse(covariance)))
                + half * E(q, Quadratic(x)),
                ("linearity", "normalisation"),
            ),
            Step(
                -half * LogDet(covariance) - half * d + half * second,
                ("expected square", "expected Mahalanobis distance"),
            ),
            Step(half * closed, "sum over coordinates"),
        ),
        wrong=(
            Wrong(half * squared_log, "log(σ)² is read as the square of the logarithm; a public code base shipped it."),
            Wrong(half * log_std, "A standard deviation is passed where a variance is expected."),
            Wrong(half * std, "The exponential of the log standard deviation is not squared."),
            Wrong(closed, "The half is lost."),
            Wrong(-half * closed, "The sign of the ELBO term is taken for that of the divergence."),
        ),
        instances=tuple(
            Instance(f"dimension {n}", laws={q: Normal(mean, spread), p: Normal(Zero(), Identity())}, dimension=n)
            for n in (1, 2, 3)
        ),
        sources=(S2("lines 92-101"), KINGMA_WELLING_2014("appendix B")),
        implements=("elbo.kl",),
        depends_on=("gaussian-kl",),
    )


def _full() -> tuple[Derivation, ...]:
    m, n = Vector(Parameter("m")), Vector(Parameter("n"))
    low, other = Lower(Parameter("L")), Lower(Parameter("M"))
    x, d = Vector(z), Dimension()
    sigma, lam = Named("S", low @ low.T, r"\Sigma"), Named("T", other @ other.T, r"\Lambda")
    log_q = -half * d * log(2 * PI) - half * LogDet(sigma) - half * Quadratic(x - m, Inverse(sigma))
    log_p = -half * d * log(2 * PI) - half * LogDet(lam) - half * Quadratic(x - n, Inverse(lam))
    closed = half * (LogDet(lam) - LogDet(sigma) + Trace(Inverse(lam) @ sigma) + Quadratic(m - n, Inverse(lam)) - d)
    diagonal_only = Coordinates(
        (m, low),
        lambda log, mean, s: mean * mean + s * s - 1 - 2 * log(s),
        "sum_j (m_j^2 + L_jj^2 - 1 - log L_jj^2)",
        r"\sum_{j} \left(m_{j}^{2} + L_{jj}^{2} - 1 - \log L_{jj}^{2}\right)",
    )
    pair = Derivation(
        title="KL divergence between two Gaussians with full covariance",
        slug="gaussian-kl-full",
        statement=r"For $q = N(m, \Sigma)$ and $p = N(n, \Lambda)$ the divergence is $\tfrac{1}{2}"
        r" (\operatorname{tr}(\Lambda^{-1} \Sigma) +"
        r" (m - n)^{\top} \Lambda^{-1} (m - n) - d + \log\det \Lambda - \log\det \Sigma)$.",
        model=Model(
            primitives=(q, p),
            definitions=(
                Definition("density of q", log(q), log_q, of_instances=True),
                Definition("density of p", log(p), log_p, of_instances=True),
                Definition(
                    "expected Mahalanobis distance", E(q, Quadratic(x - m, Inverse(sigma))), d, of_instances=True
                ),
                Definition(
                    "expected quadratic form",
                    E(q, Quadratic(x - n, Inverse(lam))),
                    Trace(Inverse(lam) @ sigma) + Quadratic(m - n, Inverse(lam)),
                    of_instances=True,
                ),
            ),
        ),
        start=KL(q, p),
        steps=(
            Step(E(q, log(q) - log(p)), ("definition of KL", "log of a product")),
            Step(
                E(
                    q,
                    half * LogDet(lam)
                    - half * LogDet(sigma)
                    - half * Quadratic(x - m, Inverse(sigma))
                    + half * Quadratic(x - n, Inverse(lam)),
                ),
                ("density of q", "density of p"),
            ),
            Step(
                half * LogDet(lam)
                - half * LogDet(sigma)
                - half * E(q, Quadratic(x - m, Inverse(sigma)))
                + half * E(q, Quadratic(x - n, Inverse(lam))),
                ("linearity", "normalisation"),
            ),
            Step(closed, ("expected Mahalanobis distance", "expected quadratic form")),
        ),
        wrong=(
            Wrong(
                half * (LogDet(sigma) - LogDet(lam) + Trace(Inverse(lam) @ sigma) + Quadratic(m - n, Inverse(lam)) - d),
                "The ratio of the determinants is upside down.",
            ),
            Wrong(
                half * (LogDet(lam) - LogDet(sigma) + Trace(Inverse(sigma) @ lam) + Quadratic(m - n, Inverse(lam)) - d),
                "The trace is that of the inverse: Σ⁻¹Λ instead of Λ⁻¹Σ.",
            ),
            Wrong(
                half * (LogDet(other) - LogDet(low) + Trace(Inverse(lam) @ sigma) + Quadratic(m - n, Inverse(lam)) - d),
                "The determinants of the Cholesky factors are used without doubling their logarithms.",
            ),
            Wrong(
                half
                * (LogDet(lam) - LogDet(sigma) + Trace(Inverse(lam) @ sigma) + Quadratic(m - n, Inverse(sigma)) - d),
                "The means are measured in the covariance of q.",
            ),
        ),
        instances=tuple(
            Instance(f"dimension {k}", laws={q: Normal(m, low), p: Normal(n, other)}, dimension=k) for k in (1, 2, 3)
        ),
        sources=(
            COVER_THOMAS("theorem 8.4.1 (the entropy of a Gaussian vector)"),
            KINGMA_WELLING_2014("appendix B (diagonal)"),
        ),
        implements=("elbo.kl",),
        depends_on=("gaussian-kl",),
    )
    standard_log_p = -half * d * log(2 * PI) - half * Quadratic(x)
    standard = Derivation(
        title="KL divergence from a Gaussian with full covariance to N(0, I)",
        slug="gaussian-kl-standard",
        statement=r"For $q = N(m, \Sigma)$ and $p = N(0, I)$ the divergence is $\tfrac{1}{2} (\operatorname{tr}"
        r" \Sigma + \|m\|^{2} - d -"
        r" \log\det \Sigma)$; the sum over the diagonal alone is right only for a diagonal $\Sigma$.",
        model=Model(
            primitives=(q, p),
            definitions=(
                Definition("density of q", log(q), log_q, of_instances=True),
                Definition("density of p", log(p), standard_log_p, of_instances=True),
                Definition(
                    "expected Mahalanobis distance", E(q, Quadratic(x - m, Inverse(sigma))), d, of_instances=True
                ),
                Definition("expected square", E(q, Quadratic(x)), Trace(sigma) + Quadratic(m), of_instances=True),
            ),
        ),
        start=KL(q, p),
        steps=(
            Step(E(q, log(q) - log(p)), ("definition of KL", "log of a product")),
            Step(
                E(q, -half * LogDet(sigma) - half * Quadratic(x - m, Inverse(sigma)) + half * Quadratic(x)),
                ("density of q", "density of p"),
            ),
            Step(
                -half * LogDet(sigma) - half * E(q, Quadratic(x - m, Inverse(sigma))) + half * E(q, Quadratic(x)),
                ("linearity", "normalisation"),
            ),
            Step(
                half * (Trace(sigma) + Quadratic(m) - d - LogDet(sigma)),
                ("expected Mahalanobis distance", "expected square"),
            ),
        ),
        wrong=(
            Wrong(
                half * (Trace(sigma) + Quadratic(m) - d - LogDet(low)),
                "The logarithm of det L is taken for that of det Σ = (det L)².",
            ),
            Wrong(
                half * diagonal_only, "The formula for a diagonal covariance is applied to the diagonal of the factor."
            ),
            Wrong(
                half * (Trace(low) + Quadratic(m) - d - LogDet(sigma)),
                "The trace of the factor is taken for that of Σ.",
            ),
        ),
        instances=tuple(
            Instance(f"dimension {k}", laws={q: Normal(m, low), p: Normal(Zero(), Identity())}, dimension=k)
            for k in (1, 2, 3)
        ),
        sources=(S2("lines 96-100"), KINGMA_WELLING_2014("appendix B (diagonal)")),
        implements=("elbo.kl",),
        depends_on=("gaussian-kl-full",),
    )
    return pair, standard


DERIVATIONS = (_diagonal(), *_full())
