"""What a shadow tells of two models that answered the same requests."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from mlops.operations.experiments.settings import ShadowSettings
from mlops.operations.experiments.shadow import Shadow, compare, pair
from mlops.quality.errors import UserError

SETTINGS = ShadowSettings()


def collected(number: int = 4) -> pd.DataFrame:
    """Live rows of package `old` and their copies of package `new`."""
    live = pd.DataFrame(
        {
            "request_id": [f"r{place}" for place in range(number)],
            "row": 1,
            "time": pd.date_range("2026-03-01", periods=number, freq="s", tz="UTC"),
            "role": "live",
            "model_digest": "old",
            "latency_ms": 3.0,
            "input.age": np.arange(number) + 50,
            "label": 0,
        }
    )
    copies = live.assign(role="mirror", model_digest="new", latency_ms=0.0, label=1)
    return pd.concat([copies, live], ignore_index=True)


def test_rows_are_paired_by_request_and_row() -> None:
    found = pair(collected(), "old", "new")
    assert found["request_id"].tolist() == ["r0", "r1", "r2", "r3"]
    assert found["champion"].tolist() == [0] * 4
    assert found["challenger"].tolist() == [1] * 4
    assert found["input.age"].tolist() == [50, 51, 52, 53]


def test_other_packages_other_roles_and_ids_that_came_twice_are_left_out() -> None:
    table = collected()
    table.loc[table["request_id"] == "r3", "request_id"] = "r2"
    table.loc[(table["request_id"] == "r1") & (table["role"] == "mirror"), "model_digest"] = "third"
    table.loc[(table["request_id"] == "r0") & (table["role"] == "live"), "role"] = "replay"
    assert pair(table, "old", "new").empty
    assert len(pair(collected(), "old", "new")) == 4


def pairs(number: int, champion: float, challenger: float, *, known: int = -1) -> pd.DataFrame:
    """Labels that are right with the probabilities given; the first `known` truths are known."""
    random = np.random.default_rng(8)
    truth = random.integers(0, 2, number)
    table: Mapping[str, object] = {
        "request_id": [f"r{place}" for place in range(number)],
        "time": pd.date_range("2026-03-01", periods=number, freq="s", tz="UTC"),
        "champion": np.where(random.random(number) < champion, truth, 1 - truth),
        "challenger": np.where(random.random(number) < challenger, truth, 1 - truth),
        "latency_ms": 2.0,
        "challenger_latency_ms": 0.0,
        "truth": np.where(np.arange(number) < (number if known < 0 else known), truth, np.nan),
    }
    return pd.DataFrame(table)


def judged(table: pd.DataFrame, settings: ShadowSettings = SETTINGS) -> Shadow:
    return compare(table, settings, labels=True)


@pytest.mark.parametrize(
    ("champion", "challenger", "outcome"),
    [
        (0.7, 0.85, "challenger better"),
        (0.85, 0.7, "challenger worse"),
        (0.8, 0.8, "no verdict yet"),
    ],
)
def test_labels_tell_who_is_better(champion: float, challenger: float, outcome: str) -> None:
    found = judged(pairs(1500, champion, challenger))
    assert found.outcome == outcome
    assert found.accuracy is not None
    assert found.accuracy.champion == pytest.approx(champion, abs=0.03)
    assert found.accuracy.challenger == pytest.approx(challenger, abs=0.03)
    assert found.accuracy.mcnemar is not None
    assert (found.accuracy.mcnemar < 0.001) == (outcome != "no verdict yet")


def test_too_few_labels_give_no_verdict() -> None:
    found = judged(pairs(1000, 0.5, 0.99, known=199))
    assert found.outcome == "no verdict yet"
    assert found.reasons == ("199 labelled requests, 200 are needed",)
    assert judged(pairs(1000, 0.5, 0.99, known=200)).outcome == "challenger better"


def test_without_labels_there_is_agreement_alone() -> None:
    found = judged(pairs(500, 0.8, 0.8, known=0))
    assert found.accuracy is None
    assert found.reasons == ("0 labelled requests, 200 are needed",)
    agreed = found.agreement
    known = binomtest(agreed.agreed, 500).proportion_ci(method="wilson")
    assert (agreed.rows, agreed.low, agreed.high) == pytest.approx((500, known.low, known.high))


def test_models_that_answer_alike_do_not_differ() -> None:
    table = pairs(3000, 0.8, 0.8)
    table["challenger"] = table["champion"]
    assert judged(table).outcome == "no difference that matters"
    # as few requests do not show it
    assert judged(table[:250]).outcome == "no verdict yet"


def test_rows_of_one_request_are_one_piece_of_evidence() -> None:
    table = pairs(1500, 0.7, 0.85)
    found = judged(table.assign(request_id=[f"r{n // 15}" for n in range(1500)]))
    assert found.reasons == ("100 labelled requests, 200 are needed",)


def test_values_are_compared_by_their_errors() -> None:
    random = np.random.default_rng(1)
    table = pairs(800, 1, 1)
    table["truth"] = random.normal(100, 20, 800)
    table["champion"] = table["truth"] + random.normal(0, 5, 800)
    table["challenger"] = table["truth"] + random.normal(0, 3, 800)
    found = compare(table, dataclasses.replace(SETTINGS, tolerance=6.0), labels=False)
    assert found.outcome == "challenger better"
    assert found.accuracy is not None
    assert found.accuracy.mcnemar is None
    assert found.accuracy.champion > found.accuracy.challenger
    assert 0.5 < found.agreement.agreed / found.agreement.rows < 0.9
    swapped = table.rename(columns={"champion": "challenger", "challenger": "champion"})
    assert compare(swapped, SETTINGS, labels=False).outcome == "challenger worse"


def test_a_segment_that_differs_stands_out_and_the_others_do_not() -> None:
    table = pairs(2000, 0.9, 0.9)
    groups = np.arange(2000) % 4
    table.loc[groups == 3, "challenger"] = 1 - table.loc[groups == 3, "champion"]
    masks = [("age", f"band {group}", groups == group) for group in range(4)]
    masks.append(("age", "few", np.arange(2000) < 29))
    found = compare(table, SETTINGS, labels=True, segments=masks).segments
    assert [each.group for each in found] == ["band 0", "band 1", "band 2", "band 3"]
    assert found[3].stands_out
    assert (found[3].rows, found[3].agreed) == (500, 0)
    alike = compare(pairs(2000, 0.9, 0.9), SETTINGS, labels=True, segments=masks).segments
    assert not any(each.stands_out for each in alike)


def test_latency_is_told_where_copies_were_timed() -> None:
    table = pairs(100, 0.8, 0.8)
    assert judged(table).latency is None
    table["challenger_latency_ms"] = np.arange(1, 101) / 10
    found = judged(table).latency
    assert found is not None
    assert (found.requests, found.champion) == (100, (2.0, 2.0))
    assert found.challenger == pytest.approx((5.05, 9.901))


def test_labels_of_another_type_are_refused() -> None:
    table = pairs(10, 0.8, 0.8).astype({"truth": object})
    table["truth"] = ["1"] * 10
    with pytest.raises(UserError, match="such as '1', are of another type than"):
        judged(table)


def test_peeking_at_a_shadow_errs_no_more_than_declared() -> None:
    wrong = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        table = pairs(1200, 0.8, 0.8)
        truth = table["truth"].to_numpy()
        for name in ("champion", "challenger"):
            table[name] = np.where(random.random(1200) < 0.8, truth, 1 - truth)
        looks = (judged(table[:end]).outcome for end in range(200, 1201, 200))
        wrong += any(outcome.startswith("challenger") for outcome in looks)
    assert wrong <= 3
