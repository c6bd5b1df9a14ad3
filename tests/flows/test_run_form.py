"""The form that starts a run in Prefect's pages: its fields, types, and what must be given."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from prefect import Flow

from flows.accept_receipt import accept_receipt
from flows.audit_content import audit_content
from flows.catalog_import import catalog_import
from flows.check_server import check_server
from flows.decide import decide
from flows.export_bundle import export_bundle
from flows.import_bundle import import_bundle
from flows.verify_bundle import verify_bundle

TEXT = "string"
CHOICE = "incremental, mirror or null"
MAYBE_TEXT = "string or null"
MAYBE_TEXTS = "array of string or null"
YES_NO = "boolean"
# Name of the flow, its fields in their order with their types, and those that must be given.
FORMS: dict[str, tuple[Flow[Any, Any], dict[str, str], set[str]]] = {
    "export": (
        export_bundle,
        {
            "site": TEXT,
            "mode": CHOICE,
            "full": YES_NO,
            "new": YES_NO,
            "since": "integer or null",
            "bring": MAYBE_TEXT,
            "rehearse": YES_NO,
            "confirm": MAYBE_TEXT,
            "take_over": MAYBE_TEXT,
            "accept_findings": MAYBE_TEXTS,
        },
        {"site"},
    ),
    "import": (
        import_bundle,
        {
            "site": TEXT,
            "bundles": MAYBE_TEXTS,
            "rehearse": YES_NO,
            "confirm": MAYBE_TEXT,
            "accept_gap": MAYBE_TEXT,
            "take_over": MAYBE_TEXT,
            "accept_findings": MAYBE_TEXTS,
            "if_new": YES_NO,
            "rebuilt": MAYBE_TEXT,
            "carried_by": MAYBE_TEXT,
        },
        {"site"},
    ),
    "verify": (
        verify_bundle,
        {"site": TEXT, "bundles": MAYBE_TEXTS, "if_new": YES_NO, "carried_by": MAYBE_TEXT},
        {"site"},
    ),
    "check": (check_server, {"site": TEXT}, {"site"}),
    "accept": (
        accept_receipt,
        {"site": TEXT, "receipt": TEXT, "carried_by": MAYBE_TEXT},
        {"site", "receipt"},
    ),
    "audit": (
        audit_content,
        {
            "site": TEXT,
            "adopt": YES_NO,
            "rehearse": YES_NO,
            "confirm": MAYBE_TEXT,
            "every_update": YES_NO,
            "take_over": MAYBE_TEXT,
        },
        {"site"},
    ),
    "decide": (
        decide,
        {
            "site": TEXT,
            "updates": f"array of {TEXT}",
            "decision": TEXT,
            "reason": TEXT,
            "group": MAYBE_TEXT,
            "until": MAYBE_TEXT,
            "revoke": YES_NO,
        },
        {"site", "updates", "decision", "reason"},
    ),
    "catalog-import": (
        catalog_import,
        {"site": TEXT, "update_ids": "array of string", "take_over": MAYBE_TEXT},
        {"site", "update_ids"},
    ),
}


def type_of(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """The type of one field in words."""
    if "$ref" in schema:
        return ", ".join(definitions[schema["$ref"].rpartition("/")[2]]["enum"])
    if "anyOf" in schema:
        return " or ".join(type_of(option, definitions) for option in schema["anyOf"])
    if schema.get("type") == "array":
        return f"array of {type_of(schema['items'], definitions)}"
    return str(schema["type"])


@pytest.mark.parametrize("name", FORMS)
def test_the_form_of_a_flow_has_its_fields_types_and_what_must_be_given(name: str) -> None:
    flow, fields, required = FORMS[name]
    form = flow.parameters.model_dump()
    ordered = sorted(form["properties"].items(), key=lambda item: item[1]["position"])
    assert flow.name == name
    assert {key: type_of(schema, form["definitions"]) for key, schema in ordered} == fields
    assert [key for key, _ in ordered] == list(fields)
    assert set(form["required"]) == required
    assert flow.flow_run_name == f"{{site}} {name}"


@pytest.mark.parametrize("name", FORMS)
def test_every_field_of_a_form_is_explained(name: str) -> None:
    flow, fields, _ = FORMS[name]
    form = flow.parameters.model_dump()
    assert [key for key in fields if not form["properties"][key].get("description")] == []
    assert inspect.getdoc(flow.fn)
