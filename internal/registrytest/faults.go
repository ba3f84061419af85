package registrytest

import (
	"net/http"
	"strings"
	"time"
)

// Faults are the ways in which a registry can misbehave, or differ from others. The
// zero value is a registry that does everything as the specifications say.
type Faults struct {
	// Fail answers requests with errors, the first that fits. One with Times is used
	// up.
	Fail []Failure
	// Gate, if it isn't nil, lets one request through for each value that it gives.
	Gate chan struct{}

	// Challenge replaces the WWW-Authenticate lines.
	Challenge []string
	// Realm replaces the token endpoint's URL in the challenge.
	Realm string
	// Service replaces the challenge's service; "-" leaves it out.
	Service string
	// NoScope leaves the scope out of the challenge.
	NoScope bool
	// OpenPing answers /v2/ with 200 to everybody, as JFrog does where something may be
	// read without a login.
	OpenPing bool
	// Hide answers 404 to whoever has no right, and doesn't ask for a login.
	Hide bool
	// Forbid answers 403 (DENIED) where a token lacks the right, instead of 401
	// (insufficient_scope).
	Forbid bool

	// DenyScope answers token requests for what the account has no right to with this
	// status, as GHCR does (403), instead of with a token that grants less.
	DenyScope int
	// TokenField is the one field that holds the token: "token" or "access_token".
	// Empty is both.
	TokenField string
	// ExpiresIn replaces the value of expires_in, as JSON; "-" leaves it out.
	ExpiresIn string
	// IssuedAt moves issued_at. Without it the field is left out.
	IssuedAt time.Duration
	// Opaque gives tokens that aren't JWTs.
	Opaque bool
	// TokenBody replaces the reply that has the token.
	TokenBody string
	// TokenRedirect sends token requests there, with their query. What ends in
	// /redirected is answered.
	TokenRedirect string
	// TokenRedirectStatus is the redirect's status; 0 is 307.
	TokenRedirectStatus int

	// NoDigest leaves Docker-Content-Digest out.
	NoDigest bool
	// Digest replaces Docker-Content-Digest.
	Digest string
	// ContentType replaces that of manifests.
	ContentType string

	// NoCreate refuses uploads to repositories that aren't there, as ECR does.
	NoCreate bool
	// Immutable refuses to move a tag.
	Immutable bool
	// UploadCutAt ends the next requests with a part of a blob after so many bytes, which
	// are kept; one entry each.
	UploadCutAt []int64
	// Forgetful forgets an upload that was cut.
	Forgetful bool
	// MostUpload refuses requests with a body that is larger (413).
	MostUpload int64
	// ChunkMin is how much a chunk must have that another follows.
	ChunkMin int64
	// UploadTo replaces the origin of where uploads go on.
	UploadTo string
	// NoMount takes nothing over from other repositories.
	NoMount bool
	// WrongStore says of a manifest that it was stored under this digest.
	WrongStore string

	// Redirect sends for blobs to the storage, which takes each URL that it is given so
	// often. 0 is no redirect.
	Redirect int
	// RedirectTo replaces the storage's URL up to the path.
	RedirectTo string
	// CutAt ends the next replies with a blob after so many bytes, one entry each.
	CutAt []int64
	// StallAt lets them stand still there instead, until the client goes away.
	StallAt []int64
	// OnCut is called when a reply is cut or stands still.
	OnCut func()
	// NoRange takes no notice of Range.
	NoRange bool
	// WrongRange answers a range with another one.
	WrongRange bool
	// WrongBytes changes the last byte of blobs and manifests.
	WrongBytes bool
	// Gzip sends blobs encoded, although nobody has asked for that (RFC 9110, section 8.4).
	Gzip bool
	// Chunked says no length beforehand.
	Chunked bool
	// Lengthen serves so many bytes more (or less) than there are, and says so.
	Lengthen int
}

// Failure is one kind of error that a registry answers.
type Failure struct {
	// Method and Path say which requests. Empty is all; Path is a part of the path.
	Method, Path string
	// Server is which server; empty is the registry itself.
	Server Server
	Status int
	Header map[string]string
	Body   string
	// Times is how often; 0 is always.
	Times int
}

func (f Failure) fits(s Server, r *http.Request) bool {
	server := f.Server
	if server == "" {
		server = Front
	}
	return server == s && (f.Method == "" || f.Method == r.Method) && strings.Contains(r.URL.Path, f.Path)
}

// takeFailure gives the failure for a request, and uses it up.
func (r *Registry) takeFailure(s Server, req *http.Request) (Failure, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, f := range r.faults.Fail {
		if !f.fits(s, req) || f.Times < 0 {
			continue
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				f.Times = -1
			}
			r.faults.Fail[i].Times = f.Times
		}
		return f, true
	}
	return Failure{}, false
}

// Set changes the faults.
func (r *Registry) Set(change func(*Faults)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.faults)
}

func (r *Registry) current() Faults {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.faults
}

// takeBreak gives after how many bytes the next reply with a blob breaks off, and
// whether it stands still there; -1 for never.
func (r *Registry) takeBreak() (at int64, stall bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := &r.faults; len(f.CutAt) > 0 {
		at, f.CutAt = f.CutAt[0], f.CutAt[1:]
		return at, false
	} else if len(f.StallAt) > 0 {
		at, f.StallAt = f.StallAt[0], f.StallAt[1:]
		return at, true
	}
	return -1, false
}
