package sqlite

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/conform"
)

// other names, in the environment of a second process, the store to write to.
const other = "FAIRLEAD_TEST_OTHER_PROCESS"

// writes is how much each process writes.
const writes = 150

// TestOtherProcess is what a second process does: it writes, and says what it has
// written.
func TestOtherProcess(t *testing.T) { //nolint:paralleltest // In its own process it is alone.
	path := os.Getenv(other)
	if path == "" {
		return
	}
	s, err := Open(t.Context(), path, Options{Now: conform.Now})
	if err != nil {
		t.Fatal(err)
	}
	for i := range writes {
		if err := add(t.Context(), s, "other"+strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
		fmt.Println("wrote", i)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// start starts the second process and reads what it says, line by line.
func start(t *testing.T, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOtherProcess$")
	cmd.Env = append(os.Environ(), other+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// TestTwoProcesses: both write all that they want to, at the same time.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f.db")
	s, err := Open(t.Context(), path, Options{Now: conform.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // Not what is tested.
	cmd, said := start(t, path)
	for i := range writes {
		if err := add(t.Context(), s, "mine"+strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	for said.Scan() { // to its end
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	for _, who := range []string{"mine", "other"} {
		for i := range writes {
			if _, err := s.OrganizationByName(t.Context(), fairlead.Name(who+strconv.Itoa(i))); err != nil {
				t.Errorf("%s %d: %v", who, i, err)
			}
		}
	}
	page, err := s.EventsWhere(t.Context(), fairlead.EventQuery{})
	events := page.Events
	if len(events) != 2*writes {
		t.Errorf("%d events, %v", len(events), err)
	}
}

// TestKilled: what a process that was killed said that it had written is there.
func TestKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f.db")
	cmd, said := start(t, path)
	last := -1
	for said.Scan() {
		if _, err := fmt.Sscanf(said.Text(), "wrote %d", &last); err == nil && last == writes/2 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("it ended before it was killed")
	}
	s, err := Open(t.Context(), path, Options{Now: conform.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // Not what is tested.
	for i := range last + 1 {
		if _, err := s.OrganizationByName(t.Context(), fairlead.Name("other"+strconv.Itoa(i))); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	page, err := s.EventsWhere(t.Context(), fairlead.EventQuery{})
	events := page.Events
	if err != nil || len(events) < last+1 {
		t.Errorf("%d events after %d, %v", len(events), last+1, err)
	}
}
