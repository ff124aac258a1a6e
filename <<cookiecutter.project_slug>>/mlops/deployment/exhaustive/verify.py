"""A declared property at three rigours: rows, generated inputs, and a proof over the structure."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from mlops.deployment.exhaustive.proofs import Prover, prover
from mlops.deployment.exhaustive.properties import Property, Range
from mlops.deployment.exhaustive.structure import NotSupportedError, numeric_columns
from mlops.deployment.exhaustive.supported import Supported, inside
from mlops.deployment.exhaustive.supported_search import largest
from mlops.deployment.exhaustive.trying import broken_by
from mlops.deployment.inputs.generation import generate
from mlops.deployment.measuring.measure import Measure, Predict
from mlops.deployment.packaging.columns_read import columns_read
from mlops.quality.contract import Contract
from mlops.quality.expression import names

Verdict = Literal["proven", "violated", "unknown"]


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

    `proofs` is how many proofs the search for a supported range may take, none with 0.
    """

    seconds: float = 60.0
    nodes: int = 20000
    generated: int = 4096
    seed: int = 0
    proofs: int = 120


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
    tried = next((found for found in (samples, generated) if found.broken), None)
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
        if tried is not None:
            proof = dataclasses.replace(proof, verdict="violated", reason=tried.example)
        return Verification(declared.name, told, samples, generated, proof, 0.0, None)
    if tried is not None and proof.verdict != "violated":
        proof = dataclasses.replace(proof, verdict="violated", reason=tried.example)
    share, supported = 1.0, None
    if declared.stable is not None:
        share = engine.share
    elif proof.verdict != "proven":
        if limits.proofs:
            supported = largest(
                engine, region, (contract, subject.samples), (limits.proofs, deadline)
            )
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
