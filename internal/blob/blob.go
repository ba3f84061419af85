// Package blob keeps bytes by their digest: the archives that runs are made of, and
// the outputs that they leave.
package blob

import (
	"context"
	"io"

	"fairlead.dev/fairlead"
)

// Keeper keeps blobs. Digests are sha256 ("sha256:" and 64 hex digits).
type Keeper interface {
	// Open reads a blob; it can be sought in. [fairlead.NotFound] if it isn't kept.
	Open(ctx context.Context, digest fairlead.Digest) (io.ReadSeekCloser, error)
	// Create begins a blob.
	Create(ctx context.Context) (Writer, error)
	// Remove forgets a blob; one that isn't kept is no error.
	Remove(ctx context.Context, digest fairlead.Digest) error
}

// Writer takes the bytes of a blob that is to be. Close without Commit forgets them;
// after Commit it does nothing.
type Writer interface {
	io.Writer
	io.Closer
	// Digest is of the bytes so far.
	Digest() fairlead.Digest
	// Commit keeps the blob if its digest is the one given: from then on it survives a
	// crash. [fairlead.Invalid] (CodeDigest) if it is another.
	Commit(ctx context.Context, digest fairlead.Digest) error
}
