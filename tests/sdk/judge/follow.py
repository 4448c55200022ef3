# mypy: disable-error-code="import-not-found"
"""Follows one run with the official SDK, and prints its events as JSON lines; argv: key, workflow id, run id."""

import json
import sys

from noxus_sdk.client import Client

key, workflow_id, run_id = sys.argv[1:]
run = Client(api_key=key, load_nodes=False, load_me=False).runs.get(workflow_id, run_id)
for event in run.stream():
    print(json.dumps([event.type, event.data, event.redis_id]))
