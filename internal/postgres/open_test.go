package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/conform"
	"fairlead.dev/fairlead/internal/pgtest"
)

// admin runs statements in the database at address.
func admin(t *testing.T, address string, statements ...string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := c.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// changed gives address with another part.
func changed(t *testing.T, address string, with func(u *url.URL)) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	with(u)
	return u.String()
}

func add(ctx context.Context, s fairlead.Store, id string) error {
	return s.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return fairlead.Event{Action: fairlead.OrganizationCreate}, w.AddOrganization(ctx, fairlead.Organization{ID: fairlead.OrganizationID(id), Name: fairlead.Name(id)})
	})
}

const secret = "s3cret-p%41ss"

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	password := func(u *url.URL) { u.User = url.UserPassword("fairlead", secret) }
	for name, c := range map[string]struct {
		address func(t *testing.T, address string) string
		kind    fairlead.Kind
		why     string
	}{
		"wrong password": {func(t *testing.T, a string) string { t.Helper(); return changed(t, a, password) }, fairlead.Invalid, "refuses the login of the user fairlead"},
		"no such user": {func(t *testing.T, a string) string {
			t.Helper()
			return changed(t, a, func(u *url.URL) { u.User = url.UserPassword("nobody", secret) })
		}, fairlead.Invalid, "refuses the login of the user nobody"},
		"no such database": {func(t *testing.T, a string) string {
			t.Helper()
			return changed(t, a, func(u *url.URL) { u.Path = "/none" })
		}, fairlead.Invalid, "there is no database none"},
		"nothing listens": {func(t *testing.T, _ string) string {
			t.Helper()
			l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return "postgres://fairlead:" + url.QueryEscape(secret) + "@" + l.Addr().String() + "/db"
		}, fairlead.Unavailable, "nothing listens at 127.0.0.1:"},
		"no such host": {func(*testing.T, string) string {
			return "postgres://fairlead:" + url.QueryEscape(secret) + "@none.invalid/db"
		}, fairlead.Unavailable, "the host none.invalid has no address"},
		"no socket": {func(t *testing.T, _ string) string {
			t.Helper()
			return "postgres://fairlead:" + url.QueryEscape(secret) + "@/db?host=" + t.TempDir()
		}, fairlead.Unavailable, "there is no PostgreSQL socket in /"},
		"not a URL":   {func(*testing.T, string) string { return "postgres://fairlead:" + secret + "%zz@host:port/db" }, fairlead.Invalid, "isn't a postgres:// URL"},
		"another URL": {func(*testing.T, string) string { return "mysql://fairlead:" + secret + "@host/db" }, fairlead.Invalid, "isn't a postgres:// URL"},
		"a list":      {func(*testing.T, string) string { return "host=h user=fairlead password=" + secret }, fairlead.Invalid, "isn't a postgres:// URL"},
		"unknown parameter": {func(*testing.T, string) string {
			return "postgres://fairlead:" + url.QueryEscape(secret) + "@h/db?sslmode=perhaps"
		}, fairlead.Invalid, "can't be read"},
		"another encoding": {func(t *testing.T, a string) string {
			t.Helper()
			admin(t, a, "CREATE DATABASE encoded ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
			t.Cleanup(func() { dropWith(t, a, "DROP DATABASE encoded WITH (FORCE)") })
			return changed(t, a, func(u *url.URL) { u.Path = "/encoded" })
		}, fairlead.Invalid, "the database encoded isn't encoded in UTF-8"},
		"read-only": {func(t *testing.T, a string) string {
			t.Helper()
			return changed(t, a, func(u *url.URL) {
				q := u.Query()
				q.Set("default_transaction_read_only", "on")
				u.RawQuery = q.Encode()
			})
		}, fairlead.Unavailable, "is read-only"},
		"somebody's": {func(t *testing.T, a string) string {
			t.Helper()
			admin(t, a, "CREATE TABLE owners (a int)")
			return a
		}, fairlead.Invalid, "has tables of somebody else"},
		"newer": {func(t *testing.T, a string) string {
			t.Helper()
			admin(t, a, "CREATE TABLE fairlead_schema (version bigint)", "INSERT INTO fairlead_schema VALUES (99)")
			return a
		}, fairlead.Invalid, "its schema is version 99, and this fairlead knows versions up to"},
		"may create nothing": {func(t *testing.T, a string) string {
			t.Helper()
			admin(t, a, "CREATE ROLE visitor LOGIN PASSWORD 's3cret-p%41ss'")
			t.Cleanup(func() { dropWith(t, a, "DROP ROLE visitor") })
			return changed(t, a, func(u *url.URL) { u.User = url.UserPassword("visitor", secret) })
		}, fairlead.Invalid, "the user visitor may not create tables"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(t.Context(), c.address(t, pgtest.URL(t)), Options{Now: conform.Now})
			if err == nil {
				t.Fatal("it opens", s.Close())
			}
			e := fairlead.AsError("", err)
			if e.Kind != c.kind || !strings.Contains(e.Why, c.why) || e.Remedy == "" || e.What != "opening store" {
				t.Errorf("%s: %v; %s", e.Kind, err, e.Remedy)
			}
			t.Log(err, ";", e.Remedy)
			for _, shown := range []string{err.Error(), e.Remedy, fmt.Sprintf("%+v %#v", err, err), chain(err)} {
				if strings.Contains(shown, "s3cret") || strings.Contains(shown, pgtest.Password) {
					t.Errorf("the password is shown: %s", shown)
				}
			}
		})
	}
}

