"""The pytest plugin: losses are checked where the other tests are.

- a test marked ``@pytest.mark.elbo(target, **options)`` returns the function to check;
- the fixture ``elbo_check`` is ``elbo_check(function, target, **options)``: it fails with the report, and returns it;
- :func:`parametrize_with_checks` makes one test of each loss in a list;
- ``--elbo-seed`` is the root of all random inputs, ``--elbo-alpha`` the false-alarm budget of the whole run.

Nothing heavy is imported until the first check runs.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from elbo.checking import Report

_SPENT = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The two options."""
    group = parser.getgroup("elbo", "checking losses against their mathematics")
    group.addoption("--elbo-seed", type=int, default=0, metavar="N", help="root of all random inputs (default 0)")
    group.addoption(
        "--elbo-alpha",
        type=_probability,
        default=1e-6,
        metavar="P",
        help="probability that a run in which all is right fails (default 1e-6)",
    )


def _probability(text: str) -> float:
    import argparse

    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a probability between 0 and 1, for example 1e-6")
    return value


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark."""
    config.stash[_SPENT] = 0
    config.addinivalue_line(
        "markers", "elbo(target, **options): the test returns a loss; check it against target, see elbo.check"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a marked test, and check what it returns."""
    mark = pyfuncitem.get_closest_marker("elbo")
    if mark is None:
        return None
    if len(mark.args) != 1:
        raise pytest.UsageError(
            f"{pyfuncitem.nodeid}: write @pytest.mark.elbo(target, **options) with one target, for example "
            "@pytest.mark.elbo('gaussian_kl'); got " + (", ".join(map(repr, mark.args)) or "none")
        )
    names = pyfuncitem._fixtureinfo.argnames
    function = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    if function is None or not callable(function):
        pytest.fail(
            f"a test marked elbo({mark.args[0]!r}) returns the function to check, and {pyfuncitem.name} returned "
            f"{function!r}; end it with `return my_loss`",
            pytrace=False,
        )
    _run(pyfuncitem, function, mark.args[0], mark.kwargs)
    return True


@pytest.fixture
def elbo_check(request: pytest.FixtureRequest) -> Callable[..., "Report"]:
    """``elbo_check(function, target, **options)`` fails with the report unless the function is right."""

    def check(function: Callable[..., Any], target: str, **options: Any) -> "Report":
        __tracebackhide__ = True
        return _run(request.node, function, target, options)

    return check


@dataclass
class Check:
    """One loss and its target; calling it inside a test checks it."""

    function: Callable[..., Any]
    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    node: pytest.Item | None = None

    def __call__(self) -> "Report":
        """Fail with the report unless the function is right; return the report."""
        __tracebackhide__ = True
        return _run(self.node, self.function, self.target, self.options)

    @property
    def name(self) -> str:
        """How the test is called: function and target."""
        function = getattr(self.function, "func", self.function)
        return f"{getattr(function, '__qualname__', type(function).__name__)}-{self.target}"


def parametrize_with_checks(losses: Iterable[Any]) -> pytest.MarkDecorator:
    """One test for each ``(function, target)`` or ``(function, target, options)``; it takes ``check`` and calls it.

    >>> @parametrize_with_checks([(lambda mean, log_var: (mean**2).sum(), "gaussian_kl")])
    ... def test_losses(check):
    ...     check()
    """
    checks = []
    for loss in losses:
        if isinstance(loss, tuple) and len(loss) in (2, 3):
            checks.append(Check(*loss))
        else:
            raise pytest.UsageError(
                f"parametrize_with_checks got {loss!r}; write pairs (function, 'gaussian_kl') or triples "
                "with a dict of options"
            )
    return pytest.mark.parametrize("check", [pytest.param(check, id=check.name) for check in checks])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tell a parametrized check which test it is in: the seed depends on it."""
    for value in getattr(getattr(item, "callspec", None), "params", {}).values():
        if isinstance(value, Check):
            value.node = item


def _run(node: pytest.Item | None, function: Callable[..., Any], target: str, options: Mapping[str, Any]) -> "Report":
    __tracebackhide__ = True
    from elbo.checking import check
    from elbo.evidence import seed

    given = dict(options)
    root = 0
    if node is not None:
        root = int(node.config.getoption("--elbo-seed"))
        given.setdefault("seed", seed(root, node.nodeid))
        given.setdefault("alpha", _share(node.config))
    report = check(function, target, **given)
    if not report:
        pytest.fail(f"{report}\n(--elbo-seed {root})", pytrace=False)
    return report


def _share(config: pytest.Config) -> float:
    """The k-th check of a run may spend 6 alpha / (π² k²): all of them together spend alpha at most."""
    config.stash[_SPENT] += 1
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    alpha = float(config.getoption("--elbo-alpha"))
    return 6 * alpha / (3.141592653589793**2 * config.stash[_SPENT] ** 2 * workers)
