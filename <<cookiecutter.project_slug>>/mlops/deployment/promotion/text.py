"""The text of a promotion's pull request: pure, and safe against markup in names from data.

What comes from data, people or a registry stands as code: it can be neither a link nor a mention of
somebody, nor end the table or the list that it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlops.deployment.desired.model_file import DesiredModel
from mlops.deployment.gate.decision import Decision, Verdict
from mlops.deployment.promotion.branch import Change
from mlops.deployment.promotion.declared import Declared

# Characters of one name, of the cause, and rows of a table. GitHub takes 65,536 characters in all.
_LONGEST, _CAUSE, _ROWS = 300, 6000, 40


@dataclass(frozen=True)
class Figure:
    """A metric of the candidate and of the champion; None where it was not measured."""

    name: str
    candidate: float
    champion: float | None


@dataclass(frozen=True)
class Origin:
    """Where a version comes from, as its tags tell; `unknown` where they do not."""

    commit: str
    data: str
    data_digest: str
    author: str
    algorithm: str


@dataclass(frozen=True)
class Proposal:
    """All that a promotion's text tells.

    `cause` is why the version was made; `champion` the registry's best version, empty without one;
    `decision` the gate's, None where the registry has only its outcome (`judged_by`, `exceptions`);
    `declared` what it brings besides; `tested` when the tests of the model passed in the environment before; `put_back` why a rollout
    of it was taken back earlier; `run_url` the workflow run that asks.
    """

    target: str
    desired: DesiredModel
    changes: tuple[Change, ...]
    cause: str
    champion: str
    figures: tuple[Figure, ...]
    decision: Decision | None
    judged_by: str
    exceptions: str
    origin: Origin
    declared: Declared = field(default_factory=Declared)
    tested: str = ""
    put_back: str = ""
    run_url: str = ""


def title(proposal: Proposal) -> str:
    """The pull request's title, and the commit's first line."""
    desired = proposal.desired
    return f"Promote {plain(desired.model)} version {desired.version} to {proposal.target}"


def body(proposal: Proposal) -> str:
    """The pull request's text, in GitHub's Markdown."""
    parts = [
        _what(proposal),
        "## Why\n\n" + _why(proposal),
        "## Against the champion\n\n" + _metrics(proposal),
        "## The gate\n\n" + _gate(proposal),
        "## Where it comes from\n\n" + _lineage(proposal),
        "## How to roll back\n\n" + _rolling_back(proposal),
    ]
    if proposal.run_url:
        parts.append(f"Asked for by [this run]({proposal.run_url}), which keeps its files.")
    return "\n\n".join(parts) + "\n"


def code(text: str, longest: int = _LONGEST) -> str:
    """Any text as code on one line, which may stand in a table; a dash for none."""
    line = plain(text)
    if not line:
        return "-"
    line = line if len(line) <= longest else line[: longest - 3] + "..."
    # GitHub's tables end a cell at a bar, in code as well
    return "`" + line.replace("`", "'").replace("|", "\u2223") + "`"


def plain(text: str) -> str:
    """A text on one line, of printable characters alone: none that turns the direction of reading."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def fenced(text: str) -> str:
    """Lines as a block of code that nothing in them can end."""
    lines = [
        "".join(each if each.isprintable() else " " for each in line).rstrip()
        for line in text.strip().splitlines()
    ]
    inside = "\n".join(lines)
    if len(inside) > _CAUSE:
        inside = inside[:_CAUSE] + "\n..."
    longest = max((len(run) for run in re.findall(r"`+", inside)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{inside}\n{fence}"


def _what(proposal: Proposal) -> str:
    desired = proposal.desired
    rows = [
        (
            f"`{change.path}`",
            _named(change.before),
            f"version {desired.version} {code(desired.digest[:12])}",
        )
        for change in proposal.changes
    ]
    begin = f"Merging this lets {proposal.target} serve {code(desired.model)} version {desired.version}."
    lines = [begin, "", _table(("file", "now", "then"), rows)]
    if proposal.tested:
        lines += ["", f"The tests of the model passed in {proposal.tested}."]
    if proposal.put_back:
        lines += [
            "",
            f"**A rollout of this version was put back before**: {code(proposal.put_back)}",
        ]
    return "\n".join(lines)


def _named(before: DesiredModel | None) -> str:
    return f"version {before.version} {code(before.digest[:12])}" if before else "nothing"


def _why(proposal: Proposal) -> str:
    return fenced(proposal.cause) if proposal.cause.strip() else "Its training told no cause."


def _metrics(proposal: Proposal) -> str:
    version = proposal.desired.version
    if not proposal.figures:
        return "The run has no metrics."
    if not proposal.champion:
        begin = "There is no champion yet to compare with."
    elif proposal.champion == version:
        begin = f"Version {version} is the champion itself."
    else:
        begin = f"The champion is version {proposal.champion}."
    rows = [
        (code(each.name), _number(each.candidate), _number(each.champion), _difference(each))
        for each in proposal.figures[:_ROWS]
    ]
    heads = ("metric", f"version {version}", "champion", "difference")
    return f"{begin}\n\n{_table(heads, rows)}{_left_out(len(proposal.figures))}"


def _gate(proposal: Proposal) -> str:
    decision = proposal.decision
    judged = f"**passed**, judged by {code(proposal.judged_by)}"
    if decision is None:
        excepted = f" Exceptions: {code(proposal.exceptions)}." if proposal.exceptions else ""
        return f"The version {judged}. The registry has no reasons.{excepted}"
    counts: dict[str, int] = {}
    for verdict in decision.verdicts:
        counts[verdict.outcome] = counts.get(verdict.outcome, 0) + 1
    words = {"pass": "passed", "refuse": "refused", "excepted": "excepted", "none": "not needed"}
    told = ", ".join(f"{counts[key]} {word}" for key, word in words.items() if key in counts)
    state = judged if decision.passed else f"**refused**, judged by {code(proposal.judged_by)}"
    lines = [f"The version {state}: {len(decision.verdicts)} rules, {told}."]
    telling = [verdict for verdict in decision.verdicts if _is_telling(verdict)]
    if telling:
        heads = ("figure", "value", "95% interval", "bound", "verdict", "reason")
        lines += ["", _table(heads, [_verdict(each) for each in telling[:_ROWS]])]
        lines.append(_left_out(len(telling)).strip())
    lines += [
        f"- {code(group + '.*')} is off: {code(why)}" for group, why in _sorted(decision.without)
    ]
    return "\n".join(lines).rstrip()


def _is_telling(verdict: Verdict) -> bool:
    """Whether a reviewer wants to see it: all but what plainly passed, and every comparison."""
    compares = verdict.measure.startswith("champion.")
    return compares or verdict.outcome not in ("pass", "none") or "crosses" in verdict.reason


def _verdict(verdict: Verdict) -> tuple[str, ...]:
    interval = "" if verdict.low is None else f"{verdict.low:.4g} to {verdict.high:.4g}"
    bound, reason = code(verdict.bound), code(verdict.reason)
    value = _number(verdict.value)
    return code(verdict.measure), value, interval, bound, verdict.outcome, reason


def _lineage(proposal: Proposal) -> str:
    desired, origin = proposal.desired, proposal.origin
    data = f"{code(origin.data)} (SHA-256 {code(origin.data_digest[:12])})"
    rows = [
        ("package", f"{code(desired.digest)} (SHA-256)"),
        ("run", code(desired.run)),
        ("commit", code(origin.commit)),
        ("data", data),
        ("algorithm", code(origin.algorithm)),
        ("trained by", code(origin.author)),
    ]
    found = proposal.declared
    lines = [_table(("", ""), rows)]
    if found.paths:
        named = ", ".join(code(path) for path in found.paths[:_ROWS])
        lines.append(f"\nThis brings the commit along that declares the data: {named}.")
    if found.unknown:
        lines.append("\n**The commit it was trained from is not in the default branch.** Push it.")
    return "\n".join(lines)


def _rolling_back(proposal: Proposal) -> str:
    target = proposal.target
    before = next((each.before for each in proposal.changes if each.environment == target), None)
    button = "Press *Revert* here and merge what it makes"
    if before is None:
        return f"Nothing served in {target} before. Reverting this ends its endpoint. {button}."
    back = f"Reverting this brings version {before.version} {code(before.digest[:12])} back."
    return (
        f"{back} {button}; or, where {target} runs: `nox -s rollback -- {target}`, which reconciles "
        "at once, and a pull request of its commit."
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _left_out(count: int) -> str:
    return f"\n\nand {count - _ROWS} more" if count > _ROWS else ""


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _difference(figure: Figure) -> str:
    return "-" if figure.champion is None else f"{figure.candidate - figure.champion:+.4g}"


def _sorted(values: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(values.items())[:_ROWS]
