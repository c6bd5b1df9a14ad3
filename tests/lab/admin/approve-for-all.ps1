[void]$free[0].Approve('Install', $all)
$free[0].Id.UpdateId.ToString()
