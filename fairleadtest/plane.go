// Package fairleadtest runs a whole control plane inside of a test: store, keys,
// services and doors, at an address of this machine. It is for the tests of programs
// that use package client, and for Fairlead's own.
package fairleadtest

import (
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/seal"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/wire"
)

// Password is what every user of a [Plane] logs in with.
const Password = "correct horse battery"

// keyFile is where a plane keeps its key-encryption keys, below its directory.
const keyFile = "key.json"

// Plane is a control plane that has been set up: there is an organization "acme", and
// "ann" is its administrator.
type Plane struct {
	*server.Server
	// URL is where it answers.
	URL string
	// Data is its directory.
	Data string
	// Ann is the administrator's client.
	Ann *client.Client
	// Log is all that it has written to its log.
	Log *Buffer

	tb testing.TB
}

// Option sets something of a plane before it starts.
type Option func(*server.Options)

// WithDatabase keeps the state in PostgreSQL.
func WithDatabase(url string) Option { return func(o *server.Options) { o.Database = url } }

// WithHold sets how long a worker holds a run.
func WithHold(d time.Duration) Option { return func(o *server.Options) { o.Hold = d } }

// WithClock has the plane live by a clock that the test moves.
func WithClock(c *Clock) Option { return func(o *server.Options) { o.Now = c.Now } }

// WithPreflight has the plane look at the image of each run before it is queued.
func WithPreflight() Option { return func(o *server.Options) { o.Preflight = true } }

// AllowHosts lets registries have these hosts; by default those of this machine may.
func AllowHosts(hosts ...string) Option { return func(o *server.Options) { o.AllowHosts = hosts } }

// WithoutLog has the plane write no log, for measurements.
func WithoutLog() Option {
	return func(o *server.Options) { o.Log = slog.New(slog.DiscardHandler) }
}

// WithStoreBetween puts something between the services and their store.
func WithStoreBetween(between func(fairlead.Store) fairlead.Store) Option {
	return func(o *server.Options) { o.Between = between }
}

// WithData keeps what is on this machine in a directory of the test's.
func WithData(dir string) Option { return func(o *server.Options) { o.Data = dir } }

// Start starts a plane and sets it up. It ends with the test.
func Start(tb testing.TB, options ...Option) *Plane {
	tb.Helper()
	p := Open(tb, options...)
	link, err := p.Identity.NewSetUpLink(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	s, err := client.Do(tb.Context(), p.Anybody(), wire.SetUp, wire.SetUpRequest{
		Link: wire.Clear{Secret: link}, Organization: "acme", Name: "ann", Password: wire.Clear{Secret: fairlead.SecretText(Password)},
	})
	if err != nil {
		tb.Fatal(err)
	}
	p.Ann = p.As(s.Token.Secret)
	return p
}

// Open starts a plane that nobody has set up, or one over data that is there already.
func Open(tb testing.TB, options ...Option) *Plane {
	tb.Helper()
	p := &Plane{tb: tb, Log: &Buffer{}}
	front := httptest.NewUnstartedServer(nil)
	o := server.Options{
		PublicURL: "http://" + front.Listener.Addr().String(),
		Now:       time.Now, AllowHosts: []string{"127.0.0.0/8", "::1/128", "localhost"}, Version: "test",
		Log: slog.New(slog.NewJSONHandler(p.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, set := range options {
		set(&o)
	}
	if o.Data == "" {
		o.Data = tb.TempDir()
	}
	p.Data = o.Data
	key := filepath.Join(o.Data, keyFile)
	o.Keys = func() (*seal.Ring, error) { return seal.ReadKeyFile(key) }
	o.MakeKeys = func() (*seal.Ring, error) { return seal.CreateKeyFile(key) }
	s, err := server.Open(tb.Context(), o)
	if err != nil {
		front.Close()
		tb.Fatal(err)
	}
	p.Server, p.URL = s, o.PublicURL
	front.Config.Handler = s
	front.Start()
	tb.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return p
}

// CopyKeys brings a plane's key file to the directory of another that is to share its
// database.
func CopyKeys(tb testing.TB, from *Plane, data string) {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(from.Data, keyFile))
	if err == nil {
		err = os.WriteFile(filepath.Join(data, keyFile), b, 0o600)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// Anybody gives a client without a token.
func (p *Plane) Anybody() *client.Client { return p.As(fairlead.Secret{}) }

// As gives a client with a token.
func (p *Plane) As(token fairlead.Secret) *client.Client {
	p.tb.Helper()
	c, err := client.New(p.URL, client.WithToken(token))
	if err != nil {
		p.tb.Fatal(err)
	}
	return c
}

// User invites a user into an organization, has them join, and gives their client.
func (p *Plane) User(by *client.Client, org, name fairlead.Name, role fairlead.Role) *client.Client {
	p.tb.Helper()
	m, err := client.Do(p.tb.Context(), by, wire.AddMember, wire.MemberRequest{
		OrganizationPath: wire.OrganizationPath{Organization: org}, Name: string(name), Role: role,
	})
	if err != nil {
		p.tb.Fatal(err)
	}
	s, err := client.Do(p.tb.Context(), p.Anybody(), wire.Join, wire.JoinRequest{Link: m.Link, Password: wire.Clear{Secret: fairlead.SecretText(Password)}})
	if err != nil {
		p.tb.Fatal(err)
	}
	return p.As(s.Token.Secret)
}

// Organization makes another organization and gives its administrator's client.
func (p *Plane) Organization(org, admin fairlead.Name) *client.Client {
	p.tb.Helper()
	// The administrator is invited by ann to be somebody, makes the organization, and
	// leaves ann's.
	c := p.User(p.Ann, "acme", admin, fairlead.Member)
	if _, err := client.Do(p.tb.Context(), c, wire.CreateOrganization, wire.OrganizationRequest{Name: string(org)}); err != nil {
		p.tb.Fatal(err)
	}
	path := wire.MemberPath{OrganizationPath: wire.OrganizationPath{Organization: "acme"}, User: admin}
	if _, err := client.Do(p.tb.Context(), p.Ann, wire.RemoveMember, path); err != nil {
		p.tb.Fatal(err)
	}
	return c
}

// Worker makes a worker of an organization and gives its client.
func (p *Plane) Worker(by *client.Client, org, name fairlead.Name) *client.Client {
	p.tb.Helper()
	w, err := client.Do(p.tb.Context(), by, wire.AddWorker, wire.WorkerRequest{
		OrganizationPath: wire.OrganizationPath{Organization: org}, Name: string(name),
	})
	if err != nil {
		p.tb.Fatal(err)
	}
	return p.As(w.Token.Secret)
}

// Must asks for an operation that has to succeed.
func Must[In, Out any](tb testing.TB, c *client.Client, op wire.Operation[In, Out], in In) Out {
	tb.Helper()
	out, err := client.Do(tb.Context(), c, op, in)
	if err != nil {
		tb.Fatalf("%s: %v", op.ID, err)
	}
	return out
}

// Clock is a clock that stands still until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock makes a clock that shows a time.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now reads it.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Move moves it.
func (c *Clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Buffer collects what is written to it, from any goroutine.
type Buffer struct {
	mu sync.Mutex
	b  []byte
}

// Write adds to it.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b = append(b.b, p...)
	return len(p), nil
}

// String is all that was written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.b)
}
