package stepfile

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Each testdata/*.yaml, and beside it what Parse says of it: the problems, the notes,
// and which steps can be built.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := describeFile(Parse(filepath.Base(file), data, Options{}))
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s differs (go test -run Golden -update ./internal/stepfile writes it anew):\n%s", golden, diff)
			}
		})
	}
}

func describeFile(f *File, problems []Problem) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintln(&b, p)
	}
	for _, p := range f.Notes {
		fmt.Fprintln(&b, p)
	}
	for _, s := range f.Steps {
		state := "sound"
		if s.sound() != nil {
			state = "broken"
		}
		fmt.Fprintf(&b, "step %q on line %d: %s\n", s.Name, s.Line, state)
	}
	return b.String()
}
