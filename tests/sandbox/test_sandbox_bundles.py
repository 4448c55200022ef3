"""Export, import and saved versions: what was imported can be listed and run, and a dry run writes nothing."""

import base64
import json
from typing import Any

import pytest
import yaml

from noxcli.sandbox.scenario import fixed_input, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.switches import Switches

from .api import Api

NODES = [input_node("Topic"), fixed_input("Prompt", "Be brief.\nBe kind."), output_node("Answer")]
UNKNOWN = "0b6e2d0e-6f36-4b2f-9a39-00000000000f"


def workflow(api: Api, name: str = "asked") -> str:
    """Serve a workflow that answers with its own prompt."""
    return api.plays(name, nodes=NODES, output=lambda inputs: {"Answer": inputs["Prompt"]})


def exported(api: Api, workflow_id: str, **query: Any) -> str:
    answer = api.post(f"/v1/workflows/{workflow_id}/export", params={"version": "v4", **query})
    assert answer.status_code == 200, answer.text
    return answer.text


def imported(api: Api, bundle: str, mode: str, **query: Any) -> Any:
    answer = api.post(
        "/v1/workflows/import",
        {"definition": bundle, "version": "auto"},
        params={"mode": mode, **query},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def answered(api: Api, workflow_id: str, version_id: str | None = None) -> str:
    run = api.finished(api.start(workflow_id, {"Topic": "x"}, workflow_version_id=version_id))
    return str(run["output"]["Answer"])


def test_a_bundle_is_yaml_as_it_is_or_in_base64(api: Api) -> None:
    asked = workflow(api)
    plain = exported(api, asked)
    head, record = yaml.safe_load_all(plain)

    assert record["definition"] == api.get(f"/v1/workflows/{asked}").json()["definition"]
    assert "|-\n" in plain, "a text of several lines is a block"
    assert head["dependencies"] == []
    assert "dependencies" not in exported(api, asked, include_dependencies="false")
    assert {
        base64.b64decode(exported(api, asked, version=form)).decode() for form in ("v3", "auto")
    } == {plain}
    preview = api.get(f"/v1/workflows/{asked}/export/preview").json()
    assert [each["id"] for each in preview["workflows"]] == [asked]


@pytest.mark.parametrize("active", ["query", "bundle"])
def test_a_version_may_become_the_current_one(api: Api, active: str) -> None:
    asked = workflow(api)
    query = {"set_active_on_import": "true"} if active == "bundle" else {}
    edited = exported(api, asked, **query).replace("Be brief.", "Be long.")
    imported(api, edited, "version", activate=active == "query")

    assert answered(api, asked) == "Be long.\nBe kind."


def test_a_version_is_saved_with_its_own_definition(api: Api) -> None:
    asked = workflow(api)
    text = json.dumps(api.get(f"/v1/workflows/{asked}").json()["definition"]).replace(
        "Be brief.", "Be long."
    )
    body = {"name": "second", "description": None, "definition": json.loads(text)}
    saved = api.post(f"/v1/workflows/{asked}/versions", body).json()

    assert saved.keys() == {"id", "name", "description", "created_at", "created_by", "definition"}
    assert answered(api, asked, saved["id"]) == "Be long.\nBe kind."
    bodies: list[dict[str, Any]] = [
        {"name": "x"},
        {"definition": {}},
        {"name": "x", "definition": {"nodes": [{}], "edges": []}},
    ]
    for wrong in bodies:
        assert api.post(f"/v1/workflows/{asked}/versions", wrong).status_code == 422


def test_a_workflow_from_elsewhere_runs_with_made_up_outputs(api: Api) -> None:
    asked = workflow(api)
    (clone,) = imported(api, exported(api, asked).replace(asked, UNKNOWN), "clone")

    assert answered(api, clone["id"]) == "Answer of an imported workflow"
    answer = api.post(
        "/v1/workflows/import",
        {"definition": exported(api, asked).replace(asked, UNKNOWN)},
        params={"mode": "replace"},
    )
    assert answer.status_code == 404


BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
WRONG = [
    "",
    "a: [",
    "plain text",
    "kind: bundle",
    "kind: bundle\n---\nkind: workflow\ndefinition: 3",
    "&a [*a]",
    BOMB,
    "2026-01-01: x",
    "[" * 999,
]


@pytest.mark.parametrize(
    ("status", "texts"), [("422", WRONG), ("400", WRONG[1:2]), ("500", WRONG[1:2])]
)
def test_a_text_that_is_not_a_bundle_is_rejected(texts: list[str], status: Any) -> None:
    with Sandbox(switches=Switches(unreadable_bundle=status)) as sandbox:
        api = Api(sandbox)
        for text in texts:
            answer = api.post("/v1/workflows/import", {"definition": text})
            assert (answer.status_code, isinstance(answer.json()["detail"], str)) == (
                int(status),
                True,
            ), text
        api.session.close()
