package wire

import "fairlead.dev/fairlead"

// StackFields are what a stack is made of.
type StackFields struct {
	Registry   string `json:"registry,omitempty" doc:"The registry entry that projects push to."`
	Repository string `json:"repository,omitempty" doc:"The prefix under which images are pushed; default what stands before the final /* of the entry's pattern."`
	Engine     string `json:"engine,omitempty" doc:"docker or runc; empty is any."`
	Queue      string `json:"queue,omitempty" doc:"The queue that runs wait in; empty is the queue called default."`
}

// StackRequest registers a stack.
type StackRequest struct {
	OrganizationPath
	Name string `json:"name"`
	StackFields
}

// StackPath names a stack.
type StackPath struct {
	OrganizationPath
	Stack fairlead.Name `path:"stack" json:"-"`
}

// StackUpdate changes what is set.
type StackUpdate struct {
	StackPath
	Name       string  `json:"name,omitempty" doc:"A new name."`
	Registry   *string `json:"registry,omitempty" doc:"Another registry entry; empty is none."`
	Repository *string `json:"repository,omitempty" doc:"Another prefix; empty takes the default. It is taken too if another registry comes without one."`
	Engine     *string `json:"engine,omitempty" doc:"docker or runc; empty is any."`
	Queue      *string `json:"queue,omitempty" doc:"Empty is the queue called default."`
	Version    int64   `json:"version,omitempty" doc:"Refuse the change if the stack has another version; 0 takes any."`
}

// StackDetail is a stack, and what uses it.
type StackDetail struct {
	fairlead.Stack
	UsedBy []fairlead.Name `json:"used_by" doc:"The projects whose active stack it is."`
}

// Stacks is a list of stacks.
type Stacks struct {
	Stacks []fairlead.Stack `json:"stacks"`
}

// ProjectStack makes a stack a project's active one.
type ProjectStack struct {
	ProjectPath
	Stack string `json:"stack" doc:"A stack of the organization that owns the project; empty is none."`
}

// The operations on stacks.
var (
	ListStacks = Operation[OrganizationPath, Stacks]{
		ID: "list-stacks", Method: "GET", Path: "/organizations/{organization}/stacks", Action: fairlead.StackRead,
		Summary: "List stacks",
	}
	RegisterStack = Operation[StackRequest, fairlead.Stack]{
		ID: "register-stack", Method: "POST", Path: "/organizations/{organization}/stacks", Action: fairlead.StackRegister,
		Summary: "Register a stack",
	}
	DescribeStack = Operation[StackPath, StackDetail]{
		ID: "describe-stack", Method: "GET", Path: "/organizations/{organization}/stacks/{stack}", Action: fairlead.StackRead,
		Summary: "Describe a stack and what uses it",
	}
	UpdateStack = Operation[StackUpdate, fairlead.Stack]{
		ID: "update-stack", Method: "PATCH", Path: "/organizations/{organization}/stacks/{stack}", Action: fairlead.StackUpdate,
		Summary: "Change a stack; runs that are there stay where they are",
	}
	DeleteStack = Operation[StackPath, None]{
		ID: "delete-stack", Method: "DELETE", Path: "/organizations/{organization}/stacks/{stack}", Action: fairlead.StackDelete,
		Summary: "Delete a stack that no project uses",
	}
	SetProjectStack = Operation[ProjectStack, fairlead.Project]{
		ID: "set-project-stack", Method: "PUT", Path: "/projects/{owner}/{project}/stack", Action: fairlead.ProjectUpdate,
		Summary: "Make a stack the project's active one, or none",
	}
)
