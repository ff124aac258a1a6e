"""Signatures: ours after Standard Webhooks, MLflow's after its own code; forged, old and repeated ones refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from mlflow.entities.webhook import Webhook as MlflowWebhook
from mlflow.entities.webhook import WebhookEvent
from mlflow.webhooks import delivery as mlflow_delivery

from mlops.operations.events import log, outbox
from mlops.operations.events.event import Event, from_json, new_event
from mlops.operations.events.mlflow_webhook import (
    TOLERANCE,
    RefusedError,
    ReplayedError,
    receive,
    verify,
)
from mlops.operations.events.settings import Webhook
from mlops.operations.events.webhook import key_of, signature, signed
from mlops.quality.errors import UserError

NOW = datetime(2026, 5, 3, 14, tzinfo=UTC)
KEY = "s3cret"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()  # pragma: allowlist secret
OTHER = "whsec_" + base64.b64encode(b"z" * 24).decode()
HOOK = Webhook("team", "https://hooks.example.org/in", "TEAM_SECRET")
EVENT = new_event("data_drift", "prod", {"text": "Zoë"}, source="x", now=NOW)


def test_the_signature_is_the_standards() -> None:
    # the example that Standard Webhooks' own libraries are tested with
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "S")
    body = b'{"test": 2432232314}'
    found = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_request_carries_id_time_and_signature_of_the_attempt() -> None:
    request = signed(HOOK, EVENT, 1_777_000_000, {"TEAM_SECRET": SECRET})
    assert request.url == HOOK.url
    assert request.headers["content-type"].startswith("application/cloudevents+json")
    assert request.headers["webhook-id"] == EVENT.id
    assert request.headers["webhook-timestamp"] == "1777000000"
    expected = signature(bytes(range(32)), EVENT.id, 1_777_000_000, request.body)
    assert request.headers["webhook-signature"] == expected
    assert from_json(request.body, "body") == EVENT


def test_two_secrets_give_two_signatures_so_that_one_can_be_changed() -> None:
    request = signed(HOOK, EVENT, 1, {"TEAM_SECRET": f"{SECRET} {OTHER}"})
    expected = [signature(key, EVENT.id, 1, request.body) for key in (bytes(range(32)), b"z" * 24)]
    assert request.headers["webhook-signature"].split() == expected


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "the variable is not set"),
        ("whsec_not*base64", "expected 'whsec_' and base64"),
        ("whsec_c2hvcnQ=", "expected 24 to 64 bytes, found 5"),
        ("whsec_" + base64.b64encode(b"x" * 65).decode(), "found 65"),
    ],
)
def test_a_wrong_secret_is_refused_and_not_shown(value: str, said: str) -> None:
    with pytest.raises(UserError, match=r"^TEAM_SECRET: ") as refused:
        signed(HOOK, EVENT, 1, {"TEAM_SECRET": value})
    assert said in str(refused.value)
    assert not value or value.split("_")[1] not in str(refused.value)


def silent(*_: object) -> None:
    """Hears what it is told and does nothing."""


CREATED = {"name": "churn", "version": "7", "source": "models:/1", "run_id": "ab12", "tags": {}}


def sent(
    monkeypatch: pytest.MonkeyPatch,
    entity: str = "model_version",
    payload: dict[str, object] | None = None,
    secret: str | None = KEY,
    now: datetime = NOW,
) -> tuple[bytes, dict[str, str]]:
    """What MLflow's own code sends, without a network."""
    event = WebhookEvent(entity, "created")
    webhook = MlflowWebhook("w", "w", "https://example.org", [event], 0, 0, secret=secret)
    session = Mock()
    monkeypatch.setattr(mlflow_delivery, "_validate_webhook_url", silent)
    monkeypatch.setattr("mlflow.webhooks.delivery.time", Mock(time=now.timestamp))
    given = CREATED if payload is None else payload
    mlflow_delivery._send_webhook_request(webhook, given, event, session)  # type: ignore[arg-type]
    words = session.post.call_args.kwargs
    monkeypatch.undo()
    return words["data"], words["headers"]


def test_what_mlflow_signs_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    body, headers = sent(monkeypatch)
    found = verify(body, headers, KEY, NOW)
    assert (found.entity, found.action) == ("model_version", "created")
    assert found.data == CREATED
    lower = {name.lower(): value for name, value in headers.items()}
    assert verify(body, lower, KEY, NOW) == found


