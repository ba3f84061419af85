package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/api"
	"fairlead.dev/fairlead/internal/broker"
	"fairlead.dev/fairlead/internal/cache"
	"fairlead.dev/fairlead/internal/control"
	"fairlead.dev/fairlead/internal/deploy"
	"fairlead.dev/fairlead/internal/depot"
	"fairlead.dev/fairlead/internal/diagnose"
	"fairlead.dev/fairlead/internal/gateway"
	"fairlead.dev/fairlead/internal/identity"
	"fairlead.dev/fairlead/internal/issuer"
	"fairlead.dev/fairlead/internal/metrics"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/postgres"
	"fairlead.dev/fairlead/internal/proof"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/provider/awsecr"
	"fairlead.dev/fairlead/internal/provider/azurecontainerregistry"
	"fairlead.dev/fairlead/internal/provider/docker"
	"fairlead.dev/fairlead/internal/provider/dockerhub"
	"fairlead.dev/fairlead/internal/provider/gcpartifactregistry"
	"fairlead.dev/fairlead/internal/provider/jfrogartifactory"
	"fairlead.dev/fairlead/internal/renewal"
	"fairlead.dev/fairlead/internal/replica"
	"fairlead.dev/fairlead/internal/runs"
	"fairlead.dev/fairlead/internal/seal"
	"fairlead.dev/fairlead/internal/sqlite"
	"fairlead.dev/fairlead/internal/survey"
	"fairlead.dev/fairlead/internal/together"
	"fairlead.dev/fairlead/internal/vault"
	"fairlead.dev/fairlead/internal/watch"
	"fairlead.dev/fairlead/internal/web"
	"fairlead.dev/fairlead/internal/webhook"
)

// Server is a control plane. It is an http.Handler: the doors.
type Server struct {
	Store    fairlead.Store
	Identity *identity.Identity
	Control  *control.Control
	Vault    *vault.Vault
	Runs     *runs.Runs
	Watch    *watch.Watch
	Webhooks *webhook.Webhooks
	// Gateway is the pull-through cache; nil if there is none.
	Gateway *gateway.Gateway
	// Issuer signs subject tokens; nil if the server's public address isn't https.
	Issuer *issuer.Issuer

	opts    Options
	handler http.Handler
	lock    *os.File
	depot   *depot.Depot
	catalog *cache.Catalog
	cache   *cache.Cache
	metrics *metrics.Metrics
	// operator is the door of this machine alone.
	operator http.Handler
	replica  *replica.Replica
}

// Providers are the families that there are. Without tools they describe themselves and
// check what they are given, and log in to nothing that needs a request of their own.
func Providers(t provider.Tools) provider.Set {
	return provider.Set{
		awsecr.New(t), gcpartifactregistry.New(t), azurecontainerregistry.New(t), dockerhub.New(t), jfrogartifactory.New(t), docker.New(t),
	}
}

// Open makes a control plane ready. What it opened is closed by [Server.Close], and on
// an error before it returns.
func Open(ctx context.Context, o Options) (_ *Server, err error) {
	if o.Hold == 0 {
		o.Hold = DefaultHold
	}
	if o.ExpiryNotice == 0 {
		o.ExpiryNotice = DefaultExpiryNotice
	}
	s := &Server{opts: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return nil, &fairlead.Error{Kind: fairlead.Unavailable, What: "making data directory " + o.Data, Why: reason(err), Remedy: "name another with --data"}
	}
	if s.lock, err = lockDir(o.Data); err != nil {
		return nil, err
	}
	if s.Store, err = OpenStore(ctx, o); err != nil {
		return nil, err
	}
	if o.Between != nil {
		s.Store = o.Between(s.Store)
	}
	s.metrics = s.newMetrics(ctx)
	s.Store = s.metrics.Store(together.NewStore(s.Store))
	ring, err := keys(ctx, s.Store, o)
	if err != nil {
		return nil, err
	}
	return s, s.assemble(ctx, ring)
}

// OpenStore opens the database that the options name.
func OpenStore(ctx context.Context, o Options) (fairlead.Store, error) {
	switch {
	case o.Database == "":
		return sqlite.Open(ctx, filepath.Join(o.Data, "fairlead.db"), sqlite.Options{Now: o.Now})
	case strings.HasPrefix(o.Database, "postgres://"), strings.HasPrefix(o.Database, "postgresql://"):
		return postgres.Open(ctx, o.Database, postgres.Options{Now: o.Now})
	default:
		return nil, &fairlead.Error{
			Kind: fairlead.Invalid, Field: "database", What: "opening store", Why: "the database's URL is none that Fairlead knows",
			Remedy: "give --database postgres://USER@HOST/NAME, or leave it out for SQLite in the data directory",
		}
	}
}

// keys reads the key-encryption keys, and makes them at the first start: never while
// something is sealed with keys that aren't there.
func keys(ctx context.Context, store fairlead.Store, o Options) (*vault.Ring, error) {
	ring, err := vault.NewRing(o.Keys)
	if fairlead.KindOf(err) != fairlead.NotFound || o.MakeKeys == nil {
		return ring, err
	}
	sealed, listErr := store.AllWrappedKeys(ctx)
	if listErr != nil {
		return nil, listErr
	}
	if len(sealed) > 0 {
		return nil, err
	}
	made, err := o.MakeKeys()
	if err != nil {
		return nil, err
	}
	return vault.NewRing(func() (*seal.Ring, error) {
		if made != nil {
			first := made
			made = nil
			return first, nil
		}
		return o.Keys()
	})
}

