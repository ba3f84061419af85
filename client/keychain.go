package client

import (
	"context"
	"sync"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

// Keychain gives logins that the server leases. It keeps each as long as it holds, so
// that it can be asked for every request. It is a [fairlead.Keychain] and a
// [fairlead.Refuser], safe for concurrent use.
type Keychain struct {
	ask func(ctx context.Context, s fairlead.Scope, refused string) (wire.Lease, error)
	now func() time.Time

	mu      sync.Mutex
	leases  map[fairlead.Scope]fairlead.Lease
	refused map[fairlead.Scope]string
}

// ProjectKeychain gives logins with the rights of a project, for an image. now is the
// clock by which leases end.
func (c *Client) ProjectKeychain(owner, project fairlead.Name, image ref.Image, now func() time.Time) *Keychain {
	at := wire.ProjectPath{Owner: owner, Project: project}
	return newKeychain(now, func(ctx context.Context, s fairlead.Scope, refused string) (wire.Lease, error) {
		name := s.Resource.Host + "/" + s.Resource.Repository
		if s.Resource == image.Resource {
			name = image.String()
		}
		if s.Verb == fairlead.Push {
			return Do(ctx, c, wire.LeasePush, wire.PushLeaseRequest{ProjectPath: at, Image: name, Refused: refused})
		}
		return Do(ctx, c, wire.LeaseLogin, wire.LeaseRequest{ProjectPath: at, Image: name, Refused: refused})
	})
}

// HeldKeychain gives a worker logins for the image of a run that it holds.
func (c *Client) HeldKeychain(run fairlead.RunID, fence int64, now func() time.Time) *Keychain {
	return newKeychain(now, func(ctx context.Context, s fairlead.Scope, refused string) (wire.Lease, error) {
		r := s.Resource
		if s.Verb != fairlead.Pull {
			return wire.Lease{}, &fairlead.Error{
				Kind: fairlead.Invalid, Field: "verb", What: "leasing a login", Why: "a worker pulls", Remedy: "push with a project's login",
			}
		}
		return Do(ctx, c, wire.LeaseHeld, wire.HeldLeaseRequest{
			HeldPath: wire.HeldPath{Run: run, Fence: fence}, Host: r.Host, Repository: r.Repository, Refused: refused,
		})
	})
}

// GatewayKeychain gives a worker logins to the server's own gateway, for the image of a
// run that it holds. They are for the resource of [Client.HeldGatewayLease], with which it
// begins.
func (c *Client) GatewayKeychain(run fairlead.RunID, fence int64, image ref.Resource, now func() time.Time) *Keychain {
	return newKeychain(now, func(ctx context.Context, _ fairlead.Scope, refused string) (wire.Lease, error) {
		return Do(ctx, c, wire.LeaseHeld, wire.HeldLeaseRequest{
			HeldPath: wire.HeldPath{Run: run, Fence: fence}, Host: image.Host, Repository: image.Repository, Refused: refused, Through: wire.Gateway,
		})
	})
}

// HeldGatewayLease gives a worker a login to the server's own gateway, for the image of a
// run that it holds. The lease's host and repository are those under which the image is
// to be pulled, with its own tag or digest. [fairlead.Conflict] (CodeNoGateway) if the
// server has no gateway.
func (c *Client) HeldGatewayLease(ctx context.Context, run fairlead.RunID, fence int64, r ref.Resource) (fairlead.Lease, error) {
	l, err := Do(ctx, c, wire.LeaseHeld, wire.HeldLeaseRequest{
		HeldPath: wire.HeldPath{Run: run, Fence: fence}, Host: r.Host, Repository: r.Repository, Through: wire.Gateway,
	})
	return l.Lease(), err
}

func newKeychain(now func() time.Time, ask func(context.Context, fairlead.Scope, string) (wire.Lease, error)) *Keychain {
	return &Keychain{ask: ask, now: now, leases: map[fairlead.Scope]fairlead.Lease{}, refused: map[fairlead.Scope]string{}}
}

// margin is how long before its end a lease isn't used any more, so that a request
// that begins with it isn't refused on its way.
const margin = 5 * time.Second

// keepAnonymous is how long a lease without an end is used.
const keepAnonymous = time.Minute

// Lease gives a login for the scope: the one that was leased before, while it holds.
func (k *Keychain) Lease(ctx context.Context, s fairlead.Scope) (fairlead.Lease, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l, ok := k.leases[s]; ok && l.Live(k.now().Add(margin)) {
		return l, nil
	}
	begun := k.now()
	reply, err := k.ask(ctx, s, k.refused[s])
	if err != nil {
		return fairlead.Lease{}, err
	}
	delete(k.refused, s)
	l := reply.Lease()
	kept := l
	if kept.Expires.IsZero() {
		kept.Expires = begun.Add(keepAnonymous)
	}
	k.leases[s] = kept
	return l, nil
}

// Refused forgets a lease that a registry didn't take, and tells the server with the
// next asking.
func (k *Keychain) Refused(_ context.Context, l fairlead.Lease) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.leases[l.For].ID == l.ID {
		delete(k.leases, l.For)
		k.refused[l.For] = l.ID
	}
}
