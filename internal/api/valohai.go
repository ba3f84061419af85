package api

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/control"
	"fairlead.dev/fairlead/wire"
)

func (a *API) valohaiRoutes() {
	serveValohai(a, wire.ListRegistryCredentials, a.listCredentials)
	serveValohai(a, wire.CreateRegistryCredential, a.createCredential)
	serveValohai(a, wire.ShowRegistryCredential, func(ctx context.Context, x *exchange, in wire.RegistryCredentialPath) (wire.RegistryCredential, error) {
		o, r, err := a.credential(ctx, x, in.Credential, fairlead.RegistryRead)
		if err != nil {
			return wire.RegistryCredential{}, err
		}
		return a.credentialReply(ctx, o, r)
	})
	serveValohai(a, wire.ReplaceRegistryCredential, func(ctx context.Context, x *exchange, in wire.RegistryCredentialReplacement) (wire.RegistryCredential, error) {
		if in.Configuration == nil {
			in.Configuration = &wire.RegistryConfiguration{}
		}
		return a.changeCredential(ctx, x, in.Credential, in.RegistryCredentialRequest)
	})
	serveValohai(a, wire.ChangeRegistryCredential, func(ctx context.Context, x *exchange, in wire.RegistryCredentialChange) (wire.RegistryCredential, error) {
		return a.changeCredential(ctx, x, in.Credential, wire.RegistryCredentialRequest{
			Type: in.Type, ImagePattern: in.ImagePattern, Owner: in.Owner, Configuration: in.Configuration,
		})
	})
	serveValohai(a, wire.DeleteRegistryCredential, a.deleteCredential)
}

// failValohai writes an error in Valohai's form (Django REST framework's).
func (x *exchange) failValohai(e fairlead.Error) {
	text := e.Error()
	if e.Remedy != "" {
		text += ". What to do: " + e.Remedy
	}
	status := wire.ValohaiStatus(e.Kind)
	if status != http.StatusBadRequest {
		_ = x.reply(status, wire.ValohaiDetail{Detail: text})
		return
	}
	code := string(e.Code)
	if code == "" {
		code = string(e.Kind)
	}
	_ = x.reply(status, wire.ValohaiErrors{NonField: []wire.ValohaiError{{Message: text, Code: code}}})
}

// ownerNumber is an organization's number in Valohai's form, where owners have numbers: 48
// bits of a hash, which every JSON reader takes for the same integer.
func ownerNumber(id fairlead.OrganizationID) int64 {
	sum := sha256.Sum256([]byte("valohai owner " + string(id)))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 16)
}

// owner finds the organization that a request names by number or name, or the only one
// that the caller has.
func (a *API) owner(ctx context.Context, x *exchange, named any, act fairlead.Action) (fairlead.Organization, error) {
	mine, err := a.Control.Reachable(ctx, x.who)
	if err != nil {
		return fairlead.Organization{}, err
	}
	if named == nil && len(mine) != 1 {
		var list []string
		for _, o := range mine {
			list = append(list, fmt.Sprintf("%d (%s)", ownerNumber(o.ID), o.Name))
		}
		if len(list) == 0 {
			return fairlead.Organization{}, fairlead.Missing(act)
		}
		return fairlead.Organization{}, invalid("owner", "you belong to several organizations, and owner names none of them", "send owner as one of "+strings.Join(list, ", "))
	}
	for _, o := range mine {
		if named != nil && !isOwner(named, o) {
			continue
		}
		x.org = o.Name
		return o, x.who.May(act, fairlead.Place{Organization: o.ID})
	}
	return fairlead.Organization{}, fairlead.Missing(act)
}

func isOwner(named any, o fairlead.Organization) bool {
	switch v := named.(type) {
	case float64:
		return v == math.Trunc(v) && int64(v) == ownerNumber(o.ID)
	case string:
		return v == string(o.Name) || v == string(o.ID) || v == strconv.FormatInt(ownerNumber(o.ID), 10)
	}
	return false
}

// credential finds one for an act on it.
func (a *API) credential(ctx context.Context, x *exchange, id fairlead.RegistryID, act fairlead.Action) (fairlead.Organization, fairlead.Registry, error) {
	o, r, err := a.Control.RegistryByID(ctx, x.who, id, act)
	x.org = o.Name
	return o, r, err
}

func (a *API) credentialReply(ctx context.Context, o fairlead.Organization, r fairlead.Registry) (wire.RegistryCredential, error) {
	out := wire.RegistryCredential{
		ID: r.ID, ImagePattern: r.Pattern.String(), Owner: ownerNumber(o.ID), OwnerName: o.Name, Name: r.Name, Connector: r.ConnectorName, Type: typeDocker,
	}
	if r.Connector == "" {
		return out, nil
	}
	c, _, err := a.Control.ConnectorOf(ctx, r)
	out.Type = typeOf(c)
	return out, err
}

