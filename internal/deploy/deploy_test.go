package deploy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/deploy"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/pattern"
)

const acme = fairlead.OrganizationID("acme")

// family remembers what it was asked to do.
type family struct {
	provider.Provider
	did *[]string
	err error
}

func (family) Info() fairlead.ProviderInfo { return fairlead.ProviderInfo{Family: "fake"} }

func (family) Accepts(_ fairlead.Connector, host string) error {
	if host != "reg.example.com" {
		return &fairlead.Error{Kind: fairlead.Invalid, Field: "connector", What: "checking host", Why: "it isn't the connector's", Remedy: "use another"}
	}
	return nil
}

func (family) Read(pasted string) (string, []string, bool, error) {
	if strings.HasPrefix(pasted, "bad://") {
		return "", nil, true, &fairlead.Error{Kind: fairlead.Invalid, Field: "pattern", What: "reading", Why: "it is bad", Remedy: "write a good one"}
	}
	rest, ok := strings.CutPrefix(pasted, "fake://")
	return "reg.example.com/" + rest + "/*", []string{"a note"}, ok, nil
}

func (f family) Plan(_ fairlead.Connector, address string) ([]string, error) {
	return []string{"make " + address}, f.err
}

func (f family) Deploy(_ context.Context, c provider.Opened, address string) error {
	*f.did = append(*f.did, "deploy "+address+" as "+string(c.Name))
	return f.err
}

func (f family) Destroy(_ context.Context, c provider.Opened, address string) error {
	*f.did = append(*f.did, "destroy "+address+" as "+string(c.Name))
	return f.err
}

// mute is a family that makes nothing.
type mute struct{ provider.Provider }

func (mute) Info() fairlead.ProviderInfo { return fairlead.ProviderInfo{Family: "mute"} }

// vault opens every connector, and remembers for what.
type vault struct {
	did *[]string
	err error
}

func (v vault) OpenFor(
	_ context.Context, _ fairlead.Caller, act fairlead.Action, o fairlead.Organization, c fairlead.Connector, s fairlead.Scope,
) (provider.Opened, error) {
	*v.did = append(*v.did, fmt.Sprintf("open for %s of %s (%s)", act, s.Resource, s.Verb))
	return provider.Opened{Connector: c, Owner: o.Name}, v.err
}

type store []fairlead.Registry

func (s store) RegistriesOf(context.Context, fairlead.OrganizationID) ([]fairlead.Registry, error) {
	return s, nil
}

func as(r fairlead.Role) fairlead.Caller {
	return fairlead.Caller{Subject: fairlead.Subject{Kind: fairlead.UserSubject, ID: "ann"}, Roles: map[fairlead.OrganizationID]fairlead.Role{acme: r}}
}

func entry(t *testing.T, name fairlead.Name, covers string) fairlead.Registry {
	t.Helper()
	p, err := pattern.Parse(covers)
	if err != nil {
		t.Fatal(err)
	}
	return fairlead.Registry{Name: name, Pattern: p}
}

var (
	here = fairlead.Organization{ID: acme, Name: "acme"}
	made = fairlead.Connector{ID: "c", Name: "c", Family: "fake", Organization: acme}
)

