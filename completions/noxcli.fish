# fish completion for noxcli, which itself says what fits: `noxcli __complete`.

function __noxcli
    set -l words (commandline -opc)
    set -l token (commandline -ct)
    set -l begun (string unescape -- $token)
    string match -qr '^["\']' -- $token; and set begun (string sub -s 2 -- $token)
    command -q $words[1]; or return
    set -l lines (command $words[1] __complete fish $words "$begun" 2>/dev/null)
    set -l first (string split \t -- $lines[1])
    set -l path (string sub -s (math $first[2] + 1) -- "$begun" | string escape -n | string replace -r '^\\\\~' '~')
    set -l found
    switch "$first[1]"
        case files
            set found (__fish_complete_path $path)
        case directories
            set found (__fish_complete_directories $path)
    end
    printf '%s\n' $lines[2..] (string sub -l $first[2] -- "$begun")$found
end

complete -c noxcli -f -k -a '(__noxcli)'
