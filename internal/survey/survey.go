// Package survey finds out what an organization's connectors reach at their providers:
// all of them at once, each within a limit of its own, so that one which hangs costs no
// more than its own row.
package survey

import (
	"context"
	"fmt"
	"sync"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// The time that each connector is given.
const (
	DefaultLimit = 20 * time.Second
	MaxLimit     = 5 * time.Minute
)

// Opener opens connectors, and records that: the vault.
type Opener interface {
	OpenFor(
		ctx context.Context, who fairlead.Caller, act fairlead.Action, o fairlead.Organization, c fairlead.Connector, s fairlead.Scope,
	) (provider.Opened, error)
}

// Survey asks connectors. It is safe for concurrent use.
type Survey struct {
	providers provider.Set
	vault     Opener
}

// New makes a survey.
func New(providers provider.Set, vault Opener) *Survey {
	return &Survey{providers: providers, vault: vault}
}

// Resources gives a row for each connector, in their order: what it reaches, or in its
// row why that isn't known. limit is for each of them; 0 is [DefaultLimit].
// [fairlead.Denied], [fairlead.NotFound], [fairlead.Invalid] for the limit.
func (s *Survey) Resources(
	ctx context.Context, who fairlead.Caller, o fairlead.Organization, connectors []fairlead.Connector, limit time.Duration,
) ([]fairlead.Reached, error) {
	if err := who.May(fairlead.ConnectorDiscover, fairlead.Place{Organization: o.ID}); err != nil {
		return nil, err
	}
	switch {
	case limit == 0:
		limit = DefaultLimit
	case limit < 0 || limit > MaxLimit:
		return nil, &fairlead.Error{
			Kind: fairlead.Invalid, Field: "timeout", What: fairlead.ConnectorDiscover.Gerund(), Why: fmt.Sprintf("the limit %s is out of range", limit),
			Remedy: fmt.Sprintf("give each connector up to %s", MaxLimit),
		}
	}
	found := make([]fairlead.Reached, len(connectors))
	var all sync.WaitGroup
	for i, c := range connectors {
		all.Go(func() {
			found[i] = fairlead.Reached{Connector: c.Name, Family: c.Family}
			list, err := within(ctx, limit, c, func(ctx context.Context) ([]fairlead.FoundResource, error) { return s.of(ctx, who, o, c) })
			found[i].Resources = list
			if err != nil {
				found[i].Error = fairlead.AsError("listing what connector "+string(c.Name)+" reaches", err)
			}
		})
	}
	all.Wait()
	return found, ctx.Err()
}

// of asks one connector's provider.
func (s *Survey) of(ctx context.Context, who fairlead.Caller, o fairlead.Organization, c fairlead.Connector) ([]fairlead.FoundResource, error) {
	p, err := s.providers.Family(c.Family)
	if err != nil {
		return nil, err
	}
	lister, ok := p.(provider.Lister)
	if !ok {
		return nil, &fairlead.Error{
			Kind: fairlead.NotFound, What: "listing what connector " + string(c.Name) + " reaches", Why: "family " + string(c.Family) + " can't list",
			Remedy: "add registry entries by their patterns",
		}
	}
	opened, err := s.vault.OpenFor(ctx, who, fairlead.ConnectorDiscover, o, c, fairlead.Scope{})
	if err != nil {
		return nil, err
	}
	return lister.Resources(ctx, opened)
}

// within ends what takes longer than the limit, whether or not it minds its context.
func within(
	ctx context.Context, limit time.Duration, c fairlead.Connector, do func(context.Context) ([]fairlead.FoundResource, error),
) ([]fairlead.FoundResource, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	type answer struct {
		list []fairlead.FoundResource
		err  error
	}
	came := make(chan answer, 1)
	go func() {
		list, err := do(ctx)
		came <- answer{list, err}
	}()
	var got answer
	select {
	case got = <-came:
	case <-ctx.Done():
		got.err = ctx.Err()
	}
	if got.err != nil && ctx.Err() != nil {
		return got.list, &fairlead.Error{
			Kind: fairlead.Unavailable, What: "listing what connector " + string(c.Name) + " reaches", Why: fmt.Sprintf("its provider hasn't answered within %s", limit),
			Remedy: "give it more time with --timeout, or look what is wrong: `fairlead connector verify " + string(c.Name) + "`",
		}
	}
	return got.list, got.err
}