// listCredentials lists a page, by organization and name. Organizations whose entries the
// caller may not read are passed over, unless one is named.
func (a *API) listCredentials(ctx context.Context, x *exchange, in wire.RegistryCredentialsRequest) (wire.RegistryCredentials, error) {
	var orgs []fairlead.Organization
	if in.Owner != "" {
		o, err := a.owner(ctx, x, in.Owner, fairlead.RegistryRead)
		if err != nil {
			return wire.RegistryCredentials{}, err
		}
		orgs = append(orgs, o)
	} else {
		mine, err := a.Control.Reachable(ctx, x.who)
		if err != nil {
			return wire.RegistryCredentials{}, err
		}
		for _, o := range mine {
			if x.who.May(fairlead.RegistryRead, fairlead.Place{Organization: o.ID}) == nil {
				orgs = append(orgs, o)
			}
		}
	}
	limit := in.Limit
	if limit == 0 {
		limit = 100
	}
	page := wire.RegistryCredentials{Results: []wire.RegistryCredential{}}
	for _, o := range orgs {
		list, err := a.Control.Registries(ctx, x.who, o.Name)
		if err != nil {
			return page, err
		}
		for _, r := range list {
			if page.Count++; page.Count <= in.Offset || len(page.Results) >= limit {
				continue
			}
			one, err := a.credentialReply(ctx, o, r)
			if err != nil {
				return page, err
			}
			page.Results = append(page.Results, one)
		}
	}
	if in.Offset+limit < page.Count {
		page.Next = a.pageURL(in.Owner, limit, in.Offset+limit)
	}
	if in.Offset > 0 {
		page.Previous = a.pageURL(in.Owner, limit, max(in.Offset-limit, 0))
	}
	return page, nil
}

func (a *API) pageURL(owner string, limit, offset int) *string {
	q := url.Values{"limit": {strconv.Itoa(limit)}, "offset": {strconv.Itoa(offset)}}
	if owner != "" {
		q.Set("owner", owner)
	}
	u := a.PublicURL + wire.ListRegistryCredentials.Route().Path + "?" + q.Encode()
	return &u
}

// createCredential adds an entry with a connector of its own, in one write.
func (a *API) createCredential(ctx context.Context, x *exchange, in wire.RegistryCredentialRequest) (wire.RegistryCredential, error) {
	o, err := a.owner(ctx, x, in.Owner, fairlead.RegistryAdd)
	if err != nil {
		return wire.RegistryCredential{}, err
	}
	d, err := a.credentialDraft(in)
	if err != nil {
		return wire.RegistryCredential{}, err
	}
	name, err := a.freeName(ctx, x.who, o, in.ImagePattern)
	if err != nil {
		return wire.RegistryCredential{}, err
	}
	r, err := a.Control.AddRegistry(ctx, x.who, o.Name, control.RegistryDraft{Name: name, Pattern: in.ImagePattern, NewConnector: &d})
	if err != nil {
		return wire.RegistryCredential{}, err
	}
	return a.credentialReply(ctx, o, r.Registry)
}

// changeCredential changes an entry and its connector in one write. Where it is asked for
// all (Configuration isn't nil), all must be there.
func (a *API) changeCredential(ctx context.Context, x *exchange, id fairlead.RegistryID, in wire.RegistryCredentialRequest) (wire.RegistryCredential, error) {
	none := wire.RegistryCredential{}
	o, r, err := a.credential(ctx, x, id, fairlead.RegistryUpdate)
	if err != nil {
		return none, err
	}
	if in.Owner != nil && !isOwner(in.Owner, o) {
		return none, invalid("owner", "a registry credential stays with its organization", "leave owner out, or delete it and create it there")
	}
	ch := control.RegistryChange{Pattern: in.ImagePattern}
	if in.ImagePattern == "" {
		in.ImagePattern = r.Pattern.String()
	}
	if r.Connector == "" {
		return none, invalid("type", "the entry pulls anonymously and has no credential", "change it with `fairlead registry update`")
	}
	c, users, err := a.Control.ConnectorOf(ctx, r)
	switch {
	case err != nil:
		return none, err
	case in.Type != "" && in.Type != typeOf(c):
		return none, invalid("type", "it is of type "+typeOf(c)+", which stays", "delete it and create one of type "+in.Type)
	case in.Configuration != nil && users > 1:
		return none, invalid("configuration", fmt.Sprintf("its connector %s is used by %d registry entries", c.Name, users), "change it with `fairlead connector update "+string(c.Name)+"`")
	}
	in.Type = typeOf(c)
	if in.Configuration != nil {
		d, err := a.credentialDraft(in)
		switch {
		case err != nil:
			return none, err
		case d.Family != c.Family || d.Method != c.Method:
			return none, invalid("type", "it is a login of another sort ("+string(d.Family)+", "+d.Method+") than the stored one ("+string(c.Family)+", "+c.Method+")", "delete it and create it again")
		}
		ch.Given = d.Given
	}
	changed, err := a.Control.UpdateRegistry(ctx, x.who, o.Name, r.Name, ch)
	if err != nil {
		return none, err
	}
	return a.credentialReply(ctx, o, changed.Registry)
}

// deleteCredential removes an entry, and its connector if nothing else uses it.
func (a *API) deleteCredential(ctx context.Context, x *exchange, in wire.RegistryCredentialPath) (wire.None, error) {
	o, r, err := a.credential(ctx, x, in.Credential, fairlead.RegistryRemove)
	if err != nil {
		return wire.None{}, err
	}
	alone := false
	if r.Connector != "" {
		_, users, err := a.Control.ConnectorOf(ctx, r)
		if err != nil {
			return wire.None{}, err
		}
		alone = users == 1
	}
	return wire.None{}, a.Control.RemoveRegistry(ctx, x.who, o.Name, r.Name, alone)
}
