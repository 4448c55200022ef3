"""The stack, shared by the plays of one process."""

from collections.abc import Iterator

import pytest

from tests.research.stack.stack import Stack, stacked


@pytest.fixture(scope="session")
def whole_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    pytest.importorskip("fastapi")
    with stacked(tmp_path_factory.mktemp("stack")) as running_stack:
        yield running_stack


@pytest.fixture
def stack(whole_stack: Stack) -> Stack:
    """The stack, with all its parts and without runs."""
    whole_stack.reset()
    return whole_stack
