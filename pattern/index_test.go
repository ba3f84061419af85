package pattern_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

func TestIndex(t *testing.T) {
	t.Parallel()
	index := indexOf(t,
		"reg.io/*", "reg.io/team/*", "reg.io/team/app", "reg.io/team/app:v1*", "reg.io/team/app:v1", "reg.io/te*",
		"deep.io/a/b/*", "deep.io/a/*", "deep.io/*/b/models", "*.azurecr.io/*", "acme.azurecr.io/team/*", "acme*.azurecr.io/*", "*.*.geo.azurecr.io/*", "reg.io:443/*", "docker.io/ubuntu", "docker.io/me/*",
	)
	tests := []struct{ image, want string }{
		{"reg.io/x", "reg.io/*"},
		{"reg.io/team", "reg.io/team/*"},
		{"reg.io/team/x/y", "reg.io/team/*"},
		{"reg.io/team2/x", "reg.io/te*"},
		{"reg.io/team/app", "reg.io/team/app"},
		{"reg.io/team/app/x", "reg.io/team/*"},
		{"reg.io/team/apple", "reg.io/team/*"},
		{"reg.io/team/app:v1", "reg.io/team/app:v1"},
		{"reg.io/team/app:v10", "reg.io/team/app:v1*"},
		{"reg.io/team/app:v1" + digest, "reg.io/team/app:v1"},
		{"reg.io/team/app" + digest, "reg.io/team/app"},
		{"reg.io:443/team/app", "reg.io:443/*"},
		{"reg.io:80/team/app", ""},
		{"deep.io/a/b/x", "deep.io/a/b/*"},
		{"deep.io/a/b/models", "deep.io/*/b/models"}, // found last, and with a worse one on the way
		{"acme.azurecr.io/team/x", "acme.azurecr.io/team/*"},
		{"acme.azurecr.io/x", "*.azurecr.io/*"},
		{"acme2.azurecr.io/x", "acme*.azurecr.io/*"},
		{"x.eastus.geo.azurecr.io/x", "*.*.geo.azurecr.io/*"},
		{"x.azurecr.io:80/x", ""},
		{"azurecr.io/x", ""},
		{"ubuntu", "docker.io/library/ubuntu"},
		{"me/app", "docker.io/me/*"},
		{"localhost/x", ""},
		{"[::1]:80/x", ""},
	}
	for _, tt := range tests {
		if got, ok := index.Lookup(mustImage(t, tt.image)); got != tt.want || ok != (tt.want != "") {
			t.Errorf("Lookup(%s) = %q, %t; want %q", tt.image, got, ok, tt.want)
		}
	}
}

func indexOf(t *testing.T, patterns ...string) *pattern.Index[string] {
	t.Helper()
	entries := make([]pattern.Entry[string], len(patterns))
	for n, s := range patterns {
		p := mustParse(t, s)
		entries[n] = pattern.Entry[string]{Pattern: p, Value: p.String()}
	}
	return pattern.NewIndex(entries...)
}

func TestIndexOfNothing(t *testing.T) {
	t.Parallel()
	var zero pattern.Index[int]
	for _, x := range []*pattern.Index[int]{&zero, pattern.NewIndex[int](), pattern.NewIndex(pattern.Entry[int]{Value: 1})} {
		for _, i := range []ref.Image{{}, mustImage(t, "ubuntu"), mustImage(t, "a.b.c/d")} {
			if got, ok := x.Lookup(i); ok || got != 0 || x.Len() != 0 {
				t.Errorf("Lookup(%q) = %d, %t in an empty index of %d", i, got, ok, x.Len())
			}
		}
	}
}

// TestIndexIsItsOwn: what becomes of the caller's slice is the caller's business.
func TestIndexIsItsOwn(t *testing.T) {
	t.Parallel()
	entries := []pattern.Entry[int]{{mustParse(t, "b.io/*"), 0}, {}}
	for n := range 100 {
		entries = append(entries, pattern.Entry[int]{mustParse(t, "a.io/*"), n + 1}, pattern.Entry[int]{mustParse(t, "a.io/x/*"), n + 1})
	}
	before := slices.Clone(entries)
	index := pattern.NewIndex(entries...)
	if !slices.Equal(entries, before) {
		t.Error("NewIndex changed its argument")
	}
	clear(entries)
	if got, ok := index.Lookup(mustImage(t, "a.io/y")); !ok || got != 1 || index.Len() != 201 {
		t.Errorf("Lookup = %d, %t in %d; want the first of equal patterns", got, ok, index.Len())
	}
}

// TestIndexIsTheScan holds the index against Match and Compare.
func TestIndexIsTheScan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		patterns := rapid.SliceOfN(somePattern(), 0, 40).Draw(t, "patterns")
		entries := make([]pattern.Entry[int], len(patterns))
		for n, p := range patterns {
			entries[n] = pattern.Entry[int]{Pattern: p, Value: n}
		}
		index := pattern.NewIndex(entries...)
		for n := range 20 {
			i := someImage().Draw(t, fmt.Sprint("image ", n))
			want, covered := scan(patterns, i)
			if got, ok := index.Lookup(i); ok != covered || ok && got != want {
				t.Errorf("Lookup(%s) = %d, %t among %v; want %d, %t", i, got, ok, patterns, want, covered)
			}
		}
	})
}

