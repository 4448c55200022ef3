# PowerShell completion for noxcli. Where this has nothing to offer, PowerShell itself offers file names.
# Made by scripts/regenerate.py from the options that the commands declare: edit those instead.

function __noxcli_lines([string] $Path) {
    if (Test-Path -LiteralPath $Path -PathType Leaf) { [System.IO.File]::ReadAllLines($Path) | Where-Object { $_ } }
}

function __noxcli_directory {
    if ($env:NOXCLI_CACHE_DIR) { $env:NOXCLI_CACHE_DIR }
    elseif ($env:LOCALAPPDATA) { "$env:LOCALAPPDATA/noxcli/Cache" }
    elseif ($env:XDG_CACHE_HOME -like '/*') { "$env:XDG_CACHE_HOME/noxcli" }
    elseif ($IsMacOS) { "$HOME/Library/Caches/noxcli" }
    else { "$HOME/.cache/noxcli" }
}

# The beginnings of the cache paths for the server on the line. A server is named by its address, by a profile, or not
# at all; noxcli has stored what the last two mean.
function __noxcli_server($Given) {
    $names = @(
        $Given['--base-url'],
        $env:NOXCLI_BASE_URL,
        $env:NOXUS_BACKEND_URL,
        $Given['--profile'],
        $env:NOXCLI_PROFILE,
        ''
    )
    $server = ([string] ($names | Where-Object { $_ } | Select-Object -First 1)).TrimEnd('/')
    $known = $server -creplace '[^a-zA-Z0-9.-]', '_'
    foreach ($line in @(__noxcli_lines "$(__noxcli_directory)/servers")) {
        $key, $name = $line.Split("`t")
        if ($name -ceq $server -and $key -cmatch '^[a-zA-Z0-9._-]+$') { $known = $key }
    }
    if (-not $known) { $known = 'https___backend.noxus.ai' }
    "$(__noxcli_directory)/$known"
}

# The id for the first argument on the line: an alias, a name, a run or an id.
function __noxcli_workflow([string] $Known, $Given) {
    $workflow = [string] $Given['']
    foreach ($kind in 'aliases', 'workflows', 'runs') {
        $found = $null
        foreach ($line in @(__noxcli_lines "$Known.$kind")) {
            $word, $id = $line.Split("`t")
            $newest = $kind -ceq 'runs' -and $workflow -ceq '@last' # the newest run is the last
            if ($newest -or $word -ceq $workflow) { $found = @($id)[0] }
        }
        if ($found) { $workflow = $found }
    }
    if ($workflow -cmatch '^[a-zA-Z0-9._-]+$') { $workflow }
}

# Names from noxcli's cache. They are data: __noxcli_quoted quotes them.
function __noxcli_known([string] $Kind, [string] $Typed, $Given) {
    $known = __noxcli_server $Given
    switch ($Kind) {
        'profile' {
            __noxcli_lines "$(__noxcli_directory)/servers" | ForEach-Object { $_.Split("`t")[1] } | Where-Object { $_ }
        }
        'workflow' {
            $pairs = @(__noxcli_lines "$known.workflows" | ForEach-Object { , $_.Split("`t") })
            $words = @($pairs | ForEach-Object { $_[0] }) + @(__noxcli_lines "$known.aliases" | ForEach-Object { $_.Split("`t")[0] })
            $begun = @($words | Where-Object { $_.StartsWith($Typed, [System.StringComparison]::Ordinal) })
            if ($begun) { $begun } else { $pairs | ForEach-Object { $_[1] } }
        }
        { $_ -in 'input', 'output' } {
            $workflow = __noxcli_workflow $known $Given
            if ($workflow) { __noxcli_lines "$known.$workflow.${Kind}s" }
        }
        'run' {
            '@last'
            $runs = @(__noxcli_lines "$known.runs" | ForEach-Object { $_.Split("`t")[0] } | Where-Object {
                    $_.StartsWith($Typed, [System.StringComparison]::Ordinal) -and $_ -cmatch '^[a-zA-Z0-9._-]+$'
                })
            [array]::Reverse($runs)
            if (-not $Typed) { $runs = $runs | Select-Object -First 20 }
            $runs
        }
    }
}

# The word in a form that PowerShell reads as that word. A key's closing quote comes after its value.
function __noxcli_quoted([string] $Word, [string] $Kind) {
    if ($Word -cmatch '^[a-zA-Z0-9_./][a-zA-Z0-9_./:=-]*$') { return $Word }
    $quoted = "'" + [System.Management.Automation.Language.CodeGeneration]::EscapeSingleQuotedStringContent($Word)
    if ($Kind -eq 'input') { $quoted } else { $quoted + "'" }
}

