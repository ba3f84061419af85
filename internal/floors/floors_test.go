package floors_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"fairlead.dev/fairlead/internal/floors"
)

// pkg is what `go list -json` tells of a package.
type pkg struct {
	ImportPath string
	Name       string
	Imports    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Name,Imports", floors.Module+"/...")
	out, err := cmd.Output()
	if err != nil {
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %v\n%s", err, e.Stderr)
		}
		t.Fatal(err)
	}
	var list []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

func short(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, floors.Module), "/")
}

// TestFloors walks the imports of every package.
func TestFloors(t *testing.T) {
	t.Parallel()
	list := packages(t)
	if len(list) < 20 {
		t.Fatalf("go list gave %d packages: the walk sees too little of the house", len(list))
	}
	for _, p := range list {
		from := short(p.ImportPath)
		testRoom := isTestRoom(from)
		if _, ok := floors.Floor(from); !ok && !testRoom {
			t.Errorf("package %s has no floor: give it one in internal/floors", from)
			continue
		}
		for _, imported := range p.Imports {
			if imported != floors.Module && !strings.HasPrefix(imported, floors.Module+"/") {
				continue
			}
			to := short(imported)
			switch {
			case testRoom:
			case isTestRoom(to):
				t.Errorf("%s imports %s, which is for tests", from, to)
			case !floors.Allowed(from, to):
				a, _ := floors.Floor(from)
				b, _ := floors.Floor(to)
				t.Errorf("%s (floor %d) imports %s (floor %d): only floors below may be imported", from, a, to, b)
			}
		}
	}
}

func isTestRoom(path string) bool {
	return slices.ContainsFunc(floors.TestRooms(), func(room string) bool {
		return path == room || strings.HasPrefix(path, room+"/")
	})
}

// TestPlan keeps the plan to packages that there are.
func TestPlan(t *testing.T) {
	t.Parallel()
	var have []string
	for _, p := range packages(t) {
		have = append(have, short(p.ImportPath))
	}
	for path := range floors.Plan() {
		if base, family := strings.CutSuffix(path, "/..."); family {
			if !slices.ContainsFunc(have, func(h string) bool { return strings.HasPrefix(h, base+"/") }) {
				t.Errorf("the plan has %s, and there is no package below %s", path, base)
			}
		} else if !slices.Contains(have, path) {
			t.Errorf("the plan has %q, and there is no such package", path)
		}
	}
}

// TestAllowed shows that the rule can refuse.
func TestAllowed(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		from, to string
		want     bool
	}{
		{"pattern", "ref", true},
		{"ref", "pattern", false},
		{"", "ref", true},
		{"wire", "", true},
		{"internal/oci", "wire", false},
		{"internal/api", "internal/broker", true},
		{"internal/broker", "internal/vault", false},
		{"internal/provider/docker", "internal/provider", true},
		{"internal/provider", "internal/provider/docker", false},
		{"internal/provider/docker", "internal/provider/dockerhub", false},
		{"internal/seal", "internal/provider", false},
		{"internal/engine/runc", "internal/engine/runc/layers", true},
		{"internal/engine/runc/layers", "internal/engine/runc", false},
		{"internal/engine/runc/layers", "internal/engine/runc/unpack", false},
		{"internal/engine/docker", "internal/engine/runc/layers", false},
		{"internal/engine", "internal/engine/runc", false},
		{"internal/unheard-of", "ref", false},
	} {
		if got := floors.Allowed(row.from, row.to); got != row.want {
			t.Errorf("Allowed(%q, %q) = %v, want %v", row.from, row.to, got, row.want)
		}
	}
}
