package oci

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseChallenges(t *testing.T) {
	t.Parallel()
	one := func(scheme string, params map[string]string) Challenge {
		return Challenge{Scheme: scheme, Params: params}
	}
	type m = map[string]string
	for name, c := range map[string]struct {
		lines []string
		want  []Challenge
	}{
		"nothing":    {nil, nil},
		"empty":      {[]string{"", " ", ",", " , ,"}, nil},
		"Docker Hub": {[]string{`Bearer realm="https://auth.docker.io/token",service="registry.docker.io"`}, []Challenge{one("bearer", m{"realm": "https://auth.docker.io/token", "service": "registry.docker.io"})}},
		"ECR":        {[]string{`Basic realm="https://1.dkr.ecr.eu-west-1.amazonaws.com/",service="ecr.amazonaws.com"`}, []Challenge{one("basic", m{"realm": "https://1.dkr.ecr.eu-west-1.amazonaws.com/", "service": "ecr.amazonaws.com"})}},
		"JFrog":      {[]string{`Bearer realm="https://acme.jfrog.io/v2/token",service="acme.jfrog.io:443"`}, []Challenge{one("bearer", m{"realm": "https://acme.jfrog.io/v2/token", "service": "acme.jfrog.io:443"})}},
		"comma in quotes": {
			[]string{`Bearer realm="https://r.io/t",scope="repository:a/b:pull,push",error="insufficient_scope"`},
			[]Challenge{one("bearer", m{"realm": "https://r.io/t", "scope": "repository:a/b:pull,push", "error": "insufficient_scope"})},
		},
		"escapes":        {[]string{`Basic realm="a \"quoted\" \\ thing"`}, []Challenge{one("basic", m{"realm": `a "quoted" \ thing`})}},
		"case":           {[]string{`BEARER Realm="x",SERVICE=y`}, []Challenge{one("bearer", m{"realm": "x", "service": "y"})}},
		"bad whitespace": {[]string{"Bearer \t realm = \"x\" ,\t service\t=\ty"}, []Challenge{one("bearer", m{"realm": "x", "service": "y"})}},
		"two in one line": {
			[]string{`Basic realm="b", Bearer realm="https://r.io/t", service="s"`},
			[]Challenge{one("basic", m{"realm": "b"}), one("bearer", m{"realm": "https://r.io/t", "service": "s"})},
		},
		"two lines": {
			[]string{`Basic realm="b"`, `Bearer realm="https://r.io/t"`},
			[]Challenge{one("basic", m{"realm": "b"}), one("bearer", m{"realm": "https://r.io/t"})},
		},
		"RFC 9110's example": {
			[]string{`Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\""`},
			[]Challenge{one("basic", m{"realm": "simple"}), one("newauth", m{"realm": "apps", "type": "1", "title": `Login to "apps"`})},
		},
		"scheme alone":               {[]string{`Negotiate`, `NTLM, Basic realm="b"`}, []Challenge{one("negotiate", m{}), one("ntlm", m{}), one("basic", m{"realm": "b"})}},
		"token68":                    {[]string{`Negotiate YWJj==, Basic realm="b"`}, []Challenge{{Scheme: "negotiate", Token68: "YWJj==", Params: m{}}, one("basic", m{"realm": "b"})}},
		"token68 alone":              {[]string{`NTLM TlRMTVNTUAAC`}, []Challenge{{Scheme: "ntlm", Token68: "TlRMTVNTUAAC", Params: m{}}}},
		"empty elements":             {[]string{`,, Basic ,realm="b",, ,charset="UTF-8",`}, []Challenge{one("basic", m{"realm": "b", "charset": "UTF-8"})}},
		"key twice":                  {[]string{`Bearer realm="first",realm="second"`}, []Challenge{one("bearer", m{"realm": "first"})}},
		"URL without quotes":         {[]string{`Bearer realm=https://r.io/token?a=b,service=s`}, []Challenge{one("bearer", m{"realm": "https://r.io/token?a=b", "service": "s"})}},
		"no comma between":           {[]string{`Bearer realm="x" service="y"`}, []Challenge{one("bearer", m{"realm": "x", "service": "y"})}},
		"no closing quote":           {[]string{`Bearer realm="https://r.io/t`}, []Challenge{one("bearer", m{"realm": "https://r.io/t"})}},
		"no value":                   {[]string{`Bearer realm=,service="s"`}, []Challenge{{Scheme: "bearer", Token68: "realm=", Params: m{}}}},
		"garbage before":             {[]string{`"what, is this", Bearer realm="x"`}, []Challenge{one("bearer", m{"realm": "x"})}},
		"garbage between":            {[]string{`Bearer realm="x" ?? "a,b" , service="s"`}, []Challenge{one("bearer", m{"realm": "x", "service": "s"})}},
		"scheme with an equals sign": {[]string{`realm="x", Basic realm="b"`}, []Challenge{one("basic", m{"realm": "b"})}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(c.want, ParseChallenges(c.lines)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ line, want string }{
		"bearer first":         {`Bearer realm="t", Basic realm="b"`, "bearer t"},
		"bearer last":          {`Basic realm="b", Bearer realm="t"`, "bearer t"},
		"two bearers":          {`Bearer realm="t", Bearer realm="u"`, "bearer t"},
		"bearer without realm": {`Bearer service="s", Basic realm="b"`, "basic b"},
		"basic without realm":  {`Basic`, "basic "},
		"neither":              {`Negotiate, Digest realm="d"`, " "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := choose(ParseChallenges([]string{c.line}))
			if s := got.Scheme + " " + got.Realm(); s != c.want {
				t.Errorf("chose %q, want %q", s, c.want)
			}
		})
	}
}

// TestChallengesRoundTrip writes challenges in all the ways that the grammar allows, and
// reads them back.
func TestChallengesRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		token := rapid.StringMatching("[a-zA-Z][a-zA-Z0-9!#$%&'*+.^_`|~-]{0,8}")
		blank := rapid.SampledFrom([]string{"", "", " ", "\t", "  "})
		var lines []string
		var want []Challenge
		line := ""
		for range rapid.IntRange(0, 4).Draw(t, "challenges") {
			text, c := drawChallenge(t, token, blank)
			want = append(want, c)
			switch {
			case line == "":
				line = text
			case rapid.Bool().Draw(t, "new line"):
				lines, line = append(lines, line), text
			default:
				line += blank.Draw(t, "space") + "," + blank.Draw(t, "space") + text
			}
		}
		lines = append(lines, line)
		if d := cmp.Diff(want, ParseChallenges(lines)); d != "" {
			t.Fatalf("%q: %s", lines, d)
		}
	})
}

