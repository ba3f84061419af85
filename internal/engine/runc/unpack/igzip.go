package unpack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// nobody is the user as whom igzip runs: it reads foreign bytes and needs no right.
const nobody = 65534

// pipeSize is how much the kernel holds between igzip and us.
const pipeSize = 1 << 20

// igzip is a process that decompresses.
type igzip struct {
	out  *os.File
	cmd  *exec.Cmd
	said bytes.Buffer
	fed  chan error
	end  func() error
}

func startIgzip(ctx context.Context, in io.Reader, program string) (*decoder, error) {
	inRead, inWrite, err := pipe()
	if err != nil {
		return nil, err
	}
	outRead, outWrite, err := pipe()
	if err != nil {
		return nil, errors.Join(err, inRead.Close(), inWrite.Close())
	}
	z := &igzip{out: outRead, fed: make(chan error, 1)}
	z.end = sync.OnceValue(z.wait)
	z.cmd = exec.CommandContext(ctx, program, "-d", "-c")
	z.cmd.Stdin, z.cmd.Stdout, z.cmd.Stderr, z.cmd.Env, z.cmd.Dir = inRead, outWrite, &z.said, []string{}, "/"
	z.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	err = z.cmd.Start()
	_ = inRead.Close()
	_ = outWrite.Close()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", program, err), inWrite.Close(), outRead.Close())
	}
	go func() {
		// Without the file's own ReadFrom, which copies in small pieces.
		_, err := io.Copy(struct{ io.Writer }{inWrite}, in)
		z.fed <- errors.Join(err, inWrite.Close())
	}()
	return &decoder{Reader: z, stop: z.stop, finish: z.finish}, nil
}

// pipe is a pipe that is as large as it may be.
func pipe() (r, w *os.File, err error) {
	if r, w, err = os.Pipe(); err != nil {
		return nil, nil, err
	}
	if c, err := w.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
	}
	return r, w, nil
}

// Read gives the end only after igzip has said that all was well.
func (z *igzip) Read(b []byte) (int, error) {
	n, err := z.out.Read(b)
	if errors.Is(err, io.EOF) {
		if e := z.end(); e != nil {
			err = e
		}
	}
	return n, err
}

// wait waits for the process and for whoever feeds it.
func (z *igzip) wait() error {
	err := z.cmd.Wait()
	fed := <-z.fed
	_ = z.out.Close()
	switch {
	case err != nil:
		said, _, _ := strings.Cut(strings.TrimSpace(z.said.String()), "\n")
		return content("igzip can't decompress it: %v: %s", err, said)
	case fed != nil:
		return content("igzip can't decompress it: %v", fed)
	}
	return nil
}

func (z *igzip) stop() { _ = z.cmd.Process.Kill() }

func (z *igzip) finish() error {
	z.stop()
	return z.end()
}
