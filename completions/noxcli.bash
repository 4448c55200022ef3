# bash completion for noxcli; bash 3.2 will do, and the bash-completion package is not needed.
# Made by scripts/regenerate.py from the options that the commands declare: edit those instead.

# Adds names that noxcli knows to `offered`. They are data: they are only compared, and quoted before readline gets
# them.
__noxcli_known() { # KIND
    local line word plain=()
    for word in "${words[@]}"; do
        __noxcli_plain "$word"
    done
    while IFS= read -r line; do
        offered+=("${line%%$'\t'*}")
    done < <("${plain[0]}" __complete "$1" "${plain[@]:1}" "${typed:${#prefix}}" 2>/dev/null)
    compopt -o nosort 2>/dev/null
    [[ $1 != input ]] || compopt -o nospace 2>/dev/null
}

__noxcli_plain() { # WORD: adds it to `plain`, without its quotes
    local typed kept open
    __noxcli_unquote "$1"
    plain+=("$typed")
}

__noxcli_verbs() {
    offered=(run rerun stream wait fetch-output stop inspect report workflows versions inputs runs batch results config doctor probe schema completion sandbox help)
}

__noxcli_options() { # VERB
    case $1 in
        '') offered=(--version -V --help -h) ;;
        run) offered=(--quiet -q --verbose -v --color --log-file --format --json --query --raw --output-dir --base-url --api-key-file --profile --timeout --retry-for --stall-timeout --on-pause --on-timeout --poll-interval --no-stream --assert --ci --report --junit --dotenv --overwrite --dry-run --no-check --version-id --inputs --secret --callback-url --detach --state-file --on-interrupt --help -h) ;;
        rerun) offered=(--quiet -q --verbose -v --color --log-file --format --json --query --raw --output-dir --base-url --api-key-file --profile --timeout --retry-for --stall-timeout --on-pause --on-timeout --poll-interval --no-stream --assert --ci --report --junit --dotenv --overwrite --dry-run --no-check --version-id --inputs --secret --callback-url --detach --state-file --on-interrupt --help -h) ;;
        stream) offered=(--quiet -q --verbose -v --color --log-file --format --json --query --raw --output-dir --base-url --api-key-file --profile --timeout --retry-for --stall-timeout --on-pause --on-timeout --poll-interval --no-stream --assert --ci --report --junit --dotenv --overwrite --etag --resume --help -h) ;;
        wait) offered=(--quiet -q --verbose -v --color --log-file --json --query --base-url --api-key-file --profile --timeout --retry-for --stall-timeout --on-pause --on-timeout --poll-interval --no-stream --assert --ci --report --junit --dotenv --any --fail-fast --for --help -h) ;;
        fetch-output) offered=(--quiet -q --verbose -v --color --log-file --format --json --query --raw --output-dir --base-url --api-key-file --profile --timeout --retry-for --assert --ci --report --junit --dotenv --overwrite --wait --help -h) ;;
        stop) offered=(--quiet -q --verbose -v --color --log-file --json --query --base-url --api-key-file --profile --timeout --state-file --help -h) ;;
        inspect) offered=(--quiet -q --verbose -v --color --log-file --json --query --base-url --api-key-file --profile --timeout --retry-for --node --iteration --logs --help -h) ;;
        report) offered=(--quiet -q --verbose -v --color --log-file --base-url --api-key-file --profile --timeout --retry-for --output -o --help -h) ;;
        workflows) offered=(--quiet -q --verbose -v --color --log-file --json --query --base-url --api-key-file --profile --timeout --retry-for --limit --help -h) ;;
        versions) offered=(--quiet -q --verbose -v --color --log-file --json --query --base-url --api-key-file --profile --timeout --retry-for --limit --help -h) ;;
        inputs) offered=(--quiet -q --verbose -v --color --log-file --json --query --base-url --api-key-file --profile --timeout --retry-for --version-id --help -h) ;;
        runs) offered=(--quiet -q --verbose -v --color --log-file --json --query --base-url --api-key-file --profile --timeout --retry-for --limit --status --since --help -h) ;;
        batch) offered=(--quiet -q --verbose -v --color --log-file --output-dir --base-url --api-key-file --profile --timeout --retry-for --assert --ci --dry-run --no-check --version-id --secret --input-format --column --max-parallel --resume --again --allow-changed-input --max-failures --ordered --query --shard --expect --report --junit --on-interrupt --poll-interval --help -h) ;;
        results) offered=(--quiet -q --verbose -v --color --results --query --report --junit --help -h) ;;
        config) offered=(--json --query --base-url --api-key-file --profile --help -h) ;;
        doctor) offered=(--verbose -v --log-file --json --query --base-url --api-key-file --profile --run --help -h) ;;
        probe) offered=(--quiet -q --verbose -v --color --log-file --json --query --base-url --api-key-file --profile --timeout --retry-for --inputs --secret --run --start --max-requests --watch --write --help -h) ;;
        schema) offered=(--json --query --help -h) ;;
        completion) offered=(--install --help -h) ;;
        sandbox) offered=(--port --key --speed --scenario --replay --switches --switch --help -h) ;;
        help) offered=(--help -h) ;;
    esac
}

