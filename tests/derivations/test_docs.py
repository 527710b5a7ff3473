"""The site builds without a warning, asks nothing of the network, and what it shows is what the code does."""

import contextlib
import io
import re
import shutil
import sys
import warnings
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
HOW_TO = DOCS / "how-to" / "write-a-derivation.md"

sys.path.insert(0, str(DOCS / "_ext"))


def _build(source: Path, target: Path) -> str:
    """The warnings of a build as ``make docs`` runs it, and of nothing else."""
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    said = io.StringIO()
    with patch_docutils(source), docutils_namespace(), warnings.catch_warnings():
        for category in (DeprecationWarning, PendingDeprecationWarning):  # of Sphinx about MyST, nothing of ours
            warnings.simplefilter("ignore", category)
        app = Sphinx(
            source, source, target, target / ".doctrees", "html", status=None, warning=said,
            confoverrides={"nitpicky": True},
        )  # fmt: skip
        app.build()
    return said.getvalue()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    assert _build(DOCS, target) == ""
    return target


def test_the_site_requests_nothing_from_elsewhere(site: Path) -> None:
    """No script, style, image, font or frame comes from another host; links that a reader may follow are no loads."""
    loads = re.compile(
        r"""<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?"""
        r"""(?:src|data)\s*=\s*["'](?:https?:)?//"""
        r"""|<link\b[^>]*?href\s*=\s*["'](?:https?:)?//"""
        r"""|url\(\s*["']?(?:https?:)?//|@import\s+["'](?:https?:)?//|fetch\(\s*["'](?:https?:)?//"""
    )
    checked = 0
    for path in site.rglob("*"):
        if path.suffix in {".html", ".css", ".js"}:
            checked += 1
            assert not loads.search(path.read_text(encoding="utf-8")), path
    assert checked > 10


def test_mathematics_needs_no_script(site: Path) -> None:
    page = (site / "how-to" / "write-a-derivation.html").read_text(encoding="utf-8")
    assert "<math " in page
    for path in site.rglob("*.html"):
        assert not re.search(r"<script[^>]*mathjax", path.read_text(encoding="utf-8"), re.IGNORECASE), path


def test_a_broken_formula_is_a_warning_with_its_place(tmp_path: Path) -> None:
    source = tmp_path / "docs"
    (source / "_ext").mkdir(parents=True)
    for name in ("conf.py", "_ext/mathml.py"):
        shutil.copy(DOCS / name, source / name)
    (source / "_static").mkdir()
    (source / "index.md").write_text("# Title\n\nRight: $a^2$.\n\nBroken: $\\nosuchmacro{x}$.\n")
    said = _build(source, tmp_path / "out")
    assert "index.md:5" in said
    assert "nosuchmacro" in said
    assert said.count("formula not understood") == 1


def test_the_converter_reads_what_tex_reads() -> None:
    import mathml

    half = mathml.convert(r"\frac12 x", block=False)
    assert "<mn>1</mn>" in half
    assert "<mn>2</mn>" in half
    assert "<mn>12</mn>" not in half
    assert "|" in mathml.convert(r"f\Big|_{x = 0}", block=True)
    assert "mspace" in mathml.convert(r"a\log b", block=False)


def test_the_how_to_page_is_true() -> None:
    """Each Python block of the page runs, in order, and prints the text that follows it (… is anything)."""
    blocks = re.findall(r"```(python|text)\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)
    assert [kind for kind, _ in blocks] == ["python", "text"] * 3
    names: dict[str, object] = {}
    for (_, code), (_, expected) in zip(blocks[::2], blocks[1::2], strict=True):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(HOW_TO), "exec"), names)
        pattern = ".*".join(re.escape(piece) for piece in expected.split("…"))
        assert re.fullmatch(pattern, printed.getvalue()), printed.getvalue()


def test_a_derivation_takes_about_thirty_lines() -> None:
    code = re.search(r"```python\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    assert len([line for line in code[1].splitlines() if line.strip()]) <= 38
