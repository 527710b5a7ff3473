"""Errata on Gaussian models: tractability, covariances, principal components."""

# ruff: noqa: D103 - what a counterexample refutes is said by its title

import math

import numpy as np

from derivations.errata._entry import Comparison, Evaluation, Kind, evaluation, refuted
from derivations.errata._numbers import integral, kl_to_standard_normal, log_normal, normal_nodes, on_grid


@refuted(
    "E16",
    ("S2", 29),
    kind=Kind.ERROR,
    title="the evidence is intractable because z has many dimensions",
    said=r"$\int p(z)\,p(x\mid z)\,dz$ cannot be computed because $z$ is high-dimensional.",
    correct=(
        "Dimension is not the reason; the lack of a conjugate or linear form is. A linear-Gaussian model with a "
        "thousand codes has an exact evidence; one code with a squared mean has no closed one."
    ),
    source="Tipping and Bishop, Probabilistic principal component analysis (1999)",
)
def intractable_because_of_dimension() -> Evaluation:
    count = 1000
    loadings = np.cos(np.arange(1, count + 1)) / math.sqrt(count)
    noise, x = 0.5, 1.2
    closed = float(log_normal(x, 0.0, float(loadings @ loadings) + noise**2))

    # an independent route: the characteristic function of the sum of a thousand codes, factor by factor, inverted
    def inverse(t: float) -> float:
        factors = np.exp(-0.5 * (loadings * t) ** 2)
        return float(math.cos(t * x) * np.prod(factors) * math.exp(-0.5 * (noise * t) ** 2)) / math.pi

    density, error = integral(inverse, 0.0, 25.0)
    # one code, p(x|z) = N(z^2, 1/4): the posterior is far from the Gaussian that a conjugate model would have
    z, weights, _ = on_grid(lambda z: log_normal(z, 0.0, 1.0) + log_normal(3.0, z**2, 0.25), 6.0)
    second = float(weights @ z**2)
    return evaluation(
        Comparison(
            "error of the closed evidence with 1000 codes, said to be out of reach",
            abs(math.log(density) - closed),
            ">=",
            1e-6,
            1e-9,
        ),
        Comparison(
            "evidence with 1000 codes, closed form against Fourier inversion",
            math.log(density),
            "=",
            closed,
            error / density + 1e-12,
        ),
        Comparison(
            "excess kurtosis of the posterior of one code with a squared mean, not 0",
            float(weights @ z**4) / second**2 - 3,
            "<=",
            -1.9,
        ),
    )


@refuted(
    "E17",
    ("S2", 17),
    kind=Kind.CONDITION,
    title="an infinite mixture of Gaussians contains the finite ones",
    said=(
        "A mixture of $K$ Gaussians is a special case of the infinite mixture of the autoencoder, which generalises it."
    ),
    correct=(
        r"The mixing law is continuous, that is all. What $p(x)$ can be depends on $\mu(z)$ and $\Sigma(z)$: with a "
        "linear mean and a constant covariance $p(x)$ is one Gaussian, less than a mixture of two."
    ),
)
def infinite_mixture_contains_the_finite() -> Evaluation:
    # moments of x = mean + noise, the mean drawn from the mixing law
    two = (4.0 + 1.0, 16.0 + 6 * 4.0 + 3.0)
    points, weights = normal_nodes()
    slope, noise = 2.0, 1.0
    second = float(weights @ (slope * points) ** 2) + noise
    fourth = float(weights @ ((slope * points) ** 4 + 6 * (slope * points) ** 2 * noise + 3 * noise**2))
    return evaluation(
        Comparison(
            "excess kurtosis of the linear infinite mixture, said to reach that of two Gaussians",
            fourth / second**2 - 3,
            "=",
            two[1] / two[0] ** 2 - 3,
        ),
        Comparison(
            "excess kurtosis of the linear infinite mixture, against a Gaussian's", fourth / second**2 - 3, "=", 0.0
        ),
        Comparison(
            "excess kurtosis of the mixture at -2 and 2", two[1] / two[0] ** 2 - 3, "=", -2 * 2.0**4 / (1 + 2.0**2) ** 2
        ),
    )


@refuted(
    "E18",
    ("S2", 98),
    ("S2", 100),
    kind=Kind.ERROR,
    title="the KL of N(mu, Sigma) is a sum over the coordinates' variances, with (log sigma)^2",
    said=(
        r"For $q=N(\mu,\Sigma)$, $-\mathrm{KL}[q\,\|\,N(0,I)] = "
        r"\frac12\sum_j(1+\log(\sigma_j)^2-\mu_j^2-\sigma_j^2)$."
    ),
    correct=(
        r"For a diagonal $\Sigma$ only, and with $\log\sigma_j^2$, not $(\log\sigma_j)^2$. In general the KL is "
        r"larger by $\frac12(\sum_j\log\Sigma_{jj}-\log\det\Sigma)\ge0$."
    ),
    source="Kingma and Welling, Auto-Encoding Variational Bayes (arXiv:1312.6114), appendix B",
)
def kl_is_a_sum_over_coordinates() -> Evaluation:
    covariance = np.array([[1.0, 0.8], [0.8, 1.0]])
    factor = np.linalg.cholesky(covariance)
    points, weights = normal_nodes(6)  # the log ratio is quadratic: exact
    noise = np.stack(np.meshgrid(points, points, indexing="ij"), -1).reshape(-1, 2)
    mass = np.outer(weights, weights).ravel()
    z = noise @ factor.T
    ratio = -np.log(np.diag(factor)).sum() - 0.5 * (noise**2).sum(1) + 0.5 * (z**2).sum(1)
    true = float(mass @ ratio)
    by_coordinates = sum(kl_to_standard_normal(0.0, v) for v in np.diag(covariance))
    sigma = 2.0
    misread = -0.5 * (1 + math.log(sigma) ** 2 - sigma**2)
    one = float(weights @ (-math.log(sigma) - 0.5 * points**2 + 0.5 * (sigma * points) ** 2))
    return evaluation(
        (
            Comparison(
                "KL of N(0, [[1, .8], [.8, 1]]) by quadrature, said to be the sum over coordinates",
                true,
                "=",
                by_coordinates,
            ),
            Comparison("KL of N(0, 4) by quadrature, said to have (log 2)^2", one, "=", misread),
            Comparison(
                "log sigma^2 at sigma = 2, against (log sigma)^2", math.log(sigma**2), "=", math.log(sigma) ** 2
            ),
        ),
        Comparison(
            "excess over the sum, against half (sum log Sigma_jj - log det Sigma)",
            true - by_coordinates,
            "=",
            -0.5 * math.log(np.linalg.det(covariance)),
        ),
        Comparison("KL of N(0, 4)", one, "=", kl_to_standard_normal(0.0, 4.0)),
    )


