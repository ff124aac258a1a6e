"""A request that is not answered: which status it gets and what its body says."""

from __future__ import annotations

from collections.abc import Sequence

from mlops.deployment.serving.request_check import Broken

BAD_REQUEST = "BAD_REQUEST"
INVALID = "INVALID_PARAMETER_VALUE"


class RefusedError(Exception):
    """Raised where a request cannot be answered; never a fault of the endpoint, but for 5xx."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = BAD_REQUEST,
        violations: Sequence[Broken] = (),
        close: bool = False,
        allow: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.violations = tuple(violations)
        self.close = close
        self.allow = allow

    def body(self, request_id: str) -> dict[str, object]:
        """The answer's body, in MLflow's form and, under `error`, in the Open Inference Protocol's."""
        told: dict[str, object] = {
            "error_code": self.code,
            "message": self.message,
            "error": self.message,
            "request_id": request_id,
        }
        if self.violations:
            told["violations"] = [
                {"row": b.row, "column": b.column, "rule": b.rule, "value": b.value}
                for b in self.violations
            ]
        return told


def contract_broken(broken: Sequence[Broken]) -> RefusedError:
    """The refusal of rows that break the contract; the message tells the first rule."""
    first = broken[0]
    place = "the request" if first.row is None else f"row {first.row}"
    more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    message = f"{place}, column {first.column}: {first.rule}, found {first.value}{more}"
    return RefusedError(400, message, code=INVALID, violations=broken)
