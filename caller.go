package fairlead

import (
	"slices"
	"strings"
)

// SubjectKind is what sort of thing asks.
type SubjectKind string

// Who can ask.
const (
	UserSubject   SubjectKind = "user"
	WorkerSubject SubjectKind = "worker"
	SystemSubject SubjectKind = "system" // the house itself
)

// Subject names who asks, or asked.
type Subject struct {
	Kind SubjectKind `json:"kind" enum:"user,worker,system" doc:"What sort of thing asked."`
	ID   string      `json:"id,omitempty" doc:"Its identifier."`
	Name string      `json:"name,omitempty" doc:"Its name at that time."`
}

// Caller is who asks: the subject, and all that its proof gives it. It is made by
// internal/identity and handed down as an argument; nothing about it rides in a
// context.
type Caller struct {
	Subject

	// Token is what proved it, if it was a token.
	Token TokenID
	// Roles are the user's roles.
	Roles map[OrganizationID]Role
	// Scopes are the actions that the token is limited to; nil is no limit.
	Scopes []Action
	// Only is the organization that the token, or the worker, is limited to.
	Only OrganizationID
	// From is the address that the request came from, as host without port.
	From string
	// Request identifies the request in logs and events.
	Request string
}

// System is the house itself asking, for what nobody asks for by hand.
func System() Caller {
	return Caller{Subject: Subject{Kind: SystemSubject, Name: "fairlead"}}
}

// Place is where a thing lives: in an organization, or with one user. The zero Place
// is for what concerns only the caller.
type Place struct {
	Organization OrganizationID
	Owner        UserID
}

// May answers whether the caller may do a at a place, by the rights table and the
// token's scopes: nil if so. Whoever has nothing to do with the place is told
// [NotFound], as if it weren't there; whoever belongs to it, [Denied].
func (c Caller) May(a Action, at Place) error {
	r := table(a)
	if c.Kind == SystemSubject {
		if r.system {
			return nil
		}
		return denied(a, "the server may not do this by itself")
	}
	allowed, known := c.allowed(r, at)
	switch {
	case !known:
		return Missing(a)
	case !allowed && at.Owner != "" && r.member:
		return &Error{
			Kind: Denied, Code: CodePersonalProject, What: a.Gerund(), Why: "the project is personal, and this is for projects of an organization",
			Remedy: "give the project to an organization: `fairlead project transfer OWNER/PROJECT --to ORGANIZATION`",
		}
	case !allowed:
		return denied(a, c.lacks(r, at))
	case !c.inScope(a):
		return &Error{
			Kind: Denied, What: a.Gerund(), Why: "the token's scopes don't include " + string(a),
			Remedy: "create a token with `fairlead token create NAME --scope " + string(a) + "`",
		}
	}
	return nil
}

// allowed gives whether the table allows it, and whether the caller knows the place.
func (c Caller) allowed(r rights, at Place) (allowed, known bool) {
	if c.Kind == WorkerSubject {
		return r.worker, c.Only == "" || c.Only == at.Organization
	}
	switch {
	case c.Kind != UserSubject || c.ID == "":
		return false, false
	case at.Owner != "":
		mine := string(at.Owner) == c.ID && c.Only == ""
		return mine && r.owner, mine
	case at.Organization != "":
		role, member := c.Roles[at.Organization]
		if c.Only != "" && c.Only != at.Organization {
			return false, false
		}
		return role == Admin && r.admin || role == Member && r.member, member
	default:
		return r.user, true
	}
}

func (c Caller) lacks(r rights, at Place) string {
	switch {
	case c.Kind == WorkerSubject:
		return "a worker may only perform runs"
	case at.Organization != "" && r.admin:
		return "only an administrator of the organization may do this"
	case r.worker:
		return "only a worker may do this, with the token that `fairlead worker add` shows"
	default:
		return "nobody may do this by asking for it"
	}
}

func (c Caller) inScope(a Action) bool {
	if c.Scopes == nil {
		return true
	}
	noun, _, _ := strings.Cut(string(a), ".")
	return slices.Contains(c.Scopes, a) || slices.Contains(c.Scopes, Action(noun+".*"))
}

// Organizations lists those that the caller belongs to and the token allows, sorted.
func (c Caller) Organizations() []OrganizationID {
	var list []OrganizationID
	for id := range c.Roles {
		if c.Only == "" || c.Only == id {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	return list
}

func denied(a Action, why string) error {
	return &Error{Kind: Denied, What: a.Gerund(), Why: why, Remedy: "ask an administrator of the organization"}
}

// Missing is what a caller is told of a thing that isn't there, or isn't theirs: the
// two can't be told apart.
func Missing(a Action) *Error {
	noun, _, _ := strings.Cut(string(a), ".")
	return &Error{
		Kind: NotFound, What: a.Gerund(), Why: "there is no such " + noun + ", or you have no access to it",
		Remedy: "look at the list that you may see, and at who you are (`fairlead whoami`)",
	}
}

// Gerund says the action in words: "adding registry".
func (a Action) Gerund() string {
	noun, verb, two := strings.Cut(string(a), ".")
	if !two {
		return "setting up"
	}
	switch verb {
	case "pull":
		return "leasing a login"
	case "push":
		return "leasing a login to push with"
	}
	return gerund(verb) + " " + noun
}

func gerund(verb string) string {
	switch verb {
	case "rollback":
		return "rolling back"
	case "state":
		return "watching"
	case "stop", "set", "begin", "transfer", "pin", "unpin":
		return verb + verb[len(verb)-1:] + "ing"
	case "create", "update", "remove", "delete", "rotate", "revoke", "prune":
		return verb[:len(verb)-1] + "ing"
	default:
		return verb + "ing"
	}
}

// ParseScopes checks the scopes of a token: actions, or a noun with ".*" for all of
// its actions.
func ParseScopes(scopes []string) ([]Action, error) {
	if len(scopes) == 0 {
		return nil, nil
	}
	known := map[Action]bool{}
	for _, a := range Actions() {
		noun, _, _ := strings.Cut(string(a), ".")
		known[a], known[Action(noun+".*")] = true, true
	}
	list := make([]Action, 0, len(scopes))
	for _, s := range scopes {
		if !known[Action(s)] {
			return nil, &Error{
				Kind: Invalid, Field: "scopes", What: "reading scopes", Why: "there is no action " + Clip(s),
				Remedy: "use noun.verb, such as run.create, or a whole noun, such as run.*",
			}
		}
		list = append(list, Action(s))
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}
