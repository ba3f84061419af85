package pattern_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fairlead.dev/fairlead/pattern"
	"fairlead.dev/fairlead/ref"
)

// TestCompare names the rules of Compare in their order: each list is sorted.
func TestCompare(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		sorted []string
	}{
		{"an exact host first, whatever the rest", []string{"a.reg.io/*", "*.reg.io/team/app:v1", "*.reg.io/team/app"}},
		{"of hosts with *, more literal characters", []string{"acme-*.jfrog.io/*", "acme*.jfrog.io/*", "*.jfrog.io/docker/app"}},
		{"the longer literal path", []string{"reg.io/team/app/x", "reg.io/team/app", "reg.io/team/*", "reg.io/*"}},
		{"of hosts with *, host before path", []string{"*.ecr.reg.io/*", "*.*.reg.io/team/app"}},
		{"literal characters, not depth", []string{"reg.io/*/models", "reg.io/a/b/*"}},
		{"one repository before what is below", []string{"reg.io/team", "reg.io/team/*", "reg.io/team*"}},
		{"a tag before none, if the paths are equally long", []string{"reg.io/team:v1", "reg.io/team/*:v1", "reg.io/team", "reg.io/team/*"}},
		{"the longer path before the tag", []string{"reg.io/team/app", "reg.io/team/*:v1"}},
		{"the longer literal tag", []string{"reg.io/team:v1.2", "reg.io/team:v1*", "reg.io/team:v*"}},
		{"fewer *", []string{"reg.io/team:v1", "reg.io/team:v1*", "reg.io/team:*v1*"}},
		{"literal for longer", []string{"reg.io/ab*", "reg.io/a*b", "reg.io/*ab"}},
		{"the alphabet", []string{"a.io/team", "b.io/team"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			patterns := make([]pattern.Pattern, len(tt.sorted))
			for n, s := range tt.sorted {
				patterns[n] = mustParse(t, s)
			}
			for n, p := range patterns {
				if c := pattern.Compare(p, p); c != 0 {
					t.Errorf("Compare(%s, %[1]s) = %d, want 0", p, c)
				}
				for _, q := range patterns[n+1:] {
					if pq, qp := pattern.Compare(p, q), pattern.Compare(q, p); pq >= 0 || qp <= 0 {
						t.Errorf("Compare(%s, %s) = %d, and the other way round %d; want the first to come first", p, q, pq, qp)
					}
				}
			}
		})
	}
}

// TestCompareIsATotalOrder draws patterns that are likely to tie.
func TestCompareIsATotalOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := somePattern().Draw(t, "a"), somePattern().Draw(t, "b"), somePattern().Draw(t, "c")
		ab, bc, ac := pattern.Compare(a, b), pattern.Compare(b, c), pattern.Compare(a, c)
		if ba := pattern.Compare(b, a); ab != -ba {
			t.Errorf("Compare(%s, %s) = %d, and the other way round %d", a, b, ab, ba)
		}
		if (ab == 0) != (a == b) || (ab == 0) != (a.String() == b.String()) {
			t.Errorf("Compare(%s, %s) = %d, and they are equal: %t", a, b, ab, a == b)
		}
		if ab <= 0 && bc <= 0 && ac > 0 {
			t.Errorf("%s <= %s <= %s, and not %s <= %s", a, b, c, a, c)
		}
	})
}

