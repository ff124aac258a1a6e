"""Every mistake in a pipeline is refused with file, key and reason, before anything runs."""

from __future__ import annotations

import pytest

from mlops.quality.errors import UserError
from mlops.training.pipeline import check, load_pipeline
from mlops.training.tests.pipeline.conftest import Project

CLEAN_JOB = 'inputs: {rows: "${{parent.inputs.rows}}"}'
SCALE_ROWS = "${{parent.jobs.clean.outputs.rows}}"

# what is replaced in which file, and the message's end after the file's name
GRAPH = {
    "unknown node": (
        "pipeline.yml",
        "jobs.clean.outputs",
        "jobs.clena.outputs",
        "jobs.scale.inputs.rows: the pipeline has no job 'clena'; did you mean 'clean'?",
    ),
    "unknown output": (
        "pipeline.yml",
        "outputs.rows}}",
        "outputs.row}}",
        "jobs.scale.inputs.rows: the job 'clean' has no output 'row'; did you mean 'rows'?",
    ),
    "unknown parent input": (
        "pipeline.yml",
        "parent.inputs.factor",
        "parent.inputs.faktor",
        "jobs.scale.inputs.factor: the pipeline has no input 'faktor'; did you mean 'factor'?",
    ),
    "extra input": (
        "pipeline.yml",
        "      factor: ${{",
        "      fatcor: 1\n      factor: ${{",
        "has no such input; did you mean 'factor'?",
    ),
    "missing input": (
        "pipeline.yml",
        "      factor: ${{parent.inputs.factor}}",
        "",
        "requires this integer",
    ),
    "input that nobody reads": (
        "pipeline.yml",
        "factor: ${{parent.inputs.factor}}",
        "factor: 2",
        "inputs.factor: no job reads this input",
    ),
    "cycle": (
        "pipeline.yml",
        CLEAN_JOB,
        'inputs: {rows: "${{parent.jobs.total.outputs.total}}"}',
        "jobs: cycle: clean -> total -> scale -> clean",
    ),
    "cycle of one": (
        "pipeline.yml",
        CLEAN_JOB,
        'inputs: {rows: "${{parent.jobs.clean.outputs.rows}}"}',
        "jobs: cycle: clean -> clean",
    ),
    "type mismatch between steps": (
        "pipeline.yml",
        "parent.jobs.scale.outputs.folder",
        "parent.jobs.clean.outputs.rows",
        "jobs.total.inputs.folder: type mismatch: expected uri_folder, found uri_file",
    ),
    "type mismatch of data": (
        "pipeline.yml",
        "{type: uri_file, path: rows.txt}",
        "{type: uri_folder, path: code}",
        "jobs.clean.inputs.rows: type mismatch: expected uri_file, found uri_folder",
    ),
    "a file given as a folder": (
        "pipeline.yml",
        "{type: uri_file, path: rows.txt}",
        "{type: uri_folder, path: rows.txt}",
        "type mismatch: uri_folder given the file",
    ),
    "literal given as data": (
        "pipeline.yml",
        SCALE_ROWS,
        "rows.txt",
        "type mismatch: expected uri_file, found the literal 'rows.txt'",
    ),
    "data given as a literal": (
        "pipeline.yml",
        "${{parent.inputs.factor}}",
        "${{parent.inputs.rows}}",
        "jobs.scale.inputs.factor: type mismatch: expected integer, found uri_file",
    ),
    "literal of another type": (
        "pipeline.yml",
        "factor: 2",
        "factor: '2'",
        "jobs.scale.inputs.factor: expected an integer, found '2'",
    ),
    "literal below its range": ("pipeline.yml", "factor: 2", "factor: 0", "below the minimum 1"),
    "literal above its range": ("pipeline.yml", "factor: 2", "factor: 10", "above the maximum 9"),
    "literal outside its enum": (
        "pipeline.yml",
        "      factor: ${{",
        "      note: shrt\n      factor: ${{",
        "'shrt' is not one of short, long; did you mean 'short'?",
    ),
    "default outside its range": (
        "scale.yml",
        "min: 1, max: 9",
        "min: 1, max: 9, default: 12",
        "inputs.factor.default: 12 is above the maximum 9",
    ),
    "default of another type": (
        "scale.yml",
        "min: 1, max: 9",
        "default: 1.5",
        "inputs.factor.default: expected an integer, found 1.5",
    ),
    "optional input outside its brackets": (
        "scale.yml",
        "$[[--note ${{inputs.note}}]]",
        "--note ${{inputs.note}}",
        "command: the optional input 'note' stands outside $[[ ]]",
    ),
    "brackets around nothing optional": (
        "scale.yml",
        "--factor ${{inputs.factor}}",
        "$[[--factor ${{inputs.factor}}]]",
        "holds no optional input",
    ),
    "placeholder of no input": (
        "clean.yml",
        "${{inputs.rows}}",
        "${{inputs.row}}",
        "command: 'inputs.row' is not declared; did you mean 'rows'?",
    ),
    "placeholder of no output": (
        "clean.yml",
        "${{outputs.rows}}",
        "${{outputs.table}}",
        "command: 'outputs.table' is not declared",
    ),
    "output the command does not get": (
        "clean.yml",
        " ${{outputs.rows}}",
        "",
        "command: the output 'rows' is never passed to the command",
    ),
    "registering step without outputs left deterministic": (
        "total.yml",
        "outputs:\n  total: {type: uri_file}\n",
        "",
        None,
    ),
    "tagged step left deterministic": (
        "total.yml",
        "name: total",
        "name: total\ntags: {side_effects: registers a model}",
        "is_deterministic: side-effect step left deterministic (jobs.total: its tags declare",
    ),
    "tracking step left deterministic": (
        "pipeline.yml",
        "component: ./total.yml",
        "component: ./total.yml\n    environment_variables: {MLFLOW_TRACKING_URI: 'x'}",
        "side-effect step left deterministic (jobs.total: it sets MLFLOW_* variables)",
    ),
    "binding of no output": (
        "pipeline.yml",
        "outputs: {total: ",
        "outputs: {totals: ",
        "jobs.total.outputs.totals:",
    ),
    "binding to no parent output": (
        "pipeline.yml",
        "parent.outputs.total",
        "parent.outputs.sum",
        "jobs.total.outputs.total: the pipeline has no output 'sum'",
    ),
    "parent output bound by nobody": (
        "pipeline.yml",
        "outputs:\n  total:",
        "outputs:\n  other: {type: uri_file}\n  total:",
        "outputs.other: no job is bound to this output",
    ),
    "parent output bound twice": (
        "pipeline.yml",
        CLEAN_JOB,
        CLEAN_JOB + '\n    outputs: {rows: "${{parent.outputs.total}}"}',
        "'total' is already bound by jobs.clean.outputs.rows",
    ),
    "parent output of another type": (
        "pipeline.yml",
        "total: {type: uri_file}",
        "total: {type: uri_folder}",
        "jobs.total.outputs.total: type mismatch: expected uri_folder, found uri_file",
    ),
    "data that is not there": (
        "pipeline.yml",
        "path: rows.txt",
        "path: row.txt",
        "inputs.rows.path: no such file or folder",
    ),
}


