"""The weights of the two terms of a loss: what is common, what sizes explain, and the constant that is left."""

from dataclasses import dataclass

from elbo.checking._block import AXES, Fitted
from elbo.checking._case import Case
from elbo.checking._fit import close, number
from elbo.checking._kl_block import formula_of
from elbo.checking._nll_block import family
from elbo.checking._reductions import LN2

DATA_SIZES = frozenset({256, 400, 560, 784, 1024, 2352, 3072, 4096, 12288, 16384, 49152, 150528})


@dataclass
class Weights:
    """How the counterexample scales the right loss: overall factor, exponent of the batch, decoder variance."""

    overall: float = 1.0
    batch: float = 0.0
    variance: float = 1.0


def judge_weights(case: Case, kl: Fitted, nll: Fitted) -> Weights:
    """Findings about reductions, signs and constant weights of (KL, reconstruction term)."""
    sizes = kl.sizes
    varied = [a for a in kl.varied if a in nll.varied]
    latent: list[str] = [a for a in ("D", "C", "H", "W") if a in varied]
    data: list[str] = [a for a in ("P", "c", "h", "w") if a in varied]
    ek = {a: kl.term.weight_exponent(a) for a in varied}
    er = {a: nll.term.weight_exponent(a) for a in varied}
    kk, kr = kl.constant(varied), nll.constant(varied)
    overall = _batch(case, ek, er, varied)
    weights = Weights(batch=er.get("B") or 0.0)
    where = {"B": sizes.B, "D": sizes.D, "P": sizes.P}
    hard = 0
    relative = {a: _minus(er[a], ek[a]) for a in data}
    if data and all(e == -1 for e in relative.values()):
        hard = _hard_coded(case, kr, kk, nll)
        if hard:
            kr = kr / hard
        else:
            case.find(
                "reconstruction-averaged",
                f"the reconstruction term is the mean over the {sizes.P} data coordinates, and the KL is not "
                "divided by P: "
                f"computes (1/P)Σ {formula_of(nll.term)} + KL; 784 at P = 784",
                effect=f"equals a β-VAE with β = P, {sizes.P} here and 784 for MNIST: the latent collapses",
                evidence={
                    "yours": f"1/{sizes.P}",
                    "expected": 1.0,
                    "where": f"weight of the reconstruction term at {where}",
                },
            )
    elif any(e == -1 for e in relative.values()):
        axes = " and ".join(AXES[a] for a, e in relative.items() if e == -1)
        case.find("wrong-axis", f"the reconstruction term is averaged over {axes} instead of summed")
    elif any(relative.values()):
        _kl_by_data(case, relative, sizes.P)
    relative = {a: _minus(ek[a], er[a]) for a in latent}
    if latent and all(e == -1 for e in relative.values()):
        case.find(
            "kl-averaged-over-latent",
            f"the KL is the mean over the {sizes.D} latent dimensions: computes ({formula_of(kl.term)})/D; "
            f"the weight is {1 / sizes.D:.4g} at D = {sizes.D}, 0.05 at D = 20",
            evidence={"yours": f"1/{sizes.D}", "expected": 1.0, "where": f"weight of the KL at {where}"},
        )
        if ek.get("B") != er.get("B"):
            case.maybe("kl-averaged-over-latent", "wrong-axis")
    elif any(e == -1 for e in relative.values()):
        axes = " and ".join(AXES[a] for a, e in relative.items() if e == -1)
        case.find("wrong-axis", f"the KL is averaged over {axes} instead of summed")
    elif any(relative.values()):
        case.find("wrong-axis", f"the weight of the KL changes with the latent size as {relative}")
    common = [a for a in data if ek[a]] + [a for a in latent if er[a]]
    if common:
        overall.append(f"the power of {', '.join(common)}")
    _signs(case, kk, kr)
    _constants(case, kl, nll, abs(kk), abs(kr), overall, weights, varied)
    _say_reduction(case, ek, er)
    case.computes = (
        f"{_factor(kr, er)}Σ ({formula_of(nll.term)}) + {_factor(kk, ek)}Σ ({formula_of(kl.term)}) + constant"
    )
    if case.has("maximised"):
        weights.overall = -weights.overall
    fixed = list(dict.fromkeys([*kl.fixed, *nll.fixed]))
    if fixed:
        case.not_seen(
            "the function insists on its own size of "
            + ", ".join(f"{AXES[a]} ({a})" for a in fixed)
            + ", which was not varied"
        )
    return weights