// TestNarrowerComesFirst holds the order against the sets that small patterns cover,
// over every image of a small world. The c is in no pattern, so that a * can stand for
// something that no literal covers.
func TestNarrowerComesFirst(t *testing.T) {
	t.Parallel()
	var images []ref.Image
	for _, label := range words("ac", 7) {
		images = append(images, ref.Image{Resource: ref.Resource{Host: label + ".reg.io", Repository: "x"}, Tag: "x"})
	}
	hosts := len(images)
	for _, repository := range words("ac/", 7) {
		if ref.CheckRepository(repository) == nil {
			images = append(images, ref.Image{Resource: ref.Resource{Host: "reg.io", Repository: repository}, Tag: "x"})
		}
	}
	repositories := len(images)
	for _, tag := range append(words("ac", 6), "") {
		images = append(images, ref.Image{Resource: ref.Resource{Host: "reg.io", Repository: "x"}, Tag: tag})
	}
	check(t, images[:hosts], words("a*", 4), func(s string) string { return s + ".reg.io/x" })
	check(t, images[hosts:repositories], words("a/*", 4), func(s string) string { return "reg.io/" + s })
	check(t, images[repositories:], append(words("a*", 4), ""), func(s string) string { return strings.TrimSuffix("reg.io/x:"+s, ":") })
}

// check compares every two of the patterns that can be read.
func check(t *testing.T, images []ref.Image, words []string, text func(string) string) {
	t.Helper()
	covered := map[pattern.Pattern][]bool{}
	for _, s := range words {
		p, err := pattern.Parse(text(s))
		if err != nil || covered[p] != nil {
			continue
		}
		covered[p] = make([]bool, len(images))
		for n, i := range images {
			covered[p][n] = p.Match(i)
		}
		if !slices.Contains(covered[p], true) {
			t.Errorf("%s covers nothing", p)
		}
	}
	if len(covered) < 6 {
		t.Fatalf("only %d patterns", len(covered))
	}
	for p, ps := range covered {
		for q, qs := range covered {
			within := p != q
			for n := range images {
				within = within && (!ps[n] || qs[n])
			}
			if within && pattern.Compare(p, q) > 0 {
				t.Errorf("%s covers no more than %s, and comes after it", p, q)
			}
			if within && slices.Equal(ps, qs) {
				t.Errorf("%s and %s cover the same, and differ", p, q)
			}
		}
	}
}

// words gives every word of 1 to most of these letters.
func words(letters string, most int) []string {
	var all []string
	last := []string{""}
	for range most {
		var next []string
		for _, w := range last {
			for _, l := range letters {
				next = append(next, w+string(l))
			}
		}
		all = append(all, next...)
		last = next
	}
	return all
}

// somePattern and someImage draw from a world that is small enough for them to meet.
func somePattern() *rapid.Generator[pattern.Pattern] {
	return rapid.Custom(func(t *rapid.T) pattern.Pattern {
		host := rapid.SampledFrom([]string{
			"reg.io", "reg.io:80", "docker.io", "a.reg.io", "*.reg.io", "a*.reg.io", "*a.reg.io", "*.*.reg.io", "*.reg.io:80", "*.a.reg.io", "a.*.reg.io",
		}).Draw(t, "host")
		path := rapid.StringMatching(`[ab*]{1,3}(/[ab*]{1,2}){0,3}`).Draw(t, "path")
		tag := rapid.SampledFrom([]string{"", "", ":*", ":v1", ":v*", ":*1", ":v1*"}).Draw(t, "tag")
		p, err := pattern.Parse(host + "/" + path + tag)
		if err != nil {
			t.Skip(err)
		}
		return p
	})
}

func someImage() *rapid.Generator[ref.Image] {
	return rapid.Custom(func(t *rapid.T) ref.Image {
		host := rapid.SampledFrom([]string{
			"reg.io", "reg.io:80", "docker.io", "a.reg.io", "b.reg.io", "aa.reg.io", "ba.reg.io", "a.a.reg.io", "b.a.reg.io", "a.reg.io:80", "other.io",
		}).Draw(t, "host")
		r, err := ref.ParseResource(host + "/" + rapid.StringMatching(`[ab]{1,3}(/[ab]{1,2}){0,3}`).Draw(t, "repository"))
		if err != nil {
			t.Fatal(err)
		}
		i := ref.Image{Resource: r}
		i.Tag = rapid.SampledFrom([]string{"", "latest", "v1", "v12", "v2"}).Draw(t, "tag")
		return i
	})
}
