// Package localcredentials finds what vendors' clients left on a user's own machine, and
// says which of it can be a connector. It is for the command line alone: the server never
// looks at the machine that it runs on. Nothing is sent anywhere; files are foreign input
// and are read up to a bound.
package localcredentials

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// Machine is what is looked at.
type Machine struct {
	// Env gives a variable of the environment, Home is the user's directory.
	Env  func(string) string
	Home string
	UID  int
	Now  time.Time
	// Profile is the one profile of AWS to look at; "" is all.
	Profile string
	// Run runs a program with input and gives what it prints: credential helpers.
	Run func(ctx context.Context, program string, args []string, input string) ([]byte, error)
	// Providers say what can be a connector.
	Providers provider.Set
}

// Found is one login that was found.
type Found struct {
	// Source is the client that left it, and where: a file or variables.
	Source, Where string
	Family        fairlead.Family
	Method        string
	// Account is whose it is, as far as it says.
	Account string
	Public  map[string]string
	Secrets map[string]fairlead.Secret
	// Expires is when it ends; zero if it doesn't, or doesn't say.
	Expires time.Time
	Facts   []fairlead.Fact
	// Notes are what whoever takes it should know.
	Notes []string
	// Why says why it can't be a connector; nil if it can.
	Why *fairlead.Error
}

// Given are its fields, for the checks of its method.
func (f Found) Given() provider.Given { return provider.Given{Public: f.Public, Secret: f.Secrets} }

// Source finds what one vendor's client left.
type Source interface {
	// Find gives what there is. A file that is there and can't be read is a Found with a
	// Why.
	Find(ctx context.Context, m Machine) []Found
}

// Sources are all.
func Sources() []Source { return []Source{google{}, amazon{}, azure{}, jfrog{}, docker{}, podman{}} }

// Search looks for all there is, those first that can be a connector. family "" is all.
func Search(ctx context.Context, m Machine, family fairlead.Family) []Found {
	var all []Found
	for _, s := range Sources() {
		for _, f := range s.Find(ctx, m) {
			if family == "" || f.Family == family {
				all = append(all, m.examined(f))
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Found) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

func rank(f Found) int {
	if f.Why == nil {
		return 0
	}
	return 1
}

// examined has the family look at what was found, as the server will.
func (m Machine) examined(f Found) Found {
	if f.Why != nil {
		return f
	}
	p, err := m.Providers.Family(f.Family)
	var method fairlead.Method
	if err == nil {
		method, err = provider.MethodOf(p.Info(), f.Method)
	}
	if err == nil {
		f.Facts, err = provider.Examine(p, method, f.Given(), m.Now)
		// What the house generates is made when it is registered.
		if e, ok := errors.AsType[*fairlead.Error](err); ok && generated(method, e.Field) {
			err = nil
		}
	}
	switch {
	case err != nil:
		f.Why = fairlead.AsError("reading "+f.Source, err)
	case !f.Expires.IsZero() && !m.Now.Before(f.Expires):
		f.Why = f.refuse("it has ended at "+f.Expires.UTC().Format("2006-01-02 15:04 MST"), "log in with that client again")
	}
	for _, name := range []string{"account", "user", "account of the key", "access key", "application", "token"} {
		for _, fact := range f.Facts {
			if f.Account == "" && fact.Name == name {
				f.Account = fact.Value
			}
		}
	}
	return f
}

func generated(m fairlead.Method, field string) bool {
	return slices.ContainsFunc(m.Fields, func(f fairlead.Field) bool { return f.Name == field && f.Generated })
}

// refuse says why it can't be a connector, and what can be.
func (f Found) refuse(why, remedy string) *fairlead.Error {
	return &fairlead.Error{Kind: fairlead.Invalid, What: "reading " + f.Source, Why: why, Remedy: remedy}
}

// no is it with a reason why it can't be a connector.
func (f Found) no(why, remedy string) Found {
	f.Why = f.refuse(why, remedy)
	return f
}

// keep adds fields that aren't empty.
func (f *Found) keep(public map[string]string, secrets map[string]string) {
	f.Public, f.Secrets = map[string]string{}, map[string]fairlead.Secret{}
	for name, v := range public {
		if v != "" {
			f.Public[name] = v
		}
	}
	for name, v := range secrets {
		if v != "" {
			f.Secrets[name] = fairlead.SecretText(v)
		}
	}
}
