package gateway

import (
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
// whoever calls has made sure of. Its host and repository are those under which the image
// is to be pulled. [fairlead.Invalid] for an image that has no name there.
func (g *Gateway) Lease(who fairlead.Caller, run fairlead.RunID, fence int64, r ref.Resource) (fairlead.Lease, error) {
	const what = "leasing a login to the gateway"
	spelled, ok := Spell(r)
	if !ok {
		return fairlead.Lease{}, &fairlead.Error{
			Kind: fairlead.Invalid, Field: "image", What: what, Why: "a host in brackets can't be part of a name behind the gateway",
			Remedy: "pull directly, or give the registry a name in DNS",
		}
	}
	public, err := url.Parse(g.opts.PublicURL)
	if err != nil || public.Host == "" {
		return fairlead.Lease{}, &fairlead.Error{Kind: fairlead.Internal, What: what, Why: "the server's public URL isn't one"}
	}
	end := g.opts.Now().Add(heldLeaseLife)
	text, err := g.logins.passes.make(pass{
		Kind: heldPass, Worker: fairlead.WorkerID(who.ID), Run: run, Fence: fence, Host: r.Host, Repo: r.Repository, Expires: end.Unix(),
	})
	if err != nil {
		return fairlead.Lease{}, err
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return fairlead.Lease{
		ID: hex.EncodeToString(id[:]), Kind: fairlead.ThroughGateway, Bearer: text, Expires: end.Truncate(time.Second), PlainHTTP: public.Scheme == "http",
		For: fairlead.Scope{Resource: ref.Resource{Host: public.Host, Repository: spelled}, Verb: fairlead.Pull},
	}, nil
}
