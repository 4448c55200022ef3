"""The import of requests without what noxcli never uses: detectors of character sets, and a reader of versions."""

import sys
import warnings
from types import ModuleType

DETECTORS = ("chardet", "charset_normalizer")
VERSIONS = "importlib.metadata"


def load_requests() -> None:
    """Load requests as if no detector were installed, which it allows for; texts without a charset would be UTF-8.

    That saves 6 ms. urllib3 loads importlib.metadata, 3 ms, in order to check the version of h2 if somebody turns on
    HTTP/2; until then, a function stands for it.
    """
    versions = ModuleType(VERSIONS)
    vars(versions)["version"] = version_of
    stand_ins = {**dict.fromkeys(DETECTORS), VERSIONS: versions}  # None: the import fails (Python docs, import)
    absent = {name: stand_in for name, stand_in in stand_ins.items() if name not in sys.modules}
    sys.modules.update(absent)  # type: ignore[arg-type]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it misses the detectors
            import requests  # noqa: F401
    finally:
        for name in absent:
            del sys.modules[name]


def version_of(package: str) -> str:
    """Return the version of an installed package. Raises PackageNotFoundError."""
    from importlib.metadata import version  # loaded only for HTTP/2, which noxcli does not turn on

    return version(package)


load_requests()
