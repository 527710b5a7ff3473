"""The page "Problems with known answers", written from the catalogue."""

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributions import constraints

from elbo.problems._catalogue import Entry, catalogue
from elbo.problems._problem import Problem, UnknownAnswerError, log_prob

HEAD = """# Problems with known answers

Every model below gives log p(x), its bounds and the moments of its importance weights w = p(x, z)/q(z) without
sampling. Numbers are in nats and belong to the example that `elbo.problems.catalogue()` makes. What is infinite is
returned as `inf`, from the condition that is stated. This page is generated from the catalogue; the numbers are
checked by `elbo verify --only problems`.

"""


def write(folder: str | Path) -> list[Path]:
    """Write ``known-answers.md`` and its pictures into ``folder`` (made if missing); the same bytes every time.

    Args:
        folder: where to, usually ``docs/problems``.

    Returns:
        the files written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written, parts = [], [HEAD]
    for entry in catalogue():
        picture = None
        if entry.is_problem:
            drawn = draw(entry)
            if drawn is not None:
                picture = folder / f"{entry.name}.svg"
                picture.write_bytes(drawn)
                written.append(picture)
        parts.append(section(entry, picture.name if picture else None))
    page = folder / "known-answers.md"
    page.write_text("\n".join(parts), encoding="utf-8")
    return [*written, page]


def section(entry: Entry, picture: str | None) -> str:
    """One model in MyST Markdown."""
    lines = [f"## {entry.title}", "", f"`elbo.problems.{entry.name}`: {entry.formula}", ""]
    if picture:
        lines += [f"![Prior, posterior, q and weights of {entry.title}]({picture})", ""]
    lines += [f"- Known: {entry.known}", f"- Conditions: {entry.conditions}", f"- Source: {entry.source}", ""]
    if entry.is_problem:
        problem, x, q = entry.example()
        values = {
            "log p(x)": problem.log_evidence(x),
            "ELBO": problem.elbo(x, q),
            "EUBO": problem.eubo(x, q),
            "χ²": problem.chi2(x, q),
            "CUBO₂": problem.cubo(x, q),
            "Var log w": problem.variance_log_weight(x, q),
            "tail index": problem.tail_index(x, q),
        }
        lines += ["| " + " | ".join(values) + " |", "|" + "---|" * len(values)]
        lines += ["| " + " | ".join(number(float(v)) for v in values.values()) + " |", ""]
    return "\n".join(lines)


def number(value: float) -> str:
    """Six digits; the sign ∞ where infinite, and 0 for what is rounding."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return "0" if abs(value) < 1e-12 else f"{value:.6g}"


def draw(entry: Entry) -> bytes | None:
    """Prior, posterior and q, and below them the weights w/p(x), as SVG; ``None`` if z is not one number."""
    problem, x, q = entry.example()
    if problem.latent.event_shape or problem.latent.dimension != 1:
        return None
    z = problem.latent.states if problem.latent.discrete else _range(problem, x, q)
    if z is None or (len(z) > 50 and problem.latent.discrete):
        return None
    log_posterior = problem.log_joint(x, z) - problem.log_evidence(x)
    curves: dict[str, Tensor] = {"posterior": log_posterior.exp(), "q": log_prob(q, z).exp()}
    with suppress(UnknownAnswerError):
        curves = {"prior": log_prob(problem.prior, z).exp(), **curves}
    weights = (log_posterior - log_prob(q, z)).exp()
    return _svg(z, curves, weights, problem.latent.discrete)


def _range(problem: Problem, x: Any, q: Any) -> Tensor:
    """Where q or the posterior has more than a thousandth of its highest density."""
    support = problem.latent.support
    if support is constraints.unit_interval:
        grid = torch.linspace(0.0, 1.0, 401, dtype=torch.float64)[1:-1]
    elif support in (constraints.positive, constraints.nonnegative):
        grid = torch.linspace(0.0, 30.0, 6001, dtype=torch.float64)[1:]
    else:
        grid = torch.linspace(-12.0, 12.0, 4801, dtype=torch.float64)
    seen = torch.stack([problem.log_joint(x, grid), log_prob(q, grid)])
    kept = grid[(seen > seen.amax(-1, keepdim=True) - math.log(1000)).any(0)]
    return torch.linspace(kept[0].item(), kept[-1].item(), 301, dtype=torch.float64)


def _svg(z: Tensor, curves: dict[str, Tensor], weights: Tensor, discrete: bool) -> bytes:
    import io

    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    colours = {"prior": "#888888", "posterior": "#0072b2", "q": "#d55e00"}
    # a fixed salt and no date: the same bytes every time
    with matplotlib.rc_context({"svg.hashsalt": "elbo", "svg.fonttype": "none", "path.simplify_threshold": 0.5}):
        figure = Figure(figsize=(5.2, 3.2), layout="constrained")
        FigureCanvasSVG(figure)
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        for i, (name, density) in enumerate(curves.items()):
            if discrete:
                top.bar(z.numpy() + 0.25 * (i - 1), density.detach().numpy(), 0.22, color=colours[name], label=name)
            else:
                style = "--" if name == "prior" else "-"
                top.plot(z.numpy(), density.detach().numpy(), style, color=colours[name], label=name)
        top.legend(frameon=False, fontsize=8)
        top.set_ylabel("probability" if discrete else "density")
        if discrete:
            bottom.bar(z.numpy(), weights.detach().numpy(), 0.4, color="#009e73")
            bottom.set_xticks(z.tolist())
        else:
            bottom.plot(z.numpy(), weights.detach().numpy(), color="#009e73")
            bottom.set_yscale("log")
        bottom.axhline(1.0, color="#888888", linewidth=0.8)
        bottom.set_ylabel("w / p(x)")
        bottom.set_xlabel("z")
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()
