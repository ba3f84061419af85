package stepfile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, s := range []string{"- &a [*a]", "- step: {<<: [*a, {}]}", "a: !!binary x", "- \"\\x", "---\n---", "\ufeff- a", "? [a]\n: b", "- !<x> y", "- |2\n a"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, problems := Parse("f", data, Options{MaxBytes: 1 << 16})
		count := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 2 +
			strings.Count(string(data), "\u2028") + strings.Count(string(data), "\u2029") + strings.Count(string(data), "\u0085")
		for _, p := range problems {
			if p.Text == "" || p.Rule == "" || p.Line > count || p.Line < 1 && p.Rule != "file-size" || p.Column < 0 {
				t.Errorf("%+v", p)
			}
		}
		if !slices.IsSortedFunc(problems, func(a, b Problem) int { return a.Line - b.Line }) {
			t.Error("the problems are not in order")
		}
		for _, s := range file.Steps {
			if r, err := Resolve(s, Values{}); err == nil && (len(r.Interpreter) == 0 || !strings.HasSuffix(r.Script, "\n")) {
				t.Errorf("%+v", r)
			} else if err != nil && len(ValueErrors(err)) == 0 {
				t.Errorf("%T %v", err, err)
			}
		}
	})
}

func FuzzPlaceholders(f *testing.F) {
	f.Add("run {parameters} {parameter:p} {parameter-value:p}", "it's")
	f.Add("{{}}{p}\n{", "")
	file, _ := Parse("f", []byte("- step: {name: s, image: i, command: c, parameters: [{name: p}]}"), Options{})
	f.Fuzz(func(t *testing.T, command, value string) {
		s := *file.Steps[0]
		s.Command = []string{command}
		if kept := expand(command, func(string) (string, bool) { return "", false }); kept != command {
			t.Errorf("%q became %q", command, kept)
		}
		if c, err := Build(&s, Values{Parameters: map[string]any{"p": value}}); err == nil && !strings.HasSuffix(c.Script, "\n") {
			t.Errorf("%q", c.Script)
		}
	})
}

// hard gives files that are unpleasant to read, of about n bytes.
func hard(n int) map[string]string {
	fill := func(unit string) string { return strings.Repeat(unit, n/len(unit)) }
	numbered := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	const step = "- step: {name: a, image: b, command: "
	return map[string]string{
		"brackets":     fill("["),
		"dashes":       fill("- "),
		"commas":       "[" + fill("a,") + "]",
		"plain lines":  "- " + fill("a\n  "),
		"comments":     "- a\n" + fill("- b # c\n"),
		"keys":         numbered("k%d: v\n"),
		"unknown keys": "- step:\n    name: a\n" + numbered("    k%d: {}\n"),
		"aliases":      "- &a {x: 1}\n" + fill("- *a\n"),
		"merges":       "- &a {x: 1}\n" + fill("- {<<: *a}\n"),
		"steps":        numbered("- step: {name: s%d, image: b, command: c}\n"),
		"nodes":        "- pipeline:\n    name: p\n    edges: []\n    nodes:\n" + numbered("    - {name: n%d, type: execution, step: s}\n"),
		"braces":       step + "'" + fill("{") + "'}",
		"placeholders": step + "'" + numbered("{parameter:p%d}") + "'}",
		"digits":       "- " + fill("1"),
		"sixties":      "- 1" + fill(":1"),
		"expression":   step + "c, stop-condition: '" + fill("a or ") + "a'}",
		"documents":    fill("---\n"),
	}
}

// The work grows with the file, and no faster. Allocations stand for work, since tests
// don't watch the clock.
func TestWorkIsLinear(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts those of everybody
	small, large := hard(1<<13), hard(1<<15)
	for name := range small { //nolint:paralleltest // AllocsPerRun counts those of everybody
		t.Run(name, func(t *testing.T) {
			cost := func(file string) float64 {
				return testing.AllocsPerRun(1, func() { Parse("f", []byte(file), Options{}) })
			}
			before, after := cost(small[name]), cost(large[name])
			if after > 6*before+2000 { // four times the size
				t.Errorf("%.0f allocations became %.0f", before, after)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	data, err := os.ReadFile("testdata/all-fields.yaml")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		Parse("f", data, Options{})
	}
}

func BenchmarkParseHard(b *testing.B) {
	for name, file := range hard(1<<20 - 4096) {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			for b.Loop() {
				Parse("f", []byte(file), Options{})
			}
		})
	}
}

func BenchmarkResolve(b *testing.B) {
	data, err := os.ReadFile("testdata/all-fields.yaml")
	if err != nil {
		b.Fatal(err)
	}
	f, _ := Parse("f", data, Options{})
	for b.Loop() {
		if _, err := Resolve(f.Steps[0], Values{Variables: map[string]string{"TOKEN": "t"}}); err != nil {
			b.Fatal(err)
		}
	}
}
