package gateway

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
)

// count counts what happens for one registry.
type count struct {
	hits, misses, stales, refusals atomic.Int64
	bytesIn, bytesOut              atomic.Int64
	requests, failures, took       atomic.Int64
}

func (c *count) served(hit bool, stale error) {
	switch {
	case stale != nil:
		c.stales.Add(1)
	case hit:
		c.hits.Add(1)
	default:
		c.misses.Add(1)
	}
}

func (c *count) sent(n int64)     { c.bytesOut.Add(n) }
func (c *count) received(n int64) { c.bytesIn.Add(n) }

func (c *count) upstream(took time.Duration, err error) {
	c.requests.Add(1)
	c.took.Add(int64(took))
	switch {
	case err == nil:
	case passing(err):
		c.failures.Add(1)
	default:
		c.refusals.Add(1)
	}
}

// counts are the counters by registry.
type counts struct {
	mu     sync.RWMutex
	byHost map[string]*count
}

// mostCounted bounds the registries that are counted apart. Whoever may pull may name any
// host: what comes after is counted as "other".
const mostCounted = 1000

func newCounts() *counts { return &counts{byHost: map[string]*count{}} }

func (c *counts) of(host string) *count {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.byHost[host]
	if known == nil && len(c.byHost) >= mostCounted {
		host = "other"
		known = c.byHost[host]
	}
	if known == nil {
		known = &count{}
		c.byHost[host] = known
	}
	return known
}

// Metrics is what was counted for a registry since the start.
type Metrics struct {
	Registry string
	// Hits were answered without asking the upstream, Misses after asking it, and Stales
	// with what was there while it didn't answer.
	Hits, Misses, Stales int64
	// BytesIn came from the upstream, BytesOut went to clients.
	BytesIn, BytesOut int64
	// Requests were made to the upstream. Failures got no answer, or a bad one; Refusals
	// were answered no.
	Requests, Failures, Refusals int64
	// Took is how long the requests took together.
	Took time.Duration
}

// Metrics gives what was counted, by registry.
func (g *Gateway) Metrics() []Metrics {
	g.counts.mu.RLock()
	defer g.counts.mu.RUnlock()
	list := make([]Metrics, 0, len(g.counts.byHost))
	for host, c := range g.counts.byHost {
		list = append(list, Metrics{
			Registry: host, Hits: c.hits.Load(), Misses: c.misses.Load(), Stales: c.stales.Load(),
			BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
			Requests: c.requests.Load(), Failures: c.failures.Load(), Refusals: c.refusals.Load(), Took: time.Duration(c.took.Load()),
		})
	}
	slices.SortFunc(list, func(a, b Metrics) int { return cmp.Compare(a.Registry, b.Registry) })
	return list
}

// Upstream is how a registry stands to one login of an organization.
type Upstream struct {
	Organization fairlead.OrganizationID
	Connector    fairlead.ConnectorID
	Registry     string
	// Quota is what it said of what may still be pulled, at Quoted.
	Quota  oci.Quota
	Quoted time.Time
	// Paused is until when it isn't asked, zero if it is.
	Paused time.Time
	// Failed is when it didn't answer, zero if it did the last time.
	Failed time.Time
}

// Upstreams gives how the registries stand to an organization's logins.
func (g *Gateway) Upstreams(org fairlead.OrganizationID) []Upstream {
	g.mu.RLock()
	defer g.mu.RUnlock()
	var list []Upstream
	for k, h := range g.hosts {
		if k.organization != org {
			continue
		}
		h.mu.Lock()
		list = append(list, Upstream{
			Organization: org, Connector: k.connector, Registry: k.host, Quota: h.quota, Quoted: h.quoted, Paused: h.paused, Failed: h.failed,
		})
		h.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b Upstream) int {
		return cmp.Or(cmp.Compare(a.Registry, b.Registry), cmp.Compare(a.Connector, b.Connector))
	})
	return list
}
