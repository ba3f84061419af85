package wire

import (
	"encoding/json"

	"fairlead.dev/fairlead"
)

// Clear is a secret that crosses the wire in clear inside of TLS: a password on its
// way in, a token or a lease on its way out. It prints as [fairlead.Redacted] like any
// other secret; only encoding/json shows it.
type Clear struct{ fairlead.Secret }

// MarshalJSON writes the secret as a JSON string.
func (c Clear) MarshalJSON() ([]byte, error) { return json.Marshal(string(c.Reveal())) }

// UnmarshalJSON reads a JSON string.
func (c *Clear) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	c.Secret = fairlead.SecretText(s)
	return nil
}

// Link writes a one-time link for people: the token is in the fragment, which a
// browser doesn't send and a proxy doesn't log.
func Link(publicURL, page string, token fairlead.Secret) Clear {
	return Clear{fairlead.SecretText(publicURL + "/" + page + "#" + string(token.Reveal()))}
}
