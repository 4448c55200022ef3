# fish completion for noxcli.
# @MADE_BY@

# Prints where noxcli keeps files of a sort, as the library platformdirs has it.
function __noxcli_directory --argument-names own xdg linux macos
    if test -n "$own"
        printf '%s\n' $own
    else if string match -q '/*' -- "$xdg"
        printf '%s\n' $xdg/noxcli
    else if test -d "$HOME/Library/Application Support"
        printf '%s\n' $HOME/Library/$macos/noxcli
    else
        printf '%s\n' $HOME/$linux/noxcli
    end
end

function __noxcli_config
    set -l file $NOXCLI_CONFIG
    test -n "$file"; or set file (__noxcli_directory '' "$XDG_CONFIG_HOME" .config 'Application Support')/config.toml
    test -f "$file" -a -r "$file"; and printf '%s\n' $file
end

# Prints the profiles of the user's config file, NAME<TAB>ADDRESS each.
function __noxcli_profiles
    set -l file (__noxcli_config); or return
    set -l names
    set -l addresses
    while read -l line
        if set -l found (string match -rg '^ *\[ *profile *\. *(?|"([^"]+)"|\'([^\']+)\'|([\w-]+)) *\]' -- $line)
            set -a names $found
            set -a addresses ''
        else if string match -qr '^ *\[' -- $line
            set -a names '' # of some other table
            set -a addresses ''
        else if set -q names[1]; and set -l found (string match -rg '^ *base_url *= *["\']([^"\']*)' -- $line)
            set addresses[-1] $found
        end
    end <$file
    for index in (seq (count $names))
        test -z "$names[$index]"; or printf '%s\t%s\n' $names[$index] $addresses[$index]
    end
end

# Prints the value that the command line so far has for an option.
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

function __noxcli_address_of_profile
    set -l file (__noxcli_config); or return
    for name in (__noxcli_given --profile) $NOXCLI_PROFILE (string match -rg '^ *default_profile *= *["\']([^"\']+)' <$file)
        __noxcli_profiles | string match -rg -- '^'(string escape --style=regex -- $name)'\t(.+)'
        return
    end
end

# Prints the API's address in force.
function __noxcli_url
    for url in (__noxcli_given --base-url) $NOXCLI_BASE_URL $NOXUS_BACKEND_URL (__noxcli_address_of_profile) @DEFAULT_URL@
        if test -n "$url"
            string trim -r -c / -- $url
            return
        end
    end
end

# Prints names that noxcli came across, one a line, NAME<TAB>DESCRIPTION. They are data: fish quotes them.
function __noxcli_known --argument-names kind
    set -l url (__noxcli_url)
    set -l known (__noxcli_directory "$NOXCLI_CACHE_DIR" "$XDG_CACHE_HOME" .cache Caches)/(string replace -ra '[^a-zA-Z0-9.-]' _ -- $url)
    set -l begun '^'(string escape --style=regex -- (__noxcli_token))
    switch $kind
        case workflow
            test -f $known.workflows -a -r $known.workflows; or return
            if string match -qr -- $begun <$known.workflows
                string match -r '.+' <$known.workflows
            else
                string replace -r '(.*)\t(.*)' '$2\t$1' <$known.workflows
            end
        case input
            set -l place (__noxcli_place)
            set -l id $place[3]
            if test -f $known.workflows -a -r $known.workflows
                set -a id (string match -rg -- '^'(string escape --style=regex -- $id)'\t(.+)' <$known.workflows)
            end
            set -l file $known.$id[-1].inputs
            string match -q '*/*' -- $id[-1]; or not test -f $file -a -r $file; or string match -r '.+' <$file
        case run
            printf '%s\t%s\n' @last 'what was started last from here'
            set -l directory (__noxcli_directory "$NOXCLI_STATE_DIR" "$XDG_STATE_HOME" .local/state 'Application Support')
            set -l entry '"workflow_id": "([^"]+)".*"host": "'(string escape --style=regex -- $url)'".*"created_at": "([^"]+)"'
            set -l count 0
            for file in (command ls -t -- $directory 2>/dev/null | string match -r -- $begun'[a-zA-Z0-9._-]*\.json$')
                set -l found (string match -rg -- $entry <$directory/$file 2>/dev/null); or continue
                set -l name
                test -f $known.workflows -a -r $known.workflows
                and set name (string match -rg -- '^(.+)\t'(string escape --style=regex -- $found[1])'$' <$known.workflows)
                printf '%s\t%s, %s\n' (string replace -r '\.json$' '' -- $file) "$name" $found[2]
                set count (math $count + 1)
                test $count -lt @RECENT@ -o $begun != ^; or break
            end
        case profile
            __noxcli_profiles
    end
end

function __noxcli_takes_value --argument-names verb option
    switch "$verb:$option"
        @VALUED@
    end
    return 1
end

# Prints the verb, the number of the argument at the cursor, and the arguments before it, one a line.
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

# NUMBER, or NUMBER+ for all from there on.
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

# Prints the current word without its quotes, which fish puts back.
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
