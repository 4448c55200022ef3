"""What is written is what the server gets: keys and values of every kind, over HTTP."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noxcli.inputs.parse import ESCAPABLE
from noxcli.sandbox.scenario import Scenario, input_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli
from tests.texts import any_text

# The fixtures stay from example to example: each example adds a run, and reads the last one.
over_http = settings(
    max_examples=min(60, settings().max_examples // 3), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
texts = any_text() | st.sampled_from(
    ["", "-", "--", "-x", "@", "@file", "=", ":=", "a\r\nb\n", "e\u0301", "\u00e9", "\ufb01", "\x00", "[0]", "::"]
)
numbers = st.integers() | st.integers(10**18, 10**60) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def escaped(key: str) -> str:
    return "".join(f"\\{letter}" if letter in ESCAPABLE else letter for letter in key)


def sent(noxcli: Noxcli, sandbox: Sandbox, workflow: str, *words: str) -> Any:
    result = noxcli("run", "--detach", "--quiet", workflow, *words)
    assert result.code == 0, result.err
    return sandbox.runs(workflow)[-1].input


def exactly(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down: 1, 1.0 and true are three things."""
    return json.dumps(one) == json.dumps(other)


@over_http
@given(key=texts.filter(bool), text=texts)
def test_a_text(noxcli: Noxcli, plays: Any, sandbox: Sandbox, key: str, text: str) -> None:
    item = f"{escaped(key)}={text}"
    if text.startswith("@"):
        item = f"{escaped(key)}=\\{text}"
    elif text.startswith("\\@"):  # the one text that can't be written after `=`
        item = f"{escaped(key)}=@text.txt"
        Path("text.txt").write_bytes(text.encode())
    workflow = plays(output={"A": "x"})
    assert exactly(sent(noxcli, sandbox, workflow, "--no-check", "--", item), {key: text})


@over_http
@given(key=texts.filter(bool), value=values)
def test_a_value_inline_and_from_a_file(noxcli: Noxcli, plays: Any, sandbox: Sandbox, key: str, value: Any) -> None:
    workflow = plays(output={"A": "x"})
    Path("value.json").write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8-sig")
    for right in (f":={json.dumps(value)}", ":=@value.json"):
        assert exactly(sent(noxcli, sandbox, workflow, "--no-check", "--", escaped(key) + right), {key: value})


@over_http
@given(whole=st.dictionaries(texts, values, max_size=4))
def test_a_whole_object(noxcli: Noxcli, plays: Any, sandbox: Sandbox, whole: dict[str, Any]) -> None:
    workflow = plays(output={"A": "x"})
    Path("whole.json").write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8-sig")
    for source in (json.dumps(whole), "@whole.json"):
        assert exactly(sent(noxcli, sandbox, workflow, "--no-check", "--inputs", source), whole)


@over_http
@given(label=texts.filter(bool), text=texts.filter(lambda text: text[:1] not in ("", "@", "\\")))
def test_a_checked_text_under_a_label_of_any_kind(noxcli: Noxcli, sandbox: Sandbox, label: str, text: str) -> None:
    workflow = sandbox.add(Scenario("exact", nodes=[input_node(label)], output={"A": "x"}))
    assert exactly(sent(noxcli, sandbox, workflow, "--", f"{escaped(label)}={text}"), {label: text})


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("12345678901234567890123456789012345678901234567890", 12345678901234567890123456789012345678901234567890),
        ("-0.0", -0.0),
        ("0.1", 0.1),
        ("1e-7", 1e-07),
        ("9007199254740993", 9007199254740993),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("5e-324", 5e-324),
    ],
)
def test_a_number_loses_nothing(noxcli: Noxcli, plays: Any, sandbox: Sandbox, written: str, value: Any) -> None:
    workflow = plays(nodes=[input_node("n", type="number")], output={"A": "x"})
    assert exactly(sent(noxcli, sandbox, workflow, f"n:={written}"), {"n": value})
    assert exactly(sent(noxcli, sandbox, workflow, f"n={written}"), {"n": value})


@pytest.mark.parametrize("source", ["k:=@v.json", "--inputs=@v.json", "--inputs=-"])
def test_a_byte_order_mark_is_no_part_of_json(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("v.json").write_bytes(b'\xef\xbb\xbf{"a": "\xef\xbb\xbf"}')
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO('\ufeff{"a": "\ufeff"}'.encode())))
    given = sent(noxcli, sandbox, plays(output={"A": "x"}), source, "--no-check")
    assert given in ({"a": "\ufeff"}, {"k": {"a": "\ufeff"}})


def test_a_byte_order_mark_in_a_text_stays(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    Path("t.txt").write_bytes(b"\xef\xbb\xbfabc")
    assert sent(noxcli, sandbox, plays(output={"A": "x"}), "k=@t.txt", "--no-check") == {"k": "\ufeffabc"}
