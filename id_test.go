package fairlead_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"fairlead.dev/fairlead"
)

func TestParseName(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"a", "acme", "team-1", "a.b_c-d", "0", strings.Repeat("x", fairlead.MaxName)} {
		if n, err := fairlead.ParseName("name", s); err != nil || string(n) != s {
			t.Errorf("ParseName(%q) = %q, %v", s, n, err)
		}
	}
	for _, s := range []string{"", "-a", "a-", ".", "A", "a b", "a/b", "ü", "a\x00", "..", strings.Repeat("x", fairlead.MaxName+1)} {
		_, err := fairlead.ParseName("project", s)
		e := fairlead.AsError("", err)
		if err == nil || e.Kind != fairlead.Invalid || e.Field != "project" || e.Remedy == "" {
			t.Errorf("ParseName(%q) = %v, want invalid with field and remedy", s, err)
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("acme")
	f.Add("\xff\x00")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := fairlead.ParseName("name", s)
		if (err == nil) != (n != "") {
			t.Errorf("ParseName(%q) = %q, %v", s, n, err)
		}
	})
}

func TestClip(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 300)
	got := fairlead.Clip(long)
	if !utf8.ValidString(got) || len(got) > 210 || !strings.HasSuffix(got, "...") {
		t.Errorf("Clip gives %d bytes, valid %v", len(got), utf8.ValidString(got))
	}
	if fairlead.Clip("short") != "short" {
		t.Error("what is short is changed")
	}
}
