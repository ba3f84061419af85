package stepfile

import "strings"

// quote makes one word of s for a POSIX shell, as Python's shlex.quote does: a word of
// letters, digits and @%+=:,./-_ stays bare, anything else is put in single quotes.
func quote(s string) string {
	if s != "" && strings.IndexFunc(s, unsafe) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
}

func unsafe(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	default:
		return !strings.ContainsRune("@%+=:,./-_", r)
	}
}

// quoteAll quotes word by word.
func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return strings.Join(quoted, " ")
}
