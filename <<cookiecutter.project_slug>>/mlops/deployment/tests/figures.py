"""Figures of a good model, and for each rule one figure that it refuses."""

from __future__ import annotations

from mlops.deployment.gate.decision import Gate, Rule
from mlops.deployment.measuring.measure import Measure

PACKAGE = "ab" * 32
GATE = Gate(
    (
        Rule("provenance.*", at_most=0),
        Rule("leakage.*", at_most=0),
        Rule("compile.difference*", at_most="declared"),
        Rule("package.changed_files", at_most=0),
        Rule("package.bytes", at_most=1000),
        Rule("golden.accuracy", at_least=0.8),
        Rule("golden.error_rate[*", at_most=0.25, by="shown"),
        Rule("evaluation.roc_auc", at_least=0.7),
        Rule("calibration.error", at_most=0.1, by="shown"),
        Rule("champion.*", at_least=-0.05, by="safe", absent="pass"),
        Rule("relations.*", at_most="declared"),
        Rule("properties.*", at_least="declared"),
        Rule("fairness.*", at_most=0.2, by="shown"),
        Rule("robustness.noise", at_most=0.02),
        Rule("explanation.stability", at_least=0.8),
        Rule("speed.single_row_p99_ms", at_most=10),
    ),
    {},
)
GOOD = (
    Measure("provenance.other_contract", 0.0),
    Measure("leakage.golden_in_training", 0.0),
    Measure("compile.difference[evaluation]", 1e-7, declared=1e-5),
    Measure("package.changed_files", 0.0),
    Measure("package.bytes", 900.0),
    Measure("golden.accuracy", 0.95, 0.9, 1.0, 40),
    Measure("golden.error_rate[sex=1]", 0.05, 0.0, 0.3, 20),
    Measure("evaluation.roc_auc", 0.85, 0.78, 0.91, 111),
    Measure("calibration.error", 0.08, 0.04, 0.15, 111),
    Measure("champion.roc_auc", 0.01, -0.02, 0.04, 111),
    Measure("relations.more_is_more", 0.0, 0.0, 0.01, 500, declared=0.01),
    Measure("properties.stays_low", 1.0, declared=1.0),
    Measure("fairness.recall[sex]", 0.12, 0.01, 0.3, 111),
    Measure("robustness.noise", 0.003, -0.002, 0.01, 111),
    Measure("explanation.stability", 0.97),
    Measure("speed.single_row_p99_ms", 0.3),
)
# What is wrong with a model, by the rule that refuses it.
BAD = {
    "provenance.*": Measure("provenance.other_contract", 1.0),
    "leakage.*": Measure("leakage.golden_in_training", 2.0),
    "compile.difference*": Measure("compile.difference[evaluation]", 0.03, declared=1e-5),
    "package.changed_files": Measure("package.changed_files", 1.0),
    "package.bytes": Measure("package.bytes", 1001.0),
    "golden.accuracy": Measure("golden.accuracy", 0.7, 0.6, 0.9, 40),
    "golden.error_rate[*": Measure("golden.error_rate[sex=1]", 0.6, 0.4, 0.8, 20),
    "evaluation.roc_auc": Measure("evaluation.roc_auc", 0.6, 0.5, 0.69, 111),
    "calibration.error": Measure("calibration.error", 0.2, 0.11, 0.3, 111),
    "champion.*": Measure("champion.roc_auc", -0.02, -0.06, 0.02, 111),
    "relations.*": Measure("relations.more_is_more", 0.05, 0.03, 0.08, 500, declared=0.01),
    "properties.*": Measure("properties.stays_low", 0.4, declared=0.9),
    "fairness.*": Measure("fairness.recall[sex]", 0.4, 0.21, 0.6, 111),
    "robustness.noise": Measure("robustness.noise", 0.1, 0.05, 0.15, 111),
    "explanation.stability": Measure("explanation.stability", 0.3),
    "speed.single_row_p99_ms": Measure("speed.single_row_p99_ms", 25.0),
}


def with_bad(rule: str) -> tuple[Measure, ...]:
    """The good figures with the bad one of a rule in the place of the good one."""
    bad = BAD[rule]
    return tuple(bad if measure.name == bad.name else measure for measure in GOOD)
