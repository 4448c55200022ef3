"""Make a release: `release.py prepare` writes its version, `--dry-run` rehearses all that the release job does."""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from release_text import INIT, mistakes, notes, texts_of, version_of, write_release

ROOT = Path(__file__).parents[1]
# What each lock has: all that a checkout needs; then, of that, what a user, the single file, a build, and the jobs that
# publish need.
LOCKS = {
    "requirements/dev.txt": ["pyproject.toml", "--all-extras", "--group", "dev", "--upgrade"],
    "requirements/run.txt": ["pyproject.toml", "--constraints", "requirements/dev.txt"],
    "requirements/pex.txt": [
        "pyproject.toml",
        "--extra",
        "sandbox",
        "--constraints",
        "requirements/dev.txt",
    ],
    "requirements/build.txt": ["--group", "build", "--constraints", "requirements/dev.txt"],
    "requirements/release.txt": [
        "--group",
        "release",
        "--group",
        "docs",
        "--constraints",
        "requirements/dev.txt",
    ],
    **{
        f"requirements/engines/{name}.txt": [f"requirements/engines/{name}.in", "--upgrade"]
        for name in ("act", "airflow", "envoy", "schemas", "snakemake")
    },
}
# What no file of the project can have.
BY_A_PERSON = (
    "at the package index: a trusted publisher for .github/workflows/release.yml with the environment 'release'",
    "at the repository: the environment 'release', and who may approve it; private vulnerability reports",
    "at the repository: Pages, with GitHub Actions as its source, for .github/workflows/docs.yml",
)
# Its metadata names its license in other words than the list of SPDX.
LICENSES = {"sseclient-py": "Apache-2.0"}
# Packages without compiled code: with it, the single file would run on one Python version and one system only.
ANY_MACHINE = {
    "compatible_tags": ["py3-none-any", "py2.py3-none-any"],
    "marker_environment": {
        "implementation_name": "cpython",
        "implementation_version": "3.11.0",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": "3.11.0",
        "python_version": "3.11",
        "sys_platform": "linux",
    },
}


def check(wanted: argparse.Namespace) -> Iterator[str]:
    """Yield what blocks the release of a tag; if nothing does, write what changed."""
    texts = texts_of(wanted.root)
    found = list(mistakes(wanted.tag, texts))
    if not found and wanted.notes is not None:
        wanted.notes.write_text(notes(texts, wanted.commit), encoding="utf-8")
    yield from found


def prepare(wanted: argparse.Namespace) -> Iterator[str]:
    """Write a version and today's date, the first time also the project's address; regenerate what has the version."""
    today = datetime.now(UTC).date()
    found = list(unready(wanted.root))
    if not found:
        found += write_release(wanted.root, wanted.version, today, wanted.repository, wanted.email)
    yield from found or run(sys.executable, "scripts/regenerate.py", cwd=wanted.root)


def unready(root: Path) -> Iterator[str]:
    """Yield why the commit of a release would hold more than the release, or be on no branch that is released."""
    branch = git(root, "branch", "--show-current")
    if branch != "main":
        yield f"this checkout is on {branch or 'no branch'}; run: git switch main"
    edited = git(root, "status", "--porcelain", "--untracked-files=no").splitlines()
    if edited:
        names = ", ".join(line[2:].strip() for line in edited[:5])
        yield f"{len(edited)} edited files, such as {names}; commit them first, or: git stash"


def git(root: Path, *words: str) -> str:
    """Return what git prints about a checkout, and nothing where it fails."""
    line = ["git", *words]
    done = subprocess.run(line, cwd=root, check=False, stdout=subprocess.PIPE, text=True)
    return done.stdout.rstrip("\n")


def sums(wanted: argparse.Namespace) -> Iterator[str]:
    """Write SHA256SUMS of the files that are released, as `sha256sum --check` reads it."""
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
        for file in sorted(wanted.files, key=lambda file: file.name)
    ]
    wanted.output.write_text("".join(lines), encoding="utf-8")
    yield from ()


def pin(wanted: argparse.Namespace) -> Iterator[str]:
    """Write the requirements that install a wheel and all it needs, each by its hash: `noxcli.lock`."""
    wanted.output.write_text(pinned(wanted.wheel, "requirements/run.txt"), encoding="utf-8")
    yield from ()


def pinned(wheel: Path, locked: str) -> str:
    """Return a lock with our own package in front. It has no path of the wheel, on which bytes would depend."""
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest() if wheel.is_file() else ""
    needed = (ROOT / locked).read_text(encoding="utf-8")
    return f"noxcli=={own_version()} \\\n    --hash=sha256:{digest}\n{needed}"


