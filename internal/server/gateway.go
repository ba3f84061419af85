package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/broker"
	"fairlead.dev/fairlead/internal/cache"
	"fairlead.dev/fairlead/internal/depot"
	"fairlead.dev/fairlead/internal/gateway"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/wire"
)

// gatewaySecret is the name of the secret of the house with which the gateway signs its
// passes.
const gatewaySecret = "gateway"

// gateway puts the gateway together.
func (s *Server) gateway(ctx context.Context, leases *broker.Broker, registries *oci.Client) (*gateway.Gateway, error) {
	o := s.opts
	secret, err := s.houseSecret(ctx, gatewaySecret)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(o.Data, "gateway")
	options := depot.Options{
		Dir: dir, Quota: o.GatewayQuota, Now: o.Now, Wait: wait, KeepGoing: o.GatewayKeepGoing,
		OwnerQuota: func(depot.Owner) int64 { return o.GatewayOrganizationQuota },
		Report:     func(err error) { o.Log.WarnContext(ctx, "keeping blobs", "error", err.Error()) },
	}
	if err := s.share(ctx, &options); err != nil {
		return nil, err
	}
	if s.depot, err = depot.Open(ctx, options); err != nil {
		return nil, err
	}
	if s.replica != nil {
		s.replica.Attach(s.depot)
	}
	if s.catalog, err = cache.OpenCatalog(dir); err != nil {
		return nil, err
	}
	g := gateway.New(gateway.Options{
		Identity: s.Identity, Leases: leases, Registries: registries, Depot: shelves{s.depot}, Origins: s.Store, Catalog: s.catalog,
		Organizations: func(ctx context.Context, id fairlead.OrganizationID) (fairlead.Name, error) {
			org, err := s.Store.Organization(ctx, id)
			return org.Name, err
		},
		Held: s.Runs.Asker,
		Record: func(ctx context.Context, ev fairlead.Event) error {
			return s.Store.Write(ctx, func(context.Context, fairlead.Writer) (fairlead.Event, error) { return ev, nil })
		},
		Peers: peers(), Secret: secret, Log: o.Log, Now: o.Now, PublicURL: o.PublicURL, Settings: filled(o.Gateway),
	})
	s.cache = cache.New(cache.Options{
		Depot: s.depot, Door: g, Catalog: s.catalog, Store: s.Store, Now: o.Now, Address: hostOf(o.PublicURL),
		Quota: func(fairlead.OrganizationID) int64 { return o.GatewayOrganizationQuota },
	})
	return g, nil
}

// hostOf is the host of the public URL, as it stands in front of an image's name.
func hostOf(public string) string {
	u, err := url.Parse(public)
	if err != nil {
		return ""
	}
	return u.Host
}

// filled gives settings that aren't set their defaults.
func filled(set gateway.Settings) gateway.Settings {
	d := gateway.Default()
	set.TagLife, set.Grace = cmp.Or(set.TagLife, d.TagLife), cmp.Or(set.Grace, d.Grace)
	set.GrantLife, set.StaleLimit = cmp.Or(set.GrantLife, d.GrantLife), cmp.Or(set.StaleLimit, d.StaleLimit)
	set.Budget = cmp.Or(set.Budget, d.Budget)
	return set
}

// houseSecret gives a random secret of the house, made at the first start: of several
// servers that start at once, all have the one that was first.
func (s *Server) houseSecret(ctx context.Context, name string) (fairlead.Secret, error) {
	const size = 32
	secret, _, err := s.Vault.Own(ctx, name)
	if fairlead.KindOf(err) != fairlead.NotFound {
		return secret, err
	}
	b := make([]byte, size)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	err = s.Vault.PutOwn(ctx, fairlead.System(), name, fairlead.NewSecret(b), 0)
	if err != nil && fairlead.KindOf(err) != fairlead.Conflict {
		return fairlead.Secret{}, err
	}
	secret, _, err = s.Vault.Own(ctx, name)
	return secret, err
}

// split sends clients of registries to the gateway, with the path as they wrote it: a
// mux would tidy it up.
func (s *Server) split(rest *http.ServeMux) http.Handler {
	if s.Gateway == nil {
		return rest
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, wire.GatewayPrefix), r.URL.Path+"/" == wire.GatewayPrefix:
			s.Gateway.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, wire.GatewayPeerPath):
			s.Gateway.ServePeer(w, r)
		case r.URL.Path == wire.GatewayTokenPath:
			s.Gateway.ServeToken(w, r)
		default:
			rest.ServeHTTP(w, r)
		}
	})
}

// shelves is the depot as the gateway knows it.
type shelves struct{ depot *depot.Depot }

// Get gives a blob.
func (s shelves) Get(ctx context.Context, digest fairlead.Digest, size int64, owner fairlead.OrganizationID, src gateway.Source) (gateway.Blob, error) { //nolint:ireturn // As the gateway has it.
	b, err := s.depot.Get(ctx, digest, size, depot.Owner(owner), upstream{src})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Follow gives a blob that is there or arriving.
func (s shelves) Follow(digest fairlead.Digest) (gateway.Blob, bool) { //nolint:ireturn // As the gateway has it.
	b, ok := s.depot.Follow(digest)
	return b, ok
}

// Put keeps a blob.
func (s shelves) Put(ctx context.Context, digest fairlead.Digest, owner fairlead.OrganizationID, b []byte) error {
	return s.depot.Put(ctx, digest, depot.Owner(owner), b)
}

// upstream is a source as the depot knows it.
type upstream struct{ gateway.Source }

// Fetch begins to fetch.
func (u upstream) Fetch(ctx context.Context, from, to int64) (depot.Part, error) {
	p, err := u.Source.Fetch(ctx, from, to)
	return depot.Part{Body: p.Body, From: p.From, Size: p.Size}, err
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
