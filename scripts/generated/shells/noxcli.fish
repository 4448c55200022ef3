# fish completion for noxcli.
# @MADE_BY@

# Prints names that noxcli knows, one per line, WORD<TAB>DESCRIPTION. They are data: fish quotes them.
function __noxcli_known --argument-names kind
    set -l words (commandline -opc)
    set -l begun (__noxcli_token | string replace -r -- '^--[^=]*=' '')
    string match -q -- '-*' "$begun"; or not command -q $words[1]; and return
    command $words[1] __complete $kind $words[2..] "$begun" 2>/dev/null
end

function __noxcli_takes_value --argument-names verb option
    switch "$verb:$option"
        @VALUED@
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
@COMPLETIONS@
