package wire

// Routes is the table of all routes, in the order in which they are documented.
func Routes() []Route {
	return []Route{
		SetUp.Route(), Login.Route(), Join.Route(), Logout.Route(), Whoami.Route(), SetPassword.Route(),
		CreateToken.Route(), ListTokens.Route(), RevokeToken.Route(),
		CreateOrganization.Route(), ListOrganizations.Route(), ShowOrganization.Route(), UpdateOrganization.Route(),
		ListMembers.Route(), AddMember.Route(), UpdateMember.Route(), RemoveMember.Route(),
		ListProviders.Route(),
		ListConnectors.Route(), RegisterConnector.Route(), DescribeConnector.Route(), UpdateConnector.Route(), DeleteConnector.Route(),
		RotateConnector.Route(), RollbackConnector.Route(),
		GuideConnector.Route(), GuideNewConnector.Route(), VerifyConnector.Route(), CompareSecrets.Route(), ListResources.Route(), ListImages.Route(),
		ListRegistries.Route(), AddRegistry.Route(), ShowRegistry.Route(), UpdateRegistry.Route(), RemoveRegistry.Route(),
		PlanRepository.Route(), DeployRepository.Route(), DestroyRepository.Route(),
		ListWebhooks.Route(), AddWebhook.Route(), DescribeWebhook.Route(), TestWebhook.Route(), RemoveWebhook.Route(),
		ListStacks.Route(), RegisterStack.Route(), DescribeStack.Route(), UpdateStack.Route(), DeleteStack.Route(),
		ListProjects.Route(), CreateProject.Route(), ShowProject.Route(), UpdateProject.Route(), TransferProject.Route(), DeleteProject.Route(),
		SetProjectStack.Route(),
		LeaseLogin.Route(), LeasePush.Route(),
		HasArchive.Route(), PutArchive.Route(), CreateRun.Route(), ListRuns.Route(), ShowRun.Route(), StopRun.Route(),
		ReadLog.Route(), ListOutputs.Route(), GetOutput.Route(),
		Explain.Route(), DiagnoseImage.Route(), TestRegistry.Route(),
		ListWorkers.Route(), AddWorker.Route(), RemoveWorker.Route(),
		ShowGateway.Route(), ListCached.Route(), PruneGateway.Route(), PinImage.Route(), UnpinImage.Route(), PrefetchImage.Route(),
		ListEvents.Route(),
		Claim.Route(), Renew.Route(), AppendLog.Route(), LeaseHeld.Route(), ReportLookout.Route(), Begin.Route(), End.Route(),
		GetHeldArchive.Route(), PutOutput.Route(),
		ListRegistryCredentials.Route(), CreateRegistryCredential.Route(), ShowRegistryCredential.Route(),
		ReplaceRegistryCredential.Route(), ChangeRegistryCredential.Route(), DeleteRegistryCredential.Route(),
	}
}

// OperatorRoutes is the table of the routes that are there on the server's own machine
// alone, at a socket in its data directory ([OperatorSocket]).
func OperatorRoutes() []Route {
	return []Route{OperateStatus.Route(), OperateUsage.Route(), OperatePrune.Route()}
}
