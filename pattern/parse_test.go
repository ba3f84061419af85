package pattern_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"whole host", "reg.io/*", "reg.io/*"},
		{"repository", "reg.io/team/app", "reg.io/team/app"},
		{"subtree", "reg.io/team/*", "reg.io/team/*"},
		{"host in upper case", "REG.io/team/*", "reg.io/team/*"},
		{"port", "reg.io:5000/*", "reg.io:5000/*"},
		{"single label with port", "registry:5000/*", "registry:5000/*"},
		{"localhost", "LocalHost/*", "localhost/*"},
		{"IPv4", "10.0.0.1:5000/*", "10.0.0.1:5000/*"},
		{"IPv6", "[0::1]:5000/*", "[::1]:5000/*"},
		{"index.docker.io", "index.docker.io/me/*", "docker.io/me/*"},
		{"registry-1.docker.io", "registry-1.docker.io/*", "docker.io/*"},
		{"registry.hub.docker.com", "registry.hub.docker.com/ubuntu", "docker.io/library/ubuntu"},
		{"official image", "docker.io/ubuntu", "docker.io/library/ubuntu"},
		{"official image with tag", "docker.io/ubuntu:24.04", "docker.io/library/ubuntu:24.04"},
		{"official image, any tag", "docker.io/ubuntu:*", "docker.io/library/ubuntu"},
		{"namespace of Docker Hub", "docker.io/me/*", "docker.io/me/*"},
		{"* in one segment of Docker Hub", "docker.io/me*", "docker.io/me*"},
		{"* in a host", "*.dkr.ecr.*.amazonaws.com/*", "*.dkr.ecr.*.amazonaws.com/*"},
		{"* in a label, upper case", "ACME-*.jfrog.io/*", "acme-*.jfrog.io/*"},
		{"several * in a label", "a*b*c.reg.io/*", "a*b*c.reg.io/*"},
		{"* in a host with port", "*.reg.io:5000/*", "*.reg.io:5000/*"},
		{"* in a host, one repository", "*.azurecr.io/app", "*.azurecr.io/app"},
		{"* in the middle", "reg.io/*/models", "reg.io/*/models"},
		{"* in a segment", "reg.io/team-*/models", "reg.io/team-*/models"},
		{"* at the end of a segment", "reg.io/team*", "reg.io/team*"},
		{"/* after a *", "reg.io/team-*/*", "reg.io/team-*"},
		{"/* after /*", "reg.io/team/*/*/*", "reg.io/team/*"},
		{"only * in the path", "reg.io/*/*", "reg.io/*"},
		{"any tag", "gcr.io/my-project/my-registry:*", "gcr.io/my-project/my-registry"},
		{"any tag below", "reg.io/team/*:*", "reg.io/team/*"},
		{"tag", "reg.io/team/*:V1", "reg.io/team/*:V1"},
		{"tags", "reg.io/team/app:v1*-gpu", "reg.io/team/app:v1*-gpu"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := pattern.Parse(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != tt.want {
				t.Errorf("Parse(%q) = %q, want %q", tt.in, got, tt.want)
			}
			if again, err := pattern.Parse(got.String()); err != nil || again != got {
				t.Errorf("Parse(%q) = %q, %v; want the same pattern", got, again, err)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		in     string
		why    string // a part of it
		remedy string // a part of it, or all of it if it begins with "write "
	}{
		{"nothing", "", "empty", "reg.io/team/app"},
		{"blanks", " reg.io/team/* ", "blank", "write reg.io/team/*"},
		{"quoted", `"reg.io/team/*"`, "quotation marks", "write reg.io/team/*"},
		{"https", "https://reg.io/team/*", "scheme", "write reg.io/team/*"},
		{"https, host alone", "https://reg.io", "scheme", "write reg.io/*"},
		{"oci", "oci://reg.io/charts/", "scheme", "write reg.io/charts/*"},
		{"login", "https://me:hunter2@reg.io/team/*", "scheme", "write reg.io/team/*"},
		{"login without scheme", "me:hunter2@reg.io/team/*", "no digest", "leave out"},
		{"login before a host", "me:hunter2@reg.io", "no digest", "leave out"},
		{"placeholder", "<account>.dkr.ecr.<region>.amazonaws.com/*", "placeholder", "your own value"},

		{"host alone", "reg.io", "no path", "write reg.io/*"},
		{"host alone, as for the kubelet", "*.azurecr.io", "no path", "write *.azurecr.io/*"},
		{"host alone with port", "reg.io:443", "no path", "write reg.io:443/*"},
		{"host and slash", "reg.io/", "no path", "write reg.io/*"},
		{"host and tag", "reg.io/:v1", "no path", "/*"},
		{"trailing slash", "reg.io/team/", "ends with a slash", "write reg.io/team/*"},
		{"short name", "ubuntu", "a dot or a port", "write docker.io/library/ubuntu"},
		{"short name with tag", "ubuntu:24.04", "port", "write docker.io/library/ubuntu:24.04"},
		{"namespace alone", "me/*", "a dot or a port", "write docker.io/me/*"},
		{"namespace with *", "team-*/*", "isn't a host", "write docker.io/team-*"},

		{"everything", "*", "every host", "write the host"},
		{"everything, with path", "*/*", "every host", "write the host"},
		{"every host of two labels", "*.*/*", "last two parts", "in full"},
		{"* in the last label", "reg.*/*", "last two parts", "in full"},
		{"* in the label before", "*.io/*", "last two parts", "in full"},
		{"* in a part of the label before", "my-reg*.io/*", "last two parts", "in full"},
		{"* in an address", "10.0.*.1/*", "last two parts", "in full"},
		{"* before an address", "*.0.0.1/*", "IPv4", "10.0.0.1"},
		{"* in a short address", "10.*.0.1/*", "IPv4", "10.0.0.1"},
		{"* in IPv6", "[::*]/*", "IP address", "in full"},
		{"* as port", "*.reg.io:*/*", "port", "each port"},
		{"* in a port", "*.reg.io:50*/*", "port", "each port"},
		{"* as the port of a literal host", "reg.io:*/*", "port", "each port"},
		{"* at a dash", "-*.reg.io/*", "begins and ends", "dash"},

		{"two * in the path", "reg.io/team/**", "side by side", "write reg.io/team/*"},
		{"two * in the host", "**.reg.io/*", "side by side", "write *.reg.io/*"},
		{"two * in the tag", "reg.io/team:v**", "side by side", "write reg.io/team:v*"},
		{"question mark", "reg.io/team?/*", "only wildcard", "one pattern"},
		{"braces", "reg.io/{a,b}/*", "only wildcard", "one pattern"},
		{"character class", "reg.io/[ab]/*", `"["`, "letters"},
		{"regular expression", `^reg\.io/.*$`, "only wildcard", "one pattern"},
		{"character class in the host", "[ab].reg.io/*", "IPv6", "[2001:db8::1]"},

		{"upper case", "reg.io/Team/*", "lower case", "write reg.io/team/*"},
		{"two slashes", "reg.io//*", "slash", "one /"},
		{"climbing path", "reg.io/../*", "begins and ends", "take off"},
		{"separators that never meet", "reg.io/a._*", "one dot", "take out"},
		{"segment that never begins so", "reg.io/-*", "begins and ends", "take off"},
		{"slash before a host", "/reg.io/*", "dot", "reg.io"},
		{"dot after the host", "reg.io./*", "dot", "none at the end"},
		{"web site of Docker Hub", "hub.docker.com/*", "web site", "docker.io"},

		{"empty tag", "reg.io/team:", "tag after the colon is empty", "leave out"},
		{"tag that is none", "reg.io/team:v1+*", `"+"`, "letters"},
		{"two tags", "reg.io/team:v1:v2", `":"`, "letters"},
		{"digest", "reg.io/team@sha256:" + strings.Repeat("a", 64), "no digest", "write reg.io/team"},
		{"any digest", "reg.io/team@*", "no digest", "leave out"},
		{"long path", "reg.io/" + strings.Repeat("a", 300) + "/*", "255", "shorter"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := pattern.Parse(tt.in)
			e, ok := errors.AsType[*ref.Error](err)
			if !ok || !got.IsZero() {
				t.Fatalf("Parse(%q) = %q, %v; want a *ref.Error", tt.in, got, err)
			}
			t.Log(e)
			if !strings.Contains(e.Why, tt.why) {
				t.Errorf("Why = %q, want %q in it", e.Why, tt.why)
			}
			if proposal := strings.HasPrefix(tt.remedy, "write "); proposal && tt.remedy != "write the host" && e.Remedy != tt.remedy || !strings.Contains(e.Remedy, tt.remedy) {
				t.Errorf("Remedy = %q, want %q", e.Remedy, tt.remedy)
			}
			if strings.Contains(e.Error(), "hunter2") {
				t.Errorf("the error shows a password: %v", e)
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
			rapid.SampledFrom([]string{"@reg.io", "@reg.io/*", "@reg.io/app" + digest, "@localhost:5000/app:v1", "@*", "@team/?x"}).Draw(t, "after")
		if _, err := pattern.Parse(s); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Parse(%q) gives error %v", s, err)
		}
	})
}

func TestHost(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in      string
		host    string
		literal bool
	}{
		{"index.docker.io/me/*", "docker.io", true},
		{"REG.io:5000/*", "reg.io:5000", true},
		{"reg.io/*/a*", "reg.io", true},
		{"*.azurecr.io/a", "*.azurecr.io", false},
	}
	for _, tt := range tests {
		p := mustParse(t, tt.in)
		if p.Host() != tt.host || p.HostIsLiteral() != tt.literal {
			t.Errorf("%s: Host() = %q, HostIsLiteral() = %t; want %q, %t", p, p.Host(), p.HostIsLiteral(), tt.host, tt.literal)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	type document struct {
		Pattern pattern.Pattern `json:"pattern"`
	}
	var d document
	if err := json.Unmarshal([]byte(`{"pattern":"REG.io/team/*:*"}`), &d); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(document{mustParse(t, "reg.io/team/*")}, d); diff != "" {
		t.Errorf("Unmarshal (-want +got):\n%s", diff)
	}
	if got, err := json.Marshal(d); err != nil || string(got) != `{"pattern":"reg.io/team/*"}` {
		t.Errorf("Marshal = %s, %v", got, err)
	}
	before := d
	err := json.Unmarshal([]byte(`{"pattern":"*"}`), &d)
	if _, ok := errors.AsType[*ref.Error](err); !ok || d != before {
		t.Errorf("Unmarshal of * gives %v, %v; want a *ref.Error and no change", d, err)
	}
	if err := json.Unmarshal([]byte(`{"pattern":""}`), &d); err != nil || !d.Pattern.IsZero() || d.Pattern.String() != "" {
		t.Errorf("Unmarshal of nothing gives %v, %v; want the zero pattern", d, err)
	}
}

func mustParse(tb testing.TB, s string) pattern.Pattern {
	tb.Helper()
	p, err := pattern.Parse(s)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func mustImage(tb testing.TB, s string) ref.Image {
	tb.Helper()
	i, err := ref.Parse(s)
	if err != nil {
		tb.Fatal(err)
	}
	return i
}
