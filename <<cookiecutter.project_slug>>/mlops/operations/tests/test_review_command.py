"""Human review as a whole: from collected answers to labels of the environment, with who gave them."""

from __future__ import annotations

import csv
import dataclasses
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
import yaml
from rich.console import Console

from mlops.deployment.serving.traffic import Deployment, Traffic, traffic_text
from mlops.deployment.tests.small import CONTRACT, INPUTS, rows
from mlops.operations import review
from mlops.operations.experiments.review import Item, Label
from mlops.operations.experiments.review_queue import Queue, Reviewed, enqueue, read_queue
from mlops.operations.labelled_rows import labelled_since
from mlops.operations.monitoring.labels import FOLDER
from mlops.operations.new_data import NewData, declare_data
from mlops.operations.pages.review import Asking, review_page
from mlops.operations.retraining.assets import Declared, origins_of
from mlops.operations.retraining.cause import Cause
from mlops.operations.review_round import Desk, standings, waiting
from mlops.operations.review_table import read_given, write_queue
from mlops.operations.tests.collected_cases import (
    PROBLEM,
    collect,
    every,
    make_package,
    make_project,
    split,
)
from mlops.operations.watch import watch
from mlops.quality.assets import fetch
from mlops.quality.errors import UserError
from mlops.quality.project import Project

SERVED = 120


class Site:
    """A project whose prod answered rows within the last hour."""

    def __init__(self, project: Project, ids: Sequence[str]) -> None:
        self.project, self.ids = project, ids
        self.out = StringIO()

    @property
    def folder(self) -> Path:
        return self.project.state / "endpoints" / "prod"

    def settings(self, **sections: object) -> None:
        path = self.project.root / "environments" / "prod" / "settings.yml"
        path.write_text(yaml.safe_dump(sections))

    def run(self, *words: str) -> str:
        """Run the command; returns what it printed."""
        self.out.seek(0)
        self.out.truncate()
        assert review.main(list(words)) == 0
        return self.out.getvalue()

    def desk(self) -> Desk:
        return review.open_named(self.project, "prod", datetime.now(UTC))

    @property
    def queue(self) -> Queue:
        return read_queue(self.project.state / "review" / "prod" / "review.jsonl")

    @property
    def first(self) -> str:
        return next(iter(self.queue.items))[0]

    def given(self) -> dict[str, object]:
        """The environment's labels, as the monitor reads them."""
        table = self.desk().labels.table
        told = table["target"].where(table["target"].notna(), table["label"])
        return dict(zip(table["request_id"], told, strict=True))

    def files(self) -> int:
        return len(list((self.folder / FOLDER).glob("*.csv")))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, list[str]]:
    project = make_project(tmp_path_factory.mktemp("made") / "project")
    packages = project.state / "packages"
    digest = make_package(packages, project=project)
    folder = project.state / "endpoints" / "prod"
    folder.mkdir(parents=True)
    traffic = Traffic(1, "prod", "small", (Deployment("blue", "1", digest, 1.0),))
    (folder / "traffic.json").write_text(traffic_text(traffic))
    (project.root / "environments" / "prod").mkdir(parents=True)
    (project.root / "environments" / "prod" / "settings.yml").write_text("{}\n")
    moments = every(datetime.now(UTC) - timedelta(minutes=55), SERVED, timedelta(seconds=20))
    return project, collect(folder, packages, digest, rows(SERVED, 5)[INPUTS], moments)


