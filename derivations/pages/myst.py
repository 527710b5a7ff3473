"""A derivation as a page of the site."""

from collections.abc import Iterable, Iterator

from derivations.language import RULES
from derivations.pages._content import Content
from derivations.pages._text import anchor, escape, sentence

RELATION = {"=": "=", "<=": r"\leq", ">=": r"\geq"}
WRITTEN = "<!-- written by `python -m derivations pages`; edit {} instead -->"


def page(c: Content) -> str:
    """The page of one derivation."""
    return "\n".join(_lines(c)) + "\n"


def _lines(c: Content) -> Iterator[str]:
    yield WRITTEN.format("derivations/catalogue")
    yield f"(derivation-{c['slug']})="
    yield f"# {escape(c['title'])}"
    yield ""
    yield c["statement"]
    yield ""
    yield from _display(f"{c['start']['latex']} {RELATION[c['relation']]} {c['last']['latex']}")
    if c["depends_on"]:
        yield "Uses " + ", ".join(f"[](derivation-{slug})" for slug in c["depends_on"]) + "."
        yield ""
    yield from _conditions(c)
    if c["definitions"]:
        yield from _definitions(c)
    yield "## Proof"
    yield ""
    yield from _display(c["start"]["latex"])
    for step in c["steps"]:
        yield from _step(c, step)
    yield from _wrong(c)
    yield from _instances(c)
    yield from _end(c)


def _display(tex: str) -> Iterator[str]:
    yield "$$"
    yield tex
    yield "$$"
    yield ""


def _conditions(c: Content) -> Iterator[str]:
    assumed, collected = c["conditions"]["assumed"], c["conditions"]["collected"]
    if not assumed and not collected:
        return
    yield "## Conditions"
    yield ""
    for condition in assumed:
        yield f"- {condition}"
    for condition in collected:
        yield f"- {condition['latex']}"
    yield ""


def _definitions(c: Content) -> Iterator[str]:
    yield "## Definitions"
    yield ""
    for d in c["definitions"]:
        yield f"(definition-{c['slug']}-{anchor(d['name'])})="
        yield ""
        yield ":::{container} step"
        yield f"**{escape(sentence(d['name']))}**" + (f" ({escape(d['source'])})" if d["source"] else "")
        yield ""
        yield from _display(f"{d['left']['latex']} = {d['right']['latex']}")
        yield from _witnesses(d["witnesses"])
        yield ":::"
        yield ""


def _step(c: Content, step: Content) -> Iterator[str]:
    yield ":::{container} step"
    yield f"**{step['number']}.** by {', '.join(_rule(c, r) for r in step['rules'])}"
    yield ""
    yield from _display(f"{RELATION[step['relation']]} {step['expression']['latex']}")
    if step["note"]:
        yield step["note"]
        yield ""
    yield from _witnesses(step["witnesses"])
    yield ":::"
    yield ""


def _rule(c: Content, rule: Content) -> str:
    name = rule["name"]
    if rule["definition"]:
        return f"[{escape(name)}](#definition-{c['slug']}-{anchor(name)})"
    return f"[{escape(name)}](#rule-{anchor(name)})"


def _witnesses(witnesses: Iterable[Content]) -> Iterator[str]:
    idle: dict[str, list[str]] = {}
    for w in witnesses:
        if w["finding"] == "not applicable":
            idle.setdefault(w["detail"], []).append(w["witness"])
        else:
            yield f"- {_verdict(w)}"
    for reason, names in idle.items():
        yield f"- not applicable to {_enumerate(names)} ({escape(reason)})"
    yield ""


def _verdict(w: Content) -> str:
    said = [escape(w["detail"])] if w["detail"] else []
    if "residual" in w:
        said.append(f"residual {escape(w['residual'])}")
    if "bound" in w:
        said.append(f"error bound {escape(w['bound'])}")
    return f"**{w['witness']}**: {w['finding']}" + (f" ({'; '.join(said)})" if said else "")


