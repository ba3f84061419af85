package wire

import "fairlead.dev/fairlead"

// RepositoryRequest asks for a repository to be made.
type RepositoryRequest struct {
	ConnectorPath
	Address string `json:"address" doc:"As an image's name begins, such as europe-docker.pkg.dev/acme/train; also as it is copied from the provider's console."`
}

// RepositoryPlan is what would be done.
type RepositoryPlan struct {
	Address string   `json:"address" doc:"The repository, as images' names begin."`
	Pattern string   `json:"pattern" doc:"The match pattern of a registry entry for it."`
	Steps   []string `json:"steps" doc:"What would be done, in sentences."`
	Notes   []string `json:"notes" doc:"How the address was read."`
}

// RepositoryDeployed is a repository that there is now.
type RepositoryDeployed struct {
	Address string   `json:"address" doc:"The repository, as images' names begin."`
	Pattern string   `json:"pattern" doc:"The match pattern of a registry entry for it."`
	Existed bool     `json:"existed" doc:"It was there already, and was left as it is."`
	Notes   []string `json:"notes" doc:"How the address was read."`
}

// RepositoryRemoval names a repository to remove at the provider.
type RepositoryRemoval struct {
	ConnectorPath
	Address string `query:"address" json:"-" doc:"As an image's name begins; also as it is copied from the provider's console."`
	Force   bool   `query:"force" json:"-" doc:"Remove it although registry entries are for it."`
}

// The operations on repositories at the providers.
var (
	PlanRepository = Operation[RepositoryRequest, RepositoryPlan]{
		ID: "plan-repository", Method: "POST", Path: "/organizations/{organization}/connectors/{connector}/repository-plans", Action: fairlead.RepositoryDeploy,
		Summary: "Say what would be done to make a repository at the provider",
	}
	DeployRepository = Operation[RepositoryRequest, RepositoryDeployed]{
		ID: "deploy-repository", Method: "POST", Path: "/organizations/{organization}/connectors/{connector}/repositories", Action: fairlead.RepositoryDeploy,
		Summary: "Make a repository at the provider",
	}
	DestroyRepository = Operation[RepositoryRemoval, None]{
		ID: "destroy-repository", Method: "DELETE", Path: "/organizations/{organization}/connectors/{connector}/repositories", Action: fairlead.RepositoryDestroy,
		Summary: "Remove a repository at the provider, with what is in it",
	}
)
