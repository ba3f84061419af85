package stepfile

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// one parses a file of one step, and fails on errors.
func one(t *testing.T, lines string) *Step {
	t.Helper()
	f, problems := read(t, lines)
	if Errors(problems) != 0 {
		t.Fatal(problems)
	}
	return f.Steps[0]
}

// script builds a step and gives its script without the last newline.
func script(t *testing.T, s *Step, v Values) string {
	t.Helper()
	c, err := Build(s, v)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(c.Script, "\n")
}

// Each row of the tables of platforms.md 1.7. The wanted texts were seen with
// valohai-yaml 0.57.0.
func TestPlaceholders(t *testing.T) {
	t.Parallel()
	const parameters = `parameters:
  - {name: lr, type: float, default: 1.0e-5}
  - {name: word, default: a b}
  - {name: empty, optional: true}
  - {name: flag, type: flag, default: true}
  - {name: tags, multiple: separate, default: [x, y z]}
  - {name: each, multiple: repeat, pass-as: "-e {v}", optional: true}`
	for _, row := range []struct {
		name, command string
		values        Values
		want          string
	}{
		{"all, in order, without those that have no value", "run {parameters}", Values{}, `run --lr=1e-05 '--word=a b' '--tags=x,y z'`},
		{"params is the same", "run {params}", Values{}, `run --lr=1e-05 '--word=a b' '--tags=x,y z'`},
		{"one through pass-as", "run {parameter:word}", Values{}, `run '--word=a b'`},
		{"one without a value is empty", "run {parameter:empty} x", Values{}, "run  x"},
		{"one that is not declared stays", "run {parameter:nope}", Values{}, "run {parameter:nope}"},
		{"the bare value is one word", "run {parameter-value:word}", Values{}, "run 'a b'"},
		{"without a value it stays", "run {parameter-value:empty}", Values{}, "run {parameter-value:empty}"},
		{"of a name that is not declared", "run {parameter-value:other}", Values{Parameters: map[string]any{"other": "it's"}}, `run 'it'"'"'s'`},
		{"an explicit null", "run {parameter-value:empty}", Values{Parameters: map[string]any{"empty": nil}}, "run None"},
		{"a list", "run {parameter-value:tags}", Values{}, `run '['"'"'x'"'"', '"'"'y z'"'"']'`},
		{"a flag that is true", "run {parameter-value:flag} {parameter:flag}", Values{Parameters: map[string]any{"flag": true}}, "run True --flag"},
		{"a flag that is false", "run {parameter-value:flag} {parameter:flag}", Values{Parameters: map[string]any{"flag": false}}, "run False"},
		{"the default of a flag is ignored", "run {parameter:flag}", Values{}, "run"},
		{"the default of a flag counts for a command line", "run {parameter:flag}", Values{FlagDefaults: true}, "run --flag"},
		{"the source path", "run {source-path}", Values{SourcePath: "a b.py"}, "run 'a b.py'"},
		{"without one it stays", "run {source-path}", Values{}, "run {source-path}"},
		{"anything else stays", "run {nope} ${HOME} {} {a,b} { params}", Values{}, "run {nope} ${HOME} {} {a,b} { params}"},
		{"after a dollar sign it is one", "run ${parameter:lr}", Values{}, "run $--lr=1e-05"},
		{"the first brace begins", "run {{parameters}} {x{parameters}", Values{}, "run {{parameters}} {x{parameters}"},
		{"not over a line", "run {\nparameters}", Values{}, "run {\nparameters}"},
		{"repeat", "run {parameter:each}", Values{Parameters: map[string]any{"each": []string{"a", "b c"}}}, "run -e a -e 'b c'"},
		{"an empty list", "run {parameter:each}{parameter:tags} x", Values{Parameters: map[string]any{"each": []string{}, "tags": []string{}}}, "run  x"},
		{"one value for a list", "run {parameter:tags}", Values{Parameters: map[string]any{"tags": "q"}}, "run --tags=q"},
		{"no list and no default", "run {parameter-value:each}", Values{}, "run '[]'"},
		{"nothing is appended without a placeholder", "run", Values{}, "run"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			quoted, err := json.Marshal(row.command)
			if err != nil {
				t.Fatal(err)
			}
			s := one(t, "command: ["+string(quoted)+"]\n"+parameters)
			if diff := cmp.Diff(row.want, script(t, s, row.values)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSourcePathOfTheStep(t *testing.T) {
	t.Parallel()
	s := one(t, "command: run {source-path}\nsource-path: train.py")
	if got := script(t, s, Values{}); got != "run train.py" {
		t.Error(got)
	}
	if got := script(t, s, Values{SourcePath: "other.py"}); got != "run other.py" {
		t.Error(got)
	}
}

// Every form of pass-as, pass-true-as and pass-false-as.
func TestPassAs(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		parameter string
		value     any
		want      string
	}{
		{"{name: a}", "v", "--a=v"},
		{"{name: a, pass-as: '--{name} {name}={value}'}", "it is", "--a 'a=it is'"},
		{"{name: a, pass-as: '-w {v}'}", "x y", "-w 'x y'"},
		{"{name: a, pass-as: '  --{name}   {value}  '}", "v", "--a v"},
		{`{name: a, pass-as: '"{v}"'}`, "v", `'"v"'`},
		{"{name: a, pass-as: '{{{v}}}'}", "v", "'{v}'"},
		{"{name: a, pass-as: '-x'}", "v", "-x"},
		{"{name: a, pass-as: ''}", "v", "--a=v"},
		{"{name: a, pass-as: ' '}", "v", ""},
		{"{name: a, pass-true-as: -t, pass-false-as: -f}", "v", "--a=v"},
		{"{name: a, type: flag}", true, "--a"},
		{"{name: a, type: flag}", false, ""},
		{"{name: a, type: flag, pass-as: -x}", true, "-x"},
		{"{name: a, type: flag, pass-as: -x}", false, ""},
		{"{name: a, type: flag, pass-true-as: -t}", true, "-t"},
		{"{name: a, type: flag, pass-true-as: -t}", false, ""},
		{"{name: a, type: flag, pass-false-as: -f}", true, ""},
		{"{name: a, type: flag, pass-false-as: -f}", false, "-f"},
		{"{name: a, type: flag, pass-as: -x, pass-false-as: -f}", true, ""},
		{"{name: a, type: flag, pass-true-as: -t, pass-false-as: -f}", true, "-t"},
		{"{name: a, type: flag, pass-true-as: '--{name}={v}'}", true, "--a=True"},
		{"{name: a, type: flag, pass-false-as: '--no-{name} {v}'}", false, "--no-a False"},
		{"{name: a, type: float}", "1e-5", "--a=1e-05"},
		{"{name: a, type: float}", 2, "--a=2.0"},
		{"{name: a, type: integer}", "007", "--a=7"},
		{"{name: a, multiple: repeat}", []string{"x", "y z"}, "--a=x '--a=y z'"},
		{"{name: a, multiple: separate}", []string{"x", "y z"}, "'--a=x,y z'"},
		{"{name: a, multiple: separate, multiple-separator: ' ; '}", []string{"x", "y"}, "'--a=x ; y'"},
		{"{name: a, multiple: separate, multiple-separator: ''}", []string{"x", "y"}, "--a=x,y"},
		{"{name: a, multiple: separate, type: float}", []any{"1", 2.5, json.Number("3")}, "--a=1.0,2.5,3.0"},
		{"{name: a, multiple: none}", "x", "--a=x"},
	} {
		t.Run(row.parameter+row.want, func(t *testing.T) {
			t.Parallel()
			s := one(t, "command: run {parameter:a}.\nparameters: ["+row.parameter+"]")
			want := "run " + row.want + "."
			if got := script(t, s, Values{Parameters: map[string]any{"a": row.value}}); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

// YAML 1.1 decides the text that a program sees.
func TestDefaultsAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ parameter, want, json string }{
		{"type: float, default: 1e-5", "1e-5", "1e-05"},
		{"type: float, default: 1.0e-5", "1e-05", "1e-05"},
		{"type: float, default: 5", "5", "5.0"},
		{"type: float, default: .inf", "inf", `"inf"`},
		{"default: on", "True", `"True"`},
		{"default: 1:30", "90", `"90"`},
		{"type: integer, default: 1:30", "90", "90"},
		{"default: 3.10", "3.1", `"3.1"`},
		{"default: '3.10'", "3.10", `"3.10"`},
		{"type: integer, default: 0o17", "0o17", `"0o17"`},
		{"type: integer, default: 017", "15", "15"},
		{"default: 2020-09-02", "2020-09-02", `"2020-09-02"`},
		{"default: [1, a, on]", `'[1, '"'"'a'"'"', True]'`, `[1,"a",true]`},
		{"default: {a: 1.0}", `'{'"'"'a'"'"': 1.0}'`, `{"a":1.0}`},
		{"multiple: separate, default: [1, a, on]", `'[1, '"'"'a'"'"', True]'`, `["1","a","True"]`},
	} {
		t.Run(row.parameter, func(t *testing.T) {
			t.Parallel()
			s := one(t, "command: run {parameter-value:p}\nparameters: [{name: p, "+row.parameter+"}]")
			r, err := Resolve(s, Values{})
			if err != nil {
				t.Fatal(err)
			}
			data, err := json.Marshal(r.Parameters["p"])
			if err != nil {
				t.Fatal(err)
			}
			if r.Script != "run "+row.want+"\n" || string(data) != row.json {
				t.Errorf("%q, %s", r.Script, data)
			}
		})
	}
	s := one(t, "command: run {parameter:p}\nparameters: [{name: p, default: [a]}]")
	if _, err := Build(s, Values{}); err == nil || err.Error() != `parameter "p" has a list of values, and takes one` {
		t.Error(err)
	}
}

// Whatever is given arrives at a program through a real shell, word by word.
func TestParametersArrive(t *testing.T) {
	t.Parallel()
	s := one(t, `command: "{parameters}"
parameters:
  - {name: plain name, optional: true}
  - {name: words, pass-as: "--words {v}", optional: true}
  - {name: each, multiple: repeat, optional: true}
  - {name: flag, type: flag}`)
	word := rapid.String().Filter(func(s string) bool { return !strings.ContainsRune(s, 0) })
	rapid.Check(t, func(t *rapid.T) {
		plain, words, each := word.Draw(t, "plain"), word.Draw(t, "words"), rapid.SliceOfN(word, 0, 4).Draw(t, "each")
		want := []string{"--plain name=" + plain, "--words", words}
		for _, w := range each {
			want = append(want, "--each="+w)
		}
		c, err := Build(s, Values{Parameters: map[string]any{"plain name": plain, "words": words, "each": each, "flag": true}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append(want, "--flag"), shellWords(t, strings.TrimSuffix(c.Script, "\n"))); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestScriptIsBounded(t *testing.T) {
	t.Parallel()
	s := one(t, "command: '"+strings.Repeat("{parameters}", 2000)+"'\nparameters: [{name: p, default: "+strings.Repeat("x", 2000)+"}]")
	_, err := Build(s, Values{})
	if err == nil || err.Error() != "the command has more than 1048576 bytes with these values: pass large values in an input" {
		t.Error(err)
	}
}
