# fish completion for noxcli.
# @MADE_BY@

# Prints the lines of a file.
function __noxcli_lines --argument-names file
    test -f "$file" -a -r "$file"; and string match -r '.+' <$file
end

function __noxcli_directory
    if test -n "$NOXCLI_CACHE_DIR"
        printf '%s\n' $NOXCLI_CACHE_DIR
    else if string match -q '/*' -- "$XDG_CACHE_HOME"
        printf '%s\n' $XDG_CACHE_HOME/noxcli
    else if test -d "$HOME/Library/Application Support"
        printf '%s\n' $HOME/Library/Caches/noxcli
    else
        printf '%s\n' $HOME/.cache/noxcli
    end
end

# Prints the value that the command line has for an option so far.
function __noxcli_given --argument-names option
    set -l words (commandline -opc)
    for index in (seq (count $words))
        if test "$words[$index]" = $option; and set -q words[(math $index + 1)]
            printf '%s\n' $words[(math $index + 1)]
        else
            string match -rg -- "^$option=(.+)" $words[$index]
        end
    end | string match -er . | tail -n 1
end

# Prints the beginnings of the cache paths for the server on the line. A server is named by its address, by a profile,
# or not at all; noxcli has stored what the last two mean.
function __noxcli_server
    set -l directory (__noxcli_directory)
    set -l server (string match -er . -- \
        @SERVER@
        '')[1]
    set server (string trim -r -c / -- "$server")
    set -l known (string replace -ra '[^a-zA-Z0-9.-]' _ -- $server)
    set -l noted (__noxcli_lines $directory/servers | string match -rg -- '^([a-zA-Z0-9._-]+)\t'(string escape --style=regex -- $server)'$')
    test -n "$noted[1]"; and set known $noted[1]
    test -n "$known"; or set known @DEFAULT_KEY@
    printf '%s\n' $directory/$known
end

# Prints the id for the first argument on the line: an alias, a name, a run or an id.
function __noxcli_workflow --argument-names known
    set -l place (__noxcli_place)
    set -l workflow $place[3]
    for kind in aliases workflows runs
        set -l found (__noxcli_lines $known.$kind | string match -rg -- '^'(string escape --style=regex -- "$workflow")'\t([^\t]+)')
        test $kind = runs -a "$workflow" = @last
        and set found (__noxcli_lines $known.$kind | string match -rg '^[^\t]+\t([^\t]+)')
        set -q found[1]; and set workflow $found[-1]
    end
    string match -r '^[a-zA-Z0-9._-]+$' -- $workflow
end

# Prints names from noxcli's cache, one per line, WORD<TAB>DESCRIPTION. They are data: fish quotes them.
function __noxcli_known --argument-names kind
    set -l known (__noxcli_server)
    set -l begun '^'(string escape --style=regex -- (__noxcli_token | string replace -r -- '^--[^=]*=' ''))
    switch $kind
        case workflow
            if begin
                    __noxcli_lines $known.workflows
                    __noxcli_lines $known.aliases
                end | string match -qr -- $begun
                __noxcli_lines $known.workflows
            else
                __noxcli_lines $known.workflows | string replace -r '(.*)\t(.*)' '$2\t$1'
            end
            __noxcli_lines $known.aliases
        case input output
            set -l workflow (__noxcli_workflow $known)
            and __noxcli_lines $known.$workflow.{$kind}s
        case run
            printf '%s\t%s\n' @last 'what was started last from here'
            set -l found (__noxcli_lines $known.runs | string match -r '^[a-zA-Z0-9._-]+\t.*' | string match -r -- $begun'.*')
            test $begun = ^; and set found $found[-@RECENT@..-1]
            string replace -r '\t.*\t' '\t' -- $found[-1..1]
        case profile
            __noxcli_lines (__noxcli_directory)/servers | string match -rg '\t(.+)'
    end
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
