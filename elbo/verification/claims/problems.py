"""What the library asserts about its problems with known answers."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from elbo.verification import Claim, Context, Outcome

# Rounding of sums of a few hundred terms, in units of the largest number involved.
SLACK = 1e-12


def _case(name: str) -> tuple[Any, Any, Any]:
    from elbo.problems import catalogue

    made = next(entry for entry in catalogue() if entry.name == name).example()
    problem, x, q = made
    return problem, x, q


def _quantities(name: str) -> dict[str, float]:
    problem, x, q = _case(name)
    names = ("elbo", "gap", "eubo", "chi2", "cubo", "variance_log_weight", "tail_index")
    values = {what: float(getattr(problem, what)(x, q)) for what in names}
    values["log_evidence"] = float(problem.log_evidence(x))
    return values


def _sandwich(name: str, context: Context) -> Outcome:
    v = _quantities(name)
    size = max(1.0, abs(v["log_evidence"]), abs(v["elbo"]))
    worst = max(
        v["elbo"] - v["log_evidence"], v["log_evidence"] - v["eubo"], abs(v["elbo"] + v["gap"] - v["log_evidence"])
    )
    detail = f"ELBO {v['elbo']:.12g} <= log p {v['log_evidence']:.12g} <= EUBO {v['eubo']:.12g}"
    return Outcome.within(worst / size, SLACK, detail)


def _moments(name: str, context: Context) -> Outcome:
    import math

    v = _quantities(name)
    kl, bound = v["eubo"] - v["log_evidence"], math.log1p(v["chi2"])
    consistent = (v["tail_index"] > 2) == math.isfinite(v["chi2"])
    if not consistent:
        return Outcome.holds(False, f"tail index {v['tail_index']} and χ² {v['chi2']} contradict each other")
    return Outcome.within(
        max(kl - bound, 0.0), SLACK, f"KL {kl:.6g} <= log(1 + χ²) = {bound:.6g}, tail {v['tail_index']:.4g}"
    )


def _scipy_line(name: str, context: Context) -> Outcome:
    """log p(x) and the ELBO by SciPy's adaptive quadrature of the joint density."""
    import math

    import torch
    from scipy.integrate import quad

    problem, x, q = _case(name)
    law = problem.latent.support

    def at(z: float) -> tuple[float, float]:
        point = torch.tensor(z, dtype=torch.float64)
        return float(problem.log_joint(x, point)), float(q.log_prob(point))

    ends = (
        (-15.0, 15.0)
        if law.check(torch.tensor(-1.0))
        else (1e-12, 1 - 1e-12 if not law.check(torch.tensor(2.0)) else 60.0)
    )
    evidence = quad(lambda z: math.exp(at(z)[0]), *ends, epsabs=1e-13, epsrel=1e-12, limit=200, points=[0.5, 1.5])[0]

    def integrand(z: float) -> float:
        joint, proposal = at(z)
        return math.exp(proposal) * (joint - proposal) if proposal > -700 else 0.0

    elbo = quad(integrand, *ends, epsabs=1e-13, epsrel=1e-12, limit=200, points=[0.5, 1.5])[0]
    errors = abs(float(problem.log_evidence(x)) - math.log(evidence)), abs(float(problem.elbo(x, q)) - elbo)
    # the ends cut off less than 1e-12 of each density times its logarithm
    return Outcome.within(max(errors), 1e-9, f"log p {math.log(evidence):.12g}, ELBO {elbo:.12g}")


def _enumerated(name: str, context: Context) -> Outcome:
    """log p(x), ELBO and χ² from plain sums over the states."""
    import math

    problem, x, q = _case(name)
    log_p, log_q = problem.log_joint_table(x).tolist(), problem.log_q_table(q).tolist()
    evidence = math.fsum(math.exp(a) for a in log_p)
    elbo = math.fsum(math.exp(b) * (a - b) for a, b in zip(log_p, log_q, strict=True) if b > -math.inf)
    second = math.fsum(math.exp(2 * a - b) for a, b in zip(log_p, log_q, strict=True) if b > -math.inf)
    got = float(problem.log_evidence(x)), float(problem.elbo(x, q)), float(problem.chi2(x, q))
    want = math.log(evidence), elbo, second / evidence**2 - 1
    return Outcome.within(max(abs(a - b) for a, b in zip(got, want, strict=True)), SLACK, f"{len(log_p)} states")


