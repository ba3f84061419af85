package registrytest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// upload is a blob on its way in.
type upload struct {
	mu         sync.Mutex
	repository string
	b          bytes.Buffer
	last       int64 // the size of the last part
}

// serveUpload takes a blob in: POST begins, PATCH adds, GET says how much there is, PUT
// ends (Distribution specification, "Pushing blobs").
func (r *Registry) serveUpload(w http.ResponseWriter, req *http.Request, repository, id string) {
	f := r.current()
	if f.MostUpload > 0 && req.ContentLength > f.MostUpload {
		http.Error(w, "<html>413 Request Entity Too Large</html>", http.StatusRequestEntityTooLarge)
		return
	}
	if req.Method == http.MethodPost {
		if !r.mayBegin(w, f, repository) || r.mounted(w, req, f, repository) {
			return
		}
		id = r.store.begin(repository)
	}
	u, ok := r.store.uploading(repository, id)
	if !ok {
		answer(w, http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "there is no such upload")
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	at := f.UploadTo + "/v2/" + repository + "/blobs/uploads/" + id
	if req.Method == http.MethodGet {
		u.say(w, at, f, http.StatusNoContent)
		return
	}
	if !r.receive(w, req, u, id, f) {
		return
	}
	want := req.URL.Query().Get("digest")
	if req.Method != http.MethodPut && want == "" {
		u.say(w, at, f, http.StatusAccepted)
		return
	}
	r.store.end(id)
	if !is(u.b.Bytes(), want) {
		answer(w, http.StatusBadRequest, "DIGEST_INVALID", "the bytes have another digest")
		return
	}
	r.PutBlobAs(repository, want, bytes.Clone(u.b.Bytes()))
	w.Header().Set("Docker-Content-Digest", want)
	w.Header().Set("Location", "/v2/"+repository+"/blobs/"+want)
	w.WriteHeader(http.StatusCreated)
}

func (r *Registry) mayBegin(w http.ResponseWriter, f Faults, repository string) bool {
	if !f.NoCreate || r.store.has(repository) {
		return true
	}
	answer(w, http.StatusNotFound, "NAME_UNKNOWN", "The repository with name '"+repository+"' does not exist")
	return false
}

// receive takes in what a request carries.
func (r *Registry) receive(w http.ResponseWriter, req *http.Request, u *upload, id string, f Faults) bool {
	if span := req.Header.Get("Content-Range"); span != "" {
		var from, to int64
		if _, err := fmt.Sscanf(span, "%d-%d", &from, &to); err != nil || from != int64(u.b.Len()) || to-from+1 != req.ContentLength {
			answer(w, http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID", "that isn't what comes next")
			return false
		}
	}
	if f.ChunkMin > 0 && u.last > 0 && u.last < f.ChunkMin && req.ContentLength > 0 {
		answer(w, http.StatusBadRequest, "SIZE_INVALID", "the part before was too small")
		return false
	}
	body := io.Reader(req.Body)
	cut := int64(-1)
	if req.Method == http.MethodPatch {
		cut = r.takeUploadCut()
	}
	if cut >= 0 {
		body = io.LimitReader(body, cut)
	}
	n, err := io.Copy(&u.b, body)
	if n > 0 {
		u.last = n
	}
	if cut >= 0 {
		if f.Forgetful {
			r.store.end(id)
		}
		panic(http.ErrAbortHandler)
	}
	return err == nil
}

func (u *upload) say(w http.ResponseWriter, at string, f Faults, status int) {
	w.Header().Set("Location", at)
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(0, u.b.Len()-1)))
	if f.ChunkMin > 0 {
		w.Header().Set("OCI-Chunk-Min-Length", fmt.Sprint(f.ChunkMin))
	}
	w.WriteHeader(status)
}

