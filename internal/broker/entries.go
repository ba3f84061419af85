package broker

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

// entry is a registry entry with the connector that opens it.
type entry struct {
	fairlead.Registry
	connector fairlead.Connector // zero if there is none
}

// lease begins a lease of the entry.
func (e *entry) lease(s fairlead.Scope) fairlead.Lease {
	return fairlead.Lease{
		For: s, Registry: e.ID, RegistryName: e.Name, Connector: e.Connector, ConnectorName: e.connector.Name,
		PlainHTTP: e.PlainHTTP, CABundle: e.CABundle,
	}
}

func (e *entry) endpoint(r ref.Resource) oci.Endpoint {
	return oci.Endpoint{Host: r.Host, PlainHTTP: e.PlainHTTP, CABundle: e.CABundle}
}

// table is the entries of one organization at one revision.
type table struct {
	revision int64
	entries  []*entry
	index    *pattern.Index[*entry]
}

// entries keeps each organization's table as long as its revision stays. A change of
// an entry or a connector anywhere, on any replica, is another revision, so that the
// very next lease sees it.
type entries struct {
	store fairlead.Store

	mu     sync.RWMutex
	tables map[fairlead.OrganizationID]*table
}

func newEntries(store fairlead.Store) *entries {
	return &entries{store: store, tables: map[fairlead.OrganizationID]*table{}}
}

func (t *entries) of(ctx context.Context, org fairlead.OrganizationID) (*table, error) {
	revision, err := t.store.Revision(ctx, org)
	if err != nil {
		return nil, err
	}
	t.mu.RLock()
	known := t.tables[org]
	t.mu.RUnlock()
	if known != nil && known.revision == revision {
		return known, nil
	}
	// What is read now is of this revision or a later one; a later one is read again
	// the next time.
	fresh, err := t.read(ctx, org, revision)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.tables[org]; now == nil || now.revision < revision {
		t.tables[org] = fresh
	}
	return fresh, nil
}

// outdated reports whether an organization's entries may have changed since a table
// was read.
func (t *entries) outdated(ctx context.Context, org fairlead.OrganizationID, known *table) bool {
	revision, err := t.store.Revision(ctx, org)
	return err == nil && revision != known.revision
}

func (t *entries) read(ctx context.Context, org fairlead.OrganizationID, revision int64) (*table, error) {
	connectors, err := t.store.ConnectorsOf(ctx, org)
	if err != nil {
		return nil, err
	}
	byID := make(map[fairlead.ConnectorID]fairlead.Connector, len(connectors))
	for _, c := range connectors {
		byID[c.ID] = c
	}
	registries, err := t.store.RegistriesOf(ctx, org)
	if err != nil {
		return nil, err
	}
	fresh := &table{revision: revision}
	list := make([]pattern.Entry[*entry], 0, len(registries))
	for _, r := range registries {
		e := &entry{Registry: r, connector: byID[r.Connector]}
		if r.Connector != "" && e.connector.ID == "" {
			// The connector came or went between the two readings: read both again.
			return t.read(ctx, org, revision)
		}
		fresh.entries = append(fresh.entries, e)
		list = append(list, pattern.Entry[*entry]{Pattern: r.Pattern, Value: e})
	}
	fresh.index = pattern.NewIndex(list...)
	return fresh, nil
}

// find gives the entry that opens an image.
func (t *table) find(i ref.Image) (*entry, bool) { return t.index.Lookup(i) }

// uncovered says why a repository is pulled from anonymously, for the case that the
// registry then refuses.
func (t *table) uncovered(r ref.Resource) *fairlead.Error {
	why := "no registry entry of the organization covers it"
	patterns := make([]pattern.Pattern, 0, len(t.entries))
	for _, e := range t.entries {
		patterns = append(patterns, e.Pattern)
	}
	near := pattern.Nearest(ref.Image{Resource: r, Tag: "latest"}, patterns, 3)
	if len(near) > 0 {
		texts := make([]string, 0, len(near))
		for _, f := range near {
			texts = append(texts, fmt.Sprintf("%s of entry %s (it %s)", f.Pattern, t.entries[f.At].Name, f.Why))
		}
		why += "; nearest: " + strings.Join(texts, ", ")
	}
	return &fairlead.Error{
		Kind: fairlead.Denied, Code: fairlead.CodeNoEntry, What: fmt.Sprintf("opening %s/%s", r.Host, r.Repository), Why: why,
		Remedy: fmt.Sprintf("an administrator adds an entry: `fairlead registry add NAME --pattern '%s'`", suggestion(r)),
	}
}

// suggestion is the pattern that most people would want for a repository: its
// namespace, or the whole host where there is none.
func suggestion(r ref.Resource) string {
	if i := strings.LastIndexByte(r.Repository, '/'); i > 0 {
		return r.Host + "/" + r.Repository[:i] + "/*"
	}
	return r.Host + "/*"
}
