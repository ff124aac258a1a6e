"""The registered versions beside each other: how good, in which form they are packaged, and the gate."""

from __future__ import annotations

from mlflow import MlflowClient
from rich.table import Table
from rich.text import Text

from mlops.deployment.packaging.candidate import FORMAT_TAG
from mlops.training.record import CANDIDATE, CHAMPION, aliased, versions
from mlops.training.release import GATE_TAG

_NEWEST = 5
_FORMATS = {"onnx": "ONNX", "mlflow": "MLflow flavour"}


def leaderboard(client: MlflowClient, model: str) -> Table:
    """The five newest versions and what is known of each, as a table for the terminal."""
    table = Table(title=f"Versions of {model}", title_justify="left")
    for heading in ("version", "algorithm", "metric", "packaged as", "gate"):
        table.add_column(heading, justify="right" if heading == "metric" else "left")
    aliases: dict[str, list[str]] = {}
    for alias in (CHAMPION, CANDIDATE):
        if (named := aliased(client, model, alias)) is not None:
            aliases.setdefault(str(named.version), []).append(alias)
    for version in versions(client, model)[:_NEWEST]:
        run = client.get_run(version.run_id or "").data
        metric = run.params.get("metric", "")
        value = run.metrics.get(metric)
        number = str(version.version)
        row = (
            ", ".join([number, *aliases.get(number, [])]),
            run.params.get("algorithm", ""),
            "" if value is None else f"{metric} {value:.4f}",
            _FORMATS.get(version.tags.get(FORMAT_TAG, ""), "-"),
            version.tags.get(GATE_TAG, "not judged"),
        )
        table.add_row(*map(Text, row))
    return table