// mounted takes a blob over from another repository, for whoever may pull there.
func (r *Registry) mounted(w http.ResponseWriter, req *http.Request, f Faults, repository string) bool {
	query := req.URL.Query()
	d, from := query.Get("mount"), query.Get("from")
	if d == "" || from == "" || f.NoMount || !r.mayPull(req, from) {
		return false
	}
	b, ok := r.store.blob(from, d)
	if !ok {
		return false
	}
	r.PutBlobAs(repository, d, b)
	w.Header().Set("Docker-Content-Digest", d)
	w.Header().Set("Location", "/v2/"+repository+"/blobs/"+d)
	w.WriteHeader(http.StatusCreated)
	return true
}

// mayPull reports whether the login of a request opens another repository too.
func (r *Registry) mayPull(req *http.Request, repository string) bool {
	scheme, proof, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	switch {
	case r.config.Auth == Open:
		return true
	case strings.EqualFold(scheme, "basic"):
		name, password, _ := req.BasicAuth()
		a, ok := r.issuer.byPassword(name, password)
		return ok && may(a.Rights, repository, "pull")
	default:
		c, err := r.issuer.read(proof)
		return err == nil && c.may(repository, "pull")
	}
}

func (r *Registry) takeUploadCut() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := &r.faults
	if len(f.UploadCutAt) == 0 {
		return -1
	}
	at := f.UploadCutAt[0]
	f.UploadCutAt = f.UploadCutAt[1:]
	return at
}

func (s *store) begin(repository string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := rand.Text()
	s.uploads[id] = &upload{repository: repository}
	return id
}

func (s *store) uploading(repository, id string) (*upload, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.uploads[id]
	return u, ok && u.repository == repository
}

func (s *store) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.uploads, id)
}

func (s *store) has(repository string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.repositories[repository]
	return ok
}

// MakeRepository makes an empty repository.
func (r *Registry) MakeRepository(repository string) {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	r.store.of(repository)
}

// putManifest takes a manifest in, if what it names is there.
func (r *Registry) putManifest(w http.ResponseWriter, req *http.Request, repository, reference string) {
	const most = 4 << 20
	raw, err := io.ReadAll(io.LimitReader(req.Body, most))
	if err != nil {
		return
	}
	if strings.Contains(reference, ":") && !is(raw, reference) {
		answer(w, http.StatusBadRequest, "DIGEST_INVALID", "the manifest has another digest")
		return
	}
	if lacks := r.store.lacks(repository, raw); lacks != "" {
		answer(w, http.StatusNotFound, "MANIFEST_BLOB_UNKNOWN", "the repository lacks "+lacks)
		return
	}
	f := r.current()
	if _, old, _ := r.store.manifest(repository, reference); f.Immutable && old != reference && !is(raw, old) {
		answer(w, http.StatusBadRequest, "TAG_INVALID", "The image tag '"+reference+"' already exists and cannot be overwritten because the repository is immutable.")
		return
	}
	d := r.PutManifest(repository, reference, req.Header.Get("Content-Type"), raw)
	if f.WrongStore != "" {
		d = f.WrongStore
	}
	w.Header().Set("Docker-Content-Digest", d)
	w.Header().Set("Location", "/v2/"+repository+"/manifests/"+d)
	w.WriteHeader(http.StatusCreated)
}

// lacks names something that a manifest names and the repository doesn't have.
func (s *store) lacks(repository string, raw []byte) string {
	type named struct {
		Digest    string   `json:"digest"`
		MediaType string   `json:"mediaType"`
		URLs      []string `json:"urls"`
	}
	var m struct {
		Config    *named  `json:"config"`
		Layers    []named `json:"layers"`
		Manifests []named `json:"manifests"`
	}
	if json.Unmarshal(raw, &m) != nil {
		return "a manifest that can be read"
	}
	blobs := m.Layers
	if m.Config != nil {
		blobs = append(blobs, *m.Config)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.of(repository)
	for _, b := range blobs {
		if _, ok := at.blobs[b.Digest]; !ok && len(b.URLs) == 0 {
			return "blob " + b.Digest
		}
	}
	for _, c := range m.Manifests {
		if _, ok := at.manifests[c.Digest]; !ok {
			return "manifest " + c.Digest
		}
	}
	return ""
}