def _boundary(context: Context) -> Outcome:
    import torch
    from torch.distributions import Normal

    from elbo.problems import LinearGaussian

    problem, x = LinearGaussian(1.0, 0.0, 1.0), torch.tensor(1.0, dtype=torch.float64)
    half = torch.tensor(0.5, dtype=torch.float64)  # std whose variance is half of the posterior's ½
    below, above = problem.chi2(x, Normal(half, half)), problem.chi2(x, Normal(half, half * 1.001))
    return Outcome.holds(
        bool(torch.isinf(below)) and bool(torch.isfinite(above)), f"at v_p/2: {below}, above: {above:.4g}"
    )


def _encoders() -> Any:
    from elbo.problems import AggregatedPosterior

    return AggregatedPosterior([[-1.0], [0.8], [1.5]], [[0.5], [0.6], [0.8]])


def _surgery(context: Context) -> Outcome:
    """The average KL in closed form against I(n; z) and KL(q(z) ‖ p) by SciPy's quadrature of the mixture."""
    import math

    from scipy.integrate import quad

    problem = _encoders()
    pairs = list(zip(problem.means[:, 0].tolist(), problem.stds[:, 0].tolist(), strict=True))

    def normal(z: float, m: float, s: float) -> float:
        return math.exp(-0.5 * ((z - m) / s) ** 2) / (s * math.sqrt(2 * math.pi))

    def both(z: float) -> float:
        parts = [normal(z, m, s) for m, s in pairs]
        mixture = sum(parts) / len(parts)
        information = sum(p * math.log(p / mixture) for p in parts if p > 1e-250) / len(parts)
        return information + mixture * math.log(mixture / normal(z, 0.0, 1.0))

    def aggregate(z: float) -> float:
        mixture = sum(normal(z, m, s) for m, s in pairs) / len(pairs)
        return mixture * math.log(mixture / normal(z, 0.0, 1.0))

    ends: Any = {"a": -12.0, "b": 12.0, "epsabs": 1e-13, "epsrel": 1e-13, "limit": 200, "points": [-1.0, 0.8, 1.5]}
    total, kl = quad(both, **ends)[0], quad(aggregate, **ends)[0]
    errors = (float(problem.average_kl()) - total, float(problem.aggregate_kl()) - kl,
              float(problem.mutual_information()) - (total - kl))  # fmt: skip
    return Outcome.within(max(abs(e) for e in errors), 1e-11, f"{total:.10g} = {total - kl:.10g} + {kl:.10g}")


def _minibatch(context: Context) -> Outcome:
    import math

    problem = _encoders()
    full, stratified = problem.mws(3), problem.mss(1)
    errors = abs(float(full.bias) + math.log(3)), abs(float(stratified.expected_ratio) - 1)
    return Outcome.within(max(errors), SLACK, f"bias of MWS at the full batch {float(full.bias):.12g} = -log 3")


def _infonce(context: Context) -> Outcome:
    import math

    from elbo.problems import BivariateGaussian

    problem = BivariateGaussian(0.9)
    information = float(problem.mutual_information())
    values = [float(problem.infonce(k)) for k in (1, 2)]
    ordered = abs(values[0]) < SLACK and values[0] < values[1] < information
    return Outcome.holds(ordered and values[1] <= math.log(2), f"I = {information:.6g}; K = 1, 2: 0, {values[1]:.6g}")


def _annealing(context: Context) -> Outcome:
    import math

    problem, x, q = _case("FiniteAnnealing")
    log_z = float(problem.target.sum().log())
    low, high = float(problem.elbo(x, q)), float(problem.eubo(x, q))
    error = abs(float(problem.log_evidence(x)) - log_z)
    if not low <= log_z <= high:
        error = math.inf
    return Outcome.within(error, SLACK, f"{low:.6g} <= log Z = {log_z:.6g} <= {high:.6g} over {problem.size} paths")


