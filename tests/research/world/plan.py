"""A plan: what the random user does, and what its server is like; as JSON."""

import tomllib
from collections.abc import Mapping
from typing import Any

from noxcli.sandbox.scenario import id_of
from tests import forks

Plan = dict[str, Any]  # a seed, the server's climate and switches, fates, strangers, and steps
Step = dict[str, Any]  # a file to write, or a command line, with what goes wrong meanwhile
Fault = Mapping[str, Any]  # what one request meets

WORKFLOW = id_of("world")
JUDGE = id_of("judge")  # of answers, in a gate
# The workflow is v1 now.
VERSIONS = {name: id_of(f"world {name}") for name in ("v1", "v2", "v3")}
SECRET = "solo, and for nobody else"  # the value of a secret input
PREVIEW = 300  # characters of a truncated text
KEPT = forks.ROOT / "tests/data/world"  # plans, defects to plant, what the user says and meets
SAYS = tomllib.loads((KEPT / "user.toml").read_text())
