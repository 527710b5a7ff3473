"""How the site is built: ``make docs``."""

import re
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_ext"))

project = "elbo"
author = "The elbo developers"
project_copyright = "The elbo developers, Apache-2.0"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist", "fieldlist", "attrs_inline", "attrs_block"]
myst_heading_anchors = 3

autodoc_typehints = "none"
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = "elbo"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["elbo.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f4e79", "color-brand-content": "#1f4e79"},
    "dark_css_variables": {"color-brand-primary": "#9cc4ea", "color-brand-content": "#9cc4ea"},
}


def _leave_out_empty_sections(app: Any, docname: str, source: list[str]) -> None:
    """A section of the front page that has no page yet is no error: its table of contents is left out."""
    if docname != "index":
        return

    def keep(block: re.Match[str]) -> str:
        pattern = block["pattern"]
        return block[0] if any(fnmatch(name, pattern) for name in app.env.found_docs) else ""

    source[0] = re.sub(r"```{toctree}\n:glob:\n(?:.*\n)*?\n(?P<pattern>\S+)\n```\n", keep, source[0])


def _write_the_generated_pages(app: Any) -> None:
    """What is not committed, because it is generated: the codes, the problems, and the divergences, with pictures."""
    from elbo.audit._page import write as write_divergences
    from elbo.checking._page import write as write_codes
    from elbo.problems._page import write as write_problems

    write_codes(HERE / "checker")
    write_problems(HERE / "problems")
    write_divergences(HERE / "divergences")


def setup(app: Any) -> None:
    """Hook of Sphinx."""
    app.connect("builder-inited", _write_the_generated_pages)
    app.connect("source-read", _leave_out_empty_sections)
