package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/provider"
)

// mint makes a lease: the provider's login, narrowed as far as the registry allows.
func (b *Broker) mint(ctx context.Context, a fairlead.Asker, s fairlead.Scope, e *entry) (fairlead.Lease, error) {
	p, err := b.providers.Family(e.connector.Family)
	if err != nil {
		return fairlead.Lease{}, err
	}
	if err := p.Accepts(e.connector, s.Resource.Host); err != nil {
		return fairlead.Lease{}, err
	}
	opened, err := b.vault.Open(ctx, a, e.connector, s)
	if err != nil {
		return fairlead.Lease{}, err
	}
	login, err := p.Login(ctx, opened, s)
	if err != nil {
		return fairlead.Lease{}, opening(err, e)
	}
	l := e.lease(s)
	id, err := uuid.NewRandom()
	if err != nil {
		return fairlead.Lease{}, fairlead.AsError("naming lease", err)
	}
	l.ID = id.String()
	if err := b.narrow(ctx, &l, login, e); err != nil {
		return fairlead.Lease{}, err
	}
	return l, nil
}

// narrow fills the lease with the least that opens its scope: a registry token, a
// short-lived login, or the stored secret where that is allowed.
func (b *Broker) narrow(ctx context.Context, l *fairlead.Lease, login provider.Login, e *entry) error {
	if login.Bearer.IsZero() {
		bearer, err := b.trader.Trade(ctx, e.endpoint(l.For.Resource), oci.Login{
			Username: login.Username, Password: login.Password, Identity: login.Identity,
		}, l.For)
		if err == nil && l.For.Verb == fairlead.Push && bearer.Lacks(l.For) {
			err = powerless(l, e) // better told now than after the first gigabyte
		}
		if err == nil {
			l.Kind, l.Bearer, l.Expires = fairlead.RegistryToken, bearer.Token, earlier(bearer.Expires, login.Expires)
			return nil
		}
		if !errors.Is(err, oci.ErrNoTokenEndpoint) {
			return b.named(err, e)
		}
	}
	switch {
	case !login.Identity.IsZero():
		return &fairlead.Error{
			Kind: fairlead.Denied, Code: fairlead.CodeLoginRefused, What: "opening connector " + string(e.connector.Name),
			Why:    l.For.Resource.Host + " has no token endpoint at which an identity token could be traded",
			Remedy: "use method basic, or method bearer with --token-use present",
		}
	case !login.Stored:
		l.Kind = fairlead.ShortLogin
	case e.Disclosure == fairlead.StoredSecret:
		l.Kind = fairlead.SecretItself
	default:
		return undisclosed(l, e)
	}
	l.Username, l.Password, l.Bearer, l.Expires = login.Username, login.Password, login.Bearer, login.Expires
	return nil
}

func undisclosed(l *fairlead.Lease, e *entry) error {
	return &fairlead.Error{
		Kind: fairlead.Denied, Code: fairlead.CodeDisclosure, What: "opening " + l.For.Resource.Host + "/" + l.For.Resource.Repository,
		Why: fmt.Sprintf("the registry knows no narrower login than the stored secret of connector %s, and registry entry %s doesn't let that leave the server",
			e.connector.Name, e.Name),
		Remedy: fmt.Sprintf("an administrator allows it with `fairlead registry update %s --disclosure secret`, or gives the registry a token endpoint", e.Name),
	}
}

// opening says of a provider's error which connector it met. The provider knows best
// what is to be done.
func opening(err error, e *entry) error {
	fe, ok := errors.AsType[*fairlead.Error](err)
	if !ok {
		return err
	}
	c := *fe
	c.What = "opening connector " + string(e.connector.Name) + ": " + c.What
	return &c
}

// named says of an error of the registry whose connector it met.
func (b *Broker) named(err error, e *entry) error {
	fe, ok := errors.AsType[*fairlead.Error](err)
	if !ok {
		return err
	}
	c := *fe
	return c.OfConnector(e.connector.Name)
}

// earlier gives the earlier of two ends; zero is none.
func earlier(a, b time.Time) time.Time {
	if b.IsZero() || !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}
