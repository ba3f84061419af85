package worker

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
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
		if err := j.fetchCode(ctx); err != nil {
			return err
		}
	}
	return j.fetchInputs(ctx)
}

// fetchCode downloads the archive of the working directory, as often as that is cut
// short. Only when it is whole is anything unpacked.
func (j *job) fetchCode(ctx context.Context) error {
	file := filepath.Join(j.dir, "archive")
	defer func() { _ = os.Remove(file) }()
	if err := j.tell(ctx, func(ctx context.Context) error { return j.download(ctx, file) }); err != nil {
		return err
	}
	f, err := os.Open(file) //nolint:gosec // The worker's own.
	if err != nil {
		return failed("opening "+file, err)
	}
	defer func() { _ = f.Close() }()
	root, err := os.OpenRoot(j.codeDir())
	if err != nil {
		return failed("opening "+j.codeDir(), err)
	}
	defer func() { _ = root.Close() }()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return brokenArchive(err)
	}
	return unpack(tar.NewReader(unzipped), root)
}

// download writes the archive to a file: [fairlead.Unavailable] if it isn't whole.
func (j *job) download(ctx context.Context, file string) error {
	body, _, err := client.Get(ctx, j.Client, wire.GetHeldArchive, j.hold.path())
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	f, err := os.Create(file) //nolint:gosec // The worker's own.
	if err != nil {
		return failed("writing "+file, err)
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, h), body)
	if err = errors.Join(err, f.Close()); err != nil {
		return &fairlead.Error{Kind: fairlead.Unavailable, What: "downloading the code's archive", Why: innermost(err), Remedy: "try again"}
	}
	if got := fairlead.Digest("sha256:" + hex.EncodeToString(h.Sum(nil))); got != j.run.Archive {
		return &fairlead.Error{
			Kind: fairlead.Unavailable, Code: fairlead.CodeDigest, What: "downloading the code's archive", Why: fmt.Sprintf("its digest is %s, and the run's is %s", got, j.run.Archive),
			Remedy: "look at the server's disk and at what is in between",
		}
	}
	return nil
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
