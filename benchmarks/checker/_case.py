"""What a case is: a function, the target it is checked against, and the truth about it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["correct", "wrong", "undecided"]


@dataclass(frozen=True)
class Truth:
    """What a report has to say.

    ``mistakes`` are the codes that must be named; ``"a|b"`` stands for either, where the contract gives one mistake two
    names. ``notes`` must appear. ``candidates`` is the group that no probe can tell apart: all of it must be listed.
    """

    verdict: Verdict
    mistakes: frozenset[str] = frozenset()
    notes: frozenset[str] = frozenset()
    candidates: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Case:
    """One function as somebody would write it.

    ``order`` and ``spread`` say in which order the function takes the roles of its target, and what its spread is:
    facts for the test of these labels, which the checker is not told. ``also`` holds a second reading of the truth
    where the contract leaves the verdict open.
    """

    name: str
    target: str
    function: Callable[..., Any]
    truth: Truth
    also: tuple[Truth, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)
    order: tuple[int, ...] | None = None
    spread: str = "log_variance"
    tags: frozenset[str] = frozenset()

    @property
    def right(self) -> bool:
        return self.truth.verdict == "correct"


class Cases:
    """The cases of one target, collected by decorators."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.found: list[Case] = []

    def __iter__(self) -> Any:
        return iter(self.found)

    def _add(self, truth: Truth, name: str | None, facts: dict[str, Any]) -> Callable[[Any], Any]:
        def add(function: Any) -> Any:
            label = name or function.__name__
            facts["tags"] = frozenset(facts.pop("tags", ()))
            self.found.append(Case(f"{self.target}/{label}", self.target, function, truth, **facts))
            return function

        return add

    def right(self, name: str | None = None, *, notes: Iterable[str] = (), **facts: Any) -> Callable[[Any], Any]:
        """A function that is right, with the notes that a report must carry."""
        return self._add(Truth("correct", notes=frozenset(notes)), name, facts)

    def wrong(
        self,
        *mistakes: str,
        name: str | None = None,
        notes: Iterable[str] = (),
        candidates: Iterable[str] = (),
        **facts: Any,
    ) -> Callable[[Any], Any]:
        """A function that is wrong, with the codes that a report must name."""
        truth = Truth("wrong", frozenset(mistakes), frozenset(notes), frozenset(candidates))
        return self._add(truth, name, facts)
