package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/wire"
)

// listing is what an upstream listed at a time.
type listing struct {
	tags []string
	// next is the query of the next page, "" if there is none.
	next    string
	index   []byte
	checked time.Time
}

// Bounds of lists.
const (
	maxQuery = 2048
	// mostPages is how many pages of referrers are put together.
	mostPages = 32
)

// listed gives a list: the one that is remembered, while it is fresh or while the
// upstream doesn't answer.
func (room *room) listed(ctx context.Context, s *session, t target, what string, read func(context.Context, *view, keychain) (*listing, error)) (*view, *listing, error, error) {
	v, err := room.view(ctx, s.image(room, t))
	if err != nil {
		return nil, nil, nil, err
	}
	if err := v.hand(ctx, s); err != nil {
		return nil, nil, nil, err
	}
	o := &room.gateway.opts
	now := o.Now()
	v.mu.RLock()
	l, granted, usable := v.lists[what], v.granted(now), v.usable(now)
	v.mu.RUnlock()
	if l != nil && granted && now.Sub(l.checked) < o.TagLife {
		v.count.served(true, true, nil)
		return v, l, nil, nil
	}
	asked := v.ask(ctx, s, what, false, func(ctx context.Context, kc keychain) error {
		fresh, err := read(ctx, v, kc)
		if err != nil {
			return err
		}
		fresh.checked = o.Now()
		v.mu.Lock()
		defer v.mu.Unlock()
		if len(v.lists) >= mostLists {
			clear(v.lists)
		}
		v.lists[what] = fresh
		return nil
	})
	switch err := v.await(ctx, asked, usable && l != nil); {
	case err != nil && usable && l != nil && passing(err):
		v.count.served(true, true, err)
		return v, l, err, nil
	case err != nil:
		return nil, nil, nil, err
	}
	v.count.served(false, false, nil)
	v.mu.RLock()
	l = v.lists[what]
	v.mu.RUnlock()
	if l == nil {
		return nil, nil, nil, fairlead.Missing(fairlead.LeasePull)
	}
	return v, l, nil, nil
}

// mostLists bounds the lists of a view, which may be long.
const mostLists = 64

func (g *Gateway) serveTags(w http.ResponseWriter, r *http.Request, t target, s *session, room *room) *refusal {
	query, n, last, no := pageOf(r.URL.RawQuery)
	if no != nil {
		return no
	}
	v, l, stale, err := room.listed(r.Context(), s, t, "tags "+query.Encode(), func(ctx context.Context, v *view, kc keychain) (*listing, error) {
		return v.readTags(ctx, kc, query)
	})
	if err != nil {
		return refuse(err, tags)
	}
	list, next := page(l, n, last)
	if next != "" {
		if t.space != "" {
			next += "&ns=" + url.QueryEscape(t.space)
		}
		w.Header()["Link"] = []string{"<" + wire.GatewayPrefix + t.name + "/tags/list?" + next + `>; rel="next"`}
	}
	body, err := json.Marshal(map[string]any{"name": t.name, "tags": list})
	if err != nil {
		return refuse(err, tags)
	}
	g.sendList(exchange{w, r, t, s}, v, stale, jsonType, body)
	return nil
}

func (g *Gateway) sendList(x exchange, v *view, stale error, contentType []string, body []byte) {
	h := x.w.Header()
	if stale != nil {
		g.warn(h, x.r, x.s, v, stale)
	}
	h["Content-Type"], h["Cache-Control"] = contentType, ownFresh
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	x.w.WriteHeader(http.StatusOK)
	if x.r.Method == http.MethodGet {
		n, _ := x.w.Write(body) // whoever has left needs no reply
		v.count.sent(int64(n))
	}
	g.note(x.r, x.t, *x.s, http.StatusOK, nil)
}

// pageOf reads the query of a list of tags. n is -1 if it isn't given. What else an
// upstream has in the links to its pages is handed back to it as it was.
func pageOf(raw string) (query url.Values, n int, last string, no *refusal) {
	query, err := url.ParseQuery(raw)
	if err != nil || len(raw) > maxQuery {
		return nil, 0, "", badName("the query can't be read")
	}
	query.Del("ns")
	n = -1
	if query.Has("n") {
		n, err = strconv.Atoi(query.Get("n"))
		if err != nil || n < 0 {
			return nil, 0, "", &refusal{code: wire.PageInvalid, message: "n isn't a number of tags", remedy: "give 0 or more"}
		}
	}
	return query, n, query.Get("last"), nil
}

func (v *view) readTags(ctx context.Context, kc keychain, query url.Values) (*listing, error) {
	raw, h, err := v.gateway().opts.Registries.List(ctx, kc, v.room.resource, query, "tags", "list")
	if err != nil {
		return nil, err
	}
	v.count.received(int64(len(raw)))
	v.count.fetched(int64(len(raw)))
	var reply struct {
		Tags []string `json:"tags"`
	}
	if json.Unmarshal(raw, &reply) != nil {
		return nil, &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeRegistryBroken, What: "listing tags of " + v.room.resource.String(), Why: "what the registry gave isn't a list",
			Remedy: "tell those who run the registry",
		}
	}
	return &listing{tags: reply.Tags, next: nextOf(h)}, nil
}

