"""A small pipeline project of three steps, which the tests change one line at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlops.quality.errors import UserError
from mlops.training.pipeline import Event, StepResult, execute, load_pipeline

PIPELINE = """
type: pipeline
inputs:
  rows: {type: uri_file, path: rows.txt}
  factor: 2
outputs:
  total: {type: uri_file}
jobs:
  clean:
    type: command
    component: ./clean.yml
    inputs: {rows: "${{parent.inputs.rows}}"}
  scale:
    type: command
    component: ./scale.yml
    inputs:
      rows: ${{parent.jobs.clean.outputs.rows}}
      factor: ${{parent.inputs.factor}}
  total:
    type: command
    component: ./total.yml
    inputs: {folder: "${{parent.jobs.scale.outputs.folder}}"}
    outputs: {total: "${{parent.outputs.total}}"}
"""
CLEAN = """
type: command
name: clean
version: "1"
inputs:
  rows: {type: uri_file}
outputs:
  rows: {type: uri_file}
code: code
environment: azureml:any:1
command: python -m steps.clean ${{inputs.rows}} ${{outputs.rows}}
"""
SCALE = """
type: command
name: scale
version: "1"
inputs:
  rows: {type: uri_file}
  factor: {type: integer, min: 1, max: 9}
  note: {type: string, optional: true, enum: [short, long]}
outputs:
  folder: {type: uri_folder}
code: code
environment: azureml:any:1
command: >-
  python -m steps.scale ${{inputs.rows}} ${{outputs.folder}} --factor ${{inputs.factor}}
  $[[--note ${{inputs.note}}]]
"""
TOTAL = """
type: command
name: total
version: "1"
inputs:
  folder: {type: uri_folder}
outputs:
  total: {type: uri_file}
code: code
environment: azureml:any:1
command: python -m steps.total ${{inputs.folder}} ${{outputs.total}}
"""
FILES = {
    "pipeline.yml": PIPELINE,
    "clean.yml": CLEAN,
    "scale.yml": SCALE,
    "total.yml": TOTAL,
    "rows.txt": "1\n2\n\n3\n",
    "code/steps/__init__.py": "",
    "code/steps/numbers.py": "def read(path):\n    return [int(x) for x in open(path) if x.strip()]\n",
    "code/steps/clean.py": (
        "import sys\n"
        "from steps import numbers\n"
        "rows = numbers.read(sys.argv[1])\n"
        "open(sys.argv[2], 'w').write('\\n'.join(map(str, rows)))\n"
        "print(len(rows), 'rows')\n"
    ),
    "code/steps/scale.py": (
        "import pathlib, sys\n"
        "from .numbers import read\n"
        "rows = [int(sys.argv[4]) * row for row in read(sys.argv[1])]\n"
        "pathlib.Path(sys.argv[2], 'rows.txt').write_text('\\n'.join(map(str, rows)))\n"
    ),
    "code/steps/total.py": (
        "import pathlib, sys\n"
        "rows = pathlib.Path(sys.argv[1], 'rows.txt').read_text().split()\n"
        "pathlib.Path(sys.argv[2]).write_text(str(sum(map(int, rows))))\n"
    ),
}


def no_assets(name: str, version: str) -> Path:
    raise UserError(f"azureml:{name}:{version}: no such asset")


@dataclass
class Project:
    """A folder with pipeline files, and the runs made in it."""

    folder: Path
    events: list[Event] = field(default_factory=list)
    environment_digest: str = "locked"
    resolve_asset: Callable[[str, str], Path] = no_assets
    store_name: str = "store"

    @property
    def pipeline(self) -> Path:
        return self.folder / "pipeline.yml"

    @property
    def store(self) -> Path:
        return self.folder / self.store_name

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {name}"
        self.write(name, text.replace(old, new, 1))

    def single(self, script: str, component: str = "", job: str = "") -> None:
        """Make it a pipeline of one step 'only' that runs `script` with one output 'out'."""
        self.write("code/only.py", script)
        self.write(
            "only.yml",
            "type: command\nname: only\nenvironment: azureml:any:1\ncode: code\n"
            + (
                component
                or "outputs: {out: {type: uri_file}}\ncommand: python only.py ${{outputs.out}}\n"
            ),
        )
        self.write(
            "pipeline.yml", f"type: pipeline\njobs:\n  only:\n    component: ./only.yml\n{job}"
        )

    def results(
        self,
        *,
        overrides: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        force: bool = False,
        jobs: int | None = None,
        on_event: Callable[[Event], None] | None = None,
        before: Callable[[str], None] = lambda _: None,
    ) -> tuple[StepResult, ...]:
        def told(event: Event) -> None:
            self.events.append(event)
            if on_event:
                on_event(event)

        return execute(
            load_pipeline(self.pipeline),
            store=self.store,
            resolve_asset=self.resolve_asset,
            environment_digest=self.environment_digest,
            on_event=told,
            before=before,
            overrides=overrides,
            environment=environment,
            force=force,
            jobs=jobs,
        )

    def ran(self, *, force: bool = False, **overrides: str) -> list[str]:
        """The names of the steps that ran, not those taken from the store."""
        results = self.results(overrides=overrides, force=force)
        return [result.name for result in results if result.status == "ran"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    for name, text in FILES.items():
        made.write(name, text)
    return made
