package depot

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// counters are what has happened since the depot was opened.
type counters struct {
	uses                                   atomic.Int64 // for the order of use
	hits, misses, followers                atomic.Int64
	flights, failures, wrong, full, passed atomic.Int64
	requests, retries, races, resumed      atomic.Int64
	down, up, evictions, evicted           atomic.Int64
}

// Metrics is what has happened since the depot was opened, and what is under way.
type Metrics struct {
	// Hits were there whole; Misses weren't, Followers of them were arriving for another.
	Hits, Misses, Followers int64
	// Flights were begun; Failures of them ended without the blob, Wrong with other bytes
	// than its digest names, Full without room for it.
	Flights, Failures, Wrong, Full int64
	// Flying is how many are under way.
	Flying int64
	// Passed is how often a reader was served past the disk.
	Passed int64
	// Requests went to upstreams; Retries of them failed in passing, and Races were made
	// against slow ones.
	Requests, Retries, Races int64
	// Down is bytes from upstreams, Up bytes to readers, Resumed bytes that an earlier
	// flight had left.
	Down, Up, Resumed int64
	// Evictions made room of EvictedBytes.
	Evictions, EvictedBytes int64
	// Shared is of the store behind it; zero if there is none.
	Shared SharedMetrics
	Hosts  []HostInfo
}

// Metrics gives a snapshot.
func (d *Depot) Metrics() Metrics {
	c := &d.counts
	m := Metrics{
		Hits: c.hits.Load(), Misses: c.misses.Load(), Followers: c.followers.Load(),
		Flights: c.flights.Load(), Failures: c.failures.Load(), Wrong: c.wrong.Load(), Full: c.full.Load(), Passed: c.passed.Load(),
		Requests: c.requests.Load(), Retries: c.retries.Load(), Races: c.races.Load(),
		Down: c.down.Load(), Up: c.up.Load(), Resumed: c.resumed.Load(),
		Evictions: c.evictions.Load(), EvictedBytes: c.evicted.Load(), Hosts: d.hosts.list(),
	}
	if d.o.Shared != nil {
		m.Shared = d.o.Shared.Metrics()
	}
	slices.SortFunc(m.Hosts, func(a, b HostInfo) int { return cmp.Compare(a.Host, b.Host) })
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.entries {
		if e.flight != nil {
			m.Flying++
		}
	}
	return m
}
