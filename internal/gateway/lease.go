package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/url"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// heldLeaseLife is how long a worker's lease of the gateway is taken. It ends before if
// the worker holds the run no more.
const heldLeaseLife = 15 * time.Minute

// Lease gives a worker a login to the gateway for the image of a run that it holds, which
// whoever calls has made sure of: a is what [Held] gives. Its host and repository are
// those under which the image is to be pulled. The registry is asked for the image first,
// unless that is known, so that what stands in the way is told with the registry's own
// code and words: the errors are the broker's and the registry's, [fairlead.Invalid] for
// an image that has no name behind the gateway.
func (g *Gateway) Lease(ctx context.Context, a fairlead.Asker, fence int64) (fairlead.Lease, error) {
	const what = "leasing a login to the gateway"
	r := a.Image.Resource
	spelled, ok := Spell(r)
	if !ok {
		return fairlead.Lease{}, &fairlead.Error{
			Kind: fairlead.Invalid, Code: fairlead.CodeNoGateway, Field: "image", What: what, Why: "a host in brackets can't be part of a name behind the gateway",
			Remedy: "pull directly, or give the registry a name in DNS",
		}
	}
	public, err := url.Parse(g.opts.PublicURL)
	if err != nil || public.Host == "" {
		return fairlead.Lease{}, &fairlead.Error{Kind: fairlead.Internal, What: what, Why: "the server's public URL isn't one"}
	}
	a.Inside = true
	p := pass{Kind: heldPass, Worker: fairlead.WorkerID(a.Who.ID), Run: a.Run, Fence: fence, Host: r.Host, Repo: r.Repository}
	cover, err := g.readable(ctx, &session{asker: a, pass: p, reader: reader{a.Who.Kind, a.Who.ID, a.Run}}, spelled)
	if err != nil {
		return fairlead.Lease{}, err
	}
	end := g.opts.Now().Add(heldLeaseLife)
	p.Expires = end.Unix()
	text, err := g.logins.passes.make(p)
	if err != nil {
		return fairlead.Lease{}, err
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return fairlead.Lease{
		ID: hex.EncodeToString(id[:]), Kind: fairlead.ThroughGateway, Bearer: text, Expires: end.Truncate(time.Second), PlainHTTP: public.Scheme == "http",
		For:      fairlead.Scope{Resource: ref.Resource{Host: public.Host, Repository: spelled}, Verb: fairlead.Pull},
		Registry: cover.Registry, RegistryName: cover.Name, Connector: cover.Connector, ConnectorName: cover.ConnectorName,
	}, nil
}

// readable finds out whether the session may read its image, and by which entry.
func (g *Gateway) readable(ctx context.Context, s *session, spelled string) (fairlead.Coverage, error) {
	i := s.asker.Image
	room := g.roomOf(tenantOf(s.asker), i.Resource)
	t := target{kind: manifests, name: spelled, reference: i.Tag}
	var a answer
	var err error
	if i.Digest != "" {
		t.reference = i.Digest
		a, err = room.byDigest(ctx, s, t, fairlead.Digest(i.Digest))
	} else {
		a, err = room.byTag(ctx, s, t, false)
	}
	if err == nil {
		return a.view.cover, nil
	}
	v, coverErr := room.view(ctx, i)
	if coverErr != nil || v.cover.Registry != "" {
		return fairlead.Coverage{}, err
	}
	// That no entry covers it may be why.
	l, leaseErr := g.opts.Leases.Lease(ctx, v.asker(s), v.scope())
	if leaseErr != nil {
		return fairlead.Coverage{}, err
	}
	return fairlead.Coverage{}, fairlead.Uncovered(err, l.Note)
}
