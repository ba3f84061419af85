package client

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing/format/gitignore"

	"fairlead.dev/fairlead"
)

// Packed says what is in an archive.
type Packed struct {
	Files int
	Bytes int64 // before compression
}

// Pack writes the archive (tar, gzip) of a working directory: every file that git
// wouldn't ignore, sorted, without times and owners, so that the same files give the
// same bytes. Links are packed as links; those that lead out of the directory, and
// what is neither file, directory nor link, are [fairlead.Invalid].
func Pack(ctx context.Context, dir string, w io.Writer) (Packed, error) {
	patterns, err := gitignore.ReadPatterns(osfs.New(dir), nil)
	if err != nil {
		return Packed{}, packError(dir, err)
	}
	zipped := gzip.NewWriter(w)
	p := &packer{dir: dir, ignored: gitignore.NewMatcher(patterns), tar: tar.NewWriter(zipped)}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return p.visit(path, d, err)
	})
	if err == nil {
		err = errors.Join(p.tar.Close(), zipped.Close())
	}
	return p.packed, packError(dir, err)
}

type packer struct {
	dir     string
	ignored gitignore.Matcher
	tar     *tar.Writer
	packed  Packed
}

// visit packs one entry of the tree, which the walk gives in lexical order.
func (p *packer) visit(path string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	name, err := filepath.Rel(p.dir, path)
	if err != nil || name == "." {
		return err
	}
	name = filepath.ToSlash(name)
	if name == ".git" || p.ignored.Match(strings.Split(name, "/"), d.IsDir()) {
		if d.IsDir() {
			return filepath.SkipDir
		}
		return nil
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: name, ModTime: time.Unix(0, 0), Mode: 0o644, Format: tar.FormatPAX}
	switch {
	case d.IsDir():
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, name+"/", 0o755
		return p.tar.WriteHeader(h)
	case d.Type()&fs.ModeSymlink != 0:
		return p.link(h, path, name)
	case info.Mode().IsRegular():
		return p.file(h, path, info)
	default:
		return errors.New(name + " is neither a file nor a directory nor a link")
	}
}

func (p *packer) link(h *tar.Header, path, name string) error {
	target, err := os.Readlink(path)
	if err != nil {
		return err
	}
	if filepath.IsAbs(target) || strings.HasPrefix(filepath.Join(filepath.Dir(name), target), "..") {
		return errors.New("link " + name + " leads out of the directory: list it in .gitignore")
	}
	h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, target, 0o777
	return p.tar.WriteHeader(h)
}

func (p *packer) file(h *tar.Header, path string, info fs.FileInfo) error {
	f, err := os.Open(path) //nolint:gosec // A file of the user's directory.
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if info.Mode()&0o111 != 0 {
		h.Mode = 0o755
	}
	if err := p.tar.WriteHeader(h); err != nil {
		return err
	}
	// A file that is written to meanwhile is packed as long as it was.
	n, err := io.Copy(p.tar, io.LimitReader(f, h.Size))
	if err == nil && n < h.Size {
		err = errors.New(h.Name + " became shorter while it was read")
	}
	p.packed.Files++
	p.packed.Bytes += n
	return err
}

func packError(dir string, err error) error {
	if err == nil {
		return nil
	}
	why := err.Error()
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		why = e.Path + ": " + e.Err.Error()
	}
	return &fairlead.Error{Kind: fairlead.Invalid, What: "packing " + dir, Why: why, Remedy: "mend it, or list it in .gitignore"}
}
