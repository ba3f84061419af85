package seal

import (
	"crypto/hmac"
	"crypto/sha256"

	"fairlead.dev/fairlead"
)

// Sign gives the HMAC-SHA256 (RFC 2104) of a message with a key that was sealed.
func Sign(key fairlead.Secret, message []byte) []byte {
	mac := hmac.New(sha256.New, key.Reveal())
	_, _ = mac.Write(message) // never fails (hash.Hash)
	return mac.Sum(nil)
}
