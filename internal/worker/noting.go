package worker

import (
	"context"
	"sync"

	"fairlead.dev/fairlead"
)

// noting is a keychain that remembers the lease it gave last, for the run's record.
type noting struct {
	fairlead.Keychain

	mu    sync.Mutex
	lease fairlead.Lease
}

// Lease gives the keychain's lease.
func (n *noting) Lease(ctx context.Context, s fairlead.Scope) (fairlead.Lease, error) {
	l, err := n.Keychain.Lease(ctx, s)
	if err == nil {
		n.mu.Lock()
		n.lease = l
		n.mu.Unlock()
	}
	return l, err
}

// Refused hands a refusal on.
func (n *noting) Refused(ctx context.Context, l fairlead.Lease) {
	if r, ok := n.Keychain.(fairlead.Refuser); ok {
		r.Refused(ctx, l)
	}
}

func (n *noting) last() fairlead.Lease {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lease
}
