package imagefile

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"fairlead.dev/fairlead"
)

const (
	// maxFiles bounds how many files an archive may have.
	maxFiles = 20_000
	// maxLinks bounds how many links lead to a file.
	maxLinks = 8
	// An archive may grow so many times, beyond what is harmless, when it is unpacked.
	maxGrowth = 1100 // gzip can't do more than 1032
	harmless  = 1 << 30
)

// archive is the files of an archive. Those of one that isn't compressed stay where they
// are; the others lie in a directory of ours, under numbers: no name of the archive is a
// name on this machine.
type archive struct {
	source *os.File // nil unless entries are in it
	entry  map[string]entry
	links  map[string]string
}

type entry struct {
	path      string // of a file of its own; or
	off, size int64  // in the source
}

func (a *archive) has(name string) bool {
	_, ok := a.find(name)
	return ok
}

// find follows the links of the archive, which is what `docker save` writes for a layer
// that comes twice.
func (a *archive) find(name string) (entry, bool) {
	for range maxLinks {
		if e, ok := a.entry[name]; ok {
			return e, true
		}
		to, ok := a.links[name]
		if !ok {
			break
		}
		name = to
	}
	return entry{}, false
}

func (a *archive) open(name string) (io.ReadSeekCloser, error) {
	e, ok := a.find(name)
	switch {
	case !ok:
		return nil, fs.ErrNotExist
	case e.path != "":
		return os.Open(e.path)
	default:
		return section{io.NewSectionReader(a.source, e.off, e.size)}, nil
	}
}

func (a *archive) close() error {
	if a.source == nil {
		return nil
	}
	return a.source.Close()
}

type section struct{ *io.SectionReader }

func (section) Close() error { return nil }

// unpack reads an archive's files. A file is kept open, if the entries are in it.
func unpack(ctx context.Context, what string, r io.Reader, scratch string) (*archive, error) {
	a := &archive{entry: map[string]entry{}, links: map[string]string{}}
	file, isFile := r.(*os.File)
	counted := &counter{r: r, ctx: ctx}
	head := bufio.NewReaderSize(counted, 64<<10)
	magic, err := head.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return a, bad(what, cause(err), "check the file")
	}
	plain := io.Reader(head)
	switch {
	case isGzip(magic):
		z, err := gzip.NewReader(head)
		if err != nil {
			return a, errors.Join(notArchive(what), closed(file, isFile))
		}
		plain = z
	case isZstd(magic):
		z, err := zstd.NewReader(head, zstd.WithDecoderMaxMemory(256<<20), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return a, errors.Join(notArchive(what), closed(file, isFile))
		}
		defer z.Close()
		plain = z
	case isFile && isRegular(file):
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return a, bad(what, cause(err), "check the file")
		}
		a.source = file
		return a, a.index(ctx, what, file)
	}
	err = a.spool(what, &grown{r: plain, in: counted}, scratch)
	return a, errors.Join(err, closed(file, isFile))
}

func closed(f *os.File, isFile bool) error {
	if isFile {
		return f.Close()
	}
	return nil
}

func isRegular(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}

func isGzip(b []byte) bool { return bytes.HasPrefix(b, []byte{0x1f, 0x8b}) }
func isZstd(b []byte) bool { return bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}) }

func notArchive(what string) error {
	return bad(what, "it is no tar archive, or it is damaged", "give an archive that `docker save`, buildah, skopeo or BuildKit wrote")
}

// index notes where the files are in an archive that isn't compressed.
func (a *archive) index(ctx context.Context, what string, f *os.File) error {
	t := tar.NewReader(f)
	return a.each(what, t, func(name string, h *tar.Header) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		off, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		a.entry[name] = entry{off: off, size: h.Size}
		return nil
	})
}

// spool writes the files of an archive out.
func (a *archive) spool(what string, r io.Reader, scratch string) error {
	t := tar.NewReader(r)
	return a.each(what, t, func(name string, _ *tar.Header) error {
		to := filepath.Join(scratch, "f"+strconv.Itoa(len(a.entry)))
		f, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600) //nolint:gosec // The name is ours.
		if err != nil {
			return err
		}
		if _, err := io.Copy(f, t); err != nil { //nolint:gosec // What grows without measure ends: see grown.
			return errors.Join(err, f.Close())
		}
		a.entry[name] = entry{path: to}
		return f.Close()
	})
}

// each goes through an archive's files.
func (a *archive) each(what string, t *tar.Reader, file func(name string, h *tar.Header) error) error {
	for n := 0; ; n++ {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF) && n > 0:
			return nil
		case err != nil:
			return a.broken(what, err)
		case n == maxFiles:
			return bad(what, fmt.Sprintf("it has more than %d files, which no image needs", maxFiles), "give an archive of one image")
		}
		name := path.Clean("/" + h.Name)[1:]
		switch h.Typeflag {
		case tar.TypeReg:
			for k := range h.PAXRecords {
				if strings.HasPrefix(k, "GNU.sparse.") {
					return bad(what, "it has sparse files, which lie otherwise in it than they are", "save the image again")
				}
			}
			if _, twice := a.entry[name]; twice {
				return bad(what, "it has the file "+strconv.Quote(fairlead.Clip(name))+" twice", "save the image again")
			}
			if err := file(name, h); err != nil {
				return a.broken(what, err)
			}
		case tar.TypeSymlink:
			a.links[name] = path.Clean("/" + path.Join(path.Dir(name), h.Linkname))[1:] //nolint:gosec // It names a file of the archive, and none here.
		case tar.TypeLink:
			a.links[name] = path.Clean("/" + h.Linkname)[1:]
		}
	}
}

func (a *archive) broken(what string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &fairlead.Error{Kind: fairlead.Unavailable, What: what, Why: "it was cancelled"}
	}
	if e, ok := errors.AsType[*fairlead.Error](err); ok {
		return e
	}
	if errors.Is(err, errBomb) {
		return bad(what, "it grows more than a thousandfold when it is unpacked, which no image does", "give an archive that you trust")
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return bad(what, "it can't be unpacked here: "+p.Err.Error(), "set TMPDIR to a directory with room")
	}
	return notArchive(what)
}

var errBomb = errors.New("it grows without end")

// counter counts what is read, as long as somebody wants it.
type counter struct {
	r   io.Reader
	ctx context.Context //nolint:containedctx // It lives for one call of unpack.
	n   int64
}

func (c *counter) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// grown ends what grows without measure.
type grown struct {
	r  io.Reader
	in *counter
	n  int64
}

func (g *grown) Read(b []byte) (int, error) {
	n, err := g.r.Read(b)
	if g.n += int64(n); g.n > harmless && g.n/maxGrowth > g.in.n {
		return 0, errBomb
	}
	return n, err
}
