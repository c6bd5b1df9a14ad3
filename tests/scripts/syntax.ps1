# Writes what tests need of the syntax of scripts, one JSON line a script: assignments, loops,
# functions, member accesses, commands. Expressions are nested lists, see Show.
param([string]$Output, [string]$List)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'

# ["var",name] ["type",name] ["cast",type,expr] ["member",expr,name,static]
# ["call",expr,name,static,arguments] ["index",expr] ["command",name,arguments] ["text",value]
# ["other",children]
function Show($ast) {
    switch ($ast.GetType().Name) {
        'VariableExpressionAst' { return , @('var', ($ast.VariablePath.UserPath -replace '^script:', '').ToLowerInvariant()) }
        'TypeExpressionAst' { return , @('type', $ast.TypeName.FullName) }
        'ConvertExpressionAst' { return , @('cast', $ast.Type.TypeName.FullName, (Show $ast.Child)) }
        'InvokeMemberExpressionAst' {
            $arguments = @()
            if ($null -ne $ast.Arguments) { foreach ($each in $ast.Arguments) { $arguments += , (Show $each) } }
            return , @('call', (Show $ast.Expression), [string]$ast.Member, $ast.Static, $arguments)
        }
        'MemberExpressionAst' { return , @('member', (Show $ast.Expression), [string]$ast.Member, $ast.Static) }
        'IndexExpressionAst' { return , @('index', (Show $ast.Target)) }
        'ParenExpressionAst' { return Show $ast.Pipeline }
        'CommandExpressionAst' { return Show $ast.Expression }
        'StringConstantExpressionAst' { return , @('text', $ast.Value) }
        'PipelineAst' { if ($ast.PipelineElements.Count -eq 1) { return Show $ast.PipelineElements[0] } }
        'CommandAst' {
            $arguments = @()
            foreach ($each in $ast.CommandElements) {
                if ($each -is [Management.Automation.Language.CommandParameterAst]) { continue }
                $arguments += , (Show $each)
            }
            return , @('command', [string]$ast.GetCommandName(), @($arguments | Select-Object -Skip 1))
        }
    }
    $children = @()
    foreach ($child in $ast.FindAll({ $args[0] -ne $ast }, $false)) {
        if ($child.Parent -eq $ast) { $children += , (Show $child) }
    }
    return , @('other', $children)
}

function Find-All($ast, [string]$type) {
    return $ast.FindAll({ $args[0].GetType().Name -eq $type }.GetNewClosure(), $true)
}

$writer = New-Object IO.StreamWriter($Output, $false, (New-Object Text.UTF8Encoding $false))
foreach ($path in [IO.File]::ReadAllLines($List)) {
    $tokens = $null; $errors = $null
    $tree = [Management.Automation.Language.Parser]::ParseFile($path, [ref]$tokens, [ref]$errors)
    $found = @{ path = $path; errors = @($errors | ForEach-Object { $_.Message }); assigned = @(); looped = @(); functions = @(); members = @(); commands = @(); expressions = @() }
    foreach ($each in Find-All $tree 'AssignmentStatementAst') {
        $left = $each.Left
        while ($left -is [Management.Automation.Language.ConvertExpressionAst]) { $left = $left.Child }
        if ($left -is [Management.Automation.Language.VariableExpressionAst]) { $found.assigned += , @((Show $left)[1], (Show $each.Right)) }
    }
    foreach ($each in Find-All $tree 'ForEachStatementAst') { $found.looped += , @((Show $each.Variable)[1], (Show $each.Condition)) }
    foreach ($each in Find-All $tree 'FunctionDefinitionAst') {
        $names = @(); if ($null -ne $each.Parameters) { $names = @($each.Parameters | ForEach-Object { $_.Name.VariablePath.UserPath.ToLowerInvariant() }) }
        $returns = @(); foreach ($return in Find-All $each.Body 'ReturnStatementAst') { if ($null -ne $return.Pipeline) { $returns += , (Show $return.Pipeline) } }
        $found.functions += , @($each.Name, $names, $returns)
    }
    foreach ($type in 'MemberExpressionAst', 'InvokeMemberExpressionAst') {
        foreach ($each in Find-All $tree $type) { $found.members += , @($each.Extent.StartLineNumber, (Show $each)) }
    }
    foreach ($each in Find-All $tree 'CommandAst') { $found.commands += , @($each.Extent.StartLineNumber, (Show $each)) }
    foreach ($each in Find-All $tree 'ConvertExpressionAst') { $found.expressions += , @($each.Extent.StartLineNumber, (Show $each)) }
    foreach ($each in Find-All $tree 'TypeExpressionAst') { $found.expressions += , @($each.Extent.StartLineNumber, (Show $each)) }
    $writer.WriteLine((ConvertTo-Json -InputObject $found -Depth 60 -Compress))
}
$writer.Close()
exit 0
