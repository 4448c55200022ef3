"""TypeScript types made from the schemas compile, and real documents match them."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.steps import node_fails
from noxcli.schemas import schema_named, schema_names
from tests.conftest import Noxcli
from tests.process import needs

PACKAGES = ("json-schema-to-typescript@15", "typescript@5.9")
pytestmark = [pytest.mark.wide, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory into which npm has installed the tools."""
    needs("npm")
    place = tmp_path_factory.mktemp("npm")
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(place), *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    if done.returncode != 0:
        if os.environ.get("CI") == "true":
            pytest.fail(f"npm can't install {', '.join(PACKAGES)}: {done.stderr[-2000:]}")
        pytest.skip("npm can't reach its registry")
    return place / "node_modules" / ".bin"


def compiled(tools: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    files = sorted(map(str, directory.glob("*.ts")))
    options = ["--strict", "--noEmit", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"]
    return subprocess.run([tools / "tsc", *options, *files], capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.long(30)
def test_types_compile_and_fit_real_documents(tools: Path, tmp_path: Path, noxcli: Noxcli, plays: Any) -> None:
    schemas, types = tmp_path / "schemas", tmp_path / "types"
    schemas.mkdir()
    for name in schema_names():
        (schemas / f"{name}.json").write_text(json.dumps(schema_named(name)))
    made = subprocess.run(
        [tools / "json2ts", "-i", f"{schemas}/*.json", "-o", str(types)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert made.returncode == 0, made.stderr
    assert len(list(types.glob("*.d.ts"))) == len(schema_names())

    result = noxcli("run", plays(script=node_fails("Write", "no ink"), status="failed"), "--format", "ndjson")
    program = types / "program.ts"
    program.write_text(
        'import type { NoxcliEvent1 } from "./event";\nimport type { NoxcliResult1 } from "./result";\n'
        + "".join(
            f"export const event{at}: NoxcliEvent1 = {json.dumps(line)};\n" for at, line in enumerate(result.lines)
        )
        + f"export const result: NoxcliResult1 = {json.dumps(result.lines[-1]['data'])};\n"
        + 'export const why: string = result.error?.message ?? "";\n'
    )
    done = compiled(tools, types)
    assert done.returncode == 0, done.stdout

    program.write_text(program.read_text() + "export const code: string = result.exit_code;\n")
    assert "Type 'number' is not assignable to type 'string'" in compiled(tools, types).stdout
