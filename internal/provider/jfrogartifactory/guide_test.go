package jfrogartifactory_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider/jfrogartifactory"
)

// TestGuide holds the guides, and what a shell and a JSON parser make of their commands.
func TestGuide(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, c := range []fairlead.Connector{
		opened("federation", "host", "acme.jfrog.io", "provider_name", "fairlead").Connector,
		opened("access-token", "host", "art.example.com", "username", "ci").Connector,
		opened("basic", "host", "acme.jfrog.io").Connector,
		{Method: "federation"},
	} {
		g := (jfrogartifactory.Provider{}).Guide(c, "https://fairlead.example.com", "org:acme:connector:jf")
		fmt.Fprintf(&b, "# %s\n%s\n%s\n\n", c.Method, (jfrogartifactory.Provider{}).Power(c), g.Intro)
		for _, s := range g.Steps {
			fmt.Fprintf(&b, "## %s (%s)\n%s\n\n", s.Title, s.Language, s.Text)
			if s.Language == "sh" {
				if out, err := exec.CommandContext(t.Context(), "sh", "-n", "-c", s.Text).CombinedOutput(); err != nil {
					t.Errorf("%s: %v %s", s.Title, err, out)
				}
			}
		}
	}
	golden(t, "guide", b.String())
}