def own_version() -> str:
    return version_of((ROOT / INIT).read_text(encoding="utf-8"))


def lock(_: argparse.Namespace) -> Iterator[str]:
    """Lock the newest versions of all packages, with their hashes; needs uv and npm."""
    if missing := [name for name in ("uv", "npm") if shutil.which(name) is None]:
        yield f"{' and '.join(missing)} must be installed"
        return
    line = ["pip", "compile", "-q", "--universal", "--python-version", "3.11"]
    for name, chosen in LOCKS.items():
        yield from run(
            "uv",
            *line,
            "--generate-hashes",
            "--no-annotate",
            "--no-header",
            *chosen,
            "-o",
            name,
            cwd=ROOT,
        )
    yield from lock_component()
    yield from run(
        "npm", "update", "--package-lock-only", "--silent", cwd=ROOT / "requirements/engines"
    )


def lock_component() -> Iterator[str]:
    """Lock what the component for GitLab installs: of each package the wheel for any machine, so one hash."""
    pins = re.findall(
        r"^(\S+==\S+) \\$",
        (ROOT / "requirements/run.txt").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    with tempfile.TemporaryDirectory() as wheels:
        any_machine = ("--platform", "any", "--implementation", "py", "--abi", "none")
        failed = list(
            run(
                *("uvx", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"),
                *any_machine,
                *("--python-version", "3.11", "-d", wheels, *pins),
            )
        )
        if failed:
            yield from failed
            return
        lines = []
        for pin in pins:
            name, _, version = pin.partition("==")
            for wheel in Path(wheels).glob(f"{name.replace('-', '_')}-{version}-*.whl"):
                digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
                lines.append(f"{pin} \\\n    --hash=sha256:{digest}\n")
    (ROOT / "requirements/component.txt").write_text("".join(lines), encoding="utf-8")


def pex(wanted: argparse.Namespace) -> Iterator[str]:
    """Build the single file that runs noxcli, including the sandbox, on any machine with Python 3.11 or newer."""
    with tempfile.TemporaryDirectory() as scratch:
        needed = Path(scratch, "requirements.txt")
        needed.write_text(pinned(wanted.wheel, "requirements/pex.txt"), encoding="utf-8")
        # --venv and --sh-boot: from the second start on, a shell script runs an unpacked installation.
        yield from run(
            "-m", "pex", "--requirement", str(needed), "--find-links", str(wanted.wheel.parent),
            "--complete-platform", json.dumps(ANY_MACHINE), "--console-script", "noxcli", "--venv", "--sh-boot",
            "--output-file", str(wanted.output),
        )  # fmt: skip


def sbom(wanted: argparse.Namespace) -> Iterator[str]:
    """Write the bill of materials (CycloneDX) of the single file: every package in it, with version and license."""
    with tempfile.TemporaryDirectory() as scratch:
        found = [*run("-m", "pex.tools", str(wanted.pex), "venv", f"{scratch}/venv")]
        found += found or run(
            "-m", "cyclonedx_py", "environment", f"{scratch}/venv/bin/python",
            "--pyproject", str(ROOT / "pyproject.toml"),
            "--mc-type", "application", "--output-reproducible", "--output-file", str(wanted.output),
        )  # fmt: skip
    yield from found or complete_bill(wanted.output)


def complete_bill(file: Path) -> Iterator[str]:
    """Add what the tool cannot see: the version of noxcli, and licenses; yield the packages that still have none."""
    bill = json.loads(file.read_text(encoding="utf-8"))
    root = bill["metadata"]["component"]
    root |= {"version": own_version(), "purl": f"pkg:pypi/noxcli@{own_version()}"}
    for each in bill["components"]:
        if not each.get("licenses") and each["name"] in LICENSES:
            each["licenses"] = [
                {"license": {"acknowledgement": "concluded", "id": LICENSES[each["name"]]}}
            ]
        if not each.get("licenses"):
            yield f"{each['name']} names no license; add the one it has to LICENSES"
    file.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")


def rehearse() -> Iterator[str]:
    """Yield what fails of all that a release does before it publishes; print what the releaser has to fill in."""
    with tempfile.TemporaryDirectory() as scratch:
        at = Path(scratch)
        made = [at / "packages", at / "again"]
        for directory in made:
            yield from run("-m", "hatchling", "build", "-d", str(directory), cwd=ROOT)
        packages = [str(path) for path in sorted(made[0].iterdir())]
        for path in map(Path, packages):
            if path.read_bytes() != (made[1] / path.name).read_bytes():
                yield f"{path.name} differs from one build to the next"
        yield from run("-m", "twine", "check", "--strict", *packages)
        [wheel] = made[0].glob("*.whl")
        yield from run("-m", "check_wheel_contents", str(wheel))
        file, bill, lock_file = at / "noxcli", at / "noxcli.cdx.json", at / "noxcli.lock"
        yield from pex(argparse.Namespace(wheel=wheel, output=file))
        yield from sbom(argparse.Namespace(pex=file, output=bill))
        yield from run(
            str(file),
            "sandbox",
            "--",
            "noxcli",
            "run",
            "demo",
            "User Input=hello",
            "--raw",
            "Answer",
        )
        venv.create(at / "venv", with_pip=True)
        yield from pin(argparse.Namespace(wheel=wheel, output=lock_file))
        pip = [str(at / "venv/bin/pip"), "install", "-q", "--disable-pip-version-check"]
        yield from run(
            *pip, "--find-links", str(wheel.parent), "--require-hashes", "-r", str(lock_file)
        )
        yield from run(str(at / "venv/bin/noxcli"), "--version")
        released = [*map(Path, packages), file, bill, lock_file]
        yield from sums(argparse.Namespace(files=released, output=at / "SHA256SUMS"))
    print(f"\nTo release {own_version()}, fill in:")
    for line in (*mistakes(f"v{own_version()}", texts_of(ROOT)), *BY_A_PERSON):
        print(f"- {line}")


def run(*argv: str, cwd: Path | None = None) -> Iterator[str]:
    """Run a program, or a module of Python after `-m`; yield that it failed, if it did."""
    is_module = argv[0] == "-m"
    line = [sys.executable, *argv] if is_module else argv
    done = subprocess.run(line, cwd=cwd, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        name = argv[1] if is_module else Path(argv[0]).name
        yield f"{name} failed with exit code {done.returncode}; its message is above"


def main(argv: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.set_defaults(call=None)
    parser.add_argument(
        "--dry-run", action="store_true", help="build and check everything, and publish nothing"
    )
    verbs = parser.add_subparsers()
    verb = verbs.add_parser("check", help=check.__doc__)
    verb.set_defaults(call=check)
    verb.add_argument("tag", metavar="TAG", help="v1.2.3, for example")
    verb.add_argument("--notes", type=Path, metavar="FILE", help="write what changed to FILE")
    verb.add_argument(
        "--commit", default="HEAD", help="the commit of the release, which the notes name"
    )
    verb.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="the checkout")
    verb = verbs.add_parser("prepare", help=prepare.__doc__)
    verb.set_defaults(call=prepare)
    verb.add_argument("version", metavar="VERSION", help="1.2.3, for example")
    verb.add_argument(
        "--repository", metavar="OWNER/NAME", help="where the project is; before the first release"
    )
    verb.add_argument(
        "--email", metavar="ADDRESS", help="the address of the authors; before the first release"
    )
    verb.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="the checkout")
    verb = verbs.add_parser("lock", help=lock.__doc__)
    verb.set_defaults(call=lock)
    verb = verbs.add_parser("pex", help=pex.__doc__)
    verb.set_defaults(call=pex)
    verb.add_argument("wheel", type=Path, metavar="WHEEL", help="a wheel of noxcli")
    verb.add_argument("-o", "--output", type=Path, default=ROOT / "dist/noxcli", metavar="FILE")
    verb = verbs.add_parser("pin", help=pin.__doc__)
    verb.set_defaults(call=pin)
    verb.add_argument(
        "wheel", type=Path, metavar="WHEEL", help="the wheel of noxcli that is released"
    )
    verb.add_argument(
        "-o", "--output", type=Path, default=ROOT / "dist/noxcli.lock", metavar="FILE"
    )
    verb = verbs.add_parser("sums", help=sums.__doc__)
    verb.set_defaults(call=sums)
    verb.add_argument("files", type=Path, nargs="+", metavar="FILE", help="what is released")
    verb.add_argument("-o", "--output", type=Path, default=ROOT / "dist/SHA256SUMS", metavar="FILE")
    verb = verbs.add_parser("sbom", help=sbom.__doc__)
    verb.set_defaults(call=sbom)
    verb.add_argument("pex", type=Path, metavar="PEX", help="what `release.py pex` has built")
    verb.add_argument(
        "-o", "--output", type=Path, default=ROOT / "dist/noxcli.cdx.json", metavar="FILE"
    )
    wanted = parser.parse_args(argv)
    if wanted.dry_run == (wanted.call is not None):
        parser.error("give --dry-run, or one of prepare, check, lock, pex, pin, sbom and sums")
    found = list(rehearse() if wanted.dry_run else wanted.call(wanted))
    for line in found:
        print(f"release: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