@refuted(
    "E19",
    ("S2", 131),
    kind=Kind.CONDITION,
    title="z = mu + Sigma^(1/2) eps, whatever the square root",
    said=r"$z=\mu+\Sigma^{1/2}\varepsilon$ has law $N(\mu,\Sigma)$.",
    correct=(
        r"For any matrix $A$ with $AA^\top=\Sigma$ (Cholesky factor, symmetric root: the same law), and for no "
        "other. The elementwise square root of a covariance that is not diagonal is not one."
    ),
)
def any_square_root() -> Evaluation:
    covariance = np.array([[1.0, 0.8], [0.8, 1.0]])
    values, vectors = np.linalg.eigh(covariance)
    symmetric = vectors @ np.diag(np.sqrt(values)) @ vectors.T
    cholesky = np.linalg.cholesky(covariance)
    elementwise = np.sqrt(covariance)
    law = elementwise @ elementwise.T
    return evaluation(
        (
            Comparison("variance of a coordinate through the elementwise root", float(law[0, 0]), "=", 1.0),
            Comparison("covariance through the elementwise root", float(law[0, 1]), "=", 0.8),
        ),
        Comparison(
            "worst entry through the Cholesky factor", float(abs(cholesky @ cholesky.T - covariance).max()), "=", 0.0
        ),
        Comparison(
            "worst entry through the symmetric root", float(abs(symmetric @ symmetric.T - covariance).max()), "=", 0.0
        ),
    )


@refuted(
    "E39",
    ("S4", 20),
    kind=Kind.ERROR,
    title="principal components are independent features",
    said="The features of principal component analysis are independent; those of a linear autoencoder need not be.",
    correct=(
        "They are **uncorrelated**; independent only if the data are Gaussian. (That a linear autoencoder's "
        "features can even be correlated is right.)"
    ),
)
def principal_components_are_independent() -> Evaluation:
    angles = 2 * np.pi * np.arange(64) / 64  # equally spaced points of an ellipse; their averages of cosines are exact
    data = np.stack([3 * np.cos(angles), np.sin(angles)], 1)
    scores = data @ np.linalg.eigh(data.T @ data / 64)[1]
    squares = np.corrcoef(scores.T**2)[0, 1]
    return evaluation(
        Comparison(
            "correlation of the squared scores of points on an ellipse, said to be independent",
            float(squares),
            "=",
            0.0,
        ),
        Comparison("correlation of the scores", float(np.corrcoef(scores.T)[0, 1]), "=", 0.0),
        Comparison("correlation of the squared scores", float(squares), "=", -1.0),
    )


@refuted(
    "E40",
    ("S4", 20),
    kind=Kind.CONDITION,
    title="gradient descent on a linear autoencoder reaches principal component analysis",
    said=(
        "The encoder and decoder of principal component analysis are a solution that gradient descent attains, one "
        "of several."
    ),
    correct=(
        r"What the error determines is the top-$k$ **subspace**, for centred data and $\lambda_k>\lambda_{k+1}$; "
        "any invertible change of basis of the code has the same error, and nothing makes the codes uncorrelated."
    ),
    source="Bourlard and Kamp (1988); Baldi and Hornik, Neural networks and principal component analysis (1989)",
)
def linear_autoencoder_is_principal_components() -> Evaluation:
    spectrum = np.array([5.0, 3.0, 1.5, 0.8, 0.5, 0.3])
    basis = np.array([[1.0, 0.4, -0.3], [0.2, -1.1, 0.5], [0.0, 0.6, 0.9]])  # any invertible matrix
    decoder = np.eye(6)[:, :3] @ basis
    encoder = np.linalg.inv(basis) @ np.eye(6)[:3]
    covariance = np.diag(spectrum)
    left = np.eye(6) - decoder @ encoder
    error = float(np.trace(left @ covariance @ left.T))
    codes = encoder @ covariance @ encoder.T
    shift = np.zeros(6)
    shift[5] = 4.0  # data that are not centred: the mean takes a direction of its own
    moments = np.linalg.eigvalsh(covariance + np.outer(shift, shift))
    return evaluation(
        (
            Comparison(
                "covariance of two codes at a minimum, said to be that of principal components",
                float(codes[0, 1]),
                "=",
                0.0,
            ),
            Comparison(
                "error without centring, said to be the discarded variance",
                float(moments[:3].sum()),
                "=",
                float(spectrum[3:].sum()),
            ),
        ),
        Comparison(
            "error in an arbitrary basis of the subspace, against the discarded variance",
            error,
            "=",
            float(spectrum[3:].sum()),
        ),
    )