function __noxcli_verbs {
    [ordered]@{
        '' = @{
            Help = 'Run Noxus AI workflows from the shell'
            Arguments = @(
            )
            Options = @(
                @{ Names = @('--version', '-V'); Help = 'Print the version and exit' }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'run' = @{
            Help = 'Start a workflow, follow it live, and print its output'
            Arguments = @(
                @{ Kind = 'workflow'; Words = @(); Repeated = $false }
                @{ Kind = 'input'; Words = @(); Repeated = $true }
            )
            Options = @(
                @{ Names = @('--inputs'); Help = 'All inputs as one JSON object'; Kind = 'at-file'; Words = @() }
                @{ Names = @('--secret'); Help = 'Send this environment variable''s value, and never show it'; Kind = 'other'; Words = @() }
                @{ Names = @('--dry-run'); Help = 'Check the inputs and print the request without sending it' }
                @{ Names = @('--no-check'); Help = 'Skip local input validation' }
                @{ Names = @('--version-id'); Help = 'Use this saved version: its id or exact name'; Kind = 'other'; Words = @() }
                @{ Names = @('--callback-url'); Help = 'Have the platform POST the result to this URL'; Kind = 'other'; Words = @() }
                @{ Names = @('--detach'); Help = 'Start the run, print its id and exit' }
                @{ Names = @('--format'); Help = 'Choose what stdout carries'; Kind = 'other'; Words = @('text', 'content', 'json', 'ndjson') }
                @{ Names = @('--json'); Help = 'Same as --format json' }
                @{ Names = @('--query'); Help = 'Print only what this JMESPath expression finds; implies --json'; Kind = 'other'; Words = @() }
                @{ Names = @('--raw'); Help = 'Print one output exactly, by label or node id; repeatable'; Kind = 'output'; Words = @() }
                @{ Names = @('--output-dir'); Help = 'Write every output to a file in DIR. [env: NOXCLI_OUTPUT_DIR]'; Kind = 'directory'; Words = @() }
                @{ Names = @('--overwrite'); Help = 'Replace files in DIR even if noxcli did not write them; without this, exit with 9' }
                @{ Names = @('--state-file'); Help = 'Save the run''s ids for `noxcli stop --state-file`'; Kind = 'file'; Words = @() }
                @{ Names = @('--assert'); Help = 'Exit with 11 unless this JMESPath expression is true of the result; repeatable'; Kind = 'other'; Words = @() }
                @{ Names = @('--report'); Help = 'Write an HTML page: verdict, nodes on a time axis, errors, outputs'; Kind = 'file'; Words = @() }
                @{ Names = @('--junit'); Help = 'Write the results as JUnit XML'; Kind = 'file'; Words = @() }
                @{ Names = @('--dotenv'); Help = 'Write ids, status and exit code as variables for later jobs'; Kind = 'file'; Words = @() }
                @{ Names = @('--ci'); Help = 'Format output for a CI system. [default: auto] [env: NOXCLI_CI]'; Kind = 'other'; Words = @('auto', 'github', 'gitlab', 'off') }
                @{ Names = @('--timeout'); Help = 'Give up after this long (90, 30s, 10m, 2h); the run continues'; Kind = 'other'; Words = @() }
                @{ Names = @('--stall-timeout'); Help = 'Give up after this long without progress'; Kind = 'other'; Words = @() }
                @{ Names = @('--idle-timeout'); Help = 'Poll the run''s status after this long without events'; Kind = 'other'; Words = @() }
                @{ Names = @('--retry-for'); Help = 'Keep retrying this long while the server is unreachable. [default: 60s; while following a run: 5m]'; Kind = 'other'; Words = @() }
                @{ Names = @('--on-pause'); Help = 'When the run pauses for human input, exit or wait. [default: exit; on a terminal: wait]'; Kind = 'other'; Words = @('exit', 'wait') }
                @{ Names = @('--on-timeout'); Help = 'At --timeout or --stall-timeout, stop the run or leave it'; Kind = 'other'; Words = @('detach', 'stop') }
                @{ Names = @('--on-interrupt'); Help = 'On Ctrl-C, stop the run or leave it running. [default: stop; on a terminal: detach]'; Kind = 'other'; Words = @('detach', 'stop') }
                @{ Names = @('--poll-interval'); Help = 'Wait this long between polls'; Kind = 'other'; Words = @() }
                @{ Names = @('--no-stream'); Help = 'Poll instead of streaming events' }
                @{ Names = @('--connect-timeout'); Help = 'Limit each connection attempt to this long'; Kind = 'other'; Words = @() }
                @{ Names = @('--quiet', '-q'); Help = 'Hide progress; errors still show' }
                @{ Names = @('--verbose', '-v'); Help = 'Also show requests, retries and timings; never keys or values' }
                @{ Names = @('--color'); Help = 'Color stderr'; Kind = 'other'; Words = @('auto', 'always', 'never') }
                @{ Names = @('--log-file'); Help = 'Append a log as JSON lines; never keys or values. [env: NOXCLI_LOG_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--base-url'); Help = 'Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]'; Kind = 'other'; Words = @() }
                @{ Names = @('--api-key-file'); Help = 'Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--profile'); Help = 'Use this profile from the config file. [env: NOXCLI_PROFILE]'; Kind = 'profile'; Words = @() }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'rerun' = @{
            Help = 'Start a run again with the same inputs, or some others, and follow it like run'
            Arguments = @(
                @{ Kind = 'run'; Words = @(); Repeated = $false }
                @{ Kind = 'input'; Words = @(); Repeated = $true }
            )
            Options = @(
                @{ Names = @('--inputs'); Help = 'All inputs as one JSON object'; Kind = 'at-file'; Words = @() }
                @{ Names = @('--secret'); Help = 'Send this environment variable''s value, and never show it'; Kind = 'other'; Words = @() }
                @{ Names = @('--dry-run'); Help = 'Check the inputs and print the request without sending it' }
                @{ Names = @('--no-check'); Help = 'Skip local input validation' }
                @{ Names = @('--version-id'); Help = 'Use this saved version, by its id or exact name. [default: the one of RUN, or else the current one]'; Kind = 'other'; Words = @() }
                @{ Names = @('--callback-url'); Help = 'Have the platform POST the result to this URL'; Kind = 'other'; Words = @() }
                @{ Names = @('--detach'); Help = 'Start the run, print its id and exit' }
                @{ Names = @('--format'); Help = 'Choose what stdout carries'; Kind = 'other'; Words = @('text', 'content', 'json', 'ndjson') }
                @{ Names = @('--json'); Help = 'Same as --format json' }
                @{ Names = @('--query'); Help = 'Print only what this JMESPath expression finds; implies --json'; Kind = 'other'; Words = @() }
                @{ Names = @('--raw'); Help = 'Print one output exactly, by label or node id; repeatable'; Kind = 'output'; Words = @() }
                @{ Names = @('--output-dir'); Help = 'Write every output to a file in DIR. [env: NOXCLI_OUTPUT_DIR]'; Kind = 'directory'; Words = @() }
                @{ Names = @('--overwrite'); Help = 'Replace files in DIR even if noxcli did not write them; without this, exit with 9' }
                @{ Names = @('--state-file'); Help = 'Save the run''s ids for `noxcli stop --state-file`'; Kind = 'file'; Words = @() }
                @{ Names = @('--assert'); Help = 'Exit with 11 unless this JMESPath expression is true of the result; repeatable'; Kind = 'other'; Words = @() }
                @{ Names = @('--report'); Help = 'Write an HTML page: verdict, nodes on a time axis, errors, outputs'; Kind = 'file'; Words = @() }
                @{ Names = @('--junit'); Help = 'Write the results as JUnit XML'; Kind = 'file'; Words = @() }
                @{ Names = @('--dotenv'); Help = 'Write ids, status and exit code as variables for later jobs'; Kind = 'file'; Words = @() }
                @{ Names = @('--ci'); Help = 'Format output for a CI system. [default: auto] [env: NOXCLI_CI]'; Kind = 'other'; Words = @('auto', 'github', 'gitlab', 'off') }
                @{ Names = @('--timeout'); Help = 'Give up after this long (90, 30s, 10m, 2h); the run continues'; Kind = 'other'; Words = @() }
                @{ Names = @('--stall-timeout'); Help = 'Give up after this long without progress'; Kind = 'other'; Words = @() }
                @{ Names = @('--idle-timeout'); Help = 'Poll the run''s status after this long without events'; Kind = 'other'; Words = @() }
                @{ Names = @('--retry-for'); Help = 'Keep retrying this long while the server is unreachable. [default: 60s; while following a run: 5m]'; Kind = 'other'; Words = @() }
                @{ Names = @('--on-pause'); Help = 'When the run pauses for human input, exit or wait. [default: exit; on a terminal: wait]'; Kind = 'other'; Words = @('exit', 'wait') }
                @{ Names = @('--on-timeout'); Help = 'At --timeout or --stall-timeout, stop the run or leave it'; Kind = 'other'; Words = @('detach', 'stop') }
                @{ Names = @('--on-interrupt'); Help = 'On Ctrl-C, stop the run or leave it running. [default: stop; on a terminal: detach]'; Kind = 'other'; Words = @('detach', 'stop') }
                @{ Names = @('--poll-interval'); Help = 'Wait this long between polls'; Kind = 'other'; Words = @() }
                @{ Names = @('--no-stream'); Help = 'Poll instead of streaming events' }
                @{ Names = @('--connect-timeout'); Help = 'Limit each connection attempt to this long'; Kind = 'other'; Words = @() }
                @{ Names = @('--quiet', '-q'); Help = 'Hide progress; errors still show' }
                @{ Names = @('--verbose', '-v'); Help = 'Also show requests, retries and timings; never keys or values' }
                @{ Names = @('--color'); Help = 'Color stderr'; Kind = 'other'; Words = @('auto', 'always', 'never') }
                @{ Names = @('--log-file'); Help = 'Append a log as JSON lines; never keys or values. [env: NOXCLI_LOG_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--base-url'); Help = 'Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]'; Kind = 'other'; Words = @() }
                @{ Names = @('--api-key-file'); Help = 'Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--profile'); Help = 'Use this profile from the config file. [env: NOXCLI_PROFILE]'; Kind = 'profile'; Words = @() }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'stream' = @{
            Help = 'Follow a run that was started elsewhere, and print its output'
            Arguments = @(
                @{ Kind = 'run'; Words = @(); Repeated = $false }
            )
            Options = @(
                @{ Names = @('--etag'); Help = 'Resume after this event (its redis_id)'; Kind = 'other'; Words = @() }
                @{ Names = @('--resume'); Help = 'Resume after the last event read on this machine' }
                @{ Names = @('--format'); Help = 'Choose what stdout carries'; Kind = 'other'; Words = @('text', 'content', 'json', 'ndjson') }
                @{ Names = @('--json'); Help = 'Same as --format json' }
                @{ Names = @('--query'); Help = 'Print only what this JMESPath expression finds; implies --json'; Kind = 'other'; Words = @() }
                @{ Names = @('--raw'); Help = 'Print one output exactly, by label or node id; repeatable'; Kind = 'output'; Words = @() }
                @{ Names = @('--output-dir'); Help = 'Write every output to a file in DIR. [env: NOXCLI_OUTPUT_DIR]'; Kind = 'directory'; Words = @() }
                @{ Names = @('--overwrite'); Help = 'Replace files in DIR even if noxcli did not write them; without this, exit with 9' }
                @{ Names = @('--assert'); Help = 'Exit with 11 unless this JMESPath expression is true of the result; repeatable'; Kind = 'other'; Words = @() }
                @{ Names = @('--report'); Help = 'Write an HTML page: verdict, nodes on a time axis, errors, outputs'; Kind = 'file'; Words = @() }
                @{ Names = @('--junit'); Help = 'Write the results as JUnit XML'; Kind = 'file'; Words = @() }
                @{ Names = @('--dotenv'); Help = 'Write ids, status and exit code as variables for later jobs'; Kind = 'file'; Words = @() }
                @{ Names = @('--ci'); Help = 'Format output for a CI system. [default: auto] [env: NOXCLI_CI]'; Kind = 'other'; Words = @('auto', 'github', 'gitlab', 'off') }
                @{ Names = @('--timeout'); Help = 'Give up after this long (90, 30s, 10m, 2h); the run continues'; Kind = 'other'; Words = @() }
                @{ Names = @('--stall-timeout'); Help = 'Give up after this long without progress'; Kind = 'other'; Words = @() }
                @{ Names = @('--idle-timeout'); Help = 'Poll the run''s status after this long without events'; Kind = 'other'; Words = @() }
                @{ Names = @('--retry-for'); Help = 'Keep retrying this long while the server is unreachable. [default: 60s; while following a run: 5m]'; Kind = 'other'; Words = @() }
                @{ Names = @('--on-pause'); Help = 'When the run pauses for human input, exit or wait. [default: exit; on a terminal: wait]'; Kind = 'other'; Words = @('exit', 'wait') }
                @{ Names = @('--on-timeout'); Help = 'At --timeout or --stall-timeout, stop the run or leave it'; Kind = 'other'; Words = @('detach', 'stop') }
                @{ Names = @('--poll-interval'); Help = 'Wait this long between polls'; Kind = 'other'; Words = @() }
                @{ Names = @('--no-stream'); Help = 'Poll instead of streaming events' }
                @{ Names = @('--connect-timeout'); Help = 'Limit each connection attempt to this long'; Kind = 'other'; Words = @() }
                @{ Names = @('--quiet', '-q'); Help = 'Hide progress; errors still show' }
                @{ Names = @('--verbose', '-v'); Help = 'Also show requests, retries and timings; never keys or values' }
                @{ Names = @('--color'); Help = 'Color stderr'; Kind = 'other'; Words = @('auto', 'always', 'never') }
                @{ Names = @('--log-file'); Help = 'Append a log as JSON lines; never keys or values. [env: NOXCLI_LOG_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--base-url'); Help = 'Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]'; Kind = 'other'; Words = @() }
                @{ Names = @('--api-key-file'); Help = 'Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--profile'); Help = 'Use this profile from the config file. [env: NOXCLI_PROFILE]'; Kind = 'profile'; Words = @() }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'wait' = @{
            Help = 'Wait for runs to end, and print RUN_ID<TAB>STATUS for each'
            Arguments = @(
                @{ Kind = 'run'; Words = @(); Repeated = $true }
            )
            Options = @(
                @{ Names = @('--json'); Help = 'Same as --format json' }
                @{ Names = @('--query'); Help = 'Print only what this JMESPath expression finds; implies --json'; Kind = 'other'; Words = @() }
                @{ Names = @('--assert'); Help = 'Exit with 11 unless this JMESPath expression is true of the result; repeatable'; Kind = 'other'; Words = @() }
                @{ Names = @('--report'); Help = 'Write an HTML page: verdict, nodes on a time axis, errors, outputs'; Kind = 'file'; Words = @() }
                @{ Names = @('--junit'); Help = 'Write the results as JUnit XML'; Kind = 'file'; Words = @() }
                @{ Names = @('--dotenv'); Help = 'Write ids, status and exit code as variables for later jobs'; Kind = 'file'; Words = @() }
                @{ Names = @('--ci'); Help = 'Format output for a CI system. [default: auto] [env: NOXCLI_CI]'; Kind = 'other'; Words = @('auto', 'github', 'gitlab', 'off') }
                @{ Names = @('--timeout'); Help = 'Give up after this long (90, 30s, 10m, 2h); the run continues'; Kind = 'other'; Words = @() }
                @{ Names = @('--any'); Help = 'Exit when the first run has ended' }
                @{ Names = @('--fail-fast'); Help = 'Exit at the first run that did not complete' }
                @{ Names = @('--for'); Help = 'Exit when the run meets this: node:NAME=STATUS, node:NAME, run=STATUS, output:KEY or event:EXPR (JMESPath); repeatable, the first one counts; exit with 12 if the run ends without meeting one'; Kind = 'other'; Words = @() }
                @{ Names = @('--stall-timeout'); Help = 'Give up after this long without progress'; Kind = 'other'; Words = @() }
                @{ Names = @('--idle-timeout'); Help = 'Poll the run''s status after this long without events'; Kind = 'other'; Words = @() }
                @{ Names = @('--retry-for'); Help = 'Keep retrying this long while the server is unreachable. [default: 60s; while following a run: 5m]'; Kind = 'other'; Words = @() }
                @{ Names = @('--on-pause'); Help = 'When the run pauses for human input, exit or wait. [default: exit; on a terminal: wait]'; Kind = 'other'; Words = @('exit', 'wait') }
                @{ Names = @('--on-timeout'); Help = 'At --timeout or --stall-timeout, stop the run or leave it'; Kind = 'other'; Words = @('detach', 'stop') }
                @{ Names = @('--poll-interval'); Help = 'Wait this long between polls'; Kind = 'other'; Words = @() }
                @{ Names = @('--no-stream'); Help = 'Poll instead of streaming events' }
                @{ Names = @('--connect-timeout'); Help = 'Limit each connection attempt to this long'; Kind = 'other'; Words = @() }
                @{ Names = @('--quiet', '-q'); Help = 'Hide progress; errors still show' }
                @{ Names = @('--verbose', '-v'); Help = 'Also show requests, retries and timings; never keys or values' }
                @{ Names = @('--color'); Help = 'Color stderr'; Kind = 'other'; Words = @('auto', 'always', 'never') }
                @{ Names = @('--log-file'); Help = 'Append a log as JSON lines; never keys or values. [env: NOXCLI_LOG_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--base-url'); Help = 'Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]'; Kind = 'other'; Words = @() }
                @{ Names = @('--api-key-file'); Help = 'Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--profile'); Help = 'Use this profile from the config file. [env: NOXCLI_PROFILE]'; Kind = 'profile'; Words = @() }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'fetch-output' = @{
            Help = 'Print or save the output of a finished run'
            Arguments = @(
                @{ Kind = 'run'; Words = @(); Repeated = $false }
            )
            Options = @(
                @{ Names = @('--wait'); Help = 'Wait until the run has ended' }
                @{ Names = @('--format'); Help = 'Choose what stdout carries'; Kind = 'other'; Words = @('text', 'content', 'json', 'ndjson') }
                @{ Names = @('--json'); Help = 'Same as --format json' }
                @{ Names = @('--query'); Help = 'Print only what this JMESPath expression finds; implies --json'; Kind = 'other'; Words = @() }
                @{ Names = @('--raw'); Help = 'Print one output exactly, by label or node id; repeatable'; Kind = 'output'; Words = @() }
                @{ Names = @('--output-dir'); Help = 'Write every output to a file in DIR. [env: NOXCLI_OUTPUT_DIR]'; Kind = 'directory'; Words = @() }
                @{ Names = @('--overwrite'); Help = 'Replace files in DIR even if noxcli did not write them; without this, exit with 9' }
                @{ Names = @('--assert'); Help = 'Exit with 11 unless this JMESPath expression is true of the result; repeatable'; Kind = 'other'; Words = @() }
                @{ Names = @('--report'); Help = 'Write an HTML page: verdict, nodes on a time axis, errors, outputs'; Kind = 'file'; Words = @() }
                @{ Names = @('--junit'); Help = 'Write the results as JUnit XML'; Kind = 'file'; Words = @() }
                @{ Names = @('--dotenv'); Help = 'Write ids, status and exit code as variables for later jobs'; Kind = 'file'; Words = @() }
                @{ Names = @('--ci'); Help = 'Format output for a CI system. [default: auto] [env: NOXCLI_CI]'; Kind = 'other'; Words = @('auto', 'github', 'gitlab', 'off') }
                @{ Names = @('--timeout'); Help = 'Give up after this long (90, 30s, 10m, 2h); the run continues'; Kind = 'other'; Words = @() }
                @{ Names = @('--retry-for'); Help = 'Keep retrying this long while the server is unreachable. [default: 60s; while following a run: 5m]'; Kind = 'other'; Words = @() }
                @{ Names = @('--connect-timeout'); Help = 'Limit each connection attempt to this long'; Kind = 'other'; Words = @() }
                @{ Names = @('--quiet', '-q'); Help = 'Hide progress; errors still show' }
                @{ Names = @('--verbose', '-v'); Help = 'Also show requests, retries and timings; never keys or values' }
                @{ Names = @('--color'); Help = 'Color stderr'; Kind = 'other'; Words = @('auto', 'always', 'never') }
                @{ Names = @('--log-file'); Help = 'Append a log as JSON lines; never keys or values. [env: NOXCLI_LOG_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--base-url'); Help = 'Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]'; Kind = 'other'; Words = @() }
                @{ Names = @('--api-key-file'); Help = 'Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--profile'); Help = 'Use this profile from the config file. [env: NOXCLI_PROFILE]'; Kind = 'profile'; Words = @() }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'stop' = @{
            Help = 'Stop runs, and print RUN_ID<TAB>STATUS for each'
            Arguments = @(
                @{ Kind = 'run'; Words = @(); Repeated = $true }
            )
            Options = @(
                @{ Names = @('--state-file'); Help = 'Stop the run that `noxcli run --state-file` started'; Kind = 'file'; Words = @() }
                @{ Names = @('--json'); Help = 'Same as --format json' }
                @{ Names = @('--query'); Help = 'Print only what this JMESPath expression finds; implies --json'; Kind = 'other'; Words = @() }
                @{ Names = @('--timeout'); Help = 'Give up after this long (90, 30s, 10m, 2h)'; Kind = 'other'; Words = @() }
                @{ Names = @('--connect-timeout'); Help = 'Limit each connection attempt to this long'; Kind = 'other'; Words = @() }
                @{ Names = @('--quiet', '-q'); Help = 'Hide progress; errors still show' }
                @{ Names = @('--verbose', '-v'); Help = 'Also show requests, retries and timings; never keys or values' }
                @{ Names = @('--color'); Help = 'Color stderr'; Kind = 'other'; Words = @('auto', 'always', 'never') }
                @{ Names = @('--log-file'); Help = 'Append a log as JSON lines; never keys or values. [env: NOXCLI_LOG_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--base-url'); Help = 'Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]'; Kind = 'other'; Words = @() }
                @{ Names = @('--api-key-file'); Help = 'Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--profile'); Help = 'Use this profile from the config file. [env: NOXCLI_PROFILE]'; Kind = 'profile'; Words = @() }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'inspect' = @{
            Help = 'Show a run''s nodes in workflow order: status, times, sizes and errors'
            Arguments = @(
                @{ Kind = 'run'; Words = @(); Repeated = $false }
            )
            Options = @(
                @{ Names = @('--node'); Help = 'Print the inputs and outputs of this node, by name or id'; Kind = 'other'; Words = @() }
                @{ Names = @('--iteration'); Help = 'With --node in a loop, its N-th iteration. [default: the server''s choice]'; Kind = 'other'; Words = @() }
                @{ Names = @('--logs'); Help = 'Print the run''s logs' }
                @{ Names = @('--json'); Help = 'Print one JSON document' }
                @{ Names = @('--query'); Help = 'Print only what this JMESPath expression finds; implies --json'; Kind = 'other'; Words = @() }
                @{ Names = @('--timeout'); Help = 'Give up after this long (90, 30s, 10m, 2h)'; Kind = 'other'; Words = @() }
                @{ Names = @('--retry-for'); Help = 'Keep retrying this long while the server is unreachable. [default: 60s]'; Kind = 'other'; Words = @() }
                @{ Names = @('--connect-timeout'); Help = 'Limit each connection attempt to this long'; Kind = 'other'; Words = @() }
                @{ Names = @('--quiet', '-q'); Help = 'Hide progress; errors still show' }
                @{ Names = @('--verbose', '-v'); Help = 'Also show requests, retries and timings; never keys or values' }
                @{ Names = @('--color'); Help = 'Color stderr'; Kind = 'other'; Words = @('auto', 'always', 'never') }
                @{ Names = @('--log-file'); Help = 'Append a log as JSON lines; never keys or values. [env: NOXCLI_LOG_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--base-url'); Help = 'Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]'; Kind = 'other'; Words = @() }
                @{ Names = @('--api-key-file'); Help = 'Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--profile'); Help = 'Use this profile from the config file. [env: NOXCLI_PROFILE]'; Kind = 'profile'; Words = @() }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'report' = @{
            Help = 'Write an HTML page about a run, saved events, or a batch'
            Arguments = @(
                @{ Kind = 'run'; Words = @(); Repeated = $false }
            )
            Options = @(
                @{ Names = @('--output', '-o'); Help = 'Write the page to FILE; - is stdout'; Kind = 'file'; Words = @() }
                @{ Names = @('--timeout'); Help = 'Give up after this long (90, 30s, 10m, 2h)'; Kind = 'other'; Words = @() }
                @{ Names = @('--retry-for'); Help = 'Keep retrying this long while the server is unreachable. [default: 60s]'; Kind = 'other'; Words = @() }
                @{ Names = @('--connect-timeout'); Help = 'Limit each connection attempt to this long'; Kind = 'other'; Words = @() }
                @{ Names = @('--quiet', '-q'); Help = 'Hide progress; errors still show' }
                @{ Names = @('--verbose', '-v'); Help = 'Also show requests, retries and timings; never keys or values' }
                @{ Names = @('--color'); Help = 'Color stderr'; Kind = 'other'; Words = @('auto', 'always', 'never') }
                @{ Names = @('--log-file'); Help = 'Append a log as JSON lines; never keys or values. [env: NOXCLI_LOG_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--base-url'); Help = 'Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]'; Kind = 'other'; Words = @() }
                @{ Names = @('--api-key-file'); Help = 'Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--profile'); Help = 'Use this profile from the config file. [env: NOXCLI_PROFILE]'; Kind = 'profile'; Words = @() }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'workflows' = @{
            Help = 'List workflows, most recently changed first'
            Arguments = @(
            )
            Options = @(
                @{ Names = @('--limit'); Help = 'List at most N'; Kind = 'other'; Words = @() }
                @{ Names = @('--json'); Help = 'Print one JSON document' }
                @{ Names = @('--query'); Help = 'Print only what this JMESPath expression finds; implies --json'; Kind = 'other'; Words = @() }
                @{ Names = @('--timeout'); Help = 'Give up after this long (90, 30s, 10m, 2h)'; Kind = 'other'; Words = @() }
                @{ Names = @('--retry-for'); Help = 'Keep retrying this long while the server is unreachable. [default: 60s]'; Kind = 'other'; Words = @() }
                @{ Names = @('--connect-timeout'); Help = 'Limit each connection attempt to this long'; Kind = 'other'; Words = @() }
                @{ Names = @('--quiet', '-q'); Help = 'Hide progress; errors still show' }
                @{ Names = @('--verbose', '-v'); Help = 'Also show requests, retries and timings; never keys or values' }
                @{ Names = @('--color'); Help = 'Color stderr'; Kind = 'other'; Words = @('auto', 'always', 'never') }
                @{ Names = @('--log-file'); Help = 'Append a log as JSON lines; never keys or values. [env: NOXCLI_LOG_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--base-url'); Help = 'Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]'; Kind = 'other'; Words = @() }
                @{ Names = @('--api-key-file'); Help = 'Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--profile'); Help = 'Use this profile from the config file. [env: NOXCLI_PROFILE]'; Kind = 'profile'; Words = @() }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'versions' = @{
            Help = 'List the saved versions of a workflow, newest first'
            Arguments = @(
                @{ Kind = 'workflow'; Words = @(); Repeated = $false }
            )
            Options = @(
                @{ Names = @('--limit'); Help = 'List at most N'; Kind = 'other'; Words = @() }
                @{ Names = @('--json'); Help = 'Print one JSON document' }
                @{ Names = @('--query'); Help = 'Print only what this JMESPath expression finds; implies --json'; Kind = 'other'; Words = @() }
                @{ Names = @('--timeout'); Help = 'Give up after this long (90, 30s, 10m, 2h)'; Kind = 'other'; Words = @() }
                @{ Names = @('--retry-for'); Help = 'Keep retrying this long while the server is unreachable. [default: 60s]'; Kind = 'other'; Words = @() }
                @{ Names = @('--connect-timeout'); Help = 'Limit each connection attempt to this long'; Kind = 'other'; Words = @() }
                @{ Names = @('--quiet', '-q'); Help = 'Hide progress; errors still show' }
                @{ Names = @('--verbose', '-v'); Help = 'Also show requests, retries and timings; never keys or values' }
                @{ Names = @('--color'); Help = 'Color stderr'; Kind = 'other'; Words = @('auto', 'always', 'never') }
                @{ Names = @('--log-file'); Help = 'Append a log as JSON lines; never keys or values. [env: NOXCLI_LOG_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--base-url'); Help = 'Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]'; Kind = 'other'; Words = @() }
                @{ Names = @('--api-key-file'); Help = 'Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--profile'); Help = 'Use this profile from the config file. [env: NOXCLI_PROFILE]'; Kind = 'profile'; Words = @() }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'inputs' = @{
            Help = 'Show a workflow''s inputs, and a command line to start from'
            Arguments = @(
                @{ Kind = 'workflow'; Words = @(); Repeated = $false }
            )
            Options = @(
                @{ Names = @('--version-id'); Help = 'Use this saved version: its id or exact name'; Kind = 'other'; Words = @() }
                @{ Names = @('--json'); Help = 'Print a JSON Schema of the input object' }
                @{ Names = @('--query'); Help = 'Print only what this JMESPath expression finds; implies --json'; Kind = 'other'; Words = @() }
                @{ Names = @('--timeout'); Help = 'Give up after this long (90, 30s, 10m, 2h)'; Kind = 'other'; Words = @() }
                @{ Names = @('--retry-for'); Help = 'Keep retrying this long while the server is unreachable. [default: 60s]'; Kind = 'other'; Words = @() }
                @{ Names = @('--connect-timeout'); Help = 'Limit each connection attempt to this long'; Kind = 'other'; Words = @() }
                @{ Names = @('--quiet', '-q'); Help = 'Hide progress; errors still show' }
                @{ Names = @('--verbose', '-v'); Help = 'Also show requests, retries and timings; never keys or values' }
                @{ Names = @('--color'); Help = 'Color stderr'; Kind = 'other'; Words = @('auto', 'always', 'never') }
                @{ Names = @('--log-file'); Help = 'Append a log as JSON lines; never keys or values. [env: NOXCLI_LOG_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--base-url'); Help = 'Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]'; Kind = 'other'; Words = @() }
                @{ Names = @('--api-key-file'); Help = 'Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--profile'); Help = 'Use this profile from the config file. [env: NOXCLI_PROFILE]'; Kind = 'profile'; Words = @() }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'runs' = @{
            Help = 'List runs, newest first'
            Arguments = @(
                @{ Kind = 'workflow'; Words = @(); Repeated = $false }
            )
            Options = @(
                @{ Names = @('--status'); Help = 'List only runs in this status; repeatable'; Kind = 'other'; Words = @('awaiting_human_feedback', 'completed', 'failed', 'paused', 'queued', 'running', 'stopped') }
                @{ Names = @('--since'); Help = 'List only runs created since then: 2h, 3d, 2026-05-01T12:00'; Kind = 'other'; Words = @() }
                @{ Names = @('--limit'); Help = 'List at most N'; Kind = 'other'; Words = @() }
                @{ Names = @('--json'); Help = 'Print one JSON document' }
                @{ Names = @('--query'); Help = 'Print only what this JMESPath expression finds; implies --json'; Kind = 'other'; Words = @() }
                @{ Names = @('--timeout'); Help = 'Give up after this long (90, 30s, 10m, 2h)'; Kind = 'other'; Words = @() }
                @{ Names = @('--retry-for'); Help = 'Keep retrying this long while the server is unreachable. [default: 60s]'; Kind = 'other'; Words = @() }
                @{ Names = @('--connect-timeout'); Help = 'Limit each connection attempt to this long'; Kind = 'other'; Words = @() }
                @{ Names = @('--quiet', '-q'); Help = 'Hide progress; errors still show' }
                @{ Names = @('--verbose', '-v'); Help = 'Also show requests, retries and timings; never keys or values' }
                @{ Names = @('--color'); Help = 'Color stderr'; Kind = 'other'; Words = @('auto', 'always', 'never') }
                @{ Names = @('--log-file'); Help = 'Append a log as JSON lines; never keys or values. [env: NOXCLI_LOG_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--base-url'); Help = 'Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]'; Kind = 'other'; Words = @() }
                @{ Names = @('--api-key-file'); Help = 'Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--profile'); Help = 'Use this profile from the config file. [env: NOXCLI_PROFILE]'; Kind = 'profile'; Words = @() }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'batch' = @{
            Help = 'Run a workflow once for each row of a file, and print one JSON line for each result'
            Arguments = @(
                @{ Kind = 'workflow'; Words = @(); Repeated = $false }
                @{ Kind = 'file'; Words = @(); Repeated = $false }
                @{ Kind = 'input'; Words = @(); Repeated = $true }
            )
            Options = @(
                @{ Names = @('--secret'); Help = 'Send this environment variable''s value, and never show it'; Kind = 'other'; Words = @() }
                @{ Names = @('--input-format'); Help = 'Read FILE as this format. [default: by its name, else jsonl]'; Kind = 'other'; Words = @('jsonl', 'csv', 'tsv') }
                @{ Names = @('--column'); Help = 'Read a column as files to upload (KEY@) or as JSON (KEY:=)'; Kind = 'other'; Words = @() }
                @{ Names = @('--output-dir'); Help = 'Write each row''s files and the journal to DIR. [default: FILE.batch for the journal]'; Kind = 'directory'; Words = @() }
                @{ Names = @('--max-parallel'); Help = 'Run at most N rows at a time'; Kind = 'other'; Words = @() }
                @{ Names = @('--resume'); Help = 'Continue where an earlier call stopped' }
                @{ Names = @('--adopt'); Help = 'For rows whose start is uncertain, adopt the matching run, or start one if there is none' }
                @{ Names = @('--retry-in-doubt'); Help = 'Start uncertain rows again, even if that runs them twice' }
                @{ Names = @('--retry-failed'); Help = 'Like --resume, and start rows again if their run failed or was stopped' }
                @{ Names = @('--allow-changed-input'); Help = 'Resume even though FILE has changed' }
                @{ Names = @('--max-failures'); Help = 'Start no more rows after N have failed'; Kind = 'other'; Words = @() }
                @{ Names = @('--ordered'); Help = 'Print results in the order of the rows' }
                @{ Names = @('--query'); Help = 'Print only what this JMESPath expression finds in each line'; Kind = 'other'; Words = @() }
                @{ Names = @('--shard'); Help = 'Run only shard I of N (1/8 is the first of eight), or the shard of this engine''s task. [env: NOXCLI_SHARD]'; Kind = 'other'; Words = @('auto') }
                @{ Names = @('--assert'); Help = 'Exit with 11 unless this JMESPath expression is true of the result; repeatable'; Kind = 'other'; Words = @() }
                @{ Names = @('--expect'); Help = 'Compare outputs with these, by the rows'' $id (JSON lines, CSV or TSV)'; Kind = 'file'; Words = @() }
                @{ Names = @('--report'); Help = 'Write an HTML page: verdict, nodes on a time axis, errors, outputs'; Kind = 'file'; Words = @() }
                @{ Names = @('--junit'); Help = 'Write the results as JUnit XML'; Kind = 'file'; Words = @() }
                @{ Names = @('--ci'); Help = 'Format output for a CI system. [default: auto] [env: NOXCLI_CI]'; Kind = 'other'; Words = @('auto', 'github', 'gitlab', 'off') }
                @{ Names = @('--dry-run'); Help = 'Check the inputs and print the request without sending it' }
                @{ Names = @('--no-check'); Help = 'Skip local input validation' }
                @{ Names = @('--version-id'); Help = 'Use this saved version: its id or exact name'; Kind = 'other'; Words = @() }
                @{ Names = @('--timeout'); Help = 'Give up after this long (90, 30s, 10m, 2h); the run continues'; Kind = 'other'; Words = @() }
                @{ Names = @('--retry-for'); Help = 'Keep retrying this long while the server is unreachable. [default: 60s; while following a run: 5m]'; Kind = 'other'; Words = @() }
                @{ Names = @('--on-interrupt'); Help = 'On Ctrl-C, stop the run or leave it running. [default: stop; on a terminal: detach]'; Kind = 'other'; Words = @('detach', 'stop') }
                @{ Names = @('--poll-interval'); Help = 'Wait this long between polls'; Kind = 'other'; Words = @() }
                @{ Names = @('--connect-timeout'); Help = 'Limit each connection attempt to this long'; Kind = 'other'; Words = @() }
                @{ Names = @('--quiet', '-q'); Help = 'Hide progress; errors still show' }
                @{ Names = @('--verbose', '-v'); Help = 'Also show requests, retries and timings; never keys or values' }
                @{ Names = @('--color'); Help = 'Color stderr'; Kind = 'other'; Words = @('auto', 'always', 'never') }
                @{ Names = @('--log-file'); Help = 'Append a log as JSON lines; never keys or values. [env: NOXCLI_LOG_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--base-url'); Help = 'Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]'; Kind = 'other'; Words = @() }
                @{ Names = @('--api-key-file'); Help = 'Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--profile'); Help = 'Use this profile from the config file. [env: NOXCLI_PROFILE]'; Kind = 'profile'; Words = @() }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'results' = @{
            Help = 'Join the journals of a batch''s shards, and print one JSON line for each row'
            Arguments = @(
                @{ Kind = 'directory'; Words = @(); Repeated = $true }
            )
            Options = @(
                @{ Names = @('--results'); Help = 'Write every finished row''s result, with its output'; Kind = 'file'; Words = @() }
                @{ Names = @('--query'); Help = 'Print only what this JMESPath expression finds in each line'; Kind = 'other'; Words = @() }
                @{ Names = @('--report'); Help = 'Write an HTML page: verdict, nodes on a time axis, errors, outputs'; Kind = 'file'; Words = @() }
                @{ Names = @('--junit'); Help = 'Write the results as JUnit XML'; Kind = 'file'; Words = @() }
                @{ Names = @('--quiet', '-q'); Help = 'Hide progress; errors still show' }
                @{ Names = @('--verbose', '-v'); Help = 'Also show requests, retries and timings; never keys or values' }
                @{ Names = @('--color'); Help = 'Color stderr'; Kind = 'other'; Words = @('auto', 'always', 'never') }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'config' = @{
            Help = 'Show the current settings, and where each comes from'
            Arguments = @(
            )
            Options = @(
                @{ Names = @('--json'); Help = 'Print one JSON document' }
                @{ Names = @('--query'); Help = 'Print only what this JMESPath expression finds; implies --json'; Kind = 'other'; Words = @() }
                @{ Names = @('--base-url'); Help = 'Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]'; Kind = 'other'; Words = @() }
                @{ Names = @('--api-key-file'); Help = 'Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--profile'); Help = 'Use this profile from the config file. [env: NOXCLI_PROFILE]'; Kind = 'profile'; Words = @() }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'doctor' = @{
            Help = 'Check settings, key, connection, clock and event stream; starts nothing'
            Arguments = @(
            )
            Options = @(
                @{ Names = @('--run'); Help = 'Check the event stream of this run, best while it is running'; Kind = 'run'; Words = @() }
                @{ Names = @('--json'); Help = 'Print one JSON document' }
                @{ Names = @('--query'); Help = 'Print only what this JMESPath expression finds; implies --json'; Kind = 'other'; Words = @() }
                @{ Names = @('--connect-timeout'); Help = 'Limit each connection attempt to this long'; Kind = 'other'; Words = @() }
                @{ Names = @('--verbose', '-v'); Help = 'Also show requests, retries and timings; never keys or values' }
                @{ Names = @('--log-file'); Help = 'Append a log as JSON lines; never keys or values. [env: NOXCLI_LOG_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--base-url'); Help = 'Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]'; Kind = 'other'; Words = @() }
                @{ Names = @('--api-key-file'); Help = 'Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--profile'); Help = 'Use this profile from the config file. [env: NOXCLI_PROFILE]'; Kind = 'profile'; Words = @() }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'probe' = @{
            Help = 'Learn how a server behaves where the API''s documentation is silent'
            Arguments = @(
                @{ Kind = 'workflow'; Words = @(); Repeated = $false }
                @{ Kind = 'input'; Words = @(); Repeated = $true }
            )
            Options = @(
                @{ Names = @('--inputs'); Help = 'All inputs as one JSON object'; Kind = 'at-file'; Words = @() }
                @{ Names = @('--secret'); Help = 'Send this environment variable''s value, and never show it'; Kind = 'other'; Words = @() }
                @{ Names = @('--run'); Help = 'Learn from this run. [default: the newest completed one]'; Kind = 'run'; Words = @() }
                @{ Names = @('--start'); Help = 'Start up to N runs: one to watch, a second one to stop'; Kind = 'other'; Words = @() }
                @{ Names = @('--max-requests'); Help = 'Send at most N requests'; Kind = 'other'; Words = @() }
                @{ Names = @('--watch'); Help = 'Watch a silent event stream for this long'; Kind = 'other'; Words = @() }
                @{ Names = @('--write'); Help = 'Write what was learned for sandbox --switches'; Kind = 'file'; Words = @() }
                @{ Names = @('--json'); Help = 'Print one JSON document' }
                @{ Names = @('--query'); Help = 'Print only what this JMESPath expression finds; implies --json'; Kind = 'other'; Words = @() }
                @{ Names = @('--timeout'); Help = 'Give up after this long (90, 30s, 10m, 2h)'; Kind = 'other'; Words = @() }
                @{ Names = @('--retry-for'); Help = 'Keep retrying this long while the server is unreachable. [default: 60s]'; Kind = 'other'; Words = @() }
                @{ Names = @('--connect-timeout'); Help = 'Limit each connection attempt to this long'; Kind = 'other'; Words = @() }
                @{ Names = @('--quiet', '-q'); Help = 'Hide progress; errors still show' }
                @{ Names = @('--verbose', '-v'); Help = 'Also show requests, retries and timings; never keys or values' }
                @{ Names = @('--color'); Help = 'Color stderr'; Kind = 'other'; Words = @('auto', 'always', 'never') }
                @{ Names = @('--log-file'); Help = 'Append a log as JSON lines; never keys or values. [env: NOXCLI_LOG_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--base-url'); Help = 'Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]'; Kind = 'other'; Words = @() }
                @{ Names = @('--api-key-file'); Help = 'Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]'; Kind = 'file'; Words = @() }
                @{ Names = @('--profile'); Help = 'Use this profile from the config file. [env: NOXCLI_PROFILE]'; Kind = 'profile'; Words = @() }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'schema' = @{
            Help = 'Print the JSON Schemas of the documents that noxcli prints'
            Arguments = @(
                @{ Kind = 'other'; Words = @('batch-line', 'config', 'doctor', 'event', 'inspect', 'manifest', 'probe', 'result', 'results', 'results-line', 'runs', 'schemas', 'state', 'versions', 'workflows'); Repeated = $false }
            )
            Options = @(
                @{ Names = @('--json'); Help = 'Print one JSON document' }
                @{ Names = @('--query'); Help = 'Print only what this JMESPath expression finds; implies --json'; Kind = 'other'; Words = @() }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'completion' = @{
            Help = 'Print the completion script of a shell, or install it'
            Arguments = @(
                @{ Kind = 'other'; Words = @('bash', 'zsh', 'fish', 'powershell'); Repeated = $false }
            )
            Options = @(
                @{ Names = @('--install'); Help = 'Install the script in your own directory for the shell instead of printing it' }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'sandbox' = @{
            Help = 'Serve the Noxus API on this machine, or run one command against it'
            Arguments = @(
                @{ Kind = 'command'; Words = @(); Repeated = $true }
            )
            Options = @(
                @{ Names = @('--port'); Help = 'Listen on this port. [default: 8765; with COMMAND: any free one]'; Kind = 'other'; Words = @() }
                @{ Names = @('--key'); Help = 'Accept this API key. [default: a new one for each start]'; Kind = 'output'; Words = @() }
                @{ Names = @('--speed'); Help = 'Make time pass this many times faster'; Kind = 'other'; Words = @() }
                @{ Names = @('--scenario'); Help = 'Add workflows (TOML)'; Kind = 'file'; Words = @() }
                @{ Names = @('--replay'); Help = 'Serve a run saved with --format ndjson'; Kind = 'file'; Words = @() }
                @{ Names = @('--switches'); Help = 'Set the switches in this file (probe --write makes one)'; Kind = 'file'; Words = @() }
                @{ Names = @('--switch'); Help = 'Choose a behavior that the API''s docs leave open; noxcli help switches lists them'; Kind = 'other'; Words = @() }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
        'help' = @{
            Help = 'Print the help of a command, the exit codes, the sandbox''s switches, or the manual'
            Arguments = @(
                @{ Kind = 'other'; Words = @('run', 'rerun', 'stream', 'wait', 'fetch-output', 'stop', 'inspect', 'report', 'workflows', 'versions', 'inputs', 'runs', 'batch', 'results', 'config', 'doctor', 'probe', 'schema', 'completion', 'sandbox', 'help', 'exit-codes'); Repeated = $false }
            )
            Options = @(
                @{ Names = @('--man'); Help = 'Print the manual page instead, as troff source' }
                @{ Names = @('--install'); Help = 'With --man, install all manual pages where `man` finds your own' }
                @{ Names = @('--help', '-h'); Help = 'Show this message and exit' }
            )
        }
    }
}

function __noxcli_result([string] $Text, [string] $Type, [string] $Help) {
    $tip = if ($Help) { $Help } else { $Text } # an empty one would be an error
    [System.Management.Automation.CompletionResult]::new($Text, $Text, $Type, $tip)
}

function __noxcli_paths([string] $Prefix, [string] $Path, [bool] $DirectoriesOnly) {
    foreach ($found in [System.Management.Automation.CompletionCompleters]::CompleteFilename($Path)) {
        if ($DirectoriesOnly -and $found.ResultType -ne 'ProviderContainer') { continue }
        $text = $Prefix + $found.CompletionText
        [System.Management.Automation.CompletionResult]::new($text, $found.ListItemText, $found.ResultType, $found.ToolTip)
    }
}

function __noxcli_value($Value, [string] $Prefix, [string] $Typed, $Given) {
    $plain = $Typed.TrimStart("'", '"')
    foreach ($word in @($Value.Words) + @(__noxcli_known $Value.Kind $plain $Given)) {
        if ($word -and $word.StartsWith($plain, [System.StringComparison]::Ordinal)) {
            __noxcli_result ($Prefix + (__noxcli_quoted $word $Value.Kind)) 'ParameterValue' $word
        }
    }
    switch ($Value.Kind) {
        'file' { __noxcli_paths $Prefix $Typed $false }
        'directory' { __noxcli_paths $Prefix $Typed $true }
        'at-file' {
            if ($Typed.StartsWith('@')) { __noxcli_paths ($Prefix + '@') $Typed.Substring(1) $false }
        }
        'input' {
            if ($Typed -match '^((?:\\.|[^\\=@])+=?@)(.*)$') { __noxcli_paths $Matches[1] $Matches[2] $false }
        }
        'command' { [System.Management.Automation.CompletionCompleters]::CompleteCommand($Typed) }
    }
}

function __noxcli_option($Verb, [string] $Name) {
    foreach ($option in $Verb.Options) {
        if ($option.Kind -and $option.Names -ccontains $Name) { return $option }
    }
}

function __noxcli_argument($Verb, [int] $Number) {
    $arguments = @($Verb.Arguments)
    if ($Number -lt $arguments.Count) { return $arguments[$Number] }
    if ($arguments.Count -gt 0 -and $arguments[-1].Repeated) { return $arguments[-1] }
}

function __noxcli_complete([string[]] $Words, [string] $Typed) {
    $verbs = __noxcli_verbs
    $name = ''
    $number = 0
    $pending = $null
    $closed = $false
    $given = @{} # values of options by name; the empty name has the first argument
    for ($index = 1; $index -lt $Words.Count; $index++) {
        $word = $Words[$index]
        if ($pending) {
            foreach ($option in $pending.Names) { $given[$option] = $word }
            $pending = $null
        } elseif (-not $closed -and $word -ceq '--') {
            $closed = $true
        } elseif (-not $closed -and $word -like '-?*') {
            $pending = __noxcli_option $verbs[$name] $word
            if ($word -match '^(--[^=]+)=(.*)$') { $given[$Matches[1]] = $Matches[2] }
        } elseif (-not $name) {
            $name = $word
            if (-not $verbs.Contains($name)) { return }
        } else {
            if ($number -eq 0) { $given[''] = $word }
            $argument = __noxcli_argument $verbs[$name] $number
            $number++
            if ($argument.Kind -eq 'command') {
                if ((Split-Path -Leaf $word) -in @('noxcli', 'noxcli.exe')) {
                    __noxcli_complete $Words[$index..($Words.Count - 1)] $Typed
                }
                return
            }
        }
    }
    $verb = $verbs[$name]
    if ($pending) {
        __noxcli_value $pending '' $Typed $given
    } elseif (-not $closed -and $Typed -match '^(--[^=]+)=(.*)$') {
        $prefix = $Matches[1]
        $rest = $Matches[2]
        $option = __noxcli_option $verb $prefix
        if ($option) { __noxcli_value $option ($prefix + '=') $rest $given }
    } elseif (-not $closed -and $Typed.StartsWith('-')) {
        foreach ($option in $verb.Options) {
            foreach ($candidate in $option.Names) {
                if ($candidate.StartsWith($Typed, [System.StringComparison]::Ordinal)) {
                    __noxcli_result $candidate 'ParameterName' $option.Help
                }
            }
        }
    } elseif (-not $name) {
        foreach ($candidate in $verbs.Keys) {
            if ($candidate -and $candidate.StartsWith($Typed, [System.StringComparison]::Ordinal)) {
                __noxcli_result $candidate 'Command' $verbs[$candidate].Help
            }
        }
    } else {
        $argument = __noxcli_argument $verb $number
        if ($argument) { __noxcli_value $argument '' $Typed $given }
    }
}

Register-ArgumentCompleter -Native -CommandName @('noxcli', 'noxcli.exe') -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = foreach ($element in $commandAst.CommandElements) {
        if ($element.Extent.EndOffset -lt $cursorPosition) {
            $quoted = $element -is [System.Management.Automation.Language.StringConstantExpressionAst]
            if ($quoted) { $element.Value } else { $element.Extent.Text }
        }
    }
    __noxcli_complete @($words) $wordToComplete
}
