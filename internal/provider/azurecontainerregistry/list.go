package azurecontainerregistry

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/ref"
)

// Resources lists the registries that the identity may read, and their repositories.
// Where a registry doesn't list its repositories to the identity, its row says why.
// A registry's own token may list nothing: its row is the registry, once the registry
// has accepted the token.
func (p Provider) Resources(ctx context.Context, c provider.Opened) ([]fairlead.FoundResource, error) {
	if err := p.whole(c); err != nil {
		return nil, err
	}
	if c.Method == repositoryToken {
		return p.ownRegistry(ctx, c)
	}
	m, err := p.manager(ctx, c)
	if err != nil {
		return nil, err
	}
	subscriptions, err := m.subscriptions(ctx)
	if err != nil {
		return nil, err
	}
	var registries []registryDocument
	for _, s := range subscriptions {
		found, err := m.registries(ctx, s)
		if err != nil {
			return nil, err
		}
		registries = append(registries, found...)
	}
	if len(registries) == 0 {
		return nil, &fairlead.Error{
			Kind: fairlead.Denied, Code: fairlead.CodeNoRight, What: "listing registries of Azure",
			Why:    "the identity can log in, but sees no registry",
			Remedy: "assign it Reader at the registries: AcrPull opens images and lists nothing; registries can also be added by name",
		}
	}
	return p.all(ctx, c, registries), nil
}

// all looks into the registries, some at a time, and gives rows in order.
func (p Provider) all(ctx context.Context, c provider.Opened, registries []registryDocument) []fairlead.FoundResource {
	// One token is good at all registries.
	token, err := p.entra(ctx, c, fairlead.Scope{}, registryAudience)
	rows := make([][]fairlead.FoundResource, len(registries))
	const together = 8
	gate := make(chan struct{}, together)
	var wg sync.WaitGroup
	for i, d := range registries {
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			failed := err
			var repositories []string
			if failed == nil {
				repositories, failed = p.catalog(ctx, d.Properties.LoginServer, token)
			}
			rows[i] = rowsOf(d, repositories, failed)
		})
	}
	wg.Wait()
	list := slices.Concat(rows...)
	slices.SortStableFunc(list, func(a, b fairlead.FoundResource) int { return cmp.Compare(a.Address, b.Address) })
	return list
}

func rowsOf(d registryDocument, repositories []string, failed error) []fairlead.FoundResource {
	server := d.Properties.LoginServer
	row := fairlead.FoundResource{Kind: fairlead.RegistryResource, Address: server, Pattern: server + "/*", Location: d.Location, Detail: d.SKU.Name}
	if strings.EqualFold(d.Properties.RoleAssignmentMode, "AbacRepositoryPermissions") {
		row.Detail = join(row.Detail, "ABAC repository permissions: AcrPull doesn't count here")
	}
	if failed != nil {
		row.Detail = join(row.Detail, "its repositories can't be listed: "+fairlead.AsError("listing repositories", failed).Why)
	}
	list := []fairlead.FoundResource{row}
	for _, r := range repositories {
		if ref.CheckRepository(r) != nil {
			continue
		}
		list = append(list, fairlead.FoundResource{Kind: fairlead.RepositoryResource, Address: server + "/" + r, Pattern: server + "/" + r, Location: d.Location})
	}
	return list
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// ownRegistry shows a token to its registry. It asks for no repository: that it is
// answered says that name and password are good.
func (p Provider) ownRegistry(ctx context.Context, c provider.Opened) ([]fairlead.FoundResource, error) {
	server := c.Public[loginServer]
	what := "logging in to " + server
	at, err := p.challenge(ctx, server)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+at.at+"/oauth2/token?service="+url.QueryEscape(at.service), nil)
	if err != nil {
		return nil, fairlead.AsError(what, err)
	}
	req.SetBasicAuth(c.Public[tokenName], string(c.Secret[tokenPassword].Reveal()))
	r, err := p.call(ctx, what, server, req)
	if err != nil {
		return nil, err
	}
	if err := p.unwell(what, server, r); err != nil {
		return nil, err
	}
	switch r.status {
	case http.StatusOK:
	case http.StatusForbidden:
		return nil, walled(what, server, r)
	default:
		return nil, &fairlead.Error{
			Kind: fairlead.Denied, Code: fairlead.CodeLoginRefused, What: what,
			Why:    server + " doesn't accept token " + c.Public[tokenName] + " with this password: it is wrong, has expired, or the token is disabled",
			Remedy: "make a new password with `az acr token credential generate`, and update the connector",
		}
	}
	return []fairlead.FoundResource{{
		Kind: fairlead.RegistryResource, Address: server, Pattern: server + "/*",
		Detail: "token " + c.Public[tokenName] + ": its scope map says which repositories, and the registry doesn't list them to it",
	}}, nil
}

