"""`--format content`: the text once, whatever form its pieces have, and no success without it."""

from typing import Any

import pytest

from noxcli.sandbox.steps import Emit, Raw, node_runs
from tests.conftest import Noxcli
from tests.otherside import RUN, STREAM, WORKFLOW, called, end, event, record, sends, streams
from tests.sample import one_in

START = ("run", WORKFLOW, "--no-check", "Q=x", "--format", "content", "--quiet")
WORDS = ["alpha ", "beta ", "gamma"]


def said(content: Any, number: int, status: str = "running") -> bytes:
    return event({"id": "A", "status": status, "content": content}, f"{number}-0")


def log(*contents: Any) -> list[bytes]:
    return [*(said(one, number) for number, one in enumerate(contents)), end("99-0")]


def completed(output: Any) -> list[bytes]:
    return [record("completed", output={"A": output})]


PIECES = [WORDS, ["ha ", "ha ", "ha"], ["ha "] * 4, ["a"], ["\n", "\n\n", "x"]]


@pytest.mark.parametrize(
    ("pieces", "form", "container"),
    one_in(2, PIECES, ["delta", "cumulative"], ["string", "container"]),
)
def test_the_text_is_written_once(
    noxcli: Noxcli, plays: Any, pieces: list[str], form: str, container: str
) -> None:
    output, switches = {"A": "".join(pieces)}, {"content": form, "inline_text": container}
    workflow = plays(script=node_runs("Write", pieces), output=output, switches=switches)
    done = noxcli("run", workflow, "--format", "content", "--quiet")
    assert (done.code, done.text, done.err) == (0, "".join(pieces), "")


def test_all_of_it_once_more_with_the_end_is_written_once(noxcli: Noxcli) -> None:
    again = [*log(*WORDS)[:-1], said("".join(WORDS), 3, "completed"), end("4-0")]
    done, _ = called(noxcli, *START, reads=completed("".join(WORDS)), events=sends(again))
    assert (done.code, done.text, done.err) == (0, "alpha beta gamma", "")


SPOKEN = [
    *(said(one, number) for number, one in enumerate(WORDS)),
    said("".join(WORDS), 3, "completed").replace(b'"A"', b'"Out"'),
    end("9-0"),
]


@pytest.mark.parametrize(("output", "code"), [("".join(WORDS), 0), ("another text", 9)])
@pytest.mark.parametrize("cuts", [*range(6), None])
def test_an_output_node_that_repeats_the_text_is_left_out(
    noxcli: Noxcli, output: str, code: int, cuts: int | None
) -> None:
    reads = [record("running"), record("running"), *completed(output)]
    connections = [SPOKEN] if cuts is None else [SPOKEN[:cuts], SPOKEN[max(0, cuts - 1) :]]
    done, _ = called(noxcli, *START, reads=reads, events=sends(*connections))
    assert (done.code, done.text) == (code, "alpha beta gamma")
    assert ("a node repeated the streamed text" in done.err) == (code == 9)


def test_nodes_that_say_the_same_are_not_confirmed(noxcli: Noxcli) -> None:
    twice = [said("yes", 0), said("yes", 1).replace(b'"A"', b'"B"'), end("9-0")]
    reads = [record("completed", output={"A": "yes", "B": "yes"})]
    done, _ = called(noxcli, *START, reads=reads, events=sends(twice))
    assert (done.code, done.text) == (0, "yes")
    assert "warning: cannot confirm that the streamed text is complete" in done.err


