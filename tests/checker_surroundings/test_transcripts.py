"""What the how-to pages show is what the commands print today."""

import re
from pathlib import Path

import pytest
from transcripts import replayed

pytest_plugins = ["pytester"]
FOLDER = Path(__file__).resolve().parents[2] / "docs" / "how-to"
PAGES = sorted(FOLDER.glob("check-*.md"))


def settled(text):
    """Without the digits of what is rounding error, which another processor gives others."""
    return re.sub(r"-?\d(\.\d+)?e-1[5-9]", "0", text)


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
@pytest.mark.filterwarnings("ignore")
def test_page_shows_what_is_printed(page):
    if page.stem == "check-numpy-jax-keras":
        pytest.importorskip("jax")
    text = page.read_text(encoding="utf-8")
    assert settled(replayed(text)) == settled(text), f"run: python tests/transcripts.py docs/how-to/{page.name}"


def test_every_target_has_a_page():
    from elbo.checking import TARGETS

    assert {f"check-{target.replace('_', '-')}" for target in TARGETS} <= {page.stem for page in PAGES}


def test_the_test_file_of_the_pytest_page_passes(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    page = (FOLDER / "check-in-pytest.md").read_text(encoding="utf-8")
    source = page.split("# file: test_losses.py\n")[1].split("```")[0]
    pytester.makepyfile(test_losses=source)
    pytester.runpytest("-p", "elbo.pytest_plugin").assert_outcomes(passed=4)


@pytest.mark.parametrize("change", [("CORRECT", "WRONG"), ("0.5", "0.7"), ("mean over", "sum over")])
def test_a_page_that_lies_is_noticed(change):
    text = (FOLDER / "check-gaussian-kl.md").read_text(encoding="utf-8")
    assert replayed(text) == text
    lie = text.replace(*change)
    assert lie != text
    assert replayed(lie) != lie
