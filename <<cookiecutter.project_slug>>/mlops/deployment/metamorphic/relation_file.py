"""The declared metamorphic relations: a line or two of YAML each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops.deployment.inputs.axes import numeric_inputs
from mlops.quality.contract import Contract
from mlops.quality.errors import UserError
from mlops.quality.expression import names, parse_relation, parse_term
from mlops.quality.strict import parse, read_yaml, refuse_unknown

# What `expect` may speak of besides the source row.
ANSWERS = ("before", "after")


@dataclass(frozen=True)
class MetamorphicRelation:
    """One relation as declared: exactly one of `change`, `noise` and `permute` makes the follow-up.

    `change` gives columns new values, as expressions over the source row; `noise` moves columns by
    at most so much either way, evenly; `permute` asks for the rows in another order and one by one.
    Whole numbers are rounded. `expect` compares `before` and `after`, the answers to source and
    follow-up, with numbers or columns of the source row; `when` selects source rows; `allowed` is
    the share of inputs that may break the relation.
    """

    name: str
    expect: str
    change: Mapping[str, str | float] | None = None
    noise: Mapping[str, float] | None = None
    permute: bool = False
    when: str = ""
    allowed: float = 0.0
    description: str = ""


@dataclass(frozen=True)
class _Undeclared:
    relations: tuple[Mapping[str, object], ...]


def load_relations(path: Path, contract: Contract) -> tuple[MetamorphicRelation, ...]:
    """Read the declared relations; raises UserError that names file, relation, key and reason."""
    clash = sorted(set(ANSWERS) & set(contract.inputs))
    if clash:
        raise UserError(
            f"{path}: the contract has a column '{clash[0]}', which names an answer here"
        )
    found: dict[str, MetamorphicRelation] = {}
    for number, entry in enumerate(parse(_Undeclared, read_yaml(path), str(path)).relations):
        name = entry.get("name")
        where = f"{path}: relations: {name if isinstance(name, str) and name else number + 1}"
        relation = parse(MetamorphicRelation, entry, where)
        if not relation.name.strip() or relation.name in found:
            raise UserError(f"{where}: name: expected a name that no other relation has")
        _check(relation, contract, where)
        found[relation.name] = relation
    return tuple(found.values())


def _check(relation: MetamorphicRelation, contract: Contract, where: str) -> None:
    given = [key for key in ("change", "noise", "permute") if getattr(relation, key)]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise UserError(f"{where}: expected one of change, noise and permute, found {found}")
    numeric = numeric_inputs(contract)
    for name in {**(relation.change or {}), **(relation.noise or {})}:
        refuse_unknown([name], contract.inputs, f"{where}: {given[0]}")
        if name not in numeric:
            kind = contract.columns[name].type
            raise UserError(f"{where}: {given[0]}: {name} is a {kind}; only numbers can be moved")
    for name, amount in (relation.noise or {}).items():
        _check_noise(amount, contract.columns[name].type == "integer", f"{where}: noise: {name}")
    columns: dict[str, object] = dict.fromkeys(numeric)
    for name, term in (relation.change or {}).items():
        parse_term(str(term), columns, f"{where}: change: {name}")
    expected = parse_relation(
        relation.expect, {**columns, **dict.fromkeys(ANSWERS)}, f"{where}: expect"
    )
    if "after" not in names(expected):
        raise UserError(f"{where}: expect: says nothing of 'after', found {relation.expect!r}")
    if relation.when:
        parse_relation(relation.when, columns, f"{where}: when")
    if not 0 <= relation.allowed < 1:
        raise UserError(f"{where}: allowed: expected a share from 0 to 1, found {relation.allowed}")


def _check_noise(amount: float, whole: bool, where: str) -> None:
    if not (amount > 0 and math.isfinite(amount)):
        raise UserError(f"{where}: expected a number above 0, found {amount}")
    if whole and amount <= 0.5:
        raise UserError(f"{where}: {amount} never moves a whole number")
