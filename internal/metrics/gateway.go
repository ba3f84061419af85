package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/depot"
)

// Gateway is what the gateway has counted since it was started, and how it is.
type Gateway struct {
	Registries []Registry
	Replies    []Reply
	Usage      depot.Usage
	Depot      depot.Metrics
	// Bounds are those of the registries' latencies.
	Bounds []time.Duration
}

// Registry is what was counted for one registry's host.
type Registry struct {
	Host string
	fairlead.GatewayTraffic
	depot.HostCounts
	// Took is how long its answers took together. Latency counts them by how long each
	// took: up to each of the bounds, and longer.
	Took    time.Duration
	Latency []int64
	// Covered says that a registry entry covers something of it.
	Covered bool
	// Limits are what it says of each login; the lowest is shown.
	Limits []fairlead.GatewayLimit
}

// Reply is how often clients were given an answer.
type Reply struct {
	Kind   string
	Status string
	Times  int64
}

// How many registries have a label of their own: those that an entry names, and others.
const (
	mostCovered = 100
	mostOthers  = 20
	otherHost   = "other"
)

// gatewayCollector shows the gateway.
type gatewayCollector struct {
	read func() Gateway

	mu             sync.Mutex
	label          map[string]string // by host; it stays as it was given
	covered, other int
}

func newGatewayCollector(read func() Gateway) *gatewayCollector {
	return &gatewayCollector{read: read, label: map[string]string{}}
}

//nolint:gochecknoglobals // They are constants in all but the language.
var (
	gatewayRequests = desc("gateway_requests_total", "Requests for images, by registry and whether what was kept was enough (hit), the registry was asked (miss), or it didn't answer (stale).", "registry", "outcome")
	gatewayReplies  = desc("gateway_replies_total", "Replies to clients of the gateway.", "kind", "status")
	gatewayFetched  = desc("gateway_upstream_bytes_total", "Bytes from registries.", "registry")
	gatewaySent     = desc("gateway_client_bytes_total", "Bytes to clients.", "registry")
	gatewayAsked    = desc("gateway_upstream_requests_total", "Requests to registries: answered, failed (no answer, or a bad one) or refused.", "registry", "outcome")
	gatewayLatency  = desc("gateway_upstream_duration_seconds", "How long registries took to answer.", "registry")
	gatewayFlying   = desc("gateway_flights", "Blobs that are arriving.", "registry")
	gatewayFlights  = desc("gateway_flights_total", "Blobs that began to be fetched.", "registry")
	gatewayFollow   = desc("gateway_followers_total", "Readers of a blob that was being fetched for another already.", "registry")
	gatewayFailed   = desc("gateway_flight_failures_total", "Blobs that couldn't be fetched: failed, wrong_digest or no_room.", "registry", "reason")
	gatewayLeft     = desc("gateway_pulls_remaining", "How many pulls the registry says are left, of the login that has the fewest.", "registry")
	gatewayLimit    = desc("gateway_pulls_limit", "How many pulls the registry allows that login.", "registry")
	gatewayPaused   = desc("gateway_upstream_paused", "How many logins the registry wants to be left alone by.", "registry")
	gatewayEvicted  = desc("gateway_evictions_total", "Blobs that have made room for others.")
	gatewayEvBytes  = desc("gateway_evicted_bytes_total", "The bytes of those.")
	gatewayKept     = desc("gateway_kept_bytes", "Bytes that are kept.")
	gatewayBlobs    = desc("gateway_kept_blobs", "Blobs that are kept whole.")
	gatewayQuota    = desc("gateway_quota_bytes", "How many bytes are kept at most; 0 is as many as the disk has room for.")
)

// Describe gives what there is.
func (c *gatewayCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		gatewayRequests, gatewayReplies, gatewayFetched, gatewaySent, gatewayAsked, gatewayLatency, gatewayFlying, gatewayFlights, gatewayFollow,
		gatewayFailed, gatewayLeft, gatewayLimit, gatewayPaused, gatewayEvicted, gatewayEvBytes, gatewayKept, gatewayBlobs, gatewayQuota,
	} {
		to <- d
	}
}

