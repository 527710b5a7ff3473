"""What the README shows is what happens."""

import re

import pytest
from transcripts import FENCE, ROOT, replayed

README = (ROOT / "README.md").read_text()


@pytest.mark.filterwarnings("ignore")
def test_transcripts_of_the_readme_are_true() -> None:
    assert replayed(README, ROOT) == README, "run: python tests/transcripts.py README.md"


def test_the_readme_shows_one_right_and_three_wrong_losses() -> None:
    shown = [text for language, text in FENCE.findall(README) if language == "console" and "elbo check" in text]
    assert [len(re.findall(rf": {verdict}$", "".join(shown), re.MULTILINE)) for verdict in ("CORRECT", "WRONG")] == [
        1,
        3,
    ]


def test_python_examples_of_the_readme_run() -> None:
    blocks = [text for language, text in FENCE.findall(README) if language == "python"]
    assert len(blocks) >= 3
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (ROOT / target).exists(), target
