"""A run as files: ``report.json`` for programs, ``report.html`` (one file, no script, no request) for people."""

import json
import math
from pathlib import Path
from typing import Any

from elbo.verification._run import Run


def to_dict(run: Run) -> dict[str, Any]:
    """The run as plain JSON types; infinities and NaN become the strings ``"inf"``, ``"-inf"``, ``"nan"``."""
    rows = [
        {
            "name": row.claim.name,
            "statement": row.claim.statement,
            "witness": row.claim.witness,
            "source": row.claim.source,
            "verdict": str(row.outcome.verdict),
            "residual": row.outcome.residual,
            "bound": row.outcome.bound,
            "alpha": row.outcome.alpha,
            "detail": row.outcome.detail,
            "evidence": dict(row.outcome.evidence),
            "seconds": round(row.seconds, 4),
        }
        for row in run.rows
    ]
    result: dict[str, Any] = _plain(
        {
            "seed": run.seed,
            "confirmed": run.confirmed,
            "interrupted": run.interrupted,
            "totals": {str(verdict): n for verdict, n in run.counts.items()},
            "alpha": run.alpha,
            "seconds": round(run.seconds, 3),
            "versions": run.versions,
            "claims": rows,
        }
    )
    return result


def write(run: Run, folder: Path) -> list[Path]:
    """Write ``report.json`` and ``report.html`` into ``folder``, which is made if it is missing."""
    from importlib.resources import files

    import jinja2

    folder.mkdir(parents=True, exist_ok=True)
    content = to_dict(run)
    as_json, as_html = folder / "report.json", folder / "report.html"
    as_json.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(files("elbo.verification").joinpath("report.html.jinja").read_text("utf-8"))
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in content["claims"]:
        groups.setdefault(row["name"].split(".")[0], []).append(row)
    as_html.write_text(template.render(report=content, groups=groups, line=run.totals(), number=number))
    return [as_json, as_html]


def number(value: Any) -> str:
    """A residual for people: two digits, nothing where there is none."""
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.2g}"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if hasattr(value, "tolist"):  # tensors and arrays
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return str(value)
