package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/provider"
)

// The bounds of a catalog.
const (
	catalogLimit = 30 * time.Second
	catalogPages = 100
	catalogPage  = 1000
	maxCatalog   = 16 << 20
)

// Resources lists the repositories of the connector's hosts that have a catalog
// (Distribution, "Listing Repositories"). Hosts with * have none that can be asked for.
// An error of one host is an error of all: a list that is shorter than it is isn't one.
func (p Provider) Resources(ctx context.Context, c provider.Opened) ([]fairlead.FoundResource, error) {
	login, err := p.Login(ctx, c, fairlead.Scope{})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, catalogLimit)
	defer cancel()
	var found []fairlead.FoundResource
	for h := range strings.SplitSeq(c.Public[hosts], ",") {
		if h = strings.TrimSpace(h); strings.Contains(h, "*") {
			continue
		}
		b := browser{p: p, what: "listing repositories of " + h, host: h, login: login}
		names, err := b.catalog(ctx)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			address := h + "/" + name
			found = append(found, fairlead.FoundResource{Kind: fairlead.RepositoryResource, Address: address, Pattern: address})
		}
	}
	return found, nil
}

// browser asks one host for its catalog.
type browser struct {
	p     Provider
	what  string
	host  string
	login provider.Login
	auth  fairlead.Secret // an Authorization header, once it is known which
}

func (b *browser) catalog(ctx context.Context) ([]string, error) {
	var names []string
	at := "/v2/_catalog?n=" + strconv.Itoa(catalogPage)
	for range catalogPages {
		res, err := b.get(ctx, b.host, at, b.auth)
		if err != nil {
			return nil, err
		}
		if res.status == http.StatusUnauthorized && b.auth.IsZero() {
			if b.auth, err = b.prove(ctx, oci.ParseChallenges(res.header.Values("WWW-Authenticate"))); err != nil {
				return nil, err
			}
			continue
		}
		var page struct {
			Repositories []string `json:"repositories"`
		}
		if res.status != http.StatusOK || json.Unmarshal(res.body, &page) != nil {
			return nil, b.refused(res)
		}
		names = append(names, page.Repositories...)
		if at = nextPage(res.header.Get("Link")); at == "" || len(page.Repositories) == 0 {
			break
		}
	}
	return names, nil
}

// nextPage gives the path and query of a Link header's next page (RFC 8288). Where it
// leads to another host isn't followed there: the path alone is taken.
func nextPage(link string) string {
	target, params, _ := strings.Cut(link, ">")
	u, err := url.Parse(strings.TrimPrefix(strings.TrimSpace(target), "<"))
	if err != nil || !strings.Contains(params, "next") || !strings.HasPrefix(u.Path, "/v2/_catalog") {
		return ""
	}
	return u.Path + "?" + u.RawQuery
}

// prove gives the header that answers a challenge. A login goes to the registry's own
// host, and to a token endpoint there or at a host that is known for it.
func (b *browser) prove(ctx context.Context, list []oci.Challenge) (fairlead.Secret, error) {
	if !b.login.Bearer.IsZero() {
		return fairlead.SecretText("Bearer " + string(b.login.Bearer.Reveal())), nil
	}
	for _, c := range list {
		if c.Scheme == "bearer" {
			return b.trade(ctx, c)
		}
	}
	if b.login.Identity.IsZero() {
		for _, c := range list {
			if c.Scheme == "basic" {
				return basicHeader(b.login), nil
			}
		}
	}
	return fairlead.Secret{}, b.none("it asks for no login that the connector has")
}

func basicHeader(l provider.Login) fairlead.Secret {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(l.Username, string(l.Password.Reveal()))
	return fairlead.SecretText(r.Header.Get("Authorization"))
}

