package conform

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/pattern"
)

// house is a store with the means to furnish it.
type house struct{ fairlead.Store }

// tester is what testing and rapid have in common.
type tester interface {
	Helper()
	Context() context.Context
	Log(args ...any)
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// step is a change without its event.
type step = func(ctx context.Context, w fairlead.Writer) error

// do writes a change with an event of no organization.
func (h house) do(t tester, change step) error {
	t.Helper()
	return h.Write(t.Context(), func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return fairlead.Event{Action: fairlead.SetUp, By: fairlead.System().Subject, Allowed: true}, change(ctx, w)
	})
}

func (h house) must(t tester, change step) {
	t.Helper()
	if err := h.do(t, change); err != nil {
		t.Fatal(err)
	}
}

// refused expects an error of the change, of the kind and code.
func (h house) refused(t tester, kind fairlead.Kind, code fairlead.Code, change step) {
	t.Helper()
	wantKind(t, h.do(t, change), kind, code)
}

func wantKind(t tester, err error, kind fairlead.Kind, code fairlead.Code) {
	t.Helper()
	if fairlead.KindOf(err) != kind || fairlead.CodeOf(err) != code {
		t.Errorf("the error is %q %q (%v), want %q %q", fairlead.KindOf(err), fairlead.CodeOf(err), err, kind, code)
	}
}

func wantMissing[T any](t tester, _ T, err error) {
	t.Helper()
	wantKind(t, err, fairlead.NotFound, "")
}

// same compares what came back. Lists must be nil when they are empty.
func same(t tester, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b pattern.Pattern) bool { return a == b }), cmpopts.IgnoreUnexported(fairlead.Error{})); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// ok gives v, and ends the test for an error.
func ok[T any](v T, err error) func(t tester) T {
	return func(t tester) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// at is a time some minutes after Now, to the microsecond.
func at(minutes int) time.Time {
	return Now().Add(time.Duration(minutes)*time.Minute + time.Microsecond)
}

// fine is a time finer than a store keeps, in another zone; coarse is what comes back.
func fine(t time.Time) time.Time {
	return t.Add(789 * time.Nanosecond).In(time.FixedZone("UTC+5:30", 5*3600+1800))
}

// strange are texts that a database may stumble over. They come back as they are.
func strange() []string {
	return []string{
		"", " ", "'; DROP TABLE runs; --", `{"a": "\"b\""}`, "Größe 日本 🐙 e\u0301", "\u0001\u007f\t\n\r", "%_?$1 {run}", "\U0010FFFF",
		strings.Repeat("long ", 1<<16),
	}
}

// nowhere are identifiers that nothing has.
func nowhere() []string {
	return []string{"", newID(), "not an identifier", "'", "\x00", "\xff", strings.Repeat("x", 1<<16)}
}

func (h house) newOrganization(t tester, name fairlead.Name) fairlead.Organization {
	t.Helper()
	o := fairlead.Organization{ID: fairlead.OrganizationID(newID()), Name: name, Created: at(0)}
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddOrganization(ctx, o) })
	return o
}

func (h house) newUser(t tester, name fairlead.Name) fairlead.User {
	t.Helper()
	u := fairlead.User{ID: fairlead.UserID(newID()), Name: name, Email: string(name) + "@example.com", Password: "$argon2id$", Created: at(0)}
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddUser(ctx, u) })
	return u
}

func (h house) newMember(t tester, o fairlead.Organization, u fairlead.User, role fairlead.Role) {
	t.Helper()
	h.must(t, func(ctx context.Context, w fairlead.Writer) error {
		return w.PutMember(ctx, fairlead.Membership{Organization: o.ID, User: u.ID, Role: role, Since: at(1)})
	})
}

// newProject adds a project of an organization or a user: one of them has a name.
func (h house) newProject(t tester, o fairlead.Organization, u fairlead.User, name fairlead.Name) fairlead.Project {
	t.Helper()
	p := fairlead.Project{ID: fairlead.ProjectID(newID()), Name: name, Organization: o.ID, User: u.ID, Owner: o.Name + u.Name, Created: at(2)}
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddProject(ctx, p) })
	return p
}

