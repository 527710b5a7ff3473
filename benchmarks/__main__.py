"""Run the benchmarks: ``python -m benchmarks [PATTERN ...] [--json FILE]``."""

import argparse
import importlib
import json
import pkgutil
from pathlib import Path

import benchmarks
from benchmarks.harness import Benchmark, Row


def collect() -> list[Benchmark]:
    found = []
    for info in sorted(pkgutil.iter_modules(benchmarks.__path__), key=lambda info: info.name):
        if info.name not in ("__main__", "harness", "accuracy", "checker"):
            module = importlib.import_module(f"benchmarks.{info.name}")
            found.extend(getattr(module, "benchmarks", list)())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("pattern", nargs="*", help="only benchmarks whose name contains one of these")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    options = parser.parse_args()

    from rich.console import Console
    from rich.table import Table

    console = Console()
    console = console if console.is_terminal else Console(width=130)
    rows: list[dict[str, object]] = []
    for benchmark in collect():
        if options.pattern and not any(p in benchmark.name for p in options.pattern):
            continue
        table = Table(title=f"{benchmark.name} (peer: {benchmark.peer})", title_justify="left")
        for name in ("what", "ours", "peer", "ratio", "target", "met", "note"):
            table.add_column(name, justify="left" if name in ("what", "note") else "right")
        for row in benchmark.run():
            table.add_row(*_cells(row))
            rows.append({"benchmark": benchmark.name, "peer_name": benchmark.peer, "ratio": row.ratio, **vars(row)})
        console.print(table)
    missed = sum(1 for row in rows if Row(**{k: row[k] for k in Row.__dataclass_fields__}).met is False)  # type: ignore[arg-type]
    print(f"{len(rows)} measurements, {missed} over their target")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def _cells(row: Row) -> list[str]:
    met = {True: "yes", False: "NO", None: ""}[row.met]
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    target = "" if row.target is None else (f"{row.target:g}" if row.ratio is not None else _time(row.target))
    show = _time if row.unit == "s" else _bytes
    return [row.what, show(row.ours), "" if row.peer is None else show(row.peer), ratio, target, met, row.note]


def _bytes(count: float) -> str:
    return f"{count / 1e6:.3g} MB"


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


if __name__ == "__main__":
    main()
