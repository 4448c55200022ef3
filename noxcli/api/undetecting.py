"""The import of requests without detectors of character sets, which noxcli never uses and which take 6 ms to load."""

import sys
import warnings

DETECTORS = ("chardet", "charset_normalizer")


def load_requests() -> None:
    """Load requests as if no detector were installed, which it supports; texts without a charset would be UTF-8."""
    absent = [name for name in DETECTORS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None: the import fails (Python docs, import)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that no detector is installed
            import requests  # noqa: F401
    finally:
        for name in absent:
            del sys.modules[name]


load_requests()