def only_step(more: str) -> tuple[str, str, str]:
    return "pipeline.yml", "component: ./clean.yml", f"component: ./clean.yml\n    {more}"


def command(text: str) -> tuple[str, str, str]:
    return "clean.yml", "python -m steps.clean", text


UNSUPPORTED = {
    "unknown key of a pipeline": ("pipeline.yml", "jobs:", "job:", "unknown key 'job'; did you"),
    "unknown key of a job": (*only_step("input: {}"), "jobs.clean: unknown key 'input'; did you"),
    "unknown key of a component": ("clean.yml", "code: ", "cod: ", "unknown key 'cod'; did you"),
    "unknown key of an input": ("scale.yml", "min: 1", "mini: 1", "inputs.factor: unknown key"),
    "a key given twice": ("clean.yml", "name: clean", "name: a\nname: b", "is given twice"),
    "name of a pipeline": ("pipeline.yml", "jobs:", "name: x\njobs:", "name: must not be set"),
    "not a pipeline": ("pipeline.yml", "type: pipeline", "type: command", "expected 'pipeline'"),
    "version without quotes": ("clean.yml", 'version: "1"', "version: 1", "text in quotes"),
    "no environment": ("clean.yml", "environment: azureml:any:1", "", "environment: is missing"),
    "no code folder": ("clean.yml", "code: code", "code: cod", "code: no such folder: cod"),
    "no component file": ("pipeline.yml", "./clean.yml", "./clear.yml", "no such file"),
    **{
        kind: (
            "pipeline.yml",
            "clean:\n    type: command",
            f"clean:\n    type: {kind}",
            f"jobs.clean.type: '{kind}' jobs are not supported; only 'command' is",
        )
        for kind in ("sweep", "parallel", "pipeline", "automl", "spark", "do_while", "if_else")
    },
    "registry component": (
        "pipeline.yml",
        "./clean.yml",
        "azureml://registries/r/components/c/versions/1",
        "jobs.clean.component: a registry reference is not supported",
    ),
    "registered component": ("pipeline.yml", "./clean.yml", "azureml:c:1", "registered component"),
    "inline component": ("pipeline.yml", "./clean.yml", "{type: command}", "jobs.clean.component"),
    "inline command": (*only_step("command: ls"), "an inline command is not supported"),
    "registry data": (
        "pipeline.yml",
        "rows.txt",
        "azureml://registries/r/data/d/versions/1",
        "inputs.rows.path: a registry reference is not supported",
    ),
    "latest data": ("pipeline.yml", "rows.txt", "azureml:d@latest", "pin it as azureml:NAME:VERS"),
    "data in a cloud": ("pipeline.yml", "rows.txt", "https://x/y", "expected a local path or"),
    "mode direct": ("pipeline.yml", "path: rows", "mode: direct, path: rows", "mode: 'direct' is"),
    "mode of an output": (
        "clean.yml",
        "outputs:\n  rows: {",
        "outputs:\n  rows: {mode: direct, ",
        "outputs.rows.mode: 'direct' is not supported",
    ),
    "triton model": ("clean.yml", "{type: uri_file}", "{type: triton_model}", "'triton_model'"),
    "going on after a failure": (
        "pipeline.yml",
        "jobs:",
        "settings: {continue_on_step_failure: true}\njobs:",
        "settings.continue_on_step_failure: only false",
    ),
    "distribution": ("clean.yml", "code: code", "code: code\ndistribution: {}", "distribution: di"),
    "partial binding": (
        "pipeline.yml",
        "${{parent.inputs.factor}}",
        "x${{parent.inputs.factor}}",
        "jobs.scale.inputs.factor: 'x${{parent.inputs.factor}}' is not a whole-value binding",
    ),
    "determinism of a job": (*only_step("is_deterministic: false"), "belongs into the component"),
    "variables of a component": (
        "clean.yml",
        "code: code",
        "code: code\nenvironment_variables: {A: b}",
        "environment_variables: Azure ML drops it from a component file",
    ),
    "limit in words": (*only_step("limits: {timeout: 1h}"), "limits.timeout: expected whole sec"),
    "pipe": (*command("python -m steps.clean | cat"), "the shell operator '|' is refused"),
    "and": (*command("cd x && python a.py"), "the shell operator '&&' is refused"),
    "redirection": (*command("python a.py > log"), "the shell operator '>' is refused"),
    "variable": (*command("python $HOME/a.py"), "the shell operator '$' is refused"),
    "substitution": (*command("python `ls`"), "the shell operator '`' is refused"),
    "wildcard": (*command("python a.py *.csv"), "the shell operator '*' is refused"),
    "assignment": (*command("A=b python a.py"), "expected a program as the first word"),
    "open quote": (*command("python 'a.py"), "cannot be split into words"),
    "parent in a command": (*command("python ${{parent.inputs.rows}}"), "are placeholders"),
    "two lines": ("clean.yml", "command: python", "command: |\n  ls\n  python", "one line"),
}


