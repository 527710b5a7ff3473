"""Pages say what the witnesses found, the same on every machine, and nothing that is not proved."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from derivations.catalogue import catalogue, find
from derivations.language import Derivation, Entropy, Step
from derivations.pages import NotProved, PagesError, _check, check, content, latex, latex_document, myst, write
from derivations.pages._text import anchor, bound, escape, number, rounded, sentence
from derivations.witnesses import judge

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "derivations"


@pytest.fixture(scope="module")
def posterior_kl() -> Derivation:
    return find("posterior-kl")


def test_the_committed_pages_are_those_that_the_code_writes() -> None:
    """Byte for byte; write them anew with ``python -m derivations pages``."""
    from derivations.pages import site

    made = site(catalogue())
    there = {path.name: path.read_bytes() for path in PAGES.glob("*.md")}
    assert sorted(there) == sorted(made)
    different = [name for name, text in made.items() if there[name] != text.encode()]
    assert different == []


def test_a_page_has_steps_with_linked_rules_and_verdicts(posterior_kl: Derivation) -> None:
    page = myst.page(content(judge(posterior_kl)))
    for n in range(1, len(posterior_kl.steps) + 1):
        assert f"**{n}.** by " in page
    assert "[log of a product](#rule-log-of-a-product)" in page
    assert "[Bayes](#definition-posterior-kl-bayes)" in page
    assert "(definition-posterior-kl-bayes)=" in page
    assert page.count("**rules**: confirmed") == len(posterior_kl.steps)
    assert "Rejected by rules" in page
    assert "arXiv 1312.6114" in page
    assert "## Conditions" in page


def test_an_unproved_step_is_not_printed(posterior_kl: Derivation) -> None:
    broken = replace(posterior_kl, steps=(*posterior_kl.steps[:-1], replace_last(posterior_kl)))
    with pytest.raises(NotProved, match="step 6"):
        content(judge(broken, only=("rules", "tables")))


def replace_last(d: Derivation) -> Step:
    last = d.steps[-1]
    return Step(-1 * last.expression, last.by)


def test_an_accepted_mistake_is_not_printed(posterior_kl: Derivation) -> None:
    true = replace(posterior_kl.wrong[0], expression=posterior_kl.last)
    with pytest.raises(NotProved, match="wrong variant"):
        content(judge(replace(posterior_kl, wrong=(true,)), only=("rules", "tables")))


def test_one_witness_is_not_enough(posterior_kl: Derivation) -> None:
    with pytest.raises(NotProved, match="2 witnesses"):
        content(judge(posterior_kl, only=("rules",)))


def test_a_rule_cited_without_need_is_not_printed(posterior_kl: Derivation) -> None:
    first = posterior_kl.steps[0]
    idle = replace(posterior_kl, steps=(Step(first.expression, (*first.by, "tower")), *posterior_kl.steps[1:]))
    with pytest.raises(NotProved, match="without need"):
        content(judge(idle, only=("rules", "tables")))


def test_dangling_names_are_errors(posterior_kl: Derivation) -> None:
    check((posterior_kl,), every_rule_used=False)
    with pytest.raises(PagesError, match="depends on 'nowhere'"):
        check((replace(posterior_kl, depends_on=("nowhere",)),), every_rule_used=False)
    with pytest.raises(PagesError, match=r"implements 'elbo\.nothing'"):
        check((replace(posterior_kl, implements=("elbo.nothing",)),), every_rule_used=False)
    odd = Step(posterior_kl.steps[0].expression, "magic")
    with pytest.raises(PagesError, match="cites 'magic'"):
        check((replace(posterior_kl, steps=(odd,)),), every_rule_used=False)
    with pytest.raises(PagesError, match="share the slug"):
        check((posterior_kl, posterior_kl), every_rule_used=False)


def test_circles_are_errors(posterior_kl: Derivation) -> None:
    a = replace(posterior_kl, slug="a", depends_on=("b",))
    b = replace(posterior_kl, slug="b", depends_on=("a",))
    with pytest.raises(PagesError, match="circle: a, b"):
        check((a, b), every_rule_used=False)


def _without_a_place(d: Derivation) -> Derivation:
    object.__setattr__(lost := replace(d.sources[0]), "locator", "")  # a source refuses to be made so
    return replace(d, sources=(lost, *d.sources[1:]))


FAULTS = {
    "an unproved step": (lambda d: replace(d, steps=(*d.steps[:-1], replace_last(d))), NotProved, "step 6"),
    "an accepted mistake": (
        lambda d: replace(d, wrong=(replace(d.wrong[0], expression=d.last), *d.wrong[1:])),
        NotProved,
        "wrong variant",
    ),
    "a function that elbo does not have": (
        lambda d: replace(d, implements=(*d.implements, "elbo.bounds.no_such_bound")),
        PagesError,
        r"implements 'elbo\.bounds\.no_such_bound', which does not exist",
    ),
    "a citation without a place": (_without_a_place, PagesError, "has no locator"),
    "a circle": (
        lambda d: replace(d, depends_on=("evidence-decomposition",)),
        PagesError,
        "in a circle: .*evidence-decomposition.*posterior-kl",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_page_is_written_with(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole catalogue with one fault in it, through the command: it fails, says why and writes nothing."""
    from derivations.pages import contents

    plant, error, message = FAULTS[fault]
    others = [d for d in catalogue() if d.slug != "posterior-kl"]
    spoilt = (plant(find("posterior-kl")), *others)  # type: ignore[no-untyped-call]
    with pytest.raises(error, match=message):
        contents(spoilt)
    monkeypatch.setattr(importlib.import_module("derivations.catalogue"), "catalogue", lambda: spoilt)
    assert importlib.import_module("derivations.__main__").main(["pages", "--out", str(tmp_path / "out")]) == 1
    assert not (tmp_path / "out").exists()


