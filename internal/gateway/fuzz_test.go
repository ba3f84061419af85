package gateway

import (
	"net/url"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// FuzzParse holds what is taken for a path to what may stand in a request upstream.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"/v2/", "/v2", "/v2/reg.io/team/app/manifests/v1", "/v2/reg.io__5000/app/blobs/sha256:" + strings.Repeat("a", 64), "/v2/a/b/tags/list?n=1",
		"/v2/a/referrers/sha512:" + strings.Repeat("b", 128), "/v2/a/manifests/x?ns=reg.io", "/v2/a%2Fb/manifests/v1", "/v2/../v2/a/manifests/v1", "/v2/a/blobs/uploads/",
		"/v2/A/manifests/v1", "/v2/a/manifests/sha256%3A" + strings.Repeat("a", 64), "/v2//manifests/v1", "/v2/a\x00/manifests/v1?ns=%zz",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.ParseRequestURI(s)
		if err != nil {
			return
		}
		got, no := parse(u)
		if no != nil || got.kind == root || got.kind == uploads {
			return
		}
		if got.kind == nothing || got.name == "" {
			t.Fatalf("%q is %+v", s, got)
		}
		if got.kind != tags && ref.CheckDigest(got.reference) != nil && (got.kind != manifests || ref.CheckTag(got.reference) != nil) {
			t.Errorf("%q has the reference %q", s, got.reference)
		}
		host, isHost, no := hostOf(got.name[:max(0, strings.IndexByte(got.name+"/", '/'))])
		if got.space != "" {
			host, isHost = got.space, true
		}
		if no != nil || !isHost {
			return
		}
		if c, err := ref.CanonicalHost(host); err != nil || c != host && !isHubAlias(host) {
			t.Errorf("%q has the host %q", s, host)
		}
		name := got.name
		if got.space == "" {
			_, name, _ = strings.Cut(name, "/")
		}
		r, no := resourceOf(host, name)
		if no != nil {
			return
		}
		if again, err := ref.ParseResource(r.String()); err != nil || again != r && !isHubAlias(host) {
			t.Errorf("%q is %q, which isn't read as itself: %v, %v", s, r, again, err)
		}
		if spelled, ok := Spell(r); ok {
			first, _, _ := strings.Cut(spelled, "/")
			if h, is, no := hostOf(first); no != nil || !is || h != r.Host {
				t.Errorf("%q is spelled %q, which is the host %q", r, spelled, h)
			}
		}
	})
}

// FuzzRange holds ranges to the blob.
func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-", "bytes=0-0", "bytes=-5", "bytes=5-1", "bytes=", "bytes=-", "bytes=0-1,2-3", "x=0-1", "bytes=99999999999999999999-", "bytes= 0 - 1 ", "bytes=-0"} {
		f.Add(s, int64(10))
		f.Add(s, int64(0))
	}
	f.Fuzz(func(t *testing.T, s string, size int64) {
		if size < 0 {
			return
		}
		got, part, within := readRange(s, size)
		switch {
		case !within && !part:
			t.Errorf("%q of %d is neither", s, size)
		case !within:
		case part && (got.from < 0 || got.from >= got.to || got.to > size), !part && got != span{0, size}:
			t.Errorf("%q of %d is %+v", s, size, got)
		}
	})
}

// FuzzPass has passes be changed: none that the house didn't make is taken.
func FuzzPass(f *testing.F) {
	p := newPasses(fairlead.SecretText("secret"))
	text, err := p.make(pass{Kind: accessPass, Organization: "o", Names: []string{"a"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text.Reveal()))
	f.Add("flg_.")
	f.Add("flg_e30.e30")
	f.Fuzz(func(t *testing.T, s string) {
		if _, ok := p.read([]byte(s)); ok && s != string(text.Reveal()) {
			t.Errorf("%q is taken", s)
		}
		if _, ok := newPasses(fairlead.SecretText("other")).read([]byte(s)); ok {
			t.Errorf("%q is taken by another house", s)
		}
	})
}

// TestNext reads links to next pages.
func TestNext(t *testing.T) {
	t.Parallel()
	for link, want := range map[string]string{
		`</v2/a/tags/list?last=b&n=2>; rel="next"`:                  "last=b&n=2",
		`<https://reg.io/v2/a/tags/list?n=2&last=b&ns=x>; rel=next`: "last=b&n=2",
		`<x?a=1>; rel="prev", <x?a=2>; rel="next"`:                  "a=2",
		`<x?a=1>; rel="prev"`:                                       "",
		`x?a=1; rel="next"`:                                         "",
		`<x?a=%zz>; rel="next"`:                                     "",
		`<x?` + strings.Repeat("a", 2*maxQuery) + `=1>; rel="next"`: "",
	} {
		if got := nextOf(map[string][]string{"Link": {link}}); got != want {
			t.Errorf("%s: %q, want %q", link, got, want)
		}
	}
}
