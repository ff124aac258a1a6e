"""Labels at a URL: copied to a folder on this machine, each file again only where it changed."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

import fsspec

from mlops.quality.errors import UserError
from mlops.quality.tables import replace_text

_SEEN = ".seen.json"


def labels_folder(place: str, own: Path, cache: Path) -> Path:
    """The local folder with the labels of `place`: a folder, a URL that fsspec lists, or empty for `own`.

    What lies at a URL is copied into `cache`; a file that is gone there goes here as well. Raises
    UserError where the URL cannot be listed or read.
    """
    if not place:
        return own
    if "://" not in place:
        return Path(place)
    try:
        _copy(place, cache)
    except ImportError as error:
        said = "name the package in requirements/model.in, then nox -s lock"
        raise UserError(f"{_shown(place)}: {error}; {said}") from None
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001 - every file system has exceptions of its own
        reason = str(error).replace(place, _shown(place)).strip().splitlines()
        said = reason[0] if reason else type(error).__name__
        raise UserError(f"{_shown(place)}: cannot be read: {said}") from None
    return cache


def _copy(place: str, cache: Path) -> None:
    system, root = fsspec.core.url_to_fs(place)
    cache.mkdir(parents=True, exist_ok=True)
    seen = _seen(cache)
    there: dict[str, str] = {}
    for about in sorted(system.ls(root, detail=True), key=lambda each: str(each["name"])):
        name = PurePosixPath(str(about["name"])).name
        if about["type"] != "file" or name.startswith("."):
            continue
        there[name] = _mark(about)
        if seen.get(name) != there[name] or not (cache / name).is_file():
            draft = cache / f".{name}.part"
            draft.write_bytes(system.cat_file(about["name"]))
            draft.replace(cache / name)
    for name in seen.keys() - there.keys():
        (cache / name).unlink(missing_ok=True)
    replace_text(cache / _SEEN, json.dumps(there, indent=1, sort_keys=True))


def _mark(about: dict[str, object]) -> str:
    """What changes when a file does, as far as the file system tells it."""
    keys = ("size", "mtime", "ETag", "etag", "LastModified", "last_modified", "created", "md5Hash")
    return " ".join(f"{key}={about[key]}" for key in keys if key in about)


def _seen(cache: Path) -> dict[str, str]:
    try:
        found = json.loads((cache / _SEEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _shown(place: str) -> str:
    """The URL for messages: what follows its `?` may grant access."""
    return place.split("?", maxsplit=1)[0]
