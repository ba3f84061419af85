package survey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

// The bounds of a look at a repository's images.
const (
	DefaultImages = 20
	MaxImages     = 200
	// imagesAtOnce is how many images are asked for at the same time.
	imagesAtOnce = 4
)

// Registries are what images are asked of: the OCI client.
type Registries interface {
	Trade(ctx context.Context, e oci.Endpoint, l oci.Login, s fairlead.Scope) (oci.Bearer, error)
	Tags(ctx context.Context, kc fairlead.Keychain, r ref.Resource) (tags []string, more bool, err error)
	Describe(ctx context.Context, kc fairlead.Keychain, i ref.Image) (oci.Description, error)
}

// Store is what is read.
type Store interface {
	RegistriesOf(ctx context.Context, org fairlead.OrganizationID) ([]fairlead.Registry, error)
	ConnectorsOf(ctx context.Context, org fairlead.OrganizationID) ([]fairlead.Connector, error)
}

// Browser looks at the images of repositories. It is safe for concurrent use.
type Browser struct {
	store      Store
	providers  provider.Set
	vault      Opener
	registries Registries
}

// NewBrowser makes a browser.
func NewBrowser(store Store, providers provider.Set, vault Opener, registries Registries) *Browser {
	return &Browser{store: store, providers: providers, vault: vault, registries: registries}
}

// Wanted says which images are wanted, and how they are opened: by the entry, by the
// connector, or if neither is named as a pull is.
type Wanted struct {
	Repository string
	Registry   fairlead.Name
	Connector  fairlead.Name
	Limit      int           // 0 is [DefaultImages]
	Time       time.Duration // 0 is [DefaultLimit]
}

// Images lists a repository's images, those with the highest tags first. What goes wrong
// with one stands in its row; once a registry has had enough, the others aren't asked for.
// [fairlead.Denied], [fairlead.NotFound], [fairlead.Invalid], and what the registry says of
// the list of tags.
func (b *Browser) Images(ctx context.Context, who fairlead.Caller, o fairlead.Organization, w Wanted) (fairlead.Images, error) {
	none := func(err error) (fairlead.Images, error) { return fairlead.Images{}, err }
	if err := who.May(fairlead.ConnectorDiscover, fairlead.Place{Organization: o.ID}); err != nil {
		return none(err)
	}
	if err := w.complete(); err != nil {
		return none(err)
	}
	t, err := b.aim(ctx, o, w)
	if err != nil {
		return none(err)
	}
	ctx, cancel := context.WithTimeout(ctx, w.Time)
	defer cancel()
	lease, err := b.lease(ctx, who, o, t)
	if err != nil {
		return none(ofConnector(err, t))
	}
	tags, more, err := b.registries.Tags(ctx, fixed(lease), t.resource)
	if err != nil {
		return none(ofConnector(err, t))
	}
	slices.SortFunc(tags, func(x, y string) int { return natural(y, x) })
	found := fairlead.Images{
		Repository: t.resource.String(), Registry: t.entry.Name, Connector: t.connector.Name, Tags: len(tags), More: more,
		Images: make([]fairlead.FoundImage, min(len(tags), w.Limit)),
	}
	for i := range found.Images {
		found.Images[i].Tag = tags[i]
	}
	b.describe(ctx, lease, t, found.Images)
	return found, nil
}

func (w *Wanted) complete() error {
	wrong := func(field, why, remedy string) error {
		return &fairlead.Error{Kind: fairlead.Invalid, Field: field, What: "listing images", Why: why, Remedy: remedy}
	}
	switch {
	case w.Limit < 0 || w.Limit > MaxImages:
		return wrong("limit", fmt.Sprintf("the limit %d is out of range", w.Limit), fmt.Sprintf("give up to %d", MaxImages))
	case w.Time < 0 || w.Time > MaxLimit:
		return wrong("timeout", fmt.Sprintf("the time %s is out of range", w.Time), fmt.Sprintf("give up to %s", MaxLimit))
	}
	if w.Limit == 0 {
		w.Limit = DefaultImages
	}
	if w.Time == 0 {
		w.Time = DefaultLimit
	}
	return nil
}

