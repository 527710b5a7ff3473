"""KL by quadrature: the truth, by mpmath or in closed form, lies within the stated bound, which says something."""

import math

import pytest
import torch
import torch.distributions as D
from bare_laws import Bare
from mpmath import mp, mpf

from elbo._errors import InputTypeError, InputValueError
from elbo.distributions import HypersphericalUniform, VonMisesFisher
from elbo.divergences import kl, kl_by_quadrature
from elbo.exact import IntegrationError

F64 = torch.float64
INF = math.inf


def t(*values):
    return [torch.tensor(value, dtype=F64) for value in values]


def named(value):
    return (
        type(value).__name__ if isinstance(value, D.Distribution) else str(value) if not isinstance(value, list) else ""
    )


def law(name, *parameters):
    return getattr(D, name)(*t(*parameters))


def student(df, loc, scale, x):
    z = (x - loc) / scale
    constant = mp.loggamma((df + 1) / 2) - mp.loggamma(df / 2) - mp.log(df * mp.pi) / 2 - mp.log(scale)
    return constant - (df + 1) / 2 * mp.log1p(z * z / df)


def fisher(a, b, x):
    constant = a / 2 * mp.log(a / b) - mp.log(mp.beta(a / 2, b / 2))
    return constant + (a / 2 - 1) * mp.log(x) - (a + b) / 2 * mp.log1p(a * x / b)


LOG_DENSITIES = {
    "Normal": lambda m, s, x: -mp.log(2 * mp.pi) / 2 - mp.log(s) - ((x - m) / s) ** 2 / 2,
    "HalfNormal": lambda s, x: mp.log(2 / mp.pi) / 2 - mp.log(s) - (x / s) ** 2 / 2,
    "Laplace": lambda m, b, x: -mp.log(2 * b) - abs(x - m) / b,
    "Cauchy": lambda m, s, x: -mp.log(mp.pi * s) - mp.log1p(((x - m) / s) ** 2),
    "HalfCauchy": lambda s, x: mp.log(2 / (mp.pi * s)) - mp.log1p((x / s) ** 2),
    "StudentT": student,
    "Gumbel": lambda m, b, x: -(x - m) / b - mp.exp(-(x - m) / b) - mp.log(b),
    "Exponential": lambda r, x: mp.log(r) - r * x,
    "Gamma": lambda a, b, x: a * mp.log(b) - mp.loggamma(a) + (a - 1) * mp.log(x) - b * x,
    "InverseGamma": lambda a, b, x: a * mp.log(b) - mp.loggamma(a) - (a + 1) * mp.log(x) - b / x,
    "LogNormal": lambda m, s, x: LOG_DENSITIES["Normal"](m, s, mp.log(x)) - mp.log(x),
    "Weibull": lambda s, k, x: mp.log(k / s) + (k - 1) * mp.log(x / s) - (x / s) ** k,
    "Pareto": lambda s, a, x: mp.log(a) + a * mp.log(s) - (a + 1) * mp.log(x),
    "FisherSnedecor": fisher,
    "Beta": lambda a, b, x: (a - 1) * mp.log(x) + (b - 1) * mp.log1p(-x) - mp.log(mp.beta(a, b)),
    "Kumaraswamy": lambda a, b, x: mp.log(a * b) + (a - 1) * mp.log(x) + (b - 1) * mp.log1p(-(x**a)),
    "Poisson": lambda r, k: k * mp.log(r) - r - mp.loggamma(k + 1),
    "Geometric": lambda p, k: mp.log(p) + k * mp.log1p(-p),
    "NegativeBinomial": lambda n, p, k: mp.log(mp.binomial(n + k - 1, k)) + n * mp.log1p(-p) + k * mp.log(p),
    "Binomial": lambda n, p, k: mp.log(mp.binomial(n, k)) + k * mp.log(p) + (n - k) * mp.log1p(-p),
}


def truth(q, a, p, b, points):
    """∫ q log q/p over the pieces between the points."""
    with mp.workdps(30):
        a, b = [mpf(x) for x in a], [mpf(x) for x in b]

        def integrand(x):
            log_q = LOG_DENSITIES[q](*a, x)
            return mp.exp(log_q) * (log_q - LOG_DENSITIES[p](*b, x))

        return mp.quad(integrand, points)


def on_half_line(q, a, p, b):
    """The same over the positive numbers, in log x."""
    with mp.workdps(30):
        a, b = [mpf(x) for x in a], [mpf(x) for x in b]

        def integrand(u):
            x = mp.exp(u)
            log_q = LOG_DENSITIES[q](*a, x)
            return mp.exp(log_q + u) * (log_q - LOG_DENSITIES[p](*b, x))

        return mp.quad(integrand, [-600, -100, -30, -10, -4, -1.5, 0, 1.5, 4, 10, 30, 100, 300])


