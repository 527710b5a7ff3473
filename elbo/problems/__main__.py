"""``python -m elbo.problems page [folder]`` writes the page of problems with known answers."""

import sys

from elbo.problems._page import write


def main(arguments: list[str]) -> int:
    """Write the page, and say where."""
    if len(arguments) not in (1, 2) or arguments[0] != "page":
        print("usage: python -m elbo.problems page [folder]", file=sys.stderr)
        return 2
    for path in write(arguments[1] if len(arguments) == 2 else "docs/problems"):
        print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
