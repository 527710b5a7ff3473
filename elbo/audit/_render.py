"""An audit as text, as a page and as a plot."""

import html as escape
import math
from collections.abc import Iterable, Sequence

from elbo.audit._report import STATUSES, AuditReport, PairReport

COLUMNS = (
    "pair",
    "verdict",
    "float64",
    "float32",
    "lost 64",
    "lost 32",
    "grad 64",
    "grad 32",
    "NaN",
    "< 0",
    "∞",
    "finite",
)
ERRORS = "float64, float32: worst relative error of the value in eps of that type"
GRADIENTS = "grad: worst error of a gradient in eps of its largest component"
LEGEND = (
    f"{ERRORS}; lost: decimal digits lost near equality; {GRADIENTS}; NaN, < 0, ∞: cases with NaN, a negative value, "
    "an infinity where the truth is finite; finite: a finite value where the truth is infinite"
)
LEGEND_OF_BOTH = f"— has no such pair; {ERRORS}; {GRADIENTS}."
INTRODUCTION = (
    "Each closed form was evaluated at ordinary, nearly equal, extreme and boundary parameters, and compared with "
    "mpmath at 120 digits on the same floating-point inputs."
)
CAPTION = (
    "Worst relative error against the relative distance between q and p. A formula that cancels loses two digits of "
    "the value for each digit of closeness."
)


def number(value: float | None) -> str:
    if value is None:
        return "·"
    if math.isinf(value):
        return "∞"
    return f"{value:.1f}" if value < 1000 else f"{value:.0e}".replace("e+", "e")


def _digits(value: float | None) -> str:
    return "·" if value is None else "all" if value > 15 else f"{value:.1f}"


def _count(items: list[object]) -> str:
    return str(len(items)) if items else ""


def row(pair: PairReport) -> tuple[str, ...]:
    """One line of the table."""
    sides = ("float64", "float32")
    return (
        pair.name,
        pair.status,
        *(number(pair.worst.get(s)) for s in sides),
        *(_digits(pair.digits_lost.get(s)) for s in sides),
        *(number(pair.gradient.get(s)) for s in sides),
        *(_count(list(x)) for x in (pair.nan, pair.negative, pair.infinite, pair.finite)),
    )


def summary(report: AuditReport) -> str:
    """Counts on one line."""
    counts = ", ".join(f"{report.count(s)} {s}" for s in STATUSES if report.count(s))
    end = "; interrupted, the rest was not judged" if report.interrupted else ""
    many = "" if len(report.pairs) == 1 else "s"
    return f"{report.target}: {len(report.pairs)} pair{many}, {counts} ({report.seconds:.1f} s){end}"


def beside(report: AuditReport, other: AuditReport) -> str:
    """The worst errors of two targets, pair by pair, for the pairs that either has and that are not infinite."""
    lines = _aligned(_both(report, other))
    lines.append(f"\nA is {summary(report)}\nB is {summary(other)}\n{LEGEND_OF_BOTH}")
    return "\n".join(lines)


def _both(report: AuditReport, other: AuditReport) -> list[tuple[str, ...]]:
    ours, theirs = ({(pair.q, pair.p): pair for pair in side.pairs} for side in (report, other))
    columns = (("float64", "worst"), ("float32", "worst"), ("float64", "gradient"), ("float32", "gradient"))
    names = ("float64", "float32", "grad 64", "grad 32")
    rows = [("pair", *(f"{name} {side}" for name in names for side in "AB"), "verdict A", "verdict B")]
    for key in sorted(ours.keys() | theirs.keys()):
        both = [side.get(key) for side in (ours, theirs)]
        if any(pair is not None and pair.worst for pair in both):
            cells = [
                "—" if pair is None else number(getattr(pair, what).get(dtype))
                for dtype, what in columns
                for pair in both
            ]
            rows.append((f"{key[0]} ‖ {key[1]}", *cells, *("—" if pair is None else pair.status for pair in both)))
    return rows


