# Internet Information Services: its restart.

# iisreset.exe stops and starts W3SVC; without an argument that is all that it does.
function iisreset.exe {
    ''
    'Attempting stop...'
    [void](Invoke-Rule 'service.stop' @('name', 'W3SVC'))
    'Internet services successfully stopped'
    'Attempting start...'
    [void](Invoke-Rule 'service.start' @('name', 'W3SVC'))
    'Internet services successfully restarted'
    $global:LASTEXITCODE = 0
}

function iisreset { iisreset.exe @args }
