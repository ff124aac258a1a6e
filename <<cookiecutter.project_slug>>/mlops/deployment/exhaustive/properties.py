"""What must hold for every input of a region, as `tests/model/properties.yml` declares it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mlops.quality.contract import Category, Contract
from mlops.quality.errors import UserError
from mlops.quality.strict import parse, read_yaml, refuse_unknown

Range = tuple[float, float] | tuple[Category, ...]
Require = Literal["proof", "generated", "samples"]
KINDS = ("output", "monotone", "flip", "stable")


@dataclass(frozen=True)
class Property:
    """One property; exactly one of `output`, `monotone`, `flip` and `stable` is given.

    `region` narrows the contract: a pair of numbers, or categories, by column. `require` is the
    rigour that the gate asks for, `supported` the smallest share of the evaluation rows for which
    it must be proven. `tolerance` belongs to `monotone`, `at_most` to `flip`, `threshold` to
    `stable`.
    """

    name: str
    output: tuple[float, float] | None = None
    monotone: Mapping[str, Literal["rising", "falling"]] | None = None
    flip: str | None = None
    stable: Mapping[str, float] | None = None
    region: Mapping[str, Range] = field(default_factory=dict)
    require: Require = "proof"
    supported: float = 1.0
    tolerance: float = 0.0
    at_most: float = 0.0
    threshold: float = 0.5
    description: str = ""

    @property
    def kind(self) -> str:
        """Which of the kinds it is."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def limit(self) -> float:
        """How far it may be broken: 0, or what was declared."""
        return {"monotone": self.tolerance, "flip": self.at_most}.get(self.kind, 0.0)

    def statement(self) -> str:
        """The property in words."""
        where = ", ".join(f"{name} in {_shown(ends)}" for name, ends in self.region.items())
        place = f" where {where}" if where else ""
        if self.output is not None:
            return f"the answer lies from {self.output[0]:g} to {self.output[1]:g}{place}"
        if self.monotone is not None:
            ((column, way),) = self.monotone.items()
            other = "falls" if way == "rising" else "rises"
            return (
                f"when {column} alone grows, the answer never {other} by more than "
                f"{self.tolerance:g}{place}"
            )
        if self.flip is not None:
            return f"{self.flip} alone changes the answer by at most {self.at_most:g}{place}"
        radius = ", ".join(f"{n} by {amount:g}" for n, amount in (self.stable or {}).items())
        return f"no row's class changes when it moves: {radius}{place}"


@dataclass(frozen=True)
class _Declared:
    properties: tuple[Property, ...]


def load_properties(path: Path, contract: Contract) -> tuple[Property, ...]:
    """Read the declared properties; raises UserError that names the file, the property and the key."""
    declared = parse(_Declared, read_yaml(path), str(path)).properties
    seen: set[str] = set()
    for entry in declared:
        where = f"{path}: {entry.name}"
        if entry.name in seen or not entry.name.strip():
            raise UserError(f"{where}: each property needs a name of its own")
        seen.add(entry.name)
        _check(entry, contract, where)
    return declared


def _check(entry: Property, contract: Contract, where: str) -> None:
    given = [kind for kind in KINDS if getattr(entry, kind) is not None]
    if len(given) != 1:
        raise UserError(f"{where}: expected one of {', '.join(KINDS)}, found {len(given)}")
    numeric = [
        name
        for name in contract.inputs
        if contract.columns[name].type in ("integer", "number")
        and not contract.columns[name].categories
    ]
    for name, ends in entry.region.items():
        refuse_unknown([name], contract.inputs, f"{where}: region")
        _check_range(name, ends, contract, numeric, where)
    if entry.output is not None and not entry.output[0] <= entry.output[1]:
        raise UserError(f"{where}: output: expected [lowest, highest]")
    if entry.monotone is not None and len(entry.monotone) != 1:
        raise UserError(f"{where}: monotone: expected one column")
    for key in ("monotone", "stable"):
        refuse_unknown(getattr(entry, key) or {}, numeric, f"{where}: {key}")
    if entry.stable is not None and (
        not entry.stable or not all(amount > 0 for amount in entry.stable.values())
    ):
        raise UserError(f"{where}: stable: expected columns, each with a number above 0")
    if entry.flip is not None:
        refuse_unknown([entry.flip], contract.inputs, f"{where}: flip")
        if entry.flip in numeric:
            raise UserError(f"{where}: flip: {entry.flip} has no categories")
        if len(entry.region.get(entry.flip, (False, True))) < 2:
            raise UserError(f"{where}: region: {entry.flip}: expected two categories to flip")
    if not 0 <= entry.supported <= 1:
        raise UserError(f"{where}: supported: expected a share from 0 to 1")
    if entry.tolerance < 0 or entry.at_most < 0:
        raise UserError(f"{where}: tolerance and at_most are not below 0")


def _check_range(
    name: str, ends: Range, contract: Contract, numeric: list[str], where: str
) -> None:
    declared = contract.columns[name]
    if name in numeric:
        whole = declared.range
        numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends)
        if len(ends) != 2 or not numbers or not ends[0] <= ends[1]:  # type: ignore[operator]
            raise UserError(f"{where}: region: {name}: expected [lowest, highest]")
        if whole and not (whole[0] <= ends[0] and ends[1] <= whole[1]):  # type: ignore[operator]
            raise UserError(f"{where}: region: {name}: the contract ends at {list(whole)}")
        return
    known = declared.categories or (False, True)
    for category in ends:
        if category not in known:
            raise UserError(f"{where}: region: {name}: {category!r} is not one of {list(known)}")


def _shown(ends: Range) -> str:
    return "[" + ", ".join(f"{end:g}" if isinstance(end, float) else str(end) for end in ends) + "]"
