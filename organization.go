package fairlead

import "time"

// Organization owns members, projects, connectors, registries, stacks and workers.
type Organization struct {
	ID   OrganizationID `json:"id"`
	Name Name           `json:"name" doc:"Unique among organizations and users."`
	// ForbidPersonal says that members may not have personal projects beside it.
	ForbidPersonal bool      `json:"forbid_personal_projects" doc:"Members may not create personal projects."`
	Created        time.Time `json:"created"`
}

// User is a person.
type User struct {
	ID    UserID `json:"id"`
	Name  Name   `json:"name" doc:"Unique among organizations and users."`
	Email string `json:"email,omitempty"`
	// Password is the encoded argon2id hash (PHC string format), "" while the user's
	// invitation waits.
	Password string    `json:"-"`
	Created  time.Time `json:"created"`
}

// Membership is one user's role in one organization.
type Membership struct {
	Organization OrganizationID `json:"organization_id"`
	User         UserID         `json:"user_id"`
	Role         Role           `json:"role" enum:"admin,member"`
	Since        time.Time      `json:"since"`
}

// MemberOf is a member as lists show it: the user with the role.
type MemberOf struct {
	User
	Role  Role      `json:"role" enum:"admin,member"`
	Since time.Time `json:"since"`
	// Invited says that the invitation hasn't been taken up yet.
	Invited bool `json:"invited" doc:"The invitation has not been taken up yet."`
}

// Project is where runs happen. Exactly one of Organization and User owns it; a
// project of a user is personal, and can't use an organization's registries.
type Project struct {
	ID           ProjectID      `json:"id"`
	Name         Name           `json:"name" doc:"Unique for its owner."`
	Organization OrganizationID `json:"organization_id,omitempty" doc:"The owner, unless it is personal."`
	User         UserID         `json:"user_id,omitempty" doc:"The owner, if it is personal."`
	// Owner is the name of the organization or user that owns it.
	Owner   Name      `json:"owner" doc:"The name of the owner."`
	Created time.Time `json:"created"`
	// Stack is the active one, empty for none. Only an organization's project has one.
	Stack     StackID `json:"stack_id,omitempty"`
	StackName Name    `json:"stack,omitempty" doc:"The active stack; empty for none."`
}

// Personal reports whether a user owns the project.
func (p Project) Personal() bool { return p.Organization == "" }

// Place is where the project lives.
func (p Project) Place() Place { return Place{Organization: p.Organization, Owner: p.User} }

// FullName is owner/name, as the CLI and URLs write it.
func (p Project) FullName() string { return string(p.Owner) + "/" + string(p.Name) }
