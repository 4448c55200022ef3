"""Real shells on a pseudo-terminal: what Tab would offer, and what becomes of a line typed with Tabs."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.process import HUNG, captured, needs

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "completions"
REAL = Path(sys.executable).parent / "noxcli"

# A pipe on our side, a terminal on the shell's; in its own child, since forking a process with threads is unsafe.
AT_A_TERMINAL = [sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])"]
WITH_A_SIZE = ["sh", "-c", 'stty rows 50 cols 200; exec "$@"', "sh"]
LONGEST_PROMPT = 5.0  # seconds until a shell prompts
STYLE = re.compile(r"\x1b(\[[0-9;?]*[a-zA-Z]|[=>])")

BASH = """
PS1='> '
bind 'set bell-style none'
source "$SCRIPTS/noxcli.bash"
probe() {
    _noxcli "$@"
    { ((${#COMPREPLY[@]} == 0)) || printf '%s\\n' "${COMPREPLY[@]}"; echo END; } >"$ANSWER"
}
spec=$(complete -p noxcli)
eval "${spec/_noxcli/probe}"
"""

ZSH = """
PROMPT='> '
unsetopt beep
LISTMAX=10000 # without asking, which would take the next key for an answer
fpath=("$SCRIPTS" $fpath)
autoload -Uz compinit
compinit -u -D
setopt extendedglob
compadd() {
  if [[ " $* " == *' -'[OAD]' '* ]]; then
    builtin compadd "$@"
    return
  fi
  local -a hits said
  local -i at=${@[(i)-[a-zA-Z]#d]} i # -d, or -ld: the name of the array of descriptions
  ((at >= $#)) || said=("${(@P)@[at+1]}")
  builtin compadd -A hits -D said "$@"
  for ((i = 1; i <= $#hits; i++)); do
    print -r -- "$IPREFIX$hits[i]	$said[i]" >>"$ANSWER.part"
  done
  builtin compadd "$@"
}
probe() {
  : >|"$ANSWER.part"
  zle expand-or-complete
  print END >>"$ANSWER.part"
  command cp "$ANSWER.part" "$ANSWER"
}
zle -N probe
bindkey '^I' probe
"""


class Typed:
    """A shell that gets keystrokes, and answers through files."""

    def __init__(self, command: list[str], home: Path, environ: dict[str, str]) -> None:
        self.name = command[0]
        self.answer, self.argv, self.screen = home / "answer", home / "argv", home / "screen"
        with self.screen.open("wb") as screen:
            self.process = subprocess.Popen(
                [*AT_A_TERMINAL, *WITH_A_SIZE, *command],
                stdin=subprocess.PIPE,
                stdout=screen,
                stderr=screen,
                cwd=home / "work",
                env={**environ, "ANSWER": str(self.answer), "ARGV": str(self.argv)},
            )
        self.becomes("noxcli ready")

    def offers(self, line: str) -> dict[str, str]:
        """Return the candidates at the end of the line, each with its description."""
        self.answer.unlink(missing_ok=True)
        self.type(f"{line}\t")
        *lines, _ = self._read(self.answer, "END\n").splitlines()
        self.type("\x15")  # Ctrl-U: delete the line
        pairs = (found.partition("\t") for found in lines)
        return {word: said for word, _, said in pairs}

    def offers_each(self, lines: Sequence[str]) -> list[dict[str, str]]:
        """Return the candidates at the end of each line."""
        return [self.offers(line) for line in lines]

    def becomes(self, line: str) -> list[str]:
        """Type the line with its Tabs, and return the arguments that noxcli is then started with."""
        self.argv.unlink(missing_ok=True)
        self.type(f"{line}\r")
        argv = self._read(self.argv, "END\n").splitlines()[:-1]
        self._wait_for_prompt()
        return argv

    def close(self) -> None:
        """Exit the shell."""
        self.process.terminate()
        self.process.communicate()

    def type(self, text: str) -> None:
        """Type the text without waiting."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def _wait_for_prompt(self) -> None:
        """Let the shell come to its next prompt: keys that are typed before may be lost."""
        until = time.monotonic() + LONGEST_PROMPT
        while self.name != "fish" and time.monotonic() < until:
            if STYLE.sub("", self.screen.read_text(errors="replace")).endswith("> "):
                return
            time.sleep(0.002)

    def _read(self, path: Path, end: str) -> str:
        until = time.monotonic() + HUNG
        while time.monotonic() < until:
            if path.exists() and (text := path.read_text()).endswith(end):
                return text
            time.sleep(0.002)
        raise AssertionError(
            f"no answer; the screen says:\n{self.screen.read_text(errors='replace')}"
        )


class Fish(Typed):
    """fish itself can print what it would offer, without a terminal."""

    def __init__(self, home: Path, environ: dict[str, str]) -> None:
        self.home, self.environ = home, environ
        super().__init__(["fish", "-C", "source $SCRIPTS/noxcli.fish", "-i"], home, environ)

    def offers(self, line: str) -> dict[str, str]:
        return self.offers_each([line])[0]

    def offers_each(self, lines: Sequence[str]) -> list[dict[str, str]]:
        script = "source $SCRIPTS/noxcli.fish; for line in $argv; complete -C $line; echo END; end"
        done = captured(["fish", "-c", script, *lines], self.environ, cwd=self.home / "work")
        assert (done.returncode, done.stderr) == (0, "")
        answers = done.stdout.split("END\n")[:-1]
        assert len(answers) == len(lines)
        return [
            {
                word: said
                for word, _, said in (found.partition("\t") for found in answer.splitlines())
            }
            for answer in answers
        ]


def start(
    name: str,
    home: Path,
    *,
    table: Path | None = None,
    first: str = "",
    environ: Mapping[str, str] | None = None,
) -> Typed:
    """Start the shell in an empty home, with a noxcli on PATH that writes down its arguments."""
    needs(name)
    (home / "work").mkdir()
    # fish would otherwise use its first start to read all manual pages, in Python.
    (home / ".cache" / "fish" / "generated_completions").mkdir(parents=True)
    (home / ".bashrc").write_text(first + BASH)
    (home / ".zshrc").write_text(first + ZSH)
    environ = {
        **(environ or {}),
        "HOME": str(home),
        "ZDOTDIR": str(home),
        "INPUTRC": os.devnull,
        "TERM": "xterm",
        "LC_ALL": "C.UTF-8",
        "PATH": f"{pretend_programs(home / 'bin', table)}:{os.environ['PATH']}",
        "SCRIPTS": str(SCRIPTS),
    }
    if name == "fish":
        return Fish(home, environ)
    return Typed(
        {"bash": ["bash", "--noprofile", "-i"], "zsh": ["zsh", "-d", "-i"]}[name], home, environ
    )


def pretend_programs(directory: Path, table: Path | None = None) -> Path:
    """Make a noxcli that writes down its arguments, and answers for Tab, by this table if there is one."""
    directory.mkdir()
    tab = f'exec "{REAL}" "$@"'
    if table is not None:
        code = f"import sys; from noxcli.cli import complete as c; c.TABLE = '{table}'; c.complete(sys.argv[2:])"
        tab = f'exec "{sys.executable}" -c "{code}" "$@"'
    lines = [
        "#!/bin/sh",
        f'[ "$1" != __complete ] || {tab}',
        '{ printf "%s\\n" "$@"; echo END; } >"$ARGV.part"',
        'mv "$ARGV.part" "$ARGV"',
    ]
    (directory / "noxcli").write_text("".join(f"{line}\n" for line in lines))
    (directory / "noxcli").chmod(0o755)
    return directory
