package gateway

import (
	"errors"
	"net"
	"net/http"
	"strings"
)

// errScope is the cause of a refusal that another token would mend.
var errScope = errors.New("the token is for another repository")

// The values of headers, made once. Nobody changes them.
//
//nolint:gochecknoglobals // They are constants in all but the language.
var (
	apiVersion  = []string{"registry/2.0"}
	noSniff     = []string{"nosniff"}
	jsonType    = []string{"application/json"}
	octetType   = []string{"application/octet-stream"}
	noStore     = []string{"no-store"}
	ownFresh    = []string{"private, no-cache"}
	ownForever  = []string{"private, max-age=31536000, immutable"}
	allowed     = []string{"GET, HEAD"}
	acceptBytes = []string{"bytes"}
	byAccept    = []string{"Accept, Authorization"}
	two         = []string{"2"}
	emptyObject = []byte("{}")
)

// exchange is one request that is being answered.
type exchange struct {
	w http.ResponseWriter
	r *http.Request
	t target
	s *session
}

// fromOf is the address that the request came from, without its port.
func fromOf(r *http.Request) string { return withoutPort(r.RemoteAddr) }

func withoutPort(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// matches reports whether If-None-Match has the entity tag (RFC 9110, section 13.1.2).
func matches(header []string, etag string) bool {
	for _, line := range header {
		for one := range strings.SplitSeq(line, ",") {
			one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
			if one == "*" || one == etag {
				return true
			}
		}
	}
	return false
}

// accepts reports whether the client takes the media type: it names it, or it names none,
// or everything.
func accepts(header []string, mediaType string) bool {
	if len(header) == 0 {
		return true
	}
	for _, line := range header {
		if strings.Contains(line, mediaType) || strings.Contains(line, "*/*") || strings.Contains(line, "application/*") {
			return true
		}
	}
	return false
}
