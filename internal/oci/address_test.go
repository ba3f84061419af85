package oci

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
)

func TestPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		space space
		list  []string
	}{
		{public, []string{
			"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0",
			"192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "168.63.129.15", "223.255.255.255",
			"2606:4700:4700::1111", "2a00::1", "64:ff9b::101:101", "2002:101:101::1", "::ffff:1.1.1.1",
		}},
		{private, []string{
			"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255", "198.18.0.1",
			"fd00::1", "fc00::1", "fdff:ffff::1", "fec0::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:a00:1::1",
		}},
		{refused, []string{
			"127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "::7f00:1", "::ffff:0:7f00:1",
			"0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0",
			"169.254.0.1", "169.254.169.254", "169.254.170.2", "fe80::1", "fe80::1%eth0", "febf::1", "::ffff:169.254.169.254",
			"fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.0.1",
			"224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "ff02::1", "ff0e::1", "100::1",
			"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "64:ff9b:1:7f00:0:100::", "64:ff9b:1:a9fe:a9:fe00::",
			"2002:7f00:1::1", "2002:a9fe:a9fe::1",
			"2001:0:7f00:1::1",             // Teredo server
			"2001:0:101:101:0:0:80ff:fffe", // Teredo client 127.0.0.1
			"2a00::5efe:7f00:1",            // ISATAP
			"2a00::200:5efe:a9fe:a9fe",
		}},
	} {
		for _, s := range c.list {
			if got, name := place(netip.MustParseAddr(s)); got != c.space {
				t.Errorf("%s is in space %d (%s), want %d", s, got, name, c.space)
			}
		}
	}
}

