# PowerShell completion for noxcli. Where this has nothing to offer, PowerShell itself offers file names.
# @MADE_BY@

# The place for names that only a cache can know: return those of the kind (workflow, run or input).
function __noxcli_known([string] $Kind) {
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

function __noxcli_value($Value, [string] $Prefix, [string] $Typed) {
    $known = switch ($Value.Kind) {
        'workflow' { __noxcli_known 'workflow' }
        'run' { __noxcli_known 'run' }
        'input' { __noxcli_known 'input' }
    }
    foreach ($word in @($Value.Words) + @($known)) {
        if ($word -and $word.StartsWith($Typed, [System.StringComparison]::Ordinal)) {
            __noxcli_result ($Prefix + $word) 'ParameterValue' $word
        }
    }
    switch ($Value.Kind) {
        'file' { __noxcli_paths $Prefix $Typed $false }
        'directory' { __noxcli_paths $Prefix $Typed $true }
        'at-file' {
            if ($Typed.StartsWith('@')) { __noxcli_paths ($Prefix + '@') $Typed.Substring(1) $false }
        }
        'input' {
            if ($Typed -match '^([^=@]*=?@)(.*)$') { __noxcli_paths $Matches[1] $Matches[2] $false }
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
    for ($index = 1; $index -lt $Words.Count; $index++) {
        $word = $Words[$index]
        if ($pending) {
            $pending = $null
        } elseif (-not $closed -and $word -ceq '--') {
            $closed = $true
        } elseif (-not $closed -and $word -like '-?*') {
            $pending = __noxcli_option $verbs[$name] $word
        } elseif (-not $name) {
            $name = $word
            if (-not $verbs.Contains($name)) { return }
        } else {
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
        __noxcli_value $pending '' $Typed
    } elseif (-not $closed -and $Typed -match '^(--[^=]+)=(.*)$') {
        $prefix = $Matches[1]
        $rest = $Matches[2]
        $option = __noxcli_option $verb $prefix
        if ($option) { __noxcli_value $option ($prefix + '=') $rest }
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
        if ($argument) { __noxcli_value $argument '' $Typed }
    }
}

Register-ArgumentCompleter -Native -CommandName @('noxcli', 'noxcli.exe') -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = foreach ($element in $commandAst.CommandElements) {
        if ($element.Extent.EndOffset -lt $cursorPosition) { $element.Extent.Text }
    }
    __noxcli_complete @($words) $wordToComplete
}
