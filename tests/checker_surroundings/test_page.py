"""The page of all codes: every code is on it, and Sphinx builds it without a warning."""

import re
import subprocess
import sys

import pytest

from elbo.checking import _page
from elbo.checking.codes import CODES

PAGE = CODES["reverse-kl"].page


@pytest.fixture
def page(tmp_path):
    (tmp_path / "derivations").mkdir()
    (tmp_path / "derivations" / f"{PAGE}.md").write_text("# The closed form\n")
    return _page.write(tmp_path / "checker")


def test_every_code_has_its_entry_once(page):
    headings = re.findall(r"^### `(.+)`$", page.read_text(), flags=re.M)
    assert sorted(headings) == sorted(CODES)


def test_every_family_has_a_title():
    assert {code.family for code in CODES.values()} <= set(_page._FAMILIES)


def test_each_mistake_says_effect_and_fix(page):
    text = page.read_text()
    for code in CODES.values():
        entry = text.split(f"### `{code.name}`")[1].split("\n### ")[0]
        assert code.effect in entry
        if code.kind == "mistake":
            assert "Write" in entry


def test_the_fixes_that_look_like_code_are_code(page):
    for block in re.findall(r"```python\n(.*?)\n```", page.read_text(), flags=re.S):
        compile(block, "fix", "exec")


def test_links_lead_only_to_derivations_that_are_there(page):
    assert set(re.findall(r"\]\(\.\./derivations/(.+?)\.md\)", page.read_text())) == {PAGE}


def test_sphinx_builds_the_page(page, tmp_path):
    pytest.importorskip("sphinx")
    (tmp_path / "index.md").write_text("# Index\n\n```{toctree}\n:glob:\n\nchecker/*\nderivations/*\n```\n")
    (tmp_path / "conf.py").write_text(
        'extensions = ["myst_parser"]\nmyst_enable_extensions = ["deflist", "dollarmath"]\nmyst_heading_anchors = 3\n'
    )
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "-q", "-b", "html", str(tmp_path), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
