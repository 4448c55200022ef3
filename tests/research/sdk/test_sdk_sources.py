"""Each line of the official SDK that docs/fidelity.md names as a source is really there."""

import re
from pathlib import Path

import pytest

from tests.research.sdk.conftest import SDK

PAGE = (Path(__file__).parents[3] / "docs" / "fidelity.md").read_text(encoding="utf-8")
# By the lines that the page names: what must stand there.
QUOTES = {
    "client.py:25": "DEFAULT_TIMEOUT = 120",
    "client.py:52-54": '"NOXUS_BACKEND_URL", "https://backend.noxus.ai"',
    "client.py:101": '{"X-API-Key": self.api_key}',
    "errors.py:68-69": "the API key is missing or invalid",
    "errors.py:72-73": "the API key lacks permission for this resource",
    "errors.py:109-110": '("detail", "message", "error")',
    "errors.py:49-51": '"x-noxus-request-id"',
    "client.py:108-115": 'response.headers.get("Retry-After")',
    "client.py:63-66": "follow_redirects=True",
    "resources/admin.py:58-60": '"/v1/admin/me"',
    "workflows/workflow.py:454-465": 'values["definition"]["nodes"]',
    "resources/files.py:51-54": '"/v1/file", files={"file": fd}',
    "resources/workflows.py:130-132": 'f"/v1/workflows/{workflow_id}/versions"',
    "workflows/workflow.py:513-521": 'req["workflow_version_id"]',
    "resources/workflows.py:231-236": "plaintext multi-doc YAML (.nx)",
    "resources/_exports.py:29-30": '"mode": mode, "activate": activate, "dry_run": dry_run',
    "resources/workflows.py:272": "``dry_run`` reports without writing",
    "resources/runs.py:122-123": 'sse_event.event != "message"',
    "resources/runs.py:51-53": '("completed", "failed")',
    "resources/runs.py:125-129": 'payload.get("redisId")',
    "resources/runs.py:112-116": 'params["etag"] = etag',
    "resources/runs.py:233-235": 'f"/v1/workflows/{workflow_id}/runs/{run_id}"',
    "client.py:193-204": 'return result["items"]',
    "resources/runs.py:248-252": 'f"/v1/runs/{run_id}/data"',
    "resources/runs.py:410-413": 'f"/v1/runs/{run_id}/io/{node_id}", params={"it": it}',
    "resources/runs.py:241-242": 'f"/v1/runs/{run_id}/stop"',
    "resources/runs.py:72": "output: dict | None = None",
    "files.py:46-53": "uri: str",
    "resources/files.py:60-62": '"GET", f"/v1/file/{file_id}"',
}


def test_each_source_in_the_sdk_has_its_quote() -> None:
    (release,) = re.findall(r"official SDK ([\d.]+\d)", PAGE)
    assert SDK.endswith(f"=={release}")
    assert set(re.findall(r"`([\w/]+\.py:[\d-]+)`", PAGE)) == QUOTES.keys()


@pytest.mark.wide
@pytest.mark.timeout(600)  # the first time, the SDK must be installed
@pytest.mark.parametrize("place", QUOTES)
def test_the_lines_say_so(place: str, sdk_python: Path) -> None:
    (package,) = sdk_python.parents[1].glob("lib/python*/site-packages/noxus_sdk")
    file, _, numbers = place.partition(":")
    first, _, last = numbers.partition("-")
    lines = (
        (package / file)
        .read_text(encoding="utf-8")
        .splitlines()[int(first) - 1 : int(last or first)]
    )
    assert QUOTES[place] in " ".join(line.strip() for line in lines), lines
