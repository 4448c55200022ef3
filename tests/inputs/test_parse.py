"""The input language: what each form sends, and the error for a mistake in it."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxcli.errors import ExitCode, Phase, UsageProblem
from noxcli.inputs import parse as inputs
from noxcli.inputs.parse import split_item
from noxcli.inputs.sources import Sources
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, piped
from tests.texts import any_text


def read_inputs(
    items: Sequence[str], whole: str | None = None, stdin: Any = None
) -> dict[str, Any]:
    sources = Sources(lambda: stdin.buffer) if stdin is not None else None
    return inputs.parse_inputs(items, whole, sources).values


def problem(*items: str, whole: str | None = None, stdin: str = "") -> UsageProblem:
    with pytest.raises(UsageProblem) as caught:
        read_inputs(items, whole, piped(stdin))
    assert (caught.value.exit_code, caught.value.phase) == (ExitCode.USAGE, Phase.USAGE)
    return caught.value


# Keys and operators.


@pytest.mark.parametrize(
    ("item", "parts"),
    [
        ("k=v", ("k", "=", "v")),
        ("k:=1", ("k", ":=", "1")),
        ("k=@f", ("k", "=@", "f")),
        ("k:=@f", ("k", ":=@", "f")),
        ("k@f", ("k", "@", "f")),
        # The first operator wins, and of those the longest.
        ("k=:=1", ("k", "=", ":=1")),
        ("k=a:=@b", ("k", "=", "a:=@b")),
        ("k@a=b", ("k", "@", "a=b")),
        # A colon alone is not one.
        ("a:b=c", ("a:b", "=", "c")),
        ("a: =c", ("a: ", "=", "c")),
        ("node::input=x", ("node::input", "=", "x")),
        ("node::input:=3", ("node::input", ":=", "3")),
        ("a:b@f", ("a:b", "@", "f")),
        # Escapes in the key.
        (r"a\:=1", ("a:", "=", "1")),
        (r"a\:\=1=x", ("a:=1", "=", "x")),
        (r"a\\\=b=c", ("a\\=b", "=", "c")),
        (r"a\nb=c", (r"a\nb", "=", "c")),
        (r"\=\:\@\\:=1", ("=:@\\", ":=", "1")),
        # Everything else belongs to the key.
        ("User Question=x", ("User Question", "=", "x")),
        (" k =v", (" k ", "=", "v")),
        ("a\nb=c", ("a\nb", "=", "c")),
        ("k=", ("k", "=", "")),
    ],
)
def test_an_item_is_a_key_an_operator_and_the_rest(item: str, parts: tuple[str, str, str]) -> None:
    assert split_item(item) == parts


@pytest.mark.parametrize(
    "item", ["", "k", "k:v", r"k\=v", r"k\:\=v", r"a\@b", "k\\", "User Question"]
)
def test_a_word_without_an_operator_is_no_input(item: str) -> None:
    error = problem(item)
    assert error.message == f"{item!r} is not an input"
    assert "KEY=VALUE" in str(error.hint)


@pytest.mark.parametrize("item", ["=v", ":=1", "@f", "=@f", ":=@f"])
def test_an_item_needs_a_key(item: str) -> None:
    assert problem(item).message == f"the input {item!r} has no key"


# Values.


@pytest.mark.parametrize(
    ("item", "value"),
    [
        # Text stays text.
        ("k=1.10", "1.10"),
        ("k=true", "true"),
        ("k=", ""),
        ("k= v ", " v "),
        ("k=two\nlines\r\n", "two\nlines\r\n"),
        (r"k=C:\\x", r"C:\\x"),
        (r"k=a\=b\\c\@d", r"a\=b\\c\@d"),
        (r"k=\@alice", "@alice"),
        (r"k=\\@alice", r"\\@alice"),
        (r"k=a\@b", r"a\@b"),
        ("k=\u0065\u0301 \u00e9", "\u0065\u0301 \u00e9"),
        ("k=\ufeffx\u200b", "\ufeffx\u200b"),
        # JSON.
        ("k:=3", 3),
        ("k:=true", True),
        ('k:="3"', "3"),
        ("k:=[1, {}]", [1, {}]),
        ('k:= {"a": {"a": []}} ', {"a": {"a": []}}),
        ("k:=12345678901234567890123456789", 12345678901234567890123456789),
        ('k:="\\ud83c\\udf31"', "🌱"),
    ],
)
def test_a_value_is_sent_as_it_is_written(item: str, value: Any) -> None:
    read = read_inputs([item])["k"]
    assert (read, type(read)) == (value, type(value))


def test_a_files_text_is_sent_to_the_last_byte(tmp_path: Path) -> None:
    text = "ü\r\n世界\n\n\ttail \x00"
    (tmp_path / "a=b.txt").write_bytes(text.encode())
    assert read_inputs(["k=@a=b.txt"]) == {"k": text}
    assert read_inputs([f"k=@{tmp_path}/a=b.txt", "l=@~/a=b.txt"]) == {"k": text, "l": text}


def test_a_json_file_is_parsed(tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text('\n{"n": 12345678901234567890}\n')
    assert read_inputs(["k:=@v.json"]) == {"k": {"n": 12345678901234567890}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1, column 1"),
        ("{", "line 1, column 2"),
        ("1 2", "line 1, column 3"),
        ('{\n  "a": 1\n  "b"', "line 3, column 3"),
        ("NaN", "NaN is not part of JSON"),
        ("[-Infinity]", "-Infinity is not part of JSON"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' appears twice"),
        ('[{"x": {"b": 1, "b": 1}}]', "the key 'b' appears twice"),
        ("[" * 100_000, "nested deeper than 500 levels"),
        ("[" * 501 + "]" * 501, "nested deeper than 500 levels"),
        (
            '[{"a": "\\"]"}, ' * 2 + '{"b":[' * 250 + "]}" * 250 + "]" * 2,
            "nested deeper than 500 levels",
        ),
    ],
    ids=lambda text: text[:20],
)
def test_bad_json_is_told_with_its_place_wherever_it_stands(
    text: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / "v.json").write_text(text)
    errors = [
        (problem(f"k:={text}"), "the value of 'k'"),
        (problem("k:=@v.json"), "the file v.json for 'k'"),
        (problem(whole="@v.json"), "--inputs @v.json"),
        (problem(whole="-", stdin=text), "--inputs from stdin"),
        *([(problem(whole=text), "--inputs")] if text[:1] != "-" else []),
    ]
    for error, source in errors:
        assert error.message.startswith(source)
        assert told in error.message
        assert len(error.line()) < 300


@pytest.mark.parametrize("stack", [0, 300])
def test_500_levels_are_read_however_deep_the_caller_is(stack: int) -> None:
    texts = [
        "[" * 500 + "]" * 500,
        '{"[":' * 500 + '"\\"{[{["' + "}" * 500,
        "[" + "[{}]," * 600 + '"[]]"]',
    ]

    def called(frames: int) -> list[dict[str, Any]]:
        return called(frames - 1) if frames else [read_inputs([f"k:={text}"]) for text in texts]

    assert called(stack) == [{"k": json.loads(text)} for text in texts]


def test_a_number_too_long_to_read_is_told() -> None:
    assert "set_int_max_str_digits" not in problem("k:=" + "9" * 20_001).line()


@pytest.mark.parametrize(
    "item", ["k=@no/such.txt", "k:=@no/such.txt", "k=@.", "k=@~nobody-by-this-name/x"]
)
def test_a_file_that_cannot_be_read_is_named_with_its_input(item: str) -> None:
    error = problem(item)
    assert error.message.startswith("can't read the file ")
    assert "'k'" in error.message
    assert item.rpartition("@")[2] in error.message


@pytest.mark.parametrize("operator", ["=@", ":=@"])
@pytest.mark.parametrize("content", [b"\xff\xfe", b"ab\xc3", b"%PDF-1.7\xe2\xe3"])
def test_a_file_that_is_no_text_points_to_uploads(
    operator: str, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "f.bin").write_bytes(content)
    error = problem(f"k{operator}f.bin")
    assert error.message == "the file f.bin for 'k' is not UTF-8 text"
    assert "k@f.bin" in str(error.hint)


# Several inputs.


def test_items_come_in_their_order() -> None:
    assert list(read_inputs(["b=1", "a=2", "c=3"])) == ["b", "a", "c"]


@pytest.mark.parametrize("again", ["k=2", "k:=2", r"k=", "k:=null"])
def test_a_key_twice_is_a_mistake(again: str) -> None:
    assert problem("k=1", "x=y", again).message == "the input 'k' is given twice"


def test_an_escaped_key_is_the_same_key() -> None:
    assert problem("a:b=1", r"a\:b=2").message == "the input 'a:b' is given twice"


def test_items_override_the_whole() -> None:
    whole = '{"a": 1, "b": [2], "c": null}'
    assert read_inputs(["b=two", "d:=4"], whole) == {"a": 1, "b": "two", "c": None, "d": 4}


def test_the_whole_comes_from_the_command_line_a_file_or_stdin(tmp_path: Path) -> None:
    text = '{"q": "Grüße", "n": 12345678901234567890}'
    (tmp_path / "in.json").write_text(text)
    sources = [text, "@in.json", "@~/in.json", f"@{tmp_path}/in.json", "-"]
    assert [read_inputs([], source, piped(text)) for source in sources] == [json.loads(text)] * 5


def test_only_a_dash_reads_stdin() -> None:
    stdin = piped("{}")
    read_inputs(["k=-", "l:=1"], '{"m": "-"}', stdin)
    read_inputs(["k=v"], None, stdin)
    assert stdin.tell() == 0


@pytest.mark.parametrize("text", ["[]", "[1]", '"text"', "7", "null", "true"])
def test_the_whole_has_to_be_an_object(text: str) -> None:
    assert problem(whole=text).message == "--inputs is not a JSON object"
    assert problem(whole="-", stdin=text).message == "--inputs from stdin is not a JSON object"


@pytest.mark.parametrize("source", ["@no/such.json", "@", "@.", "@~nobody-by-this-name/x"])
def test_a_whole_that_cannot_be_read_is_named(source: str) -> None:
    assert problem(whole=source).message.startswith(f"can't read --inputs {source}: ")


def test_a_whole_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_bytes(b'{"a": "\xff"}')
    assert "--inputs @in.json" in problem(whole="@in.json").message


# Whatever people write.


@given(any_text(), st.none() | any_text().filter(lambda text: not text.startswith("@")))
def test_whatever_else_is_written_is_read_or_a_usage_problem(item: str, whole: str | None) -> None:
    with suppress(UsageProblem):
        read_inputs([item], whole, piped(item))


@pytest.mark.parametrize(("depth", "code"), [(490, 0), (501, 2)])
def test_deep_json_is_sent_or_rejected_before_anything_starts(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, depth: int, code: int
) -> None:
    deep = "[" * depth + "]" * depth
    workflow = plays(nodes=[input_node("Deep", type="list")], output={"A": "x"})
    Path("rows.jsonl").write_text(f'{{"Deep": {deep}}}\n')
    for argv in (["run", workflow, f"Deep:={deep}"], ["batch", workflow, "rows.jsonl"]):
        result = noxcli(*argv)
        assert result.code == code, result.err
        assert ("is nested deeper than 500 levels" in result.err) is (code == 2)
    assert [run.input for run in sandbox.runs(workflow)] == (
        [{"Deep": json.loads(deep)}] * 2 if code == 0 else []
    )


# What is written is what the server gets.


def sent(noxcli: Noxcli, sandbox: Sandbox, workflow: str, *words: str) -> str:
    """Return the server's input as JSON, in which 1, 1.0 and true are three things."""
    result = noxcli("run", "--detach", "--quiet", workflow, *words)
    assert result.code == 0, result.err
    return json.dumps(sandbox.runs(workflow)[-1].input)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (
            "12345678901234567890123456789012345678901234567890",
            12345678901234567890123456789012345678901234567890,
        ),
        ("-0.0", -0.0),
        ("1e-7", 1e-07),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("5e-324", 5e-324),
    ],
)
def test_a_number_loses_nothing(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, written: str, value: Any
) -> None:
    workflow = plays(nodes=[input_node("n", type="number")], output={"A": "x"})
    assert sent(noxcli, sandbox, workflow, f"n:={written}") == json.dumps({"n": value})
    assert sent(noxcli, sandbox, workflow, f"n={written}") == json.dumps({"n": value})


@pytest.mark.parametrize("source", ["k:=@v.json", "--inputs=@v.json", "--inputs=-"])
def test_a_byte_order_mark_is_no_part_of_json(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("v.json").write_bytes(b'\xef\xbb\xbf{"a": "\xef\xbb\xbf"}')
    monkeypatch.setattr("sys.stdin", piped('\ufeff{"a": "\ufeff"}'))
    whole = {"a": "\ufeff"}
    given = sent(noxcli, sandbox, plays(output={"A": "x"}), source, "--no-check")
    assert given == json.dumps(whole if "inputs" in source else {"k": whole})


def test_a_byte_order_mark_in_a_text_stays(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    Path("t.txt").write_bytes(b"\xef\xbb\xbfabc")
    given = sent(noxcli, sandbox, plays(output={"A": "x"}), "k=@t.txt", "--no-check")
    assert given == json.dumps({"k": "\ufeffabc"})
