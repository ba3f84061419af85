package oci

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// The bounds of a list of tags.
const (
	tagsPage = 1000
	tagPages = 20
	maxTags  = 4 << 20 // bytes of a page
)

// Tags lists a repository's tags (Distribution specification, "Listing Tags"); more says
// that there are others behind those. What can't be a tag is left out. Errors are those of
// [Client.Resolve].
func (c *Client) Tags(ctx context.Context, kc fairlead.Keychain, r ref.Resource) (tags []string, more bool, err error) {
	p := &pull{c: c, kc: kc, resource: r, what: "listing the tags of " + r.String(), object: "tags"}
	query := url.Values{"n": {strconv.Itoa(tagsPage)}}
	for range tagPages {
		res, err := p.getQuery(ctx, query, "tags", "list")
		if err != nil {
			return nil, false, err
		}
		raw, err := p.whole(res.Body, maxTags)
		_ = res.Body.Close()
		if err != nil {
			return nil, false, err
		}
		var page struct {
			Tags []string `json:"tags"`
		}
		if json.Unmarshal(raw, &page) != nil {
			return nil, false, broken(p.what, r.Host+" answers with no list of tags")
		}
		for _, t := range page.Tags {
			if ref.CheckTag(t) == nil {
				tags = append(tags, t)
			}
		}
		next := nextTags(res.Header.Get("Link"))
		if next == nil || len(page.Tags) == 0 {
			return tags, false, nil
		}
		query = next
	}
	return tags, true, nil
}

// getQuery is [pull.get] with a query.
func (p *pull) getQuery(ctx context.Context, query url.Values, path ...string) (*followed, error) {
	v := &visit{c: p.c, kc: p.kc, scope: fairlead.Scope{Resource: p.resource, Verb: fairlead.Pull}, what: p.what}
	v.send = func(ctx context.Context, e Endpoint, login fairlead.Secret) (*followed, error) {
		u, err := pathTo(p.what, e, p.resource.Repository, path...)
		if err != nil {
			return nil, err
		}
		u.RawQuery = query.Encode()
		h := http.Header{"Accept": {"application/json"}}
		return p.c.follow(ctx, p.what, target{endpoint: e, method: http.MethodGet, url: u, header: h, login: login})
	}
	res, err := v.do(ctx)
	p.lease, p.endpoint = v.lease, v.endpoint
	if err != nil {
		return nil, err
	}
	if only200(res.StatusCode) {
		return res, nil
	}
	return nil, p.failed(v, res)
}

// nextTags gives the query of the next page, nil if there is none (RFC 8288). Where the
// link leads beside isn't followed: the list is at the same place.
func nextTags(link string) url.Values {
	at, params, ok := strings.Cut(link, ">")
	if !ok || !strings.Contains(params, "next") {
		return nil
	}
	u, err := url.Parse(strings.TrimPrefix(strings.TrimSpace(at), "<"))
	if err != nil || u.Query().Get("last") == "" && u.Query().Get("next_page") == "" {
		return nil
	}
	return u.Query()
}
