"""The worker behind the queue, which outlives the pods: it plays each run into its stream (XADD with MAXLEN)."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import ConnectionError as NoConnection

from tests.research.stack.service import queue, row_of, store


async def main() -> None:
    playing = set[asyncio.Task[None]]()
    while True:
        try:
            found = await queue.brpop("work", timeout=1)
        except NoConnection:  # the queue comes back
            await asyncio.sleep(0.1)
            continue
        if found is not None:
            playing.add(asyncio.create_task(play(found[1])))


async def play(run_id: str) -> None:
    """Say pieces one by one, and then write the output.

    The input says how many, how many seconds apart, and how many of the newest events are kept, 0 for all.
    """
    row = await row_of(run_id, store)
    count, apart, keep = row["input"]["Script"].split()

    async def add(kind: str, **data: Any) -> None:
        event = json.dumps({"type": kind, "data": data})
        await store.xadd(f"events:{run_id}", {"event": event}, maxlen=int(keep) or None, approximate=False)

    async def write(**changed: Any) -> None:
        row.update(changed)
        await store.set(f"run:{run_id}", json.dumps(row))

    await write(status="running")
    await add("state", status="running", progress_details={"running_nodes": ["talk"], "executed_nodes": []})
    pieces = [f"piece{number} " for number in range(int(count))]
    for piece in pieces:
        if await store.get(f"stop:{run_id}"):
            await write(status="stopped", finished_at=datetime.now(UTC).isoformat())
            return
        await add("content", id="talk", status="running", content=piece)
        await asyncio.sleep(float(apart))
    end = datetime.now(UTC).isoformat()
    await write(status="completed", progress=100, output={"Answer": "".join(pieces)}, finished_at=end)
    await add("content", id="talk", status="completed", workflow_status="completed")


if __name__ == "__main__":
    asyncio.run(main())