def counted(q, a, p, b, count):
    with mp.workdps(40):
        a, b = [mpf(x) for x in a], [mpf(x) for x in b]
        rows = [(LOG_DENSITIES[q](*a, mpf(k)), LOG_DENSITIES[p](*b, mpf(k))) for k in range(count)]
        return mp.fsum(mp.exp(x) * (x - y) for x, y in rows)


LINE = [-mp.inf, -100, -10, -3, -1, 0, 0.5, 1, 2, 4, 10, 30, 100, mp.inf]
FROM_LEFT = [-6, *LINE[4:]]  # where a Gumbel law is e^(−400)
# laws without a closed form here, and how far the tails reach: with what the value is compared
UNREGISTERED = [
    ("Laplace", (0.0, 1.0), "Cauchy", (0.0, 1.0), LINE),
    ("Laplace", (0.0, 1.0), "Cauchy", (0.5, 2.0), LINE),
    ("Normal", (0.0, 1.0), "Cauchy", (1.0, 0.5), LINE),
    ("Normal", (0.0, 1.0), "StudentT", (1.0, 0.0, 1.0), LINE),
    ("Normal", (0.5, 1.0), "StudentT", (4.0, 0.0, 2.0), LINE),
    ("Cauchy", (0.0, 1.0), "StudentT", (3.0, 0.5, 2.0), LINE),
    ("StudentT", (3.0, 0.5, 2.0), "Cauchy", (0.0, 1.0), LINE),
    ("StudentT", (5.0, 0.0, 1.0), "StudentT", (3.0, 0.5, 2.0), LINE),
    ("StudentT", (3.0, 0.0, 1.0), "Laplace", (0.5, 1.0), LINE),
    ("StudentT", (4.0, 0.0, 1.0), "Normal", (0.5, 1.0), LINE),
    ("Gumbel", (0.0, 1.0), "Laplace", (0.0, 1.0), FROM_LEFT),
    ("Gumbel", (0.0, 1.0), "Cauchy", (0.0, 1.0), FROM_LEFT),
]
POSITIVE = [
    ("Gamma", (2.0, 1.0), "LogNormal", (0.0, 1.0)),
    ("Gamma", (0.2, 1.0), "Weibull", (1.0, 0.5)),
    ("Gamma", (0.2, 1.0), "LogNormal", (0.0, 2.0)),
    ("InverseGamma", (3.0, 1.0), "LogNormal", (0.0, 1.0)),
    ("LogNormal", (0.0, 0.7), "InverseGamma", (3.0, 1.0)),
    ("LogNormal", (0.0, 0.7), "Weibull", (1.0, 0.8)),
    ("HalfNormal", (1.0,), "HalfCauchy", (1.0,)),
    ("HalfCauchy", (1.0,), "FisherSnedecor", (2.0, 1.0)),
    ("FisherSnedecor", (5.0, 7.0), "LogNormal", (0.0, 1.0)),
    ("FisherSnedecor", (3.0, 2.0), "FisherSnedecor", (5.0, 3.0)),
    ("Weibull", (1.5, 0.4), "LogNormal", (0.0, 1.0)),
    ("Exponential", (2.0,), "HalfCauchy", (0.3,)),
]  # fmt: skip
COUNTS = [
    ("Poisson", (2.3,), "NegativeBinomial", (3.0, 0.4), 200),
    ("Poisson", (2.3,), "Geometric", (0.2,), 200),
    ("Poisson", (40.0,), "Geometric", (0.001,), 400),
    ("NegativeBinomial", (3.0, 0.4), "Poisson", (2.3,), 300),
    ("Geometric", (0.4,), "Poisson", (1.0,), 300),
    ("Geometric", (0.3,), "NegativeBinomial", (2.5, 0.6), 400),
    ("NegativeBinomial", (3.0, 0.4), "NegativeBinomial", (5.5, 0.3), 300),
    ("Binomial", (3.0, 0.3), "Binomial", (5.0, 0.6), 4),
    ("Binomial", (12.0, 0.3), "Poisson", (4.0,), 13),
    ("Binomial", (12.0, 0.3), "Geometric", (0.1,), 13),
]


def agrees(found, want, tightness=1e-8):
    want = float(want)
    assert abs(found.value - want) <= found.error_bound + 1e-15 * abs(want), (found, want)
    assert found.error_bound <= tightness * abs(want) + 1e-14, "a bound so wide says nothing"
    assert found.value >= 0


