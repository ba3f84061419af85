package gcpartifactregistry

import (
	"context"
	"time"
)

// Wait replaces the waiting.
func Wait(p Provider, w func(context.Context, time.Duration) error) Provider {
	p.wait = w
	return p
}

// WaitFor is the waiting itself.
var WaitFor = wait

// The parsers, for fuzzing.
var (
	ParsePool    = parsePool
	ParseKey     = parseKey
	InspectToken = inspectToken
	MayBeHost    = mayBeHost
)

// PoolName is a provider's resource name.
func PoolName(p pool) string { return p.name }
