package depot

import "sync/atomic"

// HostCounts is what has happened for an upstream since the depot was opened. What
// several upstreams have had a part in counts for the one that it began with.
type HostCounts struct {
	// Flights were begun, of which Flying are under way; Followers came to one.
	Flights, Flying, Followers int64
	// Failures ended without the blob, Wrong with other bytes than its digest names, Full
	// without room for it.
	Failures, Wrong, Full int64
}

type hostCounters struct {
	flights, flying, followers, failures, wrong, full atomic.Int64
}

func (c *hostCounters) begun() {
	c.flights.Add(1)
	c.flying.Add(1)
}

func (c *hostCounters) ended() { c.flying.Add(-1) }

func (c *hostCounters) counted() HostCounts {
	return HostCounts{
		Flights: c.flights.Load(), Flying: c.flying.Load(), Followers: c.followers.Load(),
		Failures: c.failures.Load(), Wrong: c.wrong.Load(), Full: c.full.Load(),
	}
}

// Plus adds up.
func (c HostCounts) Plus(o HostCounts) HostCounts {
	return HostCounts{
		Flights: c.Flights + o.Flights, Flying: c.Flying + o.Flying, Followers: c.Followers + o.Followers,
		Failures: c.Failures + o.Failures, Wrong: c.Wrong + o.Wrong, Full: c.Full + o.Full,
	}
}
