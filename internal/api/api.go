// Package api is the JSON door: it reads requests, finds out who asks, hands both to
// the floor below, and writes what comes back. No rule lives here.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/control"
	"fairlead.dev/fairlead/internal/deploy"
	"fairlead.dev/fairlead/internal/diagnose"
	"fairlead.dev/fairlead/internal/identity"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/runs"
	"fairlead.dev/fairlead/internal/survey"
	"fairlead.dev/fairlead/internal/vault"
	"fairlead.dev/fairlead/internal/watch"
	"fairlead.dev/fairlead/internal/webhook"
)

// Leases gives logins: the broker.
type Leases interface {
	Lease(ctx context.Context, a fairlead.Asker, s fairlead.Scope) (fairlead.Lease, error)
	Refused(id string)
}

// Gateway gives workers logins to the server's own gateway.
type Gateway interface {
	Lease(ctx context.Context, a fairlead.Asker, fence int64) (fairlead.Lease, error)
}

// Issuer is Fairlead as an OpenID Connect provider.
type Issuer interface {
	URL() string
	Discovery() ([]byte, error)
	Keys(ctx context.Context) ([]byte, error)
}

// Options are what the door opens to.
type Options struct {
	Identity *identity.Identity
	Control  *control.Control
	Vault    *vault.Vault
	Leases   Leases
	Runs     *runs.Runs
	Watch    *watch.Watch
	Webhooks *webhook.Webhooks
	Survey   *survey.Survey
	// Browser looks at the images of repositories.
	Browser *survey.Browser
	// Repositories makes and removes repositories at the providers.
	Repositories *deploy.Repositories
	Doctor       *diagnose.Doctor
	Providers    provider.Set
	// Log is written to once for each request.
	Log *slog.Logger
	Now func() time.Time
	// PublicURL is what links for people begin with, without a slash at its end.
	PublicURL string
	// Issuer signs subject tokens; nil if there is none.
	Issuer Issuer
	// Gateway is nil if the server has none.
	Gateway Gateway
	// BodyTime is how long a JSON body may take to come; 0 is [DefaultBodyTime].
	BodyTime time.Duration
	// Version is the build's, for the OpenAPI document.
	Version string
	// Ready says why the server can't work just now, nil if it can.
	Ready func(ctx context.Context) error
}

// DefaultBodyTime is how long a JSON body may take to come, if nothing else is said: at
// 70 kB/s the greatest one that is read has come.
const DefaultBodyTime = 30 * time.Second

// API is the door. It is an http.Handler.
type API struct {
	Options
	mux     *http.ServeMux
	schemas huma.Registry
	doc     *huma.OpenAPI
	json    []byte // the OpenAPI document
}

// New builds the door's routes and their document.
func New(o Options) (*API, error) {
	if o.BodyTime == 0 {
		o.BodyTime = DefaultBodyTime
	}
	a := &API{Options: o, mux: http.NewServeMux(), schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)}
	a.doc = a.newDocument()
	a.routes()
	return a, a.finishDocument()
}

// policy lets a browser that was led here load nothing, and frame nothing (Content
// Security Policy Level 3): what is answered is never a page.
const policy = "default-src 'none'; frame-ancestors 'none'"

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", policy)
	a.mux.ServeHTTP(w, r)
}

// Document is the OpenAPI document of the routes.
func (a *API) Document() *huma.OpenAPI { return a.doc }

func (a *API) routes() {
	a.identityRoutes()
	a.organizationRoutes()
	a.registryRoutes()
	a.stackRoutes()
	a.webhookRoutes()
	a.valohaiRoutes()
	a.projectRoutes()
	a.runRoutes()
	a.workRoutes()
	a.diagnoseRoutes()
	a.plainRoutes()
	a.issuerRoutes()
}
