// Package diagnose says why an image can or can't be pulled: which registry entry decides,
// what each thing on the way shows, and what to do about the first that stands in it.
package diagnose

import (
	"context"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/ref"
)

// Leases gives logins: the broker.
type Leases interface {
	// Lease gives the login that a run would get just now.
	Lease(ctx context.Context, a fairlead.Asker, s fairlead.Scope) (fairlead.Lease, error)
	// Try makes one anew, so that what was remembered hides nothing.
	Try(ctx context.Context, a fairlead.Asker, s fairlead.Scope) (fairlead.Lease, error)
}

// Registries are what is looked at: the OCI client.
type Registries interface {
	Look(ctx context.Context, e oci.Endpoint) (oci.Sight, error)
	Trade(ctx context.Context, e oci.Endpoint, l oci.Login, s fairlead.Scope) (oci.Bearer, error)
	Examine(ctx context.Context, kc fairlead.Keychain, i ref.Image) (oci.Examined, error)
	Image(ctx context.Context, kc fairlead.Keychain, i ref.Image, on oci.Platform) (oci.Image, error)
	MayPush(ctx context.Context, kc fairlead.Keychain, r ref.Resource) error
}

// Store is what is read.
type Store interface {
	fairlead.Registries
	fairlead.Connectors
	fairlead.Workers
	Organization(ctx context.Context, id fairlead.OrganizationID) (fairlead.Organization, error)
	Memberships(ctx context.Context, id fairlead.UserID) ([]fairlead.Membership, error)
	RunsOf(ctx context.Context, project fairlead.ProjectID, before int64, limit int) ([]fairlead.Run, error)
	// Write records what is done.
	Write(ctx context.Context, change func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error)) error
}

// Options are what a doctor is made of.
type Options struct {
	Store      Store
	Leases     Leases
	Registries Registries
	Providers  provider.Set
	Now        func() time.Time
	// Gateway says that the server offers workers its gateway: what they pull through it
	// needs no login that leaves the server, whatever the entry's disclosure is.
	Gateway bool
	// Limit bounds a diagnosis; 0 is a minute.
	Limit time.Duration
}

// Doctor diagnoses. It is safe for concurrent use.
type Doctor struct {
	Options
	beds chan struct{}
}

// How much is diagnosed at once, and for how long.
const (
	mostAtOnce   = 8
	defaultLimit = time.Minute
)

// New makes a doctor.
func New(o Options) *Doctor {
	if o.Limit == 0 {
		o.Limit = defaultLimit
	}
	return &Doctor{Options: o, beds: make(chan struct{}, mostAtOnce)}
}

// Question is what is to be diagnosed.
type Question struct {
	// Asker is who would pull, and for which project. For the test of an entry the project
	// has the entry's organization and no name.
	Asker fairlead.Asker
	// Image is its name as it was written; "" for the test of an entry without one.
	Image string
	// Entry is the entry that is tested; "" for whichever decides.
	Entry fairlead.Name
	// Push asks about the right to push, too.
	Push bool
	// Network looks at the way to the registry from elsewhere; nil is from here.
	Network func(ctx context.Context, e oci.Endpoint) (oci.Sight, error)
	From    fairlead.Name // where that is
	// Report is told of each probe when it is done; it may be nil.
	Report func(fairlead.Probe)
}

// Diagnose goes the way of a pull, probe by probe. What goes wrong on it is a probe that
// failed; an error is that nothing was tried: [fairlead.Denied], [fairlead.NotFound] for
// an entry that isn't there, [fairlead.Limited] while too many are diagnosed.
func (d *Doctor) Diagnose(ctx context.Context, q Question) (fairlead.Diagnosis, error) {
	if err := q.Asker.May(fairlead.Pull); err != nil {
		return fairlead.Diagnosis{}, err
	}
	select {
	case d.beds <- struct{}{}:
		defer func() { <-d.beds }()
	default:
		return fairlead.Diagnosis{}, &fairlead.Error{
			Kind: fairlead.Limited, What: "diagnosing a pull", Why: "the server diagnoses others just now", Remedy: "try again in a minute", RetryAt: d.Now().Add(time.Minute),
		}
	}
	ctx, cancel := context.WithTimeout(ctx, d.Limit)
	defer cancel()
	w := &walk{d: d, q: q}
	if err := w.read(ctx); err != nil {
		return fairlead.Diagnosis{}, err
	}
	if err := d.record(ctx, q); err != nil {
		return fairlead.Diagnosis{}, err
	}
	w.steps(ctx)
	return w.diagnosis(), nil
}

// record writes the event of somebody's asking: hosts are connected to for it, and secrets
// opened. What the house asks by itself is recorded where that is done.
func (d *Doctor) record(ctx context.Context, q Question) error {
	a := q.Asker
	if a.Who.Kind == fairlead.SystemSubject {
		return nil
	}
	return d.Store.Write(ctx, func(context.Context, fairlead.Writer) (fairlead.Event, error) {
		on := fairlead.Object{Kind: "image", Name: fairlead.Clip(q.Image)}
		if q.Entry != "" {
			on = fairlead.Object{Kind: "registry", Name: string(q.Entry)}
		}
		ev := a.Who.Event(fairlead.LeasePull, a.Project.Place(), on).With("did", "diagnose")
		if q.Image != "" {
			ev = ev.With("for", fairlead.Clip(q.Image))
		}
		if q.From != "" {
			ev = ev.With("worker", string(q.From))
		}
		ev.Project = a.Project.ID
		return ev, nil
	})
}

// fixed is a keychain that has one lease.
type fixed fairlead.Lease

// Lease gives it.
func (f fixed) Lease(context.Context, fairlead.Scope) (fairlead.Lease, error) {
	return fairlead.Lease(f), nil
}

// noted is an error whose text is the doctor's own.
func noted(code fairlead.Code, what, why, remedy string) *fairlead.Error {
	kind := fairlead.Denied
	if code == "" {
		kind = fairlead.Invalid
	}
	return &fairlead.Error{Kind: kind, Code: code, What: what, Why: why, Remedy: remedy}
}
