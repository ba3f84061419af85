package oci

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"

	"fairlead.dev/fairlead"
)

// Stage is how far a request comes on its way to a registry.
type Stage int

// The stages, in their order.
const (
	StageProxy   Stage = iota // choosing the proxy
	StageName                 // finding the host's addresses
	StageRoute                // connecting
	StageTLS                  // the handshake
	StageReply                // what it answers
	StageArrived              // a registry has answered
)

// Sight is what a registry shows to whoever comes to its front door without a login, on
// a connection of its own.
type Sight struct {
	// Stage is how far the request came; the error of [Client.Look] is of this stage.
	Stage Stage
	// Host is the host and port that are connected to; Proxy those of the proxy between,
	// "" for none.
	Host, Proxy string
	// Addresses are what the name server said; none for a host that is an address. Peer
	// is the one that answered.
	Addresses []string
	Peer      string
	// Certificate is what the server showed; zero in plain HTTP.
	Certificate Certificate
	TLS         string // the version that was agreed on
	Status      int
	Challenge   Challenge
	// Realm is the host of the token endpoint, if the challenge names one.
	Realm string
	// Skew is by how much the server's clock is ahead of ours; Dated, whether it said.
	Skew  time.Duration
	Dated bool

	// What each stage took.
	Resolved, Connected, Shook, Answered time.Duration
}

// Certificate is what a server's certificate says.
type Certificate struct {
	For, From           string // names, and who signed it
	NotBefore, NotAfter time.Time
}

func (c Certificate) zero() bool { return c.NotAfter.IsZero() }

// shown reads the first of the certificates that a server showed.
func shown(list []*x509.Certificate) Certificate {
	if len(list) == 0 {
		return Certificate{}
	}
	c := list[0]
	from := c.Issuer.CommonName
	if from == "" {
		from = c.Issuer.String()
	}
	return Certificate{For: namesOf(c), From: clean(from), NotBefore: c.NotBefore, NotAfter: c.NotAfter}
}

// Report is what [Client.Look] gives, to be sent to whoever asked for it.
type Report struct {
	Sight Sight           `json:"sight"`
	Error *fairlead.Error `json:"error,omitempty"`
}

// Look asks the registry's front door without a login, on a connection of its own, and
// gives what was seen on the way; also what was seen before an error. The errors are
// those of [Client.Ping].
func (c *Client) Look(ctx context.Context, e Endpoint) (Sight, error) {
	s, err := c.look(ctx, e)
	switch {
	case err == nil:
	case e.PlainHTTP && s.Stage == StageReply && c.speaksTLS(ctx, e):
		s.Stage = StageTLS
		err = &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeTLS, What: "reaching " + e.Host,
			Why:    e.Host + " speaks TLS, and it was spoken to without",
			Remedy: "an administrator takes plain HTTP off the registry entry (--plain-http=false)",
		}
	case s.Stage == StageTLS && !s.Dated:
		err = c.blameClock(ctx, e, &s, err)
	}
	return s, err
}

func (c *Client) look(ctx context.Context, e Endpoint) (Sight, error) {
	what, u := "reaching "+e.Host, e.base()
	name, port := hostAndPort(u)
	s := Sight{Host: name + ":" + port}
	roots, err := trust(e.CABundle)
	if err != nil {
		s.Stage = StageTLS
		return s, unreachable(what, e.Host, err, c.now())
	}
	req := newRequest(http.MethodGet, u)
	req.Header.Set("User-Agent", c.userAgent)
	if c.network.proxy != nil {
		if via, err := c.network.proxy(req); err == nil && via != nil {
			s.Proxy = via.Host
		}
	}
	route := c.network.newRoute(roots, true)
	route.direct.DisableKeepAlives, route.proxied.DisableKeepAlives = true, true
	t := &sighting{s: &s, now: time.Now}                                                                       //nolint:forbidigo // It measures how long things take: the clock of dates may stand still.
	res, err := route.RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, t.hooks(u.Scheme == "https")))) //nolint:bodyclose // drain closes it.
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		if over := ctx.Err(); over != nil {
			err = over
		}
		failure := unreachable(what, e.Host, err, c.now())
		s.Stage = t.stage(failure.Code)
		return s, failure
	}
	defer drain(res.Body)
	s.Stage = StageReply
	err = c.read(ctx, what, e, &s, res)
	return s, err
}

