"""The page that says how to add a claim is true."""

import re
from pathlib import Path

from elbo.evidence import Verdict
from elbo.verification._run import run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "add-a-claim.md"


def test_the_claim_of_the_how_to_is_confirmed() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    space: dict = {}
    exec(compile(code, str(PAGE), "exec"), space)
    (row,) = run(list(space["claims"]()), workers=0).rows
    assert row.outcome.verdict is Verdict.CONFIRMED, row.outcome
