"""A running endpoint as a function of inputs, so that the model's tests can be put to it."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import requests
from numpy.typing import NDArray

from mlops.deployment.measuring.measure import Predict
from mlops.quality.errors import UserError

# The variables that name an endpoint, and a key where it asks for one, to the tests of the model.
URL, KEY = "MODEL_ENDPOINT", "MODEL_ENDPOINT_KEY"
_ROWS = 1000
_TIMEOUT = 60.0


def remote_predict(url: str, key: str = "") -> Predict:
    """The endpoint at an address as a function like those of `packaging.predictor`.

    It raises UserError where the endpoint refuses a row or does not answer.
    """
    session = requests.Session()
    session.trust_env = False  # an address of this machine must not go through a proxy
    session.headers["X-MLOps-Replay"] = "1"
    if key:
        session.headers["Authorization"] = f"Bearer {key}"

    def predict(table: pd.DataFrame) -> NDArray[np.float64]:
        parts = [
            _ask(session, url, table.iloc[start : start + _ROWS])
            for start in range(0, len(table), _ROWS)
        ]
        answers = np.concatenate(parts)
        return answers[:, -1] if answers.ndim == 2 and answers.shape[1] == 2 else answers

    return predict


def _ask(session: requests.Session, url: str, table: pd.DataFrame) -> NDArray[np.float64]:
    split = json.loads(table.to_json(orient="split", date_format="iso", double_precision=15))
    body = {"dataframe_split": {"columns": split["columns"], "data": split["data"]}}
    try:
        answer = session.post(f"{url}/invocations", json=body, timeout=_TIMEOUT)
        told = answer.json()
    except requests.RequestException as error:
        raise UserError(f"{url}: does not answer: {error}") from None
    if answer.status_code != requests.codes.ok:
        raise UserError(f"{url}: {answer.status_code}: {told.get('message', told)}")
    return np.asarray(told["predictions"], dtype=float)
