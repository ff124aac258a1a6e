from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from mlops.deployment.inputs.generation import generate
from mlops.deployment.measuring.measure import Predict
from mlops.deployment.metamorphic.relations import (
    MetamorphicRelation,
    Outcome,
    check_relation,
    counterexample,
    describe,
    load_relations,
    measures,
)
from mlops.quality.contract import Column, Contract, Relation
from mlops.quality.errors import UserError

CONTRACT = Contract(
    name="toy",
    description="",
    task="classification",
    target="answer",
    columns={
        "bmi": Column("number", "", range=(10.0, 70.0)),
        "age": Column("integer", "", range=(18, 100)),
        "glucose": Column("number", "", range=(30.0, 500.0), missing=True),
        "kind": Column("string", "", categories=("x", "y")),
        "answer": Column("integer", "", categories=(0, 1)),
    },
    relations=(Relation("heavy", "bmi <= age + 30"),),
)
SOURCES = generate(CONTRACT, 500, 0).table
MORE_BMI = {"change": {"bmi": "bmi + 1"}, "expect": "after >= before - 0.02"}
ROWS = pd.DataFrame(
    {
        "bmi": [20.0, 30.0, 69.5],
        "age": [40, 50, 60],
        "glucose": [90.0, np.nan, 100.0],
        "kind": ["x", "y", "x"],
    }
)


def relation(**keys: object) -> MetamorphicRelation:
    return MetamorphicRelation(**{"name": "it", **keys})  # type: ignore[arg-type]


def rising(table: pd.DataFrame) -> NDArray[np.float64]:
    return table["bmi"].to_numpy() / 100 + table["glucose"].fillna(90).to_numpy() / 1e4


def dipping(table: pd.DataFrame) -> NDArray[np.float64]:
    """Rising, but for a dip of 0.5 from 40 to 41."""
    return rising(table) - 0.5 * table["bmi"].between(40, 41).to_numpy()


def by_place(table: pd.DataFrame) -> NDArray[np.float64]:
    return np.arange(len(table)) / len(table)


def by_batch(table: pd.DataFrame) -> NDArray[np.float64]:
    return np.asarray(rising(table) - rising(table).mean())


def stepped(table: pd.DataFrame) -> NDArray[np.float64]:
    return (table["bmi"].to_numpy() > 30).astype(float)


def two_labels(table: pd.DataFrame) -> NDArray[np.float64]:
    return np.column_stack([np.zeros(len(table)), dipping(table), rising(table)])


def fails(table: pd.DataFrame) -> NDArray[np.float64]:
    return np.where(table["bmi"] > 60, np.nan, 0.5)


def older(table: pd.DataFrame) -> NDArray[np.float64]:
    return table["age"].to_numpy() / 100


@pytest.mark.parametrize(
    ("declared", "keeping", "breaking"),
    [
        (MORE_BMI, rising, dipping),
        (MORE_BMI, rising, two_labels),
        (MORE_BMI, rising, fails),
        ({"permute": True, "expect": "abs(after - before) <= 1e-9"}, rising, by_place),
        ({"permute": True, "expect": "abs(after - before) <= 1e-9"}, rising, by_batch),
        ({"noise": {"bmi": 0.1}, "expect": "abs(after - before) <= 0.1"}, rising, stepped),
        ({"noise": {"age": 2}, "expect": "after == before"}, rising, older),
        ({"change": {"age": "age + 0.6"}, "expect": "after - before >= 0.0099"}, older, rising),
        (
            {"change": {"glucose": "glucose / 18.016 * 18.016"}, "expect": "after == before"},
            lambda table: np.round(rising(table), 6),
            lambda table: np.sin(1e18 * table["glucose"].fillna(0).to_numpy()),
        ),
        ({"change": {"bmi": 20.0}, "expect": "after <= bmi"}, rising, lambda t: t["bmi"] + 11),
    ],
)
def test_a_relation_is_kept_by_one_model_and_broken_by_another(
    declared: dict[str, object], keeping: Predict, breaking: Predict
) -> None:
    held = check_relation(relation(**declared), keeping, SOURCES, CONTRACT, 0)
    assert held.used > 100
    assert (held.broken, held.source) == (0, None)
    broken = check_relation(relation(**declared), breaking, SOURCES, CONTRACT, 0)
    assert broken.broken > 0
    assert broken.source is not None
    assert broken.source.keys() == set(CONTRACT.inputs)


