"""What the endpoint says of itself: an OpenAPI description, a page, and the protocol's metadata."""

from __future__ import annotations

import html
from collections.abc import Mapping

from mlops.deployment.serving.loaded import Loaded
from mlops.deployment.serving.request_check import LARGEST_INTEGER
from mlops.deployment.serving.worker import Table
from mlops.quality.contract import Column

_TYPES = {
    "integer": "integer",
    "number": "number",
    "string": "string",
    "boolean": "boolean",
    "datetime": "string",
}
_DATATYPES = {"integer": "INT64", "number": "FP64", "boolean": "BOOL"}
Schema = dict[str, object]
# Beyond it a compiled model, which computes in float32, has no finite answer.
LARGEST_FLOAT32 = 3.4e38


def description(table: Table) -> Schema:
    """The OpenAPI 3.1 description of the endpoint, made from the contract of what serves."""
    serving = _serving(table)
    contract = serving.contract
    columns = {name: contract.columns[name] for name in contract.inputs}
    model = table.traffic.model
    row = _object({name: _column(column) for name, column in columns.items()})
    rows: Schema = {"type": "array", "items": row, "minItems": 1}
    split = _object(
        {
            "columns": {"type": "array", "items": {"type": "string"}},
            "data": {"type": "array", "items": {"type": "array"}},
        },
        optional={"index": {"type": "array"}},
    )
    by_column = _object(
        {name: {"type": "array", "items": _column(column)} for name, column in columns.items()}
    )
    params: Schema = _object({}, optional={"answer": {"enum": ["values", "labels", "both"]}})
    invocations: Schema = {
        "oneOf": [
            _object({key: shape}, optional={"params": params})
            for key, shape in (
                ("dataframe_records", rows),
                ("instances", rows),
                ("dataframe_split", split),
                ("inputs", by_column),
            )
        ]
    }
    score = _object({"input_data": {"oneOf": [rows, split]}}, optional={"params": params})
    tensor = _object(
        {
            "name": {"enum": list(columns)},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "datatype": {"type": "string"},
            "data": {"type": "array"},
        },
        optional={"parameters": {"type": "object"}},
    )
    infer = _object(
        {"inputs": {"type": "array", "items": tensor, "minItems": len(columns)}},
        optional={
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "outputs": {"type": "array", "items": {"type": "object"}},
        },
    )
    predictions: Schema = {"type": "object", "required": ["predictions"]}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{model} ({table.traffic.environment})",
            "version": serving.deployment.version,
            "description": contract.description,
        },
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
            "schemas": {"Refusal": _REFUSAL},
        },
        "security": [{}, {"bearer": []}, {"key": []}],
        "paths": {
            "/invocations": _post(
                "Predict, as MLflow's server does", invocations, predictions, csv=True
            ),
            "/score": _post("Predict, as Azure ML's clients ask", score, {}),
            f"/v2/models/{model}/infer": _post(
                "Infer, by the Open Inference Protocol", infer, {"type": "object"}
            ),
            f"/v2/models/{model}": _get("The model's inputs and outputs"),
            "/v2": _get("The server's metadata"),
            "/v2/health/live": _get("Whether the process lives"),
            "/v2/health/ready": _get("Whether the model answers a self-test"),
            "/metrics": _get("Counts and latencies for Prometheus", "text/plain"),
        },
    }


