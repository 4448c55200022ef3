"""The state file: a run's ids, so that a later step of a canceled pipeline can clean up."""

import json
from dataclasses import asdict
from pathlib import Path

from noxcli.decode import decode_json
from noxcli.errors import UsageProblem
from noxcli.files import reason_of, require_readable, save
from noxcli.fixed import fixed
from noxcli.place import read_named

STATE_SCHEMA = "noxcli.state/1"
LARGEST_STATE = 64 * 1024  # bytes
FROM_RUN = "give the FILE of `noxcli run --state-file FILE`"


@fixed
class State:
    """The ids that a clean-up needs."""

    run_id: str
    workflow_id: str
    base_url: str


def write_state(path: Path, state: State) -> None:
    """Write the complete file.

    Raises Undelivered with the reason.
    """
    save(path, [f"{json.dumps({'schema': STATE_SCHEMA, **asdict(state)}, indent=2)}\n".encode()])


def read_state(path: Path) -> State | None:
    """Return the state, or None without a file: then nothing was started.

    Raises UsageProblem for any other file, also that of a newer noxcli.
    """
    try:
        noted = decode_json(read_named(path, LARGEST_STATE))
        require_readable(path, noted["schema"], STATE_SCHEMA)
        state = State(str(noted["run_id"]), str(noted["workflow_id"]), str(noted["base_url"]))
        known = noted["schema"] == STATE_SCHEMA
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else "it is not a state file"
        raise UsageProblem(f"can't use {path}: {reason}", FROM_RUN) from None
    if not known:
        raise UsageProblem(f"can't use {path}: its schema is not {STATE_SCHEMA}", FROM_RUN)
    return state