// describe fills the rows in.
func (b *Browser) describe(ctx context.Context, lease fairlead.Lease, t aimed, rows []fairlead.FoundImage) {
	ctx, enough := context.WithCancelCause(ctx)
	defer enough(nil)
	var all sync.WaitGroup
	slots := make(chan struct{}, imagesAtOnce)
	for i := range rows {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			row := &rows[i]
			err := context.Cause(ctx)
			if err == nil {
				var d oci.Description
				d, err = b.registries.Describe(ctx, fixed(lease), ref.Image{Resource: t.resource, Tag: row.Tag})
				fill(row, d)
			}
			if err == nil {
				return
			}
			if why := context.Cause(ctx); why != nil {
				err = why
			}
			if errors.Is(err, context.DeadlineExceeded) {
				err = &fairlead.Error{
					Kind: fairlead.Unavailable, Code: fairlead.CodeTimeout, What: "describing " + row.Tag, Why: "the time for all images is over", Remedy: "give it more with --timeout, or ask for fewer with --limit",
				}
			}
			if fairlead.CodeOf(err) == fairlead.CodeRateLimited {
				enough(err)
			}
			row.Error = fairlead.AsError("describing "+row.Tag, ofConnector(err, t))
		})
	}
	all.Wait()
}

func fill(row *fairlead.FoundImage, d oci.Description) {
	row.Digest, row.MoreParts = d.Top.Digest, d.More
	for _, p := range d.Parts {
		row.Parts = append(row.Parts, fairlead.FoundPart{Platform: p.Platform, Digest: p.Digest, Bytes: p.Bytes})
		if p.Created.After(row.Built) {
			row.Built = p.Created
		}
	}
}

// aimed is a repository and what opens it.
type aimed struct {
	resource  ref.Resource
	entry     fairlead.Registry  // zero if none covers it
	connector fairlead.Connector // zero for none
}

// aim finds what opens the repository.
func (b *Browser) aim(ctx context.Context, o fairlead.Organization, w Wanted) (aimed, error) {
	fail := func(kind fairlead.Kind, field, why, remedy string) (aimed, error) {
		return aimed{}, &fairlead.Error{Kind: kind, Field: field, What: "listing images", Why: why, Remedy: remedy}
	}
	entries, err := b.store.RegistriesOf(ctx, o.ID)
	if err != nil {
		return aimed{}, err
	}
	connectors, err := b.store.ConnectorsOf(ctx, o.ID)
	if err != nil {
		return aimed{}, err
	}
	var t aimed
	if w.Registry != "" {
		at := slices.IndexFunc(entries, func(r fairlead.Registry) bool { return r.Name == w.Registry })
		if at < 0 {
			return fail(fairlead.NotFound, "registry", "there is no registry "+fairlead.Clip(string(w.Registry)), "`fairlead registry list` shows those that there are")
		}
		t.entry = entries[at]
		if w.Repository == "" {
			i, err := ref.Parse(t.entry.Pattern.String())
			if err != nil {
				return fail(fairlead.Invalid, "repository", "registry "+string(w.Registry)+" covers "+t.entry.Pattern.String()+", which is more than one repository",
					"name one with --repository; `fairlead connector resources` lists them")
			}
			w.Repository = i.Resource.String()
		}
	}
	if t.resource, err = ref.ParseResource(w.Repository); err != nil {
		return aimed{}, fairlead.Misread("repository", err)
	}
	if t.resource.Repository == "" {
		return fail(fairlead.Invalid, "repository", t.resource.Host+" is a host and no repository", "add its path, as in "+t.resource.Host+"/team/app")
	}
	switch best := covering(entries, t.resource, w.Connector); {
	case w.Registry == "":
		t.entry = best
	case !covers(t.entry.Pattern, t.resource):
		return fail(fairlead.Invalid, "repository", "registry "+string(w.Registry)+" covers "+t.entry.Pattern.String()+", and not "+t.resource.String(), "name one that it covers")
	}
	name := w.Connector
	if name == "" {
		name = t.entry.ConnectorName
	}
	if name != "" {
		at := slices.IndexFunc(connectors, func(c fairlead.Connector) bool { return c.Name == name })
		if at < 0 {
			return fail(fairlead.NotFound, "connector", "there is no connector "+fairlead.Clip(string(name)), "`fairlead connector list` shows those that there are")
		}
		t.connector = connectors[at]
	}
	return t, nil
}

