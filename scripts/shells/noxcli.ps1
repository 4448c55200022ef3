# PowerShell completion for noxcli. Where this has nothing to offer, PowerShell itself offers file names.
# @MADE_BY@

# Where noxcli keeps files of a sort, as the library platformdirs has it.
function __noxcli_directory([string] $Own, [string] $Xdg, [string] $Linux, [string] $MacOS, [string] $Windows) {
    if ($Own) { $Own }
    elseif ($env:LOCALAPPDATA) { "$env:LOCALAPPDATA/$Windows" }
    elseif ($Xdg -like '/*') { "$Xdg/noxcli" }
    elseif ($IsMacOS) { "$HOME/Library/$MacOS/noxcli" }
    else { "$HOME/$Linux/noxcli" }
}

function __noxcli_lines([string] $Path) {
    if (Test-Path -LiteralPath $Path -PathType Leaf) { [System.IO.File]::ReadAllLines($Path) }
}

# The profiles of the user's config file, each with its address.
function __noxcli_profiles {
    $path = $env:NOXCLI_CONFIG
    if (-not $path) {
        $path = (__noxcli_directory '' $env:XDG_CONFIG_HOME '.config' 'Application Support' 'noxcli') + '/config.toml'
    }
    $found = $null
    foreach ($line in @(__noxcli_lines $path)) {
        if ($line -match '^ *default_profile *= *["'']([^"'']*)') {
            @{ Default = $Matches[1] }
        } elseif ($line -match '^ *\[ *profile *\. *(?:"([^"]+)"|''([^'']+)''|([\w-]+)) *\]') {
            $found = @{ Name = $Matches[1] + $Matches[2] + $Matches[3]; Address = '' }
            $found
        } elseif ($line -match '^ *\[') {
            $found = $null
        } elseif ($found -and $line -match '^ *base_url *= *["'']([^"'']*)') {
            $found.Address = $Matches[1]
        }
    }
}

# The API's address in force.
function __noxcli_url($Given) {
    $profiles = @(__noxcli_profiles)
    $name = @($Given['--profile'], $env:NOXCLI_PROFILE) + @($profiles.Default) | Where-Object { $_ } | Select-Object -First 1
    $address = ($profiles | Where-Object { $name -and $_.Name -ceq $name }).Address
    $urls = $Given['--base-url'], $env:NOXCLI_BASE_URL, $env:NOXUS_BACKEND_URL, $address, '@DEFAULT_URL@'
    ($urls | Where-Object { $_ } | Select-Object -First 1).TrimEnd('/')
}

# Names that noxcli came across. They are data: __noxcli_quoted quotes them.
function __noxcli_known([string] $Kind, [string] $Typed, $Given) {
    if ($Kind -eq 'profile') {
        return @(__noxcli_profiles).Name | Where-Object { $_ }
    }
    $url = __noxcli_url $Given
    $cache = __noxcli_directory $env:NOXCLI_CACHE_DIR $env:XDG_CACHE_HOME '.cache' 'Caches' 'noxcli/Cache'
    $known = $cache + '/' + ($url -creplace '[^a-zA-Z0-9.-]', '_')
    switch ($Kind) {
        'workflow' {
            $pairs = @(__noxcli_lines "$known.workflows" | ForEach-Object { , $_.Split("`t") })
            $begun = @($pairs | Where-Object { $_[0].StartsWith($Typed, [System.StringComparison]::Ordinal) })
            if ($begun) { $begun | ForEach-Object { $_[0] } } else { $pairs | ForEach-Object { $_[1] } }
        }
        'input' {
            $id = [string] $Given['']
            foreach ($line in @(__noxcli_lines "$known.workflows")) {
                if ($line.StartsWith("$id`t", [System.StringComparison]::Ordinal)) { $id = $line.Split("`t")[1] }
            }
            if ($id -cmatch '^[a-zA-Z0-9._-]+$') { __noxcli_lines "$known.$id.inputs" }
        }
        'run' {
            '@last'
            $state = __noxcli_directory $env:NOXCLI_STATE_DIR $env:XDG_STATE_HOME '.local/state' 'Application Support' 'noxcli'
            $files = Get-ChildItem -LiteralPath $state -Filter '*.json' -File -ErrorAction SilentlyContinue |
                Where-Object { $_.Name.StartsWith($Typed, [System.StringComparison]::Ordinal) } |
                Sort-Object LastWriteTime -Descending
            $runs = $files | Where-Object { (__noxcli_lines $_.FullName) -clike ('*"host": "' + [WildcardPattern]::Escape($url) + '"*') }
            if (-not $Typed) { $runs = $runs | Select-Object -First @RECENT@ }
            $runs | ForEach-Object { $_.BaseName }
        }
    }
}

# The word so that PowerShell takes it for itself. A key's closing quote comes behind its value.
function __noxcli_quoted([string] $Word, [string] $Kind) {
    if ($Word -cmatch '^[a-zA-Z0-9_./][a-zA-Z0-9_./:=-]*$') { return $Word }
    $quoted = "'" + [System.Management.Automation.Language.CodeGeneration]::EscapeSingleQuotedStringContent($Word)
    if ($Kind -eq 'input') { $quoted } else { $quoted + "'" }
}

function __noxcli_verbs {
    [ordered]@{
        @VERBS@
    }
}