@pytest.fixture
def site(made: tuple[Project, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    project, ids = made
    root = tmp_path / "project"
    shutil.copytree(project.root, root)
    found = Site(dataclasses.replace(project, root=root), ids)
    monkeypatch.setattr(review, "load_project", lambda _: found.project)
    monkeypatch.setattr(review, "problem_and_split", lambda _: (PROBLEM, split))
    monkeypatch.setattr(review, "console", lambda: Console(file=found.out, width=200))
    return found


def test_doubtful_answers_wait_and_are_shown_with_why(site: Site) -> None:
    said = site.run()
    items = [each.item for each in site.queue.items.values()]
    assert 0 < len(items) < SERVED
    assert all(0.4 <= (each.probability or 0) <= 0.6 for each in items)
    assert f"{len(items)} wait for a label; 0 are decided" in said
    first = items[0]
    assert f"{first.request_id}:1" in said
    assert (
        f"answer  {first.answer} (most probable label: {100 * (first.probability or 0):.1f}%)"
        in said
    )
    assert f"n {first.inputs['n']}, " in said
    assert "why     uncertain" in said
    assert "asked for: answer (answer): one of 0, 1" in said
    assert "made from it" not in said
    assert "prod: 0 new" in site.run("take", "prod")
    assert len(site.queue.items) == len(items)


def test_a_rule_and_a_number_a_window_choose(site: Site) -> None:
    site.settings(review={"margin": None, "rules": {"large": "a > 9"}, "per_window": 3})
    site.run()
    assert [each.item.why for each in site.queue.items.values()] == [("large",)] * 3
    assert site.run("take").startswith("prod: 0 new")


def test_a_rule_that_names_no_column_is_told_with_its_place(site: Site) -> None:
    site.settings(review={"rules": {"large": "b > 9"}})
    with pytest.raises(UserError, match=r"prod.settings\.yml: review: rules: large"):
        review.main([])


def test_what_is_known_already_is_not_asked_about(site: Site) -> None:
    (site.folder / FOLDER).mkdir()
    table = pd.DataFrame({"request_id": site.ids, "label": 0})
    table.iloc[1:].to_csv(site.folder / FOLDER / "truth.csv", index=False)
    site.settings(review={"margin": 1.0, "per_window": 500})
    site.run()
    assert [key[0] for key in site.queue.items] == [site.ids[0]]


def test_a_label_becomes_one_of_the_environment_once(site: Site) -> None:
    site.run()
    first = site.first
    said = site.run("label", first, "1", "--by", "Ada", "--note", "clear")
    assert "Ada says: answer 1" in said
    assert "1 became labels of prod" in said
    assert site.given() == {first: 1}
    again = site.run("label", f"{first}:1", "1", "--by", "Ada")
    assert "Ada said so already" in again
    assert "became" not in again
    assert site.files() == 1
    assert [(each.by, each.note) for each in site.queue.items[first, 1].labels] == [
        ("Ada", "clear")
    ]
    assert "1 are decided" in site.run()


def test_who_changes_their_mind_changes_the_label(site: Site) -> None:
    site.run()
    first = site.first
    site.run("label", first, "1", "--by", "Ada")
    site.run("label", first, "0", "--by", "Ada")
    assert site.given() == {first: 0}
    assert site.files() == 2


def test_people_who_disagree_leave_it_open_until_more_agree(site: Site) -> None:
    site.settings(review={"labellers": 2})
    site.run()
    first = site.first
    assert "became" not in site.run("label", first, "1", "--by", "Ada")
    assert "Ada says 1; 1 of 2 people" in site.run()
    assert "became" not in site.run("label", first, "0", "--by", "Bob", "--note", "no")
    said = site.run()
    assert "of 1 of them people disagree" in said
    assert "Ada says 1, Bob says 0 (no); more than half must agree" in said
    assert site.given() == {}
    assert "1 became labels" in site.run("label", first, "1", "--by", "Eve")
    assert site.given() == {first: 1}
    assert "people disagree" not in site.run()


def test_what_came_to_be_known_elsewhere_stays(site: Site) -> None:
    site.run()
    first, second = [key[0] for key in site.queue.items][:2]
    (site.folder / FOLDER).mkdir()
    truth = pd.DataFrame({"request_id": [first, second], "label": [0, 1]})
    truth.to_csv(site.folder / FOLDER / "truth.csv", index=False)
    said = site.run("label", first, "1", "--by", "Ada")
    assert f"{first}:1: people say otherwise than what is known from elsewhere" in said
    assert "elsewhere" in site.run("label", second, "1", "--by", "Ada")
    assert "became" not in said
    assert site.given() == {first: 0, second: 1}


def test_who_labels_is_who_git_knows(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    for words in (["init", "-q"], ["config", "user.name", "Ada"], ["config", "user.email", "a@b"]):
        subprocess.run(["git", *words], cwd=site.project.root, check=True)
    site.run()
    assert "Ada says" in site.run("label", site.first, "0")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["label", "r9", "1", "--by", "Ada"], "r9: this is not in the review queue"),
        (["label", "FIRST:7", "1", "--by", "Ada"], "FIRST:7: this is not in the review queue"),
        (["label", "FIRST", "2", "--by", "Ada"], "FIRST: answer: expected one of 0, 1, found '2'"),
        (["label", "FIRST", "1", "--by", " "], "by: expected the labeller's name"),
        (["label", "--by", "Ada"], "there is no terminal to ask on"),
    ],
)
def test_a_label_that_cannot_be_changes_nothing(
    site: Site, words: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())
    site.run()
    before = site.queue
    with pytest.raises(UserError) as caught:
        review.main([each.replace("FIRST", site.first) for each in words])
    assert message.replace("FIRST", site.first) in str(caught.value)
    assert site.queue == before
    assert site.files() == 0


