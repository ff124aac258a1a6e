"""`python -m mlops.training.pipeline FILE`: check or run one pipeline file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mlops.quality.errors import UserError, run_main
from mlops.training.pipeline import Event, StepFailed, check, execute, load_pipeline
from mlops.training.pipeline.cpus import add_jobs_option


def main(arguments: list[str]) -> int:
    """Exit code 0; 1 where a step fails, 2 for a mistake in the file or the call."""
    options = _parser().parse_args(arguments)
    overrides = dict(_override(text) for text in options.set)
    pipeline = load_pipeline(options.file)
    if options.check:
        steps = check(pipeline, overrides)
        print(f"{options.file}: good: {', '.join(step.name for step in steps)}")
        return 0
    try:
        execute(
            pipeline,
            store=options.store,
            resolve_asset=_no_assets,
            environment_digest=options.environment_digest,
            on_event=_tell,
            overrides=overrides,
            force=options.force,
            jobs=options.jobs,
        )
    except StepFailed as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mlops.training.pipeline",
        description="Check or run a pipeline file in Azure ML CLI v2 grammar.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="replace a pipeline input"
    )
    parser.add_argument(
        "--store",
        type=Path,
        default=Path(".mlops/cache"),
        metavar="FOLDER",
        help="where results are kept (default: .mlops/cache)",
    )
    parser.add_argument(
        "--environment-digest",
        default="",
        metavar="TEXT",
        help="stands for the installed packages; another text re-runs every step",
    )
    parser.add_argument("--force", action="store_true", help="run every step, changed or not")
    add_jobs_option(parser)
    parser.add_argument("--check", action="store_true", help="check the file and run nothing")
    return parser


def _override(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise UserError(f"--set {text}: expected NAME=VALUE")
    return name, value


def _no_assets(name: str, version: str) -> Path:
    raise UserError(f"azureml:{name}:{version}: assets are known to 'nox -s train' alone")


def _tell(event: Event) -> None:
    if event.kind == "output":
        print(f"  {event.step} | {event.text}", flush=True)
    elif event.kind == "started":
        print(f"{event.step}: running", flush=True)
    elif event.kind in ("finished", "cached"):
        done = "done" if event.kind == "finished" else "unchanged"
        print(f"{event.step}: {done} ({event.seconds:.2f} s)", flush=True)
    elif event.kind == "ended":
        print(f"{event.step}: ended, since another step failed", flush=True)


if __name__ == "__main__":
    run_main(main)