# Returns success if the option takes a value.
__noxcli_value() { # VERB OPTION
    case $1:$2 in
        run:--color | rerun:--color | stream:--color | wait:--color | fetch-output:--color | stop:--color | inspect:--color | report:--color | workflows:--color | versions:--color | inputs:--color | runs:--color | batch:--color | results:--color | probe:--color)
            kind=other offered=(auto always never) ;;
        run:--log-file | run:--api-key-file | run:--report | run:--junit | run:--dotenv | run:--state-file | rerun:--log-file | rerun:--api-key-file | rerun:--report | rerun:--junit | rerun:--dotenv | rerun:--state-file | stream:--log-file | stream:--api-key-file | stream:--report | stream:--junit | stream:--dotenv | wait:--log-file | wait:--api-key-file | wait:--report | wait:--junit | wait:--dotenv | fetch-output:--log-file | fetch-output:--api-key-file | fetch-output:--report | fetch-output:--junit | fetch-output:--dotenv | stop:--log-file | stop:--api-key-file | stop:--state-file | inspect:--log-file | inspect:--api-key-file | report:--log-file | report:--api-key-file | report:--output | report:-o | workflows:--log-file | workflows:--api-key-file | versions:--log-file | versions:--api-key-file | inputs:--log-file | inputs:--api-key-file | runs:--log-file | runs:--api-key-file | batch:--log-file | batch:--api-key-file | batch:--expect | batch:--report | batch:--junit | results:--results | results:--report | results:--junit | config:--api-key-file | doctor:--log-file | doctor:--api-key-file | probe:--log-file | probe:--api-key-file | probe:--write | sandbox:--scenario | sandbox:--replay | sandbox:--switches)
            kind=file offered=() ;;
        run:--format | rerun:--format | stream:--format | fetch-output:--format)
            kind=other offered=(text content json ndjson) ;;
        run:--query | run:--base-url | run:--timeout | run:--retry-for | run:--stall-timeout | run:--poll-interval | run:--assert | run:--version-id | run:--secret | run:--callback-url | rerun:--query | rerun:--base-url | rerun:--timeout | rerun:--retry-for | rerun:--stall-timeout | rerun:--poll-interval | rerun:--assert | rerun:--version-id | rerun:--secret | rerun:--callback-url | stream:--query | stream:--base-url | stream:--timeout | stream:--retry-for | stream:--stall-timeout | stream:--poll-interval | stream:--assert | stream:--etag | wait:--query | wait:--base-url | wait:--timeout | wait:--retry-for | wait:--stall-timeout | wait:--poll-interval | wait:--assert | wait:--for | fetch-output:--query | fetch-output:--base-url | fetch-output:--timeout | fetch-output:--retry-for | fetch-output:--assert | stop:--query | stop:--base-url | stop:--timeout | inspect:--query | inspect:--base-url | inspect:--timeout | inspect:--retry-for | inspect:--node | inspect:--iteration | report:--base-url | report:--timeout | report:--retry-for | workflows:--query | workflows:--base-url | workflows:--timeout | workflows:--retry-for | workflows:--limit | versions:--query | versions:--base-url | versions:--timeout | versions:--retry-for | versions:--limit | inputs:--query | inputs:--base-url | inputs:--timeout | inputs:--retry-for | inputs:--version-id | runs:--query | runs:--base-url | runs:--timeout | runs:--retry-for | runs:--limit | runs:--since | batch:--base-url | batch:--timeout | batch:--retry-for | batch:--assert | batch:--version-id | batch:--secret | batch:--column | batch:--max-parallel | batch:--max-failures | batch:--query | batch:--poll-interval | results:--query | config:--query | config:--base-url | doctor:--query | doctor:--base-url | probe:--query | probe:--base-url | probe:--timeout | probe:--retry-for | probe:--secret | probe:--start | probe:--max-requests | probe:--watch | schema:--query | sandbox:--port | sandbox:--speed | sandbox:--switch)
            kind=other offered=() ;;
        run:--raw | rerun:--raw | stream:--raw | fetch-output:--raw | sandbox:--key)
            kind=output offered=() ;;
        run:--output-dir | rerun:--output-dir | stream:--output-dir | fetch-output:--output-dir | batch:--output-dir)
            kind=directory offered=() ;;
        run:--profile | rerun:--profile | stream:--profile | wait:--profile | fetch-output:--profile | stop:--profile | inspect:--profile | report:--profile | workflows:--profile | versions:--profile | inputs:--profile | runs:--profile | batch:--profile | config:--profile | doctor:--profile | probe:--profile)
            kind=profile offered=() ;;
        run:--on-pause | rerun:--on-pause | stream:--on-pause | wait:--on-pause)
            kind=other offered=(exit wait) ;;
        run:--on-timeout | run:--on-interrupt | rerun:--on-timeout | rerun:--on-interrupt | stream:--on-timeout | wait:--on-timeout | batch:--on-interrupt)
            kind=other offered=(detach stop) ;;
        run:--ci | rerun:--ci | stream:--ci | wait:--ci | fetch-output:--ci | batch:--ci)
            kind=other offered=(auto github gitlab off) ;;
        run:--inputs | rerun:--inputs | probe:--inputs)
            kind=at-file offered=() ;;
        runs:--status)
            kind=other offered=(awaiting_human_feedback completed failed paused queued running stopped) ;;
        batch:--input-format)
            kind=other offered=(jsonl csv tsv) ;;
        batch:--again)
            kind=other offered=(failed stopped doubtful) ;;
        batch:--shard)
            kind=other offered=(auto) ;;
        doctor:--run | probe:--run)
            kind=run offered=() ;;
        *) return 1 ;;
    esac
}

