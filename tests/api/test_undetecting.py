"""Loading requests without a detector of charsets: without a warning or an effect on the process."""

import subprocess
import sys

CHECK = """
import sys
import noxcli.api
import requests.compat
assert requests.compat.chardet is None
assert not {"chardet", "charset_normalizer"} & set(sys.modules)
import charset_normalizer
print(charset_normalizer.from_bytes("Zürich".encode()).best())
"""


def test_requests_does_without_it_and_others_still_load_it() -> None:
    done = subprocess.run([sys.executable, "-W", "error", "-c", CHECK], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Zürich\n", "")
