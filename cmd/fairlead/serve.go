package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/seal"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/internal/worker"
	"fairlead.dev/fairlead/wire"
)

// Where the server keeps what, if nothing else is said.
const (
	defaultData   = "fairlead-data"
	defaultListen = "127.0.0.1:8480"
	setupLinkFile = "setup-link"
	keyFile       = "key.json"
)

// serveFlags are what `fairlead serve` is told.
type serveFlags struct {
	store          storeFlags
	listen, public string
	allowHosts     []string
	hold           time.Duration
	cert, key      string
	logs           logFlags
	noWorker       bool
	instance       bool
	preflight      bool
	diagnose       bool
	worker         workFlags
	verifyEvery    time.Duration
	expiryNotice   time.Duration
	gateway        gatewayFlags
	metrics        metricsFlags
	bucket         bucketFlags
}

func (a *app) serveCommand() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use: "serve", Short: "Run the control plane, with a worker inside", Args: cobra.NoArgs,
		Long: `Run the control plane: the API, the pages, and a worker inside that performs runs on this
machine (--no-worker leaves it out). State is kept in SQLite in the data directory, or in
PostgreSQL (--database). At the first start a one-time set-up link is printed.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), f) },
	}
	fl := c.Flags()
	f.store.add(c)
	fl.StringVar(&f.listen, "listen", defaultListen, "address to answer at")
	fl.StringVar(&f.public, "public-url", "", "URL at which people reach the server (default: of the address)")
	fl.StringSliceVar(&f.allowHosts, "allow-host", nil, "host, host:port or CIDR that a registry may have although it is loopback or link-local (may be given often)")
	fl.BoolVar(&f.instance, "instance-logins", false, "let connectors log in as what this server's machine is at its cloud: every organization with the same rights")
	fl.DurationVar(&f.hold, "hold", server.DefaultHold, "how long a worker that isn't heard of keeps its run")
	fl.BoolVar(&f.diagnose, "diagnose-failures", true, "find out in the background why a run's pull has failed, and keep it with the run")
	fl.BoolVar(&f.preflight, "preflight", true, "look at the image of each run before it is queued, so that one that can't be pulled fails at once")
	fl.DurationVar(&f.verifyEvery, "verify-every", server.DefaultVerifyEvery, "how often each connector is proved; 0 is never")
	fl.DurationVar(&f.expiryNotice, "expiry-notice", server.DefaultExpiryNotice, "how long before its date a connector counts as expiring")
	fl.StringVar(&f.cert, "tls-cert", "", "file with the TLS certificate chain, PEM")
	fl.StringVar(&f.key, "tls-key", "", "file with the TLS certificate's key, PEM")
	f.logs.add(c)
	fl.BoolVar(&f.noWorker, "no-worker", false, "run no worker inside")
	f.worker.add(c)
	f.gateway.add(c)
	f.metrics.add(c)
	f.bucket.add(c)
	return c
}

// check finds what can be found wrong before anything is started.
func (f *serveFlags) check() error {
	if err := f.worker.check(); err != nil {
		return err
	}
	if err := f.store.check(); err != nil {
		return err
	}
	if f.hold < server.ShortestHold {
		return usage("--hold %s is too short for a worker to keep: give %s or more", f.hold, server.ShortestHold)
	}
	if f.verifyEvery < 0 || f.verifyEvery > 0 && f.verifyEvery < time.Minute {
		return usage("--verify-every %s is too often for the registries: give a minute or more, or 0 for never", f.verifyEvery)
	}
	if f.expiryNotice <= 0 {
		return usage("--expiry-notice %s is no time: give some hours or days", f.expiryNotice)
	}
	if u, err := url.Parse(f.public); f.public != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return usage("--public-url %q is no address: write it like https://fairlead.example.com", f.public)
	}
	if !f.noWorker && !f.gateway.on && f.worker.pull == string(worker.Gateway) {
		return usage("--pull gateway leaves the worker inside nothing to pull from, with --gateway=false: take one of the two back, or give --no-worker")
	}
	if err := f.gateway.check(); err != nil {
		return err
	}
	if err := f.bucket.check(); err != nil {
		return err
	}
	return nil
}

func (a *app) serve(ctx context.Context, f serveFlags) error {
	log, err := f.logs.logger(a.err)
	if err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	tlsConfig, err := f.tls()
	if err != nil {
		return err
	}
	listener, err := server.Listen(ctx, f.listen)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	public := f.publicURL(listener)
	o := a.serverOptions(f.store)
	o.PublicURL, o.AllowHosts, o.Hold, o.Log, o.TLS = public, f.allowHosts, f.hold, log, tlsConfig
	o.RegistryTimeout, o.InstanceLogins, o.Preflight = f.worker.registryTimeout, f.instance, f.preflight
	o.Undiagnosed = !f.diagnose
	o.VerifyEvery, o.ExpiryNotice = f.verifyEvery, f.expiryNotice
	f.gateway.set(&o)
	scrapes, err := a.listenMetrics(ctx, f.metrics, &o)
	if err != nil {
		return err
	}
	if scrapes != nil {
		defer func() { _ = scrapes.Close() }()
	}
	if err := f.bucket.set(a, &o); err != nil {
		return err
	}
	s, err := server.Open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	offer, err := a.setUpLink(ctx, s, f.store.data, public)
	if err != nil {
		return err
	}
	if scrapes != nil {
		a.hint("Metrics are at %s", metricsURL(scrapes, o))
	}
	a.hint("Fairlead %s is ready at %s", version(), public)
	if warning := f.exposed(listener); warning != "" {
		a.hint("%s", warning)
	}
	if !offer.IsZero() {
		a.hint("Nobody has set it up yet. Open this link, which holds once, or run `fairlead setup --data %s`:\n  %s", f.store.data, offer.Reveal())
	}
	if scrapes != nil {
		scraped, end := context.WithCancel(ctx)
		defer end()
		go func() {
			if err := s.ServeMetrics(scraped, scrapes); err != nil {
				log.ErrorContext(ctx, "answering scrapes", "error", err.Error())
			}
		}()
	}
	return a.answerAll(ctx, s, listener, f, log)
}

// answerAll answers requests until ctx ends. The worker inside ends before: it gives back
// what it performs, and for that the server has to be there.
func (a *app) answerAll(ctx context.Context, s *server.Server, l net.Listener, f serveFlags, log *slog.Logger) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	if f.noWorker {
		defer context.AfterFunc(ctx, stop)()
		return s.Serve(serving, l)
	}
	working, end := context.WithCancel(ctx)
	defer end()
	pipe := server.NewPipe()
	defer func() { _ = pipe.Close() }()
	worked := make(chan error, 1)
	go func() {
		worked <- a.workInside(working, s, pipe, f, log)
		stop()
	}()
	err := s.Serve(serving, l, pipe)
	end()
	return errors.Join(err, <-worked)
}

// setUpLink gives the one-time link while nobody has set the server up, and leaves it
// where `fairlead setup` on this machine finds it.
func (a *app) setUpLink(ctx context.Context, s *server.Server, data, public string) (fairlead.Secret, error) {
	file := filepath.Join(data, setupLinkFile)
	token, err := s.Identity.NewSetUpLink(ctx)
	if fairlead.CodeOf(err) == fairlead.CodeAlreadySetUp {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fairlead.Secret{}, err
		}
		return fairlead.Secret{}, nil
	}
	if err != nil {
		return fairlead.Secret{}, err
	}
	link := wire.Link(public, "setup", token)
	_ = os.Remove(file)
	if err := os.WriteFile(file, append(slices.Clone(link.Reveal()), '\n'), 0o600); err != nil {
		return fairlead.Secret{}, &fairlead.Error{Kind: fairlead.Unavailable, What: "leaving the set-up link in " + file, Why: reason(err)}
	}
	return link.Secret, nil
}

func (f serveFlags) tls() (*tls.Config, error) {
	if f.cert == "" && f.key == "" {
		return nil, nil //nolint:nilnil // No TLS was asked for.
	}
	if f.cert == "" || f.key == "" {
		return nil, usage("--tls-cert and --tls-key belong together")
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, &fairlead.Error{Kind: fairlead.Invalid, What: "reading the TLS certificate", Why: err.Error(), Remedy: "give the chain and its key in PEM form"}
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}, nil
}

func (f serveFlags) publicURL(l net.Listener) string {
	if f.public != "" {
		return strings.TrimRight(f.public, "/")
	}
	scheme := "http"
	if f.cert != "" {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(l.Addr().String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// exposed warns of a server that other machines reach without TLS, by what is known of
// it here: a proxy in front that speaks TLS shows in the public URL.
func (f serveFlags) exposed(l net.Listener) string {
	at, ok := l.Addr().(*net.TCPAddr)
	if !ok || at.IP.IsLoopback() || f.cert != "" || strings.HasPrefix(f.public, "https://") {
		return ""
	}
	return "Warning: other machines reach " + l.Addr().String() + " without TLS, so passwords and tokens can be read on the way.\n" +
		"  Give --tls-cert and --tls-key, or put a TLS proxy in front, listen at 127.0.0.1, and name its address with --public-url https://..."
}

// storeFlags name the state: database and keys.
type storeFlags struct{ data, database, keyFile string }

func (s *storeFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.data, "data", defaultData, "directory of all that is kept on this machine")
	f.StringVar(&s.database, "database", "", "PostgreSQL database, postgres://... (default: SQLite in the data directory; FAIRLEAD_DATABASE)")
	f.StringVar(&s.keyFile, "key-file", "", "file of the key-encryption keys (default: the systemd credential fairlead-key, or key.json in the data directory; FAIRLEAD_KEY_FILE)")
}

// check refuses a password on the command line, where every user of the machine reads it.
func (s storeFlags) check() error {
	u, err := url.Parse(s.database)
	if err != nil || u.User == nil {
		return nil //nolint:nilerr // What can't be read is refused where it is opened.
	}
	if _, ok := u.User.Password(); ok {
		return usage("--database holds a password, which every user of this machine can read in the list of processes: give the URL as FAIRLEAD_DATABASE, or the password as PGPASSWORD or in a PGPASSFILE")
	}
	return nil
}

// serverOptions are those that every command on the state shares.
func (a *app) serverOptions(s storeFlags) server.Options {
	o := server.Options{
		Data: s.data, Database: s.database, Now: a.now, Version: version(), Proxy: http.ProxyFromEnvironment,
	}
	if o.Database == "" {
		o.Database = a.env("FAIRLEAD_DATABASE")
	}
	file, made := a.keyFile(s)
	o.Keys = func() (*seal.Ring, error) { return seal.ReadKeyFile(file) }
	if made {
		o.MakeKeys = func() (*seal.Ring, error) { return seal.CreateKeyFile(file) }
	}
	return o
}

// keyFile is where the key-encryption keys are, and whether they may be made there:
// not in a file that somebody else provides.
func (a *app) keyFile(s storeFlags) (file string, own bool) {
	if s.keyFile != "" {
		return s.keyFile, true
	}
	if file := a.env("FAIRLEAD_KEY_FILE"); file != "" {
		return file, true
	}
	// systemd.exec(5), LoadCredential=.
	if dir := a.env("CREDENTIALS_DIRECTORY"); dir != "" {
		if file := filepath.Join(dir, "fairlead-key"); exists(file) {
			return file, false
		}
	}
	return filepath.Join(s.data, keyFile), true
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// logFlags say how the log is written.
type logFlags struct{ level, format string }

func (l *logFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&l.level, "log-level", "info", "debug, info, warn or error")
	c.Flags().StringVar(&l.format, "log-format", "text", "text or json")
}

func (l logFlags) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.level)); err != nil {
		return nil, usage("there is no log level %q: use debug, info, warn or error", l.level)
	}
	o := &slog.HandlerOptions{Level: level}
	switch l.format {
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	default:
		return nil, usage("there is no log format %q: use text or json", l.format)
	}
}
