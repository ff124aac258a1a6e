"""Batch scoring: every row is either scored as the model scores it or rejected in words."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge

from mlops.deployment.batch import processes
from mlops.deployment.batch.column_check import ColumnCheck
from mlops.deployment.batch.parts import REJECTED
from mlops.deployment.batch.run import Options, Summary, main, score_files
from mlops.deployment.batch.scoring import Scorer
from mlops.deployment.batch.sources import find_sources, read_chunks
from mlops.deployment.packaging.package import read_manifest
from mlops.deployment.packaging.predictor import load_predict
from mlops.deployment.tests import every_type
from mlops.deployment.tests.batch_cases import CONTRACT, broken_rows, good_rows, make_package
from mlops.quality.checks import check_table
from mlops.quality.contract import Column, Contract
from mlops.quality.errors import UserError
from mlops.quality.project import ROOT

INPUTS = list(CONTRACT.inputs)
ALONE = Options(rows=100, workers=1)
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_package(tmp_path_factory.mktemp("packages") / "onnx")


def batch_of(table: pd.DataFrame) -> pa.RecordBatch:
    return pa.RecordBatch.from_pandas(table, preserve_index=False)


def score(package: Path, source: object, target: Path, options: Options = ALONE) -> Summary:
    return score_files(package, "7", str(source), target, options, QUIET)


def scored(target: Path) -> pd.DataFrame:
    parts = [pq.read_table(path).to_pandas() for path in sorted(target.glob("part-*.parquet"))]
    table: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return table


def rejected(target: Path) -> pd.DataFrame:
    paths = sorted((target / REJECTED).glob("part-*.parquet"))
    return pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True)


def files(target: Path) -> dict[str, tuple[bytes, int]]:
    paths = list(target.rglob("part-*.parquet"))
    return {
        path.relative_to(target).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in paths
    }


@pytest.mark.parametrize("form", ["onnx", "mlflow"])
@pytest.mark.parametrize(
    "estimator", [LogisticRegression(), RandomForestClassifier(5, max_depth=3), Ridge()], ids=str
)
def test_the_scores_are_the_models(form: str, estimator: object, tmp_path: Path) -> None:
    package = make_package(tmp_path / "p", form=form, estimator=estimator)
    table = good_rows(300)
    found = Scorer(package, "7").score(batch_of(table))
    assert found.kept is None
    assert not found.violations
    answers = found.batch.to_pandas()
    pd.testing.assert_frame_equal(answers[table.columns.tolist()], batch_of(table).to_pandas())
    wanted = load_predict(package)(check_table(table[INPUTS], CONTRACT, target=False).table)
    if isinstance(estimator, Ridge):
        np.testing.assert_array_equal(answers["prediction"], wanted)
    else:
        np.testing.assert_array_equal(answers["probability_1"], wanted)
        np.testing.assert_allclose(answers["probability_0"], 1 - wanted, atol=1e-6)
        np.testing.assert_array_equal(answers["prediction"], (wanted > 0.5).astype(int))
    assert set(answers["model_version"]) == {"7"}
    assert set(answers["model_digest"]) == {read_manifest(package)[1]}


@pytest.mark.parametrize(("form", "names"), [("onnx", ("0", "1")), ("mlflow", ("no", "yes"))])
def test_labels_name_the_columns_where_the_model_tells_them(
    form: str, names: tuple[str, str], tmp_path: Path
) -> None:
    package = make_package(tmp_path / "p", form=form, labels=("no", "yes"))
    answers = Scorer(package, "7").score(batch_of(good_rows(50))).batch.to_pandas()
    no, yes = (answers[f"probability_{name}"] for name in names)
    more = yes > no
    assert (answers["prediction"] == np.where(more, "yes", "no")).all()


def test_every_broken_rule_is_told_as_the_checks_tell_it(package: Path) -> None:
    table = broken_rows(400)
    raw = batch_of(table).to_pandas()[INPUTS]
    wanted = check_table(raw, CONTRACT, target=False).violations
    found = Scorer(package, "7").score(batch_of(table))
    assert found.violations == wanted
    assert {violation.rule.split(":")[0] for violation in wanted} == {
        "range is 0 to 10",
        "value is not missing",
        "type is integer",
        "one of x, y",
        "not_too_much",
    }
    bad = {violation.row for violation in wanted}
    left = [row for row in range(400) if row + 1 not in bad]
    assert found.kept is not None
    assert found.kept.tolist() == left
    assert found.batch.column("id").to_pylist() == [f"row {row}" for row in left]


def test_rows_score_the_same_beside_broken_ones_and_alone(package: Path) -> None:
    scorer = Scorer(package, "7")
    batch = batch_of(broken_rows(200))
    together = scorer.score(batch)
    assert together.kept is not None
    alone = [scorer.score(batch.slice(row, 1)).batch for row in together.kept]
    one, many = pa.Table.from_batches(alone).to_pandas(), together.batch.to_pandas()
    # onnxruntime's kernels for few rows and for many round the last bit differently
    pd.testing.assert_frame_equal(one, many, rtol=0, atol=1e-6, check_categorical=False)


def test_none_and_only_broken_rows_have_the_same_columns(package: Path) -> None:
    scorer = Scorer(package, "7")
    batch = batch_of(broken_rows(100))
    whole = scorer.score(batch)
    bad = sorted({violation.row - 1 for violation in whole.violations if violation.row})
    for part in (batch.slice(0, 0), batch.take(pa.array(bad))):
        found = scorer.score(part).batch
        assert found.num_rows == 0
        assert found.schema == whole.batch.schema


@pytest.mark.parametrize("singles", [(), ("price", "stock")], ids=["double", "single"])
@pytest.mark.parametrize("text", [False, True], ids=["typed", "text"])
def test_what_the_quick_check_lets_through_keeps_the_contract(
    text: bool, singles: tuple[str, ...]
) -> None:
    contract = every_type.CONTRACT
    random = np.random.default_rng(5)
    good = every_type.reference()
    wrong: dict[str, list[object]] = {
        "price": [0.1, 2000.0, None, float("inf"), 40.0],
        "discount": [-1.0, 99.0, 500.0],
        "pieces": [0, 51, None],
        "stock": [2.5, None, 1],
        "weight": [float("inf"), None, -5.0],
        "size": [37, None],
        "grade": [3, 1.5],
        "colour": ["green", "", "red"],
        "shop": [None, ""],
        "express": [None],
        "gift": [True, None],
        "sold": [pd.NaT],
        "seen": [pd.Timestamp("2026-01-01")],
    }
    rows = []
    for _ in range(400):
        row = good.iloc[int(random.integers(len(good)))].to_dict()
        for name in random.choice(list(wrong), random.integers(0, 3), replace=False):
            row[name] = wrong[name][int(random.integers(len(wrong[name])))]
        rows.append(row)
    table = pd.DataFrame(rows, dtype=object).astype(object)
    if text:
        table = table.map(lambda value: None if pd.isna(value) else str(value)).replace("", None)
        batch = pa.RecordBatch.from_arrays(
            [pa.array(table[name], pa.string(), from_pandas=True) for name in table],
            names=list(table),
        )
    else:
        batch = batch_of(table.infer_objects())
    raw = batch.to_pandas()
    bad = {broken.row for broken in check_table(raw, contract, target=False).violations}
    read = ColumnCheck(contract, singles).read(batch)
    assert read.suspect is not None
    assert bad <= set((np.flatnonzero(read.suspect) + 1).tolist())
    fine = batch.take(pa.array([row for row in range(400) if row + 1 not in bad]))
    assert 50 < fine.num_rows < 350
    assert ColumnCheck(contract, singles).read(fine).suspect is None


@pytest.mark.parametrize("singles", [(), ("x",)], ids=["double", "single"])
@pytest.mark.parametrize(
    ("column", "values", "suspects"),
    [
        (Column("number", "", range=(0.1, 0.7)), [0.1, 0.7], None),
        # as float32, these are the limits
        (Column("number", "", range=(0.1, 0.7)), [0.5, 0.7000000001], [1]),
        (Column("number", "", range=(0.1, 0.7)), [0.0999999999, 0.5], [0]),
        (Column("number", ""), [1e300, np.inf], [1]),
        (Column("number", "", range=(0, 1)), [np.nan, 0.5], [0]),
        (Column("number", "", range=(0, 1), missing=True), [np.nan, 2.0, 0.5], [1]),
        (Column("integer", "", range=(0, 16777216)), [16777217, 5], [0]),
        (Column("integer", ""), [2**53, 2**53 - 1], [0]),
        (Column("integer", "", categories=(1, 2)), [1, 3, 2], [1]),
        (Column("integer", "", categories=(1, 2)), [1, 2], None),
        # a contract that contradicts itself
        (Column("integer", "", range=(0, 5), categories=(1, 9)), [1, 9], [1]),
    ],
    ids=str,
)
def test_a_value_just_beyond_its_limit_is_suspect(
    column: Column, values: list[float], suspects: list[int] | None, singles: tuple[str, ...]
) -> None:
    contract = Contract("c", "", "regression", "y", {"x": column, "y": Column("number", "")})
    read = ColumnCheck(contract, singles).read(pa.RecordBatch.from_pydict({"x": values}))
    found = None if read.suspect is None else np.flatnonzero(read.suspect).tolist()
    assert found == suspects
    assert all(read.singles[name].dtype == np.float32 for name in singles)


def test_many_rows_score_as_they_do_in_the_models_blocks(package: Path) -> None:
    scorer = Scorer(package, "7")
    batch = batch_of(good_rows(40_000))
    whole = scorer.score(batch).batch
    blocks = [scorer.score(batch.slice(start, 16_384)).batch for start in range(0, 40_000, 16_384)]
    assert pa.Table.from_batches([whole]).equals(pa.Table.from_batches(blocks).combine_chunks())
    assert whole.schema.metadata is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.drop(columns="a"), "no column 'a', an input"),
        (lambda t: t.assign(prediction=1), "column 'prediction' is what scoring adds"),
        (lambda t: t.assign(model_digest=1), "column 'model_digest' is what scoring adds"),
    ],
    ids=["missing", "prediction", "digest"],
)
def test_columns_that_cannot_be_are_refused(
    change: object, told: str, package: Path, tmp_path: Path
) -> None:
    change(good_rows(10)).to_parquet(tmp_path / "in.parquet")  # type: ignore[operator]
    with pytest.raises(UserError, match=told) as error:
        score(package, tmp_path / "in.parquet", tmp_path / "out")
    assert str(tmp_path / "in.parquet") in str(error.value)


def test_a_csv_file_a_parquet_file_and_processes_give_the_same(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "ALONE_SECONDS", 0.0)
    table = broken_rows(450)
    table.to_csv(tmp_path / "in.csv", index=False)
    table.to_parquet(tmp_path / "in.parquet")
    summary = score(package, tmp_path / "in.parquet", tmp_path / "one")
    score(package, tmp_path / "in.csv", tmp_path / "csv")
    many = score(package, tmp_path / "in.parquet", tmp_path / "two", Options(100, 2))
    assert (summary.rows, summary.parts, many.parts) == (450, 5, 5)
    assert summary.rejected == many.rejected == 450 - summary.scored > 50
    one, two, csv = (files(tmp_path / name) for name in ("one", "two", "csv"))
    assert one.keys() == two.keys() == csv.keys()
    assert all(one[name][0] == two[name][0] for name in one)
    first, other = scored(tmp_path / "one"), scored(tmp_path / "csv")
    assert first["id"].tolist() == other["id"].tolist()
    pd.testing.assert_frame_equal(first.filter(regex="pred|prob"), other.filter(regex="pred|prob"))
    told, same = rejected(tmp_path / "one"), rejected(tmp_path / "csv")
    assert told[["row", "column", "rule"]].equals(same[["row", "column", "rule"]])
    # rows are counted through the whole file
    number = int(told["row"].iloc[-1])
    assert number > 400
    assert f"row {number - 1}" not in set(first["id"])
    said = json.loads((tmp_path / "one" / "_SUCCESS.json").read_text())
    assert (said["rows"], said["scored"], said["rejected"]) == (
        450,
        summary.scored,
        450 - said["scored"],
    )
    assert (said["model_version"], said["model_digest"]) == ("7", read_manifest(package)[1])
    assert [source["url"] for source in said["sources"]] == [str(tmp_path / "in.parquet")]


def test_folders_globs_and_urls_are_read_in_the_order_of_their_names(
    package: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    (folder / "2026").mkdir(parents=True)
    good_rows(30).to_parquet(folder / "b.parquet")
    good_rows(20).to_csv(folder / "a.csv", index=False)
    good_rows(10).to_csv(folder / "2026" / "c.csv", index=False)
    (folder / "_SUCCESS.json").write_text("{}")
    (folder / "_left.csv").write_text("x\n1\n")
    names = [Path(source.url).name for source in find_sources(str(folder))]
    assert names == ["c.csv", "a.csv", "b.parquet"]
    assert [Path(s.url).name for s in find_sources(str(folder / "*.csv"))] == ["a.csv"]
    assert score(package, folder, tmp_path / "out").rows == 60
    assert score(package, folder.as_uri(), tmp_path / "url").rows == 60
    memory = fsspec.filesystem("memory")
    memory.put(f"{folder}/", "/batch-test/", recursive=True)
    try:
        found = score(package, "memory://batch-test/*.parquet", tmp_path / "memory")
        assert found.rows == 30
        assert found.sources[0].url.startswith("memory://")
        assert score(package, "memory://batch-test/a.csv", tmp_path / "one").rows == 20
    finally:
        memory.rm("/batch-test", recursive=True)


@pytest.mark.parametrize("rows", [1, 7, 100, 1000])
def test_chunks_hold_every_row_once(rows: int, tmp_path: Path) -> None:
    table = good_rows(100)
    table.to_csv(tmp_path / "t.csv", index=False)
    pq.write_table(pa.Table.from_pandas(table), tmp_path / "t.parquet", row_group_size=13)
    for name in ("t.csv", "t.parquet"):
        (source,) = find_sources(str(tmp_path / name))
        chunks = list(read_chunks(source, rows))
        assert [chunk.first for chunk in chunks] == list(range(0, 100, rows))
        assert all(chunk.batch.num_rows == rows for chunk in chunks[:-1])
        ids = [value for chunk in chunks for value in chunk.batch.column("id").to_pylist()]
        assert ids == table["id"].tolist()


def test_csv_is_text_and_only_what_is_empty_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes('\ufeffa,b\n01,"x\ny"\nNA,""\n\n 1 ,\n'.encode())
    (chunk,) = read_chunks(find_sources(str(path))[0], 10)
    assert chunk.batch.to_pydict() == {"a": ["01", "NA", " 1 "], "b": ["x\ny", None, None]}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("t.csv", b"", "the file is empty"),
        ("t.csv", b"a,a\n1,2\n", "names column 'a' twice"),
        ("t.csv", b"a,\n1,2\n", "gives column 2 no name"),
        ("t.csv", b"a,b\n1,2\n3\n", "Expected 2 columns, got 1"),
        ("t.csv", b"a,b\n1,\xff\n", "utf-8"),
        ("t.parquet", b"PAR1", "cannot be read"),
        ("t.txt", b"a\n1\n", "expected a .csv or .parquet file"),
        ("none/x.md", b"", "names no .csv or .parquet file"),
    ],
    ids=["empty", "twice", "unnamed", "short", "bytes", "parquet", "kind", "none"],
)
def test_a_file_that_is_no_table_is_told_in_one_line(
    name: str, content: bytes, told: str, package: Path, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    given = path.parent if "/" in name else path
    with pytest.raises(UserError, match=told) as error:
        score(package, given, tmp_path / "out")
    assert str(given) in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out" / "_SUCCESS.json").exists()


def test_an_unknown_protocol_is_told_in_one_line(package: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nosuch"):
        score(package, "nosuch://bucket/x.csv", tmp_path / "out")


def test_what_is_done_is_not_done_again(package: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in.parquet", tmp_path / "out"
    broken_rows(450).to_parquet(source)
    before = score(package, source, target)
    first = files(target)
    (target / "part-00003.parquet").unlink()
    (target / REJECTED / "part-00001.parquet").unlink()
    (target / "_SUCCESS.json").unlink()
    after = score(package, source, target)
    assert (after.rows, after.scored, after.rejected) == (450, before.scored, before.rejected)
    again = files(target)
    assert {name: content for name, (content, _) in again.items()} == {
        name: content for name, (content, _) in first.items()
    }
    same = {name for name in first if first[name][1] == again[name][1]}
    changed = {"part-00003.parquet", "part-00001.parquet"}
    assert same == {name for name in first if Path(name).name not in changed}


@pytest.mark.parametrize("what", ["version", "rows", "source", "other", "package", "foreign"])
def test_what_another_run_left_is_refused_untouched(
    what: str, package: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.parquet", tmp_path / "out"
    good_rows(250).to_parquet(source)
    score(package, source, target)
    options, version = ALONE, "7"
    if what == "version":
        version = "8"
    elif what == "rows":
        options = Options(rows=50, workers=1)
    elif what == "source":
        good_rows(260).to_parquet(source)
    elif what == "other":
        source = source.rename(tmp_path / "another.parquet")
    elif what == "package":
        package = make_package(tmp_path / "p", estimator=LogisticRegression(C=0.1))
    else:
        good_rows(5).to_parquet(target / "part-00009.parquet")
    before = files(target)
    with pytest.raises(UserError, match="--force"):
        score_files(package, version, str(source), target, options, QUIET)
    assert files(target) == before
    assert (target / "_SUCCESS.json").is_file()
    anew = Options(options.rows, 1, force=True)
    found = score_files(package, version, str(source), target, anew, QUIET)
    assert len(scored(target)) == found.rows == (260 if what == "source" else 250)


def test_a_folder_is_not_read_while_it_is_written(package: Path, tmp_path: Path) -> None:
    good_rows(10).to_parquet(tmp_path / "in.parquet")
    score(package, tmp_path / "in.parquet", tmp_path / "out")
    with pytest.raises(UserError, match="the folder that is written to"):
        score(package, tmp_path, tmp_path / "out")


def test_a_package_that_was_changed_or_is_another_is_refused(tmp_path: Path) -> None:
    package = make_package(tmp_path / "p")
    good_rows(10).to_parquet(tmp_path / "in.parquet")
    other = Options(workers=1, digest="0" * 64)
    with pytest.raises(UserError, match="not package 000000000000"):
        score(package, tmp_path / "in.parquet", tmp_path / "out", other)
    (package / "contract.yml").write_text("{}")
    with pytest.raises(UserError, match=r"contract\.yml was changed"):
        score(package, tmp_path / "in.parquet", tmp_path / "out")


@pytest.mark.parametrize("option", ["rows", "workers"])
def test_an_option_below_one_is_refused(option: str, package: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"--{option}: expected 1 or more, found 0"):
        score(package, "x.csv", tmp_path, Options(**{option: 0}))  # type: ignore[arg-type]


def test_the_command_tells_what_it_did(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken_rows(200).to_parquet(tmp_path / "in.parquet")
    given = {"package": package, "version": "7", "input": tmp_path / "in.parquet", "workers": 1}
    arguments = [f"--{key}={value}" for key, value in given.items()]
    assert main([*arguments, f"--output={tmp_path / 'out'}"]) == 0
    said = capsys.readouterr().out
    assert "of 200 rows scored" in said
    assert "rejected, told in" in said


def started(package: Path, source: Path, target: Path) -> subprocess.Popen[str]:
    """A run in processes of its own group, as a terminal starts it, once it has written parts."""
    given = {"package": package, "version": "7", "input": source, "output": target}
    arguments = [f"--{key}={value}" for key, value in given.items()]
    code = (
        "from mlops.deployment.batch import processes, run; processes.ALONE_SECONDS = 0.0; "
        "run.run_main(run.main)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments, "--rows=50", "--workers=2"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    while not list(target.glob("part-*.parquet")):
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.01)
    return process


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_stopped_leaves_no_process_and_goes_on(
    how: signal.Signals, package: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.parquet", tmp_path / "out"
    broken_rows(6000).to_parquet(source)
    process = started(package, source, target)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    if how == signal.SIGINT:
        # a terminal sends it to every process
        os.killpg(process.pid, how)
    else:
        process.send_signal(how)
    _, said = process.communicate(timeout=30)
    assert process.returncode == (130 if how == signal.SIGINT else -how)
    assert "Traceback" not in said
    assert not psutil.wait_procs(children, timeout=10)[1]
    assert not (target / "_SUCCESS.json").exists()
    there = files(target)
    assert 0 < len(there) < 240
    summary = score(package, source, target, Options(rows=50, workers=1))
    now = files(target)
    assert all(now[name] == there[name] for name in there if not name.startswith(REJECTED))
    once = score(package, source, tmp_path / "once", Options(rows=50, workers=1))
    assert (summary.rows, summary.rejected) == (once.rows, once.rejected)
    whole = files(tmp_path / "once")
    assert {name: content for name, (content, _) in now.items()} == {
        name: content for name, (content, _) in whole.items()
    }
    assert not list(target.rglob("*.unfinished"))
