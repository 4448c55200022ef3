"""The jobs of docs/test-a-change.md in `act` and `gitlab-ci-local`: pull requests that are red, worse, right."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.farm import Farm
from tests.engines.merges import Merges, merges_of, without_comments
from tests.engines.pulls import BROKEN, PASSED, ROWS, kill_gate, pulls_of, push, write
from tests.engines.test_components import PIP
from tests.release.conftest import built as built

pytestmark = [pytest.mark.engine("gh"), pytest.mark.wide, pytest.mark.timeout(1000)]
WORSE = "NEW is worse as a whole"
NO_VERDICT = "noxcli gate not judged: it has written no result"
# What a pull request makes of the prompt, and the code and the words that its gate ends with.
PULL_REQUESTS = (("curt", 1, BROKEN), ("hasty", 1, WORSE), ("polite", 0, PASSED))


@pytest.mark.long(150)
def test_github(project: Farm, tmp_path: Path) -> None:
    with pulls_of(project, tmp_path, installs=True) as pulls:
        api = pulls.api
        for prompt, code, words in PULL_REQUESTS:
            write(project, prompt)
            push(project)
            assert pulls.run() == code, project.log()
            _, comment = api.comments  # and that of a reader
            assert words in comment["body"], project.log()
            paid = pulls.paid
            assert pulls.run(attempt=2) == code, project.log()
            assert pulls.paid == paid, "another attempt has all answers"
            pulls.lose_artifacts()
        write(project, "curt")
        push(project)
        assert pulls.run(meanwhile=lambda: kill_gate(project, paid)) == 1, project.log()
        assert NO_VERDICT in comment["body"], "not that of the right one before it"
        assert pulls.run(attempt=2) == 1, project.log()
        assert BROKEN in comment["body"], project.log()
        pulls.lose_artifacts()
        assert pulls.run(attempt=2) == 1, project.log()
        assert "attempt 2 of the job found no gate" in comment["body"], project.log()
        api.head = "newer"
        (project.where / "review.json").write_text("no definition")
        push(project)
        assert pulls.run() == 1, project.log()
        assert BROKEN in comment["body"], "an older push replaces nothing"
        api.head = "abc"
        assert pulls.run() == 1, project.log()
        assert "review.json is not a definition" in comment["body"], project.log()
        assert len(api.comments) == 2
    assert project.sandbox.key not in project.log()


@pytest.fixture
def merges(project: Farm, built: dict[str, Path], tmp_path: Path) -> Iterator[Merges]:
    """The page's component, which installs noxcli as a job does."""
    pip = {**PIP, "PIP_FIND_LINKS": str(built["wheel"].parent)}
    with merges_of(project, tmp_path, pip) as found:
        yield found


@pytest.mark.long(120)
def test_gitlab(project: Farm, merges: Merges) -> None:
    for prompt, code, words in PULL_REQUESTS:
        write(project, prompt)
        merges.forget()
        assert merges.run() == code, merges.log
        assert words in merges.comments[0], merges.log
    write(project, "curt")
    shutil.rmtree(project.where / ".gitlab-ci-local")
    (gate,) = (project.where / "noxcli-output").iterdir()
    shutil.rmtree(gate / "answers")  # and the comment of the right one is left there
    paid = merges.paid
    assert merges.run(meanwhile=lambda: kill_gate(project, paid)) == 1, merges.log
    assert NO_VERDICT in merges.comments[0], merges.log
    assert merges.run() == 1, merges.log
    assert BROKEN in merges.comments[0], merges.log
    merges.forget()
    (project.where / "review.json").write_text("no definition")
    assert merges.run() == 1, merges.log
    (text,) = merges.comments
    assert "review.json is not a definition" in text, merges.log


@pytest.mark.long(60)
def test_a_killed_job_on_gitlab_continues_through_its_cache(project: Farm, merges: Merges) -> None:
    without_comments(project)
    write(project, "curt")
    kill = lambda: kill_gate(project, 0)  # noqa: E731
    assert merges.run("--shell-isolation", meanwhile=kill) == 1, merges.log
    paid = merges.paid
    assert paid < 2 * ROWS, "in its middle"
    merges.lose_all_but_the_cache()
    assert merges.run("--shell-isolation") == 1, merges.log
    doubts = merges.log.count("has no known outcome")
    assert "1 row is broken" in merges.log
    assert merges.paid <= 2 * ROWS + 4 + 24 + doubts, "as without a kill"
    print(f"{paid} runs before the kill, {doubts} in doubt, {merges.paid} in all")
