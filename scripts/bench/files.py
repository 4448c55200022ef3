"""A file, from the server's disk cache to this disk, against `curl -o F && sync F`."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import NOXCLI, Goal, Taken, measure, middle, serving, take_turns
from server import WORKFLOW, Plan

SIZE, BLOCK = 2_000_000_000, bytes(range(250)) * 4_000
# Both end with the file on the disk: noxcli flushes what it renames.
CURL = 'curl -sf -H "X-API-Key: $NOXUS_API_KEY" -o "$0" "$NOXUS_BACKEND_URL/v1/file/f" && exec sync "$0"'


def goals(quick: bool) -> Iterator[Goal]:
    """Yield the speed of a download, and its memory."""
    size = SIZE // 4 if quick else SIZE
    with tempfile.TemporaryDirectory() as place:
        sent, received = Path(place) / "sent.bin", Path(place) / "received"
        received.mkdir()
        with sent.open("wb") as file:
            for _ in range(size // len(BLOCK)):
                file.write(BLOCK)
        run = [NOXCLI, "run", WORKFLOW, "Q=x", "--no-check", "--quiet"]
        with serving(Plan(events=2, file=str(sent))) as env:

            def download(argv: list[str]) -> Taken:
                taken = measure(argv, env)
                [found] = [path for path in received.iterdir() if path.name != "manifest.json"]
                assert found.stat().st_size == size, (
                    f"{argv}: {found.stat().st_size} bytes instead of {size}"
                )
                for path in received.iterdir():
                    path.unlink()
                return taken

            taken = take_turns(
                {
                    "nothing": lambda: measure(run, env),
                    "curl": lambda: download(["sh", "-c", CURL, str(received / "a.bin")]),
                    "noxcli": lambda: download([*run, "--output-dir", str(received)]),
                },
                1 if quick else 3,
            )
    # The time of a run without a download is not part of it.
    nothing, curl, ours = (middle(taken[name]) for name in ("nothing", "curl", "noxcli"))
    speed = curl.seconds / (ours.seconds - nothing.seconds)
    what = f"a file of {size // 10**6:,} MB"
    yield Goal(f"{what}, speed compared with `curl -o F && sync F`", speed, 0.7, at_least=True)
    yield Goal(f"{what}, memory", ours.mib, 50, "MiB")
