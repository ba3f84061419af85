package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"fairlead.dev/fairlead/internal/registrytest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"fairlead": main})
}

// TestScripts runs every command as a person would: testdata/script/*.txtar.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("FAIRLEAD_CONFIG_DIR", filepath.Join(env.WorkDir, "config"))
			env.Setenv("NO_COLOR", "1")
			// With the race detector each command would sleep for a second at its end, for the
			// sake of races that are found there (go.dev/doc/articles/race_detector, "Options").
			env.Setenv("GORACE", "atexit_sleep_ms=20")
			env.Values[stopKey{}] = new(func())
			env.Values[registryKey{}] = new(*registrytest.Registry)
			return nil
		},
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"serve": serveCmd, "keep": keepCmd, "exits": exitsCmd, "waitfor": waitforCmd, "registry": registryCmd, "filled": filledCmd, "image": imageCmd},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// serveCmd starts a server in the background and waits until it is ready:
//
//	serve [flags of fairlead serve]
//
// $SERVER is its URL then; it ends with the script. `serve stop` ends it before.
func serveCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("serve can't be negated")
	}
	if len(args) == 1 && args[0] == "stop" {
		stop := *stopOf(ts)
		if stop == nil {
			ts.Fatalf("no server runs")
		}
		stop()
		return
	}
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--data", "data", "--no-worker"}, args...)
	cmd := exec.Command("fairlead", args...)
	cmd.Dir = ts.Getenv("WORK")
	cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	errs, err := cmd.StderrPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	log, err := os.Create(filepath.Join(ts.Getenv("WORK"), "server.log"))
	ts.Check(err)
	url, read := readyAt(errs, log)
	stop := sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		read.Wait()
		_ = cmd.Wait()
		_ = log.Close()
	})
	ts.Defer(stop)
	if url == "" {
		stop()
		b, _ := os.ReadFile(log.Name())
		ts.Fatalf("the server ended before it was ready:\n%s", b)
	}
	ts.Setenv("SERVER", url)
	*stopOf(ts) = stop
}

// stopKey is where a script keeps what stops its server.
type stopKey struct{}

func stopOf(ts *testscript.TestScript) *func() {
	stop, ok := ts.Value(stopKey{}).(*func())
	if !ok {
		ts.Fatalf("the script wasn't set up")
	}
	return stop
}

// readyAt copies the server's output to a log and gives the URL that it says; "" if it
// ended first.
func readyAt(r io.Reader, log io.Writer) (string, *sync.WaitGroup) {
	found := make(chan string, 1)
	var read sync.WaitGroup
	read.Go(func() {
		defer close(found)
		ready := regexp.MustCompile(`is ready at (\S+)`)
		url := ""
		for lines := bufio.NewScanner(r); lines.Scan(); {
			_, _ = fmt.Fprintln(log, lines.Text())
			if m := ready.FindStringSubmatch(lines.Text()); m != nil && url == "" {
				url = m[1]
			}
			// The set-up link, or its absence, comes after: the next line or the first
			// that follows. What is asked of the server waits for it anyhow.
			if url != "" {
				select {
				case found <- url:
				default:
				}
			}
		}
	})
	return <-found, &read
}

// filledCmd starts a registry that ends with the script, in which robot (robot.txt is
// its password) may read team/app:v1 and others:
//
//	filled basic|bearer
//
// $REGISTRY is its host then.
func filledCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: filled basic|bearer")
	}
	robot := registrytest.Account{Name: "robot", Password: strings.TrimSpace(ts.ReadFile("robot.txt")), Rights: registrytest.Everything()}
	reg, err := registrytest.Start(context.Background(), registrytest.Config{Auth: registrytest.Auth(args[0]), Accounts: []registrytest.Account{robot}})
	ts.Check(err)
	ts.Defer(reg.Close)
	for i, name := range []string{"team/app:v1", "team/app:v2", "team/app:latest", "team/other:v1"} {
		image, err := random.Image(int64(100+i), 2)
		ts.Check(err)
		_, err = registrytest.Write(context.Background(), reg, image, name, robot)
		ts.Check(err)
	}
	ts.Setenv("REGISTRY", reg.Host())
}

// keepCmd keeps a match of the last output in a variable: keep NAME REGEXP.
func keepCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: keep NAME REGEXP")
	}
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("%s isn't in the output", args[1])
	}
	ts.Setenv(args[0], m[len(m)-1])
}

// exitsCmd runs a command and compares its exit code: exits CODE COMMAND [ARG...].
func exitsCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if err != nil {
		e, ok := err.(*exec.ExitError) //nolint:errorlint // As os/exec gives it.
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = e.ExitCode()
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// waitforCmd waits until a file is there: waitfor FILE.
func waitforCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor FILE")
	}
	file := ts.MkAbs(args[0])
	dir := filepath.Dir(file)
	for {
		if _, err := os.Stat(file); err == nil {
			return
		}
		// The test's own time limit is the only one.
		cmd := exec.Command("/bin/sh", "-c", `test -d "$0" || exit 0`, dir)
		_ = cmd.Run()
	}
}

// TestEveryCommandHasAScript compares the commands that there are with those that the
// scripts run.
func TestEveryCommandHasAScript(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	files, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatal("there are no scripts", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	var missing []string
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.HasSubCommands() {
			for _, sub := range c.Commands() {
				walk(sub)
			}
		}
		if c.Runnable() && !strings.Contains(c.CommandPath(), "completion") && c.Name() != "help" && !strings.Contains(all.String(), c.CommandPath()) {
			missing = append(missing, c.CommandPath())
		}
	}
	walk(systemApp().rootCommand())
	slices.Sort(missing)
	if len(missing) > 0 {
		t.Errorf("no script runs: %s", strings.Join(missing, ", "))
	}
}
