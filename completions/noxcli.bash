# bash completion for noxcli, for bash 4 and newer; the bash-completion package is not needed.
# noxcli itself says what fits, already matched and quoted: `noxcli __complete`.

_noxcli() {
    local line action IFS=$' \t\n'
    COMPREPLY=()
    {
        IFS=$'\t' read -r action _
        while IFS= read -r line; do
            COMPREPLY+=("$line")
        done
    } < <("$1" __complete bash "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
    case $action in
        files) compopt -o filenames ;;
        keys) compopt -o nosort -o nospace ;;
        *) compopt -o nosort ;;
    esac 2>/dev/null
}

! type compopt >/dev/null 2>&1 || complete -F _noxcli noxcli