func covers(p pattern.Pattern, r ref.Resource) bool {
	// A pattern may be for some tags only; its repository counts.
	text := p.String()
	if tag := strings.LastIndexByte(text, ':'); tag > strings.LastIndexByte(text, '/') {
		if q, err := pattern.Parse(text[:tag]); err == nil {
			p = q
		}
	}
	return p.Match(ref.Image{Resource: r, Tag: "latest"})
}

// covering is the most specific entry for a repository, of those with the connector if one
// is named.
func covering(entries []fairlead.Registry, r ref.Resource, connector fairlead.Name) fairlead.Registry {
	var best fairlead.Registry
	for _, e := range entries {
		if connector != "" && e.ConnectorName != connector || !covers(e.Pattern, r) {
			continue
		}
		if best.ID == "" || pattern.Compare(e.Pattern, best.Pattern) < 0 {
			best = e
		}
	}
	return best
}

// lease gets a login for the repository, narrowed where the registry does that.
func (b *Browser) lease(ctx context.Context, who fairlead.Caller, o fairlead.Organization, t aimed) (fairlead.Lease, error) {
	s := fairlead.Scope{Resource: t.resource, Verb: fairlead.Pull}
	l := fairlead.Lease{For: s, Kind: fairlead.Anonymous, PlainHTTP: t.entry.PlainHTTP, CABundle: t.entry.CABundle}
	if t.connector.ID == "" {
		return l, nil
	}
	p, err := b.providers.Family(t.connector.Family)
	if err != nil {
		return l, err
	}
	if err := p.Accepts(t.connector, t.resource.Host); err != nil {
		return l, err
	}
	opened, err := b.vault.OpenFor(ctx, who, fairlead.ConnectorDiscover, o, t.connector, s)
	if err != nil {
		return l, err
	}
	login, err := p.Login(ctx, opened, s)
	if err != nil {
		return l, err
	}
	l.Kind, l.Username, l.Password, l.Bearer, l.Expires = fairlead.ShortLogin, login.Username, login.Password, login.Bearer, login.Expires
	if !login.Bearer.IsZero() {
		return l, nil
	}
	e := oci.Endpoint{Host: t.resource.Host, PlainHTTP: t.entry.PlainHTTP, CABundle: t.entry.CABundle}
	bearer, err := b.registries.Trade(ctx, e, oci.Login{Username: login.Username, Password: login.Password, Identity: login.Identity}, s)
	switch {
	case err == nil:
		l.Kind, l.Username, l.Password, l.Bearer, l.Expires = fairlead.RegistryToken, "", fairlead.Secret{}, bearer.Token, bearer.Expires
		return l, nil
	case errors.Is(err, oci.ErrNoTokenEndpoint) && login.Identity.IsZero():
		return l, nil
	default:
		return l, err
	}
}

// fixed is a keychain with one lease.
type fixed fairlead.Lease

func (f fixed) Lease(context.Context, fairlead.Scope) (fairlead.Lease, error) {
	return fairlead.Lease(f), nil
}

// ofConnector says of a refusal whose login it met.
func ofConnector(err error, t aimed) error {
	if e, ok := errors.AsType[*fairlead.Error](err); ok {
		c := *e
		return c.OfConnector(t.connector.Name)
	}
	return err
}

// natural compares as people count: v9 before v10. latest is the highest.
func natural(a, b string) int {
	if a == b {
		return 0
	}
	if a == "latest" || b == "latest" {
		return strings.Compare(strconv.FormatBool(a == "latest"), strconv.FormatBool(b == "latest"))
	}
	for a != "" && b != "" {
		x, y := number(a), number(b)
		if x != "" && y != "" {
			p, q := strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if len(p) != len(q) {
				return len(p) - len(q)
			}
			if c := strings.Compare(p, q); c != 0 {
				return c
			}
			a, b = a[len(x):], b[len(y):]
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

// number is the digits that a text begins with.
func number(s string) string {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return s[:n]
}
