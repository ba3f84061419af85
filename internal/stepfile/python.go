package stepfile

import (
	"math"
	"strconv"
	"strings"
	"unicode"
)

// pythonFloat is repr of a float: the shortest digits that read back, with an exponent
// below 1e-4 and from 1e16 (CPython, float_repr_style "short").
func pythonFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	_, exponent, _ := strings.Cut(s, "e")
	if e, err := strconv.Atoi(exponent); err == nil && e >= -4 && e < 16 {
		s = strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
	}
	return s
}

// pythonQuote is repr of a str: single quotes, unless only those are in it.
func pythonQuote(s string) string {
	quote := '\''
	if strings.ContainsRune(s, '\'') && !strings.ContainsRune(s, '"') {
		quote = '"'
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, r := range s {
		switch {
		case r == quote || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(pythonEscape(r))
		}
	}
	b.WriteRune(quote)
	return b.String()
}

// pythonEscape is \xhh, \uhhhh or \Uhhhhhhhh, the shortest that fits.
func pythonEscape(r rune) string {
	prefix, width := `\U`, 8
	switch {
	case r < 0x100:
		prefix, width = `\x`, 2
	case r < 0x10000:
		prefix, width = `\u`, 4
	}
	hex := strconv.FormatInt(int64(r), 16)
	return prefix + strings.Repeat("0", width-len(hex)) + hex
}
