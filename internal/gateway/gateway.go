package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/identity"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

// Leases gives logins, and says which entries they are of: the broker.
type Leases interface {
	Lease(ctx context.Context, a fairlead.Asker, s fairlead.Scope) (fairlead.Lease, error)
	Refused(id string)
	Coverage(ctx context.Context, org fairlead.OrganizationID, i ref.Image) (fairlead.Coverage, error)
	HostOf(ctx context.Context, org fairlead.OrganizationID, name fairlead.Name) (host string, ok bool, err error)
}

// Organizations gives an organization's name.
type Organizations func(ctx context.Context, id fairlead.OrganizationID) (fairlead.Name, error)

// Held gives on whose behalf a worker pulls the image of a run that it holds; an error if
// it doesn't hold it under that fence.
type Held func(ctx context.Context, who fairlead.Caller, run fairlead.RunID, fence int64) (fairlead.Asker, error)

// Origins remembers which hosts have proved to have a blob.
type Origins interface {
	OriginsOf(ctx context.Context, digest fairlead.Digest) ([]fairlead.Origin, error)
	PutOrigin(ctx context.Context, o fairlead.Origin) error
}

// Catalog remembers under which names an organization has images. What it gives is where
// the use of one is noted: Unix time, in seconds.
type Catalog interface {
	Seen(org fairlead.OrganizationID, r ref.Resource, reference string, digest fairlead.Digest) *atomic.Int64
}

// Options are what the gateway stands on, and its settings.
type Options struct {
	Identity      *identity.Identity
	Leases        Leases
	Registries    *oci.Client
	Depot         Depot
	Origins       Origins
	Catalog       Catalog
	Organizations Organizations
	Held          Held
	// Record writes an event.
	Record func(ctx context.Context, ev fairlead.Event) error
	// Secret is the house's, for the gateway's own tokens: the same on every replica.
	Secret fairlead.Secret
	Log    *slog.Logger
	Now    func() time.Time
	// Peers reaches the other servers of the house.
	Peers http.RoundTripper
	// PublicURL is where people reach the gateway, without a slash at its end.
	PublicURL string

	Settings
}

// Settings are what an operator can set.
type Settings struct {
	// TagLife is for how long a tag isn't asked for again.
	TagLife time.Duration
	// Grace is how long after that a tag is served while it is being asked for.
	Grace time.Duration
	// GrantLife is for how long an upstream's yes holds.
	GrantLife time.Duration
	// StaleLimit is for how long what was granted is served while the upstream doesn't
	// answer.
	StaleLimit time.Duration
	// Budget is how long somebody waits for an upstream where there is an older answer.
	Budget time.Duration
	// Hub serves names without a registry out of Docker Hub.
	Hub bool
}

// Default gives the settings that hold if nothing else is said.
func Default() Settings {
	return Settings{
		TagLife: 30 * time.Second, Grace: 30 * time.Second, GrantLife: 10 * time.Minute,
		StaleLimit: 24 * time.Hour, Budget: 2 * time.Second,
	}
}

// Gateway is the door. It is safe for concurrent use.
type Gateway struct {
	opts    Options
	logins  *logins
	shelf   *shelf
	origins *origins
	counts  *counts
	since   time.Time // when counting began
	replies replies

	mu    sync.RWMutex
	rooms map[roomKey]*room
	names map[nameKey]*alias
	hosts map[hostKey]*host

	work sync.WaitGroup // what goes on behind the backs of clients

	prefix string // of requests' identifiers
	serial atomic.Uint64
}

// New makes a gateway.
func New(o Options) *Gateway {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return &Gateway{
		opts:    o,
		logins:  &logins{ids: o.Identity, passes: newPasses(o.Secret), names: o.Organizations, held: o.Held, now: o.Now, seen: map[[32]byte]*proof{}},
		shelf:   newShelf(o.Now),
		origins: newOrigins(o.Origins, o.Now),
		counts:  newCounts(),
		since:   o.Now(),
		rooms:   map[roomKey]*room{}, names: map[nameKey]*alias{}, hosts: map[hostKey]*host{},
		prefix: hex.EncodeToString(b[:]),
	}
}

// Close waits for what goes on behind the backs of clients. The depot is closed after it.
func (g *Gateway) Close() { g.work.Wait() }

// request names a request in the log and in events.
func (g *Gateway) request() string {
	return g.prefix + strconv.FormatUint(g.serial.Add(1), 16)
}

// ServeHTTP answers a client of registries.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Docker-Distribution-Api-Version"] = apiVersion
	h["X-Content-Type-Options"] = noSniff
	t, no := parse(r.URL)
	s, err := g.logins.session(r.Context(), authorization(r), "", "")
	if err != nil {
		g.unproven(w, r, t, err)
		return
	}
	s.asker.Who.From = r.RemoteAddr
	if no == nil {
		no = g.admit(w, r, t, &s)
	}
	if no != nil {
		g.refused(w, r, t, s, no)
	}
}

func authorization(r *http.Request) string {
	if list := r.Header["Authorization"]; len(list) == 1 {
		return list[0]
	}
	return ""
}

// admit answers a request of somebody who is known.
func (g *Gateway) admit(w http.ResponseWriter, r *http.Request, t target, s *session) *refusal {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return unsupported()
	}
	switch t.kind {
	case root:
		h := w.Header()
		h["Content-Type"], h["Content-Length"], h["Cache-Control"] = jsonType, two, noStore
		w.WriteHeader(http.StatusOK)
		if r.Method == http.MethodGet {
			_, _ = w.Write(emptyObject) // whoever has left needs no reply
		}
		g.note(r, t, *s, http.StatusOK, nil)
		return nil
	case uploads:
		return unsupported()
	default:
	}
	room, no := g.enter(r.Context(), s, t)
	if no != nil {
		return no
	}
	if !s.may(t.name, room.resource) {
		return &refusal{code: wire.Unauthorized, message: "the token is for another repository", cause: errScope}
	}
	if err := s.asker.May(fairlead.Pull); err != nil {
		g.recordDenied(r, s, t)
		return refuse(err, t.kind)
	}
	switch t.kind {
	case manifests:
		return g.serveManifest(w, r, t, s, room)
	case blobs:
		return g.serveBlob(w, r, t, s, room)
	case tags:
		return g.serveTags(w, r, t, s, room)
	case referrers:
		return g.serveReferrers(w, r, t, s, room)
	default:
		return noRoute()
	}
}

func unsupported() *refusal {
	return &refusal{code: wire.Unsupported, message: "the gateway is for pulling", remedy: "push to the registry itself"}
}

// unproven asks for a login, or says why the one that was shown isn't taken.
func (g *Gateway) unproven(w http.ResponseWriter, r *http.Request, t target, err error) {
	no := refuse(err, t.kind)
	if no.code == wire.Unauthorized {
		reason := ""
		if authorization(r) != "" {
			reason = "invalid_token"
		}
		g.challenge(w.Header(), r, t, reason)
	}
	no.write(w, r, g.opts.Now())
	g.note(r, t, session{}, wire.DistributionStatus(no.code), no)
}

func (g *Gateway) refused(w http.ResponseWriter, r *http.Request, t target, s session, no *refusal) {
	if no.cause == errScope { //nolint:errorlint // It is put there as it is.
		g.challenge(w.Header(), r, t, "insufficient_scope")
	}
	no.write(w, r, g.opts.Now())
	g.note(r, t, s, wire.DistributionStatus(no.code), no)
}