func (h house) newWorker(t tester, o fairlead.Organization, name fairlead.Name) fairlead.Worker {
	t.Helper()
	k := fairlead.Worker{ID: fairlead.WorkerID(newID()), Name: name, Organization: o.ID, Created: at(3), Engine: "docker"}
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddWorker(ctx, k) })
	return k
}

// sealed makes secret fields of the version.
func sealed(version int64, fields ...string) []fairlead.SealedField {
	list := make([]fairlead.SealedField, 0, len(fields))
	for _, f := range fields {
		list = append(list, fairlead.SealedField{Field: f, Version: version, Sealed: []byte("\x00sealed " + f + "\xff")})
	}
	return list
}

// newConnector adds a connector with the secret fields, which are named in order.
func (h house) newConnector(t tester, o fairlead.Organization, name fairlead.Name, fields ...string) fairlead.Connector {
	t.Helper()
	c := fairlead.Connector{
		ID: fairlead.ConnectorID(newID()), Organization: o.ID, Name: name, Family: "docker", Method: "password",
		Public: map[string]string{"username": "me"}, Created: at(4), Updated: at(4),
	}
	h.must(t, func(ctx context.Context, w fairlead.Writer) error {
		return w.AddConnector(ctx, c, sealed(1, fields...))
	})
	c.Version, c.Secrets = 1, fields
	return c
}

func parsePattern(t tester, s string) pattern.Pattern {
	t.Helper()
	p, err := pattern.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (h house) newRegistry(t tester, o fairlead.Organization, name fairlead.Name, covers string, c fairlead.Connector) fairlead.Registry {
	t.Helper()
	g := fairlead.Registry{
		ID: fairlead.RegistryID(newID()), Organization: o.ID, Name: name, Pattern: parsePattern(t, covers),
		Connector: c.ID, Disclosure: fairlead.Scoped, Created: at(5), Updated: at(5),
	}
	h.must(t, func(ctx context.Context, w fairlead.Writer) error { return w.AddRegistry(ctx, g) })
	g.Version, g.ConnectorName = 1, c.Name
	return g
}

func runOf(p fairlead.Project) fairlead.Run {
	return fairlead.Run{
		ID: fairlead.RunID(newID()), Project: p.ID, Organization: p.Organization, State: fairlead.Queued,
		Spec:    fairlead.RunSpec{Step: "train", Image: "reg.io/team/app:v1", Interpreter: []string{"/bin/sh"}, Script: "true"},
		Creator: fairlead.Subject{Kind: fairlead.UserSubject, ID: newID(), Name: "ada"}, Created: at(6),
	}
}

// newRun adds a queued run; with changes it first.
func (h house) newRun(t tester, p fairlead.Project, with ...func(*fairlead.Run)) fairlead.Run {
	t.Helper()
	r := runOf(p)
	for _, change := range with {
		change(&r)
	}
	h.must(t, func(ctx context.Context, w fairlead.Writer) (err error) {
		r, err = w.AddRun(ctx, r)
		return err
	})
	return r
}

// claim claims a run until the minute.
func (h house) claim(t tester, k fairlead.Worker, until int) (r fairlead.Run, err error) {
	t.Helper()
	err = h.do(t, func(ctx context.Context, w fairlead.Writer) (err error) {
		r, err = w.ClaimRun(ctx, k, at(10), at(until))
		return err
	})
	return r, err
}

func (h house) lose(t tester, now int) (r fairlead.Run, err error) {
	t.Helper()
	err = h.do(t, func(ctx context.Context, w fairlead.Writer) (err error) {
		r, err = w.LoseRun(ctx, at(now))
		return err
	})
	return r, err
}

func (h house) update(t tester, r fairlead.Run, with ...func(*fairlead.Run)) error {
	t.Helper()
	for _, change := range with {
		change(&r)
	}
	return h.do(t, func(ctx context.Context, w fairlead.Writer) error { return w.UpdateRun(ctx, r) })
}

// events counts the events of no organization.
func (h house) events(t tester) int {
	t.Helper()
	return len(ok(h.EventsWhere(t.Context(), fairlead.EventQuery{Limit: 1000}))(t).Events)
}

func (h house) revision(t tester, o fairlead.Organization) int64 {
	t.Helper()
	return ok(h.Revision(t.Context(), o.ID))(t)
}

func nameOf(prefix string, n int) fairlead.Name {
	return fairlead.Name(fmt.Sprintf("%s-%04d", prefix, n))
}