function __noxcli_result([string] $Text, [string] $Type, [string] $Help) {
    $tip = if ($Help) { $Help } else { $Text } # an empty one is refused
    [System.Management.Automation.CompletionResult]::new($Text, $Text, $Type, $tip)
}

function __noxcli_paths([string] $Prefix, [string] $Path, [bool] $DirectoriesOnly) {
    foreach ($found in [System.Management.Automation.CompletionCompleters]::CompleteFilename($Path)) {
        if ($DirectoriesOnly -and $found.ResultType -ne 'ProviderContainer') { continue }
        $text = $Prefix + $found.CompletionText
        [System.Management.Automation.CompletionResult]::new($text, $found.ListItemText, $found.ResultType, $found.ToolTip)
    }
}

function __noxcli_value($Value, [string] $Prefix, [string] $Typed, $Given) {
    $plain = $Typed.TrimStart("'", '"')
    foreach ($word in @($Value.Words) + @(__noxcli_known $Value.Kind $plain $Given)) {
        if ($word -and $word.StartsWith($plain, [System.StringComparison]::Ordinal)) {
            __noxcli_result ($Prefix + (__noxcli_quoted $word $Value.Kind)) 'ParameterValue' $word
        }
    }
    switch ($Value.Kind) {
        'file' { __noxcli_paths $Prefix $Typed $false }
        'directory' { __noxcli_paths $Prefix $Typed $true }
        'at-file' {
            if ($Typed.StartsWith('@')) { __noxcli_paths ($Prefix + '@') $Typed.Substring(1) $false }
        }
        'input' {
            if ($Typed -match '^((?:\\.|[^\\=@])+=?@)(.*)$') { __noxcli_paths $Matches[1] $Matches[2] $false }
        }
        'command' { [System.Management.Automation.CompletionCompleters]::CompleteCommand($Typed) }
    }
}

function __noxcli_option($Verb, [string] $Name) {
    foreach ($option in $Verb.Options) {
        if ($option.Kind -and $option.Names -ccontains $Name) { return $option }
    }
}

function __noxcli_argument($Verb, [int] $Number) {
    $arguments = @($Verb.Arguments)
    if ($Number -lt $arguments.Count) { return $arguments[$Number] }
    if ($arguments.Count -gt 0 -and $arguments[-1].Repeated) { return $arguments[-1] }
}

function __noxcli_complete([string[]] $Words, [string] $Typed) {
    $verbs = __noxcli_verbs
    $name = ''
    $number = 0
    $pending = $null
    $closed = $false
    $given = @{} # values of options by their names, and under the empty one the first argument
    for ($index = 1; $index -lt $Words.Count; $index++) {
        $word = $Words[$index]
        if ($pending) {
            foreach ($option in $pending.Names) { $given[$option] = $word }
            $pending = $null
        } elseif (-not $closed -and $word -ceq '--') {
            $closed = $true
        } elseif (-not $closed -and $word -like '-?*') {
            $pending = __noxcli_option $verbs[$name] $word
            if ($word -match '^(--[^=]+)=(.*)$') { $given[$Matches[1]] = $Matches[2] }
        } elseif (-not $name) {
            $name = $word
            if (-not $verbs.Contains($name)) { return }
        } else {
            if ($number -eq 0) { $given[''] = $word }
            $argument = __noxcli_argument $verbs[$name] $number
            $number++
            if ($argument.Kind -eq 'command') {
                if ((Split-Path -Leaf $word) -in @('noxcli', 'noxcli.exe')) {
                    __noxcli_complete $Words[$index..($Words.Count - 1)] $Typed
                }
                return
            }
        }
    }
    $verb = $verbs[$name]
    if ($pending) {
        __noxcli_value $pending '' $Typed $given
    } elseif (-not $closed -and $Typed -match '^(--[^=]+)=(.*)$') {
        $prefix = $Matches[1]
        $rest = $Matches[2]
        $option = __noxcli_option $verb $prefix
        if ($option) { __noxcli_value $option ($prefix + '=') $rest $given }
    } elseif (-not $closed -and $Typed.StartsWith('-')) {
        foreach ($option in $verb.Options) {
            foreach ($candidate in $option.Names) {
                if ($candidate.StartsWith($Typed, [System.StringComparison]::Ordinal)) {
                    __noxcli_result $candidate 'ParameterName' $option.Help
                }
            }
        }
    } elseif (-not $name) {
        foreach ($candidate in $verbs.Keys) {
            if ($candidate -and $candidate.StartsWith($Typed, [System.StringComparison]::Ordinal)) {
                __noxcli_result $candidate 'Command' $verbs[$candidate].Help
            }
        }
    } else {
        $argument = __noxcli_argument $verb $number
        if ($argument) { __noxcli_value $argument '' $Typed $given }
    }
}

Register-ArgumentCompleter -Native -CommandName @('noxcli', 'noxcli.exe') -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = foreach ($element in $commandAst.CommandElements) {
        if ($element.Extent.EndOffset -lt $cursorPosition) {
            $quoted = $element -is [System.Management.Automation.Language.StringConstantExpressionAst]
            if ($quoted) { $element.Value } else { $element.Extent.Text }
        }
    }
    __noxcli_complete @($words) $wordToComplete
}
