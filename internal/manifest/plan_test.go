package manifest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/manifest"
	"fairlead.dev/fairlead/pattern"
)

func covers(t *testing.T, s string) pattern.Pattern {
	t.Helper()
	p, err := pattern.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func providers() []fairlead.ProviderInfo {
	fields := []fairlead.Field{
		{Name: "hosts", Required: true}, {Name: "username"}, {Name: "external_id", Generated: true}, {Name: "password", Secret: true},
	}
	return []fairlead.ProviderInfo{
		{Family: "docker", Methods: []fairlead.Method{{Name: "basic", Fields: fields}, {Name: "bearer", Fields: fields[:1]}}},
		{Family: "docker-hub", Methods: []fairlead.Method{{Name: "access-token", Fields: fields[1:2]}}},
	}
}

func acme(t *testing.T) manifest.State {
	t.Helper()
	return manifest.State{
		Organization: fairlead.Organization{ID: "o", Name: "acme"},
		Connectors: []fairlead.Connector{
			{ID: "c", Name: "main", Family: "docker", Method: "basic", Public: map[string]string{"hosts": "reg.io", "username": "robot", "external_id": "made"}, Secrets: []string{"password"}, Expires: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)},
			{ID: "d", Name: "ma.in", Family: "docker", Method: "basic", Secrets: []string{"password"}, Expires: time.Date(2027, 1, 31, 1, 2, 3, 4000, time.UTC)},
		},
		Registries: []fairlead.Registry{
			{ID: "g", Name: "main", Pattern: covers(t, "reg.io/team/*"), Connector: "c", ConnectorName: "main", Disclosure: fairlead.Scoped},
			{ID: "h", Name: "odd", Pattern: covers(t, "*.reg.io/team-*"), Disclosure: fairlead.StoredSecret, CABundle: "-----BEGIN\nx\n"},
		},
		Stacks: []fairlead.Stack{
			{ID: "s", Name: "gpu", Registry: "g", RegistryName: "main", Repository: "reg.io/team", Engine: "docker", Queue: "gpu"},
			{ID: "t", Name: "plain"},
		},
		Projects:  []fairlead.Project{{ID: "p", Name: "train", Organization: "o", Stack: "s", StackName: "gpu"}, {ID: "q", Name: "other", Organization: "o"}},
		Providers: providers(),
	}
}

// written is a plan in short: "+kind name field=value, ...".
func written(changes []manifest.Change) []string {
	var list []string
	for _, c := range changes {
		s := map[manifest.Action]string{manifest.Add: "+", manifest.Alter: "~", manifest.Remove: "-"}[c.Action] + string(c.Kind) + " " + string(c.Name)
		for _, d := range c.Details {
			s += fmt.Sprintf(" %s:%s>%s", d.Field, d.Was, d.Is)
		}
		list = append(list, s)
	}
	return list
}

// TestExportIsPresent: what is exported changes nothing, with and without --prune.
func TestExportIsPresent(t *testing.T) {
	t.Parallel()
	now := acme(t)
	b, err := manifest.Write(manifest.Export(now))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"FAIRLEAD_SECRET_MAIN_PASSWORD\n", "FAIRLEAD_SECRET_MA_IN_PASSWORD\n"} {
		if !strings.Contains(string(b), name) {
			t.Errorf("%s isn't in:\n%s", name, b)
		}
	}
	kept := map[string]manifest.SecretState{"password": manifest.SecretSame}
	for _, prune := range []bool{false, true} {
		changes, problems := manifest.Plan("f", parsed(t, string(b)), now, manifest.Secrets{"main": kept, "ma.in": kept}, prune)
		if len(problems) > 0 || len(changes) > 0 {
			t.Errorf("prune %t: %v %v\n%s", prune, problems, written(changes), b)
		}
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file    string
		secrets manifest.Secrets
		prune   bool
		want    []string
	}{
		"nothing of the kind":        {file: "projects: []", want: nil},
		"settings":                   {file: "organization: {forbidPersonalProjects: true}", want: []string{"~organization acme forbidPersonalProjects:false>true"}},
		"settings that aren't there": {file: "organization: {name: acme}", want: nil},
		"all new, in order": {
			file: "projects: [{name: new, stack: fast}]\nstacks: [{name: fast, registry: hub, engine: runc}]\nregistries: [{name: hub, pattern: docker.io/acme/*, connector: hub}]\n" +
				"connectors: [{name: hub, family: docker-hub, fields: {username: acme}}]",
			want: []string{
				"+connector hub family:>docker-hub method:>access-token username:>acme",
				"+registry hub pattern:>docker.io/acme/* connector:>hub disclosure:>scoped",
				"+stack fast registry:>hub repository:>docker.io/acme engine:>runc",
				"+project new stack:>fast",
			},
		},
		"connector, and what the house made stays": {
			file:    "connectors: [{name: main, family: docker, fields: {hosts: other.io}, secrets: {password: {fromEnv: X}}}]",
			secrets: manifest.Secrets{"main": {"password": manifest.SecretSame}},
			want:    []string{"~connector main hosts:reg.io>other.io username:robot> expires:2027-01-31> password:>kept"},
		},
		"another secret alone": {
			file:    "connectors: [{name: main, family: docker, expires: 2027-01-31, fields: {hosts: reg.io, username: robot}, secrets: {password: {fromEnv: X}}}]",
			secrets: manifest.Secrets{"main": {"password": manifest.SecretDifferent}},
			want:    []string{"~connector main password:>would be replaced"},
		},
		"stack loses what isn't named": {file: "stacks: [{name: gpu}]", want: []string{"~stack gpu registry:main> repository:reg.io/team> engine:docker> queue:gpu>"}},
		"project loses its stack":      {file: "projects: [{name: train}]", want: []string{"~project train stack:gpu>"}},
		"pattern, and where stacks push with it": {
			file: "registries: [{name: main, pattern: reg.io/b/*, connector: main}]\nstacks: [{name: gpu, registry: main, engine: docker, queue: gpu}]",
			want: []string{"~registry main pattern:reg.io/team/*>reg.io/b/*", "~stack gpu repository:reg.io/team>reg.io/b"},
		},
		"prune goes the other way round": {
			file: "organization: {}\nprojects: []\nstacks: []\nregistries: []\nconnectors: []", prune: true,
			want: []string{"-project train", "-project other", "-stack gpu", "-stack plain", "-registry main", "-registry odd", "-connector main", "-connector ma.in"},
		},
		"prune keeps other kinds": {
			file: "projects: [{name: train, stack: gpu}]", prune: true, want: []string{"-project other"},
		},
		"an entry goes before the one that takes its pattern": {
			file: "registries: [{name: main, pattern: reg.io/team/*, connector: main}, {name: new, pattern: '*.reg.io/team-*'}]", prune: true,
			want: []string{"-registry odd", "+registry new pattern:>*.reg.io/team-* disclosure:>scoped"},
		},
		"CA": {
			file: "registries: [{name: odd, pattern: '*.reg.io/team-*', disclosure: secret, push: true, plainHTTP: true, caBundle: longer}]",
			want: []string{"~registry odd push:>true plainHTTP:>true caBundle:13 bytes>6 bytes (another text)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changes, problems := manifest.Plan("f", parsed(t, c.file), acme(t), c.secrets, c.prune)
			if diff := cmp.Diff(c.want, written(changes)); diff != "" || len(problems) > 0 {
				t.Errorf("%v\n%s", problems, diff)
			}
		})
	}
}

