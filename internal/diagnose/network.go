package diagnose

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
)

// look looks at the way to the registry, once for all probes of the network.
func (w *walk) look(ctx context.Context) {
	if w.looked {
		return
	}
	w.looked = true
	if w.q.Network != nil {
		w.sight, w.lookErr = w.q.Network(ctx, w.endpoint())
		return
	}
	w.sight, w.lookErr = w.d.Registries.Look(ctx, w.endpoint())
}

// at gives the failed probe of a stage at which the way ended.
func (w *walk) at(s oci.Stage) (fairlead.Probe, bool) {
	if w.lookErr == nil || w.sight.Stage != s {
		return fairlead.Probe{}, false
	}
	return w.failed(w.lookErr), true
}

// lasting gives a probe the time that its part of the way took.
func lasting(p fairlead.Probe, took time.Duration) fairlead.Probe {
	p.Took = max(took, time.Nanosecond)
	return p
}

func (w *walk) proxy(ctx context.Context) fairlead.Probe {
	w.look(ctx)
	if p, failed := w.at(oci.StageProxy); failed {
		return p
	}
	if w.sight.Proxy == "" {
		return lasting(ok("%s is reached directly: no proxy is set for it", w.sight.Host), 0)
	}
	return lasting(ok("%s is reached through the proxy %s", w.sight.Host, w.sight.Proxy), 0)
}

func (w *walk) dns(context.Context) fairlead.Probe {
	if p, failed := w.at(oci.StageName); failed {
		return lasting(p, w.sight.Resolved)
	}
	switch {
	case w.sight.Proxy != "":
		return lasting(notTried("the proxy finds the address"), 0)
	case len(w.sight.Addresses) == 0:
		return lasting(ok("%s is an address", w.sight.Host), 0)
	}
	return lasting(ok("%s", strings.Join(w.sight.Addresses, ", ")), w.sight.Resolved)
}

func (w *walk) route(context.Context) fairlead.Probe {
	if p, failed := w.at(oci.StageRoute); failed {
		return lasting(p, w.sight.Connected)
	}
	if w.sight.Proxy != "" {
		return lasting(ok("the proxy %s answers", w.sight.Proxy), w.sight.Connected)
	}
	return lasting(ok("%s answers, and may be connected to", w.sight.Peer), w.sight.Connected)
}

// nearEnd is how long before its end a certificate is warned of.
const nearEnd = 7 * 24 * time.Hour

func (w *walk) tls(context.Context) fairlead.Probe {
	if p, failed := w.at(oci.StageTLS); failed {
		return lasting(w.wrongTLS(p), w.sight.Shook)
	}
	if w.sight.Certificate.NotAfter.IsZero() {
		if w.endpoint().PlainHTTP {
			return lasting(ok("there is none: the entry speaks plain HTTP, so that logins travel in the clear"), 0)
		}
		return lasting(notTried("no certificate was seen"), 0)
	}
	own := w.sight.Certificate
	detail := fmt.Sprintf("%s, certificate for %s from %s, valid until %s", w.sight.TLS, own.For, own.From, own.NotAfter.UTC().Format(date))
	if own.NotAfter.Sub(w.d.Now()) < nearEnd {
		return lasting(warning(detail, "whoever runs the registry renews its certificate"), w.sight.Shook)
	}
	return lasting(ok("%s", detail), w.sight.Shook)
}

// wrongTLS names the entry in remedies, and the clock where that is what is wrong.
func (w *walk) wrongTLS(p fairlead.Probe) fairlead.Probe {
	if w.sight.Dated && isSkewed(w.sight.Skew) {
		p.Error.Why = w.skewed() + "; so " + p.Error.Why
		p.Error.Remedy = mendClock
		p.Detail, p.Remedy = p.Error.Why, p.Error.Remedy
		return p
	}
	if w.entry.Name == "" {
		return p
	}
	for _, flag := range []string{"--plain-http=false", "--plain-http", "--ca-file"} {
		if strings.Contains(p.Remedy, "("+flag+")") {
			value := ""
			if flag == "--ca-file" {
				value = " FILE"
			}
			p.Error.Remedy = strings.Replace(p.Error.Remedy, "("+flag+")", "(`fairlead registry update "+string(w.entry.Name)+" "+flag+value+"`)", 1)
			p.Remedy = p.Error.Remedy
			break
		}
	}
	return p
}

func (w *walk) registry(context.Context) fairlead.Probe {
	if p, failed := w.at(oci.StageReply); failed {
		return lasting(p, w.sight.Answered)
	}
	if w.lookErr != nil {
		return w.failed(w.lookErr)
	}
	detail := "/v2/ answers and asks for no login"
	switch w.sight.Challenge.Scheme {
	case "bearer":
		detail = "/v2/ answers and wants a token of " + w.sight.Realm
	case "basic":
		detail = "/v2/ answers and wants a user name and a password with each request"
	}
	return lasting(ok("%s", detail), w.sight.Answered)
}

// How far clocks may be apart: tokens and signatures bear minutes.
const mostSkew = 2 * time.Minute

const mendClock = "set this machine's clock: have it follow a time server (NTP)"

func isSkewed(d time.Duration) bool { return d.Abs() > mostSkew }

func (w *walk) skewed() string {
	direction := "behind"
	if w.sight.Skew < 0 {
		direction = "ahead of"
	}
	return fmt.Sprintf("this machine's clock is %s %s the registry's", w.sight.Skew.Abs().Round(time.Second), direction)
}

func (w *walk) clock(context.Context) fairlead.Probe {
	switch {
	case !w.sight.Dated:
		return lasting(notTried("the registry doesn't say what time it is"), 0)
	case isSkewed(w.sight.Skew):
		return lasting(warning(w.skewed()+": tokens and signatures can be refused for that", mendClock), 0)
	default:
		return lasting(ok("it and the registry's are less than %d minutes apart", mostSkew/time.Minute), 0)
	}
}

// ReadSight reads what a worker has seen. It is another program's word, maybe of another
// version: what can't be read is [fairlead.Unavailable].
func ReadSight(raw []byte, worker fairlead.Name) (oci.Sight, error) {
	var r oci.Report
	if err := json.Unmarshal(raw, &r); err != nil || r.Sight.Stage < oci.StageProxy || r.Sight.Stage > oci.StageArrived {
		return oci.Sight{Stage: oci.StageProxy}, &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeTimeout, What: "looking from worker " + string(worker),
			Why: "what it has seen can't be read: it may be of another version than the server", Remedy: "update the worker to the server's version",
		}
	}
	arrived := r.Sight.Stage == oci.StageArrived
	switch {
	case r.Error == nil && arrived:
		return r.Sight, nil
	case r.Error == nil:
		r.Error = &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeConnect, What: "looking from worker " + string(worker), Why: "it didn't reach the registry",
			Remedy: "look at the worker's log",
		}
	case arrived:
		r.Sight.Stage = oci.StageReply
	}
	return r.Sight, r.Error
}
