package survey_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/survey"
	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

// opener is a family whose logins name who logged in.
type opener struct{ provider.Provider }

func (opener) Info() fairlead.ProviderInfo { return fairlead.ProviderInfo{Family: "fake"} }

func (opener) Accepts(fairlead.Connector, string) error { return nil }

func (opener) Login(_ context.Context, c provider.Opened, _ fairlead.Scope) (provider.Login, error) {
	return provider.Login{Username: string(c.Name), Password: fairlead.SecretText("c4nary")}, nil
}

// registry is what images are asked of.
type registry struct {
	mu      sync.Mutex
	tags    []string
	more    bool
	refuses map[string]error // by tag
	asked   []string
	as      map[string]bool // users
	hangs   bool
}

func (r *registry) Trade(context.Context, oci.Endpoint, oci.Login, fairlead.Scope) (oci.Bearer, error) {
	return oci.Bearer{}, oci.ErrNoTokenEndpoint
}

func (r *registry) Tags(ctx context.Context, kc fairlead.Keychain, at ref.Resource) ([]string, bool, error) {
	l, err := kc.Lease(ctx, fairlead.Scope{Resource: at, Verb: fairlead.Pull})
	r.as = map[string]bool{l.Username: true}
	return r.tags, r.more, err
}

func (r *registry) Describe(ctx context.Context, _ fairlead.Keychain, i ref.Image) (oci.Description, error) {
	r.mu.Lock()
	r.asked = append(r.asked, i.Tag)
	err := r.refuses[i.Tag]
	r.mu.Unlock()
	if r.hangs {
		<-ctx.Done()
		return oci.Description{}, fmt.Errorf("asking: %w", ctx.Err())
	}
	return oci.Description{Top: oci.Descriptor{Digest: fairlead.Digest("sha256:" + i.Tag)}}, err
}

type entries []fairlead.Registry

func (e entries) RegistriesOf(context.Context, fairlead.OrganizationID) ([]fairlead.Registry, error) {
	return e, nil
}

func (entries) ConnectorsOf(context.Context, fairlead.OrganizationID) ([]fairlead.Connector, error) {
	list := connectors("one", "two")
	for i := range list {
		list[i].ID = fairlead.ConnectorID(list[i].Name)
	}
	return list, nil
}

func covered(t *testing.T, name fairlead.Name, covers string, connector fairlead.Name) fairlead.Registry {
	t.Helper()
	p, err := pattern.Parse(covers)
	if err != nil {
		t.Fatal(err)
	}
	return fairlead.Registry{ID: fairlead.RegistryID(name), Name: name, Pattern: p, ConnectorName: connector}
}

