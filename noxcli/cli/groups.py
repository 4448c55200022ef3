"""The options of the verbs in groups, each declared once; `grouped` adds them to a verb."""

from noxcli.cli import options
from noxcli.fixed import fixed
from noxcli.render import Format


@fixed
class Common:
    """Where to connect, and what to show: options of every verb that calls the server."""

    quiet: options.Quiet = False
    verbose: options.Verbose = False
    color: options.Color = "auto"
    log_file: options.LogFile = None
    base_url: options.BaseUrl = None
    api_key_file: options.ApiKeyFile = None
    profile: options.ProfileOption = None


@fixed
class Waiting:
    """The limits of the whole command, and of retries for an unreachable server, in seconds."""

    timeout: options.Timeout = None
    retry_for: options.RetryFor = None


@fixed
class WaitingForRun(Waiting):
    """The same, for a verb that may follow a run."""

    timeout: options.RunTimeout = None
    retry_for: options.RunRetryFor = None


@fixed
class Checking:
    """What to check before a start, and against which version of the workflow."""

    dry_run: options.DryRun = False
    no_check: options.NoCheck = False
    version_id: options.VersionId = None


@fixed
class Given:
    """The inputs of one run on the command line."""

    inputs: options.InputArguments = None
    whole: options.WholeInputs = None
    secrets: options.Secrets = None


@fixed
class Starting(Checking):
    """How to start one run."""

    callback_url: options.CallbackUrl = None
    detach: options.Detach = False


@fixed
class Restarting(Starting):
    """How to start a run again."""

    version_id: options.OtherVersionId = None


@fixed
class Delivering:
    """What to print of a run, and where to save its outputs."""

    form: options.FormatOption = Format.TEXT
    as_json: options.JsonOption = False
    query: options.QueryOption = None
    raw: options.RawOption = None
    output_dir: options.OutputDirectory = None
    overwrite: options.Overwrite = False


@fixed
class Reporting:
    """What to write for other programs besides stdout."""

    asserts: options.Asserts = None
    report: options.Report = None
    junit: options.Junit = None
    dotenv: options.Dotenv = None
    ci: options.Ci = None


@fixed
class Following:
    """How to follow a run; times in seconds."""

    stall_timeout: options.StallTimeout = None
    retry_for: options.RunRetryFor = None
    on_pause: options.OnPause = None
    on_timeout: options.OnTimeout = options.WhenInterrupted.DETACH
    on_interrupt: options.WhenInterrupted | None = None  # an option only of verbs that start the run
    poll_interval: options.PollInterval = 2.0
    no_stream: options.NoStream = False


@fixed
class FollowingOwn(Following):
    """How to follow a run that the command itself started."""

    on_interrupt: options.OnInterrupt = None
