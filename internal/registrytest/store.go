package registrytest

import (
	"bytes"
	"crypto/rand"
	_ "crypto/sha512" // for go-digest
	"encoding/json"
	"io"
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
	uploads      map[string]*bytes.Buffer
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
	return &store{repositories: map[string]*repository{}, uploads: map[string]*bytes.Buffer{}}
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

// upload takes a blob in: POST begins, PATCH adds, PUT ends.
func (s *store) upload(w http.ResponseWriter, req *http.Request, repository, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if req.Method == http.MethodPost {
		id = rand.Text()
		s.uploads[id] = &bytes.Buffer{}
	}
	into, ok := s.uploads[id]
	if !ok {
		answer(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "there is no such upload")
		return
	}
	if _, err := io.Copy(into, req.Body); err != nil {
		return
	}
	want := req.URL.Query().Get("digest")
	if req.Method != http.MethodPut && want == "" {
		w.Header().Set("Location", "/v2/"+repository+"/blobs/uploads/"+id)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	delete(s.uploads, id)
	if !is(into.Bytes(), want) {
		answer(w, http.StatusBadRequest, "DIGEST_INVALID", "the bytes have another digest")
		return
	}
	s.of(repository).blobs[want] = into.Bytes()
	w.Header().Set("Docker-Content-Digest", want)
	w.WriteHeader(http.StatusCreated)
}

func is(b []byte, want string) bool {
	d := digest.Digest(want)
	return d.Validate() == nil && d.Algorithm().FromBytes(b) == d
}

// putManifest takes a manifest in.
func (r *Registry) putManifest(w http.ResponseWriter, req *http.Request, repository, reference string) {
	raw, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	d := r.PutManifest(repository, reference, req.Header.Get("Content-Type"), raw)
	w.Header().Set("Docker-Content-Digest", d)
	w.WriteHeader(http.StatusCreated)
}