def _wrong(c: Content) -> Iterator[str]:
    if not c["wrong"]:
        return
    yield "## Wrong variants"
    yield ""
    yield "Mistakes that people make, each rejected by the witnesses named."
    yield ""
    for w in c["wrong"]:
        yield from _display(
            f"{w['left']['latex']} \\overset{{?}}{{{RELATION[w['relation']]}}} {w['expression']['latex']}"
        )
        yield w["why"] + (f" (Seen in {escape(w['source'])}.)" if w["source"] else "")
        yield ""
        yield f"*Rejected by {_enumerate(w['rejected_by'])}.*"
        yield ""


def _instances(c: Content) -> Iterator[str]:
    if not c["instances"]:
        return
    yield "## Instances"
    yield ""
    yield "Models in which the numeric witnesses evaluate every line."
    yield ""
    for i in c["instances"]:
        laws = [f"${law['density']['latex']}$ is ${law['law']['latex']}$" for law in i["laws"]]
        numbers = [f"${n['latex']} = {n['value']}$" for n in (*i["values"], *i["parameters"])]
        yield (
            f"**{escape(sentence(i['name']))}.** "
            + ", ".join(laws)
            + (f"; {', '.join(numbers)}" if numbers else "")
            + "."
        )
        yield ""


def _end(c: Content) -> Iterator[str]:
    yield "## Sources"
    yield ""
    for s in c["sources"]:
        yield f"- {escape(s['work'])}, {escape(s['locator'])}"
    yield ""
    if c["implements"]:
        yield "## In the library"
        yield ""
        yield from (f"- `{name}`" for name in c["implements"])
        yield ""


def _enumerate(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def rules_page(uses: dict[str, list[str]]) -> str:
    """Every rule, with what it needs, where it is proved, and the derivations that cite it."""
    return "\n".join(_rules(uses)) + "\n"


def _rules(uses: dict[str, list[str]]) -> Iterator[str]:
    yield WRITTEN.format("derivations/language/rules.py")
    yield "# Rules"
    yield ""
    yield "A step cites the rules that it uses. They are sufficient, and each is necessary: without it the step fails."
    yield ""
    for rule in RULES.values():
        yield f"(rule-{anchor(rule.name)})="
        yield f"## {escape(sentence(rule.name))}"
        yield ""
        yield from _display(rule.statement)
        yield f"Needs: {escape(rule.conditions)}. Proved in {escape(rule.source)}."
        if rule.sample_by_sample:
            yield ""
            yield "It holds for every measure of mass one: a step by such rules alone holds sample by sample."
        yield ""
        yield "Used in " + ", ".join(f"[](derivation-{slug})" for slug in uses[rule.name]) + "."
        yield ""


def index_page(groups: dict[str, list[Content]]) -> str:
    """The table of contents, by file of the catalogue."""
    return "\n".join(_index(groups)) + "\n"


def _index(groups: dict[str, list[Content]]) -> Iterator[str]:
    every = [c for group in groups.values() for c in group]
    yield WRITTEN.format("derivations/catalogue")
    yield "# Derivations"
    yield ""
    yield (
        f"{len(every)} derivations with {sum(len(c['steps']) for c in every)} steps. Every step is confirmed by at "
        f"least two independent witnesses; each of {sum(len(c['wrong']) for c in every)} wrong variants is rejected "
        "by two. "
        "The [rules](rules.md) say what a step may cite; [what the sources get wrong](errata.md) is a page of its own."
    )
    yield ""
    for title, group in groups.items():
        yield f"## {escape(title)}"
        yield ""
        for c in group:
            yield f"- [](derivation-{c['slug']}): {c['statement']}"
        yield ""
        yield "```{toctree}"
        yield ":hidden:"
        yield ""
        yield from (c["slug"] for c in group)
        yield "```"
        yield ""