def test_an_item_without_its_value_is_no_call(site: Site) -> None:
    with pytest.raises(SystemExit):
        review.main(["label", "r0"])


def test_of_a_request_with_several_rows_the_row_must_be_said() -> None:
    def item(row: int) -> Reviewed:
        return Reviewed(Item("a:b", row, "2026-01-01T00:00:00+00:00", (), 1, "1", "d", {}), ())

    queue = Queue({("a:b", 1): item(1), ("a:b", 2): item(2)}, ())
    assert review.find_key(queue, "a:b:2") == ("a:b", 2)
    with pytest.raises(UserError, match="say which: a:b:1, a:b:2"):
        review.find_key(queue, "a:b")
    with pytest.raises(UserError, match="not in the review queue"):
        review.find_key(queue, "a:b:3")


def test_a_round_asks_one_after_the_other(site: Site) -> None:
    site.run()
    ids = [each.key[0] for each in waiting(standings(site.queue, 1))]
    said: list[str] = []
    answers = iter(["maybe", "1", "s", "", "0", "q"])

    def ask(prompt: str) -> str:
        said.append(prompt)
        return next(answers)

    desk = site.desk()
    out = Console(file=site.out, width=200)
    assert review.round_of(desk, out, "Ada", ask) == 2
    labels = {key[0]: each.labels[0].label for key, each in site.queue.items.items() if each.labels}
    assert labels == {ids[0]: 1, ids[3]: 0}
    assert "answer: expected one of 0, 1, found 'maybe'" in site.out.getvalue()
    assert "answer (answer): one of 0, 1" in said[0]
    # others' opinions, and what she said herself, are not asked again
    assert ids[0] not in [each.key[0] for each in waiting(standings(site.queue, 2), "Ada")]
    assert ids[0] in [each.key[0] for each in waiting(standings(site.queue, 2), "Bob")]


def test_a_terminal_that_ends_keeps_what_was_said(site: Site) -> None:
    site.run()

    def ask(_: str) -> str:
        if any(each.labels for each in site.queue.items.values()):
            raise EOFError
        return "1"

    assert review.round_of(site.desk(), Console(file=site.out), "Ada", ask) == 1
    site.run()
    assert len(site.given()) == 1


