package gateway

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// A pass is a token of the gateway's own: what it says, and a keyed hash of that with a
// secret of the house, so that every replica takes it. It opens nothing by itself: it is
// bound to the token that it was traded for, or to a run, and holds while that does.
const passPrefix = "flg_"

// passKind is what a pass is for.
type passKind string

const (
	// accessPass is traded at the token endpoint, for some repositories.
	accessPass passKind = "a"
	// refreshPass is traded for access passes. It is what `docker login` keeps instead of
	// the token itself, and can only pull.
	refreshPass passKind = "r"
	// heldPass is a worker's, for the image of a run that it holds.
	heldPass passKind = "h"
	// peerPass is another server's of the house, for one blob.
	peerPass passKind = "p"
)

// pass is what a pass says.
type pass struct {
	Kind         passKind                `json:"k"`
	Organization fairlead.OrganizationID `json:"o,omitempty"`
	// Token is the hash of the token that it is bound to.
	Token []byte `json:"t,omitempty"`
	// Names are the repositories, as clients name them, that an access pass is for.
	Names []string `json:"s,omitempty"`
	// Expires is a Unix time; 0 is when the token does.
	Expires int64 `json:"e,omitempty"`

	Worker fairlead.WorkerID `json:"w,omitempty"`
	Run    fairlead.RunID    `json:"r,omitempty"`
	Fence  int64             `json:"f,omitempty"`
	Host   string            `json:"h,omitempty"`
	Repo   string            `json:"p,omitempty"`

	Digest fairlead.Digest `json:"d,omitempty"`
}

func (p pass) resource() ref.Resource { return ref.Resource{Host: p.Host, Repository: p.Repo} }

func (p pass) over(now time.Time) bool { return p.Expires != 0 && now.Unix() >= p.Expires }

// passes makes and reads passes.
type passes struct{ key []byte }

// newPasses derives a key of its own from the house's secret.
func newPasses(secret fairlead.Secret) passes {
	h := hmac.New(sha256.New, secret.Reveal())
	_, _ = h.Write([]byte("fairlead gateway pass 1"))
	return passes{key: h.Sum(nil)}
}

func (p passes) sign(payload []byte) []byte {
	h := hmac.New(sha256.New, p.key)
	_, _ = h.Write(payload)
	return h.Sum(nil)
}

// make writes a pass.
func (p passes) make(what pass) (fairlead.Secret, error) {
	payload, err := json.Marshal(what)
	if err != nil {
		return fairlead.Secret{}, fairlead.AsError("making pass", err)
	}
	text := make([]byte, 0, 2*len(payload))
	text = append(text, passPrefix...)
	text = base64.RawURLEncoding.AppendEncode(text, payload)
	text = append(text, '.')
	return fairlead.NewSecret(base64.RawURLEncoding.AppendEncode(text, p.sign(payload))), nil
}

// read gives what a pass says; false for one that the house didn't make.
func (p passes) read(text []byte) (pass, bool) {
	rest, ok := bytes.CutPrefix(text, []byte(passPrefix))
	left, right, dot := bytes.Cut(rest, []byte("."))
	if !ok || !dot {
		return pass{}, false
	}
	payload, err1 := base64.RawURLEncoding.Strict().AppendDecode(nil, left)
	mac, err2 := base64.RawURLEncoding.Strict().AppendDecode(nil, right)
	if err1 != nil || err2 != nil || !hmac.Equal(mac, p.sign(payload)) {
		return pass{}, false
	}
	var what pass
	if json.Unmarshal(payload, &what) != nil {
		return pass{}, false
	}
	return what, true
}
