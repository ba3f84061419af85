package oci

import (
	"context"
	"crypto/rand"
	"net"
	"time"

	"fairlead.dev/fairlead"
)

// Options are what a [Client] is made with. Only Now must be set.
type Options struct {
	// Now is the clock, for tokens, certificates and Retry-After.
	Now func() time.Time
	// Wait waits for d, or until ctx is done, and then gives its error. nil is a timer.
	// It is what lies between two tries of a blob.
	Wait func(ctx context.Context, d time.Duration) error
	// UserAgent is what servers are told. Empty is "fairlead".
	UserAgent string
	// Egress is where connections may be made to.
	Egress Egress
	// Proxy chooses a proxy. nil is none.
	Proxy ProxyFunc
	// Resolver finds addresses. nil is the machine's.
	Resolver *net.Resolver
	Timeouts Timeouts
}

// Client pulls from registries. It keeps connections, what hosts ask for, and tokens
// that it traded itself, each for as long as it lives. It is safe for concurrent use.
type Client struct {
	now       func() time.Time
	wait      func(ctx context.Context, d time.Duration) error
	userAgent string
	network   *network
	hosts     memory[Endpoint, host]
	tokens    memory[tokenKey, Bearer]
	salt      []byte // makes hashes of logins useless outside of this process
}

// New makes a client. An error is [fairlead.Invalid]: an egress rule that can't be
// read, or no clock.
func New(o Options) (*Client, error) {
	policy, err := o.Egress.policy()
	if err != nil {
		return nil, err
	}
	if o.Now == nil {
		return nil, &fairlead.Error{
			Kind: fairlead.Invalid, What: "making a registry client", Why: "it has no clock", Remedy: "set Now",
		}
	}
	c := &Client{
		now: o.Now, wait: o.Wait, userAgent: o.UserAgent,
		network: &network{
			policy: policy, proxy: o.Proxy, resolver: o.Resolver,
			timeouts: o.Timeouts.orDefault(), now: o.Now,
			routes: map[routeKey]*route{},
		},
		salt: make([]byte, 32),
	}
	if c.wait == nil {
		c.wait = wait
	}
	if c.userAgent == "" {
		c.userAgent = clientID
	}
	_, _ = rand.Read(c.salt) // never fails (crypto/rand)
	return c, nil
}

// Permit lets connections be made to one host and port that the house itself has named,
// its gateway, wherever it is: beside what the operator allows.
func (c *Client) Permit(e Endpoint) {
	host, port := hostAndPort(e.base())
	c.network.policy.house.Store(net.JoinHostPort(hostKey(host), port), true)
}

// Close closes the connections that nobody uses.
func (c *Client) Close() { c.network.closeIdle() }

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
