package pattern_test

import (
	"testing"

	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

func TestRoot(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"reg.io/*": "reg.io", "reg.io/team/*": "reg.io/team", "reg.io/team/app": "reg.io/team/app", "reg.io/app:v*": "reg.io/app",
		"localhost:5000/*": "localhost:5000", "docker.io/acme/*": "docker.io/acme",
		"reg.io/team*": "", "*.reg.io/*": "", "reg.io/*/app": "",
	} {
		p, err := pattern.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := p.Root()
		if got != want || ok != (want != "") {
			t.Errorf("%s: %q, %t; want %q", text, got, ok, want)
		}
		if ok && !p.CoversUnder(got) {
			t.Errorf("%s doesn't cover its own root", text)
		}
	}
	if got, ok := (pattern.Pattern{}).Root(); ok {
		t.Errorf("the zero pattern has the root %q", got)
	}
}

func TestCoversUnder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, place string
		want           bool
	}{
		{"reg.io/*", "reg.io", true},
		{"reg.io/*", "reg.io/team", true},
		{"reg.io/*", "reg.io/team/sub/", true},
		{"reg.io/*", "reg.io:5000", false},
		{"reg.io/*", "other.io/team", false},
		{"reg.io/team/*", "reg.io", false},
		{"reg.io/team/*", "reg.io/team", true},
		{"reg.io/team/*", "reg.io/teams", false},
		{"reg.io/team/*", "reg.io/team/sub", true},
		{"reg.io/app", "reg.io/app", true},
		{"reg.io/app", "reg.io/app/sub", false},
		{"reg.io/app:v*", "reg.io/app", true},
		{"reg.io/team-*", "reg.io/team-a", true},
		{"*.reg.io/*", "eu.reg.io/team", true},
		{"docker.io/acme/*", "acme", true},
		{"docker.io/acme/*", "index.docker.io/acme", true},
	} {
		p, err := pattern.Parse(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		place, err := pattern.ParsePlace(c.place)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.CoversUnder(place); got != c.want {
			t.Errorf("%s covers under %s (%s): %t", c.pattern, c.place, place, got)
		}
	}
	if (pattern.Pattern{}).CoversUnder("reg.io") {
		t.Error("the zero pattern covers something")
	}
}

func TestParsePlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"reg.io": "reg.io", "reg.io/": "reg.io", "REG.io/team": "reg.io/team", "localhost:5000/a/b": "localhost:5000/a/b", "acme": "docker.io/acme", "docker.io": "docker.io",
		"": "", "/": "", "reg.io/team:v1": "", "reg.io/Team": "", "reg.io//team": "", "https://reg.io/team": "", "reg.io/*": "",
	} {
		got, err := pattern.ParsePlace(text)
		if _, ok := err.(*ref.Error); got != want || ok != (want == "") { //nolint:errorlint // It is promised as it is.
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}