func TestPolicy(t *testing.T) {
	t.Parallel()
	p, err := Egress{Allow: []string{
		"Registry.Local", "localhost:5000", "127.0.0.9", "[::1]", "169.254.1.0/24", "10.9.9.9:8443", "[fd00::9]:443", " spaced.local ",
	}}.policy()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		host, port, addr string
		privateToo, want bool
	}{
		"public":                           {"reg.io", "443", "1.1.1.1", false, true},
		"loopback":                         {"reg.io", "443", "127.0.0.1", true, false},
		"mapped loopback":                  {"reg.io", "443", "::ffff:127.0.0.1", true, false},
		"private registry":                 {"reg.lan", "443", "10.0.0.1", true, true},
		"private realm":                    {"reg.lan", "443", "10.0.0.1", false, false},
		"allowed host":                     {"registry.local", "443", "127.0.0.1", false, true},
		"allowed host in capitals":         {"REGISTRY.LOCAL", "80", "127.0.0.1", false, true},
		"allowed host with a dot":          {"registry.local.", "80", "127.0.0.1", false, true},
		"below an allowed host":            {"a.registry.local", "80", "127.0.0.1", false, false},
		"ends like an allowed host":        {"evilregistry.local", "80", "127.0.0.1", false, false},
		"allowed host and port":            {"localhost", "5000", "127.0.0.1", false, true},
		"another port":                     {"localhost", "5001", "127.0.0.1", false, false},
		"allowed address":                  {"reg.io", "443", "127.0.0.9", false, true},
		"allowed address, mapped":          {"reg.io", "443", "::ffff:127.0.0.9", false, true},
		"allowed IPv6 address":             {"::1", "443", "::1", false, true},
		"allowed network":                  {"reg.io", "443", "169.254.1.77", false, true},
		"beside the allowed network":       {"reg.io", "443", "169.254.2.77", false, false},
		"allowed address and port":         {"reg.io", "8443", "10.9.9.9", false, true},
		"allowed address, other port":      {"reg.io", "443", "10.9.9.9", false, false},
		"allowed IPv6 address and port":    {"reg.io", "443", "fd00::9", false, true},
		"space around an entry is no part": {"spaced.local", "443", "127.0.0.1", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := netip.MustParseAddr(c.addr)
			ap := netip.MustParseAddrPort(netip.AddrPortFrom(a, 0).String()[:len(netip.AddrPortFrom(a, 0).String())-1] + c.port)
			err := p.address(c.host, c.port, ap, c.privateToo)
			if (err == nil) != c.want {
				t.Errorf("%v", err)
			}
			if err != nil && fairlead.CodeOf(err) != fairlead.CodeEgress {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestPolicyByName is for hosts that a proxy is going to resolve.
func TestPolicyByName(t *testing.T) {
	t.Parallel()
	p, err := Egress{Allow: []string{"allowed.localhost"}}.policy()
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"reg.io": true, "1.1.1.1": true, "10.0.0.1": false, "127.0.0.1": false, "::1": false, "localhost": false, "LocalHost.": false,
		"a.localhost": false, "allowed.localhost": true, "metadata": false, "metadata.google.internal": false, "instance-data": false,
		"2130706433": false, "0x7f000001": false, "127.1": false, "017700000001": false, "a.0x7f": false, "169.254.169.254": false,
		"reg0x.io": true, "127.0.0.1.nip.io": true,
	} {
		if err := p.name(host, "443", false); (err == nil) != want {
			t.Errorf("%s: %v", host, err)
		}
	}
	if err := p.name("10.0.0.1", "443", true); err != nil {
		t.Errorf("a private registry behind a proxy: %v", err)
	}
}

func TestEgressRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "a b", "*.reg.io", "http://reg.io", "user@reg.io", "reg.io/path", "10.0.0.0/99", ":80"} {
		_, err := New(Options{Egress: Egress{Allow: []string{s}}})
		if fairlead.KindOf(err) != fairlead.Invalid {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestRealm(t *testing.T) {
	t.Parallel()
	const pub, plain = "https://reg.io/v2/", "http://reg.lan:5000/v2/"
	for name, c := range map[string]struct {
		endpoint Endpoint
		asked    string
		realm    string
		want     string // the URL, or a code
	}{
		"own host":               {Endpoint{Host: "reg.io"}, pub, "https://reg.io/token", "https://reg.io/token"},
		"another host":           {Endpoint{Host: "reg.io"}, pub, "https://auth.example.com/token", "https://auth.example.com/token"},
		"relative":               {Endpoint{Host: "reg.io"}, pub, "/service/token", "https://reg.io/service/token"},
		"relative to the path":   {Endpoint{Host: "reg.io"}, pub, "token", "https://reg.io/v2/token"},
		"without scheme":         {Endpoint{Host: "reg.io"}, pub, "//auth.example.com/token", "https://auth.example.com/token"},
		"with query":             {Endpoint{Host: "reg.io"}, pub, "https://reg.io/token?a=b#c", "https://reg.io/token?a=b"},
		"capitals":               {Endpoint{Host: "reg.io"}, pub, "HTTPS://reg.io/token", "https://reg.io/token"},
		"http":                   {Endpoint{Host: "reg.io"}, pub, "http://reg.io/token", "realm_refused"},
		"plain registry":         {Endpoint{Host: "reg.lan:5000", PlainHTTP: true}, plain, "http://reg.lan:5000/token", "http://reg.lan:5000/token"},
		"plain, another port":    {Endpoint{Host: "reg.lan:5000", PlainHTTP: true}, plain, "http://reg.lan:5001/token", "http://reg.lan:5001/token"},
		"plain, another host":    {Endpoint{Host: "reg.lan:5000", PlainHTTP: true}, plain, "http://evil.lan:5000/token", "realm_refused"},
		"plain, ends like it":    {Endpoint{Host: "reg.lan:5000", PlainHTTP: true}, plain, "http://evilreg.lan/token", "realm_refused"},
		"plain, https elsewhere": {Endpoint{Host: "reg.lan:5000", PlainHTTP: true}, plain, "https://auth.lan/token", "https://auth.lan/token"},
		"a login in it":          {Endpoint{Host: "reg.io"}, pub, "https://a:b@reg.io/token", "realm_refused"},
		"another scheme":         {Endpoint{Host: "reg.io"}, pub, "file:///etc/passwd", "realm_refused"},
		"gopher":                 {Endpoint{Host: "reg.io"}, pub, "gopher://reg.io/token", "realm_refused"},
		"no URL":                 {Endpoint{Host: "reg.io"}, pub, "https://reg.io:port/", "realm_refused"},
		"control characters":     {Endpoint{Host: "reg.io"}, pub, "https://reg.io/\ntoken", "realm_refused"},
		"Docker Hub":             {Endpoint{Host: "docker.io"}, "https://registry-1.docker.io/v2/", "https://auth.docker.io/token", "https://auth.docker.io/token"},
		"Docker Hub, elsewhere":  {Endpoint{Host: "docker.io"}, "https://registry-1.docker.io/v2/", "https://evil.example.com/token", "realm_refused"},
		"Docker Hub, port":       {Endpoint{Host: "docker.io"}, "https://registry-1.docker.io/v2/", "https://auth.docker.io:8443/token", "realm_refused"},
		"Docker Hub, registry":   {Endpoint{Host: "docker.io"}, "https://registry-1.docker.io/v2/", "https://registry-1.docker.io/token", "realm_refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked, err := newURL(c.asked)
			if err != nil {
				t.Fatal(err)
			}
			u, err := realm(c.endpoint, asked, Challenge{Scheme: bearerScheme, Params: map[string]string{"realm": c.realm}})
			got := string(fairlead.CodeOf(err))
			if err == nil {
				got = u.String()
			}
			if got != c.want {
				t.Errorf("%s, want %s (%v)", got, c.want, err)
			}
		})
	}
}

func TestTokenURL(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ realm, service, scope, want string }{
		"all":                   {"https://r.io/t", "r.io:443", "repository:a/b:pull", "https://r.io/t?service=r.io%3A443&scope=repository%3Aa%2Fb%3Apull"},
		"nothing":               {"https://r.io/t", "", "", "https://r.io/t"},
		"query stays":           {"https://r.io/t?b=%2F&a=1", "s", "x", "https://r.io/t?b=%2F&a=1&service=s&scope=x"},
		"service is in it":      {"https://r.io/t?service=other", "s", "x", "https://r.io/t?service=other&scope=x"},
		"service to be escaped": {"https://r.io/t", "a&b=c", "", "https://r.io/t?service=a%26b%3Dc"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := newURL(c.realm)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, tokenURL(u, c.service, c.scope).String()); d != "" {
				t.Error(d)
			}
		})
	}
}