def _gradient(name: str, context: Context) -> Outcome:
    """dELBO/dq by autograd against a central difference of fourth order along one direction."""
    import torch
    from torch.distributions import Gamma, Normal

    problem, x, q = _case(name)
    kind = Normal if isinstance(q, Normal) else Gamma
    start = (q.loc, q.scale) if kind is Normal else (q.concentration, q.rate)
    step = 1e-3

    def value(s: Any) -> Any:
        return problem.elbo(x, kind(start[0] + s, start[1] + 0.5 * s))

    s = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (got,) = torch.autograd.grad(value(s), s)
    far, near = value(2 * step) - value(-2 * step), value(step) - value(-step)
    numeric = (8 * near - far) / (12 * step)
    return Outcome.within(abs(float((got - numeric).detach())), 1e-9, f"{float(got):.10g}")


LINES = ("LinearGaussian", "GammaPoisson", "GammaPrecision", "BetaBinomial", "SquareDecoder", "LogisticDecoder")
FINITE = ("Table", "GaussianMixture", "BernoulliLatents", "VectorQuantised", "FiniteAnnealing")
PROBLEMS = (
    *("LinearGaussian", "FactorAnalysis", "ProbabilisticPCA", "HierarchicalGaussian", *FINITE, "BetaBinomial"),
    *("GammaPoisson", "GammaPrecision", "ExponentialExponential", "DirichletMultinomial", "SquareDecoder"),
    *("PoissonLogNormal", "LogisticDecoder", "DiscretisedLogistic", "CorrelatedGaussian", "IsotropicGaussian"),
    "LogNormalWeights",
)


def claims() -> Iterator[Claim]:
    """The claims of :mod:`elbo.problems`."""
    for name in PROBLEMS:
        low = name.lower()
        yield Claim(
            f"problems.{low}.sandwich",
            "ELBO ≤ log p(x) ≤ EUBO, and ELBO + KL(q ‖ p(z|x)) = log p(x)",
            "enumeration" if name in FINITE else "quadrature",
            partial(_sandwich, name),
            source="Kingma and Welling 2014, arXiv:1312.6114",
        )
        yield Claim(
            f"problems.{low}.moments",
            "KL(p(z|x) ‖ q) ≤ log(1 + χ²), and χ² < ∞ iff the tail index of the weights exceeds 2",
            "enumeration" if name in FINITE else "moments",
            partial(_moments, name),
        )
    for name in LINES:
        yield Claim(
            f"problems.{name.lower()}.quadrature",
            "log p(x) = log ∫ p(x, z) dz and ELBO = ∫ q log(p(x, z)/q) dz",
            "quadrature",
            partial(_scipy_line, name),
        )
    for name in FINITE:
        yield Claim(
            f"problems.{name.lower()}.enumeration",
            "log p(x), ELBO and χ² are sums over the states",
            "enumeration",
            partial(_enumerated, name),
        )
    for name in ("LinearGaussian", "GammaPoisson", "SquareDecoder", "LogisticDecoder"):
        yield Claim(
            f"problems.{name.lower()}.gradient",
            "the gradient of the ELBO with respect to q is that of its values",
            "reference",
            partial(_gradient, name),
        )
    yield Claim("problems.lineargaussian.boundary", "χ² < ∞ iff v > v_p / 2", "moments", _boundary)
    yield Claim(
        "problems.aggregated.surgery",
        "mean KL(q(z|n) ‖ p) = I(n; z) + KL(q(z) ‖ p)",
        "quadrature",
        _surgery,
        source="Hoffman and Johnson 2016",
    )
    yield Claim(
        "problems.aggregated.minibatch",
        "MWS is biased by exactly -log N at the full batch; MSS is unbiased for the density",
        "enumeration",
        _minibatch,
        source="Chen et al. 2018, arXiv:1802.04942",
    )
    yield Claim(
        "problems.mutualinformation.infonce",
        "InfoNCE rises with K and stays below min(I, log K)",
        "transform",
        _infonce,
        source="van den Oord et al. 2018, arXiv:1807.03748",
    )
    yield Claim(
        "problems.annealing.normaliser",
        "E w = Z for annealed importance sampling, between E log w and the reverse bound",
        "enumeration",
        _annealing,
        source="Neal 2001, arXiv:physics/9803008; Grosse et al. 2015, arXiv:1511.02543",
    )