// trade gets a token for the catalog.
func (b *browser) trade(ctx context.Context, c oci.Challenge) (fairlead.Secret, error) {
	realm, err := (&url.URL{Scheme: "https", Host: b.host, Path: "/v2/"}).Parse(c.Realm())
	elsewhere := map[string]string{"registry.gitlab.com": "gitlab.com", "registry.digitalocean.com": "api.digitalocean.com", "nvcr.io": "authn.nvidia.com"}
	switch {
	case err != nil || realm.Scheme != "https" || realm.User != nil || realm.Host != b.host && realm.Host != elsewhere[b.host]:
		return fairlead.Secret{}, b.none("its token endpoint is at a host that isn't known for it, and the login isn't sent there")
	case !b.login.Identity.IsZero():
		return fairlead.Secret{}, b.none("an identity token is traded for pulls and pushes alone")
	}
	q := realm.Query()
	if s := c.Service(); s != "" && !q.Has("service") {
		q.Set("service", s)
	}
	q.Set("scope", "registry:catalog:*")
	res, err := b.get(ctx, realm.Host, realm.Path+"?"+q.Encode(), basicHeader(b.login))
	if err != nil {
		return fairlead.Secret{}, err
	}
	var reply struct {
		Token       fairlead.Secret `json:"token"`
		AccessToken fairlead.Secret `json:"access_token"`
	}
	if res.status != http.StatusOK || json.Unmarshal(res.body, &reply) != nil {
		return fairlead.Secret{}, b.refused(res)
	}
	if reply.Token.IsZero() {
		reply.Token = reply.AccessToken
	}
	return fairlead.SecretText("Bearer " + string(reply.Token.Reveal())), nil
}

// answer is what was answered.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (b *browser) get(ctx context.Context, host, at string, auth fairlead.Secret) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+at, nil)
	if err != nil {
		return answer{}, b.none("it can't be asked")
	}
	if !auth.IsZero() {
		req.Header.Set("Authorization", string(auth.Reveal()))
	}
	res, err := b.p.tools.HTTP.Do(req)
	if err != nil {
		return answer{}, b.unreachable(ctx, host, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxCatalog))
	if err != nil {
		return answer{}, b.unreachable(ctx, host, err)
	}
	return answer{res.StatusCode, res.Header, body}, nil
}

func (b *browser) unreachable(ctx context.Context, host string, err error) error {
	if known, ok := errors.AsType[*fairlead.Error](err); ok {
		return known
	}
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	e := &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeConnect, What: b.what, Why: "there is no connection to " + host, Remedy: "check the host, and that this server may connect to it and trusts its certificate"}
	if netErr, ok := errors.AsType[net.Error](err); ctx.Err() != nil || ok && netErr.Timeout() {
		e.Code, e.Why, e.Remedy = fairlead.CodeTimeout, host+" gave no answer in time", "try again; if it stays so, look at the registry and at the way to it"
	}
	return e
}

// none says that there is no catalog to be had.
func (b *browser) none(why string) error {
	return &fairlead.Error{
		Kind: fairlead.NotFound, What: b.what, Why: b.host + " shows no catalog to this login: " + why,
		Remedy: "add an entry by hand: `fairlead registry add NAME --pattern " + b.host + "/PATH/*`",
	}
}

func (b *browser) refused(res answer) error {
	switch status := res.status; {
	case status == http.StatusTooManyRequests:
		e := &fairlead.Error{Kind: fairlead.Limited, Code: fairlead.CodeRateLimited, What: b.what, Why: b.host + " gets too many requests", Remedy: "wait, then try again"}
		if seconds, err := strconv.Atoi(res.header.Get("Retry-After")); err == nil && seconds >= 0 && seconds < 86400 {
			e.RetryAt = b.p.tools.Now().Add(time.Duration(seconds) * time.Second)
		}
		return e
	case status >= http.StatusInternalServerError:
		return &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeRegistryBroken, What: b.what, Why: fmt.Sprintf("%s has an error of its own (status %d)", b.host, status),
			Remedy: "try again; if it stays so, look at the registry's logs",
		}
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return b.none("it has none")
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return b.none("the login isn't accepted, or has no right to it")
	default:
		return b.none(fmt.Sprintf("it answers status %d", status))
	}
}