__noxcli_argument() { # VERB NUMBER
    case $1:$2 in
        run:1) kind=workflow offered=() ;;
        run:*) kind=input offered=() ;;
        rerun:1) kind=run offered=() ;;
        rerun:*) kind=input offered=() ;;
        stream:1) kind=run offered=() ;;
        wait:*) kind=run offered=() ;;
        fetch-output:1) kind=run offered=() ;;
        stop:*) kind=run offered=() ;;
        inspect:1) kind=run offered=() ;;
        report:1) kind=run offered=() ;;
        versions:1) kind=workflow offered=() ;;
        inputs:1) kind=workflow offered=() ;;
        runs:1) kind=workflow offered=() ;;
        batch:1) kind=workflow offered=() ;;
        batch:2) kind=file offered=() ;;
        batch:*) kind=input offered=() ;;
        results:*) kind=directory offered=() ;;
        probe:1) kind=workflow offered=() ;;
        probe:*) kind=input offered=() ;;
        schema:1) kind=other offered=(batch-line config doctor event inspect manifest probe result results results-line runs schemas state versions workflows) ;;
        completion:1) kind=other offered=(bash zsh fish) ;;
        sandbox:*) kind=command offered=() ;;
        help:1) kind=other offered=(run rerun stream wait fetch-output stop inspect report workflows versions inputs runs batch results config doctor probe schema completion sandbox help exit-codes) ;;
        *) kind=other offered=() ;;
    esac
}

