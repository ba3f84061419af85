package stepfile

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":               "''",
		"abc":            "abc",
		"a@%+=:,./-_Z9":  "a@%+=:,./-_Z9",
		"a b":            "'a b'",
		"it's":           `'it'"'"'s'`,
		"$HOME":          "'$HOME'",
		"é":              "'é'",
		"a\nb":           "'a\nb'",
		"~":              "'~'",
		`foo bar""'"'";`: `'foo bar""'"'"'"'"'"'";'`,
	} {
		if got := quote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// shellWords gives the words that a real /bin/sh makes of a line.
func shellWords(t interface {
	Fatal(args ...any)
}, line string,
) []string {
	out, err := exec.Command("/bin/sh", "-c", `for w in `+line+`; do printf '%s\0' "$w"; done`).Output()
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Split(string(out), "\x00")
	return words[:len(words)-1]
}

func TestShellReadsWhatIsQuoted(t *testing.T) {
	t.Parallel()
	word := rapid.OneOf(
		rapid.StringOf(rapid.RuneFrom([]rune("ab '\"\\$`*?[]{}~#!&|;<>()\n\t-=é"))),
		rapid.String(),
	).Filter(func(s string) bool { return !strings.ContainsRune(s, 0) })
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(word, 1, 20).Draw(t, "words")
		if diff := cmp.Diff(words, shellWords(t, quoteAll(words))); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzQuote(f *testing.F) {
	f.Add("it's")
	f.Add("$(id)\n`id`")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ContainsRune(s, 0) {
			t.Skip() // no word of a shell holds a NUL
		}
		if diff := cmp.Diff([]string{s}, shellWords(t, quote(s))); diff != "" {
			t.Error(diff)
		}
	})
}
