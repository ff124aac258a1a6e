"""The local runner of pipeline files in Azure ML CLI v2 grammar: strict, cached, hermetic."""

from mlops.training.pipeline.definition import Pipeline, load_pipeline
from mlops.training.pipeline.events import Event, StepFailed, StepResult
from mlops.training.pipeline.graph import Step, check
from mlops.training.pipeline.run import execute, pipeline_outputs

__all__ = [
    "Event",
    "Pipeline",
    "Step",
    "StepFailed",
    "StepResult",
    "check",
    "execute",
    "load_pipeline",
    "pipeline_outputs",
]
