package registrytest

import (
	"slices"
	"strings"
	"sync"
)

// Account is who may log in.
type Account struct {
	Name     string
	Password string
	// Identity is a refresh token that stands for the account at the token endpoint.
	Identity string
	Rights   []Right
}

// Right allows actions on repositories.
type Right struct {
	// Prefix is what the repository's name begins with: "team/" or "team/app"; empty is
	// every repository.
	Prefix string
	// Actions are pull, push or both.
	Actions []string
}

// Everything may pull and push everywhere.
func Everything() []Right { return []Right{{Actions: []string{"pull", "push"}}} }

// Reads may pull below the prefix.
func Reads(prefix string) []Right { return []Right{{Prefix: prefix, Actions: []string{"pull"}}} }

func may(rights []Right, repository, action string) bool {
	return slices.ContainsFunc(rights, func(r Right) bool {
		return strings.HasPrefix(repository, r.Prefix) && slices.Contains(r.Actions, action)
	})
}

// accounts is who there is, and what those may who aren't.
type accounts struct {
	list      []Account
	anonymous []Right
	closed    *sync.Map // names that can't log in any more
}

func (a accounts) isOpen(name string) bool {
	_, closed := a.closed.Load(name)
	return !closed
}

func (a accounts) byPassword(name, password string) (Account, bool) {
	i := slices.IndexFunc(a.list, func(x Account) bool {
		return x.Name == name && x.Password == password && password != "" && a.isOpen(name)
	})
	if i < 0 {
		return Account{}, false
	}
	return a.list[i], true
}

func (a accounts) byIdentity(identity string) (Account, bool) {
	i := slices.IndexFunc(a.list, func(x Account) bool { return x.Identity == identity && identity != "" && a.isOpen(x.Name) })
	if i < 0 {
		return Account{}, false
	}
	return a.list[i], true
}

func (a accounts) rights(name string) []Right {
	i := slices.IndexFunc(a.list, func(x Account) bool { return x.Name == name })
	if i < 0 {
		return a.anonymous
	}
	return a.list[i].Rights
}
