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
        run) offered=(--inputs --secret --dry-run --no-check --version-id --callback-url --detach --format --json --query --raw --output-dir --overwrite --state-file --assert --report --junit --dotenv --ci --timeout --stall-timeout --retry-for --on-pause --on-timeout --on-interrupt --poll-interval --no-stream --quiet -q --verbose -v --color --log-file --base-url --api-key-file --profile --help -h) ;;
        rerun) offered=(--inputs --secret --dry-run --no-check --version-id --callback-url --detach --format --json --query --raw --output-dir --overwrite --state-file --assert --report --junit --dotenv --ci --timeout --stall-timeout --retry-for --on-pause --on-timeout --on-interrupt --poll-interval --no-stream --quiet -q --verbose -v --color --log-file --base-url --api-key-file --profile --help -h) ;;
        stream) offered=(--etag --resume --format --json --query --raw --output-dir --overwrite --assert --report --junit --dotenv --ci --timeout --stall-timeout --retry-for --on-pause --on-timeout --poll-interval --no-stream --quiet -q --verbose -v --color --log-file --base-url --api-key-file --profile --help -h) ;;
        wait) offered=(--json --query --assert --report --junit --dotenv --ci --timeout --any --fail-fast --for --stall-timeout --retry-for --on-pause --on-timeout --poll-interval --no-stream --quiet -q --verbose -v --color --log-file --base-url --api-key-file --profile --help -h) ;;
        fetch-output) offered=(--wait --format --json --query --raw --output-dir --overwrite --assert --report --junit --dotenv --ci --timeout --retry-for --quiet -q --verbose -v --color --log-file --base-url --api-key-file --profile --help -h) ;;
        stop) offered=(--state-file --json --query --timeout --quiet -q --verbose -v --color --log-file --base-url --api-key-file --profile --help -h) ;;
        inspect) offered=(--node --iteration --logs --json --query --timeout --retry-for --quiet -q --verbose -v --color --log-file --base-url --api-key-file --profile --help -h) ;;
        report) offered=(--output -o --timeout --retry-for --quiet -q --verbose -v --color --log-file --base-url --api-key-file --profile --help -h) ;;
        workflows) offered=(--limit --json --query --timeout --retry-for --quiet -q --verbose -v --color --log-file --base-url --api-key-file --profile --help -h) ;;
        versions) offered=(--limit --json --query --timeout --retry-for --quiet -q --verbose -v --color --log-file --base-url --api-key-file --profile --help -h) ;;
        inputs) offered=(--version-id --json --query --timeout --retry-for --quiet -q --verbose -v --color --log-file --base-url --api-key-file --profile --help -h) ;;
        runs) offered=(--status --since --limit --json --query --timeout --retry-for --quiet -q --verbose -v --color --log-file --base-url --api-key-file --profile --help -h) ;;
        batch) offered=(--secret --input-format --column --output-dir --max-parallel --resume --again --allow-changed-input --max-failures --ordered --query --shard --assert --expect --report --junit --ci --dry-run --no-check --version-id --timeout --retry-for --on-interrupt --poll-interval --quiet -q --verbose -v --color --log-file --base-url --api-key-file --profile --help -h) ;;
        results) offered=(--results --query --report --junit --quiet -q --verbose -v --color --help -h) ;;
        config) offered=(--json --query --base-url --api-key-file --profile --help -h) ;;
        doctor) offered=(--run --json --query --verbose -v --log-file --base-url --api-key-file --profile --help -h) ;;
        probe) offered=(--inputs --secret --run --start --max-requests --watch --write --json --query --timeout --retry-for --quiet -q --verbose -v --color --log-file --base-url --api-key-file --profile --help -h) ;;
        schema) offered=(--json --query --help -h) ;;
        completion) offered=(--install --help -h) ;;
        sandbox) offered=(--port --key --speed --scenario --replay --switches --switch --help -h) ;;
        help) offered=(--help -h) ;;
    esac
}

