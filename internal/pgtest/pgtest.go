// Package pgtest runs a real PostgreSQL for tests: one server for a test process, a
// database for each test. It is for tests and scripts only.
package pgtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// bin is where Debian's package puts the server's programs.
const bin = "/usr/lib/postgresql/15/bin"

const remedy = "apt-get install -y --no-install-recommends postgresql-15"

// Config says what sort of server is wanted.
type Config struct {
	// Durable makes the server sync its commits to the disk, as a real one does. It
	// is for benchmarks.
	Durable bool
}

// Server is a running PostgreSQL. It ends, and its files go, when it is stopped or
// when this process ends, however that happens.
type Server struct {
	dir   string
	hold  *os.File   // the server ends when this is closed
	ended chan error // what became of it
	stop  sync.Once
	err   error
}

// User and Password are a server's only login.
const (
	User     = "fairlead"
	Password = "pgtest-password"
)

// shared is the server of this process. It is process-wide because starting one takes
// as long as many tests; nothing of a test outlives its own database.
var shared = sync.OnceValues(func() (*Server, error) {
	return Start(context.Background(), Config{})
})

// URL makes an empty database for the test and gives its address. The database goes
// with the test.
func URL(tb testing.TB) string {
	tb.Helper()
	s, err := shared()
	if err != nil {
		tb.Fatal(err)
	}
	name, err := s.create(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.drop(context.WithoutCancel(tb.Context()), name); err != nil {
			tb.Error(err)
		}
	})
	return s.url(name)
}

// Start starts a server of its own, and returns when it answers.
func Start(ctx context.Context, c Config) (*Server, error) {
	if _, err := os.Stat(filepath.Join(bin, "initdb")); err != nil {
		return nil, fmt.Errorf("starting PostgreSQL 15: %w: install it with: %s", err, remedy)
	}
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	s := &Server{dir: dir, ended: make(chan error, 1)}
	if err := s.start(ctx, c); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return nil, errors.Join(fmt.Errorf("starting PostgreSQL in %s: %w\n%s", dir, err, log), s.Stop(), os.RemoveAll(dir))
	}
	return s, nil
}

// supervise starts the server, waits until its input ends, as it does when the process
// that started it is gone, and cleans up. A death signal (PR_SET_PDEATHSIG) would come
// when the thread ends that started the server, which in Go is any time; and nobody
// would be left to remove the files.
const supervise = `
trap '' INT TERM HUP
"$1/postgres" -D "$2/data" >>"$2/log" 2>&1 </dev/null &
while read -r _; do :; done
kill -QUIT $! 2>/dev/null
wait $!
cd / && rm -rf "$2"
`

func (s *Server) start(ctx context.Context, c Config) error {
	account, err := s.account()
	if err != nil {
		return err
	}
	if err := s.initialise(ctx, account, c); err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close() //nolint:errcheck // The server has its own.
	s.hold = write
	cmd := exec.Command("/bin/sh", "-c", supervise, "sh", bin, s.dir) //nolint:noctx // Constants and a directory of ours; it outlives ctx.
	cmd.Dir, cmd.Stdin, cmd.SysProcAttr = "/", read, account
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { s.ended <- cmd.Wait() }()
	return s.wait(ctx)
}

// account says as whom the server runs: PostgreSQL refuses to be root.
func (s *Server) account() (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setsid: true} // what interrupts the test doesn't reach it: its end of the pipe does
	if os.Geteuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("%w: install it with: %s", err, remedy)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(s.dir, int(uid), int(gid))
}

// initialise makes the server's files. It listens in its own directory only, which
// nobody else can enter.
func (s *Server) initialise(ctx context.Context, account *syscall.SysProcAttr, c Config) error {
	secret := filepath.Join(s.dir, "password")
	if err := os.WriteFile(secret, []byte(Password), 0o600); err != nil {
		return err
	}
	if account.Credential != nil {
		if err := os.Chown(secret, int(account.Credential.Uid), int(account.Credential.Gid)); err != nil {
			return err
		}
	}
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--pgdata", filepath.Join(s.dir, "data"),
		"--username", User, "--pwfile", secret, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = "/", account
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	settings := []string{
		"listen_addresses = ''", "unix_socket_directories = '" + s.dir + "'", "max_connections = 400", "shared_buffers = '256MB'",
		"max_wal_size = '2GB'", "autovacuum_naptime = '10s'", "deadlock_timeout = '100ms'",
	}
	if !c.Durable {
		settings = append(settings, "fsync = off", "full_page_writes = off", "synchronous_commit = off")
	}
	f, err := os.OpenFile(filepath.Join(s.dir, "data", "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("\n" + strings.Join(settings, "\n") + "\n")
	return errors.Join(err, f.Close())
}

// wait waits until the server answers or is gone.
func (s *Server) wait(ctx context.Context) error {
	next := time.NewTicker(10 * time.Millisecond)
	defer next.Stop()
	for {
		if err := s.exec(ctx, "SELECT 1"); err == nil {
			return nil
		}
		select {
		case <-next.C:
		case err := <-s.ended:
			s.ended <- err
			return fmt.Errorf("it ended at once: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Create makes an empty database and gives its address.
func (s *Server) Create(ctx context.Context) (string, error) {
	name, err := s.create(ctx)
	return s.url(name), err
}

func (s *Server) create(ctx context.Context) (string, error) {
	name := "t" + strings.ToLower(rand.Text())
	return name, s.exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+" TEMPLATE template0")
}

func (s *Server) drop(ctx context.Context, name string) error {
	return s.exec(ctx, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
}

func (s *Server) exec(ctx context.Context, statement string) error {
	c, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, statement)
	return errors.Join(err, c.Close(ctx))
}

func (s *Server) url(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(User, Password), Path: "/" + database,
		RawQuery: url.Values{"host": {s.dir}}.Encode(),
	}
	return u.String()
}

// Stop ends the server, removes its files, and returns when both is done.
func (s *Server) Stop() error {
	s.stop.Do(func() {
		if s.hold == nil {
			return
		}
		s.err = errors.Join(s.hold.Close(), <-s.ended)
	})
	return s.err
}
