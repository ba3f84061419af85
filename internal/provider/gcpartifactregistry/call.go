package gcpartifactregistry

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// patience is how long one request to Google may take.
const patience = 30 * time.Second

// maxReply bounds what is read of a reply. A page of repositories is the greatest.
const maxReply = 8 << 20

// reply is what Google answered.
type reply struct {
	what   string // what was being done
	host   string
	status int
	header http.Header
	body   []byte
	now    time.Time
}

// request is one to be sent.
type request struct {
	what, method, url string
	header            map[string]string
	body              []byte
}

// form makes a request of a form.
func form(what, to string, values url.Values) request {
	return request{
		what: what, method: http.MethodPost, url: to, body: []byte(values.Encode()),
		header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
	}
}

// send sends a request and reads the reply. An error says why there is none, or that
// Google wants to be asked later; what else it refuses is for the caller to say.
func (p Provider) send(ctx context.Context, r request) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return reply{}, fairlead.AsError(r.what, errors.New("the address can't be written as a URL"))
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "fairlead")
	client := p.tools.HTTP
	if r.url == metadataURL {
		client = p.tools.Instance
	}
	res, err := client.Do(req)
	if err != nil {
		return reply{}, unreachable(r.what, req.URL.Host, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	if err != nil {
		return reply{}, unreachable(r.what, req.URL.Host, err)
	}
	got := reply{what: r.what, host: req.URL.Host, status: res.StatusCode, header: res.Header, body: body, now: p.tools.Now()}
	if len(body) > maxReply {
		return reply{}, got.broken("sent more than a reply can be")
	}
	return got, got.later()
}

// unreachable says why there is no reply. The error's text isn't shown: it holds a URL.
func unreachable(what, host string, err error) error {
	if e, ok := errors.AsType[*fairlead.Error](err); ok {
		told := *e
		if told.What == "" {
			told.What = what
		}
		return &told
	}
	e := &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeConnect, What: what, Why: "there is no connection to " + host,
		Remedy: "check that Fairlead's machine reaches " + host + ", through the proxy if there is one",
	}
	timeout, isNet := errors.AsType[net.Error](err)
	dns, isDNS := errors.AsType[*net.DNSError](err)
	_, untrusted := errors.AsType[x509.UnknownAuthorityError](err)
	_, misnamed := errors.AsType[x509.HostnameError](err)
	_, bad := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case errors.Is(err, context.Canceled):
		e.Code, e.Why, e.Remedy = "", "it was cancelled", ""
		return e.Because(context.Canceled)
	case errors.Is(err, context.DeadlineExceeded), isNet && timeout.Timeout():
		e.Code, e.Why, e.Remedy = fairlead.CodeTimeout, host+" gave no answer in time", "try again; if it stays, look at the way from Fairlead's machine to the host"
	case isDNS && dns.IsNotFound:
		e.Code, e.Why, e.Remedy = fairlead.CodeDNS, "the name "+host+" has no address", "check the name server of Fairlead's machine"
	case isDNS:
		e.Code, e.Why, e.Remedy = fairlead.CodeDNS, "the name server didn't say which address "+host+" has", "check the name server of Fairlead's machine"
	case untrusted, misnamed, bad:
		e.Code, e.Why = fairlead.CodeTLS, "the certificate that "+host+" shows isn't trusted"
		e.Remedy = "check the clock of Fairlead's machine, and whether a proxy that opens TLS stands on the way"
	}
	return e
}

