# fish completion for noxcli.
# Made by scripts/regenerate.py from the options that the commands declare: edit those instead.

# Prints names that noxcli knows, one per line, WORD<TAB>DESCRIPTION. They are data: fish quotes them.
function __noxcli_known --argument-names kind
    set -l words (commandline -opc)
    set -l begun (__noxcli_token | string replace -r -- '^--[^=]*=' '')
    string match -q -- '-*' "$begun"; or not command -q $words[1]; and return
    command $words[1] __complete $kind $words[2..] "$begun" 2>/dev/null
end

function __noxcli_takes_value --argument-names verb option
    switch "$verb:$option"
        case 'run:--color' 'run:--log-file' 'run:--format' 'run:--query' 'run:--raw' 'run:--output-dir' 'run:--base-url' 'run:--api-key-file' 'run:--profile' 'run:--timeout' 'run:--retry-for' 'run:--stall-timeout' 'run:--on-pause' 'run:--on-timeout' 'run:--poll-interval' 'run:--assert' 'run:--ci' 'run:--report' 'run:--junit' 'run:--dotenv' 'run:--version-id' 'run:--inputs' 'run:--secret' 'run:--callback-url' 'run:--state-file' 'run:--on-interrupt'
            return 0
        case 'rerun:--color' 'rerun:--log-file' 'rerun:--format' 'rerun:--query' 'rerun:--raw' 'rerun:--output-dir' 'rerun:--base-url' 'rerun:--api-key-file' 'rerun:--profile' 'rerun:--timeout' 'rerun:--retry-for' 'rerun:--stall-timeout' 'rerun:--on-pause' 'rerun:--on-timeout' 'rerun:--poll-interval' 'rerun:--assert' 'rerun:--ci' 'rerun:--report' 'rerun:--junit' 'rerun:--dotenv' 'rerun:--version-id' 'rerun:--inputs' 'rerun:--secret' 'rerun:--callback-url' 'rerun:--state-file' 'rerun:--on-interrupt'
            return 0
        case 'stream:--color' 'stream:--log-file' 'stream:--format' 'stream:--query' 'stream:--raw' 'stream:--output-dir' 'stream:--base-url' 'stream:--api-key-file' 'stream:--profile' 'stream:--timeout' 'stream:--retry-for' 'stream:--stall-timeout' 'stream:--on-pause' 'stream:--on-timeout' 'stream:--poll-interval' 'stream:--assert' 'stream:--ci' 'stream:--report' 'stream:--junit' 'stream:--dotenv' 'stream:--etag'
            return 0
        case 'wait:--color' 'wait:--log-file' 'wait:--query' 'wait:--base-url' 'wait:--api-key-file' 'wait:--profile' 'wait:--timeout' 'wait:--retry-for' 'wait:--stall-timeout' 'wait:--on-pause' 'wait:--on-timeout' 'wait:--poll-interval' 'wait:--assert' 'wait:--ci' 'wait:--report' 'wait:--junit' 'wait:--dotenv' 'wait:--for'
            return 0
        case 'fetch-output:--color' 'fetch-output:--log-file' 'fetch-output:--format' 'fetch-output:--query' 'fetch-output:--raw' 'fetch-output:--output-dir' 'fetch-output:--base-url' 'fetch-output:--api-key-file' 'fetch-output:--profile' 'fetch-output:--timeout' 'fetch-output:--retry-for' 'fetch-output:--assert' 'fetch-output:--ci' 'fetch-output:--report' 'fetch-output:--junit' 'fetch-output:--dotenv'
            return 0
        case 'stop:--color' 'stop:--log-file' 'stop:--query' 'stop:--base-url' 'stop:--api-key-file' 'stop:--profile' 'stop:--timeout' 'stop:--state-file'
            return 0
        case 'inspect:--color' 'inspect:--log-file' 'inspect:--query' 'inspect:--base-url' 'inspect:--api-key-file' 'inspect:--profile' 'inspect:--timeout' 'inspect:--retry-for' 'inspect:--node' 'inspect:--iteration'
            return 0
        case 'report:--color' 'report:--log-file' 'report:--base-url' 'report:--api-key-file' 'report:--profile' 'report:--timeout' 'report:--retry-for' 'report:--output' 'report:-o'
            return 0
        case 'workflows:--color' 'workflows:--log-file' 'workflows:--query' 'workflows:--base-url' 'workflows:--api-key-file' 'workflows:--profile' 'workflows:--timeout' 'workflows:--retry-for' 'workflows:--limit'
            return 0
        case 'versions:--color' 'versions:--log-file' 'versions:--query' 'versions:--base-url' 'versions:--api-key-file' 'versions:--profile' 'versions:--timeout' 'versions:--retry-for' 'versions:--limit'
            return 0
        case 'inputs:--color' 'inputs:--log-file' 'inputs:--query' 'inputs:--base-url' 'inputs:--api-key-file' 'inputs:--profile' 'inputs:--timeout' 'inputs:--retry-for' 'inputs:--version-id'
            return 0
        case 'runs:--color' 'runs:--log-file' 'runs:--query' 'runs:--base-url' 'runs:--api-key-file' 'runs:--profile' 'runs:--timeout' 'runs:--retry-for' 'runs:--limit' 'runs:--status' 'runs:--since'
            return 0
        case 'batch:--color' 'batch:--log-file' 'batch:--output-dir' 'batch:--base-url' 'batch:--api-key-file' 'batch:--profile' 'batch:--timeout' 'batch:--retry-for' 'batch:--assert' 'batch:--ci' 'batch:--version-id' 'batch:--secret' 'batch:--input-format' 'batch:--column' 'batch:--max-parallel' 'batch:--again' 'batch:--max-failures' 'batch:--query' 'batch:--shard' 'batch:--expect' 'batch:--report' 'batch:--junit' 'batch:--on-interrupt' 'batch:--poll-interval'
            return 0
        case 'results:--color' 'results:--results' 'results:--query' 'results:--report' 'results:--junit'
            return 0
        case 'config:--query' 'config:--base-url' 'config:--api-key-file' 'config:--profile'
            return 0
        case 'doctor:--log-file' 'doctor:--query' 'doctor:--base-url' 'doctor:--api-key-file' 'doctor:--profile' 'doctor:--run'
            return 0
        case 'probe:--color' 'probe:--log-file' 'probe:--query' 'probe:--base-url' 'probe:--api-key-file' 'probe:--profile' 'probe:--timeout' 'probe:--retry-for' 'probe:--inputs' 'probe:--secret' 'probe:--run' 'probe:--start' 'probe:--max-requests' 'probe:--watch' 'probe:--write'
            return 0
        case 'schema:--query'
            return 0
        case 'sandbox:--port' 'sandbox:--key' 'sandbox:--speed' 'sandbox:--scenario' 'sandbox:--replay' 'sandbox:--switches' 'sandbox:--switch'
            return 0
    end
    return 1
