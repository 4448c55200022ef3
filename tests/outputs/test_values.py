"""What an output contains: truncated texts and files at any depth, their ids and places, and values as text."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxcli.outputs.values import (
    as_text,
    file_id_of,
    find_remote,
    is_file,
    is_preview,
    replaced,
    text_of,
)

CUT = {"has_preview": True, "text": "the beginn", "file": {"id": "f-1", "name": "x.txt"}}
FILE = {"id": "f-2", "uri": "spot://f-2", "name": "cities.csv", "content_type": "text/csv"}


def resolve(document: Any, pointer: str) -> Any:
    """Follow an RFC 6901 pointer."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


# What is remote.

TRUE: list[Any] = [1, 1.0, "true", "True", " TRUE ", "1"]
FALSE: list[Any] = [0, 0.0, "false", "False", "", "0", None, [], {}]


@pytest.mark.parametrize(
    ("value", "cut"),
    [
        (CUT, True),
        ({"has_preview": False, "text": "x", "file": {"id": "f"}}, False),
        *[({"has_preview": mark, "text": "x"}, True) for mark in TRUE],
        *[({"has_preview": mark, "text": "x"}, False) for mark in FALSE],
        ({"text": "x"}, False),
        ("x", False),
        (None, False),
    ],
)
def test_only_a_true_has_preview_marks_a_cut_text(value: Any, cut: bool) -> None:
    assert is_preview(value) is cut


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (FILE, True),
        ({"uri": "spot://x"}, True),
        ({"uri": "https://host/a.pdf", "name": "a.pdf"}, False),
        ({"uri": "data:text/plain;base64,eA=="}, False),
        ({"uri": 7}, False),
        ({"id": "f", "name": "x"}, False),
        ("spot://x", False),
        ({**FILE, "uri": "https://bucket.example/f-2?sig=x"}, True),
        (
            {
                **FILE,
                "uri": "gs://bucket/f-2",
                "content_type": "text/csv; charset=utf-8",
                "source_type": "Document",
            },
            True,
        ),
        ({**FILE, "uri": "/v1/file/f-2"}, False),
        ({**FILE, "uri": "https://x", "id": None}, False),
        ({**FILE, "uri": "https://x", "id": 7}, False),
        ({**FILE, "uri": "https://x", "name": None}, False),
        ({**FILE, "uri": "https://x", "content_type": "article"}, False),
        ({"id": "7", "uri": "https://x", "name": "A page", "source_type": "Website"}, False),
    ],
)
def test_only_what_the_platform_stores_is_a_file(value: Any, stored: bool) -> None:
    assert is_file(value) is stored


@pytest.mark.parametrize(
    ("file", "file_id"),
    [
        ({"id": "f"}, "f"),
        ({"id": "f", "uri": "spot://other"}, "f"),
        ({"id": None, "uri": "spot://f"}, "f"),
        ({"id": 7, "uri": "spot://f"}, "f"),
        ({"uri": "spot://bucket/f"}, None),
        ({"uri": "spot://f/"}, None),
        ({"uri": "spot://"}, None),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_a_files_id_is_given_or_unambiguous_in_its_address(file: Any, file_id: str | None) -> None:
    assert file_id_of(file) == file_id


def test_what_is_remote_is_found_at_any_depth_in_order() -> None:
    output = {
        "A": CUT,
        "B": {"x": [1, [CUT, {"y": FILE}]]},
        "C": "text",
        "D": None,
        "E": [[]],
        "F": {"text": "x"},
    }
    found = list(find_remote(output))
    assert [(one.pointer, one.is_text, one.file_id, one.name) for one in found] == [
        ("/A", True, "f-1", ""),
        ("/B/x/1/0", True, "f-1", ""),
        ("/B/x/1/1/y", False, "f-2", "cities.csv"),
    ]
    assert [resolve(output, one.pointer) for one in found] == [CUT, CUT, FILE]


def test_a_cut_text_inside_of_a_file_is_found_after_the_file() -> None:
    output = {"A": {**FILE, "source_metadata": {"notes": [CUT]}}, "B": CUT}
    found = list(find_remote(output))
    assert [one.pointer for one in found] == ["/A", "/A/source_metadata/notes/0", "/B"]
    assert [one.pointer for one in find_remote(output, outermost=True)] == ["/A", "/B"]


@pytest.mark.parametrize(
    ("text", "beginning"),
    [
        ("cut", b"cut"),
        ("cut...", b"cut"),
        ("cut\u2026", b"cut"),
        ("cut....", b"cut."),
        ("cut \ufffd", b"cut "),
        ("cut\ud83c...", b"cut"),
        ("...", b""),
        ("", b""),
    ],
)
def test_what_a_server_puts_behind_a_cut_is_not_of_the_text(text: str, beginning: bytes) -> None:
    assert next(find_remote({**CUT, "text": text})).beginning == beginning


# Pointers.

texts = st.text('ab~/01 ü世"')
trees = st.recursive(
    st.none() | texts | st.just(CUT) | st.just(FILE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@given(trees)
def test_every_pointer_leads_to_its_value(output: Any) -> None:
    found = list(find_remote(output))
    for one in found:
        assert resolve(output, one.pointer) == (CUT if one.is_text else FILE)
    before = json.dumps(output)
    whole = replaced(output, {one.keys: "whole" for one in found})
    assert list(find_remote(whole)) == []
    assert json.dumps(whole) == before.replace(json.dumps(CUT), '"whole"').replace(
        json.dumps(FILE), '"whole"'
    )
    assert json.dumps(output) == before, "the given one stays as it is"


# As text.


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "x"),
        ("", ""),
        ({"text": "x\n"}, "x\n"),
        ({"text": None}, None),
        ({"text": "x", "more": 1}, None),
        ({"has_preview": False, "text": "x", "file": None}, "x"),
        ({"text": "x", "file": None}, "x"),
        ({"has_preview": False, "text": "x", "file": {"id": "f"}}, None),
        (CUT, None),
        (7, None),
        (None, None),
        ([], None),
    ],
)
def test_a_text_has_two_forms(value: Any, text: str | None) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    "value",
    [
        7,
        1.5,
        True,
        None,
        [],
        {},
        ["ü", {"a": None}],
        CUT,
        12345678901234567890123,
        {"k": "世界 🌱"},
    ],
)
def test_any_other_value_is_its_json(value: Any) -> None:
    assert json.loads(as_text(value)) == value
    assert "\\u" not in as_text(value)
