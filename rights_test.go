package fairlead_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	acme  = fairlead.OrganizationID("acme")
	other = fairlead.OrganizationID("other")
)

func user(roles map[fairlead.OrganizationID]fairlead.Role) fairlead.Caller {
	return fairlead.Caller{Subject: fairlead.Subject{Kind: fairlead.UserSubject, ID: "ann", Name: "ann"}, Roles: roles}
}

// TestRightsMatrix is the whole table: every action, by every sort of caller, at every
// sort of place.
func TestRightsMatrix(t *testing.T) {
	t.Parallel()
	callers := []struct {
		name string
		who  fairlead.Caller
	}{
		{"admin", user(map[fairlead.OrganizationID]fairlead.Role{acme: fairlead.Admin})},
		{"member", user(map[fairlead.OrganizationID]fairlead.Role{acme: fairlead.Member})},
		{"outsider", user(map[fairlead.OrganizationID]fairlead.Role{other: fairlead.Admin})},
		{"worker", fairlead.Caller{Subject: fairlead.Subject{Kind: fairlead.WorkerSubject, ID: "w"}, Only: acme}},
		{"worker of other", fairlead.Caller{Subject: fairlead.Subject{Kind: fairlead.WorkerSubject, ID: "w"}, Only: other}},
		{"worker of all", fairlead.Caller{Subject: fairlead.Subject{Kind: fairlead.WorkerSubject, ID: "w"}}},
		{"system", fairlead.System()},
		{"nobody", fairlead.Caller{}},
	}
	places := []struct {
		name string
		at   fairlead.Place
	}{
		{"acme", fairlead.Place{Organization: acme}},
		{"own", fairlead.Place{Owner: "ann"}},
		{"another's own", fairlead.Place{Owner: "bob"}},
		{"nowhere", fairlead.Place{}},
	}
	var b strings.Builder
	for _, a := range fairlead.Actions() {
		fmt.Fprintf(&b, "%s (%s)\n", a, a.Gerund())
		for _, p := range places {
			var yes []string
			for _, c := range callers {
				if err := c.who.May(a, p.at); err == nil {
					yes = append(yes, c.name)
				}
			}
			fmt.Fprintf(&b, "  %-13s %s\n", p.name+":", strings.Join(yes, ", "))
		}
	}
	golden(t, "rights.golden", b.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// TestActionsAreAll finds the actions that are declared and compares them with the
// list: one that isn't in it would be missing in the matrix.
func TestActionsAreAll(t *testing.T) {
	t.Parallel()
	f, err := parser.ParseFile(token.NewFileSet(), "rights.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []fairlead.Action
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			if id, ok := v.Type.(*ast.Ident); ok && id.Name == "Action" {
				for _, x := range v.Values {
					lit, ok := x.(*ast.BasicLit)
					if !ok {
						t.Fatalf("action %s isn't declared with a literal", v.Names[0].Name)
					}
					s, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					declared = append(declared, fairlead.Action(s))
				}
			}
		}
		return true
	})
	if len(declared) < 30 {
		t.Fatalf("found %d declared actions: the search sees too little", len(declared))
	}
	listed := fairlead.Actions()
	slices.Sort(declared)
	slices.Sort(listed)
	if diff := cmp.Diff(declared, listed); diff != "" {
		t.Errorf("declared and listed (-declared +listed):\n%s", diff)
	}
}

func TestUnknownActionIsNobodys(t *testing.T) {
	t.Parallel()
	who := user(map[fairlead.OrganizationID]fairlead.Role{acme: fairlead.Admin})
	if err := who.May("registry.explode", fairlead.Place{Organization: acme}); fairlead.KindOf(err) != fairlead.Denied {
		t.Errorf("an action that isn't in the table: %v, want denied", err)
	}
	if err := fairlead.System().May("registry.explode", fairlead.Place{}); fairlead.KindOf(err) != fairlead.Denied {
		t.Errorf("by the system: %v, want denied", err)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	at := fairlead.Place{Organization: acme}
	for _, row := range []struct {
		name   string
		scopes []fairlead.Action
		only   fairlead.OrganizationID
		action fairlead.Action
		want   fairlead.Kind
	}{
		{"no limit", nil, "", fairlead.RegistryAdd, ""},
		{"the action", []fairlead.Action{"registry.add"}, "", fairlead.RegistryAdd, ""},
		{"the noun", []fairlead.Action{"registry.*"}, "", fairlead.RegistryAdd, ""},
		{"another action", []fairlead.Action{"registry.read"}, "", fairlead.RegistryAdd, fairlead.Denied},
		{"another noun", []fairlead.Action{"run.*"}, "", fairlead.RegistryAdd, fairlead.Denied},
		{"none at all", []fairlead.Action{}, "", fairlead.RegistryRead, fairlead.Denied},
		{"this organization", nil, acme, fairlead.RegistryAdd, ""},
		{"another organization", nil, other, fairlead.RegistryAdd, fairlead.NotFound},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			who := user(map[fairlead.OrganizationID]fairlead.Role{acme: fairlead.Admin, other: fairlead.Admin})
			who.Scopes, who.Only = row.scopes, row.only
			if got := fairlead.KindOf(who.May(row.action, at)); got != row.want {
				t.Errorf("May = %q, want %q", got, row.want)
			}
		})
	}
}

// TestLimitedTokenHasNoPersonalProjects: what a token is limited to, it is limited to.
func TestLimitedTokenHasNoPersonalProjects(t *testing.T) {
	t.Parallel()
	who := user(map[fairlead.OrganizationID]fairlead.Role{acme: fairlead.Admin})
	who.Only = acme
	if err := who.May(fairlead.RunCreate, fairlead.Place{Owner: "ann"}); fairlead.KindOf(err) != fairlead.NotFound {
		t.Errorf("in a personal project: %v, want not found", err)
	}
}

func TestParseScopes(t *testing.T) {
	t.Parallel()
	got, err := fairlead.ParseScopes([]string{"run.*", "lease.pull", "run.*"})
	if diff := cmp.Diff([]fairlead.Action{"lease.pull", "run.*"}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := fairlead.ParseScopes([]string{"run.fly"}); fairlead.KindOf(err) != fairlead.Invalid {
		t.Errorf("an unknown scope: %v, want invalid", err)
	}
	if got, err := fairlead.ParseScopes(nil); got != nil || err != nil {
		t.Errorf("no scopes: %v, %v, want no limit", got, err)
	}
}