Change = Callable[[bytes, dict[str, str]], tuple[bytes, dict[str, str]]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda body, headers: (body + b" ", headers), "signature is wrong"),
        (lambda b, h: (b.replace(b'"7"', b'"8"'), h), "signature is wrong"),
        (lambda b, h: (b, {**h, "X-MLflow-Delivery-Id": "other"}), "signature is wrong"),
        (lambda b, h: (b, {**h, "X-MLflow-Timestamp": "1"}), "signature is wrong"),
        (lambda b, h: (b, {**h, "X-MLflow-Signature": "v1,é"}), "signature is wrong"),
        (lambda b, h: (b, {**h, "X-MLflow-Signature": ""}), "header is missing"),
        (lambda b, h: (b * 20_000, h), "too long"),
    ],
)
def test_what_mlflow_did_not_sign_is_refused(
    monkeypatch: pytest.MonkeyPatch, change: Change, said: str
) -> None:
    with pytest.raises(RefusedError, match=said):
        verify(*change(*sent(monkeypatch)), KEY, NOW)


def test_another_secret_and_none_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    body, headers = sent(monkeypatch)
    with pytest.raises(RefusedError, match="signature is wrong"):
        verify(body, headers, "s3cre", NOW)
    with pytest.raises(RefusedError, match="no secret"):
        verify(body, headers, "", NOW)
    body, headers = sent(monkeypatch, secret=None)
    with pytest.raises(RefusedError, match="x-mlflow-signature: the header is missing"):
        verify(body, headers, KEY, NOW)


@pytest.mark.parametrize("sign", [1, -1])
def test_an_old_request_is_refused_and_one_of_the_future_as_well(
    monkeypatch: pytest.MonkeyPatch, sign: int
) -> None:
    body, headers = sent(monkeypatch)
    assert verify(body, headers, KEY, NOW + sign * timedelta(seconds=TOLERANCE))
    with pytest.raises(RefusedError, match="more than 300 s from now"):
        verify(body, headers, KEY, NOW + sign * timedelta(seconds=TOLERANCE + 1))


def take(
    state: Path,
    request: tuple[bytes, dict[str, str]],
    tell: Callable[[Event], None],
    now: datetime = NOW,
) -> Event | None:
    body, headers = request
    aliases = ("candidate",)
    return receive(state, body, headers, KEY, now, source="x", tell=tell, aliases=aliases)


def test_a_new_version_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = sent(monkeypatch)
    event = take(tmp_path, request, lambda each: outbox.emit(tmp_path, each, ()))
    assert event is not None
    assert (event.kind, event.time) == ("model_registered", NOW)
    assert event.data["model"] == "churn"
    assert (event.data["version"], event.data["run"]) == ("7", "ab12")
    with pytest.raises(ReplayedError):
        take(tmp_path, request, lambda each: outbox.emit(tmp_path, each, ()))
    assert list(log.events(tmp_path)) == [event]
    other = sent(monkeypatch, payload={**CREATED, "version": "8"})
    assert take(tmp_path, other, lambda each: outbox.emit(tmp_path, each, ())) is not None
    assert len(list(log.events(tmp_path))) == 2


def test_a_receiver_that_dies_while_it_tells_hears_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = sent(monkeypatch)
    told: list[str] = []

    def dies(event: Event) -> None:
        told.append(event.id)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        take(tmp_path, request, dies)
    again = take(tmp_path, request, lambda event: told.append(event.id))
    assert again is not None
    assert told == [again.id, again.id], "not lost, and under the same id"


def test_only_declared_aliases_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Event] = []
    for alias in ("candidate", "champion"):
        payload: dict[str, object] = {"name": "churn", "alias": alias, "version": "7"}
        take(tmp_path, sent(monkeypatch, "model_version_alias", payload), told.append)
    assert [event.data["alias"] for event in told] == ["candidate"]
    payload = {"name": "churn", "tags": {}, "description": None}
    assert take(tmp_path, sent(monkeypatch, "registered_model", payload), told.append) is None
    assert len(told) == 1


@pytest.mark.parametrize(
    "payload", [{"name": "churn"}, {"name": "", "version": "7"}, {"version": 7}]
)
def test_a_version_without_name_or_number_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, payload: dict[str, object]
) -> None:
    with pytest.raises(RefusedError, match="name and version: expected text"):
        take(tmp_path, sent(monkeypatch, payload=payload), silent)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data": 3}', json.dumps({"data": {}}).encode()])
def test_a_signed_body_of_another_form_is_refused(body: bytes) -> None:
    signs = mlflow_delivery._generate_hmac_signature
    stamp = str(int(NOW.timestamp()))
    headers = {
        "X-MLflow-Signature": signs(KEY, "d1", stamp, body.decode()),
        "X-MLflow-Timestamp": stamp,
        "X-MLflow-Delivery-Id": "d1",
    }
    with pytest.raises(RefusedError, match=r"expected|not JSON"):
        verify(body, headers, KEY, NOW)


def test_marks_are_forgotten_long_after_they_can_be_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(tmp_path, sent(monkeypatch), silent)
    folder = tmp_path / "mlflow-deliveries"
    for days, marks in ((6, 2), (9, 2)):
        later = NOW + timedelta(days=days)
        take(tmp_path, sent(monkeypatch, now=later), silent, later)
        assert len(list(folder.glob("[!.]*"))) == marks
