package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"fairlead.dev/fairlead"
)

// The text of a token is a prefix that tells its kind (so that people and secret
// scanners know it when they see it) and 256 random bits, base64url without padding.
const tokenBytes = 32

func prefix(k fairlead.TokenKind) string {
	switch k {
	case fairlead.SessionToken:
		return "fls_"
	case fairlead.APIToken:
		return "flt_"
	case fairlead.WorkerToken:
		return "flw_"
	case fairlead.SetUpLink:
		return "flx_"
	case fairlead.InviteLink:
		return "fli_"
	default:
		return "fl_"
	}
}

// newText makes a token's text and its hash.
func newText(k fairlead.TokenKind) (fairlead.Secret, fairlead.TokenHash) {
	random := make([]byte, tokenBytes)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	text := []byte(prefix(k) + base64.RawURLEncoding.EncodeToString(random))
	return fairlead.NewSecret(text), sha256.Sum256(text)
}

// hashOf gives the hash of a presented token, false if it can't be one of ours.
func hashOf(text fairlead.Secret) (fairlead.TokenHash, bool) {
	b := text.Reveal()
	if len(b) != len("fls_")+base64.RawURLEncoding.EncodedLen(tokenBytes) || !strings.HasPrefix(string(b), "fl") {
		return fairlead.TokenHash{}, false
	}
	return sha256.Sum256(b), true
}

// fromLink takes the token out of a link as it was printed, or the token as it is.
func fromLink(link fairlead.Secret) fairlead.Secret {
	s := strings.TrimSpace(string(link.Reveal()))
	if i := strings.LastIndexByte(s, '#'); i >= 0 {
		s = s[i+1:]
	}
	return fairlead.SecretText(s)
}
