package manifest_test

import (
	"strings"
	"testing"

	"fairlead.dev/fairlead/internal/manifest"
)

const whole = `
organization: {name: acme, forbidPersonalProjects: true}
connectors:
  - name: main
    family: docker
    expires: 2027-01-31
    fields: {hosts: reg.io, username: 007}
    secrets:
      password: {fromFile: robot.txt}
---
registries:
  - {name: main, pattern: reg.io/team/*, connector: main}
---
stacks:
  - {name: gpu, registry: main, queue: default}
projects:
  - {name: train, stack: gpu}
  - name: plain
    stack:
`

func parsed(t *testing.T, text string) manifest.Manifest {
	t.Helper()
	m, problems := manifest.Parse("f.yaml", []byte(text))
	for _, p := range problems {
		t.Error(p)
	}
	return m
}

func TestParse(t *testing.T) {
	t.Parallel()
	m := parsed(t, whole)
	c := m.Connectors[0]
	if c.Fields["username"] != "007" || c.Secrets["password"].File != "robot.txt" || m.Registries[0].Disclosure != "scoped" || m.Stacks[0].Queue != "" ||
		m.Projects[0].Stack != "gpu" || m.Projects[1].Stack != "" || !*m.Organization.ForbidPersonal {
		t.Errorf("%+v", m)
	}
	if until, err := c.Until(); err != nil || until.Format("2006-01-02 15:04 MST") != "2027-01-31 00:00 UTC" {
		t.Error(until, err)
	}
}

// TestProblems: each mistake is told with its place, and no secret with it.
func TestProblems(t *testing.T) {
	t.Parallel()
	const connector = "connectors:\n  - name: y\n    family: docker\n"
	for text, want := range map[string]string{
		"":                    "f.yaml:1:1: there is nothing in the file: `fairlead export` writes one to begin with",
		"# only this\n---\n":  "f.yaml:1:1: there is nothing in the file",
		"stack:\n- name: x":   `f.yaml:1:1: the file has no key "stack": did you mean stacks?`,
		"zzzzz: 1":            `the file has no key "zzzzz": it may have connectors, organization, projects, registries, stacks`,
		"- a":                 "f.yaml:1:1: the file is a list",
		"stacks: {name: x}":   "f.yaml:1:9: stacks is an object: begin each of them with a dash",
		"stacks: [x]":         "f.yaml:1:10: a stack is a text",
		"stacks: [{}]":        "a stack has no name: add it",
		"stacks: [{name: X}]": "reading name",
		"stacks: [{name: yes no, engine: docker}]":                                     "reading name",
		"stacks: [{name: x, engine: k8s}]":                                             `there is no engine "k8s": use docker or runc`,
		"stacks: [{name: x, name: z}]":                                                 "a stack has name twice",
		"stacks: [{name: x, repository: 'reg.io/A'}]":                                  "f.yaml:1:32: ",
		"stacks: [{name: x}]\n---\nstacks: [{name: x}]":                                "f.yaml:3:10: there is a stack x on line 1 already",
		"organization: {}\n---\norganization: {}":                                      "the organization twice",
		"organization: {forbidPersonalProjects: perhaps}":                              "forbidPersonalProjects is a text: write true or false",
		"registries: [{name: x}]":                                                      "a registry has no pattern",
		"registries: [{name: x, pattern: 'https://reg.io'}]":                           "f.yaml:1:33: ",
		"registries: [{name: x, pattern: reg.io/*, disclosure: all}]":                  `there is no disclosure "all"`,
		"registries: [{name: x, pattern: reg.io/*, connector: true}]":                  "connector is true or false: put it in quotes",
		"registries: [{name: x, pattern: reg.io/*, caBundle: [a]}]":                    "caBundle is a list: write a text",
		"a: &a [1]\nstacks: *a":                                                        "aliases are not known here",
		"stacks: [&a {name: x}, *a]":                                                   "aliases are not known here",
		"stacks: [{<<: {name: x}}]":                                                    `a stack has no key "<<"`,
		"stacks: [{? [a] : b, name: x}]":                                               "a key of a stack is a list",
		"stacks:\n  - name: x\n bad":                                                   "this is no YAML",
		"stacks: [{name: !!binary aGVsbG8=}]":                                          "of a kind that is not known here",
		"projects: [{name: p, stack: [a]}]":                                            "stack is a list",
		connector + "    expires: soon":                                                "expires is no date",
		connector + "    secrets: {password: hunter2}":                                 "f.yaml:4:25: the secret password stands in the file",
		connector + "    secrets: {password: 12345678}":                                "the secret password stands in the file",
		connector + "    secrets: {password: [hunter2]}":                               "secret password is a list",
		connector + "    secrets: {password: {value: hunter2}}":                        `secret password has no key "value"`,
		connector + "    secrets: {password: {}}":                                      "neither fromFile nor fromEnv",
		connector + "    secrets: {password: {fromFile: a, fromEnv: B}}":               "or both",
		connector + "    fields: {password: a}\n    secrets: {password: {fromEnv: A}}": "a field already",
		connector + "    fields: [a]":                                                  "fields is a list",
		connector + "    fields: {a: {b: c}}":                                          "field a is an object",
	} {
		_, problems := manifest.Parse("f.yaml", []byte(text))
		var told []string
		for _, p := range problems {
			told = append(told, p.String())
		}
		all := strings.Join(told, "\n")
		if !strings.Contains(all, want) {
			t.Errorf("%q:\n%s\nwant %s", text, all, want)
		}
		if strings.Contains(all, "hunter2") || strings.Contains(all, "12345678") {
			t.Errorf("%q: it shows the secret:\n%s", text, all)
		}
	}
}

func TestTooLong(t *testing.T) {
	t.Parallel()
	if _, problems := manifest.Parse("f.yaml", make([]byte, manifest.MaxFile+1)); len(problems) != 1 || !strings.Contains(problems[0].Text, "longer than") {
		t.Error(problems)
	}
	if _, problems := manifest.Parse("f.yaml", []byte("stacks:\n"+strings.Repeat("- x\n", 5000))); len(problems) == 0 || len(problems) > 100 {
		t.Errorf("%d problems", len(problems))
	}
}

// FuzzParse: whatever comes, it is read or refused with a place; and what is read can be
// written, and then reads the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("stacks: [{name: x, registry: y}]\n---\n- \xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, problems := manifest.Parse("f", data)
		for _, p := range problems {
			if p.Line < 1 || p.Column < 0 || p.Text == "" {
				t.Errorf("%+v", p)
			}
		}
		_, _ = manifest.ParseStack("f", data)
		if len(problems) > 0 {
			return
		}
		first, err := manifest.Write(m)
		if err != nil {
			t.Fatal(err)
		}
		again, problems := manifest.Parse("f", first)
		if len(problems) > 0 && len(m.Connectors)+len(m.Registries)+len(m.Stacks)+len(m.Projects) > 0 {
			t.Fatalf("%v in what was written:\n%s", problems, first)
		}
		if second, err := manifest.Write(again); err != nil || string(first) != string(second) {
			t.Fatalf("%v\n%s\nbecame\n%s", err, first, second)
		}
	})
}
