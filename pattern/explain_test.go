package pattern_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

// finding is a pattern.Finding as a test writes it down.
type finding struct {
	Pattern string
	Reason  pattern.Reason
	Why     string
	Instead string
}

func written(findings []pattern.Finding) []finding {
	out := make([]finding, len(findings))
	for n, f := range findings {
		out[n] = finding{f.Pattern.String(), f.Reason, f.Why, f.Instead.String()}
	}
	return out
}

func parseAll(t *testing.T, texts ...string) []pattern.Pattern {
	t.Helper()
	patterns := make([]pattern.Pattern, len(texts))
	for n, s := range texts {
		patterns[n] = mustParse(t, s)
	}
	return patterns
}

func TestExplain(t *testing.T) {
	t.Parallel()
	patterns := parseAll(t,
		"ghcr.io/team/*", "*.example.com/team/app", "reg.example.com/other/*", "reg.example.com/*", "reg.example.com/team/*",
		"reg.example.com/team/app:v2", "reg.example.com:5000/*", "reg.example.com/team/*:v1", "reg.example.com/team/*",
	)
	got := pattern.Explain(mustImage(t, "reg.example.com/team/app:v1"), patterns)
	want := []finding{
		{"reg.example.com/team/*:v1", pattern.Wins, `covers the image, and comes first of those that do`, ""},
		{"reg.example.com/team/*", pattern.LessSpecific, `covers the image too, but "reg.example.com/team/*:v1" wins: a pattern with a tag comes before one without`, ""},
		{"reg.example.com/team/*", pattern.LessSpecific, `covers the image too, but "reg.example.com/team/*:v1" wins: a pattern with a tag comes before one without`, ""},
		{"reg.example.com/*", pattern.LessSpecific, `covers the image too, but "reg.example.com/team/*:v1" wins: the longer literal path comes first`, ""},
		{"*.example.com/team/app", pattern.LessSpecific, `covers the image too, but "reg.example.com/team/*:v1" wins: an exact host comes before a host with *`, ""},
		{"reg.example.com/team/app:v2", pattern.TagDiffers, `covers tags like "v2" only, and the image's is "v1"`, "reg.example.com/team/app"},
		{"reg.example.com:5000/*", pattern.PortDiffers, `is for port "5000", and the image is on the host without a port: the port is part of the host`, ""},
		{"reg.example.com/other/*", pattern.PathDiffers, `covers "other/*" only, and the image's path is "team/app"`, ""},
		{"ghcr.io/team/*", pattern.HostDiffers, `is for "ghcr.io", and the image is on "reg.example.com"`, ""},
	}
	if diff := cmp.Diff(want, written(got)); diff != "" {
		t.Errorf("Explain (-want +got):\n%s", diff)
	}
	for _, f := range got {
		if patterns[f.At] != f.Pattern {
			t.Errorf("finding of %s says that it stands at %d, where %s is", f.Pattern, f.At, patterns[f.At])
		}
	}
	if got[1].At != 4 || got[2].At != 8 {
		t.Errorf("equal patterns stand at %d, %d; want them in the order that was given", got[1].At, got[2].At)
	}
}

func TestExplainEqualPatterns(t *testing.T) {
	t.Parallel()
	got := pattern.Explain(mustImage(t, "reg.io/x"), parseAll(t, "reg.io/*", "reg.io/*"))
	if got[0].At != 0 || got[0].Reason != pattern.Wins || got[1].Reason != pattern.LessSpecific || !strings.Contains(got[1].Why, "the same pattern stands earlier") {
		t.Errorf("Explain = %+v; want the first of two equal patterns to win", got)
	}
}

