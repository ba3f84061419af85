package broker

import (
	"fmt"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// pushable says why nothing can be pushed to a repository by the entry that covers it,
// which is nil if none does. To pull without a login is often enough; to push, never.
func pushable(e *entry, t *table, r ref.Resource) error {
	no := &fairlead.Error{
		Kind: fairlead.Denied, Code: fairlead.CodePush, What: "leasing a login to push to " + r.Host + "/" + r.Repository,
	}
	switch {
	case e == nil:
		n := t.uncovered(r)
		no.Code, no.Why = n.Code, n.Why
		no.Remedy = fmt.Sprintf("an administrator adds an entry that may be pushed to: `fairlead registry add NAME --pattern '%s' --push`", suggestion(r))
	case e.Connector == "":
		no.Why = fmt.Sprintf("registry entry %s has no connector, and nobody pushes without a login", e.Name)
		no.Remedy = fmt.Sprintf("an administrator gives it one: `fairlead registry update %s --connector NAME --push`", e.Name)
	case !e.Push:
		no.Why = fmt.Sprintf("registry entry %s is for pulling: no administrator has allowed pushing", e.Name)
		no.Remedy = fmt.Sprintf("an administrator allows it: `fairlead registry update %s --push`", e.Name)
	default:
		return nil
	}
	return no
}

// powerless is a registry token that doesn't let its holder push, though it was asked
// for: the account lacks the right.
func powerless(l *fairlead.Lease, e *entry) error {
	return &fairlead.Error{
		Kind: fairlead.Denied, Code: fairlead.CodeNoRight, What: "leasing a login to push to " + l.For.Resource.Host + "/" + l.For.Resource.Repository,
		Why:    fmt.Sprintf("%s accepts the login, but gives it no right to push %s", l.For.Resource.Host, l.For.Resource.Repository),
		Remedy: fmt.Sprintf("give the account of connector %s that right at the registry, or push by an entry with another connector", e.connector.Name),
	}
}
