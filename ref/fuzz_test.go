package ref_test

import (
	_ "crypto/sha512" // go-digest, below distribution/reference, knows the algorithms that are linked in
	"errors"
	"net/netip"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/distribution/reference"
	"pgregory.net/rapid"

	"fairlead.dev/fairlead/ref"
)

var seeds = []string{
	"ubuntu", "ubuntu:24.04", "me/app:v1@" + sha256, "REG.io:5000/team/app", "[::1]:5000/x", "[2001:DB8::0:1]/x",
	"registry-1.docker.io/nginx", "https://me:pw@reg.io/App:v1", " reg.io/a ", "reg.io", "Foo/bar", "<a>.io/x",
	"docker pull nginx", "10.0.0.1/x", "0x7f.1/x", "hub.docker.com/r/me/app", hex64, sha256, "reg.io/a@" + sha512, "\xff/\x00",
}

// FuzzParse holds Parse against distribution/reference: what Parse takes, Docker takes
// too and means the same by it; what only Docker takes is refused for one of the
// reasons that the package comment gives.
func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		i, err := ref.Parse(s)
		docker, dockerErr := reference.ParseNormalizedNamed(s)
		if err != nil {
			checkError(t, err, func(s string) error { _, err := ref.Parse(s); return err })
			if dockerErr == nil {
				checkStricter(t, s, err)
			}
			return
		}
		if again, err := ref.Parse(i.String()); err != nil || again != i {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", i, again, err, i)
		}
		if r, err := ref.ParseResource(i.Resource.String()); err != nil || r != i.Resource {
			t.Errorf("ParseResource(%q) = %+v, %v; want %+v", i.Resource, r, err, i.Resource)
		}
		if dockerErr != nil {
			t.Fatalf("Parse(%q) = %v, and Docker refuses it: %v", s, i, dockerErr)
		}
		if want := fromDocker(t, docker); i != want {
			t.Errorf("Parse(%q) = %+v, and Docker means %+v", s, i, want)
		}
	})
}

// FuzzParseResource checks that a resource has one spelling, and that errors are in order.
func FuzzParseResource(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ref.ParseResource(s)
		if err != nil {
			checkError(t, err, func(s string) error { _, err := ref.ParseResource(s); return err })
			return
		}
		if again, err := ref.ParseResource(r.String()); err != nil || again != r {
			t.Errorf("ParseResource(%q) = %+v, %v; want %+v", r, again, err, r)
		}
		if host, err := ref.CanonicalHost(r.Host); err != nil || host != r.Host {
			t.Errorf("CanonicalHost(%q) = %q, %v; want it unchanged", r.Host, host, err)
		}
		if i, err := ref.Parse(s); err == nil && i.Resource != r && r.Repository != "" {
			t.Errorf("ParseResource(%q) = %v, and Parse means %v", s, r, i.Resource)
		}
	})
}

// fromDocker folds Docker's reading of a name into one spelling.
func fromDocker(t *testing.T, docker reference.Named) ref.Image {
	t.Helper()
	docker = reference.TagNameOnly(docker)
	host, path := strings.ToLower(reference.Domain(docker)), reference.Path(docker)
	switch host {
	case "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com":
		host = "docker.io"
	}
	if host == "docker.io" && !strings.Contains(path, "/") {
		path = "library/" + path
	}
	if address, rest, ok := strings.Cut(strings.TrimPrefix(host, "["), "]"); ok {
		ip, err := netip.ParseAddr(address)
		if err != nil {
			t.Fatal(err)
		}
		host = "[" + ip.String() + "]" + rest
	}
	i := ref.Image{Resource: ref.Resource{Host: host, Repository: path}}
	if tagged, ok := docker.(reference.Tagged); ok {
		i.Tag = tagged.Tag()
	}
	if digested, ok := docker.(reference.Digested); ok {
		i.Digest = digested.Digest().String()
	}
	return i
}

// checkStricter checks that a name which Docker takes was refused on purpose.
func checkStricter(t *testing.T, s string, err error) {
	t.Helper()
	e, _ := errors.AsType[*ref.Error](err)
	for _, why := range []string{
		"repository names are lower case",        // Foo/bar
		"it names a host and no repository",      // reg.io
		"it is a digest without a name",          // sha256:…
		"the host ends in a number",              // 10.1/x
		"isn't an IPv6 address",                  // [1:2]/x
		"what stands in brackets is an IPv4",     // [::ffff:102:304]/x
		"what follows the host's colon isn't",    // reg.io:0/x
		"a part of a host has at most",           // RFC 1035
		"a host has at most",                     // RFC 1035
		"hub.docker.com is the web site",         // hub.docker.com/x
		"the algorithm of a digest is",           // sha384
		"isn't a digit of a digest",              // SHA in upper case
		"can't be part of a host",                // a_b.c/x: Docker makes it a path without a host
		"each part of a host begins and ends",    // as before
		"a dot in the host has no name before",   // as before
		"the host before the colon is empty",     // as before
		"there is more than one colon in the ho", // as before
	} {
		if strings.Contains(e.Why, why) {
			return
		}
	}
	t.Errorf("Docker takes %q, and Parse refuses it for no good reason: %v", s, err)
}

// checkError checks that an error is a sentence that doesn't carry much of the input,
// and that what it proposes would be taken.
func checkError(t *testing.T, err error, parse func(string) error) {
	t.Helper()
	e, ok := errors.AsType[*ref.Error](err)
	if !ok {
		t.Fatalf("error %v isn't a *ref.Error", err)
	}
	if e.What == "" || e.Why == "" || e.Remedy == "" {
		t.Errorf("error %#v lacks a piece", e)
	}
	text := e.Error()
	if n := utf8.RuneCountInString(text); n > 420 {
		t.Errorf("error of %d characters: %s", n, text)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r != ' ' && !unicode.IsGraphic(r) }) || !utf8.ValidString(text) {
		t.Errorf("error with raw characters: %q", text)
	}
	if words := strings.Fields(e.Remedy); len(words) == 2 && words[0] == "write" {
		if err := parse(words[1]); err != nil {
			t.Errorf("the error proposes %q, which is refused too: %v", words[1], err)
		}
	}
}

// TestImageHasOneSpelling builds images from their parts and reads what they print.
func TestImageHasOneSpelling(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		label := rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?`)
		host := label.Draw(t, "label") + "." + rapid.SampledFrom([]string{"io", "azurecr.io", "pkg.dev", "local"}).Draw(t, "end")
		i := ref.Image{
			Resource: ref.Resource{
				Host:       host + rapid.StringMatching(`(:[1-9][0-9]{0,3})?`).Draw(t, "port"),
				Repository: rapid.StringMatching(`[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)?(/[a-z0-9]+){0,3}`).Draw(t, "repository"),
			},
			Tag: rapid.StringMatching(`[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}`).Draw(t, "tag"),
		}
		if rapid.Bool().Draw(t, "digested") {
			i.Digest = "sha256:" + rapid.StringMatching(`[0-9a-f]{64}`).Draw(t, "digest")
			i.Tag = rapid.SampledFrom([]string{"", i.Tag}).Draw(t, "with tag")
		}
		if len(i.Repository) > 255 {
			t.Skip()
		}
		got, err := ref.Parse(i.String())
		if err != nil || got != i {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", i, got, err, i)
		}
	})
}
