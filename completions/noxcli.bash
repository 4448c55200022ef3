# bash completion for noxcli; bash 3.2 will do, and the bash-completion package is not needed.
# noxcli itself says what fits, already matched and quoted: `noxcli __complete`.

_noxcli() {
    local line action number compopt='' delegate IFS=$' \t\n'
    ! type compopt >/dev/null 2>&1 || compopt=yes
    COMPREPLY=()
    {
        IFS=$'\t' read -r action number
        while IFS= read -r line; do
            COMPREPLY+=("$line")
        done
    } < <("$1" __complete bash "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" "$compopt" \
        "${COMP_WORDS[@]:0:COMP_CWORD}" 2>/dev/null)
    if [[ $action == command ]]; then
        if ((number == COMP_CWORD)) && [[ ${COMP_WORDS[number]} != */* ]]; then
            COMPREPLY=()
            while IFS= read -r line; do
                COMPREPLY+=("$line")
            done < <(compgen -c -- "${COMP_WORDS[number]}" | sort -u)
            return
        fi
        for delegate in _comp_command_offset _command_offset; do # of the bash-completion package
            if ((number < COMP_CWORD)) && declare -F "$delegate" >/dev/null; then
                "$delegate" "$number"
                return
            fi
        done
        action=files
    fi
    [[ -n $compopt ]] || return 0
    case $action in
        files) compopt -o filenames ;;
        keys) compopt -o nosort -o nospace ;;
        *) compopt -o nosort ;;
    esac 2>/dev/null
}

if type compopt >/dev/null 2>&1; then
    complete -F _noxcli noxcli
else # in bash 3.2, a function can't say which candidates are file names
    complete -o filenames -F _noxcli noxcli
fi