// Collect gives the values.
func (c *gatewayCollector) Collect(to chan<- prometheus.Metric) {
	g := c.read()
	count(to, gatewayEvicted, g.Depot.Evictions)
	count(to, gatewayEvBytes, g.Depot.EvictedBytes)
	gauge(to, gatewayKept, float64(g.Usage.Bytes))
	gauge(to, gatewayBlobs, float64(g.Usage.Blobs))
	gauge(to, gatewayQuota, float64(g.Usage.Quota))
	for _, r := range g.Replies {
		count(to, gatewayReplies, r.Times, r.Kind, r.Status)
	}
	for _, r := range c.labelled(g.Registries) {
		c.collect(to, r, g.Bounds)
	}
}

func (c *gatewayCollector) collect(to chan<- prometheus.Metric, r Registry, bounds []time.Duration) {
	h := r.Host
	count(to, gatewayRequests, r.Hits, h, "hit")
	count(to, gatewayRequests, r.Misses, h, "miss")
	count(to, gatewayRequests, r.Stales, h, "stale")
	count(to, gatewayFetched, r.Fetched, h)
	count(to, gatewaySent, r.Sent, h)
	count(to, gatewayAsked, r.Requests-r.GatewayTraffic.Failures-r.Refusals, h, "answered")
	count(to, gatewayAsked, r.GatewayTraffic.Failures, h, "failed")
	count(to, gatewayAsked, r.Refusals, h, "refused")
	gauge(to, gatewayFlying, float64(r.Flying), h)
	count(to, gatewayFlights, r.Flights, h)
	count(to, gatewayFollow, r.Followers, h)
	count(to, gatewayFailed, r.HostCounts.Failures, h, "failed")
	count(to, gatewayFailed, r.Wrong, h, "wrong_digest")
	count(to, gatewayFailed, r.Full, h, "no_room")
	buckets, all := histogram(r, bounds)
	to <- prometheus.MustNewConstHistogram(gatewayLatency, all, r.Took.Seconds(), buckets, h)
	paused, lowest := 0, fairlead.GatewayLimit{}
	for _, l := range r.Limits {
		if !l.RetryAt.IsZero() {
			paused++
		}
		if l.Known && (!lowest.Known || l.Remaining < lowest.Remaining) {
			lowest = l
		}
	}
	gauge(to, gatewayPaused, float64(paused), h)
	if lowest.Known {
		gauge(to, gatewayLeft, float64(lowest.Remaining), h)
		gauge(to, gatewayLimit, float64(lowest.Limit), h)
	}
}

// histogram gives how many answers took no longer than each bound, and how many there were.
func histogram(r Registry, bounds []time.Duration) (buckets map[float64]uint64, all uint64) {
	buckets = make(map[float64]uint64, len(bounds))
	for i, n := range r.Latency {
		all += uint64(max(0, n))
		if i < len(bounds) {
			buckets[bounds[i].Seconds()] = all
		}
	}
	return buckets, all
}

// labelled puts together what has the same label.
func (c *gatewayCollector) labelled(list []Registry) []Registry {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := map[string]int{}
	var out []Registry
	for _, r := range list {
		r.Host = c.labelOf(r)
		i, known := at[r.Host]
		if !known {
			at[r.Host] = len(out)
			out = append(out, r)
			continue
		}
		out[i] = out[i].plus(r)
	}
	return out
}

// labelOf gives a registry's label, which it keeps: a count never goes down.
func (c *gatewayCollector) labelOf(r Registry) string {
	if known := c.label[r.Host]; known != "" {
		return known
	}
	label := otherHost
	switch {
	case r.Covered && c.covered < mostCovered:
		label = r.Host
		c.covered++
	case !r.Covered && c.other < mostOthers:
		label = r.Host
		c.other++
	}
	const mostRemembered = 50_000
	if len(c.label) < mostRemembered {
		c.label[r.Host] = label
	}
	return label
}

func (r Registry) plus(o Registry) Registry {
	r.GatewayTraffic, r.Took = r.GatewayTraffic.Plus(o.GatewayTraffic), r.Took+o.Took
	r.HostCounts = r.HostCounts.Plus(o.HostCounts)
	sum := make([]int64, len(r.Latency))
	for i := range sum {
		sum[i] = r.Latency[i] + o.Latency[i]
	}
	r.Latency = sum
	r.Limits = append(append([]fairlead.GatewayLimit{}, r.Limits...), o.Limits...)
	return r
}
