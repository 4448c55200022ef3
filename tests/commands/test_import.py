"""`noxcli import`: a dry run first, and an import that is sent once, whatever the server answers."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from noxcli.runs.start import ImportRequest
from noxcli.sandbox.faults import Answer, Drop, Fault, Hold, LostAnswer
from noxcli.sandbox.scenario import Scenario, fixed_input, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.switches import Switches
from tests.conftest import Noxcli, QuickClock
from tests.process import ended_by, environment, forked, on_terminal, running, until, watched

FLOW = Scenario(
    "asked",
    nodes=[input_node("Question"), fixed_input("Prompt", "Be brief."), output_node("Answer")],
    output=lambda inputs: {"Answer": inputs["Prompt"]},
)
MODES = ["clone", "version", "replace"]
PASSES = Hold(0)  # a request that no fault hits


@contextmanager
def serving(noxcli: Noxcli, *faults: Fault, **switches: Any) -> Iterator[Sandbox]:
    """A sandbox with the workflow `asked`, and these faults of imports, for the commands of this test."""
    with Sandbox(
        [FLOW], speed=1000, switches=Switches(**switches), faults={"import": list(faults)}
    ) as sandbox:
        noxcli.environ = {**noxcli.environ, "NOXUS_BACKEND_URL": sandbox.url}
        yield sandbox


def edited(noxcli: Noxcli, tmp_path: Path) -> str:
    """The bundle of `asked` with another prompt, as a file."""
    file = tmp_path / "asked.nx"
    file.write_text(noxcli("export", "asked").text.replace("Be brief.", "Be kind."))
    return str(file)


def imports(sandbox: Sandbox) -> list[str]:
    return [each.path.partition("?")[2] for each in sandbox.requests if "/import" in each.path]


def answered(noxcli: Noxcli, workflow: str, *options: str) -> str:
    return noxcli("run", workflow, "Question=x", "--raw", "Answer", *options).text


@pytest.mark.parametrize("mode", MODES)
def test_without_apply_nothing_is_written(noxcli: Noxcli, tmp_path: Path, mode: str) -> None:
    with serving(noxcli) as sandbox:
        done = noxcli("import", edited(noxcli, tmp_path), "--mode", mode)
        rows = [line.split("\t") for line in done.text.splitlines()]
        assert (done.code, rows[:2]) == (0, [["server", sandbox.url], ["mode", mode]])
        assert ([row for row in rows if row[0] == "target"] != []) is (mode != "clone")
        assert json.loads(rows[-1][1])["action"] in {"created", "version_added", "replaced"}
        assert done.err == "nothing was imported; add --apply to import it\n"
        assert imports(sandbox) == [f"mode={mode}&activate=false&dry_run=true"]
        assert noxcli("versions", "asked").text == ""
        assert len(noxcli("workflows").text.splitlines()) == 1
        assert answered(noxcli, "asked") == "Be brief."


def test_apply_names_what_the_answer_calls_new(noxcli: Noxcli, tmp_path: Path) -> None:
    for form in ("record", "nested"):
        with serving(noxcli, import_answer=form):
            bundle = edited(noxcli, tmp_path)
            kind, clone = (
                noxcli("import", bundle, "--mode", "clone", "--apply").text.rstrip().split("\t")
            )
            assert (kind, answered(noxcli, clone)) == ("workflow", "Be kind."), form
            added = noxcli("import", bundle, "--mode", "version", "--apply", "--json").json
            (version,) = added["created"]
            assert (added["applied"], added["retry_safe"], version["kind"]) == (
                True,
                False,
                "version",
            )
            assert answered(noxcli, "asked", "--version-id", version["id"]) == "Be kind."
            assert answered(noxcli, "asked") == "Be brief."
            replaced = noxcli("import", bundle, "--mode", "replace", "--apply")
            assert (replaced.text, replaced.err) == (
                f"replaced\t{added['targets'][0]['id']}\tasked\n",
                "imported\n",
            )
            assert answered(noxcli, "asked") == "Be kind."


@pytest.mark.parametrize(
    ("form", "mode"), [("empty", "clone"), ("empty", "version"), ("ids", "version")]
)
def test_an_answer_that_names_nothing_new_says_how_to_look(
    noxcli: Noxcli, tmp_path: Path, form: str, mode: str
) -> None:
    with serving(noxcli, import_answer=form):
        done = noxcli("import", edited(noxcli, tmp_path), "--mode", mode, "--apply", "--json")
        assert (done.code, done.json["applied"], done.json["created"]) == (0, True, [])
        ids = [each["id"] for each in done.json["targets"]]
        look = f"noxcli versions {ids[0]}" if ids else "noxcli workflows"
        assert f"the answer does not name what was created; list it with: {look}\n" in done.err
        assert len(noxcli(*look.split()[1:]).text.splitlines()) == (1 if ids else 2)


OLD, NEW, OTHER = (f"0000000{number}-aaaa-4aaa-8aaa-aaaaaaaaaaaa" for number in (1, 2, 3))


@pytest.mark.parametrize(
    ("mode", "said", "created"),
    [
        ("version", [{"id": OLD, "version_id": NEW}], [NEW]),
        ("version", [{"id": NEW, "request_id": OTHER}, {"a": [{"id": OTHER}]}], [NEW, OTHER]),
        ("version", [{"id": OLD, "request_id": NEW}], []),
        ("version", [{"id": NEW, "version_id": OTHER}], []),
        ("clone", [{"id": NEW, "version_id": OTHER}], [NEW]),
        ("replace", [{"id": NEW}], []),
    ],
)
def test_only_one_new_id_is_what_was_created(
    mode: str, said: list[Any], created: list[str]
) -> None:
    found = ImportRequest("", mode, activate=False).created_in(said, {OLD: "asked"})
    assert [each["id"] for each in found] == created


@pytest.mark.parametrize("write", [str.lower, str.upper])
def test_a_workflow_in_the_bundle_is_a_target_in_any_case(write: Callable[[str], str]) -> None:
    for listed in (OLD, OLD.upper()):
        request = ImportRequest(f'{{"id": "{write(OLD)}"}}', "replace", activate=False)
        assert request.targets({listed: "asked", OTHER: "other"}) == {listed: "asked"}


def test_activate_makes_the_version_current(noxcli: Noxcli, tmp_path: Path) -> None:
    with serving(noxcli):
        assert (
            noxcli(
                "import", edited(noxcli, tmp_path), "--mode", "version", "--apply", "--activate"
            ).code
            == 0
        )
        assert answered(noxcli, "asked") == "Be kind."


@pytest.mark.parametrize(
    ("fault", "code", "sent", "safe"),
    [
        (LostAnswer("drop"), 7, 2, False),
        (Drop(), 7, 2, False),
        (Answer(502, "<html>"), 7, 2, False),
        (Answer(200, "not JSON"), 7, 2, False),
        (Answer(303, None, {"Location": "/v1/workflows"}), 7, 2, False),
        (Answer(503, {"detail": "later"}), 7, 2, False),
        (Answer(101), 7, 2, False),
        (Answer(429), 0, 3, False),
        (Answer(422), 2, 2, True),
        (Answer(403), 4, 2, True),
    ],
    ids=str,
)
def test_an_import_is_sent_once(
    noxcli: Noxcli, tmp_path: Path, fault: Fault, code: int, sent: int, *, safe: bool
) -> None:
    clock = noxcli.clock = QuickClock()
    with serving(noxcli, PASSES, fault) as sandbox:
        done = noxcli("import", edited(noxcli, tmp_path), "--mode", "version", "--apply", "--json")
        assert (done.code, done.json["retry_safe"]) == (code, safe)
        assert len(imports(sandbox)) == sent
        if code == 7:
            assert clock.slept == [], "no list has what it did"
            assert "check before you import it again: noxcli versions" in done.err
            assert done.json["error"]["phase"] == "start"
        versions = noxcli("versions", "asked").text.splitlines()
        assert len(versions) == (code == 0 or isinstance(fault, LostAnswer))


def test_an_import_that_was_only_put_off_may_be_repeated(noxcli: Noxcli, tmp_path: Path) -> None:
    with serving(noxcli, PASSES, Answer(429, {"detail": "later"}, repeat=True)) as sandbox:
        done = noxcli("import", edited(noxcli, tmp_path), "--mode", "version", "--apply", "--json")
        assert (done.code, done.json["retry_safe"], len(imports(sandbox)) > 3) == (75, True, True)


@pytest.mark.parametrize(
    ("switches", "code"),
    [
        ({"import_refusal": "403"}, 4),
        ({"import_refusal": "409"}, 2),
        ({"import_refusal": "422"}, 2),
        ({"unreadable_bundle": "422"}, 2),
        ({"unreadable_bundle": "400"}, 2),
    ],
)
def test_a_rejected_bundle_ends_with_the_dry_run(
    noxcli: Noxcli, tmp_path: Path, switches: dict[str, Any], code: int
) -> None:
    with serving(noxcli, **switches) as sandbox:
        bundle = edited(noxcli, tmp_path)
        if "unreadable_bundle" in switches:
            Path(bundle).write_text("a: [")
        done = noxcli("import", bundle, "--mode", "version", "--apply", "--json")
        assert (done.code, done.json["ok"], len(imports(sandbox))) == (code, False, 1)


@pytest.mark.parametrize(
    "fault", [LostAnswer("drop"), Drop(), Answer(502, "<html>"), Answer(200, "not JSON")], ids=str
)
@pytest.mark.parametrize("options", [[], ["--apply"]])
def test_a_lost_dry_run_is_tried_again_as_a_read(
    noxcli: Noxcli, tmp_path: Path, fault: Fault, options: list[str]
) -> None:
    noxcli.clock = QuickClock()
    argv = ["--mode", "version", "--json", *options]
    with serving(noxcli, fault) as sandbox:
        done = noxcli("import", edited(noxcli, tmp_path), *argv)
        assert (done.code, len(imports(sandbox))) == (0, 2 + len(options)), done.err
    with serving(noxcli, replace(fault, repeat=True)):
        done = noxcli("import", edited(noxcli, tmp_path), *argv)
        assert (done.code, done.json["retry_safe"]) == (75, True)


def test_an_answer_that_repeats_the_key_shows_no_key(noxcli: Noxcli, tmp_path: Path) -> None:
    key = noxcli.environ["NOXUS_API_KEY"]
    with serving(noxcli, Answer(200, [{"name": key, "more": [key]}], repeat=True)):
        bundle = edited(noxcli, tmp_path)
        texts = [
            noxcli("import", bundle, "--mode", "clone", *form).out for form in ((), ("--json",))
        ]
    with serving(noxcli, Answer(422, {"detail": f"no {key}"})):
        texts.append(noxcli("import", bundle, "--mode", "clone").err.encode())
    assert not any(key.encode() in text for text in texts), texts


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b" \n", "is empty"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (b'{"nodes": []}', "is a definition alone, not a bundle"),
    ],
)
def test_a_wrong_file_is_one_line(
    noxcli: Noxcli, sandbox: Sandbox, tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "x.json").write_bytes(content)
    done = noxcli("import", str(tmp_path / "x.json"), "--mode", "clone", "--apply")
    assert (done.code, said in done.err, len(done.err.splitlines())) == (2, True, 1)
    assert sandbox.requests == []


def test_a_file_that_is_not_there_is_one_line(
    noxcli: Noxcli, sandbox: Sandbox, tmp_path: Path
) -> None:
    for file in (tmp_path / "none.nx", tmp_path):
        done = noxcli("import", str(file), "--mode", "clone")
        assert (done.code, f"can't read {file}" in done.err) == (2, True)
    assert noxcli("import", "x.nx").code == 2, "without --mode"
    assert sandbox.requests == []


@pytest.mark.parametrize(("typed", "code"), [("y", 0), ("n", 2), ("", 2)])
def test_a_terminal_is_asked_before_what_is_current_changes(
    noxcli: Noxcli, tmp_path: Path, typed: str, code: int
) -> None:
    with serving(noxcli) as sandbox:
        bundle = edited(noxcli, tmp_path)
        argv = [*forked(), "import", bundle, "--mode", "replace", "--apply"]
        with on_terminal(argv, environment(sandbox.url, sandbox.key)) as seen:
            seen.wait_for(b"[y/N]")
            os.write(seen.end, f"{typed}\n".encode())
        assert (seen.process.returncode, b"replace 'asked'" in seen.raw) == (code, True)
        assert answered(noxcli, "asked") == ("Be brief." if code else "Be kind.")
        silent = noxcli("import", bundle, "--mode", "replace", "--apply", "--json", tty=True)
        assert (silent.code, "no terminal to ask on" in silent.err, silent.json["retry_safe"]) == (
            2,
            True,
            True,
        )


def test_a_version_is_not_asked_for_and_may_be_on_stdin(noxcli: Noxcli) -> None:
    with serving(noxcli) as sandbox:
        env = environment(sandbox.url, sandbox.key)
        line = f"{forked()[0]} export asked | {forked()[0]} import - --mode version --apply"
        seen = watched(["bash", "-c", line], env)
        assert (seen.process.returncode, b"[y/N]" in seen.raw) == (0, False)
        assert len(noxcli("versions", "asked").text.splitlines()) == 1
        seen = watched(["bash", "-c", f"{line.removesuffix(' --apply')}"], env)
        assert b'"action":"version_added"' in seen.raw


@pytest.mark.parametrize(
    "fault", [Hold(60_000), pytest.param(LostAnswer("hold"), marks=pytest.mark.wide)]
)
def test_a_signal_during_an_import_leaves_it_in_doubt(
    noxcli: Noxcli, tmp_path: Path, fault: Fault
) -> None:
    with serving(noxcli, PASSES, fault) as sandbox:
        argv = ["import", edited(noxcli, tmp_path), "--mode", "version", "--apply", "--json"]
        with running(*argv, env=environment(sandbox.url, sandbox.key)) as process:
            until(lambda: len(imports(sandbox)) == 2)
            out, err = ended_by(process, signal.SIGTERM)
    document = json.loads(out)
    assert (process.returncode, document["retry_safe"]) == (143, False)
    assert b"during the import, whose outcome is unknown" in err
