package registrytest

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/rand"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// serveManifest serves and takes manifests.
func (r *Registry) serveManifest(w http.ResponseWriter, req *http.Request, repository, reference string) {
	if req.Method == http.MethodPut {
		r.putManifest(w, req, repository, reference)
		return
	}
	doc, d, known := r.store.manifest(repository, reference)
	switch {
	case !known:
		answer(w, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
		return
	case doc.raw == nil:
		answer(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown")
		return
	}
	f := r.current()
	if !f.NoDigest {
		w.Header().Set("Docker-Content-Digest", cmp.Or(f.Digest, d))
	}
	w.Header().Set("Content-Type", cmp.Or(f.ContentType, doc.mediaType))
	raw := f.spoil(doc.raw)
	w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	if req.Method != http.MethodHead {
		_, _ = w.Write(raw)
	}
}

// spoil changes content as the faults have it.
func (f Faults) spoil(b []byte) []byte {
	if f.WrongBytes && len(b) > 0 {
		b = slices.Clone(b)
		b[len(b)-1] ^= 1
	}
	switch {
	case f.Lengthen > 0:
		b = append(slices.Clone(b), make([]byte, f.Lengthen)...)
	case f.Lengthen < 0:
		b = b[:max(0, len(b)+f.Lengthen)]
	}
	return b
}

// serveBlob serves and takes blobs.
func (r *Registry) serveBlob(w http.ResponseWriter, req *http.Request, repository, rest string) {
	if id, ok := strings.CutPrefix(rest, "uploads/"); ok {
		r.serveUpload(w, req, repository, id)
		return
	}
	b, ok := r.store.blob(repository, rest)
	if !ok {
		answer(w, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry")
		return
	}
	w.Header().Set("Docker-Content-Digest", rest)
	if f := r.current(); f.Redirect > 0 && req.Method == http.MethodGet {
		to := cmp.Or(f.RedirectTo, r.Scheme()+"://"+r.storage.address)
		http.Redirect(w, req, to+r.sign(repository, rest, f.Redirect), http.StatusTemporaryRedirect)
		return
	}
	r.send(w, req, b)
}

// sign makes a path at the storage that is taken so often.
func (r *Registry) sign(repository, d string, times int) string {
	signature := rand.Text()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.urls[signature] = times
	return "/bucket/" + repository + "/" + d + "?X-Signature=" + signature
}

// serveStorage is the storage: it knows nothing of accounts, and refuses whoever shows
// a login, as S3 does.
func (r *Registry) serveStorage(w http.ResponseWriter, req *http.Request) {
	r.record.add(Storage, req)
	if !r.pass(w, req, Storage) {
		return
	}
	if req.Header.Get("Authorization") != "" {
		http.Error(w, "<Error><Code>InvalidArgument</Code></Error>", http.StatusBadRequest)
		return
	}
	signature := req.URL.Query().Get("X-Signature")
	r.mu.Lock()
	left := r.urls[signature]
	r.urls[signature] = left - 1
	r.mu.Unlock()
	path, ok := strings.CutPrefix(req.URL.Path, "/bucket/")
	i := strings.LastIndexByte(path, '/')
	if left <= 0 || !ok || i < 0 {
		http.Error(w, "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>", http.StatusForbidden)
		return
	}
	b, ok := r.store.blob(path[:i], path[i+1:])
	if !ok {
		http.Error(w, "<Error><Code>NoSuchKey</Code></Error>", http.StatusNotFound)
		return
	}
	r.send(w, req, b)
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b) // a buffer takes all
	_ = z.Close()
	return out.Bytes()
}

// send serves bytes, and breaks off where the faults have it.
func (r *Registry) send(w http.ResponseWriter, req *http.Request, b []byte) {
	f := r.current()
	b = f.spoil(b)
	w.Header().Set("Content-Type", "application/octet-stream")
	if f.Gzip {
		b = gzipped(b)
		w.Header().Set("Content-Encoding", "gzip")
	}
	if f.NoRange {
		req.Header.Del("Range")
	}
	if f.WrongRange && req.Header.Get("Range") != "" {
		req.Header.Set("Range", "bytes=0-1")
	}
	if at, stall := r.takeBreak(); req.Method == http.MethodGet && at >= 0 {
		w = &breaking{ResponseWriter: w, left: at, then: func() {
			if f.OnCut != nil {
				f.OnCut()
			}
			if stall {
				select {
				case <-req.Context().Done():
				case <-r.done:
				}
			}
			panic(http.ErrAbortHandler)
		}}
	}
	if f.Chunked && req.Header.Get("Range") == "" {
		half := len(b) / 2
		_, _ = w.Write(b[:half])
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write(b[half:])
		return
	}
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(b))
}

// breaking ends a reply after some bytes of its body.
type breaking struct {
	http.ResponseWriter
	left int64
	then func()
}

func (b *breaking) Write(p []byte) (int, error) {
	if int64(len(p)) <= b.left {
		b.left -= int64(len(p))
		return b.ResponseWriter.Write(p)
	}
	_, _ = b.ResponseWriter.Write(p[:b.left])
	_ = http.NewResponseController(b.ResponseWriter).Flush()
	b.then()
	return 0, http.ErrAbortHandler
}

// Unwrap is for [http.ResponseController].
func (b *breaking) Unwrap() http.ResponseWriter { return b.ResponseWriter }
