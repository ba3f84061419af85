package manifest

import (
	"fmt"
	"strings"

	"fairlead.dev/fairlead"
)

// Export is what an organization is now, as a file. Each secret is to be found in an
// environment variable; one that isn't set leaves the secret as it is.
func Export(now State) Manifest {
	forbid := now.Organization.ForbidPersonal
	m := Manifest{Organization: &Organization{Name: now.Organization.Name, ForbidPersonal: &forbid}}
	taken := map[string]bool{}
	for _, c := range now.Connectors {
		out := Connector{Name: c.Name, Family: c.Family, Method: c.Method, Expires: date(c.Expires), Fields: c.Public}
		for _, field := range c.Secrets {
			if out.Secrets == nil {
				out.Secrets = map[string]Source{}
			}
			out.Secrets[field] = Source{Env: variable(string(c.Name)+"_"+field, taken)}
		}
		m.Connectors = append(m.Connectors, out)
	}
	for _, g := range now.Registries {
		out := Registry{Name: g.Name, Pattern: g.Pattern.String(), Connector: g.ConnectorName, Push: g.Push, PlainHTTP: g.PlainHTTP, CABundle: g.CABundle}
		if g.Disclosure != fairlead.Scoped {
			out.Disclosure = g.Disclosure
		}
		m.Registries = append(m.Registries, out)
	}
	for _, s := range now.Stacks {
		m.Stacks = append(m.Stacks, Stack{Name: s.Name, Registry: s.RegistryName, Repository: s.Repository, Engine: s.Engine, Queue: s.Queue})
	}
	for _, p := range now.Projects {
		m.Projects = append(m.Projects, Project{Name: p.Name, Stack: p.StackName})
	}
	return m
}

// variable is the name of an environment variable that isn't taken.
func variable(s string, taken map[string]bool) string {
	name := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		if '0' <= r && r <= '9' {
			return r
		}
		return '_'
	}, s)
	name = "FAIRLEAD_SECRET_" + name
	free := name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s_%d", name, n)
	}
	taken[free] = true
	return free
}

// Write writes a file that [Parse] reads.
func Write(m Manifest) ([]byte, error) {
	b, err := encode(m)
	if err != nil {
		return nil, err
	}
	const head = "# What the organization is: `fairlead apply -f` makes it so. Secrets are not in it;\n" +
		"# a variable that isn't set leaves the secret as it is.\n"
	return append([]byte(head), b...), nil
}
