"""`/metrics`: the sum of all workers' counts in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE

from mlops.deployment.serving.counts import LATENCY_ENDS, Counted
from mlops.deployment.serving.traffic import Traffic

__all__ = ["CONTENT_TYPE", "MORE", "exposition", "more"]

# The folder of an endpoint in which others leave metrics, `*.prom`, which are shown as they are.
MORE = "metrics"

_COUNTERS = {
    "requests": "Requests that a deployment was chosen for",
    "rows": "Rows answered",
    "refused": "Requests that broke the protocol or the data contract (4xx)",
    "failed": "Requests that the model or the endpoint failed (5xx)",
    "mirrored": "Copies of requests that a shadow deployment got",
    "mirror_failed": "Copies that a shadow deployment did not answer",
    "compared": "Mirrored rows compared with the deployment that answered",
    "agreed": "Mirrored rows on which both agreed",
}


class _Collected:
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def exposition(traffic: Traffic, counted: Counted, others: dict[str, int]) -> bytes:
    """The text for Prometheus; `others` are counts of the endpoint as a whole, by name."""
    labels = ["deployment", "digest"]
    names = {name: name.split(":", 1) for name in counted}
    metrics: list[Metric] = []
    for kind, told in _COUNTERS.items():
        family = CounterMetricFamily(f"mlops_{kind}", told, labels=labels)
        for name, counts in counted.items():
            family.add_metric(names[name], getattr(counts, kind))
        metrics.append(family)
    latency = HistogramMetricFamily(
        "mlops_latency_seconds", "From a request's arrival to its answer", labels=labels
    )
    for name, counts in counted.items():
        seen, buckets = 0, []
        for end, count in zip((*LATENCY_ENDS, "+Inf"), counts.latency, strict=True):
            seen += count
            buckets.append((str(end), float(seen)))
        latency.add_metric(names[name], buckets, counts.seconds)
    metrics.append(latency)
    for name, count in others.items():
        metrics.append(CounterMetricFamily(f"mlops_{name}", name.replace("_", " "), value=count))
    info = GaugeMetricFamily(
        "mlops_model_info", "The packages behind the endpoint", labels=[*labels, "model", "version"]
    )
    share = GaugeMetricFamily("mlops_traffic_share", "Share of the requests", labels=labels)
    for each in traffic.deployments:
        info.add_metric([each.name, each.digest, traffic.model, each.version], 1)
        share.add_metric([each.name, each.digest], each.share)
    registry = CollectorRegistry()
    registry.register(_Collected([*metrics, info, share]))
    return generate_latest(registry)


def more(folder: Path) -> bytes:
    """What others tell of the endpoint in `folder`, such as its monitor."""
    found = []
    for path in sorted((folder / MORE).glob("*.prom")):
        with suppress(OSError):
            found.append(path.read_bytes())
    return b"".join(found)
