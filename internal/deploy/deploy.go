// Package deploy makes and removes repositories at the providers, with connectors of
// administrators who ask for it.
package deploy

import (
	"context"
	"fmt"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/ref"
)

// Opener opens connectors, and records that: the vault.
type Opener interface {
	OpenFor(
		ctx context.Context, who fairlead.Caller, act fairlead.Action, o fairlead.Organization, c fairlead.Connector, s fairlead.Scope,
	) (provider.Opened, error)
}

// Store is what is read.
type Store interface {
	RegistriesOf(ctx context.Context, org fairlead.OrganizationID) ([]fairlead.Registry, error)
}

// Repositories makes and removes repositories. It is safe for concurrent use.
type Repositories struct {
	store     Store
	providers provider.Set
	vault     Opener
}

// New makes it.
func New(store Store, providers provider.Set, vault Opener) *Repositories {
	return &Repositories{store: store, providers: providers, vault: vault}
}

// Target is a repository that is to be made or removed.
type Target struct {
	// Address is as an image's name begins.
	Address string
	// Notes say how it was read.
	Notes []string

	resource ref.Resource
	deployer provider.Deployer
}

// Pattern is the match pattern of an entry for it.
func (t Target) Pattern() string { return t.Address + "/*" }

// Plan says in sentences what Deploy would do. [fairlead.Denied], [fairlead.NotFound],
// [fairlead.Invalid] for an address or a connector with which nothing can be made.
func (r *Repositories) Plan(
	_ context.Context, who fairlead.Caller, o fairlead.Organization, c fairlead.Connector, address string,
) (Target, []string, error) {
	const act = fairlead.RepositoryDeploy
	if err := who.May(act, fairlead.Place{Organization: o.ID}); err != nil {
		return Target{}, nil, err
	}
	t, err := r.target(act, c, address)
	if err != nil {
		return t, nil, err
	}
	steps, err := t.deployer.Plan(c, t.Address)
	return t, steps, err
}

// Deploy makes a repository, and reports whether it was there already; it is left as it
// is then. Errors are those of [Repositories.Plan] and what the provider answers.
func (r *Repositories) Deploy(
	ctx context.Context, who fairlead.Caller, o fairlead.Organization, c fairlead.Connector, address string,
) (t Target, existed bool, err error) {
	const act = fairlead.RepositoryDeploy
	t, opened, err := r.open(ctx, who, act, o, c, address)
	if err != nil {
		return t, false, err
	}
	err = t.deployer.Deploy(ctx, opened, t.Address)
	if fairlead.CodeOf(err) == fairlead.CodeExists {
		return t, true, nil
	}
	return t, false, err
}

// Destroy removes a repository. Unless it is forced, it is [fairlead.Conflict]
// (CodeInUse) while registry entries are for it or for what is in it.
func (r *Repositories) Destroy(
	ctx context.Context, who fairlead.Caller, o fairlead.Organization, c fairlead.Connector, address string, force bool,
) (Target, error) {
	const act = fairlead.RepositoryDestroy
	if err := who.May(act, fairlead.Place{Organization: o.ID}); err != nil {
		return Target{}, err
	}
	t, err := r.target(act, c, address)
	if err != nil {
		return t, err
	}
	if !force {
		if err := r.unused(ctx, o, t); err != nil {
			return t, err
		}
	}
	t, opened, err := r.open(ctx, who, act, o, c, address)
	if err != nil {
		return t, err
	}
	return t, t.deployer.Destroy(ctx, opened, t.Address)
}

// unused refuses to remove what registry entries are for.
func (r *Repositories) unused(ctx context.Context, o fairlead.Organization, t Target) error {
	entries, err := r.store.RegistriesOf(ctx, o.ID)
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(e.Pattern.String(), t.Address); ok && (rest == "" || rest[0] == '/' || rest[0] == ':') {
			names = append(names, string(e.Name))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return &fairlead.Error{
		Kind: fairlead.Conflict, Code: fairlead.CodeInUse, What: "destroying repository " + t.Address,
		Why:    "registry entries are for it: " + strings.Join(names, ", "),
		Remedy: "remove them first (`fairlead registry remove " + names[0] + "`), or give --force",
	}
}

func (r *Repositories) open(
	ctx context.Context, who fairlead.Caller, act fairlead.Action, o fairlead.Organization, c fairlead.Connector, address string,
) (Target, provider.Opened, error) {
	if err := who.May(act, fairlead.Place{Organization: o.ID}); err != nil {
		return Target{}, provider.Opened{}, err
	}
	t, err := r.target(act, c, address)
	if err != nil {
		return t, provider.Opened{}, err
	}
	opened, err := r.vault.OpenFor(ctx, who, act, o, c, fairlead.Scope{Resource: t.resource, Verb: fairlead.Push})
	return t, opened, err
}

// target reads an address, which may be pasted, for a connector whose family makes and
// removes repositories.
func (r *Repositories) target(act fairlead.Action, c fairlead.Connector, address string) (Target, error) {
	p, err := r.providers.Family(c.Family)
	if err != nil {
		return Target{}, err
	}
	deployer, ok := p.(provider.Deployer)
	if !ok {
		return Target{}, &fairlead.Error{
			Kind: fairlead.Invalid, Field: "connector", What: act.Gerund(), Why: fmt.Sprintf("registries of family %s offer no way that Fairlead knows to make or remove repositories", c.Family),
			Remedy: "do it in the registry's own console, or with its own tool; most registries make a repository with the first push to it",
		}
	}
	read, notes, err := provider.Set{p}.Read(address)
	if err != nil {
		e := *fairlead.AsError(act.Gerund(), err)
		e.Field = "address"
		return Target{}, &e
	}
	read = strings.TrimSuffix(read, "/*")
	if strings.Contains(read, "*") {
		return Target{}, &fairlead.Error{
			Kind: fairlead.Invalid, Field: "address", What: act.Gerund(), Why: fairlead.Clip(read) + " names more than one repository",
			Remedy: "write one address, without *",
		}
	}
	resource, err := ref.ParseResource(read)
	if err != nil {
		return Target{}, fairlead.Misread("address", err)
	}
	if err := p.Accepts(c, resource.Host); err != nil {
		e := *fairlead.AsError(act.Gerund(), err)
		e.Field = "address"
		return Target{}, &e
	}
	return Target{Address: resource.String(), Notes: notes, resource: resource, deployer: deployer}, nil
}
