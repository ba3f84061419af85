package pattern_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

var seeds = []string{
	"reg.io/*", "reg.io/team/*", "reg.io/team/app:v1*", "*.dkr.ecr.*.amazonaws.com/*", "*-docker.pkg.dev/p/*", "acme-*.jfrog.io:443/*",
	"docker.io/ubuntu", "index.docker.io/me/*", "[::1]:5000/*", "gcr.io/my-project/my-registry:*", "a*b*c.reg.io/*x*/*", "localhost/a*b*",
	"https://reg.io/", " reg.io", "*/*", "*.io/*", "ubuntu:24.04", "team/*", "reg.io/**", "<a>.io/*", "reg.io/a@sha256:00", "REG.io/Team/*:V1", "\xff\x00",
}

// FuzzParse: whatever is typed, Parse ends in a pattern with one spelling or in a
// sentence.
func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := pattern.Parse(s)
		if err != nil {
			checkError(t, err)
			return
		}
		if again, err := pattern.Parse(p.String()); err != nil || again != p {
			t.Errorf("Parse(%q) = %q, %v; want the same pattern", p, again, err)
		}
		if p.HostIsLiteral() {
			if host, err := ref.CanonicalHost(p.Host()); err != nil || host != p.Host() {
				t.Errorf("CanonicalHost(%q) = %q, %v; want it unchanged", p.Host(), host, err)
			}
		}
		if i := named(p); !p.Match(i) || ref.CheckRepository(i.Repository) != nil {
			t.Errorf("%s is in vain: it doesn't cover %s", p, i)
		}
		// A name without * covers itself, and as a pattern means what it means as a name.
		if i, err := ref.Parse(s); err == nil && !strings.Contains(s, "*") && !p.Match(i) {
			t.Errorf("%s doesn't cover %s", p, i)
		}
	})
}

// named is the image that p's text names, every * being a letter. It is not read again,
// since the letter may make another name of it: docker.io/0* has the repository 0x here,
// which ref.Parse takes for library/0x.
func named(p pattern.Pattern) ref.Image {
	host, rest, _ := strings.Cut(strings.ReplaceAll(p.String(), "*", "x"), "/")
	repository, tag, _ := strings.Cut(rest, ":")
	return ref.Image{Resource: ref.Resource{Host: host, Repository: repository}, Tag: tag}
}

func checkError(t *testing.T, err error) {
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
		if p, err := pattern.Parse(words[1]); err != nil || p.String() != words[1] {
			t.Errorf("the error proposes %q, which gives %q, %v", words[1], p, err)
		}
	}
}

// FuzzMatch holds Match against regular expressions, and never lets a pattern reach
// across hosts.
func FuzzMatch(f *testing.F) {
	for _, s := range seeds {
		for _, i := range []string{"reg.io/team/app:v1", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/x", "acme-x.jfrog.io:443/y", "ubuntu", "localhost/axbx"} {
			f.Add(s, i)
		}
	}
	f.Fuzz(func(t *testing.T, patternText, imageText string) {
		p, err := pattern.Parse(patternText)
		if err != nil {
			return
		}
		i, err := ref.Parse(imageText)
		if err != nil {
			return
		}
		got := p.Match(i)
		if want := oracle(p).MatchString(i.Host + "/" + i.Repository + ":" + i.Tag); got != want {
			t.Errorf("%s covers %s: %t, want %t", p, i, got, want)
		}
		if got && p.HostIsLiteral() && p.Host() != i.Host {
			t.Errorf("%s covers %s on another host", p, i)
		}
		if wants, haves := strings.Split(p.Host(), "."), strings.Split(i.Host, "."); got &&
			(len(wants) != len(haves) || !slices.Equal(wants[max(0, len(wants)-2):], haves[max(0, len(haves)-2):])) {
			t.Errorf("%s covers %s on another domain", p, i)
		}
		findings := pattern.Explain(i, []pattern.Pattern{p})
		if won := findings[0].Reason == pattern.Wins; won != got {
			t.Errorf("%s covers %s: %t, and is explained as %+v", p, i, got, findings[0])
		}
	})
}

// oracle says in a regular expression what the package comment says.
func oracle(p pattern.Pattern) *regexp.Regexp {
	host, rest, _ := strings.Cut(p.String(), "/")
	path, tag, tagged := strings.Cut(rest, ":")
	of := func(s, star string) string { return strings.ReplaceAll(regexp.QuoteMeta(s), `\*`, star) }

	paths := of(path, `.*`)
	if base, below := strings.CutSuffix(path, "/*"); below {
		paths = of(base, `.*`) + `(/.*)?`
	}
	tags := `.*`
	if tagged {
		tags = of(tag, `.*`)
	}
	return regexp.MustCompile(`^` + of(host, `[a-z0-9-]+`) + `/(` + paths + `):(` + tags + `)$`)
}
