"""The main job: who passes, who does not, and what is written."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from html.parser import HTMLParser

import pytest

from elbo.evidence import Verdict
from elbo.verification import Claim, Context, Outcome, _registry, _run, collect
from elbo.verification._report import to_dict, write
from elbo.verification._run import FALSE_ALARMS, run


def outcome(verdict: Verdict, context: Context) -> Outcome:
    return Outcome(verdict)


def raises(context: Context) -> Outcome:
    raise RuntimeError("no")


def spends(context: Context) -> Outcome:
    return Outcome(Verdict.CONFIRMED, alpha=1e-3)


def claim(name: str, check, **keywords) -> Claim:
    return Claim(name, f"statement of {name}", "rules", check, **keywords)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_only_confirmed_counts_as_confirmed(verdict: Verdict) -> None:
    result = run([claim("a", partial(outcome, verdict)), claim("b", partial(outcome, Verdict.CONFIRMED))], workers=0)
    assert result.confirmed == (verdict is Verdict.CONFIRMED)


def test_a_run_of_nothing_is_not_a_pass() -> None:
    assert not run([], workers=0).confirmed


def test_a_check_that_raises_is_unknown_and_says_why() -> None:
    (row,) = run([claim("a", raises)], workers=0).rows
    assert row.outcome.verdict is Verdict.UNKNOWN
    assert "RuntimeError: no" in row.outcome.detail
    assert "raises" in row.outcome.evidence["traceback"]


def test_a_check_that_overspends_its_share_is_not_confirmed() -> None:
    (row,) = run([claim("a", spends, stochastic=True)], workers=0).rows
    assert row.outcome.verdict is Verdict.UNKNOWN


def test_a_residual_that_is_nan_is_refuted() -> None:
    assert Outcome.within(float("nan"), 1.0).verdict is Verdict.REFUTED
    assert Outcome.within(1.0, 1.0).verdict is Verdict.CONFIRMED
    assert Outcome.within(1.1, 1.0).verdict is Verdict.REFUTED


def test_a_witness_that_is_none_of_ours_is_refused() -> None:
    with pytest.raises(ValueError, match="write one of"):
        Claim("a", "s", "hope", raises)  # type: ignore[arg-type]


def test_names_are_unique_and_begin_with_their_package() -> None:
    names = [c.name for c in collect()]
    assert len(names) == len(set(names))
    assert all("." in name for name in names)


def test_two_claims_of_one_name_are_an_error(monkeypatch) -> None:
    first = collect()[0]
    monkeypatch.setattr("elbo.verification.claims.evidence.claims", lambda: iter([first, first]))
    with pytest.raises(ValueError, match="must be unique"):
        collect()


def test_patterns_select_by_part_or_by_wildcard() -> None:
    assert {c.name for c in collect("mean_test")} == {"evidence.mean_test.false_alarms", "evidence.mean_test.power"}
    assert [c.name for c in collect("noise.*.nodes")] == ["noise.standard_normal.nodes"]
    assert collect("no such thing") == []


def test_workers_do_not_change_the_results() -> None:
    claims = collect("evidence.*")
    alone, together = (to_dict(run(claims, seed=3, workers=n))["claims"] for n in (0, 2))
    for row in (*alone, *together):
        row.pop("seconds")
    assert alone == together


def test_the_shares_of_the_statistical_claims_sum_to_the_budget() -> None:
    result = run(collect("evidence.*"), workers=0)
    share = FALSE_ALARMS / sum(c.stochastic for c in collect())
    assert result.alpha == pytest.approx(2 * share)


def test_another_seed_gives_other_draws() -> None:
    power = collect("evidence.mean_test.power")
    assert run(power, seed=0, workers=0).rows[0].outcome != run(power, seed=1, workers=0).rows[0].outcome


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href") and value]


def test_the_reports_are_complete_and_stand_alone(tmp_path) -> None:
    odd = claim("odd.<b>", partial(Outcome.within, float("inf"), 1.0))
    odd = Claim(odd.name, "a < b & <script>alert(1)</script>", "rules", infinite)
    result = run([*collect("noise.*"), odd], workers=0)
    paths = write(result, tmp_path / "new" / "folder")
    assert [p.name for p in paths] == ["report.json", "report.html"]
    content = json.loads(paths[0].read_text())
    assert [row["name"] for row in content["claims"]] == [row.claim.name for row in result.rows]
    assert content["claims"][-1]["residual"] == "inf"
    assert content["confirmed"] is False
    page = _Page()
    page.feed(paths[1].read_text())
    assert "script" not in page.tags
    assert page.links == []
    for row in result.rows[:-1]:
        assert row.claim.name in paths[1].read_text()


def infinite(context: Context) -> Outcome:
    return Outcome.within(float("inf"), 1.0)


def elbo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "elbo", *arguments], capture_output=True, text=True, check=False)


def test_the_command_writes_its_reports_and_ends_with_the_totals(tmp_path) -> None:
    done = elbo("verify", "--only", "noise.*", "--out", str(tmp_path), "--workers", "0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("2 claims: 2 confirmed; false-alarm budget spent")
    assert (tmp_path / "report.html").exists()


def test_the_command_lists_and_refuses_a_pattern_that_matches_nothing() -> None:
    listed = elbo("verify", "--list", "--only", "evidence.*")
    assert listed.returncode == 0
    assert "evidence.mean_test.power  [draws]" in listed.stdout
    nothing = elbo("verify", "--only", "no such thing")
    assert nothing.returncode == 2
    assert "--list" in nothing.stderr


def slow(context: Context) -> Outcome:
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
    return Outcome(Verdict.CONFIRMED)


def test_an_interrupt_keeps_what_was_judged() -> None:
    result = run([claim("a", partial(outcome, Verdict.CONFIRMED)), claim("b", slow), claim("c", raises)], workers=0)
    assert result.interrupted
    assert not result.confirmed
    assert [row.outcome.verdict for row in result.rows] == [Verdict.CONFIRMED, Verdict.UNKNOWN, Verdict.UNKNOWN]
    assert "INTERRUPTED" in result.totals()


def test_a_worker_that_dies_is_unknown_and_not_a_pass(monkeypatch) -> None:
    assert _registry.collect is collect
    future: _run.Future = _run.Future()
    future.set_exception(BrokenPipeError("gone"))
    found, _ = _run._result(future)
    assert found.verdict is Verdict.UNKNOWN
    assert "gone" in found.detail