def metadata(table: Table, loaded: Loaded | None) -> Schema:
    """The model's metadata in the Open Inference Protocol."""
    chosen = loaded or _serving(table)
    contract = chosen.contract
    outputs: list[Schema] = [{"name": "value", "datatype": "FP64", "shape": [-1]}]
    if contract.task == "classification":
        outputs = [
            {"name": "label", "datatype": "INT64", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP64", "shape": [-1, -1]},
        ]
    return {
        "name": table.traffic.model,
        "versions": sorted({each.deployment.version for each in table.loaded}),
        "platform": "onnx" if not chosen.is_slow else "mlflow",
        "inputs": [
            {
                "name": name,
                "datatype": _DATATYPES.get(contract.columns[name].type, "BYTES"),
                "shape": [-1],
            }
            for name in contract.inputs
        ],
        "outputs": outputs,
    }


def page(table: Table) -> str:
    """The description as a page that needs nothing from elsewhere."""
    told = description(table)
    paths = told["paths"]
    assert isinstance(paths, Mapping)  # noqa: S101 - made above
    rows = "".join(
        f"<tr><td>{method.upper()}</td><td><code>{html.escape(path)}</code></td>"
        f"<td>{html.escape(str(about['summary']))}</td></tr>"
        for path, methods in paths.items()
        for method, about in methods.items()
    )
    contract = _serving(table).contract
    columns = "".join(
        f"<tr><td><code>{html.escape(name)}</code></td><td>{column.type}</td>"
        f"<td>{html.escape(_allowed(column))}</td><td>{html.escape(column.unit)}</td>"
        f"<td>{html.escape(column.description)}</td></tr>"
        for name, column in ((name, contract.columns[name]) for name in contract.inputs)
    )
    relations = "".join(
        f"<li><code>{html.escape(each.check)}</code> {html.escape(each.description)}</li>"
        for each in contract.relations
    )
    deployed = "".join(
        f"<tr><td>{html.escape(each.deployment.name)}</td><td>{html.escape(each.deployment.version)}"
        f"</td><td>{each.deployment.share:.0%}</td><td>{each.deployment.mirror:.0%}</td>"
        f"<td><code>{each.deployment.digest[:12]}</code></td></tr>"
        for each in table.loaded
    )
    title = html.escape(f"{table.traffic.model} ({table.traffic.environment})")
    return _PAGE.format(
        title=title,
        about=html.escape(contract.description),
        rows=rows,
        columns=columns,
        relations=f"<h2>Between columns</h2><ul>{relations}</ul>" if relations else "",
        deployed=deployed,
    )


def _serving(table: Table) -> Loaded:
    return max(table.loaded, key=lambda each: each.deployment.share)


def _allowed(column: Column) -> str:
    told = []
    if column.range:
        told.append(f"{column.range[0]:g} to {column.range[1]:g}")
    if column.categories:
        told.append("one of " + ", ".join(map(str, column.categories)))
    if column.missing:
        told.append("may be null")
    return "; ".join(told)


def _object(required: Mapping[str, object], optional: Mapping[str, object] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def _column(column: Column) -> Schema:
    about: Schema = {"type": _TYPES[column.type], "description": column.description}
    if column.type in ("integer", "number"):
        most = LARGEST_INTEGER - 1 if column.type == "integer" else LARGEST_FLOAT32
        about["minimum"], about["maximum"] = column.range or (-most, most)
    if column.categories:
        about["enum"] = [*column.categories, *([None] if column.missing else [])]
    if column.type == "datetime":
        about["format"] = "date-time"
    if column.missing:
        about["type"] = [about["type"], "null"]
    return about


def _post(summary: str, asked: Schema, answered: Schema, *, csv: bool = False) -> Schema:
    content: dict[str, object] = {"application/json": {"schema": asked}}
    if csv:
        content["text/csv"] = {"schema": {"type": "string"}}
    refusals = {
        str(status): {
            "description": told,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}},
        }
        for status, told in _REFUSALS.items()
    }
    return {
        "post": {
            "summary": summary,
            "requestBody": {"required": True, "content": content},
            "responses": {
                "200": {
                    "description": "The answers, one for each row",
                    "content": {"application/json": {"schema": answered}},
                },
                **refusals,
            },
        }
    }


def _get(summary: str, kind: str = "application/json") -> Schema:
    return {
        "get": {
            "summary": summary,
            "responses": {
                "200": {"description": summary, "content": {kind: {"schema": {}}}},
                "401": {"description": "No valid key"},
            },
        }
    }


_REFUSALS = {
    400: "The body is not what was expected, or breaks the data contract",
    401: "No valid key",
    404: "No such deployment",
    408: "The body did not arrive in time",
    413: "Too large, or too many rows",
    415: "Another content type or encoding than expected",
}
_REFUSAL: Schema = {
    "type": "object",
    "required": ["error_code", "message", "request_id"],
    "properties": {
        "error_code": {"type": "string"},
        "message": {"type": "string"},
        "error": {"type": "string"},
        "request_id": {"type": "string"},
        "violations": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "row": {"type": ["integer", "null"]},
                    "column": {"type": "string"},
                    "rule": {"type": "string"},
                    "value": {"type": "string"},
                },
            },
        },
    },
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width">
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8886; vertical-align: top; }}
</style></head><body>
<h1>{title}</h1><p>{about}</p>
<table><tr><th>method</th><th>address</th><th></th></tr>{rows}</table>
<p><a href="openapi.json">openapi.json</a> has the shapes of every request.</p>
<h2>Columns</h2>
<table><tr><th>column</th><th>type</th><th>values</th><th>unit</th><th></th></tr>{columns}</table>
{relations}
<h2>Deployments</h2>
<table><tr><th>name</th><th>version</th><th>share</th><th>mirror</th><th>digest</th></tr>{deployed}
</table></body></html>
"""
