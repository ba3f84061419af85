package cache

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/depot"
)

// Status tells how the gateway does: for an organization, or (nil) for all.
func (c *Cache) Status(ctx context.Context, who fairlead.Caller, org *fairlead.Organization) (fairlead.GatewayStatus, error) {
	s := scopeOf(org)
	if err := who.May(fairlead.GatewayRead, s.place); err != nil {
		return fairlead.GatewayStatus{}, err
	}
	owner := depot.Owner(s.organization.ID)
	st := fairlead.GatewayStatus{On: true, Address: c.Address, Organization: s.organization.Name, Flights: c.Depot.Flying(owner)}
	if s.all() {
		c.ofAll(&st)
	} else {
		st.Quota = c.Quota(s.organization.ID)
		held := c.Depot.Account(owner)
		st.Blobs = len(held)
		for _, h := range held {
			st.Bytes += h.Size
			if h.Pinned {
				st.Pinned += h.Size
			}
		}
	}
	traffic, since := c.Door.Traffic()
	st.Since = since
	st.Registries = c.registries(ctx, s, traffic)
	for _, r := range st.Registries {
		st.GatewayTraffic = st.Plus(r.GatewayTraffic)
	}
	return st, nil
}

func (c *Cache) ofAll(st *fairlead.GatewayStatus) {
	u, m := c.Depot.Usage(), c.Depot.Metrics()
	st.Quota, st.Bytes, st.Blobs = u.Quota, u.Bytes, u.Blobs
	st.Evictions, st.Evicted = m.Evictions, m.EvictedBytes
	for _, i := range c.Depot.List() {
		if len(i.Pinned) > 0 {
			st.Pinned += i.Size
		}
	}
}

// registries puts together what is known of each registry.
func (c *Cache) registries(ctx context.Context, s scope, traffic []Traffic) []fairlead.GatewayRegistry {
	ranges := map[string]string{}
	for _, h := range c.Depot.Metrics().Hosts {
		ranges[strings.TrimPrefix(h.Host, "http://")] = h.Ranges
	}
	type sum struct {
		fairlead.GatewayRegistry
		took float64
	}
	byHost := map[string]*sum{}
	of := func(host string) *sum {
		if byHost[host] == nil {
			byHost[host] = &sum{GatewayRegistry: fairlead.GatewayRegistry{Host: host, Ranges: "unknown", Limits: []fairlead.GatewayLimit{}}}
		}
		return byHost[host]
	}
	for _, t := range traffic {
		if !s.all() && t.Organization != s.organization.ID {
			continue
		}
		one, counted, took := of(t.Host), t.Own, t.OwnTook
		if s.all() {
			counted, took = t.GatewayTraffic, t.Took
		}
		one.GatewayTraffic = one.Plus(counted)
		one.took += took.Seconds()
	}
	names := c.connectorNames(ctx, s)
	for _, l := range c.Door.Logins() {
		if !s.all() && l.Organization != s.organization.ID {
			continue
		}
		limit := l.GatewayLimit
		limit.Organization, limit.Connector = c.nameOf(ctx, s, l.Organization), names(l.Organization, l.Connector)
		of(l.Host).Limits = append(of(l.Host).Limits, limit)
	}
	list := []fairlead.GatewayRegistry{}
	for _, one := range byHost {
		if one.Requests > 0 {
			one.Latency = one.took / float64(one.Requests)
		}
		if known := ranges[one.Host]; known != "" && s.all() { // else others' requests would show
			one.Ranges = known
		}
		slices.SortFunc(one.Limits, func(x, y fairlead.GatewayLimit) int {
			return cmp.Or(cmp.Compare(x.Organization, y.Organization), cmp.Compare(x.Connector, y.Connector))
		})
		list = append(list, one.GatewayRegistry)
	}
	slices.SortFunc(list, func(x, y fairlead.GatewayRegistry) int { return cmp.Compare(x.Host, y.Host) })
	return list
}

// connectorNames gives what names connectors: an identifier says nothing to people.
func (c *Cache) connectorNames(ctx context.Context, s scope) func(fairlead.OrganizationID, fairlead.ConnectorID) fairlead.Name {
	known := map[fairlead.OrganizationID]map[fairlead.ConnectorID]fairlead.Name{}
	return func(org fairlead.OrganizationID, id fairlead.ConnectorID) fairlead.Name {
		if id == "" || org == "" || !s.all() && org != s.organization.ID {
			return ""
		}
		if known[org] == nil {
			known[org] = map[fairlead.ConnectorID]fairlead.Name{}
			list, err := c.Store.ConnectorsOf(ctx, org)
			for _, one := range list {
				known[org][one.ID] = one.Name
			}
			if err != nil {
				return fairlead.Name(id)
			}
		}
		return cmp.Or(known[org][id], fairlead.Name(id))
	}
}
