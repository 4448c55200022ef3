"""A simulation of the Noxus HTTP API on this machine, to try, test and rehearse pipelines.

It shares no code with the client. Both implement the wire format on their own, so that a wrong
field name on one side cannot agree with itself on the other.

This module imports neither Starlette nor uvicorn: a caller can first ask `missing_packages()`, and
then import `noxcli.sandbox.server` or `noxcli.sandbox.command`.
"""

from importlib.util import find_spec

_NEEDED = {
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "python_multipart": "python-multipart",
    "ruamel": "ruamel.yaml",
}

INSTALL_HINT = f"pip install {' '.join(_NEEDED.values())}"


def missing_packages() -> list[str]:
    """Which packages of the `sandbox` extra are not installed, by the names that pip knows."""
    return [package for module, package in _NEEDED.items() if find_spec(module) is None]
