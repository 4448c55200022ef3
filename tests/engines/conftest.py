"""A farm for each test: its own server, and a directory with rows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from noxcli.sandbox.server import Sandbox
from tests.engines.farm import ROWS, Farm, scenario


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    where = tmp_path / "work"
    where.mkdir()
    (where / "rows.jsonl").write_text(
        "".join(f'{{"Q": "{number}"}}\n' for number in range(1, ROWS + 1))
    )
    failing: set[int] = set()
    with Sandbox(speed=1000) as sandbox:
        yield Farm(sandbox, sandbox.add(scenario(failing)), where, failing)
        sandbox.break_connections()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Farm]:
    """The two files of docs/test-a-change.md."""
    from tests.engines.pulls import project_in  # loads what only tests of a change need

    with project_in(tmp_path) as farm:
        yield farm
