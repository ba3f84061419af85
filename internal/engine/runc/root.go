package runc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// root is a container's root directory. Paths below it are resolved as the container
// resolves them: its links don't lead out.
type root struct{ dir *os.File }

func openRoot(dir string) (*root, error) {
	d, err := os.Open(dir) //nolint:gosec // The engine's own.
	if err != nil {
		return nil, err
	}
	return &root{d}, nil
}

func (r *root) close() { _ = r.dir.Close() }

// open opens a path below the root.
func (r *root) open(name string, flags uint64) (*os.File, error) {
	return openIn(r.dir, name, flags, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
}

// openIn is openat2(2).
func openIn(dir *os.File, name string, flags, resolve uint64) (*os.File, error) {
	if name = strings.TrimLeft(path.Clean(name), "/"); name == "" {
		name = "."
	}
	for {
		fd, err := unix.Openat2(int(dir.Fd()), name, &unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: resolve})
		// EAGAIN: something was renamed or mounted meanwhile, anywhere.
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("opening /%s: %w", name, err)
		}
		return os.NewFile(uintptr(fd), name), nil
	}
}

// maxAccounts bounds /etc/passwd and /etc/group, in bytes.
const maxAccounts = 4 << 20

// read reads a file of the image's accounts. One that isn't there is empty.
func (r *root) read(name string) (string, error) {
	// Opened as a path first: to open a device or a pipe may do something.
	f, err := r.open(name, unix.O_PATH)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // It was only read.
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no file: %w", name, err)
	}
	opened, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return "", err
	}
	defer opened.Close() //nolint:errcheck // as above
	b, err := io.ReadAll(io.LimitReader(opened, maxAccounts))
	return string(b), err
}

// furnish does what depends on the image's files: the user, whose home HOME is, and the
// working directory.
func (r *root) furnish(p *plan) error {
	passwd, err := r.read("/etc/passwd")
	if err != nil {
		return err
	}
	group, err := r.read("/etc/group")
	if err != nil {
		return err
	}
	u, err := lookUp(p.User, passwd, group)
	if err != nil {
		return err
	}
	process := p.Spec.Process
	process.User = specs.User{UID: u.uid, GID: u.gid, AdditionalGids: u.groups}
	if u.uid != 0 {
		// As Docker has it: what isn't root has no capabilities, but may get them from
		// a file's, were it not for no_new_privs.
		process.Capabilities.Effective, process.Capabilities.Permitted = nil, nil
	}
	if !slices.ContainsFunc(process.Env, func(v string) bool { return strings.HasPrefix(v, "HOME=") }) {
		process.Env = append(process.Env, "HOME="+u.home)
	}
	return r.makeDirs(process.Cwd)
}

// makeDirs makes a directory and those above it.
func (r *root) makeDirs(dir string) error {
	made := ""
	for part := range strings.FieldsFuncSeq(dir, func(c rune) bool { return c == '/' }) {
		in, err := r.open(made, unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		err = unix.Mkdirat(int(in.Fd()), part, 0o755)
		_ = in.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("making the working directory %s: %w", dir, err)
		}
		made = path.Join(made, part)
	}
	in, err := r.open(made, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return fmt.Errorf("making the working directory %s: %w", dir, err)
	}
	return in.Close()
}
