package stepfile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Faults of the YAML itself: each with its place and a plain sentence.
func TestSyntax(t *testing.T) {
	t.Parallel()
	const step = "- step:\n    name: x\n"
	for _, row := range []struct{ name, file, want string }{
		{"a tab", "- step:\n\tname: x\n", "2:1: error: a tab stands where YAML wants blanks: indent with blanks [yaml-tab]"},
		{"a tab behind blanks", step + "  \timage: y\n", "3:3: error: a tab stands where YAML wants blanks: indent with blanks [yaml-tab]"},
		{"two colons", step + "    command: echo a: b\n", "3:20: error: a colon stands where no key can end: put the text in quotes, or correct the indentation [yaml-syntax]"},
		{"indented less", step + "   image: y\n", "3:4: error: this line is indented unlike the lines above it: align it with its neighbours [yaml-syntax]"},
		{"indented more", step + "     image: y\n", "3:11: error: a colon stands where no key can end: put the text in quotes, or correct the indentation [yaml-syntax]"},
		{"a list indented less", step + "    command:\n    - a\n   - b\n", "5:4: error: this line is indented unlike the lines above it: align it with its neighbours [yaml-syntax]"},
		{"a key beside a list", "- a\nb: c\n", "2:1: error: this line is indented unlike the entries above it: begin it with a dash, or align it [yaml-syntax]"},
		{"a word among keys", step + "    image\n    command: x\n", "3:5: error: this line has no colon, and must be a key: write it as key: value [yaml-syntax]"},
		{"an open quote", step + "    image: 'y\n" + strings.Repeat("    command: z\n", 50), "3:12: error: a quote is opened here and not closed: close it [yaml-syntax]"},
		{"an open double quote", step + "    image: \"y\n    command: z\n", "3:12: error: a quote is opened here and not closed: close it [yaml-syntax]"},
		{"behind a quote", "- step:\n    name: \"x\"y\n", "2:14: error: something stands behind a closing quote: put the whole text in one pair of quotes [yaml-syntax]"},
		{"an open bracket", step + "    outputs: [a, b\n    image: y\n", "3:14: error: a [ is opened here and not closed: close it with ] [yaml-syntax]"},
		{"an open brace", step + "    outputs: [a, {b: c]\n", "3:18: error: a { is opened here and not closed: close it with }, or put the text in quotes [yaml-syntax]"},
		{"a bracket too many", "- ]\n", "1:3: error: a bracket or a comma stands where a value is expected: remove it, or put the text in quotes [yaml-syntax]"},
		{"an at sign", "- step:\n    name: @x\n", "2:11: error: this character can't begin a value: put the text in quotes [yaml-syntax]"},
		{"a percent sign", "- %x\n", "1:3: error: this character can't begin a value: put the text in quotes [yaml-syntax]"},
		{"an unknown escape", step + "    command: \"a\\d\"\n", "3:16: error: this escape is unknown in double quotes: write the backslash twice, or use single quotes [yaml-syntax]"},
		{"a block with a rest", "- |x\n  a\n", "1:4: error: after | and > nothing may stand but + - and a digit: begin the text on the next line [yaml-syntax]"},
		{"YAML 1.2", "%YAML 1.2\n---\n- a\n", "1:9: error: Valohai reads its files as YAML 1.1: remove the line %YAML [yaml-syntax]"},
		{"a control character", "- a\n- \x01\n", "2:3: error: this character is invisible and not allowed: remove it [yaml-syntax]"},
		{"an unknown alias", "- step:\n    name: *up\n", "2:11: error: the alias *up has no anchor &up above it: define the anchor first, or put the text in quotes [yaml-alias]"},
		{"an alias above its anchor", "- a: *b\n- c: &b d\n", "1:6: error: the alias *b has no anchor &b above it: define the anchor first, or put the text in quotes [yaml-alias]"},
		{"an alias in itself", "- &a [*a]\n", "1:7: error: the alias *a is inside of what it stands for: remove it [yaml-alias]"},
		{"two documents", "- a\n---\n- b\n", "2:1: error: a second document begins here, and only one is read: remove the line ---, and keep one list [yaml-documents]"},
		{"comments alone", "# nothing\n", "1:1: error: the file is empty: begin it with a list of steps: - step: ... [file-empty]"},
		{"null", "---\n", "1:1: error: the file is empty: begin it with a list of steps: - step: ... [file-empty]"},
		{"a map", "step:\n  name: x\n", "1:1: error: the file is a map, not a list: begin each entry with a dash: - step: ... [type]"},
		{"a text", "hello\n", `1:1: error: the file is the text "hello", not a list: begin each entry with a dash: - step: ... [type]`},
		{"Latin-1", "- é\n- \xe9\n", "2:3: error: the byte 0xe9 is not UTF-8: save the file as UTF-8 [file-encoding]"},
		{"UTF-16", "\xff\xfe-\x00", "1:1: error: the file is in UTF-16: save it as UTF-8 [file-encoding]"},
		{"not indented", "- step:\n  name: x\n", "1:3: error: nothing belongs to step, since the lines below it are not indented enough: indent them by two more spaces than step (0.step) [item]"},
		{"a tag", "- step: !x {name: a, image: b, command: c}\n", `1:9: error: the tag "!x" is not known here: remove the tag [yaml-tag]`},
		{"a Python object", "- step: {name: !!python/name:os.system a, image: b, command: c}\n", `1:16: error: the tag "!!python/name:os.system" is not known here: remove the tag [yaml-tag]`},
		{"a merge of a number", "- {<<: 3, setp: 1}\n", `1:8: error: << merges a map, and this is the number 3: name the anchor of a map (0) [yaml-merge]
f:1:11: warning: "setp" is not a kind of entry, and is ignored: did you mean "step"? (0) [unknown-item]`},
		{"a merge of words", "- {<<: [a], setp: 1}\n", `1:9: error: << merges a map, and this is the text "a": name the anchor of a map (0) [yaml-merge]
f:1:13: warning: "setp" is not a kind of entry, and is ignored: did you mean "step"? (0) [unknown-item]`},
		{"a key twice", "- step: {name: a, image: b, command: c,\n    image: d}\n", `2:5: error: the key "image" is on line 1 already: keep one of them [yaml-duplicate-key]`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, problems := Parse("f", []byte(row.file), Options{})
			if diff := cmp.Diff("f:"+row.want, strings.Join(lines(problems), "\n")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFileSize(t *testing.T) {
	t.Parallel()
	_, problems := Parse("f", []byte("# four"), Options{MaxBytes: 5})
	if diff := cmp.Diff([]string{
		"f: error: the file has 6 bytes, more than the 5 that are allowed: keep data out of the step file [file-size]",
	}, lines(problems)); diff != "" {
		t.Error(diff)
	}
	_, problems = Parse("f", make([]byte, 1<<20+1), Options{})
	if len(problems) != 1 || problems[0].Rule != "file-size" {
		t.Error(problems)
	}
}

// A bomb of aliases is refused before anybody unfolds it.
func TestAliasBomb(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("- &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 9 {
		fmt.Fprintf(&b, "- &a%d [%s]\n", i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	_, problems := Parse("f", []byte(b.String()), Options{})
	if diff := cmp.Diff([]string{
		"f:1:1: error: the aliases of the file unfold to more than 200000 nodes: repeat less by alias [yaml-alias]",
	}, lines(problems)); diff != "" {
		t.Error(diff)
	}
}

func TestNesting(t *testing.T) {
	t.Parallel()
	var chain strings.Builder
	chain.WriteString("- &a0 x\n")
	for i := range 100 {
		fmt.Fprintf(&chain, "- &a%d [*a%d]\n", i+1, i)
	}
	for name, row := range map[string]struct{ file, rule string }{
		"brackets":                {strings.Repeat("[", 100) + strings.Repeat("]", 100), "yaml-nesting"},
		"dashes":                  {strings.Repeat("- ", 100) + "a", "yaml-nesting"},
		"aliases":                 {chain.String(), "yaml-nesting"},
		"too deep for the parser": {strings.Repeat("[", 20_000), "yaml-syntax"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, problems := Parse("f", []byte(row.file), Options{})
			if len(problems) != 1 || problems[0].Rule != row.rule || problems[0].Line == 0 {
				t.Error(problems)
			}
		})
	}
}

func TestTooManyProblems(t *testing.T) {
	t.Parallel()
	_, problems := Parse("f", []byte(strings.Repeat("- x\n", 5000)), Options{})
	if len(problems) != maxProblems+1 || problems[maxProblems].Rule != "too-many" {
		t.Error(len(problems), problems[len(problems)-1])
	}
}

func TestAnchorsAndMerges(t *testing.T) {
	t.Parallel()
	f, problems := Parse("f", []byte(`
- step: &base
    name: base
    image: &image python:3.12
    command: &commands
      - echo {parameters}
    parameters: &parameters
      - &lr {name: lr, type: float, default: 0.1, optional: true}
- step:
    <<: *base
    name: two
    parameters:
      - <<: [{default: 0.5}, *lr]
        category: x
- step: {name: three, image: *image, command: *commands, parameters: *parameters}
`), Options{})
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	var got []string
	for _, s := range f.Steps {
		c, err := Build(s, Values{})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(s.Name, " ", s.Image, " ", strings.TrimSpace(c.Script), " ", s.Parameters[0].Category))
	}
	want := []string{"base python:3.12 echo --lr=0.1 ", "two python:3.12 echo --lr=0.5 x", "three python:3.12 echo --lr=0.1 "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