func TestPlanProblems(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"organization: {name: other}":                                                            "f:1:15: the file is about organization other, and it is applied to acme",
		"connectors: [{name: main, family: docker-hub}]":                                         "connector main is of family docker, and the file says docker-hub",
		"connectors: [{name: n, family: dockr}]":                                                 `there is no family "dockr": did you mean docker?`,
		"connectors: [{name: n, family: docker}]":                                                "family docker has several: add method: basic, bearer",
		"connectors: [{name: n, family: docker, method: basik}]":                                 `no method "basik": did you mean basic?`,
		"connectors: [{name: n, family: docker, method: basic, fields: {usernam: x}}]":           `no field "usernam": did you mean username?`,
		"connectors: [{name: n, family: docker, method: basic, fields: {password: hunter2}}]":    "f:1:64: the secret password stands in the file",
		"connectors: [{name: n, family: docker, method: basic, secrets: {hosts: {fromEnv: A}}}]": "hosts is no secret: write it under fields",
		"registries: [{name: n, pattern: reg.io/*, connector: nobody}]":                          "registry n names connector nobody, which isn't there",
		"stacks: [{name: n, registry: nobody}]":                                                  "stack n names registry nobody, which isn't there",
		"stacks: [{name: n, registry: odd}]":                                                     "names no single place: add repository",
		"stacks: [{name: n, repository: reg.io/x}]":                                              "a repository and no registry",
		"projects: [{name: n, stack: nobody}]":                                                   "project n names stack nobody",
	} {
		changes, problems := manifest.Plan("f", parsed(t, file), acme(t), nil, false)
		if len(problems) != 1 || !strings.Contains(problems[0].String(), want) || changes != nil {
			t.Errorf("%s: %v %v; want %s", file, problems, written(changes), want)
		}
		if strings.Contains(fmt.Sprint(problems), "hunter2") {
			t.Errorf("%s: it shows the secret: %v", file, problems)
		}
	}
	// What is about to go can't be named.
	_, problems := manifest.Plan("f", parsed(t, "stacks: []\nprojects: [{name: train, stack: gpu}]"), acme(t), nil, true)
	if len(problems) != 1 {
		t.Error(problems)
	}
}

func TestStackFile(t *testing.T) {
	t.Parallel()
	now := acme(t)
	for i, g := range []*fairlead.Registry{&now.Registries[0], nil} {
		b, err := manifest.WriteStack(now.Stacks[i], g)
		if err != nil {
			t.Fatal(err)
		}
		s, problems := manifest.ParseStack("f", b)
		if len(problems) > 0 || s.Name != now.Stacks[i].Name || (s.Registry == nil) != (g == nil) || s.Repository != now.Stacks[i].Repository {
			t.Errorf("%v %+v:\n%s", problems, s, b)
		}
	}
	for text, want := range map[string]string{
		"": "doesn't hold one stack", "stack: {name: a}\n---\nstack: {name: b}": "doesn't hold one stack", "stacks: []": `no key "stacks"`,
		"stack: {name: a, registry: main}": "the registry is a text", "stack: {name: a, registry: {name: m}}": "the registry has no pattern",
	} {
		if _, problems := manifest.ParseStack("f", []byte(text)); len(problems) == 0 || !strings.Contains(fmt.Sprint(problems), want) {
			t.Errorf("%q: %v", text, problems)
		}
	}
}