// access gives a registry's access token for one scope.
func (p Provider) access(ctx context.Context, address string, token fairlead.Secret, scope string) (fairlead.Secret, error) {
	what := "logging in to " + address
	at, err := p.challenge(ctx, address)
	if err != nil {
		return fairlead.Secret{}, err
	}
	fresh, err := p.exchange(ctx, at, token)
	if err != nil {
		return fairlead.Secret{}, err
	}
	req, err := form(ctx, "https://"+at.at+"/oauth2/token", url.Values{
		"grant_type": {"refresh_token"}, "service": {at.service}, "scope": {scope}, "refresh_token": {string(fresh.token.Reveal())},
	})
	if err != nil {
		return fairlead.Secret{}, fairlead.AsError(what, err)
	}
	r, err := p.call(ctx, what, address, req)
	if err != nil {
		return fairlead.Secret{}, err
	}
	if err := p.unwell(what, address, r); err != nil {
		return fairlead.Secret{}, err
	}
	if r.status != http.StatusOK {
		return fairlead.Secret{}, lacking(what, address, scope)
	}
	return accessToken(what, address, r)
}

func lacking(what, address, scope string) error {
	e := &fairlead.Error{
		Kind: fairlead.Denied, Code: fairlead.CodeNoRight, What: what,
		Why:    address + " accepts the login, but the identity has no right to " + scope,
		Remedy: "assign the identity a role that allows it at the registry",
	}
	switch {
	case strings.HasPrefix(scope, "registry:catalog:"):
		e.Why = address + " accepts the login, but doesn't list its repositories to the identity"
		e.Remedy = "assign Container Registry Repository Catalog Lister at the registry"
	case strings.HasSuffix(scope, ":delete"):
		e.Why = address + " accepts the login, but the identity has no right to delete the repository"
		e.Remedy = "assign AcrDelete at the registry (Container Registry Repository Contributor if it has ABAC repository permissions)"
	}
	return e
}

// catalog lists a registry's repositories, all pages.
func (p Provider) catalog(ctx context.Context, address string, token fairlead.Secret) ([]string, error) {
	what := "listing repositories of " + address
	given, err := p.access(ctx, address, token, "registry:catalog:*")
	if err != nil {
		return nil, err
	}
	var list []string
	last := ""
	for range maxPages {
		query := url.Values{"n": {"1000"}}
		if last != "" {
			query.Set("last", last)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/acr/v1/_catalog?"+query.Encode(), nil)
		if err != nil {
			return nil, fairlead.AsError(what, err)
		}
		req.Header.Set("Authorization", "Bearer "+string(given.Reveal()))
		r, err := p.call(ctx, what, address, req)
		if err != nil {
			return nil, err
		}
		if err := p.unwell(what, address, r); err != nil {
			return nil, err
		}
		var page struct {
			Repositories []string `json:"repositories"`
		}
		switch {
		case r.status == http.StatusUnauthorized || r.status == http.StatusForbidden:
			return nil, lacking(what, address, "registry:catalog:*")
		case r.status != http.StatusOK || json.Unmarshal(r.body, &page) != nil:
			return nil, broken(what, address+" answered with no list ("+statusText(r.status)+")")
		}
		list = append(list, page.Repositories...)
		// The link is only a sign that there is more: what it names isn't followed.
		if r.header.Get("Link") == "" || len(page.Repositories) == 0 {
			return list, nil
		}
		last = page.Repositories[len(page.Repositories)-1]
	}
	return nil, broken(what, "the list of "+address+" has no end")
}
