"""Loading requests without what noxcli never uses of it: without a warning or an effect on the process."""

import subprocess
import sys

CHECK = """
import sys
import noxcli.api
import requests.compat
assert requests.compat.chardet is None
assert not {"chardet", "charset_normalizer", "importlib.metadata"} & set(sys.modules)
import urllib3.http2
import charset_normalizer
print(charset_normalizer.from_bytes("Zürich".encode()).best())
from importlib.metadata import PackageNotFoundError, version
assert urllib3.http2.version("requests") == version("requests") == requests.__version__
try:
    urllib3.http2.version("no-such-package")
except PackageNotFoundError:
    pass
else:
    raise AssertionError("a version of nothing")
"""


def test_requests_does_without_them_and_others_still_load_them() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", CHECK], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Zürich\n", "")
