package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/wire"
)

// refusal is what a client is answered instead of what it asked for.
type refusal struct {
	code            wire.DistributionCode
	message, remedy string
	retryAt         time.Time
	// size is the blob's, for a range that isn't in it.
	size int64
	// cause is for the log.
	cause error
}

func badName(why string) *refusal {
	return &refusal{code: wire.NameInvalid, message: why, remedy: "pull GATEWAY/REGISTRY/REPOSITORY, where REGISTRY is a registry's host or the name of a registry entry"}
}

// noRoute is for what no registry has. It is no part of the specification, or of that
// part of it which a gateway that only pulls has.
func noRoute() *refusal {
	return &refusal{code: wire.NameUnknown, message: "there is nothing here", remedy: "pull GATEWAY/REGISTRY/REPOSITORY"}
}

// unknown is what isn't there, or isn't the caller's to see.
func unknown(k kind) *refusal {
	r := &refusal{code: missing(k), message: "it isn't there, or isn't yours to read"}
	r.remedy = "check the image's name and tag, and that a registry entry of your organization covers it"
	return r
}

func missing(k kind) wire.DistributionCode {
	switch k {
	case manifests:
		return wire.ManifestUnknown
	case blobs:
		return wire.BlobUnknown
	default:
		return wire.NameUnknown
	}
}

// refuse makes a refusal of an error. What isn't there is answered in the same words
// whatever the reason is.
func refuse(err error, k kind) *refusal {
	e := fairlead.AsError("answering", err)
	if e.Kind == fairlead.NotFound {
		r := unknown(k)
		r.cause = err
		return r
	}
	r := &refusal{code: wire.DistributionCodeOf(e.Kind, missing(k)), message: e.Error(), remedy: e.Remedy, retryAt: e.RetryAt, cause: err}
	if e.Kind == fairlead.Internal {
		r.message, r.remedy = "something went wrong inside of the gateway", "look at the server's log"
	}
	return r
}

// write answers. A HEAD has the same headers and no body.
func (r *refusal) write(w http.ResponseWriter, req *http.Request, now time.Time) {
	h := w.Header()
	body := r.body()
	h["Content-Type"] = jsonType
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	h["Cache-Control"] = noStore
	if r.code == wire.Unsupported {
		h["Allow"] = allowed
	}
	if r.code == wire.RangeInvalid {
		h["Content-Range"] = []string{"bytes */" + strconv.FormatInt(r.size, 10)}
	}
	if wait := r.retryAt.Sub(now); wait > 0 {
		h["Retry-After"] = []string{strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)}
	}
	w.WriteHeader(wire.DistributionStatus(r.code))
	if req.Method != http.MethodHead {
		_, _ = w.Write(body) //nolint:gosec // It is JSON, and marked as such with nosniff. Whoever has left needs no reply.
	}
}

func (r *refusal) body() []byte {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(wire.DistributionErrors{Errors: []wire.DistributionError{{Code: r.code, Message: r.message, Detail: r.remedy}}}) // strings always encode
	return []byte(b.String())
}
