package oci_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	rt "fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

// TestMain lets a server wait for the client of a reply that it gave too early to read
// it, as net/http does for half a second.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).serve"))
}

// The accounts of all registries here. Their secrets are canaries: no error and no
// foreign host may ever hold one.
var (
	pusher   = rt.Account{Name: "pusher", Password: "push-canary-Zq81", Rights: rt.Everything()}
	reader   = rt.Account{Name: "reader", Password: "read-canary-Xw27", Identity: "identity-canary-Kp55", Rights: rt.Reads("team/")}
	canaries = []string{pusher.Password, reader.Password, reader.Identity, "wrong-canary-Hj90", "stale-canary-Ty34"}
)

const wrong = "wrong-canary-Hj90"

// accounts is a registry's configuration with the two accounts.
func accounts(auth rt.Auth, faults rt.Faults) rt.Config {
	return rt.Config{Auth: auth, Accounts: []rt.Account{pusher, reader}, Anonymous: rt.Reads("public/"), Faults: faults}
}

// clock is a clock that the test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Now().Truncate(time.Second)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// waits notes what a client waits for, and doesn't wait.
type waits struct {
	mu   sync.Mutex
	list []time.Duration
}

func (w *waits) wait(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, d)
	return ctx.Err()
}

// client is a client that may reach this machine, changed by the options.
func client(tb testing.TB, change ...func(*oci.Options)) *oci.Client {
	tb.Helper()
	o := oci.Options{
		Now: time.Now, Wait: (&waits{}).wait, UserAgent: "fairlead/test",
		Egress: oci.Egress{Allow: []string{"127.0.0.0/8", "::1"}},
	}
	for _, f := range change {
		f(&o)
	}
	c, err := oci.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// keys is a keychain that gives leases in their order, the last one again and again.
type keys struct {
	mu      sync.Mutex
	leases  []fairlead.Lease
	asked   []fairlead.Scope
	refused []fairlead.Lease
	err     error
}

func (k *keys) Lease(_ context.Context, s fairlead.Scope) (fairlead.Lease, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, s)
	l := k.leases[min(len(k.refused), len(k.leases)-1)]
	l.For = s
	return l, k.err
}

func (k *keys) Refused(_ context.Context, l fairlead.Lease) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refused = append(k.refused, l)
}

// reachable is what any lease for the registry has.
func reachable(r interface {
	Scheme() string
	CA() string
},
) fairlead.Lease {
	return fairlead.Lease{PlainHTTP: r.Scheme() == "http", CABundle: r.CA()}
}

type scheme interface {
	Scheme() string
	CA() string
}

// with gives a keychain with one login.
func with(r scheme, a rt.Account) *keys { return withPassword(r, a.Name, a.Password) }

func withPassword(r scheme, name, password string) *keys {
	l := reachable(r)
	l.ID, l.Kind, l.Username, l.Password = name+"/"+password, fairlead.ShortLogin, name, fairlead.SecretText(password)
	return &keys{leases: []fairlead.Lease{l}}
}

// without gives a keychain without a login, and perhaps with a note why.
func without(r scheme, note *fairlead.Error) *keys {
	l := reachable(r)
	l.Kind, l.Note = fairlead.Anonymous, note
	return &keys{leases: []fairlead.Lease{l}}
}

// token gives a keychain with registry tokens, one after the other.
func token(r scheme, tokens ...string) *keys {
	k := &keys{}
	for _, s := range tokens {
		l := reachable(r)
		l.ID, l.Kind, l.Bearer = s, fairlead.RegistryToken, fairlead.SecretText(s)
		k.leases = append(k.leases, l)
	}
	return k
}

func image(tb testing.TB, host, rest string) ref.Image {
	tb.Helper()
	i, err := ref.Parse(host + "/" + rest)
	if err != nil {
		tb.Fatal(err)
	}
	return i
}

func pullOf(host, repository string) fairlead.Scope {
	return fairlead.Scope{Resource: ref.Resource{Host: host, Repository: repository}, Verb: fairlead.Pull}
}

func endpoint(r interface {
	scheme
	Host() string
},
) oci.Endpoint {
	return oci.Endpoint{Host: r.Host(), PlainHTTP: r.Scheme() == "http", CABundle: r.CA()}
}

// noEntry is a note as a keychain gives it for an image that no entry covers.
func noEntry() *fairlead.Error {
	return &fairlead.Error{
		Kind: fairlead.Denied, Code: fairlead.CodeNoEntry, What: "pulling", Why: "no registry entry covers the image",
		Remedy: "an administrator adds one with `fairlead registry add`",
	}
}

// sentence prints an error as people and programs see it, with the words that differ
// from run to run replaced.
func sentence(tb testing.TB, err error, replace ...string) string {
	tb.Helper()
	if err == nil {
		return "no error"
	}
	e, ok := errors.AsType[*fairlead.Error](err)
	if !ok {
		tb.Errorf("not a fairlead.Error: %T %v", err, err)
		return err.Error()
	}
	s := fmt.Sprintf("%s %s\n%s\n%s", e.Kind, e.Code, e.Error(), e.Remedy)
	for _, c := range canaries {
		if strings.Contains(s, c) {
			tb.Errorf("a secret is in an error: %s", s)
		}
	}
	return strings.NewReplacer(replace...).Replace(s)
}

// codeIs checks an error's code.
func codeIs(tb testing.TB, err error, want fairlead.Code) {
	tb.Helper()
	if got := fairlead.CodeOf(err); got != want {
		tb.Errorf("the code is %q, want %q: %v", got, want, err)
	}
	_ = sentence(tb, err)
}

// asked lists requests as "server method path account".
func asked(r *rt.Registry) []string {
	var list []string
	for _, q := range r.Requests() {
		s := fmt.Sprintf("%s %s %s", q.Server, q.Method, q.Path)
		for _, more := range []string{q.Scheme, q.Account, q.Range} {
			if more != "" {
				s += " " + more
			}
		}
		list = append(list, s)
	}
	return list
}

// keptAway checks that no request to another server than the registry and its token
// endpoint shows any login, and that none anywhere shows one in its URL.
func keptAway(tb testing.TB, r *rt.Registry) {
	tb.Helper()
	for _, q := range r.Requests() {
		for _, c := range canaries {
			if q.Server == rt.Storage && (q.Scheme != "" || q.Holds(c)) {
				tb.Errorf("a login went to the storage: %s %s", q.Method, q.Path)
			}
			if strings.Contains(q.Query, c) {
				tb.Errorf("a secret is in a URL: %s?%s", q.Path, q.Query)
			}
		}
	}
}

func addresses(list ...string) []netip.Addr {
	var all []netip.Addr
	for _, s := range list {
		all = append(all, netip.MustParseAddr(s))
	}
	return all
}
