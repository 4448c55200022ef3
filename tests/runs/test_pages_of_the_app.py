"""The address of a page of the web app, pasted as RUN or WORKFLOW, stands for the id in it."""

from typing import Any, Literal

import pytest

from noxcli.runs.resolve import id_on_page
from tests.conftest import Noxcli

FLOW, RUN = "2f1c7a0e-5b1d-4c43-9d52-3c4f3f0f6f55", "3a909d3b-0088-4bae-be06-7e6608754b0f"
APP = "https://app.noxus.ai"


@pytest.mark.parametrize(
    ("page", "kind", "found"),
    [
        (f"{APP}/workflows/{FLOW}", "workflow", FLOW),
        (f"{APP}/workflows/{FLOW}/runs/{RUN}?tab=output", "run", RUN),
        (f"{APP}/workflows/{FLOW}/runs/{RUN}", "workflow", FLOW),
        (f"{APP}/flow?workflow={FLOW}#top", "workflow", FLOW),
        (f"{APP}/x/{RUN}/logs", "run", RUN),
    ],
)
def test_an_id_is_found(page: str, kind: Literal["run", "workflow"], found: str) -> None:
    assert id_on_page(page, kind) == found


@pytest.mark.parametrize(
    "text", [f"{APP}/a/{FLOW}/b/{RUN}", APP, f"{FLOW}/{RUN}", "@last", "Weekly summary"]
)
def test_other_text_stays(text: str) -> None:
    assert id_on_page(text, "run") == text


def test_a_page_is_taken_by_run_and_by_wait(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(output={"A": "x"})
    run = noxcli("run", workflow, "--json").json["run"]
    page = f"{APP}/workflows/{run['workflow_id']}/runs/{run['id']}"
    assert noxcli("wait", page).text == f"{run['id']}\tcompleted\n"
    assert noxcli("fetch-output", page).text == "x\n"
    assert noxcli("run", page).text == "x\n"
    told = noxcli("wait", f"{APP}/a/{FLOW}/b/{RUN}")
    assert (told.code, "is not a run id" in told.err) == (2, True)
