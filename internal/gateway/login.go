package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/identity"
	"fairlead.dev/fairlead/ref"
)

// session is who asks, and for what at most.
type session struct {
	asker fairlead.Asker
	// pass is what was shown, if it was a pass; its Kind is empty otherwise.
	pass pass
	// reader tells apart who was handed what.
	reader reader
}

// reader is on whose behalf something is read.
type reader struct {
	kind fairlead.SubjectKind
	id   string
	run  fairlead.RunID
}

// may reports whether the session's proof is for that repository: as the client names it
// for an access pass, as it is for a worker's.
func (s *session) may(name string, r ref.Resource) bool {
	switch s.pass.Kind {
	case "", refreshPass:
		return true
	case accessPass:
		return slices.Contains(s.pass.Names, name)
	case heldPass:
		return s.pass.resource() == r
	default:
		return false
	}
}

// proof is an Authorization header that was read: what it shows, and for which
// organization. Whether it holds is asked each time.
type proof struct {
	hash         fairlead.TokenHash
	pass         pass
	organization fairlead.OrganizationID
	until        time.Time
	// held is the run of a worker's pass, as it was at that time.
	held fairlead.Asker
}

// How long a header isn't read again. What it is bound to is asked by the identity, which
// remembers it for a second, and so does a run.
const (
	proofLife  = time.Minute
	heldLife   = time.Second
	mostProofs = 50_000
)

// logins reads Authorization headers.
type logins struct {
	ids    *identity.Identity
	passes passes
	names  Organizations
	held   Held
	now    func() time.Time

	mu   sync.RWMutex
	seen map[[sha256.Size]byte]*proof
}

// session finds out who shows a header. [fairlead.Unauthenticated] if it proves nothing.
func (l *logins) session(ctx context.Context, header, from, request string) (session, error) {
	if header == "" {
		return session{}, identity.Unproven()
	}
	key := sha256.Sum256([]byte(header))
	l.mu.RLock()
	p := l.seen[key]
	l.mu.RUnlock()
	if p == nil || !l.now().Before(p.until) {
		var err error
		if p, err = l.read(ctx, header, from, request); err != nil {
			return session{}, err
		}
		l.mu.Lock()
		if len(l.seen) >= mostProofs {
			clear(l.seen)
		}
		l.seen[key] = p
		l.mu.Unlock()
	}
	return l.prove(ctx, p, from, request)
}

// prove asks whether what a proof is bound to holds.
func (l *logins) prove(ctx context.Context, p *proof, from, request string) (session, error) {
	if p.pass.over(l.now()) {
		return session{}, unauthenticated("the token has ended")
	}
	if p.pass.Kind == heldPass {
		a := p.held
		a.Who.From, a.Who.Request = from, request
		return session{asker: a, pass: p.pass, reader: reader{a.Who.Kind, a.Who.ID, a.Run}}, nil
	}
	who, err := l.ids.Bound(ctx, p.hash, from, request)
	if err != nil {
		return session{}, err
	}
	return session{
		asker: fairlead.Asker{Who: who, Project: fairlead.Project{Organization: p.organization}, Inside: true},
		pass:  p.pass, reader: reader{kind: who.Kind, id: who.ID},
	}, nil
}

// read reads a header: Bearer with a pass or with a token itself, or Basic with either as
// the password.
func (l *logins) read(ctx context.Context, header, from, request string) (*proof, error) {
	scheme, rest, _ := strings.Cut(header, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return l.credential(ctx, "", rest, from, request)
	case strings.EqualFold(scheme, "Basic"):
		b, err := base64.StdEncoding.DecodeString(rest)
		name, password, ok := strings.Cut(string(b), ":")
		if err != nil || !ok {
			return nil, unauthenticated("the login can't be read")
		}
		return l.credential(ctx, name, password, from, request)
	default:
		return nil, identity.Unproven()
	}
}

// credential checks a token or a pass, and finds the organization that it is for.
func (l *logins) credential(ctx context.Context, name, text, from, request string) (*proof, error) {
	if strings.HasPrefix(text, passPrefix) {
		return l.fromPass(ctx, text, from, request)
	}
	hash, ok := identity.HashOf(fairlead.SecretText(text))
	if !ok {
		return nil, unauthenticated("the password is no token of Fairlead's: make one with `fairlead token create`")
	}
	who, err := l.ids.Bound(ctx, hash, from, request)
	if err != nil {
		return nil, err
	}
	org, err := l.organization(ctx, who, name)
	if err != nil {
		return nil, err
	}
	return &proof{hash: hash, organization: org, until: l.now().Add(proofLife)}, nil
}

func (l *logins) fromPass(ctx context.Context, text, from, request string) (*proof, error) {
	what, ok := l.passes.read([]byte(text))
	if !ok || what.over(l.now()) {
		return nil, unauthenticated("the token isn't the gateway's, or has ended")
	}
	if what.Kind == heldPass {
		who := fairlead.Caller{Subject: fairlead.Subject{Kind: fairlead.WorkerSubject, ID: string(what.Worker)}, From: from, Request: request}
		a, err := l.held(ctx, who, what.Run, what.Fence)
		if err != nil {
			return nil, unauthenticated("the worker doesn't hold the run any more")
		}
		a.Inside = true
		return &proof{pass: what, held: a, until: l.now().Add(heldLife)}, nil
	}
	if len(what.Token) != sha256.Size {
		return nil, unauthenticated("the token isn't the gateway's")
	}
	return &proof{hash: fairlead.TokenHash(what.Token), pass: what, organization: what.Organization, until: l.now().Add(proofLife)}, nil
}

// organization is the one for which a caller pulls: that which the user name names, or
// the only one that there is.
func (l *logins) organization(ctx context.Context, who fairlead.Caller, name string) (fairlead.OrganizationID, error) {
	if who.Kind != fairlead.UserSubject {
		return "", &fairlead.Error{
			Kind: fairlead.Denied, What: "logging in to the gateway", Why: "a worker's token pulls nothing by itself",
			Remedy: "a worker pulls with the lease of a run that it holds",
		}
	}
	list := who.Organizations()
	names := make([]string, 0, len(list))
	for _, id := range list {
		n, err := l.names(ctx, id)
		if err != nil {
			return "", err
		}
		if string(n) == name {
			return id, nil
		}
		names = append(names, string(n))
	}
	slices.Sort(names)
	switch len(list) {
	case 0:
		return "", &fairlead.Error{
			Kind: fairlead.Denied, What: "logging in to the gateway", Why: "you belong to no organization",
			Remedy: "have an administrator of one invite you",
		}
	case 1:
		return list[0], nil
	}
	return "", unauthenticated(fmt.Sprintf("you belong to several organizations: log in with one of their names as the user name (%s)", strings.Join(names, ", ")))
}

func unauthenticated(why string) error {
	return &fairlead.Error{
		Kind: fairlead.Unauthenticated, What: "logging in to the gateway", Why: why,
		Remedy: "log in with a token of Fairlead's as the password: `fairlead token create NAME --scope lease.pull`",
	}
}