// read reads what the front door answered.
func (c *Client) read(ctx context.Context, what string, e Endpoint, s *Sight, res *http.Response) error {
	s.Status = res.StatusCode
	if date, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		s.Skew, s.Dated = date.Sub(c.now()), true
	}
	if res.TLS != nil {
		s.Certificate, s.TLS = shown(res.TLS.PeerCertificates), tls.VersionName(res.TLS.Version)
	}
	if isRedirect(res.StatusCode) {
		// Where that leads is the ping's to judge.
		ch, err := c.Ping(ctx, e)
		if err != nil {
			return err
		}
		s.setChallenge(ch)
		s.Stage = StageArrived
		return nil
	}
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		list := ParseChallenges(res.Header.Values("WWW-Authenticate"))
		ch := choose(list)
		if ch.Scheme == "" {
			return broken(what, e.Host+" wants a login, but doesn't say how in a way that Fairlead knows"+schemes(list))
		}
		s.setChallenge(ch)
	case http.StatusNotFound:
		err := broken(what, e.Host+" answers, but not as a registry: it has no /v2/ (404 Not Found)")
		err.Remedy = "check the host and port in the image's name: something else than a registry answers there"
		return err
	default:
		return unwell(what, e.Host, res, "", c.now())
	}
	s.Stage = StageArrived
	return nil
}

func (s *Sight) setChallenge(ch Challenge) {
	s.Challenge = ch
	if u, err := url.Parse(ch.Realm()); err == nil && ch.Scheme == bearerScheme {
		s.Realm = clean(u.Host)
	}
}

// speaksTLS reports whether a server that was spoken to without TLS speaks it.
func (c *Client) speaksTLS(ctx context.Context, e Endpoint) bool {
	e.PlainHTTP = false
	s, err := c.look(ctx, e)
	return err == nil || s.Stage > StageTLS || !s.Certificate.zero()
}

// blameClock looks whether a certificate that isn't valid now is valid by the server's
// own clock: then it is this machine's clock that is wrong. For that the server is asked
// once without being trusted; nothing is shown to it, and nothing but the date is read.
func (c *Client) blameClock(ctx context.Context, e Endpoint, s *Sight, err error) error {
	now := c.now()
	if s.Certificate.zero() || !now.Before(s.Certificate.NotBefore) && !now.After(s.Certificate.NotAfter) {
		return err
	}
	route := c.network.newRoute(nil, true)
	for _, t := range []*http.Transport{route.direct, route.proxied} {
		t.DisableKeepAlives = true
		t.TLSClientConfig.InsecureSkipVerify = true
	}
	req := newRequest(http.MethodGet, e.base())
	req.Header.Set("User-Agent", c.userAgent)
	res, failed := route.RoundTrip(req.WithContext(ctx)) //nolint:bodyclose // drain closes it.
	if failed != nil {
		return err
	}
	defer drain(res.Body)
	date, failed := http.ParseTime(res.Header.Get("Date"))
	if failed != nil || date.Before(s.Certificate.NotBefore) || date.After(s.Certificate.NotAfter) {
		return err
	}
	s.Skew, s.Dated = date.Sub(now), true
	return err
}

// sighting notes what happens on a request's way.
type sighting struct {
	s   *Sight
	now func() time.Time

	mu                                sync.Mutex
	resolving, connecting, shake, ask time.Time
	connected, shook, got             bool
}

// stage says at which stage an error was met.
func (t *sighting) stage(code fairlead.Code) Stage {
	switch {
	case t.got:
		return StageReply
	case code == fairlead.CodeDNS && t.s.Proxy == "":
		return StageName
	case code == fairlead.CodeTLS, !t.shake.IsZero() && !t.shook && code == fairlead.CodeTimeout:
		return StageTLS
	case !t.shake.IsZero() && t.connected:
		return StageTLS
	case t.connected && t.s.Proxy == "":
		return StageReply
	default:
		return StageRoute
	}
}

func (t *sighting) hooks(secure bool) *httptrace.ClientTrace {
	note := func(f func(now time.Time)) {
		t.mu.Lock()
		defer t.mu.Unlock()
		f(t.now())
	}
	return &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) { note(func(now time.Time) { t.resolving = now }) },
		DNSDone: func(i httptrace.DNSDoneInfo) {
			note(func(now time.Time) {
				t.s.Resolved = now.Sub(t.resolving)
				if t.s.Proxy != "" {
					return // the proxy's own name
				}
				for _, a := range i.Addrs {
					t.s.Addresses = append(t.s.Addresses, a.String())
				}
			})
		},
		ConnectStart: func(string, string) {
			note(func(now time.Time) {
				if t.connecting.IsZero() {
					t.connecting = now
				}
			})
		},
		ConnectDone: func(_, addr string, err error) {
			note(func(now time.Time) {
				t.s.Connected = now.Sub(t.connecting)
				if err == nil {
					t.connected, t.s.Peer = true, addr
				}
			})
		},
		TLSHandshakeStart: func() { note(func(now time.Time) { t.shake = now }) },
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			note(func(now time.Time) {
				t.s.Shook, t.shook = now.Sub(t.shake), err == nil
				t.s.Certificate = shown(state.PeerCertificates)
				if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
					t.s.Certificate = shown(bad.UnverifiedCertificates)
				}
			})
		},
		GotConn: func(httptrace.GotConnInfo) {
			note(func(now time.Time) { t.ask, t.got = now, !secure || t.shook })
		},
		GotFirstResponseByte: func() { note(func(now time.Time) { t.s.Answered = now.Sub(t.ask) }) },
	}
}