end

# Prints the verb, the number of the argument at the cursor, and the arguments before it, one per line.
function __noxcli_place
    set -l verb
    set -l arguments
    set -l skip no
    set -l closed no
    set -l words (commandline -opc)
    for word in $words[2..]
        if test $skip = yes
            set skip no
        else if test $closed = no -a "$word" = --
            set closed yes
        else if test $closed = no; and string match -qr -- '^-.' "$word"
            __noxcli_takes_value "$verb" "$word"; and set skip yes
        else if test -z "$verb"
            set verb $word
        else
            set -a arguments $word
        end
    end
    set -l number 0
    test -z "$verb"; or set number (math (count $arguments) + 1)
    printf '%s\n' "$verb" $number $arguments
end

function __noxcli_in # VERB...
    set -l place (__noxcli_place)
    contains -- "$place[1]" $argv
end

# NUMBER, or NUMBER+ for that one and all later ones.
function __noxcli_at --argument-names number verb
    set -l place (__noxcli_place)
    test "$place[1]" = "$verb"; or return
    if string match -q '*+' -- $number
        test $place[2] -ge (string trim -c + $number)
    else
        test $place[2] = $number
    end
end

function __noxcli_files_behind --argument-names prefix token
    set -l path (string sub -s (math (string length -- $prefix) + 1) -- $token)
    for found in (__fish_complete_path (string escape -- $path))
        printf '%s\n' $prefix$found
    end
