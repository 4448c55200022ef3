"""`noxcli config`: each value with its source, and never a key."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Noxcli, Result

FILE = """
default_profile = "work"
[profile.work]
base_url = "https://work.example"
api_key_command = ["touch", "ran", "noxus_S3CRET"]
[profile.work.defaults]
timeout = "10m"
retry_for = 5
[profile.work.aliases]
report = "Quarterly report"
"""


@pytest.fixture
def path() -> Path:
    path = Path.home() / "config.toml"
    path.write_text(FILE)
    return path


def shown(result: Result) -> dict[str, tuple[Any, str]]:
    assert result.code == 0, result.err
    return {row["name"]: (row["value"], row["source"]) for row in result.json["settings"]}


def test_every_value_has_a_source(path: Path) -> None:
    Path(".noxcli.toml").write_text('[defaults]\ntimeout = "5m"\non_pause = "wait"\n[aliases]\nd = "demo"\n')
    noxcli = Noxcli({"NOXCLI_CONFIG": str(path), "NOXCLI_RETRY_FOR": "7", "NOXCLI_STATE_DIR": "/s"})
    result = noxcli("config", "--json")
    project = f"{Path.home()}/.noxcli.toml"
    assert shown(result) == {
        "profile": ("work", f"{path}:default_profile"),
        "base_url": ("https://work.example", f"{path}:profile.work.base_url"),
        "api_key": ("(hidden)", f"{path}:profile.work.api_key_command"),
        "allow_http": ("no", "default"),
        "config_file": (str(path), "env NOXCLI_CONFIG"),
        "project_file": (project, "working directory"),
        "state_dir": ("/s", "env NOXCLI_STATE_DIR"),
        "timeout": ("5m", f"{project}:defaults.timeout"),
        "stall_timeout": (None, "default"),
        "idle_timeout": ("30", "default"),
        "retry_for": ("7", "env NOXCLI_RETRY_FOR"),
        "connect_timeout": ("10", "default"),
        "poll_interval": ("2", "default"),
        "on_pause": ("wait", f"{project}:defaults.on_pause"),
        "on_interrupt": (None, "default"),
        "on_timeout": (None, "default"),
        "output_dir": (None, "default"),
    }
    assert result.json["schema"] == "noxcli.config/1"
    assert result.json["aliases"] == [
        {"name": "report", "value": "Quarterly report", "source": f"{path}:profile.work.aliases.report"},
        {"name": "d", "value": "demo", "source": f"{project}:aliases.d"},
    ]


@pytest.mark.parametrize(
    ("flags", "environ", "key", "url"),
    [
        ([], {}, (None, "nowhere: set NOXUS_API_KEY or give --api-key-file FILE"), "default"),
        (
            [],
            {"NOXUS_API_KEY": "S3CRET", "NOXUS_BACKEND_URL": "https://h"},
            "env NOXUS_API_KEY",
            "env NOXUS_BACKEND_URL",
        ),
        ([], {"NOXCLI_API_KEY": "S3CRET", "NOXCLI_BASE_URL": "https://h"}, "env NOXCLI_API_KEY", "env NOXCLI_BASE_URL"),
        ([], {"NOXCLI_API_KEY_FILE": "k", "NOXUS_API_KEY": "S3CRET"}, "env NOXCLI_API_KEY_FILE", "default"),
        (["--api-key-file", "k", "--base-url", "https://u:S3CRET@h"], {}, "flag --api-key-file", "flag --base-url"),
    ],
)
def test_flags_and_variables_are_named(
    flags: list[str], environ: dict[str, str], key: str | tuple[None, str], url: str
) -> None:
    result = Noxcli({"NOXCLI_STATE_DIR": "/s", **environ})("config", "--json", *flags)
    rows = shown(result)
    assert rows["api_key"] == (key if isinstance(key, tuple) else ("(hidden)", key))
    assert rows["base_url"][1] == url
    assert b"S3CRET" not in result.out


def test_no_command_for_a_key_is_run_and_no_word_of_it_shown(path: Path) -> None:
    result = Noxcli({"NOXCLI_CONFIG": str(path)})("config")
    assert result.code == 0
    assert not Path("ran").exists()
    assert "S3CRET" not in result.text


def test_the_table_has_a_line_for_each_with_tabs_for_programs(path: Path) -> None:
    result = Noxcli({"NOXCLI_CONFIG": str(path)})("config")
    lines = [line.split("\t") for line in result.text.splitlines()]
    assert lines[0] == ["SETTING", "VALUE", "FROM"]
    assert {len(line) for line in lines} == {3}
    assert ["alias report", "Quarterly report", f"{path}:profile.work.aliases.report"] in lines


def test_a_broken_file_is_told_as_everywhere(path: Path) -> None:
    path.write_text("a = ")
    result = Noxcli({"NOXCLI_CONFIG": str(path)})("config", "--json")
    assert (result.code, result.json["error"]["phase"]) == (2, "config")