// later is the error of a reply that says to come back, or that the service is in
// trouble; nil of any other.
func (r reply) later() error {
	at := r.retryAt()
	e := r.apiError()
	if r.status == http.StatusTooManyRequests || e.Status == "RESOURCE_EXHAUSTED" || e.reason("RATE_LIMIT_EXCEEDED") ||
		!at.IsZero() && (r.status == http.StatusBadRequest || r.status == http.StatusForbidden) {
		return &fairlead.Error{
			Kind: fairlead.Limited, Code: fairlead.CodeRateLimited, What: r.what, Why: r.host + " has had too many requests from this account or project",
			Remedy: "wait; if it stays, ask Google for a higher quota", RetryAt: at,
		}
	}
	if r.status >= http.StatusInternalServerError {
		return &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeRegistryBroken, What: r.what,
			Why:    fmt.Sprintf("%s is in trouble (%s)", r.host, r.statusText()),
			Remedy: "try again; status.cloud.google.com says whether Google knows of it", RetryAt: at,
		}
	}
	return nil
}

// retryAt reads Retry-After (RFC 9110, section 10.2.3), at most a day ahead.
func (r reply) retryAt() time.Time {
	const most = 24 * time.Hour
	s := r.header.Get("Retry-After")
	if n, err := strconv.Atoi(s); err == nil && n >= 0 {
		return r.now.Add(min(time.Duration(min(n, 1<<20))*time.Second, most)).UTC()
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return time.Time{}
	}
	return r.now.Add(min(max(at.Sub(r.date()), 0), most)).UTC()
}

// date is Google's clock when it answered, and ours if it didn't say.
func (r reply) date() time.Time {
	if d, err := http.ParseTime(r.header.Get("Date")); err == nil {
		return d
	}
	return r.now
}

// local gives a time of Google's clock by ours, so that a login ends when Google thinks
// so, whoever's clock is off.
func (r reply) local(t time.Time) time.Time { return r.now.Add(t.Sub(r.date())) }

func (r reply) statusText() string {
	return strings.TrimSpace(strconv.Itoa(r.status) + " " + http.StatusText(r.status))
}

// broken is the error of a reply that isn't as Google documents it.
func (r reply) broken(why string) error {
	return &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeRegistryBroken, What: r.what, Why: r.host + " " + why,
		Remedy: "check that nothing between Fairlead and Google answers in Google's place, then try again",
	}
}

// refused is the error of a refusal.
func (r reply) refused(code fairlead.Code, why, remedy string) error {
	return &fairlead.Error{Kind: fairlead.Denied, Code: code, What: r.what, Why: why, Remedy: remedy}
}

// apiError is an error of Google's APIs (docs.cloud.google.com/apis/design/errors).
// Message is compared and never shown.
type apiError struct {
	Status  string `json:"status"`
	Message string `json:"message"`
	Details []struct {
		Reason string `json:"reason"`
	} `json:"details"`
}

func (e apiError) reason(reason string) bool {
	for _, d := range e.Details {
		if d.Reason == reason {
			return true
		}
	}
	return false
}

func (r reply) apiError() apiError {
	if r.status < http.StatusBadRequest {
		return apiError{}
	}
	var in struct {
		Error json.RawMessage `json:"error"`
	}
	var e apiError
	if json.Unmarshal(r.body, &in) != nil || json.Unmarshal(in.Error, &e) != nil {
		return apiError{}
	}
	return e
}

// oauthError is an error of a token endpoint (RFC 6749, section 5.2). Neither text is
// shown: they may repeat what was sent.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func (r reply) oauthError() oauthError {
	var e oauthError
	if json.Unmarshal(r.body, &e) != nil {
		return oauthError{}
	}
	return e
}

func (e oauthError) says(words string) bool {
	return strings.Contains(strings.ToLower(e.Description), strings.ToLower(words))
}

// clock is the error of a token that is from another time.
func (r reply) clock() error {
	ahead := r.now.Sub(r.date()).Round(time.Second)
	why := "Google finds the token that Fairlead signed to be from another time"
	if ahead >= time.Minute {
		why += fmt.Sprintf(": the clock of Fairlead's machine is %s ahead of Google's", ahead)
	} else if -ahead >= time.Minute {
		why += fmt.Sprintf(": the clock of Fairlead's machine is %s behind Google's", -ahead)
	}
	return r.refused(fairlead.CodeLoginRefused, why, "set the clock of Fairlead's machine, and have it follow a time server")
}