def test_the_worst_input_is_the_one_that_breaks_it_most() -> None:
    found = check_relation(relation(**MORE_BMI), dipping, SOURCES, CONTRACT, 0)
    assert found.source is not None
    assert found.follow_up is not None
    assert found.follow_up["bmi"] == pytest.approx(float(str(found.source["bmi"])) + 1)
    assert found.after - found.before == pytest.approx(-0.49)
    assert isinstance(found.source["age"], int)


def test_for_a_minimum_of_change_the_worst_is_the_one_that_changes_least() -> None:
    def square(table: pd.DataFrame) -> NDArray[np.float64]:
        return np.asarray(np.square(table["bmi"].to_numpy()))

    strict = relation(change={"bmi": "bmi + 1"}, expect="after >= before + 50")
    found = check_relation(strict, square, ROWS.assign(bmi=[20.0, 15.0, 22.0]), CONTRACT, 0)
    assert (found.broken, found.after - found.before) == (3, 31)


def test_each_label_must_keep_it() -> None:
    found = check_relation(relation(**MORE_BMI), two_labels, SOURCES, CONTRACT, 0)
    assert found.label == 1
    assert "answer, label 1" in counterexample(found)


def test_an_answer_that_is_no_number_breaks_it() -> None:
    found = check_relation(relation(**MORE_BMI), fails, SOURCES, CONTRACT, 0)
    assert np.isnan(found.after)
    assert "to missing" in describe(found)


def test_follow_ups_outside_of_the_contract_do_not_count() -> None:
    more = relation(**MORE_BMI)
    assert check_relation(more, rising, ROWS, CONTRACT, 0).used == 2, "70.5 is out of range"
    younger = relation(change={"age": "age - 21"}, expect="after >= before")
    assert check_relation(younger, rising, ROWS, CONTRACT, 0).used == 2, "69.5 > 39 + 30"


def test_sources_outside_of_the_contract_do_not_count() -> None:
    strange = ROWS.assign(kind=["z", "y", "x"])
    assert check_relation(relation(**MORE_BMI), rising, strange, CONTRACT, 0).used == 1
    heavy, less = ROWS.assign(bmi=71.0), relation(change={"bmi": "bmi - 40"}, expect="after >= 0")
    assert check_relation(less, rising, heavy, CONTRACT, 0).used == 0


def test_missing_values_stay_missing_and_a_row_that_cannot_move_does_not_count() -> None:
    seen: list[pd.DataFrame] = []

    def watching(table: pd.DataFrame) -> NDArray[np.float64]:
        seen.append(table)
        return rising(table)

    both = relation(change={"glucose": 100, "bmi": "bmi + 0.1"}, expect="after >= before - 1")
    assert check_relation(both, watching, ROWS, CONTRACT, 0).used == 3
    assert seen[-1]["glucose"].isna().tolist() == [False, True, False]
    one = relation(change={"glucose": 100}, expect="after >= before - 1")
    assert check_relation(one, rising, ROWS, CONTRACT, 0).used == 2
    from_missing = relation(change={"bmi": "bmi + glucose - glucose"}, expect="after >= 0")
    assert check_relation(from_missing, rising, ROWS, CONTRACT, 0).used == 2
    nothing = relation(change={"glucose": "0 / (age - age)"}, expect="after >= 0")
    assert check_relation(nothing, rising, ROWS, CONTRACT, 0).used == 0


def test_when_selects_rows_and_what_it_cannot_compare_is_not_selected() -> None:
    light = ROWS.assign(bmi=20.0)
    for when, used in (("glucose >= 80", 2), ("glucose >= 95", 1), ("glucose < 80", 0)):
        some = relation(**MORE_BMI, when=when)
        assert check_relation(some, rising, light, CONTRACT, 0).used == used
    against = relation(change={"bmi": "bmi + 0.1"}, expect="after <= glucose")
    assert check_relation(against, rising, ROWS, CONTRACT, 0).used == 2


