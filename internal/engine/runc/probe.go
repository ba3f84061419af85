package runc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// probe tries whether containers can be mounted, by the way that they will be.
func (e *Engine) probe() (err error) {
	dir, err := os.MkdirTemp(e.path("tmp"), "probe-")
	if err != nil {
		return failed("opening engine runc", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var said bytes.Buffer
	cmd := e.helper("probe", dir)
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		why, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		if why == "" {
			why = fmt.Sprintf("%s as %s: %v", e.self, HelperName, err)
		}
		return cannot(why, "give the worker a directory on a disk with ext4 or xfs (--dir), outside of any container, or use engine docker")
	}
	return nil
}

// probeMounts makes two layers, lays one over the other and looks at the result. It
// needs all that a real container needs: the rights to mount and to make devices,
// extended attributes, openat2(2), and a file system that overlayfs takes.
func probeMounts(dir string) error {
	in := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	for _, d := range []string{"upper", "work", "root", "l", "l/0", "l/0/opaque", "l/1", "l/1/opaque"} {
		if err := os.Mkdir(in(d), 0o700); err != nil {
			return err
		}
	}
	for _, f := range []string{"l/1/hidden", "l/1/there", "l/1/opaque/hidden"} {
		if err := os.WriteFile(in(f), nil, 0o600); err != nil {
			return err
		}
	}
	if err := unix.Mknod(in("l/0/hidden"), unix.S_IFCHR, 0); err != nil {
		return fmt.Errorf("this process may not make devices: %w", err)
	}
	if err := unix.Setxattr(in("l/0/opaque"), "trusted.overlay.opaque", []byte("y"), 0); err != nil {
		return fmt.Errorf("the file system of %s takes no extended attributes trusted.*: %w", dir, err)
	}
	if err := mountOverlay(dir, 2, 0); err != nil {
		return fmt.Errorf("overlayfs can't be mounted on %s: %w", dir, err)
	}
	for name, want := range map[string]bool{"hidden": false, "there": true, "opaque/hidden": false} {
		if _, err := os.Lstat(in("root", name)); (err == nil) != want {
			return fmt.Errorf("overlayfs on %s doesn't hide what it should: %s: %w", dir, name, err)
		}
	}
	root, err := openRoot(in("root"))
	if err != nil {
		return err
	}
	defer root.close()
	_, err = root.open("there", unix.O_PATH)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return errors.New("the kernel is older than Linux 5.6, or keeps openat2(2) from this process")
	}
	return errors.Join(err, os.WriteFile(in("root", "new"), nil, 0o600))
}