def test_unused_rules_are_errors(posterior_kl: Derivation) -> None:
    with pytest.raises(PagesError, match="rule 'integration by parts' is used by no derivation"):
        check((posterior_kl,))


def test_sources_without_a_place_are_errors(posterior_kl: Derivation) -> None:
    source = posterior_kl.sources[0]
    object.__setattr__(lost := replace(source), "locator", " ")
    with pytest.raises(PagesError, match="has no locator"):
        check((replace(posterior_kl, sources=(lost,)),), every_rule_used=False)


def test_every_rule_is_used_by_the_catalogue() -> None:
    assert [name for name, slugs in _check.rule_uses(catalogue()).items() if not slugs] == []


def test_names_resolve() -> None:
    assert _check.resolves("derivations.pages.write")
    assert _check.resolves("derivations.pages")
    assert not _check.resolves("derivations.pages.nothing")
    assert not _check.resolves("no_such_package.at_all")


def test_json_is_plain_data(posterior_kl: Derivation) -> None:
    data = json.loads(json.dumps(content(judge(posterior_kl))))
    assert data["slug"] == "posterior-kl"
    assert data["steps"][0]["expression"]["text"].startswith("E_{q(z | x)}")
    assert data["steps"][0]["rules"] == [{"name": "definition of KL", "definition": False}]


def test_the_latex_document_is_complete(posterior_kl: Derivation) -> None:
    text = latex.document([content(judge(posterior_kl))])
    assert text.count(r"\begin{equation*}") == text.count(r"\end{equation*}")
    for reference in set(_labels(r"\hyperref[", text)):
        assert rf"\label{{{reference}}}" in text, reference


def _labels(opening: str, text: str) -> list[str]:
    return [piece.partition("]")[0] for piece in text.split(opening)[1:]]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX is installed on this machine")
