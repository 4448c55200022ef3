# bash completion for noxcli; bash 3.2 will do, and the bash-completion package is not needed.
# @MADE_BY@

# The place for names that only a cache can know: put those of KIND (workflow, run or input) into `offered`.
# "${words[@]}" is the command line before the cursor.
__noxcli_known() { # KIND
    :
}

__noxcli_verbs() {
    @VERBS@
}

__noxcli_options() { # VERB
    case $1 in
        @OPTIONS@
    esac
}

# Says by its exit status whether the option takes a value.
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

# COMP_WORDS is cut at every = : and @, so glue together what had no space between.
__noxcli_split() {
    local line=${COMP_LINE:0:COMP_POINT} rest word index
    words=() starts=() current=
    for ((index = 0; index <= COMP_CWORD; index++)); do
        rest=${line#"${line%%[![:space:]]*}"}
        if ((index == COMP_CWORD)); then
            word=$rest # up to the cursor, which may stand inside the word
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

# Sets `typed`, the current word without its quotes, and `kept`, the part of it that readline leaves alone.
__noxcli_unquote() {
    local index char quote='' length=${#current}
    typed='' kept=''
    for ((index = 0; index < length; index++)); do
        char=${current:index:1}
        if [[ $char == "$quote" ]]; then
            quote=
        elif [[ $char == "\\" && $quote != "'" ]]; then
            index=$((index + 1))
            typed+=${current:index:1}
        elif [[ -n $quote ]]; then
            typed+=$char
        elif [[ $char == "'" || $char == '"' ]]; then
            quote=$char kept=$typed
        else
            typed+=$char
            if [[ $COMP_WORDBREAKS == *"$char"* ]]; then
                kept=${typed%@} # an @ breaks words, but counts to the second
            fi
        fi
    done
}

__noxcli_reply() { # PREFIX CANDIDATE...: those that go on from what is typed
    local prefix=$1 word
    shift
    for word; do
        word=$prefix$word
        [[ $word != "$typed"* ]] || COMPREPLY+=("${word:${#kept}}")
    done
}

__noxcli_files() { # PREFIX -f|-d
    local prefix=$1 path paths=()
    while IFS= read -r path; do
        # Readline sees to the slash, unless something still hangs on the name's front.
        [[ ${#kept} -ge ${#prefix} || ! -d $path ]] || path+=/
        paths+=("$path")
    done < <(compgen "$2" -- "${typed:${#prefix}}")
    __noxcli_reply "$prefix" ${paths[@]+"${paths[@]}"}
    compopt -o filenames 2>/dev/null
    [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != */ ]] || compopt -o nospace 2>/dev/null
}

__noxcli_offer() { # PREFIX: what `kind` and `offered` say, for the rest of the word
    local prefix=$1 key
    [[ $kind != workflow && $kind != run && $kind != input ]] || __noxcli_known "$kind"
    __noxcli_reply "$prefix" ${offered[@]+"${offered[@]}"}
    case $kind in
        file) __noxcli_files "$prefix" -f ;;
        directory) __noxcli_files "$prefix" -d ;;
        at-file) [[ ${typed:${#prefix}} != @* ]] || __noxcli_files "$prefix@" -f ;;
        input)
            key=${typed%%[=@]*}
            case ${typed:${#key}} in
                =@*) __noxcli_files "$key=@" -f ;;
                @*) __noxcli_files "$key@" -f ;;
            esac
            ;;
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
    local IFS=$' \t\n' words starts current typed kept
    COMPREPLY=()
    __noxcli_split
    __noxcli_unquote
    __noxcli_complete
}

if type compopt >/dev/null 2>&1; then
    complete -F _noxcli noxcli
else # bash 3.2 cannot be told later which candidates are file names
    complete -o filenames -F _noxcli noxcli
fi
