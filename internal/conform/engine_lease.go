package conform

import (
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

const goodPassword = "correct horse/battery+staple:é"

// people are who may log in: ana may do everything, ben may read nothing of what is
// pulled here.
func people() []registrytest.Account {
	return []registrytest.Account{
		{Name: "ana", Password: goodPassword, Rights: registrytest.Everything()},
		{Name: "ben", Password: goodPassword, Rights: registrytest.Reads("elsewhere/")},
	}
}

// locked is a registry that asks for logins, with an image.
func locked(t *testing.T, c registrytest.Config) (*registrytest.Registry, ref.Image) {
	t.Helper()
	c.Accounts = people()
	r := registrytest.New(t, c)
	// Large enough for an engine to say how far it is.
	return r, pushTo(t, r, registrytest.RandomImage(t, 500_000), people()[0])
}

func pullScope(i ref.Image) string { return "repository:" + i.Repository + ":pull" }

// testLeases shows leases of every kind to registries of every kind.
func testLeases(t *testing.T, s *shop) {
	t.Helper()
	noted := fairlead.Lease{Kind: fairlead.Anonymous, PlainHTTP: true, Note: &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeNoEntry, Why: "no entry covers it"}}
	type leaser func(r *registrytest.Registry, i ref.Image) fairlead.Lease
	is := func(l fairlead.Lease) leaser {
		return func(*registrytest.Registry, ref.Image) fairlead.Lease { return l }
	}
	token := func(account, scope string) leaser {
		return func(r *registrytest.Registry, i ref.Image) fairlead.Lease {
			if scope == "" {
				scope = pullScope(i)
			}
			return withToken(r.Token(account, scope))
		}
	}
	anybody := registrytest.Reads("")
	for _, row := range []struct {
		name   string
		config registrytest.Config
		lease  leaser
		want   fairlead.Code // "" is a pull
	}{
		{"nothing is asked for", registrytest.Config{}, is(anonymous()), ""},
		{"nothing is asked for, and a login is there", registrytest.Config{}, is(withPassword("ana", goodPassword)), ""},
		{"everybody may read, by tokens", registrytest.Config{Auth: registrytest.Bearer, Anonymous: anybody}, is(anonymous()), ""},
		{"a token of the registry's", registrytest.Config{Auth: registrytest.Bearer}, token("ana", ""), ""},
		{"a token that isn't a JWT", registrytest.Config{Auth: registrytest.Bearer, Faults: registrytest.Faults{Opaque: true}}, token("ana", ""), ""},
		{"a login for tokens", registrytest.Config{Auth: registrytest.Bearer}, is(withPassword("ana", goodPassword)), ""},
		{"a login with every request", registrytest.Config{Auth: registrytest.Basic}, is(withPassword("ana", goodPassword)), ""},
		{"a login where both are taken", registrytest.Config{Auth: registrytest.Mixed}, is(withPassword("ana", goodPassword)), ""},
		{"blobs elsewhere", registrytest.Config{Auth: registrytest.Bearer, Faults: registrytest.Faults{Redirect: 10}}, token("ana", ""), ""},

		{"nobody, by tokens", registrytest.Config{Auth: registrytest.Bearer}, is(anonymous()), fairlead.CodeNoRight},
		{"nobody, with every request", registrytest.Config{Auth: registrytest.Basic}, is(anonymous()), fairlead.CodeNoRight},
		{"nobody, and it is known why", registrytest.Config{Auth: registrytest.Bearer}, is(noted), fairlead.CodeNoEntry},
		{"nobody, and it is known why, with every request", registrytest.Config{Auth: registrytest.Basic}, is(noted), fairlead.CodeNoEntry},
		{"a wrong password for tokens", registrytest.Config{Auth: registrytest.Bearer}, is(withPassword("ana", "wrong")), fairlead.CodeLoginRefused},
		{"a wrong password with every request", registrytest.Config{Auth: registrytest.Basic}, is(withPassword("ana", "wrong")), fairlead.CodeLoginRefused},
		{"no right, by tokens", registrytest.Config{Auth: registrytest.Bearer}, is(withPassword("ben", goodPassword)), fairlead.CodeNoRight},
		{"no right, and no token for it", registrytest.Config{Auth: registrytest.Bearer, Faults: registrytest.Faults{DenyScope: 403}}, is(withPassword("ben", goodPassword)), fairlead.CodeNoRight},
		{"no right, forbidden", registrytest.Config{Auth: registrytest.Bearer, Faults: registrytest.Faults{Forbid: true}}, is(withPassword("ben", goodPassword)), fairlead.CodeNoRight},
		{"no right, with every request", registrytest.Config{Auth: registrytest.Basic}, is(withPassword("ben", goodPassword)), fairlead.CodeNoRight},
		{"a token without the right", registrytest.Config{Auth: registrytest.Bearer}, token("ben", ""), fairlead.CodeNoRight},
		{"a token for something else", registrytest.Config{Auth: registrytest.Bearer}, token("ana", "repository:elsewhere/x:pull"), fairlead.CodeNoRight},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r, i := locked(t, row.config)
			k := keys(row.lease(r, i))
			p, err := s.engine.Pull(t.Context(), engine.PullRequest{Image: i, Keychain: k})
			switch {
			case row.want == "" && err != nil:
				t.Fatal(err)
			case row.want == "":
				p.Release()
			default:
				wantKind(t, err, fairlead.Denied, row.want)
			}
			for _, secret := range []string{goodPassword, "wrong", string(k.leases[0].Bearer.Reveal())} {
				if err != nil && secret != "" && strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows the login: %v", err)
				}
			}
		})
	}
}

