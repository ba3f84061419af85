package azurecontainerregistry

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// The versions of Resource Manager's interfaces that are spoken
// (learn.microsoft.com/rest/api/containerregistry and /rest/api/resources/subscriptions).
const (
	registryVersion     = "2023-07-01"
	subscriptionVersion = "2022-12-01"
)

// manager speaks with Azure Resource Manager on behalf of one connector.
type manager struct {
	p     Provider
	c     provider.Opened
	cloud cloud
	token fairlead.Secret
}

// manager logs in to Resource Manager.
func (p Provider) manager(ctx context.Context, c provider.Opened) (manager, error) {
	at := cloudOf(c.Connector)
	token, err := p.entra(ctx, c, fairlead.Scope{}, at.managerAudience())
	if err != nil {
		return manager{}, err
	}
	return manager{p: p, c: c, cloud: at, token: token}, nil
}

// registryDocument is what Resource Manager says of a registry.
type registryDocument struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Location   string `json:"location"`
	SKU        struct{ Name string }
	Properties struct {
		LoginServer        string `json:"loginServer"`
		ProvisioningState  string `json:"provisioningState"`
		RoleAssignmentMode string `json:"roleAssignmentMode"`
	} `json:"properties"`
}

// send asks one thing. A body is sent as JSON; ok lists the statuses that are answers.
func (m manager) send(ctx context.Context, what, method, address string, body any, ok ...int) (reply, error) {
	var content []byte
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return reply{}, fairlead.AsError(what, err)
		}
		content = b
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(content))
	if err != nil {
		return reply{}, fairlead.AsError(what, err)
	}
	req.Header.Set("Authorization", "Bearer "+string(m.token.Reveal()))
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	const where = "Azure Resource Manager"
	r, err := m.p.call(ctx, what, where, req)
	if err != nil {
		return reply{}, err
	}
	if slices.Contains(ok, r.status) {
		return r, nil
	}
	if err := m.p.unwell(what, where, r); err != nil {
		return reply{}, err
	}
	return reply{}, m.refused(what, r)
}

// refused makes a sentence of an error of Resource Manager
// (learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors).
func (m manager) refused(what string, r reply) error {
	var body struct {
		Error struct{ Code, Message string }
	}
	_ = json.Unmarshal(r.body, &body) // What it doesn't say, the status does.
	e := &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeNoRight, What: what}
	public := m.c.Public
	switch code := body.Error.Code; {
	case code == "AuthorizationFailed":
		e.Why = "the identity has no role that allows it" + actionIn(body.Error.Message)
		e.Remedy = "assign it Reader to list, or Contributor to make and remove, at the resource group or subscription; a new role takes some minutes"
	case code == "InvalidAuthenticationTokenTenant":
		e.Field, e.Why = subscriptionID, "subscription "+public[subscriptionID]+" belongs to another tenant than the connector's"
		e.Remedy = "correct the subscription's or the tenant's ID"
	case code == "SubscriptionNotFound":
		e.Kind, e.Code, e.Field = fairlead.NotFound, "", subscriptionID
		e.Why, e.Remedy = "there is no subscription "+public[subscriptionID], "copy its ID from `az account show --query id -o tsv`"
	case code == "ResourceGroupNotFound":
		e.Kind, e.Code, e.Field = fairlead.NotFound, "", resourceGroup
		e.Why, e.Remedy = "there is no resource group "+public[resourceGroup], "make it with `az group create`, or name another"
	case code == "MissingSubscriptionRegistration":
		e.Why, e.Remedy = "the subscription isn't registered for container registries", "register it: `az provider register --namespace Microsoft.ContainerRegistry`"
	case strings.HasPrefix(code, "Location"):
		e.Kind, e.Code, e.Field = fairlead.Invalid, "", location
		e.Why, e.Remedy = "no registry can be made in location "+quoted(public[location]), "use one of `az account list-locations`"
	case code == "AlreadyInUse":
		e.Kind, e.Code = fairlead.Conflict, ""
		e.Why, e.Remedy = "the name is somebody's already, and such names are unique in all of Azure", "choose another name"
	case r.status == http.StatusNotFound:
		e.Kind, e.Code = fairlead.NotFound, ""
		e.Why, e.Remedy = "it isn't there", "check the name, the resource group and the subscription"
	case r.status == http.StatusUnauthorized:
		e.Code = fairlead.CodeLoginRefused
		e.Why, e.Remedy = "Azure Resource Manager doesn't accept Entra's token", "check the connector's cloud and tenant"
	default:
		return broken(what, "Azure Resource Manager answers "+statusText(r.status))
	}
	return e
}

// actionIn takes the missing right out of a message, if it is there.
func actionIn(message string) string {
	m := regexp.MustCompile(`perform action '(Microsoft\.[A-Za-z./]{1,100})'`).FindStringSubmatch(message)
	if m == nil {
		return ""
	}
	return " (" + m[1] + ")"
}

// maxPages bounds what is followed of a list.
const maxPages = 200

// pages walks a list, whose next page has to be at Resource Manager again.
func (m manager) pages(ctx context.Context, what, address string, take func([]json.RawMessage)) error {
	for range maxPages {
		r, err := m.send(ctx, what, http.MethodGet, address, nil, http.StatusOK)
		if err != nil {
			return err
		}
		var page struct {
			Value []json.RawMessage `json:"value"`
			Next  string            `json:"nextLink"`
		}
		if json.Unmarshal(r.body, &page) != nil {
			return broken(what, "Azure Resource Manager answered with no list")
		}
		take(page.Value)
		if page.Next == "" {
			return nil
		}
		u, err := url.Parse(page.Next)
		if err != nil || u.Scheme != "https" || u.Host != m.cloud.manager || u.User != nil {
			return broken(what, "Azure Resource Manager wants the list continued somewhere else")
		}
		address = page.Next
	}
	return broken(what, "the list of Azure Resource Manager has no end")
}

// subscriptions lists where to look: the connector's own, or all that it sees.
func (m manager) subscriptions(ctx context.Context) ([]string, error) {
	if id := m.c.Public[subscriptionID]; id != "" {
		return []string{id}, nil
	}
	const what = "listing subscriptions of Azure"
	var ids []string
	err := m.pages(ctx, what, "https://"+m.cloud.manager+"/subscriptions?api-version="+subscriptionVersion, func(page []json.RawMessage) {
		for _, raw := range page {
			var s struct {
				ID string `json:"subscriptionId"`
			}
			if json.Unmarshal(raw, &s) == nil && isGUID(s.ID) {
				ids = append(ids, s.ID)
			}
		}
	})
	return ids, err
}

// registries lists the registries of a subscription that the identity may read.
func (m manager) registries(ctx context.Context, subscription string) ([]registryDocument, error) {
	var list []registryDocument
	address := "https://" + m.cloud.manager + "/subscriptions/" + subscription + "/providers/Microsoft.ContainerRegistry/registries?api-version=" + registryVersion
	err := m.pages(ctx, "listing registries of subscription "+subscription, address, func(page []json.RawMessage) {
		for _, raw := range page {
			var d registryDocument
			if json.Unmarshal(raw, &d) != nil {
				continue
			}
			// It is a login server of this cloud, or a login would go astray.
			if h, ok := parseHost(d.Properties.LoginServer); ok && h.kind == loginHost && h.cloud.name == m.cloud.name {
				list = append(list, d)
			}
		}
	})
	return list, err
}
