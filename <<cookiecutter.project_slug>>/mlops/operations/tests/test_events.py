"""Events: what the CloudEvents standard asks for, a strict reader, a log that loses nothing, settings."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from mlops.operations.events import log
from mlops.operations.events.event import (
    KINDS,
    LIMIT,
    PREFIX,
    Event,
    from_json,
    new_event,
    of_kinds,
    source_of,
    stable_id,
    to_json,
)
from mlops.operations.events.settings import Events, parse_events, secret
from mlops.quality.errors import UserError

NOW = datetime(2026, 5, 3, 14, 0, 0, 250_000, tzinfo=UTC)
SOURCE = source_of("acme", "churn")


def drift(**data: object) -> Event:
    return new_event("data_drift", "prod", data, source=SOURCE, now=NOW)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_written_as_the_standard_asks(kind: str) -> None:
    event = new_event(kind, "prod", {"rows": 3}, source=SOURCE, now=NOW)  # type: ignore[arg-type]
    values = json.loads(to_json(event))
    assert values["specversion"] == "1.0"
    assert values["type"] == f"internal.mlops.{kind}"
    assert values["source"] == "https://github.com/acme/churn"
    assert values["subject"] == "prod"
    assert values["time"] == "2026-05-03T14:00:00.250000Z"
    assert values["datacontenttype"] == "application/json"
    assert values["data"] == {"rows": 3}
    assert re.fullmatch(r"[0-9a-f-]{36}", values["id"])
    # attribute names: small letters and digits, at most 20 of them
    assert all(re.fullmatch(r"[a-z0-9]{1,20}", name) for name in values)
    assert from_json(to_json(event), "here") == event


def test_without_an_environment_there_is_no_subject() -> None:
    event = new_event("model_registered", "", {}, source=SOURCE, now=NOW)
    assert "subject" not in json.loads(to_json(event))
    assert from_json(to_json(event), "here") == event


def test_a_time_of_another_zone_is_written_in_utc() -> None:
    local = NOW.astimezone(timezone(timedelta(hours=5)))
    event = new_event("staleness", "prod", {}, source=SOURCE, now=local)
    assert json.loads(to_json(event))["time"].endswith("14:00:00.250000Z")


def test_ids_are_unique_unless_given() -> None:
    assert drift().id != drift().id
    assert stable_id("a", "b") == stable_id("a", "b") != stable_id("ab")


def test_data_become_what_json_can_say() -> None:
    data = {
        "nan": math.nan,
        "psi": np.float32(0.5),
        "rows": np.int64(7),
        "breach": np.True_,
        "columns": ("age", "bmi"),
        "by": {"age": np.array([1.0, math.inf])},
        "day": NOW.date(),
        "text": "Zoë \u2028 \ud800",
    }
    read = from_json(to_json(drift(**data)), "here").data
    assert read["nan"] is None
    assert (read["psi"], read["rows"], read["columns"]) == (0.5, 7, ["age", "bmi"])
    assert read["breach"] is True
    assert read["by"] == {"age": [1.0, None]}
    assert (read["day"], read["text"]) == ("2026-05-03", "Zoë \u2028 \ud800")
    assert to_json(drift(**data)).isascii()
    assert "\n" not in to_json(drift(**data))


@pytest.mark.parametrize("value", [object(), b"bytes", {1j}])
def test_data_that_json_cannot_hold_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match="nothing that JSON can hold"):
        drift(value=value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"event_id": "a.b"}, "id: expected"),
        ({"event_id": "a\nb"}, "id: expected"),
        ({"event_id": "x" * 101}, "id: expected"),
        ({"source": ""}, "source: expected"),
        ({"source": "no uri"}, "source: expected"),
        ({"environment": "prod\x00"}, "subject: a character"),
        ({"environment": "\ufffe"}, "subject: a character"),
        ({"kind": "drift"}, "not a kind of event"),
        ({"now": NOW.replace(tzinfo=None)}, "time: expected a zone"),
    ],
)
def test_what_the_standard_forbids_is_refused(change: dict[str, object], said: str) -> None:
    values = {"kind": "data_drift", "environment": "prod", "source": SOURCE, "now": NOW, **change}
    with pytest.raises(ValueError, match=said):
        new_event(data={}, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [
        {"columns": {f"column {n}": {"psi": n / 7, "reason": "x" * 90} for n in range(2000)}},
        {f"column {n}": "x" * 90 for n in range(3000)},
        {"text": "é" * 200_000},
        {"deep": [[list(range(40))] * 40] * 40},
    ],
    ids=["many columns", "many keys", "long text", "nested"],
)
def test_large_data_are_cut_and_say_so(data: dict[str, object]) -> None:
    event = drift(rows=5, **data)
    assert len(to_json(event)) <= LIMIT
    assert event.data["shortened"] is True
    assert event.data["rows"] == 5
    assert from_json(to_json(event), "here") == event


def test_data_that_fit_are_not_cut() -> None:
    event = drift(text="x" * (LIMIT - 500))
    assert LIMIT - 500 < len(to_json(event)) <= LIMIT
    assert "shortened" not in event.data


WRITTEN = json.loads(to_json(drift(rows=1)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"specversion": "0.3"}, "specversion: expected 1.0, found '0.3'"),
        ({"specversion": 1.0}, "specversion: expected text"),
        ({"id": ""}, "id: expected"),
        ({"id": None}, "id: expected text"),
        ({"source": ""}, "source: expected"),
        ({"type": "com.github.push"}, "type: expected internal.mlops"),
        ({"type": PREFIX + "data_drif"}, "did you mean 'data_drift'"),
        ({"time": "yesterday"}, "time: expected a time such as"),
        ({"time": "2026-05-03"}, "time: expected a time such as"),
        ({"time": "2026-05-03T14:00:00"}, "time: expected a time such as"),
        ({"time": "2026-02-30T14:00:00Z"}, "time: expected a time such as"),
        ({"datacontenttype": "text/xml"}, "datacontenttype: expected application/json"),
        ({"data": []}, "data: expected a mapping"),
        ({"sbject": "prod"}, "unknown key 'sbject'; did you mean 'subject'"),
    ],
)
def test_a_wrong_event_is_refused_with_its_place(change: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=r"^here: ") as refused:
        from_json(json.dumps({**WRITTEN, **change}), "here")
    assert said in str(refused.value)


@pytest.mark.parametrize("key", ["specversion", "id", "source", "type", "time"])
def test_a_missing_attribute_is_refused(key: str) -> None:
    left = {name: value for name, value in WRITTEN.items() if name != key}
    with pytest.raises(UserError, match=f"'{key}' is missing"):
        from_json(json.dumps(left), "here")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"id": NaN}', b"\xff", "[" * 100_000], ids=str
)
def test_no_event_at_all_is_refused(text: str | bytes) -> None:
    with pytest.raises(UserError, match=r"^here: "):
        from_json(text, "here")


def test_other_writers_times_are_read() -> None:
    text = json.dumps({**WRITTEN, "time": "2026-05-03T16:00:00.25+02:00"})
    assert from_json(text, "here").time == NOW
    no_data = json.dumps({name: value for name, value in WRITTEN.items() if name != "data"})
    assert from_json(no_data, "here").data == {}


def test_an_infinite_number_from_elsewhere_can_be_written_again() -> None:
    event = from_json(json.dumps(WRITTEN).replace('"rows": 1', '"rows": 1e999'), "here")
    assert json.loads(to_json(event))["data"] == {"rows": None}


def test_the_log_keeps_the_order_of_writing_whatever_the_clock_did(tmp_path: Path) -> None:
    late, early = drift(), replace(drift(), time=NOW - timedelta(days=400))
    for event in (late, early):
        log.append(tmp_path, event)
    assert list(log.events(tmp_path)) == [late, early]
    assert list(log.events(tmp_path, after=late.id)) == [early]
    assert list(log.events(tmp_path, after=early.id)) == []
    assert list(log.events(tmp_path, after="unknown")) == [late, early]
    assert log.known(tmp_path, early.id)
    assert not log.known(tmp_path, "unknown")
    assert of_kinds(log.events(tmp_path), ["performance"]) == ()
    assert of_kinds(log.events(tmp_path), ["data_drift"]) == (late, early)


def test_no_log_is_an_empty_one(tmp_path: Path) -> None:
    assert list(log.events(tmp_path)) == []


@pytest.mark.parametrize("torn", [b'{"specversion":"1.0","id', b"\xff\xfe\x00", b"{}\n\n[]"])
def test_a_torn_line_swallows_nothing(tmp_path: Path, torn: bytes) -> None:
    first, second = drift(), drift()
    log.append(tmp_path, first)
    with (tmp_path / log.FILE).open("ab") as file:
        file.write(torn)
    log.append(tmp_path, second)
    assert list(log.events(tmp_path)) == [first, second]


def test_processes_that_write_at_once_tear_no_line(tmp_path: Path) -> None:
    code = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from mlops.operations.events import log\n"
        "from mlops.operations.events.event import new_event\n"
        "for n in range(40):\n"
        "    data = {'n': n, 'text': sys.argv[2] * 3000}\n"
        "    event = new_event('staleness', 'prod', data, source='x', now=datetime.now(UTC))\n"
        "    log.append(Path(sys.argv[1]), event)\n"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), letter]) for letter in "ab"
    ]
    assert [process.wait(60) for process in started] == [0, 0]
    found = list(log.events(tmp_path))
    assert len(found) == len({event.id for event in found}) == 80


HOOK = {
    "name": "team",
    "url": "https://hooks.example.org/in",
    "secret_env": "TEAM_SECRET",  # pragma: allowlist secret
}
REPOSITORY = {"repository": "acme/churn"}


def test_settings_are_read() -> None:
    values = {
        "webhooks": [{**HOOK, "types": ["data_drift", "rolled_back"]}],
        "github": REPOSITORY,
        "give_up_days": 1,
    }
    found = parse_events(values, "settings.yml: events")
    assert [target.name for target in found.targets] == ["team", "github"]
    assert found.webhooks[0].types == ("data_drift", "rolled_back")
    assert found.github is not None
    assert found.github.types == KINDS
    assert parse_events({}, "here") == Events()
    assert Events().targets == ()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"webhook": []}, "unknown key 'webhook'; did you mean 'webhooks'"),
        ({"webhooks": [{**HOOK, "name": "github"}]}, "name: expected small letters"),
        ({"webhooks": [{**HOOK, "name": "../up"}]}, "name: expected small letters"),
        ({"webhooks": [HOOK, HOOK]}, "the name 'team' is given twice"),
        ({"webhooks": [{**HOOK, "url": "ftp://example.org"}]}, "team: url: expected an http"),
        ({"webhooks": [{**HOOK, "url": "file:///etc/passwd"}]}, "team: url: expected an http"),
        ({"webhooks": [{**HOOK, "url": "https://"}]}, "team: url: expected an http"),
        ({"webhooks": [{**HOOK, "url": "https://[::1"}]}, "team: url: expected an http"),
        ({"webhooks": [{**HOOK, "url": "https://a/ b"}]}, "team: url: expected an http"),
        (
            {"webhooks": [{**HOOK, "url": "https://u:pw@a"}]},  # pragma: allowlist secret
            "without user, password",
        ),
        (
            {"webhooks": [{**HOOK, "secret_env": "whsec_abc"}]},  # pragma: allowlist secret
            "secret_env: expected the name",
        ),
        ({"webhooks": [{**HOOK, "types": []}]}, "types: expected one or more"),
        ({"webhooks": [{**HOOK, "types": ["drift"]}]}, "'drift' is not one of data_drift"),
        ({"webhooks": [{**HOOK, "seconds": 61}]}, "seconds: expected more than 0"),
        ({"github": {"repository": "churn"}}, "repository: expected owner/name, found 'churn'"),
        ({"github": {"repository": "a/b/../c"}}, "repository: expected owner/name"),
        ({"github": {**REPOSITORY, "token_env": "ghp_x"}}, "token_env: expected the name"),
        ({"give_up_days": 0}, "give_up_days: expected more than 0"),
    ],
)
def test_wrong_settings_name_place_and_key(values: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=r"^here: ") as refused:
        parse_events(values, "here")
    assert said in str(refused.value)


def test_a_secret_written_into_the_settings_is_not_shown() -> None:
    written = {**HOOK, "secret_env": "whsec_abc"}  # pragma: allowlist secret
    with pytest.raises(UserError) as refused:
        parse_events({"webhooks": [written]}, "here")
    assert "whsec_abc" not in str(refused.value)


def test_a_variable_that_is_not_set_is_named() -> None:
    assert secret("A", {"A": " x "}) == "x"
    with pytest.raises(UserError, match="A: the variable is not set"):
        secret("A", {"A": " "})
