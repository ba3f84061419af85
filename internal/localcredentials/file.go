package localcredentials

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxFile is the greatest size of a file that is read, in bytes.
const maxFile = 1 << 20

// file is what was read of one.
type file struct {
	path string
	text []byte
	// note says that others on the machine can read it too.
	note string
}

var errGone = errors.New("it isn't there")

// read reads a regular file, following links: errGone if it isn't there.
func read(path string) (file, error) {
	info, err := os.Stat(path) // before it is opened: opening a pipe would wait
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		return file{}, errGone
	case err != nil:
		return file{}, plain(err)
	case !info.Mode().IsRegular():
		return file{}, errors.New("it isn't a regular file")
	}
	in, err := os.Open(path) //nolint:gosec // It is the user's own, where their client keeps it.
	if err != nil {
		return file{}, plain(err)
	}
	defer func() { _ = in.Close() }()
	b, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	switch {
	case err != nil:
		return file{}, plain(err)
	case len(b) > maxFile:
		return file{}, fmt.Errorf("it is longer than %d KiB", maxFile>>10)
	}
	f := file{path: path, text: trim(b)}
	if info.Mode().Perm()&0o077 != 0 {
		f.note = "other users of this machine may read " + path + ": chmod 600 " + path
	}
	return f, nil
}

// trim takes blanks and a byte order mark away, which az and Windows write.
func trim(b []byte) []byte { return bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\ufeff"))) }

func plain(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// where begins a Found of the file, or gives one that says why it can't be read. there is
// false if it isn't there.
func where(source, path string) (f Found, text []byte, there bool) {
	f = Found{Source: source, Where: path}
	got, err := read(path)
	switch {
	case errors.Is(err, errGone):
		return f, nil, false
	case err != nil:
		return f.no(path+" can't be read: "+err.Error(), "see that it is yours and whole"), nil, true
	}
	if got.note != "" {
		f.Notes = append(f.Notes, got.note)
	}
	return f, got.text, true
}

// under is a path below the first directory that is set.
func (m Machine) under(variable, fallback, name string) string {
	if dir := m.Env(variable); dir != "" {
		return filepath.Join(m.expand(dir), name)
	}
	return filepath.Join(m.Home, fallback, name)
}

// expand is for ~/ as shells and clients have it.
func (m Machine) expand(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(m.Home, rest)
	}
	return path
}

// first is the first of several that isn't empty.
func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}
