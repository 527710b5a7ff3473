"""The blind test of the checker: ``python -m benchmarks.checker [--seeds N] [--only CODE] [--json FILE]``."""

import argparse
import json
import statistics
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.checker._case import Case
from benchmarks.checker._generated import generate
from benchmarks.checker._peers import flagged_by_allclose, flagged_by_gradcheck
from benchmarks.checker._score import Result, run, table
from benchmarks.checker.cases import collect


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checker", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="run every case under this many seeds")
    parser.add_argument("--seed", type=int, default=0, help="the first of them")
    parser.add_argument("--only", default="", help="cases whose name contains this, or that expect this code")
    parser.add_argument("--json", type=Path, help="also write everything here")
    parser.add_argument("--failures", type=Path, help="also write what is short of the truth here, as Markdown")
    parser.add_argument("--no-peers", action="store_true", help="skip gradcheck and allclose")
    parser.add_argument("--show", action="store_true", help="print the reports of the cases that fail")
    parser.add_argument(
        "--generated", type=int, default=200, help="how many losses put together at random, beside them"
    )
    options = parser.parse_args()
    cases = collect(options.only)
    if not cases:
        parser.error(f"no case has {options.only!r} in its name or among its codes")
    from elbo.checking import TARGETS

    absent = sorted({case.target for case in cases} - set(TARGETS))
    if absent:
        skipped = sum(case.target in absent for case in cases)
        print(f"{skipped} cases are not run: the checker has no target {', '.join(absent)}")
        cases = [case for case in cases if case.target not in absent]
    console = Console(width=110)
    seeds = range(options.seed, options.seed + options.seeds)
    results = [run(case, seed) for seed in seeds for case in cases]
    first = results[: len(cases)]
    right = sum(case.right for case in cases)
    print(f"{len(cases)} cases ({right} right, {len(cases) - right} wrong), {options.seeds} seed(s)\n")
    summary = table(results)
    _print_table(console, "confusion table", summary)
    _print_targets(console, first)
    unstable = _unstable(results)
    if options.seeds > 1:
        print(f"cases whose verdict depends on the seed: {len(unstable)} {unstable or ''}")
    speed = _speed(first)
    for what, seconds in speed.items():
        print(f"{what}: {seconds:.2f} s")
    peers = {} if options.no_peers else _peers(cases)
    if peers:
        _print_table(console, "on the same cases, what people use today", peers)
    failures = [(r, c) for r in results if (c := r.complaint())]
    if options.generated and not options.only:
        made = [run(case) for case in generate(options.generated)]
        _print_table(console, f"{len(made)} losses put together at random", table(made))
        failures += [(r, c) for r in made if (c := r.complaint())]
    _print_failures(failures, show=options.show)
    alarms, of = summary["right flagged (false alarms)"]
    rate = f"{alarms / of:.1%}" if of else "no right case was run"
    print(f"\nfalse-alarm rate: {alarms} of {of} right functions ({rate})")
    if options.failures:
        options.failures.write_text(_markdown(failures))
    if options.json:
        options.json.write_text(json.dumps(_as_data(results, summary, peers, speed), indent=1) + "\n")


def _print_table(console: Console, title: str, rows: dict[str, tuple[int, int]]) -> None:
    shown = Table(title=title, title_justify="left")
    for name in ("what", "count", "of", "share"):
        shown.add_column(name, justify="left" if name == "what" else "right")
    for what, (count, of) in rows.items():
        shown.add_row(what, str(count), str(of), f"{count / of:.1%}" if of else "")
    console.print(shown)


def _print_targets(console: Console, results: list[Result]) -> None:
    shown = Table(title="by target (first seed)", title_justify="left")
    for name in ("target", "right", "flagged", "undecided", "wrong", "missed", "named", "errors"):
        shown.add_column(name, justify="left" if name == "target" else "right", no_wrap=True)
    for target in dict.fromkeys(r.case.target for r in results):
        mine = [r for r in results if r.case.target == target]
        right, wrong = [r for r in mine if r.case.right], [r for r in mine if not r.case.right]
        undecided = sum(r.verdict == "undecided" and not r.verdict_right for r in mine)
        counts = (len(right), sum(r.false_alarm for r in right), undecided, len(wrong), sum(r.missed for r in wrong))
        counts += (sum(r.named for r in wrong), sum(bool(r.error) for r in mine))
        shown.add_row(target, *map(str, counts))
    console.print(shown)


def _unstable(results: list[Result]) -> list[str]:
    verdicts = Counter((r.case.name, r.verdict) for r in results)
    seen = Counter(name for name, _ in verdicts)
    return [name for name, n in seen.items() if n > 1]


def _speed(first: list[Result]) -> dict[str, float]:
    """Seconds a function, and for fifty spread over the targets in one process."""
    seconds = [r.seconds for r in first]
    worst = max(first, key=lambda r: r.seconds)
    step = max(1, len(first) // 50)
    start = time.perf_counter()
    fifty = [run(r.case) for r in first[::step][:50]]
    total = time.perf_counter() - start
    return {
        "seconds a function, median": statistics.median(seconds),
        f"worst ({worst.case.name})": worst.seconds,
        f"{len(fifty)} functions in one process": total,
    }


def _peers(cases: list[Case]) -> dict[str, tuple[int, int]]:
    rows = {}
    for name, peer in (("gradcheck", flagged_by_gradcheck), ("allclose", flagged_by_allclose)):
        answers = [(case.right, peer(case)) for case in cases]
        right = [a for is_right, a in answers if is_right and a is not None]
        wrong = [a for is_right, a in answers if not is_right and a is not None]
        rows[f"{name}: right flagged (false alarms)"] = (sum(right), len(right))
        rows[f"{name}: wrong missed"] = (sum(not a for a in wrong), len(wrong))
        rows[f"{name}: mistake named"] = (0, len(wrong))
        rows[f"{name}: has no answer"] = (sum(a is None for _, a in answers), len(answers))
    return rows


def _print_failures(failures: list[tuple[Result, str]], show: bool) -> None:
    if failures:
        print(f"\n{len(failures)} short of the truth:")
    for result, complaint in failures:
        print(f"  {result.case.name} (seed {result.seed}): {complaint}")
        if show and result.text:
            print("    " + result.text.replace("\n", "\n    "))


def _markdown(failures: list[tuple[Result, str]]) -> str:
    lines = [f"# {len(failures)} answers of the checker are short of the truth", ""]
    lines += [f"- `{r.case.name}` {r.case.keywords or ''}: {complaint}" for r, complaint in failures]
    return "\n".join(lines) + "\n"


def _as_data(results: list[Result], summary: object, peers: object, speed: object) -> dict[str, object]:
    answers = [
        {
            "case": r.case.name,
            "seed": r.seed,
            "verdict": r.verdict,
            "expected": r.case.truth.verdict,
            "mistakes": sorted(r.mistakes),
            "expected_mistakes": sorted(r.case.truth.mistakes),
            "notes": sorted(r.notes),
            "candidates": sorted(r.candidates),
            "seconds": round(r.seconds, 4),
            "complaint": r.complaint(),
        }
        for r in results
    ]
    return {"summary": summary, "peers": peers, "speed": speed, "answers": answers}


if __name__ == "__main__":
    main()
