// Package imagefile reads images where they lie on a machine: OCI layouts (directories or
// archives) and what `docker save` writes, each of them maybe compressed. It makes of them
// what can be pushed. What it reads was written by others: no name in it reaches the file
// system, and nothing in it is believed that isn't checked.
package imagefile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
)

// Options are how an image is read.
type Options struct {
	// Name chooses among several: a tag, or a whole name.
	Name string
	// Platforms keeps only these of an image that is there for several; nil keeps all.
	Platforms []oci.Platform
	// Lenient leaves out platforms of which the bytes aren't there, as in what an engine
	// saves that has pulled for its own platform alone.
	Lenient bool
	// Scratch is where what has to be unpacked or compressed is kept until Close. Empty is
	// the machine's directory for such files.
	Scratch string
	// Told hears what is done that takes a while.
	Told func(what string)
}

// Image is one that can be pushed: an [oci.Source].
type Image struct {
	// Name is what the image calls itself: a whole name, or empty.
	Name string
	// Layers are those of the one image, or of all that the index names; without doubles.
	Layers []oci.Descriptor
	// Platforms are what it is for, as far as it says.
	Platforms []string
	// Note says what the image is otherwise than one might expect; empty for nothing.
	Note string

	root      oci.Descriptor
	referrers []oci.Descriptor
	made      map[fairlead.Digest][]byte // what lies in no file: manifests made here
	at        map[fairlead.Digest]string // files, where they aren't in blobs/
	files     files
	scratch   string
}

// Root is the manifest or index.
func (i *Image) Root() oci.Descriptor { return i.root }

// Referrers are the manifests that say something about it.
func (i *Image) Referrers() []oci.Descriptor { return i.referrers }

// Open gives the bytes of a part of it.
func (i *Image) Open(d oci.Descriptor) (io.ReadSeekCloser, error) {
	if b, ok := i.made[d.Digest]; ok {
		return inMemory{bytes.NewReader(b)}, nil
	}
	name, ok := i.at[d.Digest]
	if !ok {
		name = blobPath(d.Digest)
	}
	r, err := i.files.open(name)
	if err != nil {
		return nil, bad("opening "+string(d.Digest), "the image names it, and it isn't there", "save the image again; of an image for several platforms, push those that are there (--platform)")
	}
	return r, nil
}

// Close removes what was unpacked.
func (i *Image) Close() error {
	err := i.files.close()
	if i.scratch != "" {
		err = errors.Join(err, os.RemoveAll(i.scratch))
	}
	return err
}

type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

// Open reads the image at a path: a directory with an OCI layout, or an archive.
func Open(ctx context.Context, path string, o Options) (*Image, error) {
	what := "reading image " + path
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &fairlead.Error{Kind: fairlead.NotFound, What: what, Why: "there is no such file or directory", Remedy: "check the path"}
	case err != nil:
		return nil, bad(what, cause(err), "check the path and your rights to read it")
	case !info.IsDir():
		f, err := os.Open(path) //nolint:gosec // The user names the file.
		if err != nil {
			return nil, bad(what, cause(err), "check your rights to read it")
		}
		return read(ctx, what, f, o)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, bad(what, cause(err), "check your rights to read it")
	}
	i := &Image{files: directory{root}}
	if err := i.layout(what, o); err != nil {
		return nil, errors.Join(err, i.Close())
	}
	return i, nil
}

// Read reads an archive as it comes: what an engine saves. The reader is read to its end.
func Read(ctx context.Context, r io.Reader, name string, o Options) (*Image, error) {
	return read(ctx, "reading image "+name, r, o)
}

func read(ctx context.Context, what string, r io.Reader, o Options) (*Image, error) {
	scratch, err := os.MkdirTemp(o.Scratch, "fairlead-push-")
	if err != nil {
		return nil, bad(what, "there is no room to unpack it: "+cause(err), "set TMPDIR to a directory with room")
	}
	i := &Image{scratch: scratch, files: none{}}
	if err := i.archive(ctx, what, r, o); err != nil {
		return nil, errors.Join(err, i.Close())
	}
	return i, nil
}

// archive reads the files of an archive, and of them the image.
func (i *Image) archive(ctx context.Context, what string, r io.Reader, o Options) error {
	a, err := unpack(ctx, what, r, i.scratch)
	i.files = a
	if err != nil {
		return err
	}
	saved, isLayout := a.has("manifest.json"), a.has("index.json")
	switch {
	case isLayout:
		err := i.layout(what, o)
		if saved && (fairlead.CodeOf(err) == codeOther || err == nil && i.plain()) {
			// Docker's classic store saves its layers as they are unpacked, in a layout too.
			return i.saved(ctx, what, o)
		}
		return err
	case saved:
		return i.saved(ctx, what, o)
	default:
		return bad(what, "it has neither index.json (an OCI layout) nor manifest.json (docker save)", "give an archive that `docker save`, buildah, skopeo or BuildKit wrote")
	}
}

// codeOther is of an image that isn't the one that was meant.
const codeOther = fairlead.CodeNoImage

// plain reports whether a layer isn't compressed.
func (i *Image) plain() bool {
	for _, l := range i.Layers {
		if strings.HasSuffix(l.MediaType, ".tar") {
			return true
		}
	}
	return false
}

// files are where an image's files are, by their names in it.
type files interface {
	open(name string) (io.ReadSeekCloser, error)
	close() error
}

type none struct{}

func (none) open(string) (io.ReadSeekCloser, error) { return nil, fs.ErrNotExist }
func (none) close() error                           { return nil }

// directory is a layout on the disk. No link leads out of it.
type directory struct{ root *os.Root }

func (d directory) open(name string) (io.ReadSeekCloser, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, fs.ErrNotExist
	}
	return f, nil
}

func (d directory) close() error { return d.root.Close() }

// maxDocument is how large a file may be that is read into memory.
const maxDocument = 8 << 20

func (i *Image) document(what, name string) ([]byte, error) {
	r, err := i.files.open(name)
	if err != nil {
		return nil, bad(what, "it has no "+fairlead.Clip(name), "save the image again")
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil || len(b) > maxDocument {
		return nil, bad(what, fmt.Sprintf("its %s can't be read, or has more than %d MiB", fairlead.Clip(name), maxDocument>>20), "save the image again")
	}
	return b, nil
}

func blobPath(d fairlead.Digest) string {
	algorithm, hexed, _ := strings.Cut(string(d), ":")
	return "blobs/" + algorithm + "/" + hexed
}

func bad(what, why, remedy string) error {
	return &fairlead.Error{Kind: fairlead.Invalid, What: what, Why: why, Remedy: remedy}
}

// cause is why the machine refused, without the paths of it.
func cause(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

func (o Options) tell(format string, args ...any) {
	if o.Told != nil {
		o.Told(fmt.Sprintf(format, args...))
	}
}
