package pgtest_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"fairlead.dev/fairlead/internal/pgtest"
)

func TestURL(t *testing.T) {
	t.Parallel()
	a, b := pgtest.URL(t), pgtest.URL(t)
	if a == b {
		t.Errorf("both are %s", a)
	}
	for _, u := range []string{a, b} {
		c, err := pgx.Connect(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exec(t.Context(), "CREATE TABLE t (n int)"); err != nil {
			t.Errorf("the database isn't empty: %v", err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	s, err := pgtest.Start(t.Context(), pgtest.Config{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	address, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if c, err := pgx.Connect(t.Context(), address); err == nil {
		t.Error("it still answers", c.Close(t.Context()))
	}
	if _, err := os.Stat(directory(t, address)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its files are still there: %v", err)
	}
}

// killed asks the process that runs this test to start a server, say where, and wait to
// be killed.
const killed = "PGTEST_KILLED"

// TestKilled: when a process is killed, its server ends and its files go.
func TestKilled(t *testing.T) {
	t.Parallel()
	if os.Getenv(killed) != "" {
		s, err := pgtest.Start(t.Context(), pgtest.Config{})
		if err != nil {
			t.Fatal(err)
		}
		address, err := s.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("address", address)
		select {}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), killed+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var address string
	if _, err := fmt.Fscanf(out, "address %s\n", &address); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("it ended by itself")
	}
	dir := directory(t, address)
	next := time.NewTicker(10 * time.Millisecond)
	defer next.Stop()
	for _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist); _, err = os.Stat(dir) { // until the test's time is up
		<-next.C
	}
	if c, err := pgx.Connect(t.Context(), address); err == nil {
		t.Error("it still answers", c.Close(t.Context()))
	}
}

func directory(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("host")
}
