package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

// shell runs fairlead as a person would, and shows what it does.
type shell struct {
	fairlead, dir string
	env           []string
}

// newPassword makes a password that nobody else has.
func newPassword() string { return rand.Text() }

// command is fairlead with arguments; it dies with this program.
func (s *shell) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.fairlead, args...)
	cmd.Dir, cmd.Env = s.dir, s.env
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// run shows a command line and runs it.
func (s *shell) run(ctx context.Context, args ...string) error {
	fmt.Println("$ fairlead", line(args))
	cmd := s.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("fairlead %s: %w", args[0], err)
	}
	fmt.Println()
	return nil
}

// line writes arguments as a shell would need them.
func line(args []string) string {
	var words []string
	for _, a := range args {
		if strings.ContainsAny(a, "*' ") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

// serve starts the server, waits until it is ready, and gives what stops it.
func (s *shell) serve(ctx context.Context, args ...string) (func(), error) {
	fmt.Println("$ fairlead", line(args), "&")
	cmd := s.command(ctx, args...)
	out, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan string, 1)
	var read sync.WaitGroup
	read.Go(func() { show(out, ready) })
	var once sync.Once
	stop := func() {
		once.Do(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			read.Wait()
			_ = cmd.Wait()
		})
	}
	url, ok := <-ready
	if !ok {
		stop()
		return nil, errors.New("the server ended before it was ready")
	}
	s.env = append(s.env, "FAIRLEAD_SERVER="+url)
	fmt.Println()
	return stop, nil
}

// show prints what the server says. It tells its URL once the worker inside is there
// too, and ends with the output.
func show(out io.Reader, ready chan<- string) {
	defer close(ready)
	address := regexp.MustCompile(`is ready at (\S+)`)
	url := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m := address.FindStringSubmatch(lines.Text()); m != nil {
			url = m[1]
		}
		fmt.Println(lines.Text())
		if strings.HasPrefix(lines.Text(), "The worker inside") {
			ready <- url
		}
	}
}
