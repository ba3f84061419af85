package gateway

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cache"
)

// count counts what happens for one registry, for one organization. It is looked up once
// for a view: what counts is one addition.
type count struct {
	hits, misses, stales atomic.Int64
	bytesIn, bytesOut    atomic.Int64
	asks, fetches        asked // what was asked; parts of blobs
	// What the organization had had before: a hit on what others have fetched is none to
	// it.
	ownHits, ownIn atomic.Int64
	covered        atomic.Bool // a registry entry names it
	latency        [len(latencies) + 1]atomic.Int64
}

// asked counts requests to a registry.
type asked struct{ requests, failures, refusals, took atomic.Int64 }

// latencies are the bounds of the histogram of upstreams' answers.
//
//nolint:gochecknoglobals // It is a constant in all but the language.
var latencies = [...]time.Duration{
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// served counts an answer. own says that what is a hit was one to the organization too.
func (c *count) served(hit, own bool, stale error) {
	switch {
	case stale != nil:
		c.stales.Add(1)
	case hit:
		c.hits.Add(1)
		if own {
			c.ownHits.Add(1)
		}
	default:
		c.misses.Add(1)
	}
}

func (c *count) sent(n int64)     { c.bytesOut.Add(n) }
func (c *count) received(n int64) { c.bytesIn.Add(n) }

// fetched counts bytes that the organization hadn't had before, wherever they came from.
func (c *count) fetched(n int64) { c.ownIn.Add(n) }

// upstream counts what came of asking the registry.
func (c *count) upstream(of *asked, took time.Duration, err error) {
	of.requests.Add(1)
	of.took.Add(int64(took))
	i := 0
	for i < len(latencies) && took > latencies[i] {
		i++
	}
	c.latency[i].Add(1)
	switch {
	case err == nil:
	case passing(err):
		of.failures.Add(1)
	default:
		of.refusals.Add(1)
	}
}

func (c *count) traffic(org fairlead.OrganizationID, host string) cache.Traffic {
	t := cache.Traffic{
		Organization: org, Host: host, OwnTook: time.Duration(c.asks.took.Load()),
		GatewayTraffic: fairlead.GatewayTraffic{
			Hits: c.hits.Load(), Misses: c.misses.Load(), Stales: c.stales.Load(), Fetched: c.bytesIn.Load(), Sent: c.bytesOut.Load(),
			Requests: c.asks.requests.Load(), Failures: c.asks.failures.Load(), Refusals: c.asks.refusals.Load(),
		},
	}
	t.Own = t.GatewayTraffic
	t.Own.Hits, t.Own.Fetched = c.ownHits.Load(), c.ownIn.Load()
	t.Own.Misses += t.Hits - t.Own.Hits
	t.Requests += c.fetches.requests.Load()
	t.Failures += c.fetches.failures.Load()
	t.Refusals += c.fetches.refusals.Load()
	t.Took = t.OwnTook + time.Duration(c.fetches.took.Load())
	return t
}

// counts are the counters by organization and registry.
type counts struct {
	mu    sync.RWMutex
	byKey map[countKey]*count
	hosts map[fairlead.OrganizationID]int
}

type countKey struct {
	organization fairlead.OrganizationID
	host         string
}

// mostCounted bounds the registries that are counted apart for an organization. Whoever
// may pull may name any host: what comes after is counted as otherHost.
const (
	mostCounted = 200
	otherHost   = "other"
)

func newCounts() *counts {
	return &counts{byKey: map[countKey]*count{}, hosts: map[fairlead.OrganizationID]int{}}
}

func (c *counts) of(org fairlead.OrganizationID, host string) *count {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.byKey[countKey{org, host}]
	if known == nil && c.hosts[org] >= mostCounted {
		host = otherHost
		known = c.byKey[countKey{org, host}]
	}
	if known == nil {
		known = &count{}
		c.byKey[countKey{org, host}] = known
		c.hosts[org]++
	}
	return known
}

// Traffic gives what was counted, by organization and registry, and since when.
func (g *Gateway) Traffic() ([]cache.Traffic, time.Time) {
	g.counts.mu.RLock()
	defer g.counts.mu.RUnlock()
	list := make([]cache.Traffic, 0, len(g.counts.byKey))
	for k, c := range g.counts.byKey {
		list = append(list, c.traffic(k.organization, k.host))
	}
	slices.SortFunc(list, func(a, b cache.Traffic) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Organization, b.Organization))
	})
	return list, g.since
}

// Metrics is what was counted for a registry since the start, for all organizations.
type Metrics struct {
	Registry string
	fairlead.GatewayTraffic
	// Took is how long the requests took together; Latency counts them by how long: up to
	// each of [Latencies], and longer.
	Took    time.Duration
	Latency []int64
	// Covered says that a registry entry covers something of it.
	Covered bool
}

// Latencies are the bounds of [Metrics.Latency].
func Latencies() []time.Duration { return latencies[:] }

// Metrics gives what was counted, by registry.
func (g *Gateway) Metrics() []Metrics {
	g.counts.mu.RLock()
	defer g.counts.mu.RUnlock()
	byHost := map[string]*Metrics{}
	for k, c := range g.counts.byKey {
		m := byHost[k.host]
		if m == nil {
			m = &Metrics{Registry: k.host, Latency: make([]int64, len(c.latency))}
			byHost[k.host] = m
		}
		t := c.traffic(k.organization, k.host)
		m.GatewayTraffic, m.Took = m.Plus(t.GatewayTraffic), m.Took+t.Took
		m.Covered = m.Covered || c.covered.Load()
		for i := range c.latency {
			m.Latency[i] += c.latency[i].Load()
		}
	}
	list := make([]Metrics, 0, len(byHost))
	for _, m := range byHost {
		list = append(list, *m)
	}
	slices.SortFunc(list, func(a, b Metrics) int { return cmp.Compare(a.Registry, b.Registry) })
	return list
}

// Reply is how often a kind of request was answered with a status.
type Reply struct {
	Kind   string
	Status int
	Times  int64
}

// Replies counts what clients were answered.
func (g *Gateway) Replies() []Reply {
	var list []Reply
	for k := range g.replies {
		for i := range g.replies[k] {
			if n := g.replies[k][i].Load(); n > 0 {
				list = append(list, Reply{kind(k).String(), i + firstStatus, n})
			}
		}
	}
	return list
}

// replies counts by kind and status.
type replies [kinds][lastStatus - firstStatus + 1]atomic.Int64

const firstStatus, lastStatus = 200, 511

func (r *replies) add(k kind, status int) {
	if status >= firstStatus && status <= lastStatus {
		r[k][status-firstStatus].Add(1)
	}
}

// Logins gives how the registries stand to the organizations' logins.
func (g *Gateway) Logins() []cache.Login {
	g.mu.RLock()
	defer g.mu.RUnlock()
	now := g.opts.Now()
	list := make([]cache.Login, 0, len(g.hosts))
	for k, h := range g.hosts {
		list = append(list, cache.Login{Organization: k.organization, Connector: k.connector, Host: k.host, GatewayLimit: h.limit(now)})
	}
	slices.SortFunc(list, func(a, b cache.Login) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Organization, b.Organization), cmp.Compare(a.Connector, b.Connector))
	})
	return list
}
