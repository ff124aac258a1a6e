"""Declared properties of a model, verified on rows, on generated inputs, and by proof."""

from mlops.deployment.verification.properties import Property, load_properties
from mlops.deployment.verification.structure import NotSupportedError, thresholds
from mlops.deployment.verification.supported import Supported, inside
from mlops.deployment.verification.verify import (
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