def _factor(constant: float, exponents: dict[str, float | None]) -> str:
    """``2/(B·P)·`` from the constant and the exponents of the sizes."""
    below = [axis for axis, e in exponents.items() if e == -1]
    rest = [f"{axis}^{'?' if e is None else f'{e:g}'}" for axis, e in exponents.items() if e not in (0, -1)]
    if close(constant, 1.0) and not below and not rest:
        return ""
    over = ("/" + ("·".join(below) if len(below) == 1 else f"({'·'.join(below)})")) if below else ""
    return f"{number(constant)}{over}{'·' + '·'.join(rest) if rest else ''}·"


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _batch(case: Case, ek: dict[str, float | None], er: dict[str, float | None], varied: list[str]) -> list[str]:
    if "B" not in varied:
        return []

    def words(e: float | None) -> str:
        return {0.0: "summed", -1.0: "averaged"}.get(9.0 if e is None else e, f"scaled as B^{e}")

    if ek["B"] != er["B"]:
        case.find(
            "batch-reduction-mismatch",
            f"over the batch the reconstruction term is {words(er['B'])} and the KL is {words(ek['B'])}",
            effect="β is multiplied or divided by the batch size" if None not in (ek["B"], er["B"]) else "",
            evidence={
                "yours": f"KL B^{ek['B']}, reconstruction B^{er['B']}",
                "expected": "the same power",
                "where": "B = 2 and 4",
            },
        )
        return []
    return [] if ek["B"] in (0.0, -1.0) else [f"B^{ek['B']}"]


def _hard_coded(case: Case, kr: float, kk: float, nll: Fitted) -> int:
    """784 in ``mean() * 784``: exact at that size only."""
    for unit in (1.0, 2.0, 0.5):
        size = abs(kr) / unit / (abs(kk) or 1.0)
        if round(size) in DATA_SIZES and close(size, round(size), 1e-6):
            case.adopted["data size"] = round(size)
            case.not_seen(
                f"the reconstruction term is a mean times {round(size)}: exact only if the data have that "
                "many coordinates"
            )
            return round(size)
    return 0


def _kl_by_data(case: Case, relative: dict[str, float | None], p: int) -> None:
    power = ", ".join(f"{a}^{-e if e is not None else '?'}" for a, e in relative.items() if e)
    case.find(
        "effective-beta",
        "the KL is divided by the number of data coordinates and the reconstruction term is not (relative "
        f"weight {power})",
        effect=f"equals a β-VAE with β = 1/P, 1/{p} here and 1/784 for MNIST",
        evidence={"yours": f"1/{p}", "expected": 1.0, "where": "weight of the KL over that of the reconstruction term"},
    )
    case.maybe("effective-beta", "kl-averaged-over-latent")


def _signs(case: Case, kk: float, kr: float) -> None:
    maximise = case.options.maximise
    case.adopted["sign"] = "minimised"
    if kk < 0 and kr < 0:
        case.adopted["sign"] = "maximised"
        if maximise is False:
            case.find("sign-flipped", "returns +ELBO, and maximise=False says that it is minimised")
        else:
            case.find("maximised", "returns +ELBO, to be maximised")
    elif kk < 0:
        case.find(
            "sign-flipped", "the KL is subtracted from the reconstruction loss",
            evidence={"yours": kk, "expected": abs(kk), "where": "weight of the KL"},
        )  # fmt: skip
    elif kr < 0:
        case.find(
            "sign-flipped", "the reconstruction term has the wrong sign: log p(x|z) is added to the KL",
            evidence={"yours": kr, "expected": abs(kr), "where": "weight of the reconstruction term"},
        )  # fmt: skip
    elif maximise:
        case.find("sign-flipped", "returns −ELBO, and maximise=True says that it is maximised")


