package wire

import (
	"time"

	"fairlead.dev/fairlead"
)

// OrganizationPath names an organization.
type OrganizationPath struct {
	Organization fairlead.Name `path:"organization" json:"-"`
}

// OrganizationRequest makes an organization.
type OrganizationRequest struct {
	Name           string `json:"name"`
	ForbidPersonal bool   `json:"forbid_personal_projects,omitempty"`
}

// OrganizationUpdate changes what is set.
type OrganizationUpdate struct {
	OrganizationPath
	ForbidPersonal *bool `json:"forbid_personal_projects,omitempty"`
}

// Organizations is a list of organizations, with the caller's role.
type Organizations struct {
	Organizations []MyOrganization `json:"organizations"`
}

// MyOrganization is an organization and the caller's role in it.
type MyOrganization struct {
	fairlead.Organization
	Role fairlead.Role `json:"role" enum:"admin,member"`
}

// MemberRequest invites a user or adds one that is known.
type MemberRequest struct {
	OrganizationPath
	Name  string        `json:"name"`
	Email string        `json:"email,omitempty"`
	Role  fairlead.Role `json:"role" enum:"admin,member"`
}

// NewMember is the member, and the one-time link if the user is new.
type NewMember struct {
	Member fairlead.MemberOf `json:"member"`
	Link   Clear             `json:"link,omitzero" doc:"For the new user to set a password with, once; empty if the user has one."`
	// Expires is when the link ends.
	Expires time.Time `json:"expires,omitzero"`
}

// Members is a list of members.
type Members struct {
	Members []fairlead.MemberOf `json:"members"`
}

// MemberPath names a member.
type MemberPath struct {
	OrganizationPath
	User fairlead.Name `path:"user" json:"-"`
}

// MemberUpdate changes a member's role.
type MemberUpdate struct {
	MemberPath
	Role fairlead.Role `json:"role" enum:"admin,member"`
}

// WorkerRequest makes a worker.
type WorkerRequest struct {
	OrganizationPath
	Name string `json:"name"`
}

// NewWorker is a worker with its token's text, which is shown this once.
type NewWorker struct {
	Worker fairlead.Worker `json:"worker"`
	Token  Clear           `json:"token"`
}

// Workers is a list of workers.
type Workers struct {
	Workers []fairlead.Worker `json:"workers"`
}

// WorkerPath names a worker.
type WorkerPath struct {
	OrganizationPath
	Worker fairlead.Name `path:"worker" json:"-"`
}

// EventsRequest chooses events.
type EventsRequest struct {
	OrganizationPath
	Project string           `query:"project" json:"-" doc:"The full name of a project."`
	Action  fairlead.Action  `query:"action" json:"-" doc:"An action such as lease.pull, or all of a noun: registry.*"`
	Subject string           `query:"subject" json:"-" doc:"The identifier of who did it."`
	By      string           `query:"by" json:"-" doc:"The name of who did it."`
	On      string           `query:"on" json:"-" doc:"What it was done to: KIND or KIND/NAME, such as registry/main."`
	Outcome string           `query:"outcome" json:"-" doc:"allowed or denied."`
	Since   time.Time        `query:"since" json:"-" doc:"Those from this time on (RFC 3339)."`
	Until   time.Time        `query:"until" json:"-" doc:"Those before this time (RFC 3339)."`
	Text    string           `query:"text" json:"-" doc:"Looked for in the names, the action, the address, the request and the details."`
	Before  fairlead.EventID `query:"before" json:"-" doc:"Continue below this event."`
	Limit   int              `query:"limit" json:"-" minimum:"0" maximum:"1000" doc:"0 is 100."`
}

// Events is a list of events, newest first.
type Events struct {
	Events []fairlead.Event `json:"events"`
	Next   fairlead.EventID `json:"next,omitempty" doc:"The before of the next page. A page with fewer events than asked for has one where a search has looked at 50 000 events."`
}

// The operations on organizations, members, workers and events.
var (
	CreateOrganization = Operation[OrganizationRequest, fairlead.Organization]{
		ID: "create-organization", Method: "POST", Path: "/organizations", Action: fairlead.OrganizationCreate,
		Summary: "Create an organization; the caller becomes its administrator",
	}
	ListOrganizations = Operation[None, Organizations]{
		ID: "list-organizations", Method: "GET", Path: "/organizations", Summary: "List the caller's organizations",
	}
	ShowOrganization = Operation[OrganizationPath, fairlead.Organization]{
		ID: "show-organization", Method: "GET", Path: "/organizations/{organization}", Action: fairlead.OrganizationRead,
		Summary: "Show an organization",
	}
	UpdateOrganization = Operation[OrganizationUpdate, fairlead.Organization]{
		ID: "update-organization", Method: "PATCH", Path: "/organizations/{organization}", Action: fairlead.OrganizationUpdate,
		Summary: "Change an organization's settings",
	}
	ListMembers = Operation[OrganizationPath, Members]{
		ID: "list-members", Method: "GET", Path: "/organizations/{organization}/members", Action: fairlead.MemberRead,
		Summary: "List members",
	}
	AddMember = Operation[MemberRequest, NewMember]{
		ID: "add-member", Method: "POST", Path: "/organizations/{organization}/members", Action: fairlead.MemberAdd,
		Summary: "Add a member; a new user gets a one-time link",
	}
	UpdateMember = Operation[MemberUpdate, None]{
		ID: "update-member", Method: "PATCH", Path: "/organizations/{organization}/members/{user}", Action: fairlead.MemberUpdate,
		Summary: "Change a member's role",
	}
	RemoveMember = Operation[MemberPath, None]{
		ID: "remove-member", Method: "DELETE", Path: "/organizations/{organization}/members/{user}", Action: fairlead.MemberRemove,
		Summary: "Remove a member",
	}
	ListWorkers = Operation[OrganizationPath, Workers]{
		ID: "list-workers", Method: "GET", Path: "/organizations/{organization}/workers", Action: fairlead.WorkerRead,
		Summary: "List workers",
	}
	AddWorker = Operation[WorkerRequest, NewWorker]{
		ID: "add-worker", Method: "POST", Path: "/organizations/{organization}/workers", Action: fairlead.WorkerAdd,
		Summary: "Create a worker and its token",
	}
	RemoveWorker = Operation[WorkerPath, None]{
		ID: "remove-worker", Method: "DELETE", Path: "/organizations/{organization}/workers/{worker}", Action: fairlead.WorkerRemove,
		Summary: "Remove a worker and revoke its token",
	}
	ListEvents = Operation[EventsRequest, Events]{
		ID: "list-events", Method: "GET", Path: "/organizations/{organization}/events", Action: fairlead.EventRead,
		Summary: "List who did what to what",
	}
)
