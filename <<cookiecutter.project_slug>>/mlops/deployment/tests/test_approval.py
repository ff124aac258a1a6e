"""An approval counts for one digest, by one who may, as it was recorded, for so many days."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from mlops.deployment.desired.approval import Approval, Approved, make_approval, refusal
from mlops.deployment.desired.model_file import DesiredModel
from mlops.deployment.desired.repository import Change
from mlops.deployment.desired.settings import Approving

NOW = datetime(2026, 5, 3, 12, tzinfo=UTC)
MODEL = DesiredModel("m", "3", "a" * 64, "run", "commit")
RULES = Approving(required=True, approvers=("Grace", "alan@example.org"), author_may_approve=False)
GRACE = Change("c0ffee", "Grace", "grace@example.org")
RECORD = make_approval(MODEL, "Grace", "grace@example.org", "reviewed", now=NOW, days=30)


def why(
    record: Approval | None = RECORD,
    change: Change | None = GRACE,
    desired: DesiredModel = MODEL,
    **others: object,
) -> str:
    found = Approved(record, change, str(others.get("author", "Ada")), NOW + timedelta(days=1))
    if "now" in others:
        found = dataclasses.replace(found, now=others["now"])  # type: ignore[arg-type]
    return refusal(desired, found, RULES)


def test_what_was_approved_may_enter() -> None:
    assert why() == ""
    by_mail = make_approval(MODEL, "A. T.", "Alan@example.org", "ok", now=NOW, days=30)
    assert why(by_mail, Change("c", "A. T.", "alan@example.org")) == ""


def resealed(**changed: str) -> Approval:
    """A record that was edited by somebody who knows how it is sealed."""
    return make_approval(
        dataclasses.replace(MODEL, digest=changed.get("digest", MODEL.digest)),
        changed.get("by", "Grace"),
        changed.get("email", "grace@example.org"),
        "reviewed",
        now=NOW,
        days=int(changed.get("days", "30")),
    )


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"record": None}, "nobody has approved it yet"),
        ({"record": dataclasses.replace(RECORD, reason="other")}, "was edited"),
        ({"record": dataclasses.replace(RECORD, until="2999-01-01T00:00:00+00:00")}, "was edited"),
        ({"record": resealed(digest="b" * 64)}, "the approval is of version 3 (bbbbbbbbbbbb)"),
        ({"desired": dataclasses.replace(MODEL, version="4")}, "the approval is of version 3"),
        ({"change": None}, "not committed as it lies there"),
        ({"change": Change("c", "Mallory", "m@example.org")}, "was committed by m@example.org"),
        (
            {
                "record": resealed(by="Mallory", email="m@example.org"),
                "change": Change("c", "Mallory", "m@example.org"),
            },
            "not among the approvers",
        ),
        ({"author": "Grace"}, "trained this model and may not approve it"),
        ({"author": "grace@example.org"}, "trained this model and may not approve it"),
        ({"now": NOW + timedelta(days=31)}, "has expired"),
        ({"record": resealed(days="3000")}, "has expired"),
    ],
)
def test_anything_else_is_refused(facts: dict[str, object], said: str) -> None:
    assert said in why(**facts)  # type: ignore[arg-type]
