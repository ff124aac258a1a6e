"""Judge the candidate's answers: golden and evaluation rows, fairness, calibration, the champion."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from mlops.deployment.gate.settings import load_settings
from mlops.deployment.measuring.calibration import calibration
from mlops.deployment.measuring.comparison import compare
from mlops.deployment.measuring.fairness import fairness
from mlops.deployment.measuring.leakage import leakage
from mlops.deployment.measuring.measure import Measure, write_measures
from mlops.deployment.measuring.performance import performance
from mlops.deployment.measuring.scored import Scored
from mlops.deployment.packaging.candidate import Lineage, read_lineage
from mlops.deployment.report.model_plots import draw_all
from mlops.deployment.steps.judged import labels_of, read_scores, scored
from mlops.deployment.steps.score import recent_rows
from mlops.quality.assets import file_digest
from mlops.quality.checks import check_table, load_checked
from mlops.quality.contract import Contract, contract_digest, load_contract
from mlops.quality.errors import run_main
from mlops.quality.project import load_settings as load_project_settings


def main(arguments: list[str]) -> int:
    """Write figures, tables by group and plots to `--performance` (a folder)."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("compiled", "scores", "champion_scores", "training", "evaluation"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, required=True)
    for name in ("recent", "tests", "settings", "performance"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args(arguments)
    contract = load_contract(Path(load_project_settings(Path()).contract))
    settings = load_settings(options.settings).measuring
    facts = read_lineage(options.compiled)
    training = pd.read_parquet(options.training)
    tables = {
        "evaluation": pd.read_parquet(options.evaluation),
        "golden": load_checked(options.tests / "golden.csv", contract),
        **recent_rows(options.recent, contract),
    }
    labels = labels_of(training, contract)
    found = {
        name: scored(options.scores / f"{name}.parquet", table, facts, contract, labels)
        for name, table in tables.items()
    }
    groups = fairness(found["evaluation"], minimum=settings.minimum_group)
    measures = [
        *provenance(facts, training, options.training, contract),
        *leakage({"training": training, **tables}, contract),
        *performance(found["golden"], "golden"),
        *performance(found["evaluation"], "evaluation"),
        *calibration(found["evaluation"]),
        *against_champion(options.champion_scores, found, facts),
        *groups.measures,
    ]
    write_measures(measures, options.performance / "measures.json")
    figures = [dataclasses.asdict(group) for group in groups.groups]
    (options.performance / "groups.json").write_text(json.dumps(figures, indent=1))
    draw_all(found["evaluation"], measures, groups.groups, options.performance)
    print(f"{len(measures)} figures of {len(tables['evaluation'])} rows")
    return 0


def provenance(
    facts: Lineage, training: pd.DataFrame, file: Path, contract: Contract
) -> tuple[Measure, ...]:
    """What the model learnt from, against what is declared now: each figure is 0 where it fits."""
    broken = check_table(training, contract).violations
    first = f"the first: {broken[0]}" if broken else ""
    rows = len({violation.row for violation in broken})
    other = facts.contract_digest != contract_digest(contract)
    unlike = facts.training_digest != file_digest(file)
    return (
        Measure(
            "provenance.rows_that_break_the_contract", float(rows), rows=len(training), detail=first
        ),
        Measure(
            "provenance.other_contract",
            float(other),
            detail="the contract has changed since: train again" if other else "",
        ),
        Measure(
            "provenance.other_training_rows",
            float(unlike),
            detail="it was trained with other rows than prepare gives now" if unlike else "",
        ),
        Measure(
            "provenance.uncommitted_changes",
            float(facts.dirty),
            detail=(
                "trained with changes that no commit holds: commit, train again"
                if facts.dirty
                else f"commit {facts.commit[:10]}"
            ),
        ),
    )


def against_champion(
    folder: Path, found: Mapping[str, Scored], facts: Lineage
) -> tuple[Measure, ...]:
    """The challenger against the champion on the same rows; without one the figure is not defined.

    These are recent rows where there are any: neither has learnt from them, and they are what is served
    now. The champion may have learnt from some of the others.
    """
    part = "recent" if "recent" in found else "evaluation"
    challenger, path = found[part], folder / f"{part}.parquet"
    if not path.is_file():
        first = "there is no champion yet: the bounds alone decide"
        return (Measure(f"champion.{facts.metric}", None, detail=first),)
    champion = dataclasses.replace(challenger, predicted=read_scores(path))
    measures = compare(challenger, champion)
    if part == "evaluation":
        return measures
    return tuple(
        dataclasses.replace(each, detail=f"on recent rows; {each.detail}".rstrip("; "))
        for each in measures
    )


if __name__ == "__main__":
    run_main(main)