@pytest.mark.parametrize(("name", "old", "new", "message"), GRAPH.values(), ids=GRAPH)
def test_a_mistake_in_the_graph_is_refused(
    project: Project, name: str, old: str, new: str, message: str | None
) -> None:
    project.edit(name, old, new)
    if message is None:
        project.edit(name, " ${{outputs.total}}", "")
        project.edit("pipeline.yml", '    outputs: {total: "${{parent.outputs.total}}"}\n', "")
        message = "side-effect step left deterministic (jobs.total: it has no outputs)"
    assert_refused(project, message)


@pytest.mark.parametrize(("name", "old", "new", "message"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_what_is_not_supported_is_refused_by_name(
    project: Project, name: str, old: str, new: str, message: str
) -> None:
    project.edit(name, old, new)
    assert_refused(project, message)


def assert_refused(project: Project, message: str) -> None:
    with pytest.raises(UserError) as refusal:
        project.results()
    text = str(refusal.value)
    assert message in text
    assert text.startswith(str(project.folder))
    assert ".yml: " in text
    assert "\n" not in text
    assert not project.store.exists()


OVERRIDES = {
    "no such input": ({"fator": "1"}, "--set fator: ", "did you mean 'factor'?"),
    "not a number": ({"factor": "two"}, "--set factor: expected an integer, found 'two'", ""),
    "out of range": ({"factor": "12"}, "--set factor: 12 is above the maximum 9", ""),
    "no such file": ({"rows": "none.txt"}, "--set rows: no such file or folder", ""),
    "latest": ({"rows": "azureml:rows@latest"}, "--set rows: ", "pin it"),
}


@pytest.mark.parametrize(("overrides", "start", "end"), OVERRIDES.values(), ids=OVERRIDES)
def test_a_bad_override_is_refused(
    project: Project, overrides: dict[str, str], start: str, end: str
) -> None:
    with pytest.raises(UserError) as refusal:
        check(load_pipeline(project.pipeline), overrides)
    assert str(refusal.value).startswith(start)
    assert end in str(refusal.value)


def test_azures_own_keys_are_ignored(project: Project) -> None:
    project.edit(
        "pipeline.yml",
        "jobs:\n",
        "compute: azureml:cpu\nidentity: {type: user_identity}\nservices: {}\n"
        "settings: {default_compute: azureml:cpu, default_datastore: azureml:store}\njobs:\n",
    )
    project.edit(*only_step("compute: azureml:gpu\n    resources: {instance_count: 2}"))
    project.edit("clean.yml", "code: code", "code: code\nresources: {instance_count: 1}")
    steps = check(load_pipeline(project.pipeline))
    assert [step.name for step in steps] == ["clean", "scale", "total"]


def test_steps_run_after_what_they_read_whatever_their_order_in_the_file(project: Project) -> None:
    text = project.pipeline.read_text(encoding="utf-8")
    head, jobs = text.split("jobs:\n")
    clean, rest = jobs.split("  scale:\n")
    project.write("pipeline.yml", f"{head}jobs:\n  scale:\n{rest}{clean}")
    steps = check(load_pipeline(project.pipeline))
    assert [step.name for step in steps] == ["clean", "scale", "total"]
