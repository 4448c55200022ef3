"""The published schemas: valid, printed whole, and strict enough to be useful."""

import json
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, ValidationError, meta

from noxcli.errors import ExitCode, Phase
from noxcli.runs.event_dedup import Continuity
from noxcli.schemas import schema_named, schema_names
from tests.conftest import Noxcli
from tests.documents import check_document


@pytest.mark.parametrize("name", schema_names())
def test_a_schema_is_one_of_the_draft_and_stands_alone(name: str) -> None:
    schema = schema_named(name)
    meta.validate(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"].startswith(f"noxcli.{name}/")
    assert '.json"' not in json.dumps(schema)
    Draft202012Validator(schema).is_valid({})  # every reference leads somewhere


@pytest.mark.parametrize("asked", ["result", "noxcli.result/1"])
def test_a_schema_is_printed_by_either_of_its_names(noxcli: Noxcli, asked: str) -> None:
    assert noxcli("schema", asked).json == schema_named("result")


def test_without_a_name_they_are_listed(noxcli: Noxcli) -> None:
    assert [line.split("\t")[0] for line in noxcli("schema").text.splitlines()] == schema_names()
    assert [entry["name"] for entry in noxcli("schema", "--json").json["schemas"]] == schema_names()


def test_a_name_that_is_none_is_told_with_the_nearest(noxcli: Noxcli) -> None:
    result = noxcli("schema", "resultt")
    assert (result.code, result.err) == (
        2,
        "noxcli: there is no schema named 'resultt'; did you mean result?\n",
    )


def test_the_words_of_the_schema_are_those_of_the_code() -> None:
    definitions = schema_named("result")["$defs"]
    assert definitions["error"]["properties"]["phase"]["enum"] == [str(phase) for phase in Phase]
    assert set(definitions["stream"]["properties"]["continuity"]["enum"]) == {
        str(label) for label in Continuity
    }
    assert max(ExitCode) <= schema_named("result")["properties"]["exit_code"]["maximum"]


def a_result(noxcli: Noxcli, workflow: str) -> dict[str, Any]:
    document: dict[str, Any] = noxcli("run", workflow, "--json").json
    return document


@pytest.mark.parametrize(
    "wrong",
    [
        {"ok": "yes"},
        {"exit_code": 256},
        {"run": {"id": "x"}},
        {"stream": None},
        {"unheard_of": 1},
        {"files": [{}]},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_wrong_document_does_not_pass(noxcli: Noxcli, plays: Any, wrong: dict[str, Any]) -> None:
    document = a_result(noxcli, plays(output={"A": "x"}))
    check_document(document)
    with pytest.raises(AssertionError, match="result: "):
        check_document(document | wrong)


def test_a_schema_leaves_room_for_later_versions(noxcli: Noxcli, plays: Any) -> None:
    document = a_result(noxcli, plays(output={"A": "x"}))
    validator = Draft202012Validator(schema_named("result"))
    validator.validate(document | {"of_a_later_version": 1})
    with pytest.raises(ValidationError):
        validator.validate({key: value for key, value in document.items() if key != "stream"})
