"""All settings below the options: profile, aliases and defaults of all files and variables, in their order."""

from collections.abc import Mapping
from pathlib import Path

from noxcli.config.preferences import Preferences, Sourced, read_variables
from noxcli.config.profiles import Profile, choose_profile, config_path, read_users_file
from noxcli.config.project import find_project_file, read_project_file
from noxcli.config.table import Table
from noxcli.fixed import fixed


@fixed
class Configured:
    """What was read, and from where; `preferences` has variables over the project's file over the profile."""

    path: Sourced
    file: Table  # the user's own config file
    profile: Profile | None
    project: Path | None
    preferences: Preferences

    @property
    def aliases(self) -> Mapping[str, str]:
        """Workflows by alias."""
        return {name: alias.value for name, alias in self.preferences.aliases.items()}


def read_configured(environ: Mapping[str, str], profile: str | None = None) -> Configured:
    """Read all files and variables.

    Raises ConfigProblem for a file with a mistake, or a missing profile.
    """
    path = config_path(environ)
    file = read_users_file(path)
    chosen = choose_profile(file, profile, environ)
    project = _project_file()
    preferences = read_variables(environ)
    if project is not None:
        preferences = preferences.over(read_project_file(project, path.value))
    return Configured(path, file, chosen, project, preferences.over(chosen.preferences) if chosen else preferences)


def _project_file() -> Path | None:
    try:
        return find_project_file(Path.cwd(), Path.home())
    except (OSError, RuntimeError):
        return None  # the working directory is gone, or there is no home
