"""Secret inputs: `--secret KEY=ENVNAME`, read from the environment."""

import re
from collections.abc import Mapping

from noxcli.errors import UsageProblem

VARIABLE_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
ESCAPED = r"\\([=:@\\])"


def read_secret(text: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return key and value of `--secret KEY=ENVNAME`.

    Raises UsageProblem, which quotes the text in place of a name only if it looks like a name, not like a secret.
    """
    key, _, name = text.rpartition("=")
    key = re.sub(ESCAPED, r"\1", key)
    if not key:
        raise UsageProblem("--secret takes KEY=ENVNAME", "write the name of an environment variable, not the secret")
    named = re.fullmatch(VARIABLE_NAME, name) and name.isupper()
    shown = f"variable {name}" if named else "environment variable it names"
    what = f"--secret {key!r}: the {shown}"
    if name not in environ:
        raise UsageProblem(f"{what} is not set", "write KEY=ENVNAME, and export ENVNAME")
    value = environ[name]
    if not value:
        # CI systems pass an unset secret like this.
        raise UsageProblem(f"{what} is empty", f"send an empty text with {key}=")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageProblem(f"{what} is not UTF-8 text") from None
    return key, value
