// Package server puts a control plane together: store, keys, the floor of services,
// and the doors, from one set of options. It is where neighbours are introduced to
// each other; no rule lives here.
package server

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/blob/s3"
	"fairlead.dev/fairlead/internal/depot"
	"fairlead.dev/fairlead/internal/gateway"
	"fairlead.dev/fairlead/internal/seal"
)

// Options say what a control plane is made of.
type Options struct {
	// Data is the directory of all that is kept on this machine.
	Data string
	// Database is the URL of a PostgreSQL database (postgres://...); "" is SQLite in
	// Data.
	Database string
	// Keys reads the key-encryption keys; MakeKeys makes them where there are none
	// yet, and is only called while nothing is sealed. MakeKeys may be nil.
	Keys     func() (*seal.Ring, error)
	MakeKeys func() (*seal.Ring, error)
	// PublicURL is what links for people begin with, without a slash at its end.
	PublicURL string
	// AllowHosts are hosts, host:port pairs and CIDRs that registries may have
	// although they are loopback, link-local or metadata addresses.
	AllowHosts []string
	// RegistryTimeout is how long a registry may be silent; 0 is package oci's default.
	RegistryTimeout time.Duration
	// InstanceLogins lets connectors log in as the server's own machine at its cloud.
	InstanceLogins bool
	// Proxy says through which proxy a request to a registry goes, if any.
	Proxy func(*http.Request) (*url.URL, error)
	// NoGateway leaves the gateway out; Gateway are its settings, of which those that are
	// zero have their defaults.
	NoGateway bool
	Gateway   gateway.Settings
	// GatewayQuota is how many bytes the gateway keeps; 0 is as many as the disk has room
	// for. GatewayOrganizationQuota is how many count for an organization at most; 0 is no
	// limit.
	GatewayQuota, GatewayOrganizationQuota int64
	// GatewayKeepGoing says what becomes of a blob on its way that no client waits for any
	// more; "" is depot.Half.
	GatewayKeepGoing depot.Policy
	// MetricsToken is what whoever reads the metrics at the server's own address shows; if
	// it is empty, they aren't there. See [Server.Metrics].
	MetricsToken fairlead.Secret
	// GatewayStore is the bucket that several servers share for the blobs of their gateways;
	// none if its Location is empty.
	GatewayStore s3.Options
	// GatewayStoreQuota is how many bytes are kept in it, and GatewayStoreUnused for how
	// long what no server uses; 0 is no limit.
	GatewayStoreQuota  int64
	GatewayStoreUnused time.Duration
	// GatewayPeerURL is where the other servers reach this one's gateway, without a slash at
	// its end; without it they meet in the store alone.
	GatewayPeerURL string
	// GatewayPatience is how long a server waits for another that fetches the same blob; 0
	// is replica.DefaultPatience.
	GatewayPatience time.Duration
	// Blobs is the bucket for what runs are made of and leave; below Data if its Location
	// is empty.
	Blobs s3.Options
	// Hold is how long a worker holds a run without renewing it.
	Hold time.Duration
	// VerifyEvery is how often each connector is tried; 0 is never.
	VerifyEvery time.Duration
	// ExpiryNotice is how long before its date a connector counts as expiring; 0 is
	// DefaultExpiryNotice.
	ExpiryNotice time.Duration
	// Preflight looks at the image of each run before the run is queued.
	Preflight bool
	// Undiagnosed leaves failed pulls undiagnosed.
	Undiagnosed bool
	Now         func() time.Time
	Log         *slog.Logger
	Version     string
	// TLS is for the listener; nil is plain http.
	TLS *tls.Config
	// Between gives what stands between the services and their store; nil is nothing. It
	// is for tests.
	Between func(fairlead.Store) fairlead.Store
}

// How connectors are watched, if nothing else is said.
const (
	DefaultVerifyEvery  = 6 * time.Hour
	DefaultExpiryNotice = 14 * 24 * time.Hour
)

// DefaultHold is how long a worker holds a run without renewing it, if nothing else is
// said: long enough for a server's restart.
const DefaultHold = 30 * time.Second

// ShortestHold is the shortest that a worker can keep: a fifth of a hold is twice what
// the leash of a container takes to see that it has ended.
const ShortestHold = 2 * time.Second