def test_a_target_that_the_label_is_made_from_is_asked_for_by_name(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_from = dataclasses.replace(PROBLEM, label=lambda table: 1 - table["answer"])
    monkeypatch.setattr(review, "problem_and_split", lambda _: (made_from, split))
    assert "the model's label is made from it; the label alone is not enough" in site.run()
    page = review.write_page(site.desk()).read_text()
    assert "the label alone is not enough to learn from" in page


def test_a_spreadsheet_goes_out_and_comes_back(site: Site, tmp_path: Path) -> None:
    site.run()
    path = tmp_path / "queue.csv"
    number = len(site.queue.items)
    assert f"{number} wait" in site.run("export", str(path))
    table = pd.read_csv(path, dtype=str)
    assert len(table) == number
    assert table["answer"].isna().all()
    assert table.loc[0, "input.n"] == str(site.queue.items[site.first, 1].item.inputs["n"])
    table.loc[:1, "answer"] = ["1", "0.0"]
    table.loc[0, "note"] = "clear, I think"
    table.to_csv(path, index=False)
    said = site.run("import", str(path), "--by", "Ada")
    assert "2 labels by Ada, 2 of them new" in said
    assert "2 became labels of prod" in said
    assert sorted(map(str, site.given().values())) == ["0", "1"]
    assert "2 labels by Ada, 0 of them new" in site.run("import", str(path), "--by", "Ada")
    assert site.files() == 1
    assert f"{number - 2} wait" in site.run("export", str(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": ["1", "3"]}, "row 2, column answer: expected one of 0, 1, found '3'"),
        (
            {"answer": ["1", "1"], "request_id": ["FIRST", "FIRST"]},
            "row 2, column request_id: FIRST",
        ),
        ({"answer": ["1", "1"], "request_id": ["FIRST", "r9"]}, "r9, row 1 is not in the queue"),
        ({"answer": ["1", "1"], "row": ["1", "0"]}, "row 2, column row: expected 1, 2, ..., found"),
        ({"answer": ["1", "1"], "anser": ["", ""]}, "unknown column 'anser'; did you mean"),
    ],
)
def test_a_table_with_a_mistake_is_refused_whole(
    site: Site, tmp_path: Path, change: dict[str, list[str]], message: str
) -> None:
    site.run()
    path, first = tmp_path / "queue.csv", site.first
    site.run("export", str(path))
    table = pd.read_csv(path, dtype=str).iloc[:2]
    changed = {name: [each.replace("FIRST", first) for each in v] for name, v in change.items()}
    table.assign(**changed).to_csv(path, index=False)
    with pytest.raises(UserError) as caught:
        review.main(["import", str(path), "--by", "Ada"])
    assert message.replace("FIRST", first) in str(caught.value)
    assert not any(each.labels for each in site.queue.items.values())


def test_a_table_without_its_columns_and_one_of_nobody_are_refused(
    site: Site, tmp_path: Path
) -> None:
    site.run()
    path = tmp_path / "queue.csv"
    path.write_text("request_id;answer\nr0;1\n")
    with pytest.raises(UserError, match="expected the columns request_id and answer"):
        review.main(["import", str(path), "--by", "Ada"])
    with pytest.raises(SystemExit):
        review.main(["import", str(path)])


def item(request_id: str, **changed: object) -> Item:
    values: dict[str, object] = {
        "request_id": request_id, "row": 1, "time": "2026-03-01T00:00:00+00:00",
        "why": ("uncertain", "old"), "answer": 1, "model_version": "3", "model_digest": "abc",
        "inputs": {"a": 1.25, "n": 3, "m": None, "g": "x"}, "probability": 0.5312,
    }  # fmt: skip
    return Item(**{**values, **changed})  # type: ignore[arg-type]


def test_what_callers_wrote_is_no_formula_in_a_spreadsheet(tmp_path: Path) -> None:
    inputs = {"a": -1.5, "n": 3, "m": None, "g": '=HYPERLINK("http://x")'}
    queue = Queue({("-1:2", 1): Reviewed(item("-1:2", inputs=inputs), ())}, ())
    path = tmp_path / "queue.csv"
    write_queue(path, standings(queue, 1), CONTRACT)
    (row,) = csv.DictReader(path.open())
    assert (row["request_id"], row["input.g"]) == ("'-1:2", '\'=HYPERLINK("http://x")')
    assert row["input.a"] == "-1.5"
    pd.read_csv(path, dtype=str).assign(answer="1").to_csv(path, index=False)
    (given,) = read_given(path, queue, CONTRACT, "Ada", datetime.now(UTC))
    assert (given.request_id, given.given.label) == ("-1:2", 1)


@pytest.fixture
def retrained(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A project under Git of which all rows have a label, the doubtful ones by Ada."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    root = site.project.root
    (root / "tests" / "model").mkdir(parents=True)
    # golden rows are not learnt from: of the old ones the first go
    golden = pd.read_csv(root / "data" / "data.csv").iloc[:5]
    golden.to_csv(root / "tests" / "model" / "golden.csv", index=False)
    (root / ".gitignore").write_text("/.mlops/\n/data/retraining/\n")
    for words in (
        ["init", "-q"],
        ["config", "user.name", "Ada"],
        ["config", "user.email", "a@b"],
        ["add", "--all"],
        ["commit", "-qm", "Begin"],
    ):
        subprocess.run(["git", *words], cwd=root, check=True)
    site.run()
    label_all(site, "Ada", 1)
    truth = [each for each in site.ids if (each, 1) not in site.queue.items]
    table = pd.DataFrame({"request_id": truth, "label": 0})
    table.to_csv(site.folder / FOLDER / "truth.csv", index=False)
    return site


def label_all(site: Site, by: str, value: int) -> None:
    path = site.project.state / "all.csv"
    site.run("export", str(path))
    pd.read_csv(path, dtype=str).assign(answer=value).to_csv(path, index=False)
    site.run("import", str(path), "--by", by)


def declared(site: Site, project: Project | None = None) -> NewData:
    """The data of a retraining that learns from old and recent rows."""
    place = site.desk().place
    place = dataclasses.replace(place, project=project or site.project)
    cause = Cause(("person",), ("x",), place.now, (), 0, 1, (), 0, "", "both", "prod")
    return declare_data(place, cause)


def told(found: Declared, site: Site) -> pd.DataFrame:
    """The rows of a declared asset beside the origins that were written with them."""
    table = pd.read_parquet(fetch(found.asset, site.project.state / "data"))
    beside = found.asset.definition.parent / "retraining" / found.asset.tags.provenance
    return table.join(pd.read_csv(beside, dtype=str, keep_default_na=False))


def test_the_next_training_set_says_who_labelled_which_row(retrained: Site) -> None:
    items = retrained.queue.items
    data = declared(retrained)
    learnt, judge = told(data.learnt, retrained), told(data.judge, retrained)
    assert (len(learnt), len(judge)) == (data.rows, data.judging)
    assert set(learnt["source"]) == {"data:1", "label", "review"}
    assert (learnt["source"] == "data:1").sum() == 395
    mine = learnt[learnt["source"] == "review"]
    assert set(mine["request_id"]) == {key[0] for key in items}
    assert set(mine["labelled_by"]) == {"Ada"}
    assert set(mine["answer"]) == {1}
    for row in mine.to_dict("records"):
        assert row["a"] == items[row["request_id"], 1].item.inputs["a"]
    # what the champion doubted would flatter any other model
    assert set(judge["source"]) == {"label"}
    for others in (learnt[learnt["source"] == "label"], judge):
        assert set(others["answer"]) == {0}
        assert set(others["labelled_by"]) == {""}


def test_what_people_labelled_does_not_judge_what_serves(retrained: Site) -> None:
    number = len(retrained.queue.items)
    place = retrained.desk().place
    found, _ = labelled_since(place, place.start)
    judging, _ = labelled_since(place, place.start, to_judge=True)
    assert sum(map(len, found.parts.values())) == SERVED
    assert sum(map(len, judging.parts.values())) == SERVED - number
    watched = watch(place)
    assert watched.serving is not None
    assert watched.serving.labelled == SERVED - number
    assert any(f"{number} labels people gave" in note for note in watched.notes)
    # what came to be known judges, whatever people said before
    table = pd.DataFrame({"request_id": [retrained.first], "label": [0]})
    table.to_csv(retrained.folder / FOLDER / "zlater.csv", index=False)
    judging, _ = labelled_since(place, place.start, to_judge=True)
    assert sum(map(len, judging.parts.values())) == SERVED - number + 1


def test_a_later_training_set_keeps_what_an_earlier_one_said(retrained: Site) -> None:
    first = declared(retrained)
    before = told(first.learnt, retrained)
    reviewed = set(before[before["source"] == "review"]["request_id"])
    # other rows are recent by now, and nobody reviewed them
    shutil.rmtree(retrained.folder / "collected")
    (digest,) = (path.name for path in (retrained.project.state / "packages").iterdir())
    packages = retrained.project.state / "packages"
    moments = every(datetime.now(UTC) - timedelta(minutes=55), SERVED, timedelta(seconds=20))
    ids = collect(retrained.folder, packages, digest, rows(SERVED, 6)[INPUTS], moments, number=2)
    table = pd.DataFrame({"request_id": ids, "label": 0})
    table.to_csv(retrained.folder / FOLDER / "later.csv", index=False)
    again = dataclasses.replace(retrained.project, asset=first.learnt.asset)
    later = told(declared(retrained, again).learnt, retrained)
    assert set(later[later["source"] == "review"]["request_id"]) == reviewed
    assert set(later[later["request_id"].isin(ids)]["source"]) == {"label"}
    assert (later["source"] == "data:1").sum() == 395


def test_origins_that_were_changed_since_are_refused(retrained: Site) -> None:
    asset = declared(retrained).learnt.asset
    beside = asset.definition.parent / "retraining" / asset.tags.provenance
    beside.write_text(beside.read_text().replace("Ada", "Eve"))
    with pytest.raises(UserError, match="is another file than was declared"):
        origins_of(asset, 1)
    beside.unlink()
    with pytest.raises(UserError, match="provenance"):
        origins_of(asset, 1)


def test_a_label_that_people_no_longer_agree_on_is_not_learnt_from(retrained: Site) -> None:
    first = retrained.first
    retrained.run("label", first, "0", "--by", "Bob")
    data = declared(retrained)
    assert "1 rows are left out: people disagree about their label since" in data.notes
    both = pd.concat([told(data.learnt, retrained), told(data.judge, retrained)])
    assert first not in set(both["request_id"])
    retrained.run("label", first, "1", "--by", "Eve")
    data = declared(retrained)
    both = pd.concat([told(data.learnt, retrained), told(data.judge, retrained)])
    (row,) = both[both["request_id"] == first].to_dict("records")
    assert (row["labelled_by"], row["disagreed"]) == ("Ada, Eve", "Bob")


def test_labels_that_lie_at_a_url_are_put_there(site: Site, tmp_path: Path) -> None:
    there = tmp_path / "bucket"
    there.mkdir()
    site.settings(monitoring={"labels": f"file://{there}"})
    site.run()
    first = site.first
    site.run("label", first, "1", "--by", "Ada")
    assert len(list(there.glob("*.csv"))) == 1
    assert site.given() == {first: 1}
    site.run("label", first, "1", "--by", "Ada")
    assert len(list(there.glob("*.csv"))) == 1
    assert site.files() == 0


def test_without_a_deployment_there_is_nothing_to_review(site: Site) -> None:
    (site.folder / "traffic.json").unlink()
    with pytest.raises(UserError, match="prod: nothing was deployed here yet"):
        review.main([])


def test_an_empty_window_says_so(site: Site) -> None:
    shutil.rmtree(site.folder / "collected")
    said = site.run()
    assert "prod: 0 new" in said
    assert "note: no live row from" in said


def test_a_torn_line_of_the_queue_is_told(site: Site) -> None:
    site.run()
    path = site.desk().path
    path.write_text(path.read_text() + '{"torn')
    number = len(path.read_text().splitlines())
    assert f"line {number} cannot be read" in site.run()


def labels(*given: tuple[str, int]) -> tuple[Label, ...]:
    return tuple(
        Label(label, by, f"2026-03-0{n}T00:00:00+00:00") for n, (by, label) in enumerate(given, 2)
    )


def page_of(*reviewed: Reviewed, labellers: int = 1) -> str:
    queue = Queue({(each.item.request_id, 1): each for each in reviewed}, ())
    asking = Asking("prod", CONTRACT, labellers, derived=False)
    return review_page(standings(queue, labellers), asking, datetime(2026, 3, 9, tzinfo=UTC))


def test_the_page_shows_what_waits_who_disagrees_and_what_was_decided() -> None:
    page = page_of(
        Reviewed(item("waits"), ()),
        Reviewed(item("split"), labels(("Ada", 1), ("Bob", 0))),
        Reviewed(item("done"), labels(("Ada", 1), ("Bob", 0), ("Eve", 0))),
    )
    assert "2 answers wait for a label; of 1 of them people disagree" in page
    assert "most probable label at 53.1%" in page
    assert "nox -s review -- label waits:1 VALUE" in page
    assert "Ada says 1, Bob says 0; more than half must agree" in page
    assert "Bob, Eve" in page
    assert page.index("waits:1") < page.index("Decided") < page.index("done:1")
    assert "label alone" not in page


def test_a_page_without_anything_says_so() -> None:
    page = page_of()
    assert "nothing waits for a label" in page
    assert "People have decided nothing yet" in page


def test_nothing_that_callers_wrote_is_markup() -> None:
    wild = {"a": "<script>alert(1)</script>", "g": "\u202e{{ 7*7 }}"}
    page = page_of(Reviewed(item("x", inputs=wild), labels(("<b>Ada</b>", 1))), labellers=2)
    assert "<script>" not in page
    assert "<b>Ada</b>" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;" in page


def test_the_page_is_written_on_demand(site: Site) -> None:
    said = site.run("--html")
    path = site.project.state / "review" / "prod" / "review.html"
    assert str(path) in said
    assert site.first in path.read_text()


def test_what_callers_wrote_does_not_move_the_cursor(site: Site) -> None:
    site.run()
    path = site.desk().path
    chosen = pd.DataFrame(
        {
            "request_id": ["wild"],
            "row": [1],
            "time": [pd.Timestamp("2020-01-01", tz="UTC")],
            "why": ["uncertain"],
            "model_version": "1",
            "model_digest": "d",
            "label": [1],
            "input.g": ["\x1b[2Jgone [red]x[/]"],
        }
    )
    assert enqueue(path, chosen) == 1
    said = site.run()
    assert "\x1b[2J" not in said
    assert "gone [red]x[/]" in said