// TestImages opens a repository as is said, and lists the highest tags first.
func TestImages(t *testing.T) {
	t.Parallel()
	all := entries{covered(t, "wide", "reg.example.com/*", "one"), covered(t, "app", "reg.example.com/team/app:v*", "two"), covered(t, "open", "open.example.com/*", "")}
	for _, row := range []struct {
		name  string
		who   fairlead.Caller
		w     survey.Wanted
		as    string
		entry fairlead.Name
		want  fairlead.Kind
	}{
		{name: "as a pull", w: survey.Wanted{Repository: "reg.example.com/team/app"}, as: "two", entry: "app"},
		{name: "as another pull", w: survey.Wanted{Repository: "reg.example.com/team/other"}, as: "one", entry: "wide"},
		{name: "by the connector", w: survey.Wanted{Repository: "reg.example.com/team/app", Connector: "one"}, as: "one", entry: "wide"},
		{name: "by the entry", w: survey.Wanted{Repository: "reg.example.com/team/app", Registry: "wide"}, as: "one", entry: "wide"},
		{name: "without a login", w: survey.Wanted{Repository: "open.example.com/x"}, entry: "open"},
		{name: "uncovered", w: survey.Wanted{Repository: "elsewhere.example.com/x"}},
		{name: "an entry for many", w: survey.Wanted{Registry: "wide"}, want: fairlead.Invalid},
		{name: "not the entry's", w: survey.Wanted{Registry: "open", Repository: "reg.example.com/x"}, want: fairlead.Invalid},
		{name: "no entry", w: survey.Wanted{Registry: "none"}, want: fairlead.NotFound},
		{name: "no connector", w: survey.Wanted{Repository: "reg.example.com/x", Connector: "none"}, want: fairlead.NotFound},
		{name: "a host", w: survey.Wanted{Repository: "reg.example.com"}, want: fairlead.Invalid},
		{name: "limit", w: survey.Wanted{Repository: "reg.example.com/x", Limit: 1000}, want: fairlead.Invalid},
		{name: "time", w: survey.Wanted{Repository: "reg.example.com/x", Time: -1}, want: fairlead.Invalid},
		{name: "nobody", who: fairlead.Caller{Subject: fairlead.Subject{Kind: fairlead.UserSubject, ID: "x"}}, w: survey.Wanted{Repository: "reg.example.com/x"}, want: fairlead.NotFound},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if row.who.ID == "" {
				row.who = admin()
			}
			r := &registry{tags: []string{"v1", "v10", "v9", "latest", "v9-rc1", "2024.1", "2024.12"}}
			got, err := survey.NewBrowser(all, provider.Set{opener{}}, vault{}, r).Images(t.Context(), row.who, fairlead.Organization{ID: acme}, row.w)
			if fairlead.KindOf(err) != row.want {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			if !r.as[row.as] || got.Registry != row.entry || string(got.Connector) != row.as || got.Tags != 7 {
				t.Errorf("as %v: %+v", r.as, got)
			}
			var tags []string
			for _, i := range got.Images {
				tags = append(tags, i.Tag)
				if i.Digest != fairlead.Digest("sha256:"+i.Tag) || i.Error != nil {
					t.Errorf("%+v", i)
				}
			}
			if diff := cmp.Diff([]string{"latest", "v10", "v9-rc1", "v9", "v1", "2024.12", "2024.1"}, tags); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestImagesFaults keeps faults in their rows, and asks no registry on that has had enough.
func TestImagesFaults(t *testing.T) {
	t.Parallel()
	var tags []string
	for i := range 300 {
		tags = append(tags, fmt.Sprintf("v%03d", i))
	}
	images := func(t *testing.T, r *registry, limit int) fairlead.Images {
		t.Helper()
		got, err := survey.NewBrowser(entries{}, provider.Set{opener{}}, vault{}, r).
			Images(t.Context(), admin(), fairlead.Organization{ID: acme}, survey.Wanted{Repository: "reg.example.com/x", Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	t.Run("one is broken", func(t *testing.T) {
		t.Parallel()
		broken := &fairlead.Error{Kind: fairlead.Unavailable, What: "describing", Why: "it is broken"}
		got := images(t, &registry{tags: tags, more: true, refuses: map[string]error{"v298": broken}}, 10)
		if len(got.Images) != 10 || got.Tags != 300 || !got.More || got.Images[1].Error == nil || got.Images[0].Error != nil || got.Images[2].Error != nil {
			t.Errorf("%+v", got)
		}
	})
	t.Run("rate limit", func(t *testing.T) {
		t.Parallel()
		limited := &fairlead.Error{Kind: fairlead.Limited, Code: fairlead.CodeRateLimited, What: "describing", Why: "too many requests"}
		r := &registry{tags: tags, refuses: map[string]error{}}
		for _, tag := range tags {
			r.refuses[tag] = limited
		}
		got := images(t, r, 200)
		if len(r.asked) > 8 {
			t.Errorf("%d images were asked for", len(r.asked))
		}
		for _, i := range got.Images {
			if i.Error == nil || i.Error.Code != fairlead.CodeRateLimited {
				t.Fatalf("%+v", i)
			}
		}
	})
	t.Run("it hangs", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			got := images(t, &registry{tags: tags, hangs: true}, 10)
			for _, i := range got.Images {
				if i.Error == nil || i.Error.Code != fairlead.CodeTimeout || !strings.Contains(i.Error.Remedy, "--timeout") {
					t.Fatalf("%+v", i.Error)
				}
			}
		})
	})
}
