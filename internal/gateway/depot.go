package gateway

import (
	"context"
	"io"

	"fairlead.dev/fairlead"
)

// Depot keeps bytes by their digest, and fills itself from a source: one flight for all
// who want the same.
type Depot interface {
	// Get gives a blob that is kept, or that is being filled from src. The flight doesn't
	// end with ctx.
	Get(ctx context.Context, digest fairlead.Digest, size int64, owner fairlead.OrganizationID, src Source) (Blob, error)
	// Follow gives a blob that is there or being filled, which counts as no use of it.
	Follow(digest fairlead.Digest) (Blob, bool)
	// Put keeps bytes that are there already.
	Put(ctx context.Context, digest fairlead.Digest, owner fairlead.OrganizationID, b []byte) error
}

// Blob is a blob that may still grow.
type Blob interface {
	// Size waits until the size is known.
	Size(ctx context.Context) (int64, error)
	// Hit reports whether the bytes were there already.
	Hit() bool
	// Own reports whether the owner had had them before: a hit that tells nothing of others.
	Own() bool
	// CopyTo writes the bytes from an offset up to another (negative: to the end), as they
	// come. Whoever was given the last byte was given the right ones.
	CopyTo(ctx context.Context, w io.Writer, from, to int64) (int64, error)
	// Landed waits until what is arriving is kept, or can't be.
	Landed(ctx context.Context) error
	Close() error
}

// Source is where the bytes of one blob come from.
type Source interface {
	// Host tells upstreams apart.
	Host() string
	// Fetch begins to fetch from an offset up to another (negative: to the end).
	Fetch(ctx context.Context, from, to int64) (Part, error)
}

// Part is a piece of a blob on its way. It may begin earlier than was asked for, where
// the upstream knows no ranges.
type Part struct {
	Body io.ReadCloser
	From int64
	// Size is that of the whole blob; negative if it isn't known.
	Size int64
}