@pytest.mark.parametrize("q, a, p, b, points", UNREGISTERED, ids=named)
def test_laws_on_the_line(q, a, p, b, points):
    agrees(kl_by_quadrature(law(q, *a), law(p, *b)), truth(q, a, p, b, points))


@pytest.mark.parametrize("q, a, p, b", POSITIVE, ids=named)
def test_laws_on_the_half_line(q, a, p, b):
    agrees(kl_by_quadrature(law(q, *a), law(p, *b)), on_half_line(q, a, p, b))


@pytest.mark.parametrize("q, a, p, b, count", COUNTS, ids=named)
def test_laws_of_counts(q, a, p, b, count):
    agrees(kl_by_quadrature(law(q, *a), law(p, *b)), counted(q, a, p, b, count))


CLOSED = [
    ("Beta", (0.3, 0.4), "Beta", (0.5, 0.6)),
    ("Beta", (0.5, 3.0), "Beta", (1.5, 0.5)),
    ("Beta", (300.0, 500.0), "Beta", (310.0, 490.0)),
    ("Gamma", (0.2, 1.0), "Gamma", (0.3, 2.0)),
    ("Gamma", (0.02, 1.0), "Gamma", (0.03, 2.0)),
    ("Gamma", (1e4, 1e2), "Gamma", (1.1e4, 1e2)),
    ("Normal", (0.0, 1e-3), "Normal", (50.0, 1.0)),
    ("Normal", (0.0, 1.0), "Normal", (50.0, 1e-3)),
    ("Normal", (0.0, 1e-3), "Normal", (50.0, 1e-3)),
    ("Normal", (0.0, 1.0), "Normal", (1e-8, 1.0)),
    ("Normal", (1e6, 1e-2), "Normal", (1e6, 1e-2)),
    ("Cauchy", (0.0, 1.0), "Cauchy", (30.0, 1e-2)),
    ("Laplace", (0.0, 1e-2), "Laplace", (3.0, 1.0)),
    ("Pareto", (1.5, 4.0), "Exponential", (0.6,)),
    ("Pareto", (1.5, 1.2), "Exponential", (0.6,)),
    ("Pareto", (1.5, 0.3), "Pareto", (1.0, 0.4)),
    ("Uniform", (0.0, 0.5), "Beta", (0.5, 2.0)),
    ("Uniform", (0.0, 1.0 - 1e-12), "Uniform", (0.0, 1.0)),
    ("Beta", (0.3, 0.4), "Uniform", (-0.5, 1.5)),
    ("Weibull", (1.0, 0.3), "Weibull", (2.0, 0.35)),
    ("Poisson", (2.3,), "Poisson", (2.3 + 1e-7,)),
    ("Poisson", (3e4,), "Poisson", (3.1e4,)),
]


@pytest.mark.parametrize("q, a, p, b", CLOSED, ids=named)
def test_closed_forms_with_singular_edges_heavy_tails_and_narrow_peaks(q, a, p, b):
    laws = law(q, *a), law(p, *b)
    agrees(kl_by_quadrature(*laws), kl(*laws).item(), 1e-7)


INFINITE = [
    (law("StudentT", 2.0, 0.0, 1.0), law("Normal", 0.0, 1.0)),
    (law("StudentT", 1.5, 0.0, 1.0), law("Normal", 0.0, 1.0)),
    (law("StudentT", 0.3, 0.0, 1.0), law("Laplace", 0.0, 1.0)),
    (law("Cauchy", 0.0, 1.0), law("Normal", 3.0, 5.0)),
    (law("Cauchy", 0.0, 1.0), law("Laplace", 3.0, 5.0)),
    (law("HalfCauchy", 1.0), law("HalfNormal", 1.0)),
    (law("Pareto", 1.5, 1.0), law("Exponential", 0.6)),
    (law("Pareto", 1.5, 2.0), law("Normal", 0.0, 1.0)),
    (law("Laplace", 0.0, 1.0), law("Gumbel", 0.0, 1.0)),
    (law("Laplace", 0.0, 1.5), law("Gumbel", 0.0, 1.0)),
    (law("Normal", 0.0, 1.0), law("Exponential", 1.0)),
    (law("Normal", 20.0, 1.0), law("Exponential", 1.0)),  # whose mass below 0 is e^−204
    (law("Gamma", 60.0, 6e-4), law("Pareto", 0.8, 0.5)),
    (law("Uniform", 0.0, 1.0), law("Uniform", 0.0, 1.0 - 1e-12)),
    (law("Gamma", 0.2, 1.0), law("InverseGamma", 2.0, 1.0)),
    (D.Binomial(5, *t(0.3)), D.Binomial(3, *t(0.6))),
    (D.Categorical(*t([0.2, 0.3, 0.5])), D.Bernoulli(*t(0.3))),
    (D.Categorical(*t([0.2, 0.8])), D.Categorical(*t([1.0, 0.0]))),
    (D.Bernoulli(*t(0.3)), D.Bernoulli(*t(0.0))),
    (D.Poisson(*t(3.0)), D.Binomial(5, *t(0.5))),
    (D.Geometric(*t(0.3)), D.Geometric(*t(1.0))),
]


