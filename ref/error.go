package ref

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Error says why a text isn't what it was read as. It comes in the pieces of a
// sentence, so that a door can show the remedy apart.
type Error struct {
	// What was being done, with the text as [Quote] shows it.
	What string
	// Why is a clause. It holds at most one character of the text.
	Why string
	// Remedy is an imperative. A name that it proposes is one that would be taken.
	Remedy string
}

// Error is "what: why; remedy".
func (e *Error) Error() string { return e.What + ": " + e.Why + "; " + e.Remedy }

// refuse is an error that lacks only what was being done.
func refuse(why, remedy string) *Error { return &Error{Why: why, Remedy: remedy} }

// as completes e, keeping a nil pointer from becoming an error that isn't nil.
func (e *Error) as(what, text string) error {
	if e == nil {
		return nil
	}
	e.What = what + " " + Quote(text)
	return e
}

// shown is how many characters of a foreign text are repeated to whoever wrote it.
const shown = 96

// Quote gives foreign text as it may stand in an error: in quotation marks, control
// characters and invalid UTF-8 escaped, cut after about a hundred characters, and
// without what may be a secret: what stands before an @ that no digest follows, and
// the query of a URL.
func Quote(s string) string {
	s = withoutSecrets(s)
	var b strings.Builder
	for len(s) > 0 {
		_, size := utf8.DecodeRuneInString(s)
		q := strconv.Quote(s[:size])
		if b.Len()+len(q) > shown {
			b.WriteString("…")
			break
		}
		b.WriteString(q[1 : len(q)-1])
		s = s[size:]
	}
	return `"` + b.String() + `"`
}

func withoutSecrets(s string) string {
	isURL := strings.Contains(s, "://")
	if end := loginEnd(s); end > 0 {
		s = "…@" + s[end:]
	}
	if isURL {
		if query := strings.IndexByte(s, '?'); query >= 0 {
			s = s[:query] + "…"
		}
	}
	return s
}

// loginEnd gives where the text begins that stands behind the last @ that no digest
// follows, or 0. A password may hold any character, slashes and further @ too.
func loginEnd(s string) int {
	at := strings.LastIndexByte(s, '@')
	if last := s[at+1:]; at >= 0 && !strings.Contains(last, "/") && (strings.HasPrefix(last, "sha256:") || strings.HasPrefix(last, "sha512:")) {
		at = strings.LastIndexByte(s[:at], '@')
	}
	return at + 1
}