// nextOf gives the query of the next page (RFC 8288), which alone matters: where it leads
// to is not the client's business.
func nextOf(h http.Header) string {
	for _, line := range h.Values("Link") {
		for one := range strings.SplitSeq(line, ",") {
			address, rest, ok := strings.Cut(strings.TrimSpace(one), ">")
			address, bracket := strings.CutPrefix(address, "<")
			rel := strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(rest), `"`, ""), " ", "")
			if !ok || !bracket || !strings.Contains(rel+";", ";rel=next;") {
				continue
			}
			u, err := url.Parse(address)
			if err != nil || len(u.RawQuery) > maxQuery/2 {
				return ""
			}
			q, err := url.ParseQuery(u.RawQuery)
			if err != nil {
				return ""
			}
			q.Del("ns")
			return q.Encode()
		}
	}
	return ""
}

// page gives what was asked for of a list: some registries give all tags whatever they
// are asked.
func page(l *listing, n int, last string) (list []string, next string) {
	list = l.tags
	if l.next == "" {
		list = slices.Clone(list)
		slices.SortFunc(list, inOrder)
		if last != "" {
			list = slices.DeleteFunc(list, func(tag string) bool { return inOrder(tag, last) <= 0 })
		}
	}
	if n >= 0 && len(list) > n {
		list = list[:n]
		if n > 0 {
			next = url.Values{"n": {strconv.Itoa(n)}, "last": {list[n-1]}}.Encode()
		}
	} else {
		next = l.next
	}
	if list == nil {
		list = []string{}
	}
	return list, next
}

// inOrder is the specification's: case aside first.
func inOrder(a, b string) int {
	return cmp.Or(cmp.Compare(strings.ToLower(a), strings.ToLower(b)), cmp.Compare(a, b))
}

func (g *Gateway) serveReferrers(w http.ResponseWriter, r *http.Request, t target, s *session, room *room) *refusal {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(r.URL.RawQuery) > maxQuery {
		return badName("the query can't be read")
	}
	v, l, stale, err := room.listed(r.Context(), s, t, "referrers "+t.reference, func(ctx context.Context, v *view, kc keychain) (*listing, error) {
		return v.readReferrers(ctx, kc, t.reference)
	})
	if err != nil {
		return refuse(err, manifests)
	}
	body, err := filtered(l.index, query.Get("artifactType"))
	if err != nil {
		return refuse(err, manifests)
	}
	if query.Get("artifactType") != "" {
		w.Header()["Oci-Filters-Applied"] = []string{"artifactType"}
	}
	g.sendList(exchange{w, r, t, s}, v, stale, []string{ocispec.MediaTypeImageIndex}, body)
	return nil
}

// referrerIndex is an index of which the entries are kept as they are.
type referrerIndex struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Manifests     []json.RawMessage `json:"manifests"`
}

// readReferrers asks for what refers to a digest: the API, or, where there is none, the
// tag that stands for it (Distribution Specification 1.1, "Referrers Tag Schema").
func (v *view) readReferrers(ctx context.Context, kc keychain, digest string) (*listing, error) {
	all := referrerIndex{SchemaVersion: 2, MediaType: ocispec.MediaTypeImageIndex, Manifests: []json.RawMessage{}}
	query := url.Values{}
	c, r := v.gateway().opts.Registries, v.room.resource
	for range mostPages {
		raw, h, err := c.List(ctx, kc, r, query, "referrers", digest)
		if fairlead.KindOf(err) == fairlead.NotFound && len(all.Manifests) == 0 {
			raw, _, err = c.GetManifest(ctx, kc, r, strings.Replace(digest, ":", "-", 1))
			if fairlead.KindOf(err) == fairlead.NotFound {
				raw, err = []byte(`{}`), nil
			}
			h = http.Header{}
		}
		if err != nil {
			return nil, err
		}
		v.count.received(int64(len(raw)))
		v.count.fetched(int64(len(raw)))
		var one referrerIndex
		if err := json.Unmarshal(raw, &one); err != nil {
			return nil, &fairlead.Error{
				Kind: fairlead.Unavailable, Code: fairlead.CodeRegistryBroken, What: "listing referrers in " + r.String(), Why: "what the registry gave isn't an index",
				Remedy: "tell those who run the registry",
			}
		}
		all.Manifests = append(all.Manifests, one.Manifests...)
		next := nextOf(h)
		if next == "" {
			break
		}
		if query, err = url.ParseQuery(next); err != nil {
			break
		}
	}
	body, err := json.Marshal(all)
	return &listing{index: body}, err
}

// filtered keeps the entries of one type.
func filtered(index []byte, artifactType string) ([]byte, error) {
	if artifactType == "" {
		return index, nil
	}
	var all referrerIndex
	if err := json.NewDecoder(bytes.NewReader(index)).Decode(&all); err != nil {
		return nil, fairlead.AsError("reading index", err)
	}
	all.Manifests = slices.DeleteFunc(all.Manifests, func(raw json.RawMessage) bool {
		var d struct {
			ArtifactType string `json:"artifactType"`
		}
		return json.Unmarshal(raw, &d) != nil || d.ArtifactType != artifactType
	})
	return json.Marshal(all)
}