# COMP_WORDS is split at every = : and @, so join what had no space between.
__noxcli_split() {
    local line=${COMP_LINE:0:COMP_POINT} rest word index
    words=() starts=() current=
    for ((index = 0; index <= COMP_CWORD; index++)); do
        rest=${line#"${line%%[![:space:]]*}"}
        if ((index == COMP_CWORD)); then
            word=$rest # up to the cursor, which may be inside the word
        else
            word=${COMP_WORDS[index]}
        fi
        if ((index == 0)) || [[ $rest != "$line" ]]; then
            ((index == 0)) || words+=("$current")
            starts+=("$index")
            current=
        fi
        current+=$word
        line=${rest#"$word"}
    done
}

# Sets `typed`, the word without its quotes, `kept`, the part of it that readline does not replace, and `open`, the
# quote that is still open at its end.
__noxcli_unquote() { # WORD
    local index char length=${#1}
    typed='' kept='' open=''
    for ((index = 0; index < length; index++)); do
        char=${1:index:1}
        if [[ $char == "$open" ]]; then
            open=
        elif [[ $char == "\\" && $open != "'" ]]; then
            index=$((index + 1))
            typed+=${1:index:1}
        elif [[ -n $open ]]; then
            typed+=$char
        elif [[ $char == "'" || $char == '"' ]]; then
            open=$char kept=$typed
        else
            typed+=$char
            if [[ $COMP_WORDBREAKS == *"$char"* ]]; then
                kept=${typed%@} # an @ splits words, and belongs to the second one
            fi
        fi
    done
}

__noxcli_reply() { # PREFIX CANDIDATE...: those that begin with what was typed
    local prefix=$1 word
    shift
    for word; do
        word=$prefix$word
        [[ $word != "$typed"* ]] || COMPREPLY+=("${word:${#kept}}")
    done
}

# Quotes the replies for their place on the line, since readline inserts them unchanged.
__noxcli_quote() {
    local index at word quoted char quoting=ours
    type compopt >/dev/null 2>&1 || quoting=readline # in bash 3.2, which quotes wrongly: only plain words
    for index in ${COMPREPLY[@]+"${!COMPREPLY[@]}"}; do
        word=${COMPREPLY[index]}
        printf -v quoted %q "$word"
        [[ -n $word && $word != "$quoted" ]] || continue
        if [[ $quoting == readline ]]; then
            unset "COMPREPLY[index]"
            continue
        fi
        if [[ -n $open ]]; then
            quoted=
            for ((at = 0; at < ${#word}; at++)); do
                char=${word:at:1}
                case $open$char in
                    "''") char="'\\''" ;;
                    '"!') char="\"'!'\"" ;; # in double quotes, the history would replace it
                    '"'[\"\\\$\`]) char="\\$char" ;;
                esac
                quoted+=$char
            done
            # Readline takes a quote at either end for its own, and then adds none.
            [[ $quoted != "$open"* ]] || quoted=$open$quoted
            [[ $quoted != *"$open" ]] || quoted+=$open
        fi
        COMPREPLY[index]=$quoted
    done
}

__noxcli_files() { # PREFIX -f|-d
    local prefix=$1 path paths=()
    while IFS= read -r path; do
        # Readline adds the slash, unless a prefix is still attached to the name.
        [[ ${#kept} -ge ${#prefix} || ! -d $path ]] || path+=/
        paths+=("$path")
    done < <(compgen "$2" -- "${typed:${#prefix}}")
    __noxcli_reply "$prefix" ${paths[@]+"${paths[@]}"}
    if [[ ${#kept} -lt ${#prefix} ]] && type compopt >/dev/null 2>&1; then
        __noxcli_quote # readline would look for a file with that name, and would not quote $ if there is none
    else
        compopt -o filenames 2>/dev/null
    fi
    [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != */ ]] || compopt -o nospace 2>/dev/null
}

__noxcli_offer() { # PREFIX: what `kind` and `offered` say, for the rest of the word
    local prefix=$1 key='^(\\.|[^\=@])+=?@'
    case $kind in
        workflow | run | profile | output) __noxcli_known "$kind" ;;
        input) [[ $typed =~ $key ]] || __noxcli_known input ;;
    esac
    __noxcli_reply "$prefix" ${offered[@]+"${offered[@]}"}
    __noxcli_quote
    case $kind in
        file) __noxcli_files "$prefix" -f ;;
        directory) __noxcli_files "$prefix" -d ;;
        at-file) [[ ${typed:${#prefix}} != @* ]] || __noxcli_files "$prefix@" -f ;;
        input) [[ ! $typed =~ $key ]] || __noxcli_files "${BASH_REMATCH[0]}" -f ;;
    esac
}

__noxcli_inner() { # INDEX: the command line that begins with that word
    local delegate command
    if (($1 == ${#words[@]})) && [[ $typed != */* ]]; then
        while IFS= read -r command; do
            COMPREPLY+=("$command")
        done < <(compgen -c -- "$typed" | sort -u)
        return
    fi
    if (($1 < ${#words[@]})); then
        if [[ ${words[$1]##*/} == noxcli ]]; then
            words=("${words[@]:$1}") starts=("${starts[@]:$1}")
            __noxcli_complete
            return
        fi
        for delegate in _comp_command_offset _command_offset; do # of the bash-completion package
            if declare -F "$delegate" >/dev/null; then
                "$delegate" "${starts[$1]}"
                return
            fi
        done
    fi
    __noxcli_files '' -f
}

__noxcli_complete() {
    local verb='' number=0 pending='' closed='' index word kind=other offered=()
    for ((index = 1; index < ${#words[@]}; index++)); do
        word=${words[index]}
        if [[ -n $pending ]]; then
            pending=
        elif [[ -z $closed && $word == -- ]]; then
            closed=yes
        elif [[ -z $closed && $word == -?* ]]; then
            ! __noxcli_value "$verb" "$word" || pending=$word
        elif [[ -z $verb ]]; then
            verb=$word
        else
            number=$((number + 1))
            __noxcli_argument "$verb" "$number"
            if [[ $kind == command ]]; then
                __noxcli_inner "$index"
                return
            fi
        fi
    done
    kind=other offered=()
    if [[ -n $pending ]]; then
        __noxcli_value "$verb" "$pending"
        __noxcli_offer ''
    elif [[ -z $closed && $typed == --*=* ]]; then
        ! __noxcli_value "$verb" "${typed%%=*}" || __noxcli_offer "${typed%%=*}="
    elif [[ -z $closed && $typed == -* ]]; then
        __noxcli_options "$verb"
        __noxcli_offer ''
    elif [[ -z $verb ]]; then
        __noxcli_verbs
        __noxcli_offer ''
    else
        __noxcli_argument "$verb" "$((number + 1))"
        if [[ $kind == command ]]; then
            __noxcli_inner "${#words[@]}"
        else
            __noxcli_offer ''
        fi
    fi
}

_noxcli() {
    local IFS=$' \t\n' words starts current typed kept open
    COMPREPLY=()
    __noxcli_split
    __noxcli_unquote "$current"
    __noxcli_complete
}

if type compopt >/dev/null 2>&1; then
    complete -F _noxcli noxcli
else # in bash 3.2, a function can't say which candidates are file names
    complete -o filenames -F _noxcli noxcli
fi
