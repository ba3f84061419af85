package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/blob"
)

// Keeper is a [blob.Keeper] in a bucket. What is being written waits on the local disk
// until its digest is known.
type Keeper struct {
	bucket *Bucket
	dir    string
}

// NewKeeper makes one that writes by way of a directory, which it makes if need be.
func NewKeeper(b *Bucket, dir string) (*Keeper, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, local("making", dir, err)
	}
	return &Keeper{b, dir}, nil
}

func local(doing, dir string, err error) error {
	e := &fairlead.Error{Kind: fairlead.Unavailable, What: doing + " blob below " + dir, Why: "the disk refuses it", Remedy: "make room on the disk, or look after it"}
	return e.Because(err)
}

// Name is what the object of a digest is called: sha256/ab/abcdef...
func Name(digest fairlead.Digest) string {
	algorithm, hexed, _ := strings.Cut(string(digest), ":")
	return algorithm + "/" + hexed[:min(2, len(hexed))] + "/" + hexed
}

// name is that of a digest that a keeper may have.
func name(digest fairlead.Digest) (string, bool) {
	hexed, ok := strings.CutPrefix(string(digest), "sha256:")
	if b, err := hex.DecodeString(hexed); !ok || err != nil || len(b) != sha256.Size || strings.ToLower(hexed) != hexed {
		return "", false
	}
	return Name(digest), true
}

func notKept(digest fairlead.Digest) error {
	return &fairlead.Error{Kind: fairlead.NotFound, What: "opening blob", Why: "there is no blob " + fairlead.Clip(string(digest))}
}

// Open reads a blob. Seeking costs a request when the next byte is read.
func (k *Keeper) Open(ctx context.Context, digest fairlead.Digest) (io.ReadSeekCloser, error) {
	n, ok := name(digest)
	if !ok {
		return nil, notKept(digest)
	}
	body, size, err := k.bucket.Get(ctx, n, 0, -1)
	if fairlead.KindOf(err) == fairlead.NotFound {
		return nil, notKept(digest)
	}
	if err != nil {
		return nil, err
	}
	return &reader{ctx: ctx, bucket: k.bucket, name: n, size: size, body: body}, nil
}

// Create begins a blob.
func (k *Keeper) Create(context.Context) (blob.Writer, error) {
	f, err := os.CreateTemp(k.dir, "blob-*")
	if err != nil {
		return nil, local("creating", k.dir, err)
	}
	_ = os.Remove(f.Name()) // nobody finds it after a crash, and the disk has its room again
	return &writer{keeper: k, file: f, hash: sha256.New()}, nil
}

// Remove forgets a blob.
func (k *Keeper) Remove(ctx context.Context, digest fairlead.Digest) error {
	n, ok := name(digest)
	if !ok {
		return nil
	}
	return k.bucket.Remove(ctx, n)
}

// reader reads one object. The request that is open goes on as long as nobody seeks.
type reader struct {
	ctx    context.Context //nolint:containedctx // Read takes none, and a reader lives as long as its call.
	bucket *Bucket
	name   string
	size   int64
	pos    int64 // where the next Read begins
	at     int64 // where body is
	body   io.ReadCloser
}

func (r *reader) Read(p []byte) (int, error) {
	if r.pos >= r.size {
		return 0, io.EOF
	}
	if r.body == nil || r.at != r.pos {
		r.drop()
		body, _, err := r.bucket.Get(r.ctx, r.name, r.pos, -1)
		if err != nil {
			return 0, err
		}
		r.body, r.at = body, r.pos
	}
	n, err := r.body.Read(p)
	r.pos += int64(n)
	r.at = r.pos
	switch {
	case err != nil && r.pos >= r.size:
		return n, io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return n, r.bucket.failed(r.ctx, "reading", r.name, err)
	}
	return n, nil
}

func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, &fairlead.Error{Kind: fairlead.Invalid, What: "reading blob", Why: "it has no byte before its first"}
	}
	r.pos = offset
	return offset, nil
}

func (r *reader) drop() {
	if r.body != nil {
		_ = r.body.Close()
		r.body = nil
	}
}

func (r *reader) Close() error {
	r.drop()
	return nil
}

type writer struct {
	keeper *Keeper
	file   *os.File
	hash   hash.Hash
	size   int64
}

func (w *writer) Write(b []byte) (int, error) {
	n, err := w.file.Write(b)
	_, _ = w.hash.Write(b[:n])
	w.size += int64(n)
	if err != nil {
		err = local("writing", w.keeper.dir, err)
	}
	return n, err
}

func (w *writer) Digest() fairlead.Digest {
	return fairlead.Digest("sha256:" + hex.EncodeToString(w.hash.Sum(nil)))
}

// Commit uploads the blob.
func (w *writer) Commit(ctx context.Context, digest fairlead.Digest) error {
	if got := w.Digest(); got != digest {
		return &fairlead.Error{
			Kind: fairlead.Invalid, Code: fairlead.CodeDigest, What: "keeping blob", Why: fmt.Sprintf("the bytes have digest %s, not %s", got, fairlead.Clip(string(digest))),
			Remedy: "send the bytes that the digest was made of",
		}
	}
	if err := w.keeper.bucket.Put(ctx, Name(digest), w.file, w.size); err != nil {
		return err
	}
	return w.Close()
}

func (w *writer) Close() error {
	_ = w.file.Close()
	return nil
}
