package survey_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/survey"
)

const acme = fairlead.OrganizationID("acme")

// family answers by the connector's name.
type family struct {
	provider.Provider
	// asked is told who is asked, and all closed when everybody was.
	asked chan fairlead.Name
	all   chan struct{}
	// release ends what hangs and doesn't mind its context.
	release chan struct{}
}

func (family) Info() fairlead.ProviderInfo { return fairlead.ProviderInfo{Family: "fake"} }

func (f family) Resources(ctx context.Context, c provider.Opened) ([]fairlead.FoundResource, error) {
	f.asked <- c.Name
	<-f.all
	switch c.Name {
	case "hangs":
		<-f.release
		return nil, nil
	case "hangs-politely":
		<-ctx.Done()
		return nil, fmt.Errorf("asking: %w", ctx.Err())
	case "fails":
		return nil, &fairlead.Error{Kind: fairlead.Denied, What: "listing repositories", Why: "the account has no right to", Remedy: "give it the right"}
	}
	return []fairlead.FoundResource{{Kind: fairlead.RepositoryResource, Address: "reg.example.com/" + string(c.Name)}}, nil
}

// mute is a family that can't list.
type mute struct{ provider.Provider }

func (mute) Info() fairlead.ProviderInfo { return fairlead.ProviderInfo{Family: "mute"} }

// vault opens every connector.
type vault struct{ err error }

func (v vault) OpenFor(
	_ context.Context, _ fairlead.Caller, act fairlead.Action, _ fairlead.Organization, c fairlead.Connector, _ fairlead.Scope,
) (provider.Opened, error) {
	if act != fairlead.ConnectorDiscover {
		return provider.Opened{}, fmt.Errorf("opened for %s", act)
	}
	return provider.Opened{Connector: c}, v.err
}

func admin() fairlead.Caller {
	return fairlead.Caller{Subject: fairlead.Subject{Kind: fairlead.UserSubject, ID: "ann"}, Roles: map[fairlead.OrganizationID]fairlead.Role{acme: fairlead.Admin}}
}

func connectors(names ...fairlead.Name) []fairlead.Connector {
	var list []fairlead.Connector
	for _, n := range names {
		list = append(list, fairlead.Connector{Name: n, Family: "fake", Organization: acme})
	}
	return list
}

// TestTwenty asks twenty connectors of which one fails and one hangs: all are asked at
// once, and the whole takes no longer than the limit of one. The clock is the bubble's.
func TestTwenty(t *testing.T) {
	t.Parallel()
	for _, hanging := range []fairlead.Name{"hangs", "hangs-politely"} {
		t.Run(string(hanging), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				names := []fairlead.Name{"good-0", "fails", hanging}
				for i := len(names); i < 20; i++ {
					names = append(names, fairlead.Name(fmt.Sprintf("good-%d", i)))
				}
				f := family{asked: make(chan fairlead.Name), all: make(chan struct{}), release: make(chan struct{})}
				defer close(f.release)
				go func() {
					for range names {
						<-f.asked
					}
					close(f.all)
				}()
				begun := time.Now()
				rows, err := survey.New(provider.Set{f}, vault{}).Resources(t.Context(), admin(), fairlead.Organization{ID: acme}, connectors(names...), 0)
				if err != nil || len(rows) != len(names) {
					t.Fatalf("%d rows, %v", len(rows), err)
				}
				if took := time.Since(begun); took != survey.DefaultLimit {
					t.Errorf("it took %s, want the limit of the one that hangs", took)
				}
				check(t, names, rows)
			})
		})
	}
}

func check(t *testing.T, names []fairlead.Name, rows []fairlead.Reached) {
	t.Helper()
	for i, r := range rows {
		switch {
		case r.Connector != names[i]:
			t.Errorf("row %d is of %s, want %s", i, r.Connector, names[i])
		case r.Connector == "fails":
			if r.Error == nil || r.Error.Why != "the account has no right to" || r.Error.Remedy != "give it the right" {
				t.Errorf("the one that fails: %+v", r.Error)
			}
		case strings.HasPrefix(string(r.Connector), "hangs"):
			if r.Error == nil || r.Error.Kind != fairlead.Unavailable || !strings.Contains(r.Error.Why, "within 20s") || r.Error.Remedy == "" {
				t.Errorf("the one that hangs: %+v", r.Error)
			}
		case r.Error != nil || len(r.Resources) != 1:
			t.Errorf("%s: %+v", r.Connector, r)
		}
	}
}

// TestFaults are what is said where nobody is asked.
func TestFaults(t *testing.T) {
	t.Parallel()
	one := connectors("one")
	gone := &fairlead.Error{Kind: fairlead.Unavailable, What: "writing event"}
	strange := []fairlead.Connector{{Name: "one", Family: "mute"}, {Name: "two", Family: "none"}}
	for _, row := range []struct {
		name       string
		who        fairlead.Caller
		vault      vault
		connectors []fairlead.Connector
		limit      time.Duration
		want       fairlead.Kind   // of the whole
		rows       []fairlead.Kind // of each row
	}{
		{name: "nobody", connectors: one, want: fairlead.NotFound},
		{name: "member", who: fairlead.Caller{Subject: admin().Subject, Roles: map[fairlead.OrganizationID]fairlead.Role{acme: fairlead.Member}}, connectors: one, want: fairlead.Denied},
		{name: "limit", who: admin(), connectors: one, limit: time.Hour, want: fairlead.Invalid},
		{name: "negative limit", who: admin(), connectors: one, limit: -1, want: fairlead.Invalid},
		{name: "no event", who: admin(), vault: vault{gone}, connectors: one, rows: []fairlead.Kind{fairlead.Unavailable}},
		{name: "can't list", who: admin(), connectors: strange, rows: []fairlead.Kind{fairlead.NotFound, fairlead.Invalid}},
		{name: "none", who: admin()},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			rows, err := survey.New(provider.Set{family{}, mute{}}, row.vault).Resources(t.Context(), row.who, fairlead.Organization{ID: acme}, row.connectors, row.limit)
			if fairlead.KindOf(err) != row.want {
				t.Fatalf("%v, want %s", err, row.want)
			}
			var kinds []fairlead.Kind
			for _, r := range rows {
				kinds = append(kinds, r.Error.Kind)
			}
			if diff := cmp.Diff(row.rows, kinds); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}
