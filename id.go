package fairlead

import (
	"fmt"
	"strings"
)

// The identifiers are UUIDs (RFC 9562, version 7: they sort by the time of creation)
// in their 36-character text form. Each noun has its own type, so that one can't be
// passed for another.
type (
	// OrganizationID names an organization. The empty one means "no organization".
	OrganizationID string
	// UserID names a user.
	UserID string
	// ProjectID names a project.
	ProjectID string
	// ConnectorID names a connector.
	ConnectorID string
	// RegistryID names a registry entry.
	RegistryID string
	// StackID names a stack.
	StackID string
	// TokenID names a token; it is not the token's secret.
	TokenID string
	// WorkerID names a worker.
	WorkerID string
	// RunID names a run.
	RunID string
	// EventID names an event.
	EventID string
)

// MaxName is the greatest length of a [Name], in bytes. It fits a DNS label
// (RFC 1035, section 2.3.4), so that a name can become a host name or a container's.
const MaxName = 63

// Name is what people call a thing: lower-case letters, digits and inner dashes, dots
// and underscores, at most [MaxName] bytes.
type Name string

// ParseName checks s. An error is [Invalid] and shows the form; field says which input
// was meant.
func ParseName(field, s string) (Name, error) {
	bad := func(why string) (Name, error) {
		return "", &Error{
			Kind: Invalid, Field: field, What: "reading " + field, Why: fmt.Sprintf("%q %s", Clip(s), why),
			Remedy: "use lower-case letters, digits, dashes, dots and underscores, and begin and end with a letter or digit",
		}
	}
	switch {
	case s == "":
		return "", &Error{Kind: Invalid, Field: field, What: "reading " + field, Why: "it is empty", Remedy: "give a name"}
	case len(s) > MaxName:
		return bad(fmt.Sprintf("is longer than %d characters", MaxName))
	}
	for i, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case strings.IndexByte("-._", c) >= 0 && i > 0 && i < len(s)-1:
		default:
			return bad(fmt.Sprintf("has a character that a name can't have there (character %d)", i+1))
		}
	}
	return Name(s), nil
}

// Clip shortens foreign text so that it can stand in an error: at most 200 bytes, cut
// at a character's boundary.
func Clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut] + "..."
}
