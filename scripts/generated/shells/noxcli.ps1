# PowerShell completion for noxcli. Where this has nothing to offer, PowerShell itself offers file names.
# @MADE_BY@

function __noxcli_lines([string] $Path) {
    if (Test-Path -LiteralPath $Path -PathType Leaf) { [System.IO.File]::ReadAllLines($Path) | Where-Object { $_ } }
}

function __noxcli_directory {
    if ($env:NOXCLI_CACHE_DIR) { $env:NOXCLI_CACHE_DIR }
    elseif ($env:LOCALAPPDATA) { "$env:LOCALAPPDATA/noxcli/Cache" }
    elseif ($env:XDG_CACHE_HOME -like '/*') { "$env:XDG_CACHE_HOME/noxcli" }
    elseif ($IsMacOS) { "$HOME/Library/Caches/noxcli" }
    else { "$HOME/.cache/noxcli" }
}

# The beginnings of the cache paths for the server on the line. A server is named by its address, by a profile, or not
# at all; noxcli has stored what the last two mean.
function __noxcli_server($Given) {
    $names = @(
        @SERVER@
        ''
    )
    $server = ([string] ($names | Where-Object { $_ } | Select-Object -First 1)).TrimEnd('/')
    $known = $server -creplace '[^a-zA-Z0-9.-]', '_'
    foreach ($line in @(__noxcli_lines "$(__noxcli_directory)/servers")) {
        $key, $name = $line.Split("`t")
        if ($name -ceq $server -and $key -cmatch '^[a-zA-Z0-9._-]+$') { $known = $key }
    }
    if (-not $known) { $known = '@DEFAULT_KEY@' }
    "$(__noxcli_directory)/$known"
}

# The id for the first argument on the line: an alias, a name, a run or an id.
function __noxcli_workflow([string] $Known, $Given) {
    $workflow = [string] $Given['']
    foreach ($kind in 'aliases', 'workflows', 'runs') {
        $found = $null
        foreach ($line in @(__noxcli_lines "$Known.$kind")) {
            $word, $id = $line.Split("`t")
            $newest = $kind -ceq 'runs' -and $workflow -ceq '@last' # the newest run is the last
            if ($newest -or $word -ceq $workflow) { $found = @($id)[0] }
        }
        if ($found) { $workflow = $found }
    }
    if ($workflow -cmatch '^[a-zA-Z0-9._-]+$') { $workflow }
}

# Names from noxcli's cache. They are data: __noxcli_quoted quotes them.
function __noxcli_known([string] $Kind, [string] $Typed, $Given) {
    $known = __noxcli_server $Given
    switch ($Kind) {
        'profile' {
            __noxcli_lines "$(__noxcli_directory)/servers" | ForEach-Object { $_.Split("`t")[1] } | Where-Object { $_ }
        }
        'workflow' {
            $pairs = @(__noxcli_lines "$known.workflows" | ForEach-Object { , $_.Split("`t") })
            $words = @($pairs | ForEach-Object { $_[0] }) + @(__noxcli_lines "$known.aliases" | ForEach-Object { $_.Split("`t")[0] })
            $begun = @($words | Where-Object { $_.StartsWith($Typed, [System.StringComparison]::Ordinal) })
            if ($begun) { $begun } else { $pairs | ForEach-Object { $_[1] } }
        }
        { $_ -in 'input', 'output' } {
            $workflow = __noxcli_workflow $known $Given
            if ($workflow) { __noxcli_lines "$known.$workflow.${Kind}s" }
        }
        'run' {
            '@last'
            $runs = @(__noxcli_lines "$known.runs" | ForEach-Object { $_.Split("`t")[0] } | Where-Object {
                    $_.StartsWith($Typed, [System.StringComparison]::Ordinal) -and $_ -cmatch '^[a-zA-Z0-9._-]+$'
                })
            [array]::Reverse($runs)
            if (-not $Typed) { $runs = $runs | Select-Object -First @RECENT@ }
            $runs
        }
    }
}

# The word in a form that PowerShell reads as that word. A key's closing quote comes after its value.
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
    $tip = if ($Help) { $Help } else { $Text } # an empty one would be an error
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
    $given = @{} # values of options by name; the empty name has the first argument
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
