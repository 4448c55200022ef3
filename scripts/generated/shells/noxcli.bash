# bash completion for noxcli; bash 3.2 will do, and the bash-completion package is not needed.
# @MADE_BY@

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
    @VERBS@
}

__noxcli_options() { # VERB
    case $1 in
        @OPTIONS@
    esac
}

# Returns success if the option takes a value.
__noxcli_value() { # VERB OPTION
    case $1:$2 in
        @VALUES@
        *) return 1 ;;
    esac
}

__noxcli_argument() { # VERB NUMBER
    case $1:$2 in
        @ARGUMENTS@
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
