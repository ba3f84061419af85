package e2e

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestSoak is three minutes of what `make soak` does for an hour.
func TestSoak(t *testing.T) {
	t.Parallel()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	soak := filepath.Join(t.TempDir(), "bench")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", soak, "fairlead.dev/fairlead/internal/bench").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), soak, "-binary", bin, "-soak", "3m", "-scale", "0.01", "-strict", "-dir", t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