@pytest.mark.parametrize("q, p", INFINITE, ids=named)
def test_infinite_divergences_are_infinite_and_not_large(q, p):
    found = kl_by_quadrature(q, p)
    assert (found.value, found.error_bound) == (INF, 0.0)
    assert found.contains(INF)
    assert not found.contains(1e300)


@pytest.mark.parametrize("transform", [D.SigmoidTransform, D.TanhTransform])
@pytest.mark.parametrize("scales", [(1.0, 2.0), (8.0, 10.0), (10.0, 20.0), (20.0, 10.0)])
def test_a_density_that_falls_more_slowly_than_floats_can_follow_is_never_called_infinite(transform, scales):
    """The masses at ends where x has no digits left: of log-normal tails, whose ratios are those of no power."""
    bases = [law("Normal", shift, scale) for shift, scale in zip((0.0, 0.5), scales, strict=True)]
    laws = [D.TransformedDistribution(base, [transform()]) for base in bases]
    try:
        found = kl_by_quadrature(*laws)
    except (IntegrationError, InputValueError):
        assert max(scales) > 5.0
    else:
        assert found.contains(kl(*bases).item())


def test_the_moment_that_decides_is_found_on_either_side():
    """KL of a Student law to a normal one is finite from df > 2 on, and then −H + ½ log 2π + ½ df/(df − 2)."""
    for df in (2.001, 2.01, 2.1, 2.5):
        d = mpf(df)
        with mp.workdps(30):
            entropy = (d + 1) / 2 * (mp.digamma((d + 1) / 2) - mp.digamma(d / 2)) + mp.log(
                mp.sqrt(d) * mp.beta(d / 2, 0.5)
            )
            want = -entropy + mp.log(2 * mp.pi) / 2 + d / (d - 2) / 2
        found = kl_by_quadrature(law("StudentT", df, 0.0, 1.0), law("Normal", 0.0, 1.0))
        agrees(found, want, 1e-6)
    # e^(−|x|/b) against e^(−e^(−x)): finite for b < 1, and where floats end before that can be seen, refused
    for b in (0.5, 0.9, 0.97):
        want = -mp.log(2 * mpf(b)) - 1 + 1 / (1 - mpf(b) ** 2)
        found = kl_by_quadrature(law("Laplace", 0.0, b), law("Gumbel", 0.0, 1.0))
        assert abs(found.value - float(want)) <= found.error_bound
    with pytest.raises(IntegrationError, match="does not show whether it is finite"):
        kl_by_quadrature(law("Laplace", 0.0, 0.999), law("Gumbel", 0.0, 1.0))


def mixture(weights, components):
    return D.MixtureSameFamily(D.Categorical(*t(weights)), components)


def test_mixtures_and_transformed_laws_on_the_line():
    far = mixture([0.3, 0.7], D.Normal(*t([0.0, 1e4], [1e-3, 1.0])))
    wide = mixture([0.5, 0.5], D.Normal(*t([0.0, 1e4], [1e-3, 1.0])))
    agrees(kl_by_quadrature(far, wide), 0.3 * math.log(0.6) + 0.7 * math.log(1.4))
    steps = mixture([0.25, 0.75], D.Uniform(*t([0.0, 2.0], [1.0, 3.0])))
    agrees(kl_by_quadrature(steps, law("Uniform", -1.0, 4.0)), 0.25 * math.log(1.25) + 0.75 * math.log(3.75))
    assert kl_by_quadrature(law("Uniform", 0.0, 3.0), steps).value == INF
    squashed = D.TransformedDistribution(law("Normal", 0.3, 0.7), [D.SigmoidTransform()])
    with mp.workdps(30):  # log q/p of the logit-normal law against Beta(2, 3), in v = logit x

        def integrand(v):
            log_q = LOG_DENSITIES["Normal"](mpf(0.3), mpf(0.7), v)
            x = 1 / (1 + mp.exp(-v))
            return mp.exp(log_q) * (log_q - LOG_DENSITIES["Beta"](2, 3, x) - mp.log(x * (1 - x)))

        want = mp.quad(integrand, [-20, -3, 0, 1, 4, 20])
    agrees(kl_by_quadrature(squashed, law("Beta", 2.0, 3.0)), want)
    shifted = [D.TransformedDistribution(law("Normal", m, 0.5), [D.ExpTransform(), D.AffineTransform(1.0, 2.0)])
               for m in (0.0, 0.4)]  # fmt: skip
    agrees(kl_by_quadrature(*shifted), 0.32)  # whose support torch takes for the whole line
    angles = [law("VonMises", m, k) for m, k in ((0.5, 1.0), (-1.0, 2.0))]
    with mp.workdps(20):  # torch's Bessel functions have seven digits
        ratio = mp.besseli(1, 1) / mp.besseli(0, 1)
        want = mp.log(mp.besseli(0, 2) / mp.besseli(0, 1)) + ratio * (1 - 2 * mp.cos(1.5))
    agrees(kl_by_quadrature(*angles), want, 1e-5)


