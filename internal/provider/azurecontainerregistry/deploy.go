package azurecontainerregistry

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/ref"
)

// place is what an address stands for: a registry in the connector's resource group,
// and maybe a repository in it.
type place struct {
	host       host
	address    string
	repository string
}

// sku is the least that a registry can be made as.
const sku = "Basic"

// placeOf reads an address, which has to name one thing.
func (p Provider) placeOf(c fairlead.Connector, address string) (place, error) {
	const what = "reading address"
	server, repository, below := strings.Cut(address, "/")
	h, ok := parseHost(server)
	if !ok || below && repository == "" {
		return place{}, invalid("address", what, quoted(address)+" is not a registry of Azure", "write NAME.azurecr.io, or NAME.azurecr.io/REPOSITORY")
	}
	if err := p.Accepts(c, server); err != nil {
		return place{}, err
	}
	if repository != "" {
		if err := ref.CheckRepository(repository); err != nil {
			return place{}, fairlead.Misread("address", err)
		}
	}
	if c.Method == repositoryToken {
		return place{}, invalid("connector", what, "a registry's own token makes and removes nothing", "use a connector with method federation, service-principal or managed-identity")
	}
	return place{host: h, address: h.server, repository: repository}, nil
}

// located checks that the connector says where registries are made.
func located(c fairlead.Connector) error {
	for _, f := range [][2]string{{subscriptionID, "--subscription-id"}, {resourceGroup, "--resource-group"}, {location, "--location"}} {
		if c.Public[f[0]] == "" {
			return invalid(f[0], "reading address", "connector "+string(c.Name)+" doesn't say where registries are made: "+f[0]+" is missing",
				"give it with `fairlead connector update "+string(c.Name)+" "+f[1]+" ...`")
		}
	}
	return nil
}

// Plan says what Deploy will do.
func (p Provider) Plan(c fairlead.Connector, address string) ([]string, error) {
	at, err := p.placeOf(c, address)
	if err != nil {
		return nil, err
	}
	if err := located(c); err != nil {
		return nil, err
	}
	if err := nameable(at.host); err != nil {
		return nil, err
	}
	plan := []string{
		"look for the registry " + at.host.name + " in resource group " + c.Public[resourceGroup] + " of subscription " + c.Public[subscriptionID],
		"if it isn't there, make it in " + c.Public[location] + " with SKU " + sku + ", without an admin user and without anonymous pulls (Azure bills it by the day)",
	}
	if at.repository != "" {
		plan = append(plan, "leave repository "+at.repository+" to the first push, which makes it")
	}
	return plan, nil
}

// nameable refuses names that no registry can be made under
// (learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules).
func nameable(h host) error {
	const what = "making registry"
	switch {
	case h.label != "":
		return invalid("address", what, h.server+" has a domain name label, which Azure chooses itself", "write NAME."+h.cloud.suffix+" without a dash")
	case !regexp.MustCompile(`^[a-z0-9]{5,50}$`).MatchString(h.name):
		return invalid("address", what, quoted(h.name)+" can't be a registry's name", "use 5 to 50 letters and digits")
	}
	return nil
}

func (m manager) resource(name string) string {
	return "https://" + m.cloud.manager + "/subscriptions/" + m.c.Public[subscriptionID] + "/resourceGroups/" + url.PathEscape(m.c.Public[resourceGroup]) +
		"/providers/Microsoft.ContainerRegistry/registries/" + name + "?api-version=" + registryVersion
}

// find gives a registry of the resource group, false if it isn't there.
func (m manager) find(ctx context.Context, what, name string) (registryDocument, bool, error) {
	var d registryDocument
	r, err := m.send(ctx, what, http.MethodGet, m.resource(name), nil, http.StatusOK)
	switch {
	case fairlead.KindOf(err) == fairlead.NotFound && fairlead.AsError(what, err).Field == "":
		return d, false, nil
	case err != nil:
		return d, false, err
	}
	if json.Unmarshal(r.body, &d) != nil {
		return d, false, broken(what, "Azure Resource Manager answered with no registry")
	}
	return d, true, nil
}