def test_the_model_gets_follow_ups_with_the_types_of_the_contract() -> None:
    def strict(table: pd.DataFrame) -> NDArray[np.float64]:
        assert list(table.columns) == list(CONTRACT.inputs)
        assert [str(kind) for kind in table.dtypes][:3] == ["float64", "int64", "float64"]
        assert list(table.index) == list(range(len(table)))
        return older(table)

    half = relation(change={"age": "age / 2"}, expect="after <= before")
    assert check_relation(half, strict, SOURCES.assign(answer=1), CONTRACT, 0).used > 50


def test_the_same_seed_makes_the_same_noise() -> None:
    noisy = relation(noise={"bmi": 0.5}, expect="after == before")
    one, two = (check_relation(noisy, rising, SOURCES, CONTRACT, 3) for _ in range(2))
    assert one == two
    assert one.source is not None
    assert one.follow_up is not None
    assert 0 < abs(float(str(one.source["bmi"])) - float(str(one.follow_up["bmi"]))) <= 0.5


def test_a_value_of_a_regression_is_judged_too() -> None:
    def price(table: pd.DataFrame) -> NDArray[np.float64]:
        return 1000.0 * table["bmi"].to_numpy() - 3e5

    more = relation(change={"bmi": "bmi + 1"}, expect="after >= before + 999")
    less = relation(change={"bmi": "bmi + 1"}, expect="after <= before + 999")
    assert check_relation(more, price, SOURCES, CONTRACT, 0).broken == 0
    all_of_them = check_relation(less, price, SOURCES, CONTRACT, 0)
    assert all_of_them.broken == all_of_them.used > 100


def test_a_figure_is_the_share_with_its_interval_and_what_is_allowed() -> None:
    found = check_relation(relation(**MORE_BMI, allowed=0.01), dipping, SOURCES, CONTRACT, 0)
    (figure,) = measures([found])
    assert figure.name == "relations.it"
    assert figure.value == found.broken / found.used
    assert figure.low is not None
    assert figure.high is not None
    assert 0 < figure.low < figure.value < figure.high < 0.2
    assert (figure.rows, figure.declared) == (found.used, 0.01)
    assert figure.detail.startswith(
        f"{found.broken} of {found.used} inputs break it; the worst: bmi"
    )


def test_a_relation_that_no_input_can_be_asked_of_has_no_figure() -> None:
    never = relation(change={"bmi": "bmi + 1000"}, expect="after >= before")
    outcome = check_relation(never, rising, SOURCES, CONTRACT, 0)
    (figure,) = measures([outcome])
    assert figure.value is None
    assert figure.rows == 0
    assert "no input" in figure.detail


def test_the_table_shows_source_follow_up_and_answers() -> None:
    source = {"bmi": 20.0, "age": 40, "glucose": None}
    shown = counterexample(
        Outcome(relation(**MORE_BMI), 8, 1, source, {**source, "bmi": 21.0}, 0.5123456, 0.25)
    )
    assert shown.splitlines() == [
        "it: 1 of 8 inputs break after >= before - 0.02",
        "            source  follow-up",
        "  bmi           20         21 <",
        "  age           40         40",
        "  glucose  missing    missing",
        "  ---------------------------",
        "  answer    0.5123       0.25",
    ]
    assert counterexample(Outcome(relation(**MORE_BMI), 8, 0)) == "it: no input of 8 breaks it"


def test_values_that_differ_are_shown_so() -> None:
    outcome = Outcome(relation(**MORE_BMI), 1, 1, {"a": 1.0}, {"a": 1.0000001}, 0.5, 0.5 + 1e-14)
    assert "1         to 1.0000001" not in describe(outcome)
    assert "a 1 to 1.0000001: the answer goes from 0.5 to 0.50000000000001" in describe(outcome)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "relations.yml"
    path.write_text(text)
    return path