# Returns success if the option takes a value.
__noxcli_value() { # VERB OPTION
    case $1:$2 in
        run:--inputs | rerun:--inputs | probe:--inputs)
            kind=at-file offered=() ;;
        run:--secret | run:--version-id | run:--callback-url | run:--query | run:--assert | run:--timeout | run:--stall-timeout | run:--retry-for | run:--poll-interval | run:--base-url | rerun:--secret | rerun:--version-id | rerun:--callback-url | rerun:--query | rerun:--assert | rerun:--timeout | rerun:--stall-timeout | rerun:--retry-for | rerun:--poll-interval | rerun:--base-url | stream:--etag | stream:--query | stream:--assert | stream:--timeout | stream:--stall-timeout | stream:--retry-for | stream:--poll-interval | stream:--base-url | wait:--query | wait:--assert | wait:--timeout | wait:--for | wait:--stall-timeout | wait:--retry-for | wait:--poll-interval | wait:--base-url | fetch-output:--query | fetch-output:--assert | fetch-output:--timeout | fetch-output:--retry-for | fetch-output:--base-url | stop:--query | stop:--timeout | stop:--base-url | inspect:--node | inspect:--iteration | inspect:--query | inspect:--timeout | inspect:--retry-for | inspect:--base-url | report:--timeout | report:--retry-for | report:--base-url | workflows:--limit | workflows:--query | workflows:--timeout | workflows:--retry-for | workflows:--base-url | versions:--limit | versions:--query | versions:--timeout | versions:--retry-for | versions:--base-url | inputs:--version-id | inputs:--query | inputs:--timeout | inputs:--retry-for | inputs:--base-url | runs:--since | runs:--limit | runs:--query | runs:--timeout | runs:--retry-for | runs:--base-url | batch:--secret | batch:--column | batch:--max-parallel | batch:--max-failures | batch:--query | batch:--assert | batch:--version-id | batch:--timeout | batch:--retry-for | batch:--poll-interval | batch:--base-url | results:--query | config:--query | config:--base-url | doctor:--query | doctor:--base-url | probe:--secret | probe:--start | probe:--max-requests | probe:--watch | probe:--query | probe:--timeout | probe:--retry-for | probe:--base-url | schema:--query | sandbox:--port | sandbox:--speed | sandbox:--switch)
            kind=other offered=() ;;
        run:--format | rerun:--format | stream:--format | fetch-output:--format)
            kind=other offered=(text content json ndjson) ;;
        run:--raw | rerun:--raw | stream:--raw | fetch-output:--raw | sandbox:--key)
            kind=output offered=() ;;
        run:--output-dir | rerun:--output-dir | stream:--output-dir | fetch-output:--output-dir | batch:--output-dir)
            kind=directory offered=() ;;
        run:--state-file | run:--report | run:--junit | run:--dotenv | run:--log-file | run:--api-key-file | rerun:--state-file | rerun:--report | rerun:--junit | rerun:--dotenv | rerun:--log-file | rerun:--api-key-file | stream:--report | stream:--junit | stream:--dotenv | stream:--log-file | stream:--api-key-file | wait:--report | wait:--junit | wait:--dotenv | wait:--log-file | wait:--api-key-file | fetch-output:--report | fetch-output:--junit | fetch-output:--dotenv | fetch-output:--log-file | fetch-output:--api-key-file | stop:--state-file | stop:--log-file | stop:--api-key-file | inspect:--log-file | inspect:--api-key-file | report:--output | report:-o | report:--log-file | report:--api-key-file | workflows:--log-file | workflows:--api-key-file | versions:--log-file | versions:--api-key-file | inputs:--log-file | inputs:--api-key-file | runs:--log-file | runs:--api-key-file | batch:--expect | batch:--report | batch:--junit | batch:--log-file | batch:--api-key-file | results:--results | results:--report | results:--junit | config:--api-key-file | doctor:--log-file | doctor:--api-key-file | probe:--write | probe:--log-file | probe:--api-key-file | sandbox:--scenario | sandbox:--replay | sandbox:--switches)
            kind=file offered=() ;;
        run:--ci | rerun:--ci | stream:--ci | wait:--ci | fetch-output:--ci | batch:--ci)
            kind=other offered=(auto github gitlab off) ;;
        run:--on-pause | rerun:--on-pause | stream:--on-pause | wait:--on-pause)
            kind=other offered=(exit wait) ;;
        run:--on-timeout | run:--on-interrupt | rerun:--on-timeout | rerun:--on-interrupt | stream:--on-timeout | wait:--on-timeout | batch:--on-interrupt)
            kind=other offered=(detach stop) ;;
        run:--color | rerun:--color | stream:--color | wait:--color | fetch-output:--color | stop:--color | inspect:--color | report:--color | workflows:--color | versions:--color | inputs:--color | runs:--color | batch:--color | results:--color | probe:--color)
            kind=other offered=(auto always never) ;;
        run:--profile | rerun:--profile | stream:--profile | wait:--profile | fetch-output:--profile | stop:--profile | inspect:--profile | report:--profile | workflows:--profile | versions:--profile | inputs:--profile | runs:--profile | batch:--profile | config:--profile | doctor:--profile | probe:--profile)
            kind=profile offered=() ;;
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