// Deploy makes the address's registry, and waits until it is there: [fairlead.Conflict]
// (CodeExists) if it was before, and is left as it is.
func (p Provider) Deploy(ctx context.Context, c provider.Opened, address string) error {
	if err := p.whole(c); err != nil {
		return err
	}
	at, err := p.placeOf(c.Connector, address)
	if err != nil {
		return err
	}
	if err := located(c.Connector); err != nil {
		return err
	}
	what := "making registry " + at.address
	m, err := p.manager(ctx, c)
	if err != nil {
		return err
	}
	// What is there is left as it is: writing it again could change it.
	d, there, err := m.find(ctx, what, at.host.name)
	if err != nil {
		return err
	}
	existed := there
	if !there {
		if err := nameable(at.host); err != nil {
			return err
		}
		if d, err = m.create(ctx, what, at.host.name); err != nil {
			return err
		}
	}
	for d.Properties.ProvisioningState != "Succeeded" {
		switch d.Properties.ProvisioningState {
		case "Failed", "Canceled", "Deleting":
			return broken(what, "Azure shows it as "+d.Properties.ProvisioningState)
		}
		if err := p.pause(ctx, what); err != nil {
			return err
		}
		if d, there, err = m.find(ctx, what, at.host.name); err != nil {
			return err
		}
		if !there {
			return broken(what, "it was made and is gone")
		}
	}
	if err := sameServer(what, d, at); err != nil || !existed {
		return err
	}
	return &fairlead.Error{
		Kind: fairlead.Conflict, Code: fairlead.CodeExists, What: what, Why: "the registry is there already, in this resource group", Remedy: "use it as it is",
	}
}

func (m manager) create(ctx context.Context, what, name string) (registryDocument, error) {
	var d registryDocument
	r, err := m.send(ctx, what, http.MethodPut, m.resource(name), map[string]any{
		"location": m.c.Public[location], "sku": map[string]string{"name": sku}, "properties": map[string]any{"adminUserEnabled": false},
	}, http.StatusOK, http.StatusCreated, http.StatusAccepted)
	if err != nil {
		return d, err
	}
	if json.Unmarshal(r.body, &d) != nil {
		return d, broken(what, "Azure Resource Manager answered with no registry")
	}
	return d, nil
}

// pause waits until it makes sense to look again.
func (p Provider) pause(ctx context.Context, what string) error {
	timer := time.NewTimer(p.poll)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return unreachable(what, "Azure Resource Manager", "", ctx.Err())
	}
}

// sameServer refuses a registry that has the name, but another host.
func sameServer(what string, d registryDocument, at place) error {
	if strings.EqualFold(d.Properties.LoginServer, at.address) {
		return nil
	}
	return &fairlead.Error{
		Kind: fairlead.Conflict, What: what,
		Why:    "registry " + at.host.name + " is reached at " + quoted(d.Properties.LoginServer) + " and not at " + at.address,
		Remedy: "use the address that Azure gives it",
	}
}

// Destroy removes the repository that the address names, with all its images; an
// address without one is the whole registry. It is [fairlead.NotFound] if it isn't there.
func (p Provider) Destroy(ctx context.Context, c provider.Opened, address string) error {
	if err := p.whole(c); err != nil {
		return err
	}
	at, err := p.placeOf(c.Connector, address)
	if err != nil {
		return err
	}
	if at.repository != "" {
		return p.destroyRepository(ctx, c, at)
	}
	if err := located(c.Connector); err != nil {
		return err
	}
	what := "removing registry " + at.address
	m, err := p.manager(ctx, c)
	if err != nil {
		return err
	}
	d, there, err := m.find(ctx, what, at.host.name)
	switch {
	case err != nil:
		return err
	case !there:
		return gone(what, at.address)
	}
	if err := sameServer(what, d, at); err != nil {
		return err
	}
	_, err = m.send(ctx, what, http.MethodDelete, m.resource(at.host.name), nil, http.StatusOK, http.StatusAccepted, http.StatusNoContent)
	return err
}

func gone(what, address string) error {
	return &fairlead.Error{Kind: fairlead.NotFound, What: what, Why: address + " isn't there", Remedy: "check the name, the resource group and the subscription"}
}

// destroyRepository deletes a repository (learn.microsoft.com/rest/api/containerregistry/repository/delete).
func (p Provider) destroyRepository(ctx context.Context, c provider.Opened, at place) error {
	what := "removing repository " + at.address + "/" + at.repository
	token, err := p.entra(ctx, c, fairlead.Scope{}, registryAudience)
	if err != nil {
		return err
	}
	given, err := p.access(ctx, at.address, token, "repository:"+at.repository+":delete")
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, "https://"+at.address+"/acr/v1/"+at.repository, nil)
	if err != nil {
		return fairlead.AsError(what, err)
	}
	req.Header.Set("Authorization", "Bearer "+string(given.Reveal()))
	r, err := p.call(ctx, what, at.address, req)
	if err != nil {
		return err
	}
	if err := p.unwell(what, at.address, r); err != nil {
		return err
	}
	switch r.status {
	case http.StatusOK, http.StatusAccepted:
		return nil
	case http.StatusNotFound:
		return gone(what, at.address+"/"+at.repository)
	case http.StatusUnauthorized, http.StatusForbidden:
		return lacking(what, at.address, "repository:"+at.repository+":delete")
	default:
		return broken(what, at.address+" answers "+statusText(r.status))
	}
}
