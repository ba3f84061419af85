package main

import (
	"crypto/x509"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/blob/s3"
	"fairlead.dev/fairlead/internal/replica"
	"fairlead.dev/fairlead/internal/server"
)

// bucketFlags say what several servers share in S3-compatible storage, and how that is
// reached. Its login is read from the environment or a file, never from a flag.
type bucketFlags struct {
	store, blobs  string
	quota         int64 // in GB
	unused        time.Duration
	patience      time.Duration
	service       s3.Options
	peer          string
	login, caFile string
}

// defaultUnused is for how long the gateway's store keeps what nobody uses.
const defaultUnused = 30 * 24 * time.Hour

func (b *bucketFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&b.store, "gateway-store", "", "s3://BUCKET/PREFIX in which several servers share what their gateways have fetched")
	f.Int64Var(&b.quota, "gateway-store-quota", 0, "how many gigabytes are kept there (default: no limit)")
	f.DurationVar(&b.unused, "gateway-store-unused-for", defaultUnused, "for how long what no server uses is kept there; 0 is for ever")
	f.DurationVar(&b.patience, "gateway-store-patience", replica.DefaultPatience, "how long a server waits for another that fetches the same, before it fetches it too")
	f.StringVar(&b.peer, "gateway-peer-url", "", "URL at which the other servers reach this one, to be given what it is fetching (default: they wait for the store)")
	f.StringVar(&b.blobs, "blobs", "", "s3://BUCKET/PREFIX for archives and outputs (default: blobs/ in the data directory)")
	f.StringVar(&b.service.Endpoint, "s3-endpoint", "", "URL of the S3-compatible service (default: Amazon's)")
	f.StringVar(&b.service.Region, "s3-region", "", "region of the buckets (default: us-east-1)")
	f.StringVar(&b.caFile, "s3-ca", "", "file with the authority of the service's certificate, PEM")
	f.BoolVar(&b.service.HostStyle, "s3-host-style", false, "put the bucket into the host's name instead of the path")
	f.StringVar(&b.login, "s3-credentials", "", "file with the login for S3, in the form of the AWS tools (FAIRLEAD_S3_CREDENTIALS; or FAIRLEAD_S3_ACCESS_KEY and FAIRLEAD_S3_SECRET_KEY)")
}

func (b *bucketFlags) check() error {
	switch {
	case b.quota < 0:
		return usage("--gateway-store-quota %d is no number of gigabytes: give 1 or more", b.quota)
	case b.unused < 0 || b.unused > 0 && b.unused < time.Hour:
		return usage("--gateway-store-unused-for %s is too short to keep anything: give an hour or more, or 0 for ever", b.unused)
	case b.patience <= 0:
		return usage("--gateway-store-patience %s is no time: give one such as 30s", b.patience)
	case b.peer != "" && !strings.HasPrefix(b.peer, "http://") && !strings.HasPrefix(b.peer, "https://"):
		return usage("--gateway-peer-url %s is no URL: give one such as https://10.0.0.5:8480", b.peer)
	default:
		return nil
	}
}

// set puts what was given into the options; the login is only looked for if there is a
// bucket.
func (b *bucketFlags) set(a *app, o *server.Options) error {
	const gigabyte = 1e9
	o.GatewayStoreQuota, o.GatewayStoreUnused, o.GatewayPatience = b.quota*gigabyte, b.unused, b.patience
	o.GatewayPeerURL = strings.TrimRight(b.peer, "/")
	if b.store == "" && b.blobs == "" {
		return nil
	}
	service := b.service
	var err error
	if service.Login, err = b.credentials(a); err != nil {
		return err
	}
	if b.caFile != "" {
		if service.Roots, err = authority(b.caFile); err != nil {
			return err
		}
	}
	if b.store != "" {
		o.GatewayStore = service
		o.GatewayStore.Location = b.store
	}
	if b.blobs != "" {
		o.Blobs = service
		o.Blobs.Location = b.blobs
	}
	if b.store != "" && overlap(b.store, b.blobs) {
		return usage("--gateway-store and --blobs name the same place: give each a prefix of its own")
	}
	return nil
}

// overlap reports whether two places are the same.
func overlap(a, b string) bool { return strings.TrimRight(a, "/") == strings.TrimRight(b, "/") }

func (b *bucketFlags) credentials(a *app) (s3.Login, error) {
	file := b.login
	if file == "" {
		file = a.env("FAIRLEAD_S3_CREDENTIALS")
	}
	if file != "" {
		return s3.ReadLogin(file)
	}
	l := s3.Login{
		AccessKey: a.env("FAIRLEAD_S3_ACCESS_KEY"), SecretKey: fairlead.SecretText(a.env("FAIRLEAD_S3_SECRET_KEY")),
		SessionToken: fairlead.SecretText(a.env("FAIRLEAD_S3_SESSION_TOKEN")),
	}
	if l.AccessKey == "" || l.SecretKey.IsZero() {
		return l, usage("there is no login for S3: name its file with --s3-credentials, or set FAIRLEAD_S3_ACCESS_KEY and FAIRLEAD_S3_SECRET_KEY")
	}
	return l, nil
}

// authority reads certificates.
func authority(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file) //nolint:gosec // The operator names it.
	if err != nil {
		return nil, &fairlead.Error{Kind: fairlead.Invalid, What: "reading " + file, Why: reason(err), Remedy: "name a file of certificates in PEM form"}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, &fairlead.Error{Kind: fairlead.Invalid, What: "reading " + file, Why: "it holds no certificate", Remedy: "name a file of certificates in PEM form"}
	}
	return pool, nil
}
