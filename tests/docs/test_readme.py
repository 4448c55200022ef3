"""README and the guide: every shell block, and every line of the table for users of the SDK, does what it says."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.server import Sandbox
from tests import forks
from tests.process import captured, environment, needs

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SDK = (ROOT / "docs" / "sdk.md").read_text()
RECIPES = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
SETUPS = re.findall(r"```sh\n(.*?)\n```", README)
TABLE = (
    SDK.partition("| in the SDK | in the shell |\n|---|---|\n")[2].partition("\n\n")[0].splitlines()
)
# Pages whose blocks run one after another, as a reader would run them. Engines and Slack have their own tests.
PAGES = sorted(
    page for page in (ROOT / "docs").glob("*.md") if page.stem not in {"engines", "slack"}
)
BLOCKS = {
    page.name: re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL) for page in PAGES
}
GUIDE = {name for name, blocks in BLOCKS.items() if blocks}
# What test_snippets.py, test_change.py and test_scripting.py run once, too, to see what it prints.
SEEN = {"batch.md", "compare.md", "pull-request.md", "scripting.md", "test-a-change.md"}
ONCE_OR_TWICE = [
    pytest.param(
        page,
        again,
        id=f"{page}-{'twice' if again else 'once'}",
        marks=[pytest.mark.wide] * (again or page in SEEN),
    )
    for page in sorted(GUIDE)
    for again in (False, True)
]
# A block, and once more: then no file that had something in it may be empty.
TWICE = """{0}
full=$(find . -type f -size +0 ! -path './.*')
{0}
for file in $full; do if [ -e "$file" ] && [ ! -s "$file" ]; then echo "emptied $file" >&2; exit 9; fi; done
"""
FILES = re.compile(r"```toml\n# (\S+)\n(.*?)```", re.DOTALL)
LINES = [row.rpartition(" | `")[2].removesuffix("` |").replace("\\|", "|") for row in TABLE]


def shell(script: str, sandbox: Sandbox, where: Path, name: str = "bash", **more: str) -> str:
    """Run a script as a careful user would, with this environment's noxcli first on PATH."""
    careful = [] if name == "fish" else ["-eu", "-o", "pipefail"]
    path = f"{forks.directory()}:/usr/local/bin:/usr/bin:/bin"
    env = {**environment(sandbox.url, sandbox.key), "PATH": path, "HOME": str(where), **more}
    done = captured([name, *careful, "-c", script], env, cwd=where, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{script}\n{done.stdout[-500:]}\n{done.stderr[-500:]}"
    return done.stdout


def test_there_is_something_to_test() -> None:
    assert len(RECIPES) == 4
    assert len(GUIDE) > 30
    assert len(README.splitlines()) < 100
    assert len(LINES) >= 15
    assert SETUPS == ["scripts/try", "scripts/test"]


def test_the_first_command_names_the_python_it_needs(tmp_path: Path) -> None:
    """With an older Python of this machine; there alone pip would search for minutes."""
    older = [
        *Path(sys.base_prefix).parent.glob("3.*/bin/python3"),
        *Path("/usr/bin").glob("python3.*[0-9]"),
    ]
    asked = [
        (path, captured([str(path), "-c", "import sys; print(*sys.version_info[:2])"], {}))
        for path in older
    ]
    found = [
        path
        for path, said in asked
        if said.returncode == 0 and said.stdout < "3 11" and said.stdout > "3 10"
    ]
    if not found:
        pytest.skip("there is no Python 3.10")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(found[0])
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "try", tmp_path / "scripts")
    done = captured(
        ["bash", "-c", SETUPS[0]], {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"noxcli needs Python 3\.11 or newer; python3 is 3\.10\.\d+\n", done.stderr)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "scripts"]


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_every_recipe_can_be_pasted(name: str, lively: Sandbox, tmp_path: Path) -> None:
    needs(name)
    assert not [line for recipe in RECIPES for line in recipe.splitlines() if "#" in line], (
        "zsh takes it for an argument"
    )
    for recipe in RECIPES * (2 if name == "bash" else 1):
        assert shell(recipe, lively, tmp_path, name).strip()


@pytest.mark.long(12)
@pytest.mark.parametrize(("page", "again"), ONCE_OR_TWICE)
def test_each_block_of_a_page_can_be_pasted_twice(
    page: str, tmp_path: Path, *, again: bool
) -> None:
    for name, text in FILES.findall((ROOT / "docs" / page).read_text()):
        (tmp_path / name).write_text(text)
    with Sandbox(BUILT_IN, speed=30) as sandbox:
        # One with a sandbox of its own leaves no server behind that could know it.
        blocks = [
            TWICE.format(each) if again and "noxcli sandbox" not in each else each
            for each in BLOCKS[page]
        ]
        assert shell("".join(blocks), sandbox, tmp_path).strip()


@pytest.fixture(scope="module")
def names(lively: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the table's lines call $WF, $RUN, $CURSOR and $NODE: all from one run that has ended."""
    script = (
        "RUN=$(noxcli run demo 'User Input=hi' --detach 2>/dev/null)\n"
        "events=$(noxcli stream $RUN --format ndjson --quiet)\n"
        "CURSOR=$(jq -rs 'map(select(.redis_id))[2].redis_id' <<<\"$events\")\n"
        'NODE=$(jq -rs \'last.data.nodes[] | select(.name == "User Input").id\' <<<"$events")\n'
        'echo "$RUN $CURSOR $NODE"'
    )
    told = shell(script, lively, tmp_path_factory.mktemp("names")).split()
    return dict(zip(("RUN", "CURSOR", "NODE"), told, strict=True), WF="demo")


@pytest.mark.parametrize("line", LINES)
def test_an_sdk_snippets_line_runs(
    line: str, lively: Sandbox, names: dict[str, str], tmp_path: Path
) -> None:
    assert shell(line, lively, tmp_path, **names).strip()