def test_declarations_are_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "relations:\n"
        "- {name: a, change: {bmi: bmi + 1, age: 40}, when: bmi < 30, expect: after >= before}\n"
        "- {name: b, noise: {bmi: 1}, expect: abs(after - before) <= bmi, allowed: 0.1}\n"
        "- {name: c, permute: true, expect: after == before}\n",
    )
    a, b, c = load_relations(path, CONTRACT)
    assert a.change == {"bmi": "bmi + 1", "age": 40}
    assert (b.noise, b.allowed, c.permute) == ({"bmi": 1.0}, 0.1, True)
    for declared in (a, b, c):
        assert check_relation(declared, rising, SOURCES, CONTRACT, 0).used > 100


GOOD = "name: it, expect: after >= before"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("expect: after >= before, permute: true", "relations: 1: 'name' is missing"),
        ("name: '', expect: after >= before, permute: true", "relations: 1: name: expected a name"),
        ("name: it, permute: true", "relations: it: 'expect' is missing"),
        (f"{GOOD}, permutate: true", "it: unknown key 'permutate'; did you mean 'permute'"),
        (GOOD, "it: expected one of change, noise and permute, found none"),
        (f"{GOOD}, permute: true, noise: {{bmi: 1}}", "found noise and permute"),
        (f"{GOOD}, change: {{}}", "found none"),
        (f"{GOOD}, change: {{bmy: 1}}", "it: change: unknown key 'bmy'; did you mean 'bmi'"),
        (f"{GOOD}, change: {{answer: 1}}", "it: change: unknown key 'answer'"),
        (f"{GOOD}, change: {{kind: 1}}", "it: change: kind is a string; only numbers can be moved"),
        (f"{GOOD}, change: {{bmi: bmy + 1}}", "it: change: bmi: there is no column 'bmy'"),
        (f"{GOOD}, change: {{bmi: bmi ** 2}}", r"it: change: bmi: only \+ - \* / abs"),
        (f"{GOOD}, change: {{bmi: answer}}", "it: change: bmi: there is no column 'answer'"),
        (f"{GOOD}, change: {{bmi: before}}", "it: change: bmi: there is no column 'before'"),
        (f"{GOOD}, noise: {{bmi: 0}}", "it: noise: bmi: expected a number above 0"),
        (f"{GOOD}, noise: {{bmi: .inf}}", "it: noise: bmi: expected a number above 0"),
        (f"{GOOD}, noise: {{bmi: much}}", "it: noise: bmi: expected a number, found 'much'"),
        (f"{GOOD}, noise: {{age: 0.5}}", "it: noise: age: 0.5 never moves a whole number"),
        (f"{GOOD}, permute: true, when: kind == 1", "it: when: there is no column 'kind'"),
        (f"{GOOD}, permute: true, when: after > 1", "it: when: there is no column 'after'"),
        (f"{GOOD}, permute: true, allowed: 1", "it: allowed: expected a share from 0 to 1"),
        (f"{GOOD}, permute: true, allowed: -0.1", "it: allowed: expected a share from 0 to 1"),
        ("name: it, permute: true, expect: after", "it: expect: expected a comparison"),
        ("name: it, permute: true, expect: afer > 1", "it: expect: there is no column 'afer'"),
        ("name: it, permute: true, expect: bmi > 1", "it: expect: says nothing of 'after'"),
        (
            f"{GOOD}, permute: true}}\n- {{{GOOD}, permute: true",
            "it: name: expected a name that no",
        ),
    ],
)
def test_a_wrong_declaration_is_named(tmp_path: Path, entry: str, message: str) -> None:
    path = written(tmp_path, f"relations:\n- {{{entry}}}\n")
    with pytest.raises(UserError, match=message) as raised:
        load_relations(path, CONTRACT)
    assert str(raised.value).startswith(f"{path}: relations: ")


def test_a_file_of_another_form_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown key 'relation'; did you mean 'relations'"):
        load_relations(written(tmp_path, "relation: []"), CONTRACT)
    with pytest.raises(UserError, match="no such file"):
        load_relations(tmp_path / "none.yml", CONTRACT)


def test_a_column_may_not_have_the_name_of_an_answer(tmp_path: Path) -> None:
    clash = Contract(
        "c", "", "regression", "y", {"after": Column("number", ""), "y": Column("number", "")}
    )
    with pytest.raises(UserError, match="column 'after'"):
        load_relations(written(tmp_path, "relations: []"), clash)
