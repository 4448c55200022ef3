"""`noxcli versions`, and `--version-id` by id and by name, on servers that list versions in different ways."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.faults import Answer
from noxcli.sandbox.scenario import Version, input_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, Result, write_rows
from tests.rawserver import Turn, answer, json_answer, raw_server

WORKFLOW = "0b6e2d0e-6f36-4b2f-9a39-00000000000f"
FIRST = "/versions?page=1"
A, B, C = (f"0b6e2d0e-6f36-4b2f-9a39-0000000000{end}" for end in ("aa", "bb", "cc"))


def version(id: str, name: str | None, day: int = 1, **more: Any) -> dict[str, Any]:
    nodes = [{"id": "n", "type": "InputNode", "node_config": {"label": f"Input of {name}"}}]
    return {
        "id": id,
        "name": name,
        "created_at": f"2026-01-0{day}T00:00:00Z",
        "definition": {"nodes": nodes},
        **more,
    }


def page(*items: Any, number: int = 1, **more: Any) -> bytes:
    return json_answer({"items": items, "page": number, "size": 1, **more})


def asked(noxcli: Noxcli, verb: str, *options: str, turns: list[Turn]) -> tuple[Result, list[str]]:
    """Call the verb on a server with these answers; return the requests, too."""
    with raw_server(*turns) as server:
        result = noxcli(verb, WORKFLOW, *options, "--base-url", server.url, "--retry-for", "0")
        return result, [
            request.target.removeprefix(f"/v1/workflows/{WORKFLOW}") for request in server.requests
        ]


def test_a_line_a_version_newest_first(noxcli: Noxcli) -> None:
    bare = json_answer([version(A, "one", 1), version(B, None, 3), version(C, "three", 2)])
    result, paths = asked(noxcli, "versions", turns=[bare])
    assert [line.split("\t") for line in result.text.splitlines()] == [
        [B, "", "2026-01-03T00:00:00Z", ""],
        [C, "three", "2026-01-02T00:00:00Z", ""],
        [A, "one", "2026-01-01T00:00:00Z", ""],
    ]
    assert (result.code, result.err, paths) == (0, "", [FIRST, ""])


def test_the_version_in_use_is_marked(noxcli: Noxcli) -> None:
    def in_use() -> dict[str, bool | None]:
        listed = noxcli("versions", "review", "--json").json["versions"]
        return {each["name"]: each["in_use"] for each in listed}

    assert in_use() == {"base": True, "new": False}
    lines = [line.split("\t") for line in noxcli("versions", "review").text.splitlines()]
    assert [(line[1], line[3]) for line in lines] == [("new", ""), ("base", "in use")]
    noxcli("export", "review", "-o", "review.nx")
    noxcli("import", "review.nx", "--mode", "version", "--apply")
    assert {*in_use().values()} == {None}, "two versions have the definition of now"
    bundle = Path("review.nx").read_text().replace("Answer the customer", "Greet")
    Path("review.nx").write_text(bundle)
    noxcli("import", "review.nx", "--mode", "version", "--apply", "--activate")
    assert [*in_use().values()].count(True) == 1


def test_without_the_workflow_no_version_is_marked(noxcli: Noxcli) -> None:
    turns: list[Turn] = [json_answer([version(A, "one")]), answer(500)]
    result, _ = asked(noxcli, "versions", "--json", turns=turns)
    assert [each["in_use"] for each in result.json["versions"]] == [None]


def test_a_table_on_a_terminal(noxcli: Noxcli, plays: Any) -> None:
    table = noxcli.on_screen("versions", plays(versions=[Version("first"), Version("second")]))
    assert table[0].split() == ["ID", "NAME", "CREATED", "IN", "USE"]
    assert {line.split()[1] for line in table[1:]} == {"first", "second"}


def test_without_versions_and_without_a_list(noxcli: Noxcli, plays: Any) -> None:
    assert noxcli("versions", plays()).err == "no versions\n"
    gone, _ = asked(noxcli, "versions", "--json", turns=[json_answer({"detail": "Not Found"}, 404)])
    assert (gone.code, gone.json["exit_code"], gone.json["ok"]) == (5, 5, False)


def test_the_document_of_versions(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(versions=[Version("first", "how it began")])
    document = noxcli("versions", workflow, "--json").json
    assert (document["schema"], document["ok"], document["limit"]) == (
        "noxcli.versions/1",
        True,
        30,
    )
    (only,) = document["versions"]
    assert (only["name"], only["description"], only["workflow_id"]) == (
        "first",
        "how it began",
        workflow,
    )


# --version-id.

VERSIONS = [version(A, "one"), version(B, "two"), version(C, "twin"), version(A[:-1] + "b", "twin")]


def sent(result: Result) -> Any:
    return result.json["request"]["body"].get("workflow_version_id")


@pytest.mark.parametrize("text", [B, B.upper(), "two"])
@pytest.mark.parametrize("paged", [True, False])
def test_a_version_by_its_id_in_either_case_or_its_name(
    noxcli: Noxcli, text: str, paged: bool
) -> None:
    pages: list[Turn] = [page(VERSIONS[0], pages=2), page(VERSIONS[1], number=2, pages=2)]
    turns: list[Turn] = pages if paged else [json_answer(VERSIONS)]
    options = ("--version-id", text, "--dry-run", "--json")
    result, paths = asked(noxcli, "run", "Input of two=x", *options, turns=turns)
    assert (result.code, sent(result), len(paths)) == (0, B, len(turns)), result.err
    wrong, _ = asked(noxcli, "run", "Input of one=x", *options, turns=turns)
    assert (wrong.code, "did you mean 'Input of two'" in wrong.err) == (2, True), wrong.err
    shown, _ = asked(noxcli, "inputs", "--version-id", text, turns=turns)
    assert "Input of two" in shown.text


def test_an_ambiguous_version_name_asks_for_an_id(noxcli: Noxcli) -> None:
    for verb in ("run", "inputs"):
        twin, _ = asked(noxcli, verb, "--version-id", "twin", turns=[json_answer(VERSIONS)])
        assert (twin.code, f"give one of their ids: {C}, {A[:-1]}b" in twin.err) == (2, True)
        near, _ = asked(noxcli, verb, "--version-id", "towns", turns=[json_answer(VERSIONS)])
        assert (near.code, "did you mean" in near.err) == (5, True)


UNREADABLE: list[Turn] = [
    json_answer({}, 404),
    json_answer({}, 403),
    answer(500),
    answer(405),
    json_answer([{"name": "odd"}]),
]


@pytest.mark.parametrize("turn", UNREADABLE, ids=lambda turn: str(turn[9:12]))
def test_an_unreadable_version_list_is_a_warning(noxcli: Noxcli, turn: Turn) -> None:
    options = ("key=x", "--version-id", B.upper(), "--dry-run", "--json")
    result, paths = asked(noxcli, "run", *options, turns=[turn])
    assert (result.code, sent(result), paths) == (0, B.upper(), [FIRST])
    assert "warning: the workflow's versions can't be read: " in result.err
    named, _ = asked(noxcli, "run", "--version-id", "two", "--dry-run", turns=[turn])
    assert (named.code, "version 'two' can't be looked up" in named.err) == (2, True)


def test_a_refused_key_ends_it(noxcli: Noxcli) -> None:
    assert asked(noxcli, "run", "--version-id", B, "--dry-run", turns=[answer(401)])[0].code == 4


def test_without_checks_a_version_id_is_sent_unseen(noxcli: Noxcli) -> None:
    options = ("--no-check", "--dry-run", "--json")
    unseen, paths = asked(noxcli, "run", "--version-id", B, *options, turns=[answer(500)])
    assert (unseen.code, sent(unseen), paths) == (0, B, [])
    named, paths = asked(
        noxcli, "run", "--version-id", "two", *options, turns=[json_answer(VERSIONS)]
    )
    assert (named.code, sent(named), paths) == (0, B, [FIRST])


def test_a_batch_takes_a_version_by_its_name(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(nodes=[input_node("Q")], output={"A": "x"}, versions=[Version("first")])
    write_rows("1")
    assert noxcli("batch", workflow, "rows.jsonl", "--version-id", "first").code == 0
    listed = noxcli("versions", workflow, "--json").json["versions"]
    assert sandbox.runs(workflow)[0].body["workflow_version_id"] == listed[0]["id"]
    lost = plays(nodes=[input_node("Q")], output={"A": "x"}, faults={"workflow": [Answer(404)] * 9})
    assert (
        noxcli("batch", lost, "rows.jsonl", "--version-id", "first", "--output-dir", "out").code
        == 2
    )


def test_a_file_in_place_of_a_version_is_imported_as_one(noxcli: Noxcli) -> None:
    noxcli("export", "qa", "-o", "my bundle.nx")
    here = noxcli.environ.pop("NOXUS_BACKEND_URL")
    result = noxcli("run", "qa", "Question=x", "--version-id=my bundle.nx", "--base-url", here)
    line = result.err.partition("save the file as one: ")[2].strip()
    assert f"import --base-url {here} 'my bundle.nx'" in line
    assert noxcli(*shlex.split(line)[1:]).code == 0
    noxcli("export", "qa", "--definition", "-o", "qa.json", "--base-url", here)
    bare = noxcli("run", "qa", "Question=x", "--version-id=qa.json", "--base-url", here)
    assert "it is a definition alone: export the workflow without --definition" in bare.err
