"""Declared properties of a model, verified on rows, on generated inputs, and by proof."""

from mlops.deployment.exhaustive.properties import Property, load_properties
from mlops.deployment.exhaustive.structure import NotSupportedError, thresholds
from mlops.deployment.exhaustive.supported import Supported, inside
from mlops.deployment.exhaustive.verify import (
    Checked,
    Limits,
    Proof,
    Subject,
    Verification,
    measures,
    verify,
)

__all__ = [
    "Checked",
    "Limits",
    "NotSupportedError",
    "Proof",
    "Property",
    "Subject",
    "Supported",
    "Verification",
    "inside",
    "load_properties",
    "measures",
    "thresholds",
    "verify",
]
