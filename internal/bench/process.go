package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program that the bench has started, and that dies with it.
type process struct {
	cmd *exec.Cmd
	log string
}

// start starts a program; what it says goes into a file.
func (b *bench) start(name string, env []string, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), log: filepath.Join(b.dir, name+".log")} //nolint:noctx // It outlives the call.
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close() //nolint:errcheck // The program has it.
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = out, out, append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return p, p.cmd.Start()
}

// stop ends it.
func (p *process) stop(s syscall.Signal) {
	if p == nil || p.cmd.Process == nil {
		return
	}
	_ = p.cmd.Process.Signal(s)
	done := make(chan struct{})
	go func() { _ = p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-done
	}
	p.cmd.Process = nil
}

// children are the process and those that it has started: nginx serves with others.
func (p *process) children() []int {
	list := []int{p.cmd.Process.Pid}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", list[0], list[0]))
	if err != nil {
		return list
	}
	for word := range strings.FieldsSeq(string(b)) {
		if pid, err := strconv.Atoi(word); err == nil {
			list = append(list, pid)
		}
	}
	return list
}

// cpu is the processor time that it has taken, in seconds (proc(5), stat).
func (p *process) cpu() float64 {
	const ticks = 100
	sum := 0.0
	for _, pid := range p.children() {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		user, _ := strconv.ParseFloat(fields[11], 64)
		system, _ := strconv.ParseFloat(fields[12], 64)
		sum += (user + system) / ticks
	}
	return sum
}

// peak is the most memory that it has had resident, in bytes (proc(5), VmHWM).
func (p *process) peak() float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024
		}
	}
	return 0
}

// patience is how long a program may take until it is ready.
const patience = 30 * time.Second

// ready waits until something listens at an address.
func (p *process) ready(address string) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", address) //nolint:noctx // It answers at once.
		if err == nil {
			return c.Close()
		}
	}
	said, _ := os.ReadFile(p.log)
	return fmt.Errorf("%s didn't begin:\n%s", filepath.Base(p.cmd.Path), said)
}

// says waits until the program has said n lines, and gives them.
func (p *process) says(n int) ([]string, error) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		f, err := os.Open(p.log)
		if err != nil {
			return nil, err
		}
		var lines []string
		for s := bufio.NewScanner(f); s.Scan(); {
			lines = append(lines, s.Text())
		}
		_ = f.Close()
		if len(lines) >= n {
			return lines, nil
		}
	}
	return nil, errors.New("it said nothing")
}

// freeAddress is one that nobody listens at now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // It answers at once.
	if err != nil {
		return "", err
	}
	defer l.Close() //nolint:errcheck // It was only asked for its address.
	return l.Addr().String(), nil
}

// source is a running upstream.
type source struct {
	*process
	closed, open, control string // addresses
}

// upstream starts one; a rate of 0 is as fast as the machine is.
func (b *bench) upstream(rate, per float64, delay time.Duration) (*source, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := b.start("upstream", nil, self, upstreamVerb, "-root", b.tree, "-rate", fmt.Sprint(rate), "-per", fmt.Sprint(per), "-delay", delay.String())
	if err != nil {
		return nil, err
	}
	lines, err := p.says(3)
	if err != nil {
		return nil, err
	}
	return &source{p, lines[0], lines[1], lines[2]}, nil
}

// stats takes what it was asked for since the last time.
func (s *source) stats(ctx context.Context) (st stats, err error) {
	b, err := fetch(ctx, "http://"+s.control+"/stats", "")
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal(b, &st)
}

// hang has it answer nothing any more.
func (s *source) hang(ctx context.Context) error {
	_, err := fetch(ctx, "http://"+s.control+"/hang", "")
	return err
}

func fetch(ctx context.Context, url, login string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	if login != "" {
		req.Header.Set("Authorization", login)
	}
	req.Header.Set("Accept", accepted)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // It was read.
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, res.Status, b)
	}
	return b, err
}