def test_single_precision_is_told_apart():
    """Of a law that is not torch's own, and so is asked in the dtype of its parameters."""
    narrow = [Bare(D.Normal(torch.tensor(m), torch.tensor(s))) for m, s in ((0.0, 1.0), (1.0, 2.0))]
    found = kl_by_quadrature(*narrow)
    assert found.contains(kl(*(law.law for law in narrow)).item())
    assert 1e-9 < found.error_bound < 1e-2


class VectorT(D.Distribution):
    """A multivariate Student law as a user writes it: a density and a support, and draws if asked for."""

    arg_constraints = {}  # noqa: RUF012
    support = D.constraints.real_vector

    def __init__(self, df, loc):
        self.df, self.loc = torch.tensor(df, dtype=F64), loc
        super().__init__(torch.Size(), loc.shape, validate_args=False)

    def log_prob(self, x):
        d = self.loc.numel()
        constant = torch.lgamma((self.df + d) / 2) - torch.lgamma(self.df / 2) - d / 2 * torch.log(self.df * math.pi)
        return constant - (self.df + d) / 2 * torch.log1p((x - self.loc).square().sum(-1) / self.df)

    def sample(self, sample_shape=()):
        chi = D.Chi2(self.df).sample(sample_shape) / self.df
        return self.loc + torch.randn(*sample_shape, self.loc.numel(), dtype=F64) / chi.sqrt().unsqueeze(-1)


def product(kind, *parameters):
    return D.Independent(getattr(D, kind)(*t(*parameters)), 1)


def gaussian(loc, covariance):
    return D.MultivariateNormal(*t(loc, covariance))


def radial_t(d, a, b, shift):
    """KL between round Student laws in the plane, their centres ``shift`` apart: the mean over the angle is known."""
    with mp.workdps(30):
        a, b, s = mpf(a), mpf(b), mpf(shift)

        def log_constant(df):
            return mp.loggamma((df + d) / 2) - mp.loggamma(df / 2) - mp.log(df * mp.pi)

        def integrand(u):
            r = mp.exp(u)
            x, y = 1 + (r * r + s * s) / b, 2 * r * s / b
            log_q = log_constant(a) - (a + 2) / 2 * mp.log1p(r * r / a)
            log_p = log_constant(b) - (b + 2) / 2 * mp.log((x + mp.sqrt(x * x - y * y)) / 2)
            return 2 * mp.pi * r * r * mp.exp(log_q) * (log_q - log_p)

        return mp.quad(integrand, [-60, -20, -5, -2, -1, 0, 1, 2, 3, 5, 8, 12, 20, 40, 80, 160])


