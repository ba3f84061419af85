package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/gateway"
)

type interim struct {
	dir    string
	mu     sync.Mutex
	flying map[fairlead.Digest]*interimFlight
}

type interimFlight struct {
	done chan struct{}
	err  error
}

func newInterim(dir string) (*interim, error) {
	return &interim{dir: dir, flying: map[fairlead.Digest]*interimFlight{}}, os.MkdirAll(dir, 0o700)
}

func (d *interim) path(g fairlead.Digest) string {
	return filepath.Join(d.dir, strings.Replace(string(g), ":", "-", 1))
}

func (d *interim) Put(_ context.Context, g fairlead.Digest, _ fairlead.OrganizationID, b []byte) error {
	return d.store(g, bytes.NewReader(b))
}

func (d *interim) store(g fairlead.Digest, r io.Reader) error {
	f, err := os.CreateTemp(d.dir, "tmp-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	var h hash.Hash = sha256.New()
	if strings.HasPrefix(string(g), "sha512:") {
		h = sha512.New()
	}
	if _, err := io.Copy(io.MultiWriter(f, h), r); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if !strings.HasSuffix(string(g), ":"+hex.EncodeToString(h.Sum(nil))) {
		return &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeDigest, What: "filling", Why: "wrong digest"}
	}
	return os.Rename(f.Name(), d.path(g))
}

func (d *interim) Get(ctx context.Context, g fairlead.Digest, _ int64, _ fairlead.OrganizationID, src gateway.Source) (gateway.Blob, error) {
	if f, err := os.Open(d.path(g)); err == nil {
		return &interimBlob{f: f, hit: true}, nil
	}
	d.mu.Lock()
	fl := d.flying[g]
	if fl == nil {
		fl = &interimFlight{done: make(chan struct{})}
		d.flying[g] = fl
		go func() {
			defer close(fl.done)
			p, err := src.Fetch(context.WithoutCancel(ctx), 0, -1)
			if err == nil {
				err = d.store(g, p.Body)
				_ = p.Body.Close()
			}
			fl.err = err
			d.mu.Lock()
			delete(d.flying, g)
			d.mu.Unlock()
		}()
	}
	d.mu.Unlock()
	<-fl.done
	if fl.err != nil {
		return nil, fl.err
	}
	f, err := os.Open(d.path(g))
	return &interimBlob{f: f}, err
}

type interimBlob struct {
	f   *os.File
	hit bool
}

func (b *interimBlob) Size(context.Context) (int64, error) {
	i, err := b.f.Stat()
	if err != nil {
		return 0, err
	}
	return i.Size(), nil
}
func (b *interimBlob) Hit() bool    { return b.hit }
func (b *interimBlob) Close() error { return b.f.Close() }
func (b *interimBlob) CopyTo(_ context.Context, w io.Writer, from, to int64) (int64, error) {
	if _, err := b.f.Seek(from, io.SeekStart); err != nil {
		return 0, err
	}
	if to < 0 {
		return io.Copy(w, b.f)
	}
	return io.Copy(w, io.LimitReader(b.f, to-from))
}