end

# Prints the current word without its quotes, which fish restores.
function __noxcli_token
    set -l token (commandline -ct)
    if string match -qr '^["\']' -- $token
        string sub -s 2 -- $token
    else
        string unescape -- $token
    end
end

function __noxcli_at_files
    set -l token (__noxcli_token | string replace -r -- '^--[^=]*=' '')
    string match -q -- '@*' $token; and __noxcli_files_behind @ $token
end

function __noxcli_inputs
    set -l token (__noxcli_token)
    if set -l prefix (string match -r -- '^(?:\\\\.|[^=@\\\\])+=?@' $token)
        __noxcli_files_behind $prefix $token
    else if not string match -qr -- '^(?:\\\\.|[^=@\\\\])+=' $token
        __noxcli_known input
    end
end

function __noxcli_inner
    set -l place (__noxcli_place)
    set -l token (commandline -ct)
    if set -q place[3]; or not string match -q -- '-*' $token
        complete -C (string join ' ' -- (string escape -- $place[3..]) $token)
    end
end

complete -c noxcli -f
complete -c noxcli -n '__noxcli_at 0' -a run -d 'Start a workflow, follow it live, and print its output'
complete -c noxcli -n '__noxcli_at 0' -a rerun -d 'Start a run again with the same inputs, or some others, and follow it like run'
complete -c noxcli -n '__noxcli_at 0' -a stream -d 'Follow a run that was started elsewhere, and print its output'
complete -c noxcli -n '__noxcli_at 0' -a wait -d 'Wait for runs to end, and print RUN_ID<TAB>STATUS for each'
complete -c noxcli -n '__noxcli_at 0' -a fetch-output -d 'Print or save the output of a finished run'
complete -c noxcli -n '__noxcli_at 0' -a stop -d 'Stop runs, and print RUN_ID<TAB>STATUS for each'
complete -c noxcli -n '__noxcli_at 0' -a inspect -d 'Show a run\'s nodes in workflow order: status, times, sizes and errors'
complete -c noxcli -n '__noxcli_at 0' -a report -d 'Write an HTML page about a run, saved events, or a batch'
complete -c noxcli -n '__noxcli_at 0' -a workflows -d 'List workflows, most recently changed first'
complete -c noxcli -n '__noxcli_at 0' -a versions -d 'List the saved versions of a workflow, newest first'
complete -c noxcli -n '__noxcli_at 0' -a inputs -d 'Show a workflow\'s inputs, and a command line to start from'
complete -c noxcli -n '__noxcli_at 0' -a runs -d 'List runs, newest first'
complete -c noxcli -n '__noxcli_at 0' -a batch -d 'Run a workflow once for each row of a file, and print one JSON line for each result'
complete -c noxcli -n '__noxcli_at 0' -a results -d 'Join the journals of a batch\'s shards, and print one JSON line for each row'
complete -c noxcli -n '__noxcli_at 0' -a config -d 'Show the current settings, and where each comes from'
complete -c noxcli -n '__noxcli_at 0' -a doctor -d 'Check settings, key, connection, clock and event stream; starts nothing'
complete -c noxcli -n '__noxcli_at 0' -a probe -d 'Learn how a server behaves where the API\'s documentation is silent'
complete -c noxcli -n '__noxcli_at 0' -a schema -d 'Print the JSON Schemas of the documents that noxcli prints'
complete -c noxcli -n '__noxcli_at 0' -a completion -d 'Print the completion script of a shell, or install it'
complete -c noxcli -n '__noxcli_at 0' -a sandbox -d 'Serve the Noxus API on this machine, or run one command against it'
complete -c noxcli -n '__noxcli_at 0' -a help -d 'Print the help of a command, the exit codes, or the sandbox\'s switches'
complete -c noxcli -n '__noxcli_in \'\'' -l version -s V -d 'Print the version and exit'
complete -c noxcli -n '__noxcli_in \'\' run rerun stream wait fetch-output stop inspect report workflows versions inputs runs batch results config doctor probe schema completion sandbox help' -l help -s h -d 'Show this message and exit'
complete -c noxcli -n '__noxcli_in run rerun stream wait fetch-output stop inspect report workflows versions inputs runs batch results probe' -l quiet -s q -d 'Hide progress; errors still show'
complete -c noxcli -n '__noxcli_in run rerun stream wait fetch-output stop inspect report workflows versions inputs runs batch results doctor probe' -l verbose -s v -d 'Also show requests, retries and timings; never keys or values'
complete -c noxcli -n '__noxcli_in run rerun stream wait fetch-output stop inspect report workflows versions inputs runs batch results probe' -l color -x -a 'auto always never' -d 'Color stderr'
complete -c noxcli -n '__noxcli_in run rerun stream wait fetch-output stop inspect report workflows versions inputs runs batch doctor probe' -l log-file -r -F -d 'Append a log as JSON lines; never keys or values. [env: NOXCLI_LOG_FILE]'
complete -c noxcli -n '__noxcli_in run rerun stream fetch-output' -l format -x -a 'text content json ndjson' -d 'Choose what stdout carries'
complete -c noxcli -n '__noxcli_in run rerun stream wait fetch-output stop' -l json -d 'Same as --format json'
complete -c noxcli -n '__noxcli_in run rerun stream wait fetch-output stop inspect workflows versions inputs runs config doctor probe schema' -l query -x -d 'Print only what this JMESPath expression finds; implies --json'
complete -c noxcli -n '__noxcli_in run rerun stream fetch-output' -l raw -x -a '(__noxcli_known output)' -d 'Print one output exactly, by label or node id; repeatable'
complete -c noxcli -n '__noxcli_in run rerun stream fetch-output' -l output-dir -x -a '(__fish_complete_directories)' -d 'Write every output to a file in DIR. [env: NOXCLI_OUTPUT_DIR]'
complete -c noxcli -n '__noxcli_in run rerun stream wait fetch-output stop inspect report workflows versions inputs runs batch config doctor probe' -l base-url -x -d 'Use the API at this address. [env: NOXCLI_BASE_URL, NOXUS_BACKEND_URL]'
complete -c noxcli -n '__noxcli_in run rerun stream wait fetch-output stop inspect report workflows versions inputs runs batch config doctor probe' -l api-key-file -r -F -d 'Read the API key from FILE. [env: NOXCLI_API_KEY_FILE]'
complete -c noxcli -n '__noxcli_in run rerun stream wait fetch-output stop inspect report workflows versions inputs runs batch config doctor probe' -l profile -x -a '(__noxcli_known profile)' -d 'Use this profile from the config file. [env: NOXCLI_PROFILE]'
complete -c noxcli -n '__noxcli_in run rerun stream wait fetch-output batch' -l timeout -x -d 'Give up after this long (90, 30s, 10m, 2h); the run continues'
complete -c noxcli -n '__noxcli_in run rerun stream wait fetch-output batch' -l retry-for -x -d 'Keep retrying this long while the server is unreachable. [default: 60s; while following a run: 5m]'
complete -c noxcli -n '__noxcli_in run rerun stream wait' -l stall-timeout -x -d 'Give up after this long without progress'
complete -c noxcli -n '__noxcli_in run rerun stream wait' -l on-pause -x -a 'exit wait' -d 'When the run pauses for human input, exit or wait. [default: exit; on a terminal: wait]'
complete -c noxcli -n '__noxcli_in run rerun stream wait' -l on-timeout -x -a 'detach stop' -d 'At --timeout or --stall-timeout, stop the run or leave it'
complete -c noxcli -n '__noxcli_in run rerun stream wait batch' -l poll-interval -x -d 'Wait this long between polls'
complete -c noxcli -n '__noxcli_in run rerun stream wait' -l no-stream -d 'Poll instead of streaming events'
complete -c noxcli -n '__noxcli_in run rerun stream wait fetch-output batch' -l assert -x -d 'Exit with 11 unless this JMESPath expression is true of the result; repeatable'
complete -c noxcli -n '__noxcli_in run rerun stream wait fetch-output batch' -l ci -x -a 'auto github gitlab off' -d 'Format output for a CI system. [default: auto] [env: NOXCLI_CI]'
complete -c noxcli -n '__noxcli_in run rerun stream wait fetch-output batch results' -l report -r -F -d 'Write an HTML page: verdict, nodes on a time axis, errors, outputs'
complete -c noxcli -n '__noxcli_in run rerun stream wait fetch-output batch results' -l junit -r -F -d 'Write the results as JUnit XML'
complete -c noxcli -n '__noxcli_in run rerun stream wait fetch-output' -l dotenv -r -F -d 'Write ids, status and exit code as variables for later jobs'
complete -c noxcli -n '__noxcli_in run rerun stream fetch-output' -l overwrite -d 'Replace files in DIR even if noxcli did not write them; without this, exit with 9'
complete -c noxcli -n '__noxcli_in run rerun batch' -l dry-run -d 'Check the inputs and print the request without sending it'
complete -c noxcli -n '__noxcli_in run rerun batch' -l no-check -d 'Skip local input validation'
complete -c noxcli -n '__noxcli_in run inputs batch' -l version-id -x -d 'Use this saved version: its id or exact name'
complete -c noxcli -n '__noxcli_in run rerun probe' -l inputs -x -a '(__noxcli_at_files)' -d 'All inputs as one JSON object'
complete -c noxcli -n '__noxcli_in run rerun batch probe' -l secret -x -d 'Send this environment variable\'s value, and never show it'
complete -c noxcli -n '__noxcli_in run rerun' -l callback-url -x -d 'Have the platform POST the result to this URL'
complete -c noxcli -n '__noxcli_in run rerun' -l detach -d 'Start the run, print its id and exit'
complete -c noxcli -n '__noxcli_in run rerun' -l state-file -r -F -d 'Save the run\'s ids for `noxcli stop --state-file`'
complete -c noxcli -n '__noxcli_in run rerun batch' -l on-interrupt -x -a 'detach stop' -d 'On Ctrl-C, stop the run or leave it running. [default: stop; on a terminal: detach]'
complete -c noxcli -n '__noxcli_in rerun' -l version-id -x -d 'Use this saved version, by its id or exact name. [default: the one of RUN, or else the current one]'
complete -c noxcli -n '__noxcli_in stream' -l etag -x -d 'Resume after this event (its redis_id)'
complete -c noxcli -n '__noxcli_in stream' -l resume -d 'Resume after the last event read on this machine'
complete -c noxcli -n '__noxcli_in wait' -l any -d 'Exit when the first run has ended'
complete -c noxcli -n '__noxcli_in wait' -l fail-fast -d 'Exit at the first run that did not complete'
complete -c noxcli -n '__noxcli_in wait' -l for -x -d 'Exit when the run meets this: node:NAME=STATUS, node:NAME, run=STATUS, output:KEY or event:EXPR (JMESPath); repeatable, the first one counts; exit with 12 if the run ends without meeting one'
complete -c noxcli -n '__noxcli_in fetch-output' -l wait -d 'Wait until the run has ended'
complete -c noxcli -n '__noxcli_in stop inspect report workflows versions inputs runs probe' -l timeout -x -d 'Give up after this long (90, 30s, 10m, 2h)'
complete -c noxcli -n '__noxcli_in stop' -l state-file -r -F -d 'Stop the run that `noxcli run --state-file` started'
complete -c noxcli -n '__noxcli_in inspect workflows versions runs config doctor probe schema' -l json -d 'Print one JSON document'
complete -c noxcli -n '__noxcli_in inspect report workflows versions inputs runs probe' -l retry-for -x -d 'Keep retrying this long while the server is unreachable. [default: 60s]'
complete -c noxcli -n '__noxcli_in inspect' -l node -x -d 'Print the inputs and outputs of this node, by name or id'
complete -c noxcli -n '__noxcli_in inspect' -l iteration -x -d 'With --node in a loop, its N-th iteration. [default: the server\'s choice]'
complete -c noxcli -n '__noxcli_in inspect' -l logs -d 'Print the run\'s logs'
complete -c noxcli -n '__noxcli_in report' -l output -s o -r -F -d 'Write the page to FILE; - is stdout'
complete -c noxcli -n '__noxcli_in workflows versions runs' -l limit -x -d 'List at most N'
complete -c noxcli -n '__noxcli_in inputs' -l json -d 'Print a JSON Schema of the input object'
complete -c noxcli -n '__noxcli_in runs' -l status -x -a 'awaiting_human_feedback completed failed paused queued running stopped' -d 'List only runs in this status; repeatable'
complete -c noxcli -n '__noxcli_in runs' -l since -x -d 'List only runs created since then: 2h, 3d, 2026-05-01T12:00'
complete -c noxcli -n '__noxcli_in batch' -l output-dir -x -a '(__fish_complete_directories)' -d 'Write each row\'s files and the journal to DIR. [default: FILE.batch for the journal]'
complete -c noxcli -n '__noxcli_in batch' -l input-format -x -a 'jsonl csv tsv' -d 'Read FILE as this format. [default: by its name, else jsonl]'
complete -c noxcli -n '__noxcli_in batch' -l column -x -d 'Read a column as files to upload (KEY@) or as JSON (KEY:=)'
complete -c noxcli -n '__noxcli_in batch' -l max-parallel -x -d 'Run at most N rows at a time'
complete -c noxcli -n '__noxcli_in batch' -l resume -d 'Continue where an earlier call stopped'
complete -c noxcli -n '__noxcli_in batch' -l again -x -a 'failed stopped doubtful' -d 'Resume, and start rows again whose run failed or was stopped, or whose start is in doubt, even if that runs them twice; repeatable'
complete -c noxcli -n '__noxcli_in batch' -l allow-changed-input -d 'Resume even though FILE or the inputs have changed'
complete -c noxcli -n '__noxcli_in batch' -l max-failures -x -d 'Start no more rows after N have failed'
complete -c noxcli -n '__noxcli_in batch' -l ordered -d 'Print results in the order of the rows'
complete -c noxcli -n '__noxcli_in batch results' -l query -x -d 'Print only what this JMESPath expression finds in each line'
complete -c noxcli -n '__noxcli_in batch' -l shard -x -a auto -d 'Run only shard I of N (1/8 is the first of eight), or the shard of this engine\'s task. [env: NOXCLI_SHARD]'
complete -c noxcli -n '__noxcli_in batch' -l expect -r -F -d 'Compare outputs with these, by the rows\' $id (JSON lines, CSV or TSV)'
complete -c noxcli -n '__noxcli_in results' -l results -r -F -d 'Write every finished row\'s result, with its output'
complete -c noxcli -n '__noxcli_in doctor' -l run -x -k -a '(__noxcli_known run)' -d 'Check the event stream of this run, best while it is running'
complete -c noxcli -n '__noxcli_in probe' -l run -x -k -a '(__noxcli_known run)' -d 'Learn from this run. [default: the newest completed one]'
complete -c noxcli -n '__noxcli_in probe' -l start -x -d 'Start up to N runs: one to watch, a second one to stop'
complete -c noxcli -n '__noxcli_in probe' -l max-requests -x -d 'Send at most N requests'
complete -c noxcli -n '__noxcli_in probe' -l watch -x -d 'Watch a silent event stream for this long'
complete -c noxcli -n '__noxcli_in probe' -l write -r -F -d 'Write what was learned for sandbox --switches'
complete -c noxcli -n '__noxcli_in completion' -l install -d 'Install the script in your own directory for the shell instead of printing it'
complete -c noxcli -n '__noxcli_in sandbox' -l port -x -d 'Listen on this port. [default: 8765; with COMMAND: any free one]'
complete -c noxcli -n '__noxcli_in sandbox' -l key -x -a '(__noxcli_known output)' -d 'Accept this API key. [default: a new one for each start]'
complete -c noxcli -n '__noxcli_in sandbox' -l speed -x -d 'Make time pass this many times faster'
complete -c noxcli -n '__noxcli_in sandbox' -l scenario -r -F -d 'Add workflows (TOML)'
complete -c noxcli -n '__noxcli_in sandbox' -l replay -r -F -d 'Serve a run saved with --format ndjson'
complete -c noxcli -n '__noxcli_in sandbox' -l switches -r -F -d 'Set the switches in this file (probe --write makes one)'
complete -c noxcli -n '__noxcli_in sandbox' -l switch -x -d 'Choose a behavior that the API\'s docs leave open; noxcli help switches lists them'
complete -c noxcli -n '__noxcli_at 1 run' -a '(__noxcli_known workflow)'
complete -c noxcli -n '__noxcli_at 2+ run' -a '(__noxcli_inputs)'
complete -c noxcli -n '__noxcli_at 1 rerun' -k -a '(__noxcli_known run)'
complete -c noxcli -n '__noxcli_at 2+ rerun' -a '(__noxcli_inputs)'
complete -c noxcli -n '__noxcli_at 1 stream' -k -a '(__noxcli_known run)'
complete -c noxcli -n '__noxcli_at 1+ wait' -k -a '(__noxcli_known run)'
complete -c noxcli -n '__noxcli_at 1 fetch-output' -k -a '(__noxcli_known run)'
complete -c noxcli -n '__noxcli_at 1+ stop' -k -a '(__noxcli_known run)'
complete -c noxcli -n '__noxcli_at 1 inspect' -k -a '(__noxcli_known run)'
complete -c noxcli -n '__noxcli_at 1 report' -k -a '(__noxcli_known run)'
complete -c noxcli -n '__noxcli_at 1 versions' -a '(__noxcli_known workflow)'
complete -c noxcli -n '__noxcli_at 1 inputs' -a '(__noxcli_known workflow)'
complete -c noxcli -n '__noxcli_at 1 runs' -a '(__noxcli_known workflow)'
complete -c noxcli -n '__noxcli_at 1 batch' -a '(__noxcli_known workflow)'
complete -c noxcli -n '__noxcli_at 2 batch' -F
complete -c noxcli -n '__noxcli_at 3+ batch' -a '(__noxcli_inputs)'
complete -c noxcli -n '__noxcli_at 1+ results' -a '(__fish_complete_directories)'
complete -c noxcli -n '__noxcli_at 1 probe' -a '(__noxcli_known workflow)'
complete -c noxcli -n '__noxcli_at 2+ probe' -a '(__noxcli_inputs)'
complete -c noxcli -n '__noxcli_at 1 schema' -a 'batch-line config doctor event inspect manifest probe result results results-line runs schemas state versions workflows'
complete -c noxcli -n '__noxcli_at 1 completion' -a 'bash zsh fish'
complete -c noxcli -n '__noxcli_at 1+ sandbox' -a '(__noxcli_inner)'
complete -c noxcli -n '__noxcli_at 1 help' -a 'run rerun stream wait fetch-output stop inspect report workflows versions inputs runs batch results config doctor probe schema completion sandbox help exit-codes'
