"""The data contract: what each column holds and what holds between columns, declared once."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mlops.quality.errors import UserError
from mlops.quality.expression import parse_relation
from mlops.quality.strict import parse, read_yaml, refuse_unknown

ColumnType = Literal["integer", "number", "string", "boolean", "datetime"]
Category = str | int | bool


@dataclass(frozen=True)
class Column:
    """One column: its type, its unit, and what values it may hold.

    `collect` says what an endpoint keeps of it: personal columns can be hashed, or never kept.
    """

    type: ColumnType
    description: str
    unit: str = ""
    range: tuple[float, float] | None = None
    categories: tuple[Category, ...] | None = None
    missing: bool = False
    collect: Literal["as_is", "hashed", "never"] = "as_is"


@dataclass(frozen=True)
class Relation:
    """What must hold between the columns of each row."""

    name: str
    check: str
    description: str = ""


@dataclass(frozen=True)
class Contract:
    """The columns of a table, its target, its protected attributes and its segments."""

    name: str
    description: str
    task: Literal["classification", "regression"]
    target: str
    columns: Mapping[str, Column]
    protected: tuple[str, ...] = ()
    segments: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    relations: tuple[Relation, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns a prediction is made from: all but the target, in the contract's order."""
        return tuple(name for name in self.columns if name != self.target)

    def relation_trees(self) -> Mapping[str, ast.Compare]:
        """The relations by name, parsed."""
        return {
            relation.name: parse_relation(relation.check, self.columns, relation.name)
            for relation in self.relations
        }


def load_contract(path: Path) -> Contract:
    """Read and check a contract; raises UserError that names the file, the key and the reason."""
    contract = parse(Contract, read_yaml(path), str(path))
    if not set(contract.columns) - {contract.target}:
        raise UserError(f"{path}: columns: at least one column besides the target is needed")
    for name, column in contract.columns.items():
        if not name.strip():
            raise UserError(f"{path}: columns: a column has no name")
        _check_column(column, f"{path}: columns: {name}")
    refuse_unknown([contract.target], contract.columns, f"{path}: target")
    refuse_unknown(contract.protected, contract.columns, f"{path}: protected")
    refuse_unknown(contract.segments, contract.columns, f"{path}: segments")
    for name, edges in contract.segments.items():
        _check_segment(contract.columns[name], edges, f"{path}: segments: {name}")
    seen: set[str] = set()
    for relation in contract.relations:
        where = f"{path}: relations: {relation.name}"
        if relation.name in seen or not relation.name.strip():
            given = "given twice" if relation.name in seen else "empty"
            raise UserError(f"{where}: the name is {given}")
        seen.add(relation.name)
        numeric = {n: c for n, c in contract.columns.items() if c.type in ("integer", "number")}
        parse_relation(relation.check, numeric, where)
    return contract


def contract_digest(contract: Contract) -> str:
    """SHA-256 of what the contract says; comments and layout of its file do not matter."""
    return hashlib.sha256(repr(dataclasses.astuple(contract)).encode()).hexdigest()


def _check_column(column: Column, where: str) -> None:
    numeric = column.type in ("integer", "number")
    if column.range is not None:
        low, high = column.range
        if not numeric:
            raise UserError(f"{where}: range: only a number has one, the type is {column.type}")
        if not (math.isfinite(low) and math.isfinite(high) and low <= high):
            raise UserError(f"{where}: range: expected [lowest, highest], found [{low}, {high}]")
    if column.categories is not None:
        wanted = {"integer": int, "string": str, "boolean": bool}.get(column.type)
        if wanted is None:
            raise UserError(f"{where}: categories: a {column.type} has none")
        for category in column.categories:
            if type(category) is not wanted:
                hint = "; yes, no, on and off are truth values in YAML: put them in quotes"
                hint = hint if isinstance(category, bool) and wanted is str else ""
                raise UserError(f"{where}: categories: {category!r} is no {column.type}{hint}")
        if len(set(column.categories)) != len(column.categories) or not column.categories:
            raise UserError(f"{where}: categories: expected one or more, each once")


def _check_segment(column: Column, edges: tuple[float, ...], where: str) -> None:
    if edges and column.type not in ("integer", "number"):
        raise UserError(f"{where}: edges cut a number into bands, the type is {column.type}")
    if not edges and column.categories is None and column.type != "boolean":
        raise UserError(f"{where}: name the edges of the bands, or give the column categories")
    if list(edges) != sorted(set(edges)) or not all(map(math.isfinite, edges)):
        raise UserError(f"{where}: expected growing edges, found {list(edges)}")
