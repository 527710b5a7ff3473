"""What the how-to pages on divergences show is what comes out."""

import doctest
import re
from pathlib import Path

import pytest

PAGES = Path(__file__).resolve().parents[2] / "docs" / "how-to"


@pytest.mark.parametrize("name", ["compute-a-kl", "audit-a-kl"])
def test_the_examples_run(name):
    text = re.sub(r"^```.*$", "", (PAGES / f"{name}.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    examples = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    result = doctest.DocTestRunner(verbose=False).run(examples)
    assert result.attempted > 3
    assert result.failed == 0
