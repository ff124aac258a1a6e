"""The retraining policy: each rule on both sides, switched off, and under a clock that jumps."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlops.deployment import audit_log
from mlops.operations.events.event import KINDS, Event, new_event
from mlops.operations.retraining.cause import (
    LONGEST,
    MOST,
    TRIGGERS,
    Cause,
    Data,
    Signal,
    Trigger,
    cause_of,
    from_tags,
    signals_of,
    tags,
    text,
)
from mlops.operations.retraining.history import Outcome, Retraining, begin, end, history_of
from mlops.operations.retraining.policy import RULES, Available, Decision, decide
from mlops.operations.retraining.settings import Policy, parse_policy
from mlops.quality.errors import UserError

NOW = datetime(2026, 5, 3, 14, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
POLICY = Policy()
ENOUGH = Available(new_labels=500, champion="c1")


def signal(
    name: str = "e1", trigger: Trigger = "data_drift", ago: timedelta = HOUR, digest: str = ""
) -> Signal:
    return Signal(name, trigger, NOW - ago, ("bmi",), 900, ("bmi: psi 0.4",), "", digest)


def tried(
    ago: timedelta, outcome: Outcome = "won", champion: str = "c1", people: bool = False
) -> Retraining:
    name = f"r{ago.total_seconds():.0f}"
    return Retraining(name, NOW - ago, outcome, (f"of {name}",), champion, people)


def decided(
    *signals: Signal,
    history: tuple[Retraining, ...] = (),
    policy: Policy = POLICY,
    available: Available = ENOUGH,
    now: datetime = NOW,
) -> Decision:
    return decide(signals, history, now, policy, available, environment="prod")


def test_no_drift_no_retraining() -> None:
    found = decided()
    assert (found.action, found.cause, found.data) == ("nothing", None, None)
    assert found.reasons == ("nothing asks for a retraining",)


def test_drift_retrains_with_its_cause_and_the_word_of_every_rule() -> None:
    found = decided(signal("e1"), signal("e2", "performance"))
    assert (found.action, found.data, found.signals) == ("retrain", "both", ("e1", "e2"))
    assert found.cause is not None
    assert found.cause.triggers == ("data_drift", "performance")
    assert found.cause.columns == ("bmi",)
    for name in RULES:
        assert any(reason.startswith(name.replace("_", " ") + ": ") for reason in found.reasons)


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_only_declared_triggers_count_and_a_person_always(trigger: Trigger) -> None:
    none = replace(POLICY, triggers=(), every_days=None)
    expected = "retrain" if trigger in ("person", "schedule") else "nothing"
    assert decided(signal(trigger=trigger), policy=none).action == expected
    declared = replace(POLICY, triggers=(trigger,))
    assert decided(signal(trigger=trigger), policy=declared).action == "retrain"


def test_what_was_answered_asks_no_more() -> None:
    history = (replace(tried(9 * DAY), signals=("e1",)),)
    found = decided(signal("e1"), history=history)
    assert found.action == "nothing"
    assert "answered by a retraining before" in found.reasons[0]
    assert decided(signal("e1"), signal("e2"), history=history).signals == ("e2",)


def test_what_speaks_of_another_model_asks_no_more() -> None:
    assert decided(signal(digest="c0")).action == "nothing"
    assert decided(signal(digest="c1")).action == "retrain"
    assert decided(signal(digest="c0"), available=replace(ENOUGH, champion="")).action == "retrain"


def test_an_old_signal_expires() -> None:
    assert (
        decided(signal(ago=14 * DAY), policy=replace(POLICY, label_days=None)).action == "retrain"
    )
    assert decided(signal(ago=14 * DAY + HOUR)).action == "nothing"
    off = replace(POLICY, expires_days=None)
    assert decided(signal(ago=99 * DAY), policy=off).action == "retrain"


# Each rule: what makes it hold a retraining up, what it then does, what lets it pass, and how it is
# switched off.
LOST = (tried(9 * DAY, "lost"), tried(8 * DAY, "lost"))
BUSY = (tried(6 * DAY), tried(4 * DAY), tried(2 * DAY))
CASES: dict[str, tuple[dict[str, object], str, dict[str, object], dict[str, object]]] = {
    "one_at_a_time": (
        {"history": (tried(5 * HOUR, "running"),)},
        "wait",
        {"history": (tried(30 * HOUR, "failed"),)},
        {"one_at_a_time": False, "cool_down_hours": None},
    ),
    "one_candidate": (
        {"available": replace(ENOUGH, candidate="version 7")},
        "wait",
        {"available": ENOUGH},
        {"one_candidate": False},
    ),
    "did_not_help": (
        {"history": LOST},
        "call_a_person",
        {"history": LOST[:1]},
        {"not_helped": None},
    ),
    "cool_down": (
        {"history": (tried(23 * HOUR),)},
        "wait",
        {"history": (tried(24 * HOUR),)},
        {"cool_down_hours": None},
    ),
    "budget": ({"history": BUSY}, "wait", {"history": BUSY[1:]}, {"per_week": None}),
    "sound_data": (
        {"available": replace(ENOUGH, broken="3% of the rows: bmi below 0")},
        "call_a_person",
        {"available": ENOUGH},
        {"sound_data": False},
    ),
    "labels": (
        {"available": replace(ENOUGH, new_labels=199)},
        "wait",
        {"available": replace(ENOUGH, new_labels=200)},
        {"new_labels": None},
    ),
}


def test_every_rule_has_a_case() -> None:
    assert list(CASES) == list(RULES)


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_on_both_sides_and_switched_off(rule: str) -> None:
    holds, action, passes, off = CASES[rule]
    held = decided(signal(), **holds)  # type: ignore[arg-type]
    assert (held.action, held.rule) == (action, rule)
    assert held.reasons[-1].startswith(rule.replace("_", " ") + ": ")
    assert held.topic.startswith(f"prod:{rule}:")
    assert held.cause is not None
    assert decided(signal(), **passes).action == "retrain"  # type: ignore[arg-type]
    switched = replace(POLICY, **off)  # type: ignore[arg-type]
    assert decided(signal(), policy=switched, **holds).action == "retrain"  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", CASES)
def test_a_person_holds_back_for_facts_alone(rule: str) -> None:
    holds = CASES[rule][0]
    found = decided(signal(trigger="person"), **holds)  # type: ignore[arg-type]
    stops = rule in ("one_at_a_time", "sound_data", "labels")
    assert found.action == (CASES[rule][1] if stops else "retrain")


@pytest.mark.parametrize("rule", CASES)
def test_a_topic_is_the_same_as_long_as_the_situation_is(rule: str) -> None:
    holds = CASES[rule][0]
    first = decided(signal("e1"), **holds)  # type: ignore[arg-type]
    later = decided(
        signal("e1"), signal("e2", ago=timedelta(0)), now=NOW + 0.4 * HOUR, **holds  # type: ignore[arg-type]
    )
    assert first.topic == later.topic


def test_one_that_never_ended_calls_a_person_and_a_person_may_go_on() -> None:
    died = (tried(7 * HOUR, "running"),)
    found = decided(signal(), history=died)
    assert (found.action, found.rule) == ("call_a_person", "one_at_a_time")
    assert decided(signal(trigger="person"), history=died).action == "retrain"
    since = (replace(died[0], started=NOW - 60 * HOUR), tried(50 * HOUR))
    assert decided(signal(), history=since).action == "retrain", "one that began later has ended"


def test_a_retraining_that_failed_cools_down_as_well() -> None:
    assert decided(signal(), history=(tried(HOUR, "failed"),)).rule == "cool_down"


@pytest.mark.parametrize(
    ("history", "action"),
    [
        ((*LOST,), "call_a_person"),
        ((tried(9 * DAY, "refused"), tried(8 * DAY, "lost")), "call_a_person"),
        ((*LOST, tried(3 * DAY, "failed")), "call_a_person"),
        ((tried(9 * DAY, "failed"), tried(8 * DAY, "failed")), "retrain"),
        ((*LOST, tried(3 * DAY, "won")), "retrain"),
        ((tried(9 * DAY, "lost", "c0"), tried(8 * DAY, "lost")), "retrain"),
        ((*LOST, tried(3 * DAY, "failed", people=True)), "retrain"),
        ((*LOST, tried(3 * DAY, "lost", people=True)), "retrain"),
        (
            (*LOST, tried(3 * DAY, "lost", people=True), tried(2 * DAY, "lost")),
            "call_a_person",
        ),
    ],
    ids=[
        "lost twice",
        "refused counts",
        "failed in between",
        "failed alone",
        "won since",
        "against another champion",
        "people tried since",
        "people lost once",
        "people lost, and again",
    ],
)
def test_losses_in_a_row(history: tuple[Retraining, ...], action: str) -> None:
    assert decided(signal(), history=history).action == action


def test_changed_code_is_worth_a_try_after_losses() -> None:
    policy = replace(POLICY, triggers=("code",))
    found = decided(signal(trigger="code"), history=LOST, policy=policy)
    assert (found.action, found.data) == ("retrain", "old")


def test_old_data_need_neither_labels_nor_recent_data() -> None:
    policy = replace(POLICY, data={"data_drift": "old"})
    nothing = Available(new_labels=0, broken="all of it")
    assert decided(signal(), policy=policy, available=nothing).action == "retrain"


@pytest.mark.parametrize(
    ("triggers", "data"),
    [
        (("data_drift",), "recent"),
        (("performance",), "both"),
        (("data_drift", "prediction_drift"), "both"),
        (("prediction_drift",), "old"),
    ],
)
def test_data_are_as_declared(triggers: tuple[Trigger, ...], data: Data) -> None:
    policy = replace(POLICY, data={"data_drift": "recent", "prediction_drift": "old"})
    found = decided(*(signal(each, each) for each in triggers), policy=policy)
    assert found.data == data
    assert found.cause is not None
    assert found.cause.data == data


def test_labels_that_never_come_call_a_person() -> None:
    few = replace(ENOUGH, new_labels=10)
    policy = replace(POLICY, label_days=3.0)
    assert decided(signal(ago=3 * DAY), policy=policy, available=few).action == "wait"
    found = decided(signal(ago=3 * DAY + HOUR), policy=policy, available=few)
    assert (found.action, found.rule) == ("call_a_person", "labels")
    patient = replace(policy, label_days=None)
    assert decided(signal(ago=9 * DAY), policy=patient, available=few).action == "wait"


def test_the_schedule_is_due_once() -> None:
    policy = replace(POLICY, triggers=(), every_days=30.0)
    trained = replace(ENOUGH, trained=NOW - 30 * DAY)
    found = decided(policy=policy, available=trained)
    assert found.action == "retrain"
    assert found.cause is not None
    assert found.cause.triggers == ("schedule",)
    again = decided(policy=policy, available=trained, now=NOW + HOUR)
    assert again.signals == found.signals, "the same until something is trained"
    assert decided(policy=policy, available=replace(trained, trained=NOW - 29 * DAY)).action == (
        "nothing"
    )
    assert decided(policy=policy, history=(tried(29 * DAY),), available=trained).action == "nothing"
    assert decided(policy=policy, history=(tried(31 * DAY),), available=trained).action == "retrain"
    assert decided(policy=policy, available=ENOUGH).action == "retrain", "never trained"
    ahead = replace(trained, trained=NOW + 900 * DAY)
    assert decided(policy=policy, available=ahead).action == "retrain", "a clock was set back"
    assert decided(policy=policy, available=replace(trained, trained=NOW + DAY)).action == "nothing"


SPANS = {"one_at_a_time": 6 * HOUR, "cool_down": DAY, "budget": 7 * DAY}


@pytest.mark.parametrize("jump", [2 * HOUR, 20 * HOUR, 5 * DAY, 30 * DAY, 4000 * DAY])
@pytest.mark.parametrize("rule", SPANS)
def test_a_clock_set_back_holds_up_at_most_twice_as_long(rule: str, jump: timedelta) -> None:
    held = CASES[rule][0]["history"]
    assert isinstance(held, tuple)
    # weeks full of retrainings before: none of them may hold up when the clock passes by again
    full = tuple(tried(ago * 40 * HOUR) for ago in range(60, 6, -1))
    start = NOW - jump
    hour = 0
    while True:
        now = start + hour * HOUR
        found = decided(signal(ago=-DAY * 5000), history=(*full, *held), now=now)
        if found.rule != rule or found.action != "wait":
            break
        hour += 1
    assert hour * HOUR <= 2 * SPANS[rule]
    if jump >= SPANS[rule] + DAY:
        assert hour == 0


def test_a_clock_that_was_set_back_counts_anew_from_the_next_start() -> None:
    full = tuple(tried(ago * 40 * HOUR) for ago in range(60, 1, -1))
    back = NOW - 60 * DAY
    since = Retraining("new", back, "won", ("e1",), "c1")
    asks = signal("e2", ago=-HOUR)
    held = decided(asks, history=(*full, since), now=back + 23 * HOUR)
    assert (held.action, held.rule) == ("wait", "cool_down")
    for days in range(1, 70):
        found = decided(asks, history=(*full, since), now=back + days * DAY)
        assert found.action in ("retrain", "nothing"), "not even when the old times come by again"


def test_clocks_that_differ_a_little_do_not_switch_a_rule_off() -> None:
    assert decided(signal(), history=(tried(-HOUR),)).rule == "cool_down"
    ahead = (tried(6 * DAY), tried(-2 * DAY), tried(-4 * DAY))
    assert decided(signal(), history=ahead, policy=replace(POLICY, cool_down_hours=None)).rule == (
        "budget"
    )


def test_a_clock_set_back_answers_nothing_twice() -> None:
    answered = replace(tried(-300 * DAY), signals=("e1",))
    assert decided(signal("e1"), history=(answered,)).action == "nothing"


def test_a_signal_of_the_future_is_not_lost() -> None:
    assert decided(signal(ago=-300 * DAY)).action == "retrain"
    few = replace(ENOUGH, new_labels=0)
    found = decided(signal(ago=-300 * DAY), available=few)
    assert found.action == "call_a_person", "and does not wait 300 days for labels"


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_clock_does_no_signal_is_answered_twice_and_none_waits_for_ever(
    seed: int,
) -> None:
    chance = random.Random(seed)
    now, history, answered = NOW, list[Retraining](), list[str]()
    policy = replace(POLICY, expires_days=None, label_days=None)
    for step in range(400):
        now += chance.choice([HOUR, HOUR, HOUR, 5 * HOUR, -9 * DAY, 9 * DAY])
        signals = [signal(f"e{number}") for number in range(step // 20 + 1)]
        found = decide(signals, history, now, policy, ENOUGH, environment="prod")
        if found.action == "retrain":
            answered += found.signals
            history.append(Retraining(f"r{step}", now, "won", found.signals, "c1"))
    assert len(answered) == len(set(answered))
    asks, waited = [signal("last")], 0
    while decide(asks, history, now, policy, ENOUGH, environment="prod").action != "retrain":
        now, waited = now + HOUR, waited + 1
        assert waited <= 3 * 7 * 24


def test_a_steady_drift_retrains_no_more_often_than_the_settings_say() -> None:
    now, history, few = NOW, list[Retraining](), replace(POLICY, per_week=2, not_helped=None)
    for hour in range(24 * 28):
        now = NOW + hour * HOUR
        signals = [Signal(f"e{hour}", "data_drift", now)]
        if decide(signals, history, now, few, ENOUGH, environment="prod").action == "retrain":
            history.append(Retraining(f"r{hour}", now, "lost", (f"e{hour}",), "c1"))
    assert len(history) == 8
    gaps = [b.started - a.started for a, b in itertools.pairwise(history)]
    assert min(gaps) >= DAY


def event(kind: str = "data_drift", environment: str = "prod", **data: object) -> Event:
    return new_event(kind, environment, data, source="x", now=NOW)  # type: ignore[arg-type]


def test_signals_are_read_from_events() -> None:
    told = event(columns=["bmi", "age"], rows=812, reasons=["bmi: psi 0.4"], digest="c1")
    (found,) = signals_of([told, event(environment="stage")], "prod")
    assert found == Signal(
        told.id, "data_drift", NOW, ("bmi", "age"), 812, ("bmi: psi 0.4",), "", "c1"
    )
    kinds = {each.trigger for kind in KINDS for each in signals_of([event(kind)], "prod")}
    assert kinds == {"data_drift", "prediction_drift", "performance"}


@pytest.mark.parametrize("odd", [None, 3, True, -1, [1, None], {"bmi": 0.4}, "bmi", []])
def test_odd_data_of_an_event_hold_nothing_up(odd: object) -> None:
    (found,) = signals_of([event(columns=odd, rows=odd, reasons=odd, digest=odd)], "prod")
    assert decided(found).action in ("retrain", "nothing")


NASTY = ("a`b", "x\ny", "\x00nul", "<b>@all</b>", '"' * 300, "\\" * 300, "é" * 300, "\ud800", "")


@pytest.mark.parametrize("count", [0, 1, MOST, MOST + 3])
def test_a_cause_comes_back_from_its_tags(count: int) -> None:
    names = tuple(f"{number} {NASTY[number % len(NASTY)]}" for number in range(count))
    signals = [Signal(f"e{n}", "data_drift", NOW, names, 9 + n, names, "Zoë") for n in range(30)]
    cause = cause_of([*signals, signal("p", "person")], "recent", "prod")
    written = tags(cause)
    assert from_tags({**written, "other": "tag"}) == cause
    assert all(isinstance(value, str) and len(value) <= 8000 for value in written.values())
    assert all(len(key) <= 250 and key.startswith("retraining.") for key in written)
    assert cause.more_columns == max(0, len(cause.columns) + cause.more_columns - MOST)
    assert (cause.rows, cause.by) == (900, "Zoë")


def test_tags_of_the_worst_names_stay_within_bounds() -> None:
    names = tuple(str(number) + '"' * 400 for number in range(50))
    cause = cause_of([Signal("e", "data_drift", NOW, names, 1, names)], "both", "prod")
    assert max(map(len, tags(cause).values())) <= 8000
    assert max(map(len, cause.columns)) == LONGEST
    assert (cause.more_columns, cause.more_reasons) == (30, 30)
    assert from_tags(tags(cause)) == cause


@pytest.mark.parametrize("key", list(tags(cause_of([signal()], "both", "prod"))))
def test_tags_that_tell_no_cause_tell_none(key: str) -> None:
    written = tags(cause_of([signal()], "both", "prod"))
    assert from_tags({name: value for name, value in written.items() if name != key}) is None
    assert from_tags({}) is None
    if key not in ("retraining.by", "retraining.environment"):
        assert from_tags({**written, key: "{"}) is None


def test_the_text_says_why_on_what_and_lets_no_markup_in() -> None:
    asks = Signal("p1", "person", NOW, (), 0, ("it errs\non Mondays `@all`",), "Zoë")
    found = text(cause_of([signal(), asks], "both", "prod"))
    assert found == (
        "Trained anew because of data drift and person in prod, asked for by `Zoë`, on old and recent "
        "data. First told at 2026-05-03T13:00:00+00:00.\n"
        "Columns: `bmi`.\n"
        "Rows looked at: 900.\n"
        "- `bmi: psi 0.4`\n"
        "- `it errs on Mondays '@all'`\n"
        "Events: `e1`, `p1`.\n"
    )


def test_history_is_what_the_audit_log_tells(tmp_path: Path) -> None:
    cause = cause_of([signal("e1", "person")], "both", "prod")
    ids = tuple(f"e{number}" for number in range(50))
    first = begin(tmp_path, cause, ids, "c1", NOW)
    assert history_of(audit_log.entries(tmp_path), "prod") == (first,)
    assert (first.by_people, first.signals) == (True, ids)
    assert history_of(audit_log.entries(tmp_path), "stage") == ()
    end(tmp_path, first, "lost", "prod", "accuracy 0.81 against 0.84")
    second = begin(tmp_path, replace(cause, triggers=("data_drift",)), ("e9",), "c1", NOW - DAY)
    found = history_of(audit_log.entries(tmp_path), "prod")
    assert found == (replace(first, outcome="lost"), second), "in the order of writing"
    assert not second.by_people
    entry = next(audit_log.entries(tmp_path))
    written = entry["cause"]
    assert isinstance(written, dict)
    assert from_tags(written) == cause


@pytest.mark.parametrize(
    "change", [{"started": "soon"}, {"started": "2026-05-03"}, {"signals": "e1"}, {"id": ""}]
)
def test_an_entry_of_another_form_is_passed_over(change: dict[str, object]) -> None:
    whole: dict[str, object] = {
        "event": "retraining",
        "environment": "prod",
        "id": "r1",
        "started": NOW.isoformat(),
        "signals": ["e1"],
    }
    assert len(history_of([whole], "prod")) == 1
    assert history_of([{**whole, **change}], "prod") == ()
    odd = {"event": "retraining_ended", "environment": "prod", "id": "r1", "outcome": "fine"}
    assert history_of([whole, odd], "prod")[0].outcome == "failed"


def test_settings_are_read() -> None:
    values = {"triggers": ["performance"], "per_week": None, "data": {"performance": "recent"}}
    found = parse_policy(values, "here")
    assert (found.triggers, found.per_week, found.new_labels) == (("performance",), None, 200)
    assert found.data == {"performance": "recent"}
    assert parse_policy({}, "here") == POLICY


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"cooldown_hours": 1}, "did you mean 'cool_down_hours'"),
        ({"triggers": ["drift"]}, "'drift' is not one of"),
        ({"data": {"drift": "both"}}, "data: unknown key 'drift'"),
        ({"data": {"code": "new"}}, "'new' is not one of old, recent, both"),
        ({"cool_down_hours": -1}, "cool_down_hours: expected more than 0, found -1"),
        ({"longest_hours": 0}, "longest_hours: expected more than 0"),
        ({"every_days": float("inf")}, "every_days: expected more than 0"),
        ({"per_week": 0}, "per_week: expected 1 or more, or null, found 0"),
        ({"not_helped": 0}, "not_helped: expected 1 or more"),
        ({"new_labels": True}, "new_labels: expected a whole number"),
    ],
)
def test_wrong_settings_name_place_and_key(values: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=r"^here: ") as refused:
        parse_policy(values, "here")
    assert said in str(refused.value)


def test_a_cause_is_of_a_signal() -> None:
    with pytest.raises(ValueError, match="empty"):
        cause_of([], "both", "prod")
    assert isinstance(cause_of([signal()], "both", ""), Cause)
