package jfrogartifactory_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/provider"
)

// TestResources lists with every method, by every path method.
func TestResources(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		public []string
		want   []string
	}{
		"path":      {nil, []string{"acme.jfrog.io/docker-local/*", "acme.jfrog.io/docker-remote/*"}},
		"subdomain": {[]string{"path_method", "subdomain", "repositories", "docker-local"}, []string{"acme-docker-local.jfrog.io/*", "acme.jfrog.io/docker-remote/*"}},
		"domain":    {[]string{"path_method", "subdomain", "docker_host", "d.example.com"}, []string{"docker-local.d.example.com/*", "docker-remote.d.example.com/*"}},
		"port":      {[]string{"path_method", "port", "repositories", "docker-remote=5002"}, []string{"acme.jfrog.io/docker-local/*", "acme.jfrog.io:5002/*"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			o := w.connector("repository", c.public...)
			list, err := w.family().Resources(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range list {
				got = append(got, r.Pattern)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
	w := newWorld(t, nil)
	want := []fairlead.FoundResource{{
		Kind: fairlead.RepositoryResource, Address: "acme.jfrog.io/docker-local", Pattern: "acme.jfrog.io/docker-local/*", Detail: "local repository",
	}}
	for _, method := range []string{"federation", "access-token", "reference", "basic"} {
		list, err := w.family().Resources(t.Context(), w.connector(method))
		if d := cmp.Diff(want, list); d != "" || err != nil {
			t.Error(method, d, err)
		}
	}
}

// TestDeploy makes and removes a repository.
func TestDeploy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	admin, family := w.connector("repository"), w.family()
	delete(admin.Public, "narrow")
	const address = "acme.jfrog.io/docker-new/*"
	if plan, err := family.Plan(admin.Connector, address); err != nil || len(plan) != 3 {
		t.Error(plan, err)
	}
	for at, step := range []struct {
		do   func(context.Context, provider.Opened, string) error
		c    provider.Opened
		at   string
		want fairlead.Kind
	}{
		{family.Deploy, w.connector("access-token"), address, fairlead.Denied},
		{family.Deploy, admin, address, ""},
		{family.Deploy, admin, address, fairlead.Conflict},
		{family.Destroy, w.connector("basic"), address, fairlead.Denied},
		{family.Destroy, admin, address, ""},
		{family.Destroy, admin, address, fairlead.NotFound},
		{family.Deploy, admin, "acme.jfrog.io/docker-new/app", fairlead.Invalid},
		{family.Deploy, admin, "evil.jfrog.io/docker-new", fairlead.Invalid},
		{family.Destroy, admin, "acme.jfrog.io", fairlead.Invalid},
	} {
		if err := step.do(t.Context(), step.c, step.at); fairlead.KindOf(err) != step.want {
			t.Errorf("%d: %v, want %q", at, err, step.want)
		}
	}
}

var errKeep = &fairlead.Error{Kind: fairlead.Conflict, Why: "it was changed meanwhile"}

// TestRenew renews pairs, and loses none whatever happens between.
func TestRenew(t *testing.T) {
	t.Parallel()
	type given = map[string]fairlead.Secret
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	pair := func(t *testing.T, life time.Duration) (*world, provider.Opened) {
		t.Helper()
		w := newWorld(t, nil)
		w.n.SetClock(func() time.Time { return start })
		x := w.jfrog.Issue(cloudtest.JFrogTokenSpec{User: "ci", Life: life, Refreshable: true})
		return w, opened("access-token", "host", "acme.jfrog.io", "!access_token", x.Access, "!refresh_token", x.Refresh)
	}
	works := func(t *testing.T, w *world, s given) bool {
		t.Helper()
		c := opened("access-token", "host", "acme.jfrog.io")
		c.Secret = s
		_, err := w.family().Login(t.Context(), c, fairlead.Scope{})
		return err == nil
	}
	t.Run("in time", func(t *testing.T) {
		t.Parallel()
		w, c := pair(t, 10*24*time.Hour)
		if at, end := w.family().Term(c); !at.Equal(start.Add(5*24*time.Hour)) || !end.Equal(start.Add(10*24*time.Hour)) {
			t.Error(at)
		}
		var fresh given
		err := w.family().Renew(t.Context(), c, func(_ context.Context, s given) error {
			fresh = s
			if !works(t, w, c.Secret) || !works(t, w, s) {
				t.Error("old and new don't overlap")
			}
			return nil
		})
		if err != nil || !works(t, w, fresh) || works(t, w, c.Secret) {
			t.Error("the new pair isn't the one that works", err)
		}
		if at, _ := w.family().Term(provider.Opened{Connector: c.Connector, Secret: fresh}); !at.Equal(start.Add(5 * 24 * time.Hour)) {
			t.Error(at)
		}
	})
	t.Run("it can't be kept", func(t *testing.T) {
		t.Parallel()
		w, c := pair(t, 10*24*time.Hour)
		err := w.family().Renew(t.Context(), c, func(context.Context, given) error { return errKeep })
		if !errors.Is(err, errKeep) || !works(t, w, c.Secret) || w.jfrog.Live() != 2 { // the old one, and what works made
			t.Error("the old pair doesn't work any more, or the new one still does", err, w.jfrog.Live())
		}
	})
	t.Run("it may have been kept", func(t *testing.T) {
		t.Parallel()
		w, c := pair(t, 10*24*time.Hour)
		var fresh given
		err := w.family().Renew(t.Context(), c, func(_ context.Context, s given) error {
			fresh = s
			return &fairlead.Error{Kind: fairlead.Unavailable, Why: "the answer was lost"}
		})
		if fairlead.KindOf(err) != fairlead.Unavailable || !works(t, w, c.Secret) || !works(t, w, fresh) {
			t.Error("one of the two pairs doesn't work any more", err)
		}
	})
	t.Run("the caller goes away", func(t *testing.T) {
		t.Parallel()
		w, c := pair(t, 10*24*time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		err := w.family().Renew(ctx, c, func(ctx context.Context, s given) error {
			cancel()
			c.Secret = s
			return ctx.Err()
		})
		if err != nil || !works(t, w, c.Secret) {
			t.Error(err)
		}
	})
	t.Run("too late", func(t *testing.T) {
		t.Parallel()
		w, c := pair(t, time.Hour)
		w.n.SetClock(func() time.Time { return start.Add(2 * time.Hour) })
		keep := func(_ context.Context, s given) error { c.Secret = s; return nil }
		if err := w.family().Renew(t.Context(), c, keep); fairlead.CodeOf(err) != fairlead.CodeLoginRefused {
			t.Error(err)
		}
		w.jfrog.Set(func(f *cloudtest.JFrogFaults) { f.Grace = 24 * time.Hour })
		old := opened("access-token", "host", "acme.jfrog.io")
		old.Secret = c.Secret
		if err := w.family().Renew(t.Context(), c, keep); err != nil || !works(t, w, c.Secret) {
			t.Error(err)
		}
		if err := w.family().Renew(t.Context(), old, keep); fairlead.CodeOf(err) != fairlead.CodeLoginRefused {
			t.Error("a pair was refreshed twice", err)
		}
	})
	w, c := pair(t, time.Hour)
	delete(c.Secret, "refresh_token")
	if err := w.family().Renew(t.Context(), c, nil); fairlead.KindOf(err) != fairlead.Invalid || !never(w.family().Term(c)) {
		t.Error(err)
	}
}

func never(renew, end time.Time) bool { return renew.IsZero() && end.IsZero() }
