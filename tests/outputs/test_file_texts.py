"""Texts of an output that became files, read back: only as large as all of them may be together."""

from hashlib import sha256
from pathlib import Path

import pytest

from noxcli.outputs import file_texts


def test_a_text_that_is_too_large_stays_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_texts, "MAX_TEXTS", 12)
    output, files = dict[str, object](), list[dict[str, object]]()
    for key, text in (("fits", "123456"), ("large", "1234567")):  # each may have half of the limit
        path = tmp_path / key
        path.write_text(text)
        output[key] = {"$file": str(path)}
        digest = sha256(text.encode()).hexdigest()
        files.append({"pointer": f"/{key}", "path": str(path), "bytes": len(text), "sha256": digest, "text": True})
    read, wrong = file_texts.read_whole_output(output, files)
    assert (read, wrong) == ({"fits": "123456", "large": output["large"]}, [])
    alone, wrong = file_texts.read_whole_output(output, files[1:])
    assert (alone["large"], wrong) == ("1234567", [])
