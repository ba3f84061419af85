package nearest_test

import (
	"strings"
	"testing"

	"fairlead.dev/fairlead/internal/nearest"
)

func TestName(t *testing.T) {
	t.Parallel()
	candidates := []string{"repository", "registry", "engine", "plain-http"}
	for name, want := range map[string]string{
		"regsitr": "registry", "REGISTRY": "registry", "repositroy": "repository", "plain_http": "plain-http", "engin": "engine",
		"": "", "queue": "", strings.Repeat("registry", 20): "",
	} {
		if got := nearest.Name(name, candidates); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
