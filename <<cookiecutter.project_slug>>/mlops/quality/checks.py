"""The contract's checks on a table: every violation with its row, column and rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from mlops.quality.contract import Column, Contract
from mlops.quality.errors import UserError
from mlops.quality.expression import holds, names
from mlops.quality.strict import did_you_mean
from mlops.quality.tables import read_table

_TRUTH = {"true": True, "false": False, "1": True, "0": False}


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
    present = [name for name in wanted if name in raw.columns]
    typed: dict[str, pd.Series] = {}
    for name in present:
        typed[name], bad = _typed(raw[name].reset_index(drop=True), contract.columns[name])
        kind = contract.columns[name].type
        for row in np.flatnonzero(bad):
            violations.append(
                Violation(int(row) + 1, name, f"type is {kind}", _shown(raw[name].iloc[row]))
            )
    table = pd.DataFrame(typed)
    known = {(violation.row, violation.column) for violation in violations}
    violations += [
        violation
        for violation in _rule_violations(table, contract)
        if (violation.row, violation.column) not in known
    ]
    return Checked(table, tuple(sorted(violations, key=lambda v: (v.row or 0, v.column, v.rule))))


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
    trees = {
        name: tree
        for name, tree in contract.relation_trees().items()
        if set(names(tree)) <= set(names_here)
    }

    def relation(name: str) -> pa.Check:
        used = list(names(trees[name]))

        def kept(table: pd.DataFrame) -> pd.Series:
            values = {column: table[column].to_numpy(dtype=float) for column in used}
            return pd.Series(holds(trees[name], values), index=table.index)

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
        checks.append(pa.Check.in_range(low, high, error=f"range is {low:g} to {high:g}"))
    if column.categories is not None:
        listed = ", ".join(str(category) for category in column.categories)
        checks.append(pa.Check.isin(column.categories, error=f"one of {listed}"))
    return pa.Column(checks=checks, nullable=column.missing)


def _column_violations(raw: pd.DataFrame, wanted: tuple[str, ...]) -> Iterable[Violation]:
    if raw.empty:
        yield Violation(None, "-", "at least one row", "none")
    for name in wanted:
        if name not in raw.columns:
            yield Violation(None, name, "column is there", "no such column")
    for name in raw.columns:
        if name not in wanted:
            hint = did_you_mean(str(name), wanted)
            yield Violation(None, str(name), "column is in the contract", f"unknown; {hint}")


def _rule_violations(table: pd.DataFrame, contract: Contract) -> Iterable[Violation]:
    if table.empty:
        return
    try:
        table_schema(contract, table.columns).validate(table, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases
    else:
        return
    relations = {relation.name: relation.check for relation in contract.relations}
    used = {name: "+".join(names(tree)) for name, tree in contract.relation_trees().items()}
    reported: set[tuple[int, str]] = set()
    for context, column, rule, value, index in cases[
        ["schema_context", "column", "check", "failure_case", "index"]
    ].itertuples(index=False):
        row = int(index) + 1
        if context == "Column":
            text = "value is not missing" if rule == "not_nullable" else str(rule)
            yield Violation(row, str(column), text, _shown(value))
        elif (row, rule) not in reported:
            reported.add((row, rule))
            values = table.loc[row - 1, used[rule].split("+")].to_dict()
            shown = ", ".join(f"{name}={_shown(value)}" for name, value in values.items())
            yield Violation(row, used[rule], f"{rule}: {relations[rule]}", shown)


def _typed(values: pd.Series, column: Column) -> tuple[pd.Series, np.ndarray]:
    """The values with the contract's type, and a mask of those that are not of it."""
    given = values.notna().to_numpy()
    if column.type in ("integer", "number"):
        if pd.api.types.is_bool_dtype(values):
            return pd.Series(np.nan, index=values.index), given
        numbers = pd.to_numeric(values, errors="coerce").astype(float)
        if values.dtype == object or pd.api.types.is_string_dtype(values):
            given = given & ~values.astype(str).str.strip().str.lower().eq("nan").to_numpy()
        good = np.isfinite(numbers.to_numpy())
        if column.type == "integer":
            good = good & (numbers.to_numpy() == np.floor(numbers.to_numpy()))
        numbers = numbers.where(good)
        whole = column.type == "integer" and good.all()
        return (numbers.astype("int64") if whole else numbers), given & ~good
    if column.type == "boolean":
        truth = values.map(lambda value: _TRUTH.get(str(value).strip().lower()))
        bad = given & truth.isna().to_numpy()
        return (truth.astype(bool) if truth.notna().all() else truth.astype(object)), bad
    if column.type == "datetime":
        # In UTC and without a zone, as MLflow's schemas want them.
        moments = pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True)
        moments = moments.dt.tz_localize(None)
        return moments, given & moments.isna().to_numpy()
    texts = values.map(lambda value: isinstance(value, str)).to_numpy(dtype=bool)
    return values.where(texts).astype(object), given & ~texts


def _shown(value: object) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "nothing"
    if isinstance(value, float | np.floating):
        return f"{value:g}"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