def _aligned(rows: Sequence[tuple[str, ...]], left: int = 1) -> list[str]:
    """Rows in columns, of which the first ``left`` are flush left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def infinite_pairs(report: AuditReport) -> list[PairReport]:
    """Pairs that are right because they are infinite everywhere: named on one line, not a row each."""
    return [p for p in report.pairs if p.status == "right" and not p.worst]


def text(report: AuditReport) -> str:
    """The table, the findings of pairs that are not right, the totals; no colour."""
    plain = infinite_pairs(report)
    rows = [COLUMNS, *(row(p) for p in report.pairs if p not in plain and p.status != "not judged")]
    lines = _aligned(rows, left=2)
    lines.append("")
    lines.append(LEGEND + ".")
    for pair in report.pairs:
        if pair.status == "wrong":
            lines.append(f"\n{pair.name}")
            lines.extend(f"  {finding}" for finding in pair.findings())
    if plain:
        lines.append(f"\ninfinite by support, and found so: {', '.join(p.name for p in plain)}")
    rest = [p for p in report.pairs if p.status == "not judged"]
    lines.extend(f"not judged: {p.name}: {p.note}" for p in rest)
    lines.append("\n" + summary(report))
    return "\n".join(lines)


def plot(report: AuditReport) -> str:
    """Worst relative error against the relative distance between q and p, one line a pair, as an SVG element."""
    from io import StringIO

    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    canvas = FigureCanvasSVG(figure)
    axes = figure.subplots(1, 2, sharey=True)
    from elbo.audit._judge import EPS

    for axis, dtype in zip(axes, EPS, strict=True):
        eps = EPS[dtype]
        lines = [(p, p.by_distance[dtype]) for p in report.pairs if p.by_distance.get(dtype)]
        lines.sort(key=lambda item: -max(item[1].values()))
        for i, (pair, errors) in enumerate(lines):
            points = sorted(errors.items())
            x = [d for d, _ in points]
            y = [min(max(e, eps / 8), 1e6) for _, e in points]
            axis.loglog(x, y, lw=0.9, alpha=0.8, marker=".", ms=3, label=pair.name if i < 8 else None)
        axis.axhline(eps, color="black", lw=0.8, ls=":")
        axis.text(1, eps, " eps", va="center", fontsize=8, transform=axis.get_yaxis_transform())
        axis.axhline(1, color="black", lw=0.8, ls="--")
        axis.set_title(f"{dtype}", fontsize=10)
        axis.set_xlabel("relative distance between q and p")
        if lines:
            place = "upper right" if dtype == "float64" else "lower left"  # where few lines are
            axis.legend(fontsize=6.5, loc=place, title="the eight worst", title_fontsize=7)
    axes[0].set_ylabel("worst relative error of KL")
    stream = StringIO()
    import matplotlib as mpl

    with mpl.rc_context({"svg.hashsalt": "elbo", "svg.fonttype": "none"}):
        canvas.print_svg(stream, metadata={"Date": None, "Creator": None})
    drawing = stream.getvalue()
    return drawing[drawing.index("<svg") :]


STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b;background:#fff}
table{border-collapse:collapse;font-size:13px;width:100%}th,td{padding:.2rem .5rem;text-align:right;border-bottom:1px
solid #ddd} th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left}
tr.wrong td:nth-child(2){color:#a40000;font-weight:600}tr.loses td:nth-child(2){color:#8a5a00}tr.right
td:nth-child(2){color:#2d6a1f}
svg{max-width:100%;height:auto}code{font-size:12px;overflow-wrap:anywhere}details{margin:.3rem
0}.scroll{overflow-x:auto}
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}th,td{border-color:#3a3a3a}svg{background:#fff}
tr.wrong td:nth-child(2){color:#ff8a80}tr.loses td:nth-child(2){color:#ffcc66}tr.right td:nth-child(2){color:#9ccc65}}
"""


def _cells(values: Iterable[str], tag: str = "td") -> str:
    return "".join(f"<{tag}>{escape.escape(v)}</{tag}>" for v in values)


def html(report: AuditReport, other: AuditReport | None = None) -> str:
    """A self-contained page, of one report or of two with a table of both."""
    names = [escape.escape(side.target) for side in (report, other) if side is not None]
    title = f"Audit of {' beside '.join(names)}"
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body><h1>{title}</h1>',
        f"<p>{INTRODUCTION}</p>",
    ]
    if other is None:
        parts += _whole(report)
    else:
        head, *rows = _both(report, other)
        legend = f"A is {summary(report)}; B is {summary(other)}; {LEGEND_OF_BOTH}"
        parts += [_table(head, [f"<tr>{_cells(row)}</tr>" for row in rows]), f"<p>{escape.escape(legend)}</p>"]
        for name, side in zip(names, (report, other), strict=True):
            parts += [f"<h2>{name}</h2>", *_whole(side)]
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _table(head: Iterable[str], rows: Iterable[str]) -> str:
    heading = f"<thead><tr>{_cells(head, 'th')}</tr></thead>"
    return f'<div class="scroll"><table>{heading}<tbody>{"".join(rows)}</tbody></table></div>'


def _whole(report: AuditReport) -> list[str]:
    """What a page says of one report."""
    plain = infinite_pairs(report)
    rows = [
        f'<tr class="{pair.status.split()[0]}">{_cells(row(pair))}</tr>'
        for pair in report.pairs
        if pair not in plain and pair.status != "not judged"
    ]
    details = "".join(_details(pair) for pair in report.pairs)
    rest = "".join(
        f"<p>Not judged: {escape.escape(p.name)}: {escape.escape(p.note)}.</p>"
        for p in report.pairs
        if p.status == "not judged"
    )
    names = escape.escape(", ".join(p.name for p in plain))
    infinite = f"<p>Infinite by support, and found so: {names}.</p>" if plain else ""
    return [
        f"<p>{escape.escape(summary(report))}</p>",
        f"<figure>{plot(report)}<figcaption>{CAPTION}</figcaption></figure>",
        _table(COLUMNS, rows),
        f"<p>{escape.escape(LEGEND)}.</p>{infinite}{rest}<h2>Where</h2>",
        details or "<p>Nothing to show.</p>",
    ]


def _details(pair: PairReport) -> str:
    items = "".join(f"<li><code>{escape.escape(str(f))}</code></li>" for f in pair.findings())
    if not items:
        return ""
    opened = " open" if pair.status == "wrong" else ""
    heading = f"<summary>{escape.escape(pair.name)}: {pair.status}</summary>"
    return f"<details{opened}>{heading}<ul>{items}</ul></details>"
