"""A fitted model as a file that loads without unpickling, the same bytes for the same model.

The format is skops: a zip of JSON and NumPy arrays that names the types it needs, and only types
that are trusted here are built. skops names objects by their address in memory and stamps the
time; both are replaced, so that SHA-256 of the file identifies the model.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import skops.io
from sklearn.pipeline import Pipeline

from mlops.quality.errors import UserError
from mlops.quality.strict import parse

# Compiled tree structures and NumPy's types, and what the project itself defines.
TRUSTED = ("sklearn.", "numpy.", "model.")
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ModelCardFacts:
    """What is known of a model besides its bytes."""

    algorithm: str
    parameters: Mapping[str, object]
    digest: str
    rows: int


def save_model(
    model: Pipeline, folder: Path, algorithm: str, parameters: Mapping[str, object], rows: int
) -> str:
    """Write `model.skops` and `model.json` to `folder`; returns the digest.

    Raises UserError where the model holds a type that is not trusted.
    """
    data = canonical(skops.io.dumps(model))
    trusted_types(data)
    digest = hashlib.sha256(data).hexdigest()
    (folder / "model.skops").write_bytes(data)
    facts = asdict(ModelCardFacts(algorithm, dict(parameters), digest, rows))
    (folder / "model.json").write_text(json.dumps(facts, indent=1, sort_keys=True))
    return digest


def load_model(folder: Path) -> tuple[Pipeline, ModelCardFacts]:
    """The model in a folder and what is known of it; raises UserError where its bytes changed."""
    data = (folder / "model.skops").read_bytes()
    facts = parse(ModelCardFacts, json.loads((folder / "model.json").read_text()), str(folder))
    if hashlib.sha256(data).hexdigest() != facts.digest:
        raise UserError(f"{folder}/model.skops: not the bytes that model.json speaks of")
    return skops.io.loads(data, trusted=trusted_types(data)), facts


def model_digest(data: bytes) -> str:
    """SHA-256 of a skops file's content, whatever addresses and times it carries."""
    return hashlib.sha256(canonical(data)).hexdigest()


def trusted_types(data: bytes) -> Sequence[str]:
    """The types in a skops file that skops itself does not vouch for; all must be in `TRUSTED`."""
    types: list[str] = skops.io.get_untrusted_types(data=data)
    for name in types:
        if not name.startswith(TRUSTED):
            raise UserError(
                f"the model holds a {name}; only types of scikit-learn, NumPy and model/ are "
                "loaded (TRUSTED in mlops/training/model_file.py)"
            )
    return types


def canonical(data: bytes) -> bytes:
    """A skops file with its objects numbered in the order they appear, and no time in it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(content.pop("schema.json"))
    numbers: dict[object, int] = {}
    names: dict[str, str] = {}
    _renumber(schema, numbers, names)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        files = {names[name]: value for name, value in content.items()}
        files["schema.json"] = json.dumps(schema, sort_keys=True).encode()
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), files[name])
    return target.getvalue()


def _renumber(node: object, numbers: dict[object, int], names: dict[str, str]) -> None:
    if isinstance(node, list):
        for item in node:
            _renumber(item, numbers, names)
    elif isinstance(node, dict):
        if "__id__" in node:
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers))
        if isinstance(file := node.get("file"), str):
            suffix = Path(file).suffix
            node["file"] = names.setdefault(file, f"{len(names)}{suffix}")
        for key in sorted(node):  # the order in which the file is written
            _renumber(node[key], numbers, names)
