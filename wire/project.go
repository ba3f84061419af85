package wire

import "fairlead.dev/fairlead"

// ProjectPath names a project: the name of the organization or user that owns it, and
// its own.
type ProjectPath struct {
	Owner   fairlead.Name `path:"owner" json:"-"`
	Project fairlead.Name `path:"project" json:"-"`
}

// ProjectRequest makes a project.
type ProjectRequest struct {
	// Owner is an organization, or the caller's own name for a personal project.
	Owner string `json:"owner" doc:"An organization, or the caller's own name for a personal project."`
	Name  string `json:"name"`
}

// ProjectTransfer gives a project to another owner.
type ProjectTransfer struct {
	ProjectPath
	To string `json:"to" doc:"An organization of which the caller is a member, or the caller's own name."`
}

// ProjectUpdate changes what is set.
type ProjectUpdate struct {
	ProjectPath
	Name string `json:"name,omitempty" doc:"A new name."`
}

// Projects is a list of projects.
type Projects struct {
	Projects []fairlead.Project `json:"projects"`
}

// LeaseRequest asks for a login.
type LeaseRequest struct {
	ProjectPath
	// Image is the name of an image, or of a repository.
	Image string        `json:"image" doc:"The name of an image or repository."`
	Verb  fairlead.Verb `json:"verb,omitempty" enum:"pull" doc:"Default pull."`
	// Refused is a lease that the registry didn't take.
	Refused string `json:"refused,omitempty" doc:"The id of a lease that the registry refused before its time."`
}

// PushLeaseRequest asks for a login to push with.
type PushLeaseRequest struct {
	ProjectPath
	Image   string `json:"image" doc:"The name of an image or repository."`
	Refused string `json:"refused,omitempty" doc:"The id of a lease that the registry refused before its time."`
}

// The operations on projects.
var (
	ListProjects = Operation[None, Projects]{
		ID: "list-projects", Method: "GET", Path: "/projects", Summary: "List the projects that the caller may see",
	}
	CreateProject = Operation[ProjectRequest, fairlead.Project]{
		ID: "create-project", Method: "POST", Path: "/projects", Action: fairlead.ProjectCreate, Summary: "Create a project",
	}
	ShowProject = Operation[ProjectPath, fairlead.Project]{
		ID: "show-project", Method: "GET", Path: "/projects/{owner}/{project}", Action: fairlead.ProjectRead, Summary: "Show a project",
	}
	UpdateProject = Operation[ProjectUpdate, fairlead.Project]{
		ID: "update-project", Method: "PATCH", Path: "/projects/{owner}/{project}", Action: fairlead.ProjectUpdate, Summary: "Rename a project",
	}
	TransferProject = Operation[ProjectTransfer, fairlead.Project]{
		ID: "transfer-project", Method: "POST", Path: "/projects/{owner}/{project}/transfer", Action: fairlead.ProjectTransfer,
		Summary: "Give a project to an organization, or take it back as a personal one",
	}
	DeleteProject = Operation[ProjectPath, None]{
		ID: "delete-project", Method: "DELETE", Path: "/projects/{owner}/{project}", Action: fairlead.ProjectDelete,
		Summary: "Delete a project with its runs",
	}
	LeaseLogin = Operation[LeaseRequest, Lease]{
		ID: "lease", Method: "POST", Path: "/projects/{owner}/{project}/leases", Action: fairlead.LeasePull,
		Summary: "Lease a login for one repository",
	}
	LeasePush = Operation[PushLeaseRequest, Lease]{
		ID: "lease-push", Method: "POST", Path: "/projects/{owner}/{project}/leases/push", Action: fairlead.LeasePush,
		Summary: "Lease a login to push to one repository, where an administrator allows it",
	}
)
