package stepfile

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// read parses a file that holds one step with these lines.
func read(t *testing.T, lines string) (*File, []Problem) {
	t.Helper()
	text := "- step:\n    name: a\n    image: python:3.12\n    command: run\n"
	for line := range strings.SplitSeq(lines, "\n") {
		key, _, _ := strings.Cut(line, ":")
		for _, given := range []string{"name", "image", "command"} {
			if key == given {
				text = strings.ReplaceAll(text, "    "+given+": "+map[string]string{"name": "a", "image": "python:3.12", "command": "run"}[given]+"\n", "")
			}
		}
		text += "    " + line + "\n"
	}
	return Parse("f.yaml", []byte(text), Options{CheckImage: func(s string) error {
		if strings.Contains(s, " ") {
			return errors.New("a blank in a name")
		}
		return nil
	}})
}

func lines(problems []Problem) []string {
	out := []string{}
	for _, p := range problems {
		out = append(out, p.String())
	}
	return out
}

// Each row of the lint table of platforms.md 1.6, in its order. Where Fairlead says
// something else than Valohai, Valohai's answer is named.
func TestLintTable(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, lines string
		want        []string
	}{
		{"an empty image; passes in Valohai", "image: ''", []string{
			`f.yaml:4:12: error: image is empty: name the image, like python:3.12 (0.step.image) [empty]`,
		}},
		{"an unreadable image; passes in Valohai", "image: 'Foo Bar://:::'", []string{
			`f.yaml:4:12: error: image "Foo Bar://:::" is not the name of an image (a blank in a name): write it like registry.example.com/team/name:tag (0.step.image) [image-name]`,
		}},
		{"a digest", "image: a@sha256:0000000000000000000000000000000000000000000000000000000000000000", []string{}},
		{"no commands; passes in Valohai", "command: []", []string{
			`f.yaml:4:14: error: command is empty: give at least one line to run (0.step.command) [command-empty]`,
		}},
		{"time-limit 0; passes in Valohai", "time-limit: 0", []string{
			`f.yaml:5:17: warning: time-limit is 0, which means no limit: leave the key out (0.step.time-limit) [duration]`,
		}},
		{"time-limit -5; passes in Valohai", "time-limit: -5", []string{
			`f.yaml:5:17: error: time-limit is negative: write whole seconds, or a text like '1h 30m' (0.step.time-limit) [duration]`,
		}},
		{"image 3.10", "image: 3.10", []string{
			`f.yaml:4:12: error: image is the number 3.1: put it in quotes (0.step.image) [type]`,
		}},
		{"an unknown key in a step", "bogus: 1", []string{
			`f.yaml:5:5: error: step has no key "bogus": the keys are "name", "image", "command", "parameters", "inputs", "outputs", "environment-variables", "time-limit", "no-output-timeout", "stop-condition", "source-path", "description", "category", "icon", "environment", "runtime-config-preset", "environment-variable-groups", "upload-store", "mounts", "cache-volumes", "resources" (0.step) [unknown-key]`,
		}},
		{"a misspelt key in a step", "time_limt: 1", []string{
			`f.yaml:5:5: error: step has no key "time_limt": did you mean "time-limit"? (0.step) [unknown-key]`,
		}},
		{"a preset without an environment", "runtime-config-preset: p", []string{
			`f.yaml:5:28: error: runtime-config-preset is set, and environment isn't: name the environment that the preset belongs to (0.step) [preset-environment]`,
		}},
		{"a bad stop-condition", "stop-condition: stop me", []string{
			`f.yaml:5:21: error: stop-condition is not a valid expression: "me" stands where an operator is expected: write a comparison like accuracy > 0.9 and epoch >= 10 (0.step.stop-condition) [stop-condition]`,
		}},
		{"a variable with default 1", "environment-variables: [{name: A, default: 1}]", []string{
			`f.yaml:5:48: error: default is the number 1: put it in quotes (0.step.environment-variables.0.default) [type]`,
		}},
		{"time-limit '300'; string index out of range in Valohai", "time-limit: '300'", []string{}},
		{"time-limit '5x'", "time-limit: 5x", []string{
			`f.yaml:5:17: error: time-limit: "5x" is not a duration: "x" is not a unit: write whole seconds, or a text like '1h 30m' (0.step.time-limit) [duration]`,
		}},
		{"time-limit '0s'", "time-limit: 0s", []string{
			`f.yaml:5:17: error: time-limit: "0s" is no time at all: write whole seconds, or a text like '1h 30m' (0.step.time-limit) [duration]`,
		}},
		{"time-limit 1.5", "time-limit: 1.5", []string{
			`f.yaml:5:17: error: time-limit is the number 1.5: write whole seconds, or a text like '1h 30m' (0.step.time-limit) [type]`,
		}},
		{"time-limit 1:30, which is 90", "time-limit: 1:30", []string{
			`f.yaml:5:17: warning: time-limit is the number 90, as YAML 1.1 reads 1:30 seconds: write '1h 30m', in quotes, for what you mean (0.step.time-limit) [yaml-sexagesimal]`,
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, problems := read(t, row.lines)
			if diff := cmp.Diff(row.want, lines(problems)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLintTableOfWholeFiles(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, file, want string }{
		{
			"no image", "- step:\n    name: a\n    command: run\n",
			`f.yaml:2:5: error: step has no image: name the image that it runs in, like image: python:3.12 (0.step) [required]`,
		},
		{
			"an unknown key at the top level", "- bogus: 1\n",
			`f.yaml:1:3: warning: "bogus" is not a kind of entry, and is ignored: the kinds are "step", "task", "endpoint", "pipeline", "blueprint", "deployment" (0) [unknown-item]`,
		},
		{
			"two steps a", "- step: {name: a, image: b, command: c}\n- step: {name: a, image: b, command: d}\n",
			`f.yaml:2:16: warning: the step name "a" is used on line 1 too, and the last one wins: rename one of them (1.step) [duplicate-name]`,
		},
		{
			"an empty file", "",
			`f.yaml:1:1: error: the file is empty: begin it with a list of steps: - step: ... [file-empty]`,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, problems := Parse("f.yaml", []byte(row.file), Options{})
			if diff := cmp.Diff([]string{row.want}, lines(problems)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTimeLimits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"300": 300 * time.Second, "'1h 30m 5s'": 5405 * time.Second, "'1.5h'": 5400 * time.Second,
		"'2 weeks'": 14 * 24 * time.Hour, "'300'": 300 * time.Second, "''": 0, "0": 0, "1:30": 90 * time.Second,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			f, problems := read(t, "time-limit: "+text+"\nno-output-timeout: "+text)
			if Errors(problems) != 0 || f.Steps[0].TimeLimit != want || f.Steps[0].NoOutputTimeout != want {
				t.Errorf("%v %v", f.Steps[0].TimeLimit, problems)
			}
		})
	}
}

func TestLastStepOfANameWins(t *testing.T) {
	t.Parallel()
	f, _ := Parse("f", []byte("- step: {name: a, image: b, command: c}\n- step: {name: a, image: b, command: d}\n"), Options{})
	if len(f.Steps) != 1 || f.Steps[0].Command[0] != "d" {
		t.Errorf("%+v", f.Steps)
	}
}

func TestImageHookSeesEveryImage(t *testing.T) {
	t.Parallel()
	var seen []string
	Parse("f", []byte(`
- step: {name: s, image: one, command: c}
- endpoint: {name: ee, image: two, wsgi: x}
- pipeline:
    name: p
    nodes: [{name: n, type: execution, step: s, override: {image: three}}]
    edges: []
`), Options{CheckImage: func(s string) error { seen = append(seen, s); return nil }})
	if diff := cmp.Diff([]string{"one", "two", "three"}, seen); diff != "" {
		t.Error(diff)
	}
}

func TestAnErrorElsewhereLeavesAStepBuildable(t *testing.T) {
	t.Parallel()
	f, problems := Parse("f", []byte("- step: {name: good, image: b, command: c}\n- step: {name: bad, image: b, command: c, x: 1}\n"), Options{})
	if len(f.Steps) != 2 || Errors(problems) != 1 {
		t.Fatal(problems)
	}
	if _, err := Build(f.Steps[0], Values{}); err != nil {
		t.Error(err)
	}
	_, err := Build(f.Steps[1], Values{})
	if diff := cmp.Diff([]*ValueError{{
		Field: "step", Why: `step "bad" (line 2) has errors in the step file: 1`, Remedy: "lint the file, and correct them",
	}}, ValueErrors(err)); diff != "" {
		t.Error(diff)
	}
}

func TestAnErrorOfTheTreeBreaksEveryStep(t *testing.T) {
	t.Parallel()
	f, _ := Parse("f", []byte("- step: {name: a, image: b, command: c, command: d}\n"), Options{})
	if _, err := Build(f.Steps[0], Values{}); err == nil {
		t.Error("a key is there twice, and the step is built")
	}
}

func TestProblemString(t *testing.T) {
	t.Parallel()
	p := Problem{File: "f", Severity: SeverityError, Rule: "r", Text: "t"}
	if got := p.String(); got != "f: error: t [r]" {
		t.Error(got)
	}
}