// dropWith runs a statement after the test.
func dropWith(t *testing.T, address, statement string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	c, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := c.Exec(ctx, statement); err != nil {
		t.Error(err)
	}
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
}

// chain is the text of all errors of the chain.
func chain(err error) string {
	var all strings.Builder
	for ; err != nil; err = errors.Unwrap(err) {
		all.WriteString(err.Error())
		if j, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range j.Unwrap() {
				all.WriteString(chain(e))
			}
		}
	}
	return all.String()
}

// TestOpenAtOnce: of several replicas that start at once one makes the schema, and all
// can use it.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			s, err := Open(t.Context(), address, Options{Now: conform.Now, Connections: 2})
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(add(t.Context(), s, "o"+string(rune('a'+i))), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestOpenWithoutClock(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), pgtest.URL(t), Options{})
	if err == nil || s != nil {
		t.Errorf("%v, %v", s, err)
	}
}

// TestDeadlock: two writes that each hold what the other wants; one is run again, and
// both come about.
func TestDeadlock(t *testing.T) {
	t.Parallel()
	s := openFresh(t, direct)
	for _, id := range []string{"a", "b"} {
		if err := add(t.Context(), s, id); err != nil {
			t.Fatal(err)
		}
	}
	var runs [2]int
	var hold, all sync.WaitGroup
	hold.Add(2)
	for i, order := range [2][2]fairlead.OrganizationID{{"a", "b"}, {"b", "a"}} {
		all.Go(func() {
			err := s.Write(t.Context(), func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
				e := fairlead.Event{Action: fairlead.WorkerAdd}
				for n, org := range order {
					id := fmt.Sprintf("%d%s", i, org)
					if err := w.AddWorker(ctx, fairlead.Worker{ID: fairlead.WorkerID(id), Name: fairlead.Name(id), Organization: org}); err != nil {
						return e, err
					}
					if n > 0 {
						continue
					}
					if runs[i]++; runs[i] == 1 {
						hold.Done()
						hold.Wait() // until both hold what they have
					}
				}
				return e, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if runs[0]+runs[1] != 3 {
		t.Errorf("the changes were run %v times", runs)
	}
	page, err := s.EventsWhere(t.Context(), fairlead.EventQuery{Action: fairlead.WorkerAdd})
	events := page.Events
	if err != nil || len(events) != 2 {
		t.Errorf("%d events, %v", len(events), err)
	}
}

// TestAway: when the server ends the connections, a write under way is refused as
// unavailable, and the next finds new ones.
func TestAway(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	s, err := Open(t.Context(), address, Options{Now: conform.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // Not what is tested.
	err = s.Write(t.Context(), func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		admin(t, address, //nolint:contextcheck // The test's.
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		return fairlead.Event{Action: fairlead.OrganizationCreate}, w.AddOrganization(ctx, fairlead.Organization{ID: "a", Name: "a"})
	})
	if fairlead.KindOf(err) != fairlead.Unavailable {
		t.Error(err)
	}
	if err := add(t.Context(), s, "a"); err != nil {
		t.Error(err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
