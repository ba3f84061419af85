package oci

import (
	"context"
	"errors"
	"io"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// Blob streams a blob. Where the connection is cut or stands still, it goes on at the
// byte where that was, with a fresh lease and a fresh redirect if need be. The last
// bytes are given out only after size and digest were checked: whoever has read as
// many bytes as the descriptor says, or has seen [io.EOF], has the right bytes. An error
// of Read is a [fairlead.Error] as [Client.Resolve] gives it; CodeDigest is for wrong
// bytes. The reader is for one goroutine; ctx ends it from elsewhere.
func (c *Client) Blob(ctx context.Context, kc fairlead.Keychain, r ref.Resource, d Descriptor) (io.ReadCloser, error) {
	return c.blobPull(kc, r, d).blob(ctx, d)
}

// Part is a range of a blob. Its bytes are not checked.
type Part struct {
	io.ReadCloser
	// Total is the size of the whole blob; -1 if the registry didn't say.
	Total int64
}

// ErrNoRange is returned by [Client.Part] where only whole blobs are to be had. It is a
// sentinel.
var ErrNoRange = errors.New("the registry gives no ranges of blobs")

// Part streams n bytes of a blob from an offset on, or what there is of them (all if n is
// negative), and goes on after a cut as [Client.Blob] does. The digest names the whole, so the bytes are not
// checked: whoever puts the parts together checks them. Errors are those of [Client.Blob]
// or [ErrNoRange].
func (c *Client) Part(ctx context.Context, kc fairlead.Keychain, r ref.Resource, d Descriptor, from, n int64) (*Part, error) {
	p := c.blobPull(kc, r, d)
	if err := p.check(d); err != nil {
		return nil, err
	}
	end := from + n
	if n < 0 {
		end = unknown
	}
	s, err := p.stream(ctx, d, from, end, true)
	if err != nil {
		return nil, err
	}
	return &Part{ReadCloser: s, Total: s.total}, nil
}

func (c *Client) blobPull(kc fairlead.Keychain, r ref.Resource, d Descriptor) *pull {
	digest := string(d.Digest)
	return &pull{c: c, kc: kc, resource: r, what: "fetching blob " + digest + " of " + r.String(), object: blobObject + digest}
}

// blobObject is what the object of a pull of a blob begins with.
const blobObject = "blob "

func (p *pull) check(d Descriptor) error {
	if err := ref.CheckDigest(string(d.Digest)); err != nil {
		return misnamed(p.what, err)
	}
	return nil
}

func (p *pull) blob(ctx context.Context, d Descriptor) (io.ReadCloser, error) {
	if err := p.check(d); err != nil {
		return nil, err
	}
	v, err := newVerifier(d.Digest)
	if err != nil {
		return nil, unreachable(p.what, p.resource.Host, err, p.c.now())
	}
	end := d.Size
	if end <= 0 {
		end = unknown
	}
	s, err := p.stream(ctx, d, 0, end, false)
	if err != nil {
		return nil, err
	}
	return &verified{stream: s, verifier: v}, nil
}

// verified is a whole blob that is checked while it is read.
type verified struct {
	*stream
	verifier *verifier
	err      error
}

func (v *verified) Read(b []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.stream.Read(b)
	_, _ = v.verifier.Write(b[:n])
	switch {
	case err == nil && v.off == v.end, err == io.EOF: //nolint:errorlint // io.Reader returns io.EOF itself.
		if v.err = v.verdict(); n == 0 || v.err != io.EOF { //nolint:errorlint // as above
			return 0, v.err
		}
		return n, nil
	case err != nil:
		v.err = err
	}
	return n, err
}

// verdict is io.EOF if all bytes were the right ones.
func (v *verified) verdict() error {
	if v.verifier.verified() {
		return io.EOF
	}
	host := v.pull.resource.Host
	return wrongDigest(v.pull.what, host, differs(host, v.d, v.verifier.got(), v.off))
}
