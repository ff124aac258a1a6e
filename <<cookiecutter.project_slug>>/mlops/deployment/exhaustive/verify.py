"""A declared property at three rigours: rows, generated inputs, and a proof over the structure."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from mlops.deployment.columns_read import columns_read
from mlops.deployment.exhaustive.proofs import Prover, prover
from mlops.deployment.exhaustive.properties import Property, Range
from mlops.deployment.exhaustive.structure import NotSupportedError, numeric_columns
from mlops.deployment.exhaustive.supported import Supported, inside
from mlops.deployment.exhaustive.trying import broken_by
from mlops.deployment.inputs import generate
from mlops.deployment.measure import Measure, Predict
from mlops.quality.contract import Contract
from mlops.quality.expression import names

Verdict = Literal["proven", "violated", "unknown"]
# Nodes of each proof in the search for a supported range.
_NODES = 400


@dataclass(frozen=True)
class Subject:
    """What is verified: the fitted pipeline, the model as it is served, and rows to judge it by.

    `slack` is how far the answers of the served model may lie from the pipeline's: a proof leaves
    that much room.
    """

    model: Pipeline
    predict: Predict
    contract: Contract
    samples: pd.DataFrame
    slack: float = 1e-5


@dataclass(frozen=True)
class Limits:
    """What a verification may cost: `nodes` of a proof make it repeatable, `seconds` end it.

    `proofs` is how many boxes are tried in the search for a supported range, none with 0.
    """

    seconds: float = 60.0
    nodes: int = 20000
    generated: int = 4096
    seed: int = 0
    proofs: int = 60


@dataclass(frozen=True)
class Checked:
    """What trying inputs showed: how many, how many break the property, and one that does."""

    rows: int
    broken: int
    example: str = ""
    coverage: str = ""


@dataclass(frozen=True)
class Proof:
    """The verdict: `bound` is proven for every input, `limit` is what was declared.

    A counterexample was run on the served model: its rows and their answers.
    """

    verdict: Verdict
    limit: float
    bound: float | None
    nodes: int
    reason: str = ""
    counterexample: tuple[Mapping[str, object], ...] = ()
    answers: tuple[float, ...] = ()


@dataclass(frozen=True)
class Verification:
    """What is known of one property. `share` of the rows lies where it is proven."""

    name: str
    statement: str
    samples: Checked
    generated: Checked
    proof: Proof
    share: float
    supported: Supported | None


def verify(declared: Property, subject: Subject, limits: Limits) -> Verification:
    """Verify a property at all three rigours; for one that is not proven, find where it is."""
    subject = _narrowed(declared, subject)
    contract = subject.contract
    region = regions(declared.region, contract, subject.samples)
    rows = subject.samples[inside(region, subject.samples, numeric=_numeric(contract))]
    samples = _tried(declared, subject, rows, region, limits.seed)
    generated = _generated(declared, subject, region, limits)
    deadline, told = time.monotonic() + limits.seconds, declared.statement()
    try:
        engine = prover(
            declared,
            model=subject.model,
            predict=subject.predict,
            contract=contract,
            rows=rows,
            slack=subject.slack,
        )
        proof = _proof(engine, declared, region, limits.nodes, deadline)
    except NotSupportedError as reason:
        proof = Proof("unknown", declared.limit, None, 0, f"structure not supported: {reason}")
        return Verification(declared.name, told, samples, generated, proof, 0.0, None)
    tried = next((found for found in (samples, generated) if found.broken), None)
    if tried is not None and proof.verdict != "violated":
        proof = dataclasses.replace(proof, verdict="violated", reason=tried.example)
    share, supported = 1.0, None
    if declared.stable is not None:
        share = engine.share
    elif proof.verdict != "proven":
        if limits.proofs:
            supported = _supported(engine, region, subject, (limits.proofs, deadline))
        share = supported.share if supported else 0.0
    return Verification(declared.name, told, samples, generated, proof, share, supported)


def _narrowed(declared: Property, subject: Subject) -> Subject:
    """The same without columns that neither the model reads nor the property speaks of.

    Whatever stands there changes no answer; the served model gets what the first row holds.
    """
    contract = subject.contract
    named = {*declared.region, *(declared.monotone or {}), *(declared.stable or {}), declared.flip}
    named.update(columns_read(subject.model, contract))
    rest = subject.samples.iloc[:1].drop(columns=[n for n in contract.inputs if n in named])
    if rest.empty:
        return subject
    columns = {n: c for n, c in contract.columns.items() if n in named or n == contract.target}
    trees = contract.relation_trees()
    relations = tuple(r for r in contract.relations if set(names(trees[r.name])) <= set(columns))

    def predict(table: pd.DataFrame) -> NDArray[np.float64]:
        repeated = rest.iloc[np.zeros(len(table), dtype=int)].set_axis(table.index)
        whole = pd.concat([table, repeated], axis=1)
        return subject.predict(whole[list(contract.inputs)])

    return dataclasses.replace(
        subject,
        predict=predict,
        contract=dataclasses.replace(
            contract, columns=columns, relations=relations, protected=(), segments={}
        ),
        samples=subject.samples.drop(columns=list(rest.columns)),
    )


def measures(found: Verification, declared: Property) -> tuple[Measure, ...]:
    """`properties.<name>`: the share of rows for which it is proven, or holds as was required."""
    share, rows = found.share, found.samples.rows
    if declared.require != "proof":
        tried = (found.samples, found.generated)[: 1 if declared.require == "samples" else 2]
        share = float(not any(checked.broken for checked in tried))
        rows = sum(checked.rows for checked in tried)
    detail = f"{found.statement}: {found.proof.verdict}"
    if found.proof.reason:
        detail += f", {found.proof.reason}"
    tried_text = ", ".join(
        f"{checked.broken} of {checked.rows} {name} break it"
        for name, checked in (("rows", found.samples), ("generated inputs", found.generated))
        if checked.broken
    )
    detail = "; ".join(filter(None, [detail, tried_text]))
    name = f"properties.{found.name}"
    return (Measure(name, share, rows=rows, detail=detail, declared=declared.supported),)


def regions(
    declared: Mapping[str, Range], contract: Contract, samples: pd.DataFrame
) -> dict[str, Range]:
    """The whole box that a property speaks of: declared, from the contract, or from the rows."""
    found: dict[str, Range] = {}
    for name in contract.inputs:
        column = contract.columns[name]
        if name in declared:
            found[name] = declared[name]
        elif column.categories:
            found[name] = column.categories
        elif column.type == "boolean":
            found[name] = (False, True)
        elif column.range:
            found[name] = column.range
        elif column.type in ("integer", "number"):
            known = samples[name].dropna()
            found[name] = (float(known.min()), float(known.max()))
    return found


def _generated(
    declared: Property, subject: Subject, region: Mapping[str, Range], limits: Limits
) -> Checked:
    if declared.stable is not None:
        # it speaks of the rows alone
        return Checked(0, 0)
    drawn = generate(
        subject.contract, limits.generated, limits.seed, region=region, reference=subject.samples
    )
    found = _tried(declared, subject, drawn.table, region, limits.seed)
    covered = drawn.coverage
    told = f"{covered.pairs_covered} of {covered.pairs} pairs of corners"
    return dataclasses.replace(found, coverage=told)


def _numeric(contract: Contract) -> frozenset[str]:
    return frozenset(numeric_columns(contract))


def _tried(
    declared: Property,
    subject: Subject,
    table: pd.DataFrame,
    region: Mapping[str, Range],
    seed: int,
) -> Checked:
    table = table.reset_index(drop=True)
    if table.empty:
        return Checked(0, 0)
    broken, example = broken_by(
        declared,
        subject.predict,
        table,
        region=region,
        contract=subject.contract,
        seed=seed,
    )
    return Checked(len(table), broken, example)


def _proof(
    engine: Prover, declared: Property, region: Mapping[str, Range], nodes: int, deadline: float
) -> Proof:
    found = engine.search(region, nodes, deadline)
    if found.bound <= engine.limit:
        return Proof("proven", declared.limit, _finite(found.bound), found.nodes)
    if found.rows is not None and found.best > declared.limit:
        reason = f"a counterexample reaches {found.best:.4g}"
        if declared.stable is not None:
            reason = f"a row's class changes; {engine.left_open}"
        return Proof(
            "violated",
            declared.limit,
            _finite(found.bound),
            found.nodes,
            reason,
            found.rows,
            found.answers,
        )
    reason = engine.left_open or f"the bound is {found.bound:.4g} after {found.nodes} boxes"
    return Proof("unknown", declared.limit, _finite(found.bound), found.nodes, reason)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _supported(
    engine: Prover, region: Mapping[str, Range], subject: Subject, budget: tuple[int, float]
) -> Supported | None:
    """The largest box found in which the property is proven: grown from the middle of the rows.

    What holds in a box holds in every box inside it, so each side is found by halving.
    """
    numeric = [name for name in numeric_columns(subject.contract) if name in region]
    left, deadline = [budget[0]], budget[1]

    def proven(box: Mapping[str, Range]) -> bool:
        left[0] -= 1
        if left[0] < 0 or time.monotonic() > deadline:
            return False
        return engine.search(box, _NODES, deadline).bound <= engine.limit

    box = _core(region, numeric, subject.samples, proven)
    box = box or _point(region, engine.declared.flip, subject, proven)
    if box is None:
        return None
    for name in numeric:
        low, high = (float(str(end)) for end in region[name])
        for side, end in ((0, low), (1, high)):
            box = _grown(box, name, side, end, proven)
    share = float(inside(box, subject.samples, numeric=_numeric(subject.contract)).mean())
    return Supported(box, share)


def _core(
    region: Mapping[str, Range],
    numeric: list[str],
    samples: pd.DataFrame,
    proven: Callable[[Mapping[str, Range]], bool],
) -> dict[str, Range] | None:
    """The widest of some boxes around the middle of the rows in which it is proven."""
    for tail in (0.0, 0.02, 0.1, 0.25, 0.4, 0.49):
        box = dict(region)
        for name in numeric:
            low, high = (float(str(end)) for end in region[name])
            ends = samples[name].dropna().quantile([tail, 1 - tail])
            box[name] = (
                float(min(max(low, ends.iloc[0]), high)),
                float(max(min(high, ends.iloc[1]), low)),
            )
        if proven(box):
            return box
    return None


def _point(
    region: Mapping[str, Range],
    flip: str | None,
    subject: Subject,
    proven: Callable[[Mapping[str, Range]], bool],
) -> dict[str, Range] | None:
    """The first of some rows, with its own categories, of which it is proven.

    What the property flips keeps all its categories: of one alone there is nothing to prove.
    """
    numeric = [name for name in numeric_columns(subject.contract) if name in region]
    known = subject.samples.dropna(subset=numeric)
    for number in np.unique(np.linspace(0, len(known) - 1, min(len(known), 12)).astype(int)):
        row = known.iloc[number]
        box: dict[str, Range] = {
            name: (float(row[name]), float(row[name])) if name in numeric else (row[name],)
            for name in region
        }
        if flip is not None:
            box[flip] = region[flip]
        if proven(box):
            return box
    return None


def _grown(
    box: dict[str, Range],
    name: str,
    side: int,
    end: float,
    proven: Callable[[Mapping[str, Range]], bool],
) -> dict[str, Range]:
    """The box with one side moved towards `end`, as far as it stays proven."""
    inner = float(str(box[name][side]))

    def moved(to: float) -> dict[str, Range]:
        ends = [float(str(value)) for value in box[name]]
        ends[side] = to
        return {**box, name: (ends[0], ends[1])}

    if inner == end:
        return box
    if proven(moved(end)):
        return moved(end)
    outer, best = end, box
    for _ in range(2):
        middle = (inner + outer) / 2
        if proven(moved(middle)):
            inner, best = middle, moved(middle)
        else:
            outer = middle
    return best