def _constants(
    case: Case, kl: Fitted, nll: Fitted, kk: float, kr: float, overall: list[str], weights: Weights, varied: list[str]
) -> None:
    free = family(nll) != "Bernoulli"
    which = "σ²" if family(nll) == "Gaussian" else "b"
    beta = kk / kr
    weights.overall = kr
    if close(beta, 1.0):
        if not close(kr, 1.0):
            overall.append(number(kr))
        if free:
            case.adopted["decoder_variance"] = "1"
    elif free and close(kk, 1.0):
        weights.overall, weights.variance = 1.0, 1 / kr
        case.adopted["decoder_variance"] = number(1 / kr)
        if not _fixed_size(case, kl, nll, beta):
            case.find(
                "decoder-variance",
                f"exact for {which} = {number(1 / kr)}, not 1: the reconstruction term has the weight {number(kr)}",
                evidence={"yours": kr, "expected": 1.0, "where": "weight of the reconstruction term"},
            )
    elif case.has("capacity"):
        weights.overall = kr
    else:
        if free:
            beta = kk
            weights.overall, weights.variance = 1.0, 1 / kr
            case.maybe("effective-beta", "decoder-variance")
        if not _fixed_size(case, kl, nll, beta):
            case.find(
                "effective-beta",
                f"the KL has the constant weight {number(beta)} relative to the reconstruction term, at "
                f"every size{_guess(beta)}",
                effect=f"equals a β-VAE with β = {number(beta)}",
                evidence={"yours": beta, "expected": 1.0, "where": "ratio of the weights"},
            )
            if abs(beta - 1 / LN2) < 2e-3:
                case.maybe("effective-beta", "unit-bits")
    if overall:
        if overall == [number(1 / LN2)] and close(kr, 1 / LN2, 1e-7):
            case.find("unit-bits", "the loss is in bits: 1.442695 times the value in nats")
        else:
            case.find("overall-scale", f"one common factor stands on both terms: {' · '.join(overall)}")


def _fixed_size(case: Case, kl: Fitted, nll: Fitted, beta: float) -> bool:
    """Where a size could not be varied, the constant may be that size: say so instead of guessing."""
    sizes = kl.sizes
    fixed = {*kl.fixed, *nll.fixed}
    codes: list[str] = []
    factors = [1.0, 2.0, 0.5] if family(nll) != "Bernoulli" else [1.0]
    if fixed & set("Pchw"):
        if any(close(beta / f, float(sizes.P)) for f in factors):
            codes.append("reconstruction-averaged")
        if any(close(beta / f, 1 / sizes.P) for f in factors):
            codes.append("effective-beta")
            case.maybe("effective-beta", "reconstruction-averaged")
    if fixed & set("DCHW") and any(close(beta / f, 1 / sizes.D) for f in factors):
        codes.append("kl-averaged-over-latent")
    if "B" in fixed and any(close(beta / f, c) for f in factors for c in (float(sizes.B), 1 / sizes.B)):
        codes.append("batch-reduction-mismatch")
    if not codes:
        return False
    code = codes[0]
    case.find(
        code,
        f"the weight of the KL relative to the reconstruction term is {number(beta)} at the one size that "
        "could be probed "
        f"(B, D, P) = ({sizes.B}, {sizes.D}, {sizes.P})",
        effect=f"equals a β-VAE with β = {number(beta)}",
        evidence={"yours": beta, "expected": 1.0, "where": "ratio of the weights"},
    )
    case.maybe(code, *codes, "effective-beta")
    return True


def _guess(beta: float) -> str:
    if close(beta, 2.0):
        return " (the ½ of the KL is missing, or β = 2)"
    if close(beta, 0.5):
        return " (a spurious ½ on the KL, a missing ½ of the reconstruction, or β = ½)"
    return ""


def _say_reduction(case: Case, ek: dict[str, float | None], er: dict[str, float | None]) -> None:
    words = {0.0: "sum over batch", -1.0: "mean over batch", None: "batch?"}
    if ek.get("B") == er.get("B"):
        case.adopted["reduction"] = f"sum over latent and data, {words.get(ek.get('B', 0.0), 'a power of the batch')}"
    else:
        case.adopted["reduction"] = f"KL {words.get(ek.get('B'))}, reconstruction {words.get(er.get('B'))}"