// TestExplainRule has, for each rule of Compare, a winner and a loser.
func TestExplainRule(t *testing.T) {
	t.Parallel()
	tests := []struct{ winner, loser, image, rule string }{
		{"a.reg.io/*", "*.reg.io/x", "a.reg.io/x", "exact host"},
		{"a*.reg.io/*", "*.reg.io/x", "ab.reg.io/x", "of two hosts with *"},
		{"reg.io/team/*", "reg.io/*", "reg.io/team/x", "longer literal path"},
		{"reg.io/team/*:v1", "reg.io/team", "reg.io/team:v1", "with a tag"},
		{"reg.io/x:v1*", "reg.io/x:v*", "reg.io/x:v1", "longer literal tag"},
		{"reg.io/team", "reg.io/team/*", "reg.io/team", "fewer *"},
		{"reg.io/team/*", "reg.io/team*", "reg.io/team", "stays literal longer"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()
			got := pattern.Explain(mustImage(t, tt.image), parseAll(t, tt.loser, tt.winner))
			if got[0].Pattern.String() != tt.winner || got[1].Reason != pattern.LessSpecific || !strings.Contains(got[1].Why, tt.rule) {
				t.Errorf("Explain = %+v; want %s to win by %q", written(got), tt.winner, tt.rule)
			}
		})
	}
}

