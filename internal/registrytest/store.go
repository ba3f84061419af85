package registrytest

import (
	_ "crypto/sha512" // for go-digest
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"

	"github.com/opencontainers/go-digest"
)

// store is what a registry holds, in memory.
type store struct {
	mu           sync.Mutex
	repositories map[string]*repository
	uploads      map[string]*upload
}

type repository struct {
	blobs     map[string][]byte // by digest
	manifests map[string]document
	tags      map[string]string // to digests
}

type document struct {
	mediaType string
	raw       []byte
}

func newStore() *store {
	return &store{repositories: map[string]*repository{}, uploads: map[string]*upload{}}
}

// of gives a repository, made if need be. The lock is held.
func (s *store) of(name string) *repository {
	r, ok := s.repositories[name]
	if !ok {
		r = &repository{blobs: map[string][]byte{}, manifests: map[string]document{}, tags: map[string]string{}}
		s.repositories[name] = r
	}
	return r
}

// PutBlob stores a blob as it is and gives its digest (sha256).
func (r *Registry) PutBlob(repository string, b []byte) string {
	d := digest.FromBytes(b).String()
	r.PutBlobAs(repository, d, b)
	return d
}

// PutBlobAs stores a blob under a digest that it need not have.
func (r *Registry) PutBlobAs(repository, d string, b []byte) {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	r.store.of(repository).blobs[d] = b
}

// PutManifest stores a manifest as it is, under a tag or under a digest that it need
// not have, and gives its digest (sha256).
func (r *Registry) PutManifest(repository, reference, mediaType string, raw []byte) string {
	d := digest.FromBytes(raw).String()
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	to := r.store.of(repository)
	to.manifests[d] = document{mediaType, raw}
	if digest.Digest(reference).Validate() == nil {
		to.manifests[reference] = document{mediaType, raw}
	} else {
		to.tags[reference] = d
	}
	return d
}

// RemoveBlob takes a blob away.
func (r *Registry) RemoveBlob(repository, d string) {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	delete(r.store.of(repository).blobs, d)
}

func (s *store) blob(repository, d string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.repositories[repository]
	if !ok {
		return nil, false
	}
	b, ok := r.blobs[d]
	return b, ok
}

// manifest gives a manifest by tag or digest, with its digest. known says whether the
// repository is there.
func (s *store) manifest(repository, reference string) (doc document, d string, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, known := s.repositories[repository]
	if !known {
		return document{}, "", false
	}
	d = reference
	if tagged, ok := r.tags[reference]; ok {
		d = tagged
	}
	return r.manifests[d], d, true
}

// serveTags answers with a page of tags (Distribution specification, "Listing Tags").
func (s *store) serveTags(w http.ResponseWriter, req *http.Request, repository string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.repositories[repository]
	if !ok {
		answer(w, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
		return
	}
	tags := []string{}
	last := req.URL.Query().Get("last")
	for tag := range r.tags {
		if tag > last {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	if n, err := strconv.Atoi(req.URL.Query().Get("n")); err == nil && n > 0 && n < len(tags) {
		tags = tags[:n]
		next := url.Values{"n": {strconv.Itoa(n)}, "last": {tags[n-1]}}
		w.Header().Set("Link", "</v2/"+repository+"/tags/list?"+next.Encode()+`>; rel="next"`)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"name": repository, "tags": tags})
}

func is(b []byte, want string) bool {
	d := digest.Digest(want)
	return d.Validate() == nil && d.Algorithm().FromBytes(b) == d
}
