"""Question the candidate: metamorphic relations, robustness, and what its answers rest on."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import pandas as pd

from mlops.deployment.gate.settings import load_settings
from mlops.deployment.inputs.generation import generate
from mlops.deployment.measuring.explanation import explain
from mlops.deployment.measuring.measure import write_measures
from mlops.deployment.measuring.robustness import robustness
from mlops.deployment.metamorphic.relations import (
    check_relation,
    counterexample,
    load_relations,
    measures,
)
from mlops.deployment.metamorphic.shrinking import searched, shrink
from mlops.deployment.packaging.candidate import read_lineage
from mlops.deployment.packaging.predictor import load_predict
from mlops.deployment.report.card import COUNTEREXAMPLES
from mlops.deployment.report.model_plots import draw_importance
from mlops.deployment.steps.judged import labels_of, scored
from mlops.quality.contract import load_contract
from mlops.quality.errors import run_main
from mlops.quality.project import load_settings as load_project_settings


def main(arguments: list[str]) -> int:
    """Write figures, outcomes and plots to `--behaviour` (a folder)."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("compiled", "scores", "training", "evaluation", "tests", "settings", "behaviour"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args(arguments)
    contract = load_contract(Path(load_project_settings(Path()).contract))
    settings = load_settings(options.settings).measuring
    predict = load_predict(options.compiled)
    facts = read_lineage(options.compiled)
    evaluation = pd.read_parquet(options.evaluation)
    training = pd.read_parquet(options.training)
    inputs = list(contract.inputs)
    drawn = generate(contract, settings.generated, facts.seed, reference=training[inputs]).table
    sources = pd.concat([evaluation[inputs], drawn], ignore_index=True)
    known = evaluation[inputs]
    outcomes = [
        searched(
            check_relation(relation, predict, sources, contract, facts.seed),
            predict,
            contract,
            known,
        )
        for relation in load_relations(options.tests / "relations.yml", contract)
    ]
    print(f"{len(outcomes)} relations on {len(sources)} inputs", flush=True)
    plain = [
        counterexample(shrink(outcome.relation, predict, contract, known, outcome) or outcome)
        for outcome in outcomes
        if outcome.broken > outcome.relation.allowed * outcome.used
    ]
    print(*plain, sep="\n", flush=True)
    (options.behaviour / COUNTEREXAMPLES).write_text(json.dumps(plain, indent=1))
    subject = scored(
        options.scores / "evaluation.parquet",
        evaluation,
        facts,
        contract,
        labels_of(training, contract),
    )
    sturdy = robustness(
        subject, predict, training, noise=settings.noise, missing=settings.missing, seed=facts.seed
    )
    explained = explain(subject, predict, training, seed=facts.seed)
    found = [*measures(outcomes), *sturdy, *explained.measures]
    write_measures(found, options.behaviour / "measures.json")
    story = {"importance": dict(explained.importance), "examples": explained.examples}
    (options.behaviour / "explanation.json").write_text(
        json.dumps(story, indent=1, default=dataclasses.asdict)
    )
    draw_importance(explained.importance, options.behaviour / "shap_importance.png")
    broken = [measure.name for measure in found if measure.group == "relations" and measure.value]
    print(f"{len(found)} figures; relations broken somewhere: {', '.join(broken) or 'none'}")
    return 0


if __name__ == "__main__":
    run_main(main)