def test_the_latex_document_compiles(tmp_path: Path) -> None:
    (tmp_path / "derivations.tex").write_text(latex_document(catalogue()), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "derivations.tex"]
    for _ in range(2):  # the second run resolves the references
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
        assert done.returncode == 0, done.stdout[-3000:]
    assert "undefined" not in done.stdout
    assert (tmp_path / "derivations.pdf").stat().st_size > 10_000


def test_latex_refuses_a_sign_that_it_cannot_set() -> None:
    assert latex.plain("KL[q ‖ p] & φ") == r"KL[q $\|$ p] \& $\varphi$"
    with pytest.raises(ValueError, match="漢"):
        latex.plain("漢")


def test_bounds_do_not_depend_on_the_last_digits() -> None:
    assert bound(0.0) == bound(3e-16) == bound(9e-11) == "< 1e-9"
    assert bound(1.1e-10) == "< 1e-8"
    assert bound(3.1e-7) == bound(3.2e-7) == "< 1e-5"
    assert bound(0.5) == "< 10"
    assert bound(float("inf")) == "∞"
    with pytest.raises(ValueError, match="NaN"):
        bound(float("nan"))


def test_numbers_in_details_are_rounded() -> None:
    assert rounded("x: -1.03451030886 = -1.034510308860001") == "x: -1.03451 = -1.03451"
    assert rounded("2.1e-17 = 0, 40000 draws, q2(z1) at 1.5e-07") == "0 = 0, 40000 draws, q2(z1) at 1.5e-07"


def test_numbers_print_to_six_digits() -> None:
    assert number(-1.2345678) == "−1.23457"
    assert number(1e-17, error=1e-12) == "0"
    assert number(4.05e13) == "4.05 · 10^13"
    assert number(float("-inf")) == "−∞"


def test_text_reads_as_written() -> None:
    assert escape("q(z|x) *a* $5 [1]") == r"q(z\|x) \*a\* \$5 \[1\]"
    assert sentence("the log") == "The log"
    assert sentence("q(z|x) is") == "q(z|x) is"
    assert sentence("z = 1") == "z = 1"
    assert sentence("a bound") == "A bound"
    assert anchor("Log of a product") == "log-of-a-product"


def test_write_reports_what_changed_and_removes_what_is_gone(tmp_path: Path) -> None:
    assert write(tmp_path, {"a.md": "a", "b.md": "b"}) == ["a.md", "b.md"]
    assert write(tmp_path, {"a.md": "a", "b.md": "c"}) == ["b.md"]
    assert write(tmp_path, {"a.md": "a"}) == ["b.md"]
    assert not (tmp_path / "b.md").exists()


def test_the_command_refuses_what_is_not_proved(
    posterior_kl: Derivation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from derivations.__main__ import main

    broken = replace(posterior_kl, start=Entropy(posterior_kl.start.q))
    monkeypatch.setattr(importlib.import_module("derivations.catalogue"), "catalogue", lambda: (broken,))
    monkeypatch.setattr(
        _check, "RULES", {name: _check.RULES[name] for s in broken.steps for name in s.by if name != "Bayes"}
    )
    assert main(["pages", "--out", str(tmp_path / "pages")]) == 1
    assert "posterior-kl is not printed" in capsys.readouterr().err
    assert not (tmp_path / "pages").exists()


def test_the_command_writes_json(
    posterior_kl: Derivation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from derivations.__main__ import main

    cited = {name for s in posterior_kl.steps for name in s.by if name in _check.RULES}
    monkeypatch.setattr(_check, "RULES", {name: _check.RULES[name] for name in cited})
    monkeypatch.setattr(importlib.import_module("derivations.catalogue"), "catalogue", lambda: (posterior_kl,))
    assert main(["pages", "--format", "json", "--out", str(tmp_path / "all.json")]) == 0
    assert "written" in capsys.readouterr().out
    assert main(["pages", "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert [d["slug"] for d in printed] == ["posterior-kl"]


def test_importing_derivations_does_not_import_torch() -> None:
    code = "import sys, derivations, derivations.pages; sys.exit('torch' in sys.modules or 'sympy' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