// testLeaseOfDebian does it with a registry that isn't ours.
func testLeaseOfDebian(t *testing.T, s *shop) {
	t.Helper()
	for _, row := range []struct {
		name  string
		auth  registrytest.Auth
		lease func(r *registrytest.DebianRegistry, i ref.Image) fairlead.Lease
		want  fairlead.Code
	}{
		{"anonymous", registrytest.Open, func(*registrytest.DebianRegistry, ref.Image) fairlead.Lease { return anonymous() }, ""},
		{"login", registrytest.Basic, func(*registrytest.DebianRegistry, ref.Image) fairlead.Lease { return withPassword("ana", goodPassword) }, ""},
		{"wrong login", registrytest.Basic, func(*registrytest.DebianRegistry, ref.Image) fairlead.Lease { return withPassword("ana", "wrong") }, fairlead.CodeLoginRefused},
		{"login for tokens", registrytest.Bearer, func(*registrytest.DebianRegistry, ref.Image) fairlead.Lease {
			return withPassword("ana", goodPassword)
		}, ""},
		{"token", registrytest.Bearer, func(r *registrytest.DebianRegistry, i ref.Image) fairlead.Lease {
			return withToken(r.Tokens.Token("ana", pullScope(i)))
		}, ""},
		{"token without the right", registrytest.Bearer, func(r *registrytest.DebianRegistry, i ref.Image) fairlead.Lease {
			return withToken(r.Tokens.Token("ben", pullScope(i)))
		}, fairlead.CodeNoRight},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := registrytest.Debian(t, registrytest.DebianOptions{Auth: row.auth, Accounts: people()})
			i := pushTo(t, r, busybox(t, layer(t, file("f", row.name))), people()[0])
			p, err := s.engine.Pull(t.Context(), engine.PullRequest{Image: i, Keychain: keys(row.lease(r, i))})
			if row.want != "" {
				wantKind(t, err, fairlead.Denied, row.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer p.Release()
			c := s.container("cat /f")
			c.Image = p
			if got := s.output(t, c); got != row.name {
				t.Errorf("%q", got)
			}
		})
	}
}

// testAsked wants the keychain to be asked at every pull, for what is pulled.
func testAsked(t *testing.T, s *shop) {
	t.Helper()
	r, i := locked(t, registrytest.Config{Auth: registrytest.Bearer})
	k := keys(withToken(r.Token("ana", pullScope(i))))
	for n := 1; n <= 3; n++ {
		before := len(k.asked)
		p, err := s.engine.Pull(t.Context(), engine.PullRequest{Image: i, Keychain: k})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Release()
		if len(k.asked) == before {
			t.Errorf("pull %d asked for no login", n)
		}
		if (p.Bytes > 0) != (n == 1) {
			t.Errorf("pull %d fetched %d bytes", n, p.Bytes)
		}
	}
	want := fairlead.Scope{Resource: i.Resource, Verb: fairlead.Pull}
	if slices.ContainsFunc(k.asked, func(s fairlead.Scope) bool { return s != want }) {
		t.Errorf("it was asked for %v", k.asked)
	}
}

// testNoRightToTheCache wants what is there to be no right to it.
func testNoRightToTheCache(t *testing.T, s *shop) {
	t.Helper()
	r, i := locked(t, registrytest.Config{Auth: registrytest.Bearer})
	p, err := s.engine.Pull(t.Context(), engine.PullRequest{Image: i, Keychain: keys(withToken(r.Token("ana", pullScope(i))))})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Release()
	no := &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeDisclosure, What: "leasing"}
	failing := keys()
	failing.err = no
	for _, row := range []struct {
		name string
		keys *engineKeys
		want fairlead.Code
	}{
		{"no lease", failing, fairlead.CodeDisclosure},
		{"no login", keys(anonymous()), fairlead.CodeNoRight},
		{"another's login", keys(withPassword("ben", goodPassword)), fairlead.CodeNoRight},
		{"another's token", keys(withToken(r.Token("ben", pullScope(i)))), fairlead.CodeNoRight},
	} {
		for _, repository := range []string{i.Repository, "team/another"} {
			t.Run(row.name+" for "+repository[:8], func(t *testing.T) {
				t.Parallel()
				i := i
				i.Repository = repository
				_, err := s.engine.Pull(t.Context(), engine.PullRequest{Image: i, Keychain: row.keys})
				wantKind(t, err, fairlead.Denied, row.want)
			})
		}
	}
	t.Run("another's repository", func(t *testing.T) {
		t.Parallel()
		i := i
		i.Repository = "elsewhere/x" // where it isn't
		for range 2 {
			_, err := s.engine.Pull(t.Context(), engine.PullRequest{Image: i, Keychain: keys(withPassword("ben", goodPassword))})
			wantKind(t, err, fairlead.NotFound, fairlead.CodeNoImage)
		}
	})
}