ZERO2, EYE2, EYE3 = torch.zeros(2, dtype=F64), torch.eye(2).tolist(), torch.eye(3).tolist()
SKEW2, SKEW3 = [[2.0, 0.7], [0.7, 0.5]], [[2.0, 0.7, -0.1], [0.7, 0.5, 0.1], [-0.1, 0.1, 0.3]]
REGISTERED = [
    (gaussian([0.3, -0.2], SKEW2), gaussian([0.0, 1.0], EYE2)),
    (gaussian([0.0, 0.0], EYE2), gaussian([1e-7, 1e-7], EYE2)),
    (gaussian([5.0, -3.0], [[1e-6, 0.0], [0.0, 1e-4]]), gaussian([0.0, 0.0], SKEW2)),
    (gaussian([0.0, 0.0], [[1.0, 0.999], [0.999, 1.0]]), gaussian([0.0, 1.0], [[1.0, -0.9], [-0.9, 1.0]])),
    (gaussian([0.3, -0.2, 0.1], SKEW3), gaussian([0.0, 1.0, 0.5], EYE3)),
    (gaussian([0.4], [[2.0]]), gaussian([0.0], [[1.0]])),
    (D.LowRankMultivariateNormal(*t([0.1, 0.2], [[0.5], [-0.4]], [0.3, 0.6])), gaussian([0.0, 1.0], SKEW2)),
    (product("Normal", [0.1, 0.3], [0.5, 2.0]), gaussian([0.0, 1.0], SKEW2)),
    (D.Dirichlet(*t([0.5, 2.0, 1.3])), D.Dirichlet(*t([1.0, 0.7, 0.5]))),
    (D.Dirichlet(*t([0.3, 0.5, 2.0])), D.Dirichlet(*t([0.3, 0.5, 2.0 + 1e-6]))),
    (D.Dirichlet(*t([1.5, 2.0, 3.0, 1.0])), D.Dirichlet(*t([1.0, 0.7, 0.5, 2.0]))),
    (D.LogisticNormal(*t([0.0, 0.5], [1.0, 0.7])), D.LogisticNormal(*t([0.3, 0.0], [0.8, 1.0]))),
    (D.OneHotCategorical(*t([0.2, 0.3, 0.5])), D.OneHotCategorical(*t([0.3, 0.3, 0.4]))),
    (D.OneHotCategorical(*t([0.2, 0.8, 0.0])), D.OneHotCategorical(*t([0.3, 0.7, 0.0]))),
]


@pytest.mark.parametrize("q, p", REGISTERED, ids=named)
def test_vectors_agree_with_closed_forms(q, p):
    agrees(kl_by_quadrature(q, p), kl(q, p).item())


@pytest.mark.parametrize("size", [1.0, 1e2, 1e4, 1e6])
def test_a_narrow_ridge_costs_digits_that_the_bound_counts(size):
    """W ≫ √D: the square in torch's own density of such a law is a difference of larger ones."""
    factor, diagonal, gap = t([[1.0], [2.0]], [0.1, 0.2], [0.1, 0.0])
    q = D.LowRankMultivariateNormal(0 * gap, size * factor, diagonal)
    p = D.LowRankMultivariateNormal(gap, 1.5 * size * factor, diagonal)
    found = kl_by_quadrature(q, p)
    assert found.contains(kl(q, p).item())
    assert found.error_bound < 1e-14 * size * (1.0 + size)
    components = D.LowRankMultivariateNormal(torch.stack([gap, -gap]), torch.stack([factor, factor]), diagonal)
    both = mixture([0.3, 0.7], D.MultivariateNormal(components.loc, components.covariance_matrix))
    truth, found = (kl_by_quadrature(x, gaussian([0.0, 0.0], SKEW2)) for x in (both, mixture([0.3, 0.7], components)))
    assert abs(truth.value - found.value) <= truth.error_bound + found.error_bound


def test_a_correlation_is_a_beta_law():
    """Of a 2 by 2 matrix under the LKJ law with η it is 2 x − 1, x ~ Beta(η, η)."""
    found = kl_by_quadrature(*(D.LKJCholesky(2, *t(eta)) for eta in (1.0, 3.0)))
    agrees(found, kl(law("Beta", 1.0, 1.0), law("Beta", 3.0, 3.0)).item())


