"""The cache gives back what was found, for the same content only; and importing derivations is cheap."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import derivations
from derivations.witnesses import cache, findings


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELBO_CACHE", str(tmp_path))
    return tmp_path / "derivations"


def test_what_was_found_comes_back_without_asking(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    d = derivations.find("posterior-kl")
    first = findings(d, "tables", cached=True)
    assert len(list(here.iterdir())) == 1

    def refuse(*_: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(sys.modules["derivations.witnesses.findings"], "_ask", refuse)
    assert findings(d, "tables", cached=True) == first


def test_other_content_is_asked_anew() -> None:
    d = derivations.find("posterior-kl")
    changed = replace(d, steps=d.steps[:-1])
    assert cache.fingerprint(d) != cache.fingerprint(changed)
    assert cache.fingerprint(d) == cache.fingerprint(derivations.find("posterior-kl"))


def test_functions_are_known_by_their_code_and_what_they_enclose() -> None:
    def make(c: int):  # type: ignore[no-untyped-def]
        return lambda t: t + c

    assert cache.fingerprint(make(1)) == cache.fingerprint(make(1))
    assert cache.fingerprint(make(1)) != cache.fingerprint(make(2))
    assert cache.fingerprint(lambda t: t) != cache.fingerprint(lambda t: -t)


def test_a_spoilt_file_counts_as_none(here: Path) -> None:
    here.mkdir()
    (here / "key.json").write_text("{")
    assert cache.load("key") is None


def test_off_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELBO_CACHE", "off")
    cache.save("key", {})
    assert cache.folder() is None
    assert cache.load("key") is None


def test_importing_derivations_and_the_rules_needs_neither_torch_nor_sympy() -> None:
    code = (
        "import sys, derivations\n"
        "derivations.judge(derivations.find('posterior-kl'), only=('rules',))\n"
        "print(sorted({'torch', 'sympy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