// TestExplainMisses is what people get wrong, and what they are told.
func TestExplainMisses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		image, pattern string
		reason         pattern.Reason
		why            string
		instead        string
	}{
		// Near misses.
		{"reg.io/foo/bar", "reg.io/foo", pattern.NearMiss, `covers the repository "foo" alone, and the image is below it`, "reg.io/foo/*"},
		{"reg.io/foo/x", "reg.io/foo/bar/*", pattern.NearMiss, `covers "foo/bar/*" only, and the image is elsewhere in "foo/"`, "reg.io/foo/*"},
		{"reg.io/foo", "reg.io/foo/bar/*", pattern.NearMiss, `covers "foo/bar/*" only, and the image is above it`, "reg.io/foo/*"},
		{"reg.io/foo", "reg.io/foo/bar", pattern.NearMiss, `covers "foo/bar" only, and the image is above it`, "reg.io/foo/*"},
		{"reg.io/foobar", "reg.io/foo/*", pattern.NearMiss, `covers "foo/*", and "foobar" isn't "foo": what stands between slashes is taken whole`, "reg.io/foobar/*"},
		{"reg.io/foobar", "reg.io/foo", pattern.NearMiss, `covers "foo", and "foobar" isn't "foo": what stands between slashes is taken whole`, "reg.io/foobar"},
		{"reg.io/foo", "reg.io/foobar/*", pattern.NearMiss, `covers "foobar/*", and "foo" isn't "foobar": what stands between slashes is taken whole`, "reg.io/foo/*"},
		{"gcr.io/project-evil/img", "gcr.io/project/img", pattern.NearMiss, `covers "project/img", and "project-evil" isn't "project": what stands between slashes is taken whole`, "gcr.io/project-evil/*"},
		{"gcr.io/my-projct/img", "gcr.io/my-project/*", pattern.NearMiss, `has "my-project" in its path where the image has "my-projct"`, "gcr.io/my-projct/*"},
		{"us-docker.pkg.dev/p/r2/img", "us-docker.pkg.dev/p/models/*", pattern.NearMiss, `covers "p/models/*" only, and the image is elsewhere in "p/"`, "us-docker.pkg.dev/p/*"},
		{"ubuntu", "docker.io/ubuntu/*", pattern.NearMiss, `covers "ubuntu/*" only, and the image is one of Docker Hub's official ones, "library/ubuntu"`, "docker.io/library/ubuntu"},
		{"python", "docker.io/pyth*", pattern.NearMiss, `covers "pyth*" only, and the image is one of Docker Hub's official ones, "library/python"`, "docker.io/library/pyth*"},
		{"reg.io/foo/bar:v2", "reg.io/foo:v1", pattern.NearMiss, `covers the repository "foo" alone, and the image is below it`, "reg.io/foo/*"},
		{"reg.io/foo/bar:v1", "reg.io/foo:v1", pattern.NearMiss, `covers the repository "foo" alone, and the image is below it`, "reg.io/foo/*:v1"},
		{"a.azurecr.io/foo/bar", "*.azurecr.io/foo", pattern.NearMiss, `covers the repository "foo" alone, and the image is below it`, "*.azurecr.io/foo/*"},

		// The path is another.
		{"reg.io/x/y", "reg.io/foo/*", pattern.PathDiffers, `covers "foo/*" only, and the image's path is "x/y"`, ""},
		{"reg.io/v2/x", "reg.io/v1/*", pattern.PathDiffers, `covers "v1/*" only, and the image's path is "v2/x"`, ""},
		{"reg.io/team/data", "reg.io/*/models", pattern.PathDiffers, `covers paths like "*/models" only, and the image's is "team/data"`, ""},

		// The tag is another.
		{"reg.io/foo:v2", "reg.io/foo:v1*", pattern.TagDiffers, `covers tags like "v1*" only, and the image's is "v2"`, "reg.io/foo"},
		{"reg.io/foo" + digest, "reg.io/foo:v1*", pattern.TagDiffers, `covers tags like "v1*" only, and the image is named without a tag`, "reg.io/foo"},

		// The host is another: nothing is ever proposed.
		{"reg.io:443/foo", "reg.io/*", pattern.PortDiffers, `is for the host without a port, and the image is on port "443": the port is part of the host`, ""},
		{"a.reg.io:443/foo", "*.reg.io:5000/*", pattern.PortDiffers, `is for port "5000", and the image is on port "443": the port is part of the host`, ""},
		{"1.dkr.ecr.us-east-1.amazonaws.com/x", "1.dkr.ecr.eu-west-1.amazonaws.com/*", pattern.HostDiffers, `has "eu-west-1" in its host where the image has "us-east-1"`, ""},
		{"docker.us-east1.rep.pkg.dev/p/x", "*-docker.pkg.dev/p/*", pattern.HostDiffers, `is for hosts of 3 parts, and the image's has 5: a * never crosses a dot`, ""},
		{"name.eastus.geo.azurecr.io/x", "*.azurecr.io/*", pattern.HostDiffers, `is for hosts of 3 parts, and the image's has 5: a * never crosses a dot`, ""},
		{"gcr.io/acme/x", "ghcr.io/acme/*", pattern.HostDiffers, `is for "ghcr.io", and the image is on "gcr.io"`, ""},
		{"ubuntu", "quay.io/*", pattern.HostDiffers, `is for "quay.io", and the image is on "docker.io"`, ""},
		{"[::1]:80/x", "[::1]/*", pattern.PortDiffers, `is for the host without a port, and the image is on port "80": the port is part of the host`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.image+" and "+tt.pattern, func(t *testing.T) {
			t.Parallel()
			i := mustImage(t, tt.image)
			got := written(pattern.Explain(i, parseAll(t, tt.pattern)))
			want := []finding{{mustParse(t, tt.pattern).String(), tt.reason, tt.why, tt.instead}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Explain (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExplainWholeHost(t *testing.T) {
	t.Parallel()
	got := pattern.Explain(ref.Image{Resource: ref.Resource{Host: "reg.io"}}, append(parseAll(t, "reg.io/foo/*"), pattern.Pattern{}))
	want := []finding{
		{"reg.io/foo/*", pattern.PathDiffers, `covers "foo/*" only, and the whole host is asked for`, ""},
		{"", pattern.HostDiffers, "is empty and covers nothing", ""},
	}
	if diff := cmp.Diff(want, written(got)); diff != "" {
		t.Errorf("Explain (-want +got):\n%s", diff)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	patterns := parseAll(t,
		"quay.io/*", "docker.io/me/*", "gcr.io/other/*", "gcr.io/project/models/*", "eu.gcr.io/project/*", "ghcr.io/project/*",
		"eu.gcr.io/other/*", "gcr.io/project/data/*", "gcr.io:443/project/*", "gcr.io/project/data/train:v2",
	)
	i := mustImage(t, "gcr.io/project/data-v2/train:v1")
	var got []string
	for _, f := range pattern.Nearest(i, patterns, 10) {
		got = append(got, f.Pattern.String())
	}
	want := []string{
		"gcr.io/project/data/train:v2", "gcr.io/project/data/*", "gcr.io/project/models/*", // near in the path, the longest first
		"eu.gcr.io/project/*", "gcr.io:443/project/*", "ghcr.io/project/*", // near in the host, and the rest is right
		"gcr.io/other/*",    // only the host is right
		"eu.gcr.io/other/*", // only the host is near
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Nearest (-want +got):\n%s", diff)
	}
	for n := -1; n < 3; n++ {
		if got := pattern.Nearest(i, patterns, n); len(got) != max(0, n) {
			t.Errorf("Nearest(%d) gives %d", n, len(got))
		}
	}
	if got := pattern.Nearest(mustImage(t, "gcr.io/other/x"), patterns[2:3], 3); len(got) != 0 {
		t.Errorf("Nearest gives %v, which covers the image", got)
	}
}

// TestExplainSaysWhatMatchDoes holds every finding against Match and Compare.
func TestExplainSaysWhatMatchDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		patterns := rapid.SliceOfN(somePattern(), 0, 20).Draw(t, "patterns")
		i := someImage().Draw(t, "image")
		findings := pattern.Explain(i, patterns)
		winner, covered := scan(patterns, i)

		seen := make([]bool, len(patterns))
		for n, f := range findings {
			if seen[f.At] || f.Pattern != patterns[f.At] || f.Why == "" {
				t.Fatalf("finding %d is %+v", n, f)
			}
			seen[f.At] = true
			if wins := f.Reason == pattern.Wins; wins != (covered && f.At == winner) || wins != (covered && n == 0) {
				t.Errorf("%s at %d: %s, and the winner is at %d", f.Pattern, f.At, f.Reason, winner)
			}
			if covers := f.Reason == pattern.Wins || f.Reason == pattern.LessSpecific; covers != f.Pattern.Match(i) {
				t.Errorf("%s and %s: %s", f.Pattern, i, f.Reason)
			}
			checkInstead(t, i, f)
		}
		if slices.Contains(seen, false) {
			t.Errorf("%d findings for %d patterns", len(findings), len(patterns))
		}
		for _, f := range pattern.Nearest(i, patterns, len(patterns)) {
			if f.Pattern.Match(i) {
				t.Errorf("Nearest gives %s, which covers %s", f.Pattern, i)
			}
		}
	})
}

// checkInstead: what is proposed would do, and stays on the host.
func checkInstead(t *rapid.T, i ref.Image, f pattern.Finding) {
	if f.Instead.IsZero() {
		if f.Reason == pattern.NearMiss || f.Reason == pattern.TagDiffers {
			t.Errorf("%s and %s: %s without a proposal", f.Pattern, i, f.Reason)
		}
		return
	}
	again, err := pattern.Parse(f.Instead.String())
	if err != nil || again != f.Instead || !f.Instead.Match(i) || f.Instead.Host() != f.Pattern.Host() {
		t.Errorf("%s and %s: proposes %s, %v", f.Pattern, i, f.Instead, err)
	}
}

// TestExplainQuotes: an image that wasn't parsed can't write into a log or a page.
func TestExplainQuotes(t *testing.T) {
	t.Parallel()
	i := ref.Image{Resource: ref.Resource{Host: "reg.io", Repository: "foo\x1b[31m\n" + strings.Repeat("x", 1000)}, Tag: "\x00"}
	for _, f := range pattern.Explain(i, parseAll(t, "reg.io/foo", "reg.io/fop/*", "reg.io/*:v1", "reg.io/*x/*", "reg.io/a", "quay.io/*")) {
		if strings.ContainsAny(f.Why, "\x00\x1b\n") || len(f.Why) > 400 {
			t.Errorf("Why = %q", f.Why)
		}
	}
}

func ExampleExplain() {
	i, _ := ref.Parse("reg.io/team/app:v1")
	var patterns []pattern.Pattern
	for _, s := range []string{"reg.io/*", "reg.io/team/*", "reg.io/team/base/*"} {
		p, _ := pattern.Parse(s)
		patterns = append(patterns, p)
	}
	for _, f := range pattern.Explain(i, patterns) {
		fmt.Println(f.Pattern, f.Why)
	}
	// Output:
	// reg.io/team/* covers the image, and comes first of those that do
	// reg.io/* covers the image too, but "reg.io/team/*" wins: the longer literal path comes first
	// reg.io/team/base/* covers "team/base/*" only, and the image is elsewhere in "team/"
}
