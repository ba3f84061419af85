package gateway

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
)

// doc is a manifest, with the headers that it is served with.
type doc struct {
	oci.Descriptor
	body atomic.Pointer[[]byte] // nil if it isn't in memory any more
	used atomic.Int64

	contentType, length, digest, etag []string
}

// shelf keeps the bodies of manifests in memory, once for all, up to a size. To have one
// is no right to read it: the views decide on that.
type shelf struct {
	now func() time.Time

	mu    sync.Mutex
	docs  map[shelfKey]*doc
	bytes int64
}

// shelfKey has the media type too: it isn't always in the bytes.
type shelfKey struct {
	digest    fairlead.Digest
	mediaType string
}

const (
	mostShelf = 16 << 20
	mostDocs  = 50_000
)

func newShelf(now func() time.Time) *shelf {
	return &shelf{now: now, docs: map[shelfKey]*doc{}}
}

// add gives the manifest's place, made if need be.
func (s *shelf) add(d oci.Descriptor, body []byte) *doc {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := shelfKey{d.Digest, d.MediaType}
	known := s.docs[key]
	if known == nil {
		if len(s.docs) >= mostDocs {
			clear(s.docs)
			s.bytes = 0
		}
		known = &doc{
			Descriptor: d, contentType: []string{d.MediaType}, length: []string{strconv.FormatInt(d.Size, 10)},
			digest: []string{string(d.Digest)}, etag: []string{`"` + string(d.Digest) + `"`},
		}
		s.docs[key] = known
	}
	s.fill(known, body)
	return known
}

// refill puts a body back.
func (s *shelf) refill(d *doc, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fill(d, body)
}

func (s *shelf) fill(d *doc, body []byte) {
	d.used.Store(s.now().Unix())
	if d.body.Load() != nil {
		return
	}
	d.body.Store(&body)
	s.bytes += int64(len(body))
	for s.bytes > mostShelf {
		s.drop(d)
	}
}

// drop takes the body away that was not used for the longest time, but for one.
func (s *shelf) drop(except *doc) {
	var oldest *doc
	for _, d := range s.docs {
		if d != except && d.body.Load() != nil && (oldest == nil || d.used.Load() < oldest.used.Load()) {
			oldest = d
		}
	}
	if oldest == nil {
		s.bytes = 0 // all that is left is not on the shelf any more
		return
	}
	s.bytes -= int64(len(*oldest.body.Load()))
	oldest.body.Store(nil)
}