func (s *Server) assemble(ctx context.Context, ring *vault.Ring) error {
	o := s.opts
	registries, err := oci.New(oci.Options{
		Egress: oci.Egress{Allow: o.AllowHosts}, Proxy: o.Proxy, Now: o.Now, UserAgent: UserAgent(o.Version), Timeouts: oci.Within(o.RegistryTimeout),
	})
	if err != nil {
		return err
	}
	tools, err := s.tools(registries, ring)
	if err != nil {
		return err
	}
	providers := Providers(tools)
	blobs, err := s.blobs(ctx)
	if err != nil {
		return err
	}
	if s.Identity, err = identity.New(s.Store, o.Now); err != nil {
		return err
	}
	s.Vault = vault.New(s.Store, providers, ring, o.Now)
	if err := s.Vault.Check(ctx); err != nil {
		return err
	}
	opener := renewal.New(s.Store, providers, s.Vault, o.Now)
	leases := broker.New(s.Store, providers, opener, registries, o.Now)
	leases.Observe(s.metrics.Leased)
	s.Control = control.New(s.Store, s.Identity, providers, s.Vault, o.Now)
	doctor := diagnose.New(diagnose.Options{Store: s.Store, Leases: leases, Registries: registries, Providers: providers, Now: o.Now, Gateway: !o.NoGateway})
	s.Runs = runs.New(s.Store, s.Control, leases, blobs, runs.Options{Now: o.Now, Hold: o.Hold, Doctor: doctor, Preflight: o.Preflight, Undiagnosed: o.Undiagnosed})
	prover := proof.New(s.Store, providers, opener, registries, o.Now)
	s.Watch = watch.New(s.Store, s.Vault, prover, leases, watch.Options{Now: o.Now, Log: o.Log, Every: o.VerifyEvery, Notice: o.ExpiryNotice})
	s.Webhooks = webhook.New(s.Store, s.Vault, webhook.Options{
		Now: o.Now, Log: o.Log, HTTP: tools.HTTP, PlainHTTP: registries.Allowed, UserAgent: UserAgent(o.Version),
	})
	options := api.Options{
		Identity: s.Identity, Control: s.Control, Vault: s.Vault, Leases: leases, Runs: s.Runs, Providers: providers,
		Watch: s.Watch, Webhooks: s.Webhooks, Survey: survey.New(providers, opener), Browser: survey.NewBrowser(s.Store, providers, opener, registries),
		Repositories: deploy.New(s.Store, providers, opener), Doctor: doctor,
		Log: o.Log, Now: o.Now, PublicURL: o.PublicURL, Version: o.Version, Ready: s.Store.Ping,
		Observe: s.metrics.Route,
	}
	if s.Issuer != nil {
		options.Issuer = s.Issuer
	}
	if !o.NoGateway {
		if s.Gateway, err = s.gateway(ctx, leases, registries); err != nil {
			return err
		}
		options.Gateway, options.Cache = s.Gateway, s.cache
	}
	door, err := api.New(options)
	if err != nil {
		return err
	}
	s.operator = door.Operator()
	pages, err := web.New(web.Options{SetUp: s.Control, Join: s.Identity, Document: door.Document(), PublicURL: o.PublicURL, Version: o.Version})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", pages)
	for _, path := range []string{"/api/", "/healthz", "/readyz", "/openapi.json", issuer.DiscoveryPath, issuer.KeysPath} {
		mux.Handle(path, door)
	}
	mux.Handle("GET "+MetricsPath, s.guarded())
	s.handler = s.split(mux)
	return nil
}

// tools are what the families work with. Without a public https address the server is
// no issuer.
func (s *Server) tools(registries *oci.Client, ring *vault.Ring) (provider.Tools, error) {
	web, err := registries.Web(true)
	if err != nil {
		return provider.Tools{}, err
	}
	t := provider.Tools{HTTP: web, Now: s.opts.Now}
	if s.opts.InstanceLogins {
		t.Instance = registries.Machine()
	}
	// A vault without providers: it keeps the issuer's keys, and opens no connector.
	if made, err := issuer.New(s.opts.PublicURL, vault.New(s.Store, nil, ring, s.opts.Now), s.opts.Now); err == nil {
		s.Issuer, t.Issuer = made, made
	}
	return t, nil
}

// UserAgent is how Fairlead names itself to registries.
func UserAgent(version string) string { return fmt.Sprintf("fairlead/%s", version) }

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close closes the store and lets another process have the data directory.
func (s *Server) Close() error {
	var err error
	if s.Runs != nil {
		s.Runs.Close()
	}
	if s.Gateway != nil {
		s.Gateway.Close()
	}
	if s.catalog != nil {
		err = s.catalog.Close()
	}
	if s.depot != nil {
		err = errors.Join(err, s.depot.Close())
	}
	if s.replica != nil {
		s.replica.Close()
	}
	if s.Store != nil {
		err = errors.Join(err, s.Store.Close())
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}
