"""The contract's checks on a table: every violation with its row, column and rule."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

from mlops.quality.contract import Column, Contract
from mlops.quality.errors import UserError
from mlops.quality.expression import holds, names
from mlops.quality.strict import did_you_mean
from mlops.quality.tables import read_table
from mlops.quality.values import typed


@dataclass(frozen=True)
class Violation:
    """One broken rule. `row` counts the data rows from 1; None speaks of the whole table."""

    row: int | None
    column: str
    rule: str
    value: str

    def __str__(self) -> str:
        place = "table" if self.row is None else f"row {self.row}"
        return f"{place}, column {self.column}: {self.rule}, found {self.value}"


@dataclass(frozen=True)
class Checked:
    """A table with the contract's types, and what in it breaks the contract."""

    table: pd.DataFrame
    violations: tuple[Violation, ...]


def check_table(raw: pd.DataFrame, contract: Contract, *, target: bool = True) -> Checked:
    """Give the columns their types and check every rule of the contract.

    `target=False` expects the table without its target column, as in a request. Values of the
    wrong type are missing in the typed table; they are reported as such and not a second time.
    """
    wanted = tuple(contract.columns) if target else contract.inputs
    violations = list(_column_violations(raw, wanted))
    table: dict[str, pd.Series] = {}
    unread: set[tuple[int | None, str]] = set()
    for name in wanted:
        if list(raw.columns).count(name) != 1:
            continue
        given, column = raw[name].reset_index(drop=True), contract.columns[name]
        table[name], bad = typed(given, column)
        found = list(_type_violations(given, bad, name, column))
        unread |= {(violation.row, name) for violation in found}
        violations += found
    typed_table = pd.DataFrame(table)
    rules = [*_rule_violations(typed_table, contract), *_relation_violations(typed_table, contract)]
    violations += [broken for broken in rules if (broken.row, broken.column) not in unread]
    violations.sort(key=lambda broken: (broken.row or 0, broken.column, broken.rule))
    return Checked(typed_table, tuple(violations))


def load_checked(path: Path, contract: Contract) -> pd.DataFrame:
    """The typed table of a file that keeps the contract; raises UserError where it does not."""
    checked = check_table(read_table(path), contract)
    if checked.violations:
        first, more = checked.violations[0], len(checked.violations) - 1
        rest = f" (and {more} more: nox -s data lists them)" if more else ""
        raise UserError(f"{path}: the data breaks its contract: {first}{rest}")
    return checked.table


def table_schema(contract: Contract, columns: Iterable[str]) -> pa.DataFrameSchema:
    """The contract's value rules for `columns` as a pandera schema, for notebooks and tests too."""
    names_here = list(columns)
    trees = _trees_over(contract, names_here)

    def relation(name: str) -> pa.Check:
        def kept(table: pd.DataFrame) -> pd.Series:
            return pd.Series(_kept(trees[name], table), index=table.index)

        return pa.Check(kept, name=name, error=name)

    return pa.DataFrameSchema(
        {name: _schema_column(contract.columns[name]) for name in names_here},
        checks=[relation(name) for name in trees],
        strict=True,
    )


def _schema_column(column: Column) -> pa.Column:
    checks = []
    if column.range is not None:
        low, high = column.range
        checks.append(
            pa.Check.in_range(low, high, error=f"range is {_number(low)} to {_number(high)}")
        )
    if column.categories is not None:
        listed = ", ".join(str(category) for category in column.categories)
        checks.append(pa.Check.isin(column.categories, error=f"one of {listed}"))
    return pa.Column(checks=checks, nullable=column.missing)


def _trees_over(contract: Contract, columns: Sequence[str]) -> dict[str, ast.Compare]:
    """The relations, by name, that speak of these columns alone."""
    trees = contract.relation_trees().items()
    return {name: tree for name, tree in trees if set(names(tree)) <= set(columns)}


def _kept(tree: ast.Compare, table: pd.DataFrame) -> NDArray[np.bool_]:
    return holds(tree, {name: table[name].to_numpy(dtype=float) for name in names(tree)})


def _column_violations(raw: pd.DataFrame, wanted: tuple[str, ...]) -> Iterable[Violation]:
    if len(raw) == 0:
        yield Violation(None, "-", "at least one row", "none")
    counts = Counter(raw.columns)
    for name in wanted:
        if name not in counts:
            yield Violation(None, name, "column is there", "no such column")
        elif counts[name] > 1:
            yield Violation(None, name, "column is there once", f"{counts[name]} of that name")
    for name in counts:
        if name not in wanted:
            hint = did_you_mean(str(name), wanted)
            yield Violation(None, str(name), "column is in the contract", f"unknown; {hint}")


def _type_violations(
    given: pd.Series, bad: NDArray[np.bool_], name: str, column: Column
) -> Iterable[Violation]:
    for row, value in zip(np.flatnonzero(bad), given[bad], strict=True):
        yield Violation(int(row) + 1, name, f"type is {column.type}", _shown(value))


def _rule_violations(table: pd.DataFrame, contract: Contract) -> Iterable[Violation]:
    if table.empty:
        return
    schema = pa.DataFrameSchema(
        {name: _schema_column(contract.columns[name]) for name in table.columns}
    )
    try:
        schema.validate(table, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases[["column", "check", "failure_case", "index"]]
    else:
        return
    for column, check, value, index in cases.itertuples(index=False):
        rule = "value is not missing" if check == "not_nullable" else str(check)
        yield Violation(int(index) + 1, str(column), rule, _shown(value))


def _relation_violations(table: pd.DataFrame, contract: Contract) -> Iterable[Violation]:
    stated = {relation.name: relation.check for relation in contract.relations}
    # pandera would list every cell of a row that breaks a relation, one by one.
    for name, tree in _trees_over(contract, list(table.columns)).items():
        broken = table.loc[~_kept(tree, table), list(names(tree))]
        for index, *values in broken.itertuples(name=None):
            pairs = zip(broken.columns, values, strict=True)
            shown = ", ".join(f"{column}={_shown(value)}" for column, value in pairs)
            rule = f"{name}: {stated[name]}"
            yield Violation(index + 1, "+".join(broken.columns), rule, shown)


def _shown(value: object) -> str:
    if isinstance(value, str):
        text = repr(value)
    elif value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return "nothing"
    elif isinstance(value, float | np.floating):
        text = _number(float(value))
    else:
        text = " ".join(str(value).split())
    return text if len(text) <= 40 else f"{text[:37]}..."


def _number(value: float) -> str:
    """All its digits: a value just beyond a limit must not read as the limit."""
    return repr(value).removesuffix(".0")
