$wsus.GetConfiguration().IsReplicaServer
Refused { $free[0].Approve('Install', $groups[0]) }
Refused { $free[0].Decline() }
Refused { $free[0].Decline($false) }
Refused { $wsus.CreateComputerTargetGroup('New') }