// TestDeploy makes and removes, and does nothing that it may not.
func TestDeploy(t *testing.T) {
	t.Parallel()
	exists := &fairlead.Error{Kind: fairlead.Conflict, Code: fairlead.CodeExists, What: "making", Why: "it is there"}
	broken := &fairlead.Error{Kind: fairlead.Unavailable, What: "making"}
	entries := store{entry(t, "whole", "reg.example.com/*"), entry(t, "app", "reg.example.com/team/app/*"), entry(t, "tag", "reg.example.com/team/app:v1"), entry(t, "other", "reg.example.com/team/apple/*")}
	mutes := made
	mutes.Family = "mute"
	for _, row := range []struct {
		name    string
		who     fairlead.Caller
		c       fairlead.Connector
		address string
		destroy bool
		force   bool
		family  error
		vault   error
		did     []string
		existed bool
		want    fairlead.Kind
		words   []string
	}{
		{name: "deploy", address: "reg.example.com/team/new", did: []string{"open for repository.deploy of reg.example.com/team/new (push)", "deploy reg.example.com/team/new as c"}},
		{name: "pasted", address: "fake://team/new", did: []string{"open for repository.deploy of reg.example.com/team/new (push)", "deploy reg.example.com/team/new as c"}},
		{name: "there already", address: "fake://team/new", family: exists, existed: true, did: []string{"open for repository.deploy of reg.example.com/team/new (push)", "deploy reg.example.com/team/new as c"}},
		{name: "it fails", address: "fake://team/new", family: broken, want: fairlead.Unavailable, did: []string{"open for repository.deploy of reg.example.com/team/new (push)", "deploy reg.example.com/team/new as c"}},
		{name: "no event", address: "fake://team/new", vault: broken, want: fairlead.Unavailable, did: []string{"open for repository.deploy of reg.example.com/team/new (push)"}},
		{name: "member", who: as(fairlead.Member), address: "fake://team/new", want: fairlead.Denied},
		{name: "stranger", who: fairlead.Caller{Subject: as("").Subject}, address: "fake://team/new", want: fairlead.NotFound},
		{name: "no way", c: mutes, address: "reg.example.com/team/new", want: fairlead.Invalid, words: []string{"mute", "first push"}},
		{name: "another host", address: "evil.example.com/team/new", want: fairlead.Invalid, words: []string{"isn't the connector's"}},
		{name: "many", address: "reg.example.com/team/*/x", want: fairlead.Invalid, words: []string{"more than one"}},
		{name: "bad", address: "bad://x", want: fairlead.Invalid, words: []string{"it is bad"}},
		{name: "none", address: "", want: fairlead.Invalid},
		{name: "destroy", destroy: true, address: "reg.example.com/team/old/*", did: []string{"open for repository.destroy of reg.example.com/team/old (push)", "destroy reg.example.com/team/old as c"}},
		{name: "in use", destroy: true, address: "reg.example.com/team/app", want: fairlead.Conflict, words: []string{"app, tag", "registry remove app", "--force"}},
		{name: "forced", destroy: true, force: true, address: "reg.example.com/team/app", did: []string{"open for repository.destroy of reg.example.com/team/app (push)", "destroy reg.example.com/team/app as c"}},
		{name: "the whole host", destroy: true, address: "reg.example.com", want: fairlead.Conflict, words: []string{"whole, app, tag, other"}},
		{name: "destroy by a member", who: as(fairlead.Member), destroy: true, force: true, address: "reg.example.com/team/app", want: fairlead.Denied},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var did []string
			if row.who.ID == "" {
				row.who = as(fairlead.Admin)
			}
			if row.c.ID == "" {
				row.c = made
			}
			r := deploy.New(entries, provider.Set{family{did: &did, err: row.family}, mute{}}, vault{&did, row.vault})
			var existed bool
			var err error
			if row.destroy {
				_, err = r.Destroy(t.Context(), row.who, here, row.c, row.address, row.force)
			} else {
				_, existed, err = r.Deploy(t.Context(), row.who, here, row.c, row.address)
			}
			if fairlead.KindOf(err) != row.want || existed != row.existed {
				t.Fatalf("%v, existed %t", err, existed)
			}
			if diff := cmp.Diff(row.did, did); diff != "" {
				t.Errorf("what was done (-want +got):\n%s", diff)
			}
			if err == nil {
				return
			}
			e := fairlead.AsError("", err)
			if row.want == fairlead.Invalid && e.Field == "" {
				t.Errorf("it names no field: %+v", e)
			}
			for _, w := range row.words {
				if !strings.Contains(e.Error()+"; "+e.Remedy, w) {
					t.Errorf("%v; %s: it doesn't say %q", e, e.Remedy, w)
				}
			}
		})
	}
}

// TestPlan says what would be done, and opens nothing for it.
func TestPlan(t *testing.T) {
	t.Parallel()
	var did []string
	r := deploy.New(store{}, provider.Set{family{did: &did}, mute{}}, vault{did: &did})
	at, steps, err := r.Plan(t.Context(), as(fairlead.Admin), here, made, "fake://team/new")
	if err != nil || at.Pattern() != "reg.example.com/team/new/*" || !cmp.Equal(steps, []string{"make reg.example.com/team/new"}) || len(did) != 0 {
		t.Errorf("%+v %v %v %v", at, steps, did, err)
	}
	if diff := cmp.Diff([]string{"It was read as reg.example.com/team/new/*.", "a note"}, at.Notes); diff != "" {
		t.Error(diff)
	}
	if _, _, err := r.Plan(t.Context(), as(fairlead.Member), here, made, "fake://team/new"); fairlead.KindOf(err) != fairlead.Denied {
		t.Error(err)
	}
}