func drawChallenge(t *rapid.T, token, blank *rapid.Generator[string]) (string, Challenge) {
	scheme := token.Draw(t, "scheme")
	c := Challenge{Scheme: strings.ToLower(scheme), Params: map[string]string{}}
	switch rapid.IntRange(0, 4).Draw(t, "form") {
	case 0:
		return scheme, c
	case 1:
		c.Token68 = rapid.StringMatching("[A-Za-z0-9._~+/-]{1,10}={0,2}").Draw(t, "token68")
		return scheme + " " + c.Token68, c
	}
	var params []string
	for range rapid.IntRange(1, 4).Draw(t, "params") {
		key := token.Draw(t, "key")
		value := rapid.String().Draw(t, "value")
		written := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
		if rapid.Bool().Draw(t, "unquoted") {
			value = token.Draw(t, "value")
			written = value
		}
		params = append(params, key+blank.Draw(t, "space")+"="+blank.Draw(t, "space")+written)
		if _, twice := c.Params[strings.ToLower(key)]; !twice {
			c.Params[strings.ToLower(key)] = value
		}
	}
	return scheme + " " + strings.Join(params, blank.Draw(t, "space")+","+blank.Draw(t, "space")), c
}

func FuzzParseChallenges(f *testing.F) {
	for _, s := range []string{
		"", `Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"`,
		`Basic realm="a\"b", Bearer realm=x`, "Negotiate YWJj==", `Bearer realm="x`, "Bearer\trealm =\t\"x\" , ,", `"`, `\`, "Bearer a==b", "Bearer =", "Bearer a b=c",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		list := ParseChallenges([]string{line})
		for _, c := range list {
			if c.Scheme == "" || c.Scheme != strings.ToLower(c.Scheme) || c.Params == nil || c.Token68 != "" && len(c.Params) > 0 {
				t.Fatalf("%q: %+v", line, c)
			}
			for k := range c.Params {
				if k == "" || k != strings.ToLower(k) {
					t.Fatalf("%q: key %q", line, k)
				}
			}
		}
		// What was read can be written and read again.
		var lines []string
		for _, c := range list {
			text := c.Scheme + " " + c.Token68
			for k, v := range c.Params {
				text += fmt.Sprintf("%s=\"%s\",", k, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v))
			}
			lines = append(lines, text)
		}
		if d := cmp.Diff(list, ParseChallenges(lines)); d != "" {
			t.Fatalf("%q as %q: %s", line, lines, d)
		}
		_ = choose(list)
	})
}
