package worker

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/wire"
)

// fetch brings the run's code and inputs.
func (j *job) fetch(ctx context.Context) error {
	if j.run.Archive != "" {
		if err := j.tell(ctx, j.fetchCode); err != nil {
			return err
		}
	}
	return j.fetchInputs(ctx)
}

// fetchCode unpacks the archive of the working directory.
func (j *job) fetchCode(ctx context.Context) error {
	body, _, err := client.Get(ctx, j.Client, wire.GetHeldArchive, j.hold.path())
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	root, err := os.OpenRoot(j.codeDir())
	if err != nil {
		return failed("opening "+j.codeDir(), err)
	}
	defer func() { _ = root.Close() }()
	unzipped, err := gzip.NewReader(body)
	if err != nil {
		return brokenArchive(err)
	}
	return unpack(tar.NewReader(unzipped), root)
}

// unpack writes an archive's files below root. os.Root keeps every path, through
// whatever links the archive makes, below it.
func unpack(t *tar.Reader, root *os.Root) error {
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return brokenArchive(err)
		}
		if err := unpackOne(t, h, root); err != nil {
			return brokenArchive(fmt.Errorf("%s: %w", fairlead.Clip(h.Name), err))
		}
	}
}

func unpackOne(t *tar.Reader, h *tar.Header, root *os.Root) error {
	name := filepath.Clean(h.Name)
	if name == "." {
		return nil
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	mode := h.FileInfo().Mode().Perm()
	switch h.Typeflag {
	case tar.TypeDir:
		if err := root.MkdirAll(name, 0o777); err != nil {
			return err
		}
		return root.Chmod(name, mode|0o777)
	case tar.TypeReg:
		f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, t)
		return errors.Join(err, f.Chmod(mode|0o666), f.Close())
	case tar.TypeSymlink:
		target := filepath.Join(filepath.Dir(name), h.Linkname) //nolint:gosec // What is made of it is compared, not opened.
		if filepath.IsAbs(h.Linkname) || strings.HasPrefix(target, "..") {
			return errors.New("the link leads out of the directory")
		}
		return root.Symlink(h.Linkname, name)
	default:
		return fmt.Errorf("an entry of type %q has no place in it", h.Typeflag)
	}
}

func brokenArchive(err error) error {
	return &fairlead.Error{
		Kind: fairlead.Invalid, What: "unpacking the code's archive", Why: err.Error(), Remedy: "run `fairlead run` again; it makes the archive anew",
	}
}
