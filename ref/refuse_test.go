package ref_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fairlead.dev/fairlead/ref"
)

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		in     string
		why    string // a part of it
		remedy string // a part of it, or all of it if it begins with "write "
	}{
		{"nothing", "", "empty", "reg.io/team/app"},
		{"blank before", " ubuntu", "blank", "write ubuntu"},
		{"newline after", "reg.io/app:v1\n", "blank", "write reg.io/app:v1"},
		{"no-break space", "\u00a0ubuntu", "blank", "write ubuntu"},
		{"byte order mark", "\ufeffubuntu", "invisible", "write ubuntu"},
		{"zero-width space inside", "reg.io/a\u200bpp", "invisible", "one name"},
		{"two words", "reg.io/app v1", "blank", "one name"},
		{"quoted", `"reg.io/app:v1"`, "quotation marks", "write reg.io/app:v1"},
		{"command", "docker pull nginx:1.27", "command", "write nginx:1.27"},
		{"https", "https://reg.io/app:v1", "scheme", "write reg.io/app:v1"},
		{"HTTPS in upper case", "HTTPS://REG.io/App", "scheme", "write reg.io/app"},
		{"docker scheme", "docker://ubuntu", "scheme", "write ubuntu"},
		{"oci scheme", "oci://reg.io/charts/app", "scheme", "write reg.io/charts/app"},
		{"URL with slash", "https://reg.io/app/", "scheme", "write reg.io/app"},
		{"URL with query", "https://reg.io/app?sig=hunter2", "scheme", "write reg.io/app"},
		{"URL with login", "https://me:hunter2@reg.io/app", "scheme", "write reg.io/app"},
		{"login without scheme", "me:hunter2@reg.io/app", "isn't a digest", "sha256:"},
		{"URL with digest", "docker://ubuntu@" + sha256, "scheme", "write ubuntu@" + sha256},
		{"login with slash", "https://me:hun/ter2@reg.io/app", "scheme", "write reg.io/app"},
		{"page of Docker Hub", "https://hub.docker.com/r/me/app/tags", "scheme", "write docker.io/me/app"},
		{"page of an official image", "hub.docker.com/_/python", "web site", "write docker.io/python"},
		{"placeholder", "<account>.dkr.ecr.eu-west-1.amazonaws.com/app", "placeholder", "your own value"},
		{"image ID", hex64, "image ID", "name"},
		{"bare digest", sha256, "digest without a name", "repository"},
		{"bare sha512 digest", sha512, "digest without a name", "repository"},

		{"host alone", "reg.io", "host and no repository", "repository after"},
		{"host alone with port", "localhost:5000", "host and no repository", "repository after"},
		{"YAML number", "3.10", "host and no repository", "repository after"},
		{"host and slash", "reg.io/", "no repository", "reg.io/team/app"},
		{"host and tag", "reg.io/:v1", "no repository", "reg.io/team/app"},
		{"only digest", "@" + sha256, "no repository", "reg.io/team/app"},
		{"trailing slash", "reg.io/team/app/", "ends with a slash", "write reg.io/team/app"},
		{"trailing slash, short", "team/", "ends with a slash", "write team"},
		{"leading slash", "/app", "slash", "one /"},
		{"two slashes", "reg.io/a//b", "slash", "one /"},

		{"Docker's host Foo", "Foo/bar", "lower case", "write foo/bar"},
		{"upper case, tag kept", "reg.io/Team/App:V1", "lower case", "write reg.io/team/app:V1"},
		{"upper case, digest kept", "reg.io/App@" + sha256, "lower case", "write reg.io/app@" + sha256},
		{"underscore in host", "my_reg.io/app", `"_" can't be part of a host`, "dashes"},
		{"Cyrillic letter", "reg.io/\u0430pp", "U+0430", "lower-case letters"},
		{"Kelvin sign in host", "\u212areg.io/app", "U+212A", "write kreg.io/app"},
		{"long s in localhost", "localho\u017ft/app", "U+017F", "letters"},
		{"control character", "reg.io/a\x07", "U+0007", "lower-case letters"},
		{"invalid UTF-8", "reg.io/a\xff", "U+FFFD", "lower-case letters"},
		{"climbing path", "reg.io/../app", "begins and ends", "take off"},
		{"mixed separators", "reg.io/a._b", "one dot", "take out"},
		{"three underscores", "reg.io/a___b", "one dot", "take out"},
		{"dash at the beginning", "reg.io/-a", "begins and ends", "take off"},
		{"dash at the end", "reg.io/a-/b", "begins and ends", "take off"},
		{"long repository", "reg.io/" + strings.Repeat("a", 256), "255", "shorter"},
		{"long with library", strings.Repeat("a", 250), "255", "shorter"},

		{"dot after host", "reg.io./app", "dot", "none at the end"},
		{"dot before host", ".reg.io/app", "dot", "exactly one"},
		{"two dots in host", "reg..io/app", "dot", "exactly one"},
		{"dash at label", "reg-.io/app", "begins and ends", "dash"},
		{"long label", strings.Repeat("l", 64) + ".io/app", "63", "check"},
		{"long host", strings.Repeat("l.", 127) + "io/app", "253", "check"},
		{"empty host", ":5000/app", "host before the colon is empty", "localhost:5000"},
		{"empty port", "reg.io:/app", "isn't a port", "65535"},
		{"port 0", "reg.io:0/app", "isn't a port", "65535"},
		{"port with zero", "reg.io:0443/app", "isn't a port", "zeros"},
		{"port too high", "reg.io:65536/app", "isn't a port", "65535"},
		{"port with sign", "reg.io:+443/app", "isn't a port", "65535"},
		{"tag before path", "ubuntu:22.04/app", "isn't a port", "65535"},
		{"IPv6 without brackets", "::1/app", "more than one colon", "brackets"},
		{"IPv6, bracket open", "[::1/app", "more than one colon", "brackets"},
		{"IPv6, text after", "[::1]x/app", "IPv6", "[2001:db8::1]:5000"},
		{"IPv6 with zone", "[fe80::1%eth0]/app", "IPv6", "[2001:db8::1]:5000"},
		{"IPv6, IPv4 in it", "[::ffff:10.0.0.1]/app", "IPv6", "[2001:db8::1]:5000"},
		{"IPv6, IPv4 mapped", "[::ffff:a00:1]/app", "IPv4", "10.0.0.1"},
		{"IPv4 in brackets", "[10.0.0.1]/app", "IPv6", "[2001:db8::1]:5000"},
		{"IPv4, short", "10.1/app", "IPv4", "10.0.0.1"},
		{"IPv4, octal", "010.0.0.1/app", "IPv4", "10.0.0.1"},
		{"IPv4, hexadecimal", "0x7f.0.0.0x1/app", "IPv4", "10.0.0.1"},
		{"IPv4, one number", "2130706433:80/app", "IPv4", "10.0.0.1"},
		{"name that ends in a number", "reg.123/app", "IPv4", "10.0.0.1"},

		{"empty tag", "reg.io/app:", "tag after the colon is empty", "leave out"},
		{"bad character in tag", "reg.io/app:v1+cu12", `"+" can't be part of a tag`, "letters"},
		{"tag begins with dash", "reg.io/app:-v1", "begins with", "take off"},
		{"two tags", "reg.io/app:v1:v2", `":" can't be part of a tag`, "letters"},
		{"slash in tag", "reg.io/app:v1/x", `"/" can't be part of a tag`, "letters"},
		{"long tag", "app:" + strings.Repeat("t", 129), "128", "shorter"},
		{"empty digest", "reg.io/app@", "digest after the @ is empty", "leave out"},
		{"unknown algorithm", "reg.io/app@md5:" + hex64[:32], "sha256 or sha512", "sha256:"},
		{"unregistered algorithm", "reg.io/app@sha384:" + hex64[:96-32], "sha256 or sha512", "sha256:"},
		{"short digest", "reg.io/app@sha256:" + hex64[:63], "this one has 63", "whole"},
		{"long digest", "reg.io/app@sha256:" + hex128, "this one has 128", "whole"},
		{"digest in upper case", "reg.io/app@sha256:" + strings.ToUpper(hex64), `"A" isn't a digit`, "lower case"},
		{"two digests", "reg.io/app@" + sha256 + "@" + sha256, `"@" isn't a digit`, "0 to 9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ref.Parse(tt.in)
			checkRefused(t, got, err, tt.why, tt.remedy)
		})
	}
}

func TestParseResourceRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, why, remedy string }{
		{"nothing", "", "empty", "reg.io/team/app"},
		{"tag", "reg.io/app:v1", "no tag", "write reg.io/app"},
		{"short with tag", "ubuntu:22.04", "port", "write docker.io/library/ubuntu"},
		{"digest", "reg.io/app@" + sha256, "no digest", "write reg.io/app"},
		{"slash after host", "reg.io/", "no repository", "write reg.io"},
		{"URL of a host", "https://REG.io/", "scheme", "write reg.io"},
		{"URL of Docker Hub's old registry", "https://index.docker.io/v1/", "scheme", "write index.docker.io/v1"},
		{"web site of Docker Hub", "hub.docker.com", "web site", "docker.io"},
		{"upper case", "Team/app", "lower case", "write team/app"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ref.ParseResource(tt.in)
			checkRefused(t, got, err, tt.why, tt.remedy)
		})
	}
}

// checkRefused checks that an error is a sentence that holds what it should, and comes
// with no value.
func checkRefused[T comparable](t *testing.T, got T, err error, why, remedy string) {
	t.Helper()
	var zero T
	e, ok := errors.AsType[*ref.Error](err)
	if !ok || got != zero {
		t.Fatalf("got %v and error %v, want the zero value and a *ref.Error", got, err)
	}
	t.Log(e)
	if !strings.Contains(e.Why, why) {
		t.Errorf("Why = %q, want %q in it", e.Why, why)
	}
	if proposal := strings.HasPrefix(remedy, "write "); proposal && e.Remedy != remedy || !strings.Contains(e.Remedy, remedy) {
		t.Errorf("Remedy = %q, want %q", e.Remedy, remedy)
	}
	if strings.Contains(e.Error(), "hunter2") || strings.Contains(e.Error(), "ter2") {
		t.Errorf("the error shows a password: %v", e)
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		check    func(string) error
		good     []string
		bad      []string
		whatPart string
	}{
		{"repository", ref.CheckRepository, []string{"a", "team/app", "a-b/c.d"}, []string{"", "A", "a/", "/a", "a:v1", "a/../b"}, "checking repository"},
		{"tag", ref.CheckTag, []string{"v1", "_"}, []string{"", ".a", "a/b", sha256}, "checking tag"},
		{"digest", ref.CheckDigest, []string{sha256, sha512}, []string{"", hex64, "sha256", "sha256:", "sha512:" + hex64}, "checking digest"},
		{"host", func(s string) error { _, err := ref.CanonicalHost(s); return err }, []string{"reg.io", "a:80", "localhost", "[::1]"}, []string{"", "team", "reg.io/app", "a:b"}, "parsing host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, s := range tt.good {
				if err := tt.check(s); err != nil {
					t.Errorf("%q: %v", s, err)
				}
			}
			for _, s := range tt.bad {
				if e, ok := errors.AsType[*ref.Error](tt.check(s)); !ok || !strings.HasPrefix(e.What, tt.whatPart) {
					t.Errorf("%q: error %v, want a *ref.Error that begins with %q", s, e, tt.whatPart)
				}
			}
		})
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"plain", "reg.io/app", `"reg.io/app"`},
		{"control characters", "a\x1b[31m\n", `"a\x1b[31m\n"`},
		{"right-to-left override", "a\u202eb", `"a\u202eb"`},
		{"invalid UTF-8", "a\xff", `"a\xff"`},
		{"letters of other scripts", "büro", `"büro"`},
		{"login", "https://me:hunter2@reg.io/app", `"…@reg.io/app"`},
		{"login before a digest", "me:hunter2@reg.io/app@" + sha256, `"…@reg.io/app@` + sha256 + `"`},
		{"password with an @", "me:p@sha1@reg.io/app", `"…@reg.io/app"`},
		{"password with a question mark", "https://me:hunter2?@reg.io/app", `"…@reg.io/app"`},
		{"password like a digest", "me:p@sha256:hunter2@reg.io", `"…@reg.io"`},
		{"host like a digest", "me:hunter2@sha256:5000/app", `"…@sha256:5000/app"`},
		{"digest alone", sha256, `"` + sha256 + `"`},
		{"login for a host named sha", "me:hunter2@sha.io", `"…@sha.io"`},
		{"digest", "reg.io/app@" + sha256, `"reg.io/app@` + sha256 + `"`},
		{"query", "https://reg.io/app?sig=hunter2", `"https://reg.io/app…"`},
		{"long", strings.Repeat("a", 500), `"` + strings.Repeat("a", 94) + `…"`},
		{"long and escaped", strings.Repeat("\x00", 500), `"` + strings.Repeat(`\x00`, 23) + `…"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ref.Quote(tt.in); got != tt.want {
				t.Errorf("Quote = %s, want %s", got, tt.want)
			}
		})
	}
}

// TestErrorsHoldNoLogin: people paste URLs with a login, and errors go to logs.
func TestErrorsHoldNoLogin(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		junk := rapid.StringMatching(`[a-z0-9/@:?#%* ]{0,3}`)
		s := rapid.SampledFrom([]string{"", "https://", "docker://", " ", `"`}).Draw(t, "before") +
			"me:" + junk.Draw(t, "a") + "hunter2" + junk.Draw(t, "b") +
			rapid.SampledFrom([]string{"@reg.io", "@reg.io/app", "@reg.io/app@" + sha256, "@localhost:5000/app:v1", "@team/app?x"}).Draw(t, "after")
		_, imageErr := ref.Parse(s)
		_, resourceErr := ref.ParseResource(s)
		_, hostErr := ref.CanonicalHost(s)
		_, pasteErr := ref.Unpaste(s)
		for _, err := range []error{imageErr, resourceErr, hostErr, pasteErr, ref.CheckRepository(s), ref.CheckTag(s), ref.CheckDigest(s)} {
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the password: %v", err)
			}
		}
		if imageErr == nil || resourceErr == nil {
			t.Errorf("%q is taken for a name", s)
		}
	})
}