# Five events at two positions, as of a clock that is too coarse.
COARSE = [*(said(one, number // 2) for number, one in enumerate([*WORDS, " delta"])), end("1-0")]


@pytest.mark.parametrize("cut", [*range(6), None])
@pytest.mark.parametrize("form", ["content", "ndjson"])
def test_events_at_one_position_are_each_shown(noxcli: Noxcli, form: str, cut: int | None) -> None:
    texts = [*WORDS, " delta"]
    connections = [COARSE]
    if cut is not None:
        begin_of_the_last_position = max(0, (cut - 1) // 2 * 2)
        connections = [COARSE[:cut], COARSE[begin_of_the_last_position:]]
    reads = [record("running"), record("running"), *completed("".join(texts))]
    argv = [*START[:-2], form, "--quiet"]
    done, _ = called(noxcli, *argv, reads=reads, events=sends(*connections))
    assert done.code == 0
    if form == "content":
        assert done.text == "".join(texts)
        return
    shown = [event["data"] for event in done.events if event["type"] == "content"]
    assert [data.get("content") for data in shown] == [*texts, None]


def test_a_run_that_has_ended_is_printed_as_it_is(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli.ended(plays(output={"A": "alpha beta"}))
    done = noxcli("fetch-output", run, "--format", "content")
    assert (done.code, done.text, done.err) == (0, "alpha beta", "")


@pytest.mark.parametrize("odd", [{"text": "beta "}, ["beta "], 7, True])
def test_pieces_that_are_no_text_are_no_success(noxcli: Noxcli, odd: Any) -> None:
    done, _ = called(
        noxcli, *START, reads=completed("".join(WORDS)), events=sends(log("alpha ", odd, "gamma"))
    )
    assert (done.code, done.text) == (9, "alpha gamma")
    assert f"noxcli fetch-output {RUN}" in done.err


def test_pieces_that_contradict_each_other_are_no_success(noxcli: Noxcli) -> None:
    contents = ["one text, ", "one text, and more", "another text"]
    done, _ = called(noxcli, *START, reads=completed("x"), events=sends(log(*contents)))
    assert (done.code, done.text) == (9, "one text, and moreanother text")


@pytest.mark.parametrize(("output", "code"), [("alpha beta gamma", 0), ("alpha beta, gamma", 9)])
@pytest.mark.parametrize(
    "then",
    [
        (STREAM + b"".join(log(*WORDS)[2:]),),  # on with what is new, and no overlap
        (STREAM + said(WORDS[2], 2),),  # no end is announced
    ],
)
def test_a_text_that_equals_the_output_is_whole(
    noxcli: Noxcli, then: tuple[bytes, ...], output: str, code: int
) -> None:
    reads = [record("running"), record("running"), *completed(output)]
    broken = streams(STREAM + b"".join(log(*WORDS)[:2]), *then)
    done, _ = called(noxcli, *START, reads=reads, events=broken)
    assert (done.code, done.text) == (code, "alpha beta gamma")
    assert ("fetch-output" in done.err) == (code == 9)


AGAIN = [said(one, 3 + number) for number, one in enumerate(WORDS)]  # new positions, the same node
UNPLACED = [event({"id": "A", "status": "running", "content": one}) for one in WORDS]
ENDINGS = [
    (log(*WORDS)[2:], 9),  # the stream began with the next event
    ([*log(*WORDS)[:2], end("99-0")], 9),
    ([end("99-0")], 9),
    ([*log(*WORDS)[:3], *AGAIN, end("99-0")], 9),  # the node was delivered again, once it was whole
    ([*log(*WORDS)[:2], *AGAIN, end("99-0")], 9),  # or before
    (
        [*UNPLACED[:1] * 2, *UNPLACED[1:2], *UNPLACED[2:] * 2, end("99-0")],
        9,
    ),  # or pieces that nothing tells apart
    (
        [said("a draft", 0).replace(b'"A"', b'"B"'), *AGAIN, end("99-0")],
        0,
    ),  # another node's text, too
    (log(*WORDS), 0),
]


@pytest.mark.parametrize(("sent", "code"), ENDINGS)
@pytest.mark.parametrize("verb", ["run", "rerun", "stream"])
def test_a_part_of_the_output_or_one_twice_is_no_success(
    noxcli: Noxcli, verb: str, sent: list[bytes], code: int
) -> None:
    given = ["--no-check", "Q=x"] if verb == "run" else ["--no-check"] if verb == "rerun" else []
    whose = WORKFLOW if verb == "run" else RUN
    reads = [record("completed", input={"Q": "x"}, output={"A": "".join(WORDS)})]
    done, _ = called(
        noxcli, verb, whose, *given, "--format", "content", reads=reads, events=sends(sent)
    )
    assert done.code == code
    assert (f"noxcli fetch-output {RUN}" in done.err) or code == 0


def test_a_part_that_was_asked_for_is_no_missing_one(noxcli: Noxcli) -> None:
    reads, rest = completed("".join(WORDS)), sends(log(*WORDS)[1:])
    argv = ["stream", RUN, "--etag", "0-0", "--format", "content"]
    done, _ = called(noxcli, *argv, reads=reads, events=rest)
    assert (done.code, done.text) == (0, "beta gamma")
    assert "warning: cannot confirm that the streamed text is complete" in done.err


@pytest.mark.parametrize("output", [{"A": "".join(WORDS)}, {"A": "x", "B": "y"}, {"A": "other"}])
def test_a_stream_that_was_opened_later_proves_nothing(
    noxcli: Noxcli, plays: Any, output: dict[str, str]
) -> None:
    run = noxcli.ended(plays(script=node_runs("Write", WORDS), output=output))
    done = noxcli("stream", run, "--format", "content", "--quiet")
    assert (done.code, done.text) == (0, "alpha beta gamma")
    equals = len(output) == 1 and "other" not in output.values()
    assert (
        f"warning: cannot confirm that the streamed text is complete; full output: noxcli fetch-output {run}"
        in done.err
    ) != equals


def test_a_truncated_output_is_compared_whole(noxcli: Noxcli, plays: Any) -> None:
    pieces = [f"piece {number} " * 50 for number in range(50)]
    switches = {"redis_ids": "none", "preview_limit": 100, "preview_characters": 100}
    workflow = plays(
        script=node_runs("Write", pieces), output={"A": "".join(pieces)}, switches=switches
    )
    done = noxcli("run", workflow, "--format", "content", "--quiet")
    assert (done.code, done.text, done.err) == (0, "".join(pieces), "")


def test_what_is_held_is_written_at_the_limit(noxcli: Noxcli, plays: Any) -> None:
    script = [Emit("Write", "ha"), Emit("Write", "ha"), Raw("state", {"status": "running"}, "z")]
    workflow = plays(script=script, status="running")
    done = noxcli("run", workflow, "--format", "content", "--quiet", "--timeout", "1500ms")
    assert (done.code, done.text) == (124, "haha")


def test_without_a_stream_there_is_no_text_and_no_success(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(script=node_runs("Write", WORDS), output={"A": "".join(WORDS)})
    done = noxcli("run", workflow, "--format", "content", "--no-stream", "--quiet")
    assert (done.code, done.text) == (9, "")
    assert "noxcli fetch-output" in done.err
