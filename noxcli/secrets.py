"""Secret inputs: read from the environment, and hidden again wherever a message would show them."""

import json
import re
from collections.abc import Iterable, Mapping

from noxcli.errors import UsageProblem

HIDDEN = "***"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LEAST_PART = 4  # characters that tell something
ESCAPED = re.compile(r"\\([=:@\\])")


def read_secret(text: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return key and value of `--secret KEY=ENVNAME`.

    Raises UsageProblem; what stands where a name should be is quoted only if it looks like one, not like a secret.
    """
    key, _, name = text.rpartition("=")
    key = ESCAPED.sub(r"\1", key)
    if not key:
        raise UsageProblem("--secret takes KEY=ENVNAME", "write the name of an environment variable, not the secret")
    shown = f"variable {name}" if NAME.fullmatch(name) and name.isupper() else "environment variable it names"
    what = f"--secret {key!r}: the {shown}"
    if name not in environ:
        raise UsageProblem(f"{what} is not set", "write KEY=ENVNAME, and export ENVNAME")
    value = environ[name]
    if not value:
        # How CI systems pass a secret that nobody has set.
        raise UsageProblem(f"{what} is empty", f"send an empty text with {key}=")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UsageProblem(f"{what} is not UTF-8 text") from None
    return key, value


class Mask:
    """Hides secrets in texts, also in the forms in which a server or a message may quote them."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms = sorted({form for secret in secrets for form in _forms(secret) if form}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._forms))) if self._forms else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def torn(self, text: str) -> str:
        """Return a text that was cut out of a longer one, with a part of a secret at its edges hidden as well."""
        text = self(text)
        for form in self._forms:
            for size in range(len(form) - 1, LEAST_PART - 1, -1):
                if text.startswith(form[-size:]):
                    text = HIDDEN + text[size:]
                if text.endswith(form[:size]):
                    text = text[:-size] + HIDDEN
        return text


def _forms(secret: str) -> Iterable[str]:
    yield secret
    yield " ".join(secret.split())  # a reason is told in one line
    yield repr(secret)[1:-1]
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
