package oci

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode"

	"fairlead.dev/fairlead"
)

// clean makes foreign text fit for an error: one line, no control or invisible
// characters, at most as long as [fairlead.Clip] leaves it.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == unicode.ReplacementChar, unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs):
			return -1
		default:
			return r
		}
	}, strings.ToValidUTF8(s, ""))
	return fairlead.Clip(strings.Join(strings.Fields(s), " "))
}

func quote(s string) string { return strconv.Quote(clean(s)) }

// isCut reports whether a reply ended before its time.
func isCut(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) }

// registryError is one entry of the body that a registry sends with an error
// (Distribution specification, "Error Codes").
type registryError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// The codes that are looked at.
const (
	nameUnknown     = "NAME_UNKNOWN"
	manifestUnknown = "MANIFEST_UNKNOWN"
	blobUnknown     = "BLOB_UNKNOWN"
	denied          = "DENIED"
	tooMany         = "TOOMANYREQUESTS"
)

// parseRegistryErrors reads the body of a registry's error. Anything else than what
// the specification describes is nothing.
func parseRegistryErrors(body []byte) []registryError {
	var reply struct {
		Errors []registryError `json:"errors"`
	}
	if json.Unmarshal(body, &reply) != nil {
		return nil
	}
	return reply.Errors
}

// said is what a registry said with an error, ready to be shown: the first message that
// it has, or else code. What holds one of the secrets says nothing.
func said(list []registryError, secrets ...fairlead.Secret) string {
	for _, e := range list {
		text := cmp.Or(clean(e.Message), clean(e.Code))
		if text != "" && !holds(e.Code+" "+e.Message, secrets) {
			return text
		}
	}
	return ""
}

// holds looks for secrets in s, also for one that a registry has cut short.
func holds(s string, secrets []fairlead.Secret) bool {
	const telling = 8
	for _, secret := range secrets {
		b := secret.Reveal()
		if len(b) > 0 && strings.Contains(s, string(b[:min(len(b), telling)])) {
			return true
		}
	}
	return false
}

func hasCode(list []registryError, code string) bool {
	for _, e := range list {
		if strings.EqualFold(e.Code, code) {
			return true
		}
	}
	return false
}
