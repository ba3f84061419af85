package survey_test

import (
	"context"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/survey"
)

// cloud reaches what it is told to.
type cloud struct {
	provider.Provider
	found []fairlead.FoundResource
	err   error
}

func (cloud) Info() fairlead.ProviderInfo { return fairlead.ProviderInfo{Family: "fake"} }

func (c cloud) Resources(context.Context, provider.Opened) ([]fairlead.FoundResource, error) {
	return c.found, c.err
}

func (cloud) Read(pasted string) (string, []string, bool, error) {
	rest, ok := strings.CutPrefix(pasted, "https://console.example.com/")
	return "reg.example.com/" + rest + "/*", nil, ok, nil
}

// TestFind finds what is meant, and lists what is near where that isn't one thing.
func TestFind(t *testing.T) {
	t.Parallel()
	repository := func(at string) fairlead.FoundResource {
		return fairlead.FoundResource{Kind: fairlead.RepositoryResource, Address: at, Pattern: at + "/*"}
	}
	registry := func(at string) fairlead.FoundResource {
		return fairlead.FoundResource{Kind: fairlead.RegistryResource, Address: at, Pattern: at + "/*"}
	}
	all := []fairlead.FoundResource{
		registry("reg.example.com"), repository("reg.example.com/team/app"), repository("reg.example.com/team/apple"), repository("reg.example.com/team/base"),
		repository("reg.example.com/other"), registry("closed.example.com"),
	}
	for _, row := range []struct {
		name, resource string
		found          []fairlead.FoundResource
		err            error
		want           string // the pattern
		kind           fairlead.Kind
		words          []string
	}{
		{name: "exactly", resource: "reg.example.com/team/app", found: all, want: "reg.example.com/team/app/*"},
		{name: "its pattern", resource: "reg.example.com/team/app/*", found: all, want: "reg.example.com/team/app/*"},
		{name: "a slash", resource: "reg.example.com/team/app/", found: all, want: "reg.example.com/team/app/*"},
		{name: "pasted", resource: "https://console.example.com/team/app", found: all, want: "reg.example.com/team/app/*"},
		{name: "a beginning", resource: "reg.example.com/o", found: all, want: "reg.example.com/other/*"},
		{name: "the whole", resource: "reg.example.com", found: all, want: "reg.example.com/*"},
		{name: "several begin so", resource: "reg.example.com/team", found: all, kind: fairlead.Conflict, words: []string{"3 of the things", "team/app, ", "team/base", "write more"}},
		{name: "more than are shown", resource: "re", found: all, kind: fairlead.Conflict, words: []string{"5 of", "and 2 more"}},
		{name: "not listed", resource: "reg.example.com/team/zoo", found: all, kind: fairlead.NotFound, words: []string{"nearest: reg.example.com/team/app", "--unverified"}},
		{name: "in one that lists nothing", resource: "closed.example.com/team/x", found: all, want: "closed.example.com/team/x/*"},
		{name: "nothing is reached", resource: "reg.example.com/team/app", kind: fairlead.NotFound, words: []string{"reaches nothing", "verify one"}},
		{
			name: "it can't be asked", resource: "reg.example.com/team/app", err: &fairlead.Error{Kind: fairlead.Denied, What: "listing", Why: "no right", Remedy: "give it the right"},
			kind: fairlead.Denied, words: []string{"no right", "give it the right; or give --unverified"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := survey.New(provider.Set{cloud{found: row.found, err: row.err}}, vault{})
			got, err := s.Find(t.Context(), admin(), fairlead.Organization{ID: acme}, connectors("one")[0], row.resource)
			if fairlead.KindOf(err) != row.kind || got.Pattern != row.want {
				t.Fatalf("%+v, %v", got, err)
			}
			for _, w := range row.words {
				if e := fairlead.AsError("", err); !strings.Contains(e.Error()+"; "+e.Remedy, w) {
					t.Errorf("%v; %s: it doesn't say %q", e, e.Remedy, w)
				}
			}
		})
	}
	s := survey.New(provider.Set{cloud{found: all}}, vault{})
	if _, err := s.Find(t.Context(), fairlead.Caller{}, fairlead.Organization{ID: acme}, connectors("one")[0], "reg.example.com"); fairlead.KindOf(err) != fairlead.NotFound {
		t.Error("nobody:", err)
	}
}