def test_vectors_of_laws_that_have_no_formula():
    normal = D.Independent(D.Normal(ZERO2, 1 + ZERO2), 1)
    identity = gaussian([0.0, 0.0], EYE2)
    wide = gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 4.0]])
    # coordinates that are independent in both laws, written as vectors: the sum of the integrals
    laplace = product("Laplace", [0.0, 0.5], [1.0, 2.0])
    parts = [
        kl_by_quadrature(law("Laplace", *a), law("Normal", 0.0, s)) for a, s in (((0.0, 1.0), 1.0), ((0.5, 2.0), 2.0))
    ]
    agrees(kl_by_quadrature(laplace, wide), parts[0].value + parts[1].value)
    parts = [
        kl_by_quadrature(law("Normal", 0.0, s), law("Laplace", *a)) for a, s in (((0.0, 1.0), 1.0), ((0.5, 2.0), 2.0))
    ]
    agrees(kl_by_quadrature(wide, laplace), parts[0].value + parts[1].value)
    box = product("Uniform", [0.0, -1.0], [1.0, 2.0])
    mean_square = mpf(1) / 3 + 1  # E |x|² of the box
    agrees(kl_by_quadrature(box, identity), -mp.log(3) + mp.log(2 * mp.pi) + mean_square / 2)
    assert kl_by_quadrature(identity, box).value == INF
    gammas, lognormals = Bare(product("Gamma", [2.0, 0.5], [1.0, 1.0])), product("LogNormal", [0.0, 0.3], [1.0, 2.0])
    want = sum(on_half_line("Gamma", (a, 1.0), "LogNormal", b) for a, b in ((2.0, (0.0, 1.0)), (0.5, (0.3, 2.0))))
    agrees(kl_by_quadrature(product("Gamma", [2.0, 0.5], [1.0, 1.0]), lognormals), want)
    # no sample method: the place of the mass is searched for
    agrees(kl_by_quadrature(gammas, lognormals), want)
    agrees(kl_by_quadrature(Bare(identity), wide), kl(identity, wide).item())
    # a mixture along one axis, of laws that are alike along the other
    pair = t([[-2.0, 0.0], [3.0, 0.0]], [[0.5, 1.0], [0.05, 1.0]])
    both = mixture([0.3, 0.7], D.Independent(D.Normal(*pair), 1))
    line = kl_by_quadrature(mixture([0.3, 0.7], D.Normal(*t([-2.0, 3.0], [0.5, 0.05]))), law("Normal", 0.0, 1.0))
    agrees(kl_by_quadrature(both, normal), line.value)
    simplex = D.LogisticNormal(*t([0.0, 0.0], [1.0, 1.0])), D.Dirichlet(*t([1.0, 1.0, 1.0]))
    # against the uniform law on the simplex KL is −log 2 − entropy
    with mp.workdps(20):
        # E log x is the same for no coordinate but by the map: v₁ = logit x₁ + log 2, v₂ = logit x₂/(1 − x₁)
        def mean(f):
            return mp.quad(lambda v: mp.exp(-v * v / 2) / mp.sqrt(2 * mp.pi) * f(v), [-12, -3, 0, 3, 12])

        entropy = mp.log(2 * mp.pi * mp.e)
        first = mean(lambda v: mp.log(2 * mp.exp(-v)) - 2 * mp.log1p(2 * mp.exp(-v)))  # log s(1 − s) with s = x₁
        rest = mean(lambda v: mp.log(2 * mp.exp(-v)) - mp.log1p(2 * mp.exp(-v)))  # log (1 − x₁)
        second = mean(lambda v: -v - 2 * mp.log1p(mp.exp(-v)))
        want = -entropy - (first + rest + second) - mp.log(2)
    agrees(kl_by_quadrature(*simplex), want)


def test_heavy_tails_in_the_plane():
    shift = torch.ones(2, dtype=F64)
    identity = gaussian([0.0, 0.0], EYE2)
    agrees(kl_by_quadrature(VectorT(1.0, ZERO2), VectorT(2.0, shift)), radial_t(2, 1, 2, mp.sqrt(2)))
    agrees(kl_by_quadrature(VectorT(3.0, ZERO2), VectorT(1.5, ZERO2)), radial_t(2, 3, 1.5, 0))
    # −H + log 2π + ½ · 2 df/(df − 2), with r²/df of a law F: H = −log c + (df + 2)/2 [ψ(df/2 + 1) − ψ(df/2)]
    df = mpf(3)
    entropy = mp.log(2 * mp.pi) + (df + 2) / 2 * (mp.digamma(df / 2 + 1) - mp.digamma(df / 2))
    agrees(kl_by_quadrature(VectorT(3.0, ZERO2), identity), -entropy + mp.log(2 * mp.pi) + df / (df - 2))
    assert kl_by_quadrature(VectorT(1.5, ZERO2), identity).value == INF
    assert kl_by_quadrature(VectorT(2.0, ZERO2), identity).value == INF
    found = kl_by_quadrature(identity, VectorT(1.5, ZERO2))
    assert 0 < found.value < 1
    assert found.error_bound < 1e-10


def test_independent_coordinates_add_up_however_many_they_are():
    loc = torch.linspace(-2, 2, 40, dtype=F64)
    q = D.Independent(D.Laplace(loc, torch.linspace(0.1, 0.9, 40, dtype=F64)), 1)
    p = D.Independent(D.Gumbel(0.5 * loc, 1.0 + 0 * loc), 1)
    single = [
        kl_by_quadrature(D.Laplace(a, b), D.Gumbel(c, torch.ones((), dtype=F64)))
        for a, b, c in zip(loc, q.base_dist.scale, 0.5 * loc, strict=True)
    ]
    found = kl_by_quadrature(q, p)
    assert abs(found.value - math.fsum(x.value for x in single)) <= found.error_bound + math.fsum(
        x.error_bound for x in single
    )
    assert found.error_bound < 1e-6 * found.value
    near = D.Independent(D.Normal(loc.reshape(5, 8), 1.0 + 0 * loc.reshape(5, 8)), 2)
    far = D.Independent(D.Normal(loc.reshape(5, 8) + 1e-6, 1.0 + 0 * loc.reshape(5, 8)), 2)
    agrees(kl_by_quadrature(near, far), kl(near, far).item())
    thin = D.Independent(D.StudentT(2.0 + 2.0 * torch.arange(3, dtype=F64)), 1)
    assert kl_by_quadrature(thin, D.Independent(D.Normal(*t([0.0] * 3, [1.0] * 3)), 1)).value == INF
    coins = [D.Independent(D.Bernoulli(torch.linspace(a, b, 60, dtype=F64)), 1) for a, b in ((0.1, 0.9), (0.3, 0.4))]
    agrees(kl_by_quadrature(*coins), kl(*coins).item())