// scan is what Lookup means.
func scan(patterns []pattern.Pattern, i ref.Image) (best int, ok bool) {
	for n, p := range patterns {
		if p.Match(i) && (!ok || pattern.Compare(p, patterns[best]) < 0) {
			best, ok = n, true
		}
	}
	return best, ok
}

func TestIndexConcurrently(t *testing.T) {
	t.Parallel()
	index := pattern.NewIndex(entries10000(t, mixed)...)
	want := mustImage(t, "reg77.example.com/team42/models/x")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if _, ok := index.Lookup(want); !ok {
					t.Error("not found")
				}
			}
		})
	}
	wg.Wait()
}

func TestIndexLookupAllocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts everybody's.
	for _, tt := range lookups { //nolint:paralleltest // as above
		t.Run(tt.name, func(t *testing.T) {
			index := pattern.NewIndex(entries10000(t, tt.world)...)
			i := mustImage(t, tt.image)
			if _, ok := index.Lookup(i); ok != tt.found || index.Len() != 10_000 {
				t.Fatalf("Lookup(%s): %t among %d, want %t among 10000", i, ok, index.Len(), tt.found)
			}
			if n := testing.AllocsPerRun(100, func() { index.Lookup(i) }); n != 0 {
				t.Errorf("%v allocations, want none", n)
			}
		})
	}
}

func BenchmarkIndexLookup10000(b *testing.B) {
	for _, tt := range lookups {
		b.Run(tt.name, func(b *testing.B) {
			index := pattern.NewIndex(entries10000(b, tt.world)...)
			i := mustImage(b, tt.image)
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := index.Lookup(i); ok != tt.found {
					b.Fatal(ok)
				}
			}
		})
	}
}

// BenchmarkScan10000 is what the index is to be compared with.
func BenchmarkScan10000(b *testing.B) {
	var patterns []pattern.Pattern
	for _, e := range entries10000(b, mixed) {
		patterns = append(patterns, e.Pattern)
	}
	i := mustImage(b, lookups[0].image)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := scan(patterns, i); !ok {
			b.Fatal("not found")
		}
	}
}

func BenchmarkNewIndex10000(b *testing.B) {
	entries := entries10000(b, mixed)
	b.ReportAllocs()
	for b.Loop() {
		pattern.NewIndex(entries...)
	}
}

// lookups are the ways through an index of 10 000 patterns.
var lookups = []struct {
	name, image string
	found       bool
	world       func(n int) string
}{
	{"Hit", "reg77.example.com/team42/models/x:v1", true, mixed},
	{"HitOneHost", "reg.io/org/team4242/models/x", true, oneHost},
	{"MissHost", "other.example.com/team42/models/x", false, mixed},
	{"MissPath", "reg.io/org/teal4242/models/x", false, oneHost},
	{"WildHost", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team4242/app", true, oneWildHost},
	{"WildHostsByPrefix", "team4242-docker.jfrog.io/app", true, wildHosts},
	{"WildHostMiss", "teal4242-docker.jfrog.io/app", false, wildHosts},
	{"ManyPrefixes", "reg.io/" + strings.TrimSuffix(strings.Repeat("a/", 127), "/"), true, nested},
	{"ManyPrefixesMiss", "reg.io/" + strings.Repeat("a", 255) + ":v2", false, nestedTags},
	{"Globs", "reg.io/org/team4242-x/models", true, globs},
}

// mixed is what a large organization may have: a hundred hosts with paths, and the clouds'.
func mixed(n int) string {
	switch n % 100 {
	case 0:
		return fmt.Sprintf("acme%d-*.jfrog.io/*", n)
	case 1:
		return fmt.Sprintf("*.dkr.ecr.*.amazonaws.com/team%d/*", n)
	case 2:
		return fmt.Sprintf("*-docker.pkg.dev/project-%d/*:v*", n)
	default:
		return fmt.Sprintf("reg%d.example.com/team%d/*", n%100, n/100)
	}
}

func oneHost(n int) string     { return fmt.Sprintf("reg.io/org/team%d/*", n) }
func oneWildHost(n int) string { return fmt.Sprintf("*.dkr.ecr.*.amazonaws.com/team%d/*", n) }
func wildHosts(n int) string   { return fmt.Sprintf("team%d-*.jfrog.io/*", n) }
func globs(n int) string       { return fmt.Sprintf("reg.io/org/team%d-*/models", n) }

// nested has every prefix of a name as deep as names get, then others beside it.
func nested(n int) string {
	if n < 127 {
		return "reg.io/" + strings.Repeat("a/", n) + "*"
	}
	return fmt.Sprintf("reg.io/%s%d/*", strings.Repeat("a/", n%100), n)
}

// nestedTags has every beginning of a long name, with a tag that isn't asked for.
func nestedTags(n int) string {
	if n < 254 {
		return "reg.io/" + strings.Repeat("a", n+1) + "*:v1"
	}
	return fmt.Sprintf("reg.io/b%d/*", n)
}

func entries10000(tb testing.TB, world func(n int) string) []pattern.Entry[int] {
	tb.Helper()
	entries := make([]pattern.Entry[int], 10_000)
	for n := range entries {
		entries[n] = pattern.Entry[int]{Pattern: mustParse(tb, world(n)), Value: n}
	}
	return entries
}
