package fairlead

import "time"

// GatewayStatus is how the gateway does: for an organization, which is told nothing of
// what others keep or do, or for all of them.
type GatewayStatus struct {
	On           bool   `json:"on" doc:"Whether the server has a gateway at all."`
	Address      string `json:"address" doc:"The host that stands in front of an image's name."`
	Organization Name   `json:"organization,omitempty" doc:"Whose share it is; empty for all that the server keeps."`
	Quota        int64  `json:"quota" doc:"How many bytes are kept at most; 0 is as many as the disk has room for."`
	Bytes        int64  `json:"bytes" doc:"How many are kept."`
	Pinned       int64  `json:"pinned" doc:"How many of them are pinned."`
	Blobs        int    `json:"blobs"`
	Flights      int    `json:"flights" doc:"How many blobs are arriving now."`
	// Since is when counting began: when the server was started.
	Since time.Time `json:"since" doc:"Since when it is counted what follows."`
	GatewayTraffic
	Evictions  int64             `json:"evictions,omitempty" doc:"How many blobs have made room for others; told of all that the server keeps alone."`
	Evicted    int64             `json:"evicted,omitempty" doc:"The bytes of those."`
	Registries []GatewayRegistry `json:"registries"`
}

// GatewayTraffic is what was asked for, and where it came from.
type GatewayTraffic struct {
	Hits     int64 `json:"hits" doc:"Requests that were answered with what was there."`
	Misses   int64 `json:"misses" doc:"Requests for which the registry was asked."`
	Stales   int64 `json:"stales" doc:"Requests that were answered with what was there because the registry didn't answer."`
	Fetched  int64 `json:"fetched" doc:"Bytes from registries; of an organization, those that it hadn't had before."`
	Sent     int64 `json:"sent" doc:"Bytes to clients."`
	Requests int64 `json:"requests" doc:"Requests to registries; of an organization, without those that fetch blobs."`
	Failures int64 `json:"failures" doc:"Requests to registries that had no answer, or a bad one."`
	Refusals int64 `json:"refusals" doc:"Requests to registries that were answered no."`
}

// HitRate is the part of requests that needed no registry, of 1; 0 of none.
func (t GatewayTraffic) HitRate() float64 {
	if all := t.Hits + t.Misses + t.Stales; all > 0 {
		return float64(t.Hits+t.Stales) / float64(all)
	}
	return 0
}

// Saved is how many bytes clients had that no registry had to send.
func (t GatewayTraffic) Saved() int64 { return max(0, t.Sent-t.Fetched) }

// Plus adds up.
func (t GatewayTraffic) Plus(o GatewayTraffic) GatewayTraffic {
	return GatewayTraffic{
		Hits: t.Hits + o.Hits, Misses: t.Misses + o.Misses, Stales: t.Stales + o.Stales, Fetched: t.Fetched + o.Fetched, Sent: t.Sent + o.Sent,
		Requests: t.Requests + o.Requests, Failures: t.Failures + o.Failures, Refusals: t.Refusals + o.Refusals,
	}
}

// GatewayRegistry is how a registry does, as the gateway sees it.
type GatewayRegistry struct {
	Host string `json:"host"`
	GatewayTraffic
	Latency float64        `json:"latency" doc:"How long it takes to answer, on average, in seconds; 0 if it wasn't asked."`
	Ranges  string         `json:"ranges" enum:"yes,no,unknown" doc:"Whether it gives a part of a blob; told of all that the server keeps alone."`
	Limits  []GatewayLimit `json:"limits" doc:"What it says of how much may be pulled, and whether it wants to be left alone: for each login."`
}

// GatewayLimit is how a registry stands to one login.
type GatewayLimit struct {
	Organization Name      `json:"organization,omitempty"`
	Connector    Name      `json:"connector,omitempty" doc:"Whose login it is; empty without one."`
	Known        bool      `json:"known" doc:"Whether the registry says how many pulls are left."`
	Remaining    int       `json:"remaining" doc:"How many are left."`
	Limit        int       `json:"limit" doc:"Of how many."`
	Window       int       `json:"window" doc:"In how many seconds; 0 if it doesn't say."`
	Source       string    `json:"source,omitempty" doc:"Whom the registry counts them for: an address, or an account."`
	At           time.Time `json:"at,omitzero" doc:"When it said so."`
	Spared       bool      `json:"spared" doc:"Whether so few are left that tags that are there aren't asked for again."`
	RetryAt      time.Time `json:"retry_at,omitzero" doc:"Until when it isn't asked."`
	Failed       time.Time `json:"failed,omitzero" doc:"When it didn't answer; empty if it did the last time."`
}

// CachedImage is an image of which the gateway keeps something.
type CachedImage struct {
	Organization Name      `json:"organization,omitempty"`
	Registry     string    `json:"registry" doc:"The registry's host."`
	Repository   string    `json:"repository"`
	Reference    string    `json:"reference" doc:"The tag, or the digest."`
	Digest       Digest    `json:"digest" doc:"The manifest's."`
	Platforms    []string  `json:"platforms" doc:"Those of which all is there."`
	Size         int64     `json:"size" doc:"What is kept of it; what images share counts for each."`
	Blobs        int       `json:"blobs"`
	Used         time.Time `json:"used" doc:"When it was asked for the last time, to the minute or so."`
	Pinned       bool      `json:"pinned"`
}

// Name is the image's whole name.
func (i CachedImage) Name() string {
	sep := ":"
	if i.Reference == string(i.Digest) {
		sep = "@"
	}
	return i.Registry + "/" + i.Repository + sep + i.Reference
}

// GatewayUsage is what the gateway keeps.
type GatewayUsage struct {
	Bytes   int64         `json:"bytes" doc:"All that is kept; what images share counts once."`
	Unnamed int64         `json:"unnamed" doc:"Of that, bytes of which it isn't known any more of which image they are."`
	Images  []CachedImage `json:"images" doc:"The last used first."`
}

// GatewayPruned is what was let go of.
type GatewayPruned struct {
	Images []CachedImage `json:"images"`
	Blobs  int           `json:"blobs" doc:"How many blobs went."`
	Bytes  int64         `json:"bytes" doc:"How many bytes count no more."`
	Left   int64         `json:"left" doc:"How many bytes are left."`
	DryRun bool          `json:"dry_run,omitempty" doc:"Nothing was let go of: this is what would be."`
}

// GatewayPinned is an image that was pinned, or isn't any more.
type GatewayPinned struct {
	Image     string   `json:"image"`
	Digest    Digest   `json:"digest"`
	Platforms []string `json:"platforms"`
	Blobs     int      `json:"blobs"`
	Bytes     int64    `json:"bytes"`
}

// PrefetchProgress is how far an image is that is being fetched.
type PrefetchProgress struct {
	Image  string `json:"image"`
	Digest Digest `json:"digest,omitempty"`
	Blobs  int    `json:"blobs" doc:"How many blobs it has."`
	Size   int64  `json:"size" doc:"How many bytes they have."`
	Done   int64  `json:"done" doc:"How many of them are there."`
	Ready  bool   `json:"ready" doc:"Whether all of it is there."`
	Error  *Error `json:"error,omitempty" doc:"Why it can't be had."`
}