def test_outcomes_of_vectors_are_listed():
    counts = [D.Multinomial(7, *t(w)) for w in ([0.2, 0.3, 0.5], [0.3, 0.3, 0.4])]
    agrees(kl_by_quadrature(*counts), 7 * kl(D.Categorical(counts[0].probs), D.Categorical(counts[1].probs)).item())
    one = D.OneHotCategorical(*t([0.2, 0.3, 0.5]))
    coins = product("Bernoulli", [0.1, 0.2, 0.3])
    chances = [0.1 * 0.8 * 0.7, 0.9 * 0.2 * 0.7, 0.9 * 0.8 * 0.3]
    agrees(
        kl_by_quadrature(one, coins), sum(q * math.log(q / p) for q, p in zip((0.2, 0.3, 0.5), chances, strict=True))
    )
    assert kl_by_quadrature(coins, one).value == INF
    same = mixture([0.3, 0.7], D.Independent(D.Poisson(*t([[1.0, 2.0], [1.0, 2.0]])), 1))
    agrees(kl_by_quadrature(same, product("Poisson", [1.5, 1.0])),
           kl(product("Poisson", [1.0, 2.0]), product("Poisson", [1.5, 1.0])).item())  # fmt: skip
    switched = mixture([0.5, 0.5], D.Independent(D.Bernoulli(*t([[0.0, 0.0], [1.0, 1.0]])), 1))
    agrees(kl_by_quadrature(switched, product("Bernoulli", [0.5, 0.5])), math.log(2))


BATCH = D.Normal(torch.zeros(2), torch.ones(2))
WRONG = [
    (lambda: (3.0, law("Normal", 0.0, 1.0)), InputTypeError, "q is a float"),
    (lambda: (BATCH, law("Normal", 0.0, 1.0)), InputValueError, r"batch shape \(2,\).*loc\[0\].*Independent\(law, 1\)"),
    (lambda: (D.Independent(BATCH, 1), law("Normal", 0.0, 1.0)), InputValueError, r"event shape \(2,\)"),
    (lambda: (law("Poisson", 1.0), law("Gamma", 1.0, 1.0)), InputValueError, "q is discrete and p is not"),
    (lambda: (product("Laplace", [0.0] * 5, [1.0] * 5), gaussian([0.0] * 5, torch.eye(5).tolist())),
     InputValueError, r"5 continuous coordinates.*Independent\(law, n\).*q.sample"),
    (lambda: (D.Dirichlet(torch.ones(5)), D.Dirichlet(torch.ones(5))), InputValueError, "4 continuous coordinates"),
    (lambda: (mixture([0.5, 0.5], D.Independent(D.Bernoulli(torch.rand(2, 30)), 1)), product("Bernoulli", [0.5] * 30)),
     InputValueError, r"2\^30 outcomes.*chain rule"),
    (lambda: (law("Geometric", 1e-9), law("Geometric", 1e-9)), InputValueError, "more than 1000000 outcomes"),
    (lambda: (Bare(D.OneHotCategorical(torch.ones(3))), D.OneHotCategorical(torch.ones(3))),
     InputTypeError, "enumerate_support"),
    (lambda: (VonMisesFisher(*t([1.0, 0.0, 0.0], 2.0)), HypersphericalUniform(3, dtype=F64)),
     InputTypeError, r"the support UnitVector\(\) has no known map"),
]  # fmt: skip


@pytest.mark.parametrize("make, error, message", WRONG)
def test_what_cannot_be_done_says_what_to_write_instead(make, error, message):
    with pytest.raises(error, match=message):
        kl_by_quadrature(*make())


def test_drawing_leaves_the_global_generator_as_it_was():
    before = torch.get_rng_state()
    kl_by_quadrature(VectorT(3.0, ZERO2), gaussian([0.0, 0.0], EYE2))
    kl_by_quadrature(law("StudentT", 3.0, 0.0, 1.0), law("Normal", 0.0, 1.0))
    assert torch.equal(before, torch.get_rng_state())