// testRefusedOnce wants a lease that is refused before its time to be told, and one more
// to be asked for.
func testRefusedOnce(t *testing.T, s *shop) {
	t.Helper()
	for _, row := range []struct {
		name string
		auth registrytest.Auth
		bad  fairlead.Lease
	}{
		{"a password", registrytest.Basic, withPassword("ana", "old")},
		{"a password for tokens", registrytest.Bearer, withPassword("ana", "old")},
		{"a token", registrytest.Bearer, withToken("no-token")},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, i := locked(t, registrytest.Config{Auth: row.auth})
			other := row.bad
			other.ID = "other"
			for _, then := range []fairlead.Lease{withPassword("ana", goodPassword), other} {
				k := keys(row.bad, then)
				p, err := s.engine.Pull(t.Context(), engine.PullRequest{Image: i, Keychain: k})
				if then.ID == "other" {
					wantKind(t, err, fairlead.Denied, fairlead.CodeLoginRefused)
				} else if err != nil {
					t.Fatal(err)
				} else {
					p.Release()
				}
				// How many leases there are beside depends on how many requests there are.
				if len(k.asked) < 2 || then.ID == "other" && len(k.asked) != 2 || len(k.refused) == 0 || k.refused[0] != row.bad.ID || len(k.refused) > 1 && then.ID != "other" {
					t.Errorf("asked for %d leases, told of the refused ones %q", len(k.asked), k.refused)
				}
			}
		})
	}
}

// testNoLoginInFiles looks for logins in everything that the engine writes, while it
// pulls and afterwards.
func testNoLoginInFiles(t *testing.T, s *shop) {
	t.Helper()
	r := registrytest.New(t, registrytest.Config{Auth: registrytest.Mixed, Accounts: people()})
	i := pushTo(t, r, registrytest.RandomImage(t, 200_000), people()[0])
	for _, lease := range []fairlead.Lease{withPassword("ana", goodPassword), withToken(r.Token("ana", pullScope(i)))} {
		stalled := make(chan struct{}, 2)
		r.Set(func(f *registrytest.Faults) {
			f.StallAt, f.OnCut = []int64{100_000, 100_000}, func() { stalled <- struct{}{} }
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := s.engine.Pull(ctx, engine.PullRequest{Image: i, Keychain: keys(lease)})
			done <- err
		}()
		select {
		case <-stalled:
			s.wantNowhere(t, lease)
			cancel(errEnough)
			if err := <-done; !errors.Is(err, errEnough) {
				t.Errorf("%v, want the cause", err)
			}
		case err := <-done:
			cancel(nil)
			t.Fatalf("the pull ended: %v", err)
		}
		s.wantNowhere(t, lease)
	}
	lease := withPassword("ana", goodPassword)
	p, err := s.engine.Pull(t.Context(), engine.PullRequest{Image: i, Keychain: keys(lease)})
	if err != nil {
		t.Fatal(err)
	}
	p.Release()
	s.wantNowhere(t, lease)
}

// wantNowhere looks through the files of the engine and of whoever runs the test.
func (s *shop) wantNowhere(t *testing.T, l fairlead.Lease) {
	t.Helper()
	secrets := []string{string(l.Password.Reveal()), string(l.Bearer.Reveal()), base64.StdEncoding.EncodeToString([]byte(l.Username + ":" + string(l.Password.Reveal())))}
	dirs := s.kind.Files(s.place)
	if home, err := os.UserHomeDir(); err == nil {
		dirs = append(dirs, filepath.Join(home, ".docker"))
	}
	looked := 0
	for _, top := range dirs {
		// What goes away meanwhile, or isn't there, is looked at no more.
		_ = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil //nolint:nilerr // See above.
			}
			b, _ := os.ReadFile(path)
			looked++
			for _, secret := range secrets {
				if secret != "" && strings.Contains(string(b), secret) {
					t.Errorf("the login is in %s", path)
				}
			}
			return nil
		})
	}
	if looked == 0 {
		t.Errorf("there is no file in %v", dirs)
	}
}
