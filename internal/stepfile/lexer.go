package stepfile

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokenKind is a kind of token of an expression.
type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenNumber
	tokenString
	tokenOperator
)

type token struct {
	kind tokenKind
	text string
}

func (t token) String() string {
	if t.kind == tokenEnd {
		return "the end"
	}
	return show(t.text)
}

// is tells whether the token is an operator or a word that is one.
func (t token) is(text string) bool {
	return (t.kind == tokenOperator || t.kind == tokenName) && t.text == text
}

// lex splits an expression into tokens, by the rules of Python for one line.
func lex(s string) ([]token, error) {
	var out []token
	brackets := 0
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\n' && brackets == 0 && len(out) > 0 && strings.TrimSpace(s[i:]) != "":
			return nil, errors.New("it has more than one line")
		case unicode.IsSpace(r):
			i += size
			continue
		case r == '#':
			return out, nil
		}
		t, err := lexOne(s[i:], r)
		if err != nil {
			return nil, err
		}
		switch {
		case t.is("(") || t.is("{") || t.is("["):
			brackets++
		case t.is(")") || t.is("}") || t.is("]"):
			brackets--
		}
		out = append(out, t)
		i += len(t.text)
	}
	return out, nil
}

// lexOne gives the token that s begins with; r is its first character.
func lexOne(s string, r rune) (token, error) {
	switch {
	case r == '\'' || r == '"':
		n, err := stringLength(s)
		return token{tokenString, s[:n]}, err
	case r == '_' || unicode.IsLetter(r):
		return lexWord(s)
	case isDigit(r) || r == '.' && len(s) > 1 && isDigit(rune(s[1])):
		n, err := numberLength(s)
		return token{tokenNumber, s[:n]}, err
	}
	if op := operator(s); op != "" {
		return token{tokenOperator, op}, nil
	}
	return token{}, errors.New(show(string(r)) + " has no place in an expression")
}

// lexWord gives a name, or a string with a prefix.
func lexWord(s string) (token, error) {
	word := prefix(s, func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) })
	rest := s[len(word):]
	if rest == "" || rest[0] != '\'' && rest[0] != '"' || isOperatorWord(word) {
		return token{tokenName, word}, nil
	}
	n, err := stringLength(rest)
	if f := strings.ToLower(word); err == nil && f != "r" && f != "u" {
		err = errors.New("a string with the prefix " + show(word) + " is not allowed")
	}
	return token{tokenString, s[:len(word)+n]}, err
}

// isOperatorWord tells whether Python reserves a word, and it means something here, or
// could only be meant so (for).
func isOperatorWord(word string) bool {
	switch word {
	case "and", "or", "not", "in", "is", "for":
		return true
	}
	return false
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

// operator is the longest operator that s begins with, or "".
func operator(s string) string {
	for _, op := range []string{"**", "//", "==", "!=", "<=", ">=", "<<", ">>", ":="} {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	if strings.IndexByte("+-*/%@<>=&|^~()[]{},.:", s[0]) >= 0 {
		return s[:1]
	}
	return ""
}

// stringLength is the length of the string literal that s begins with.
func stringLength(s string) (int, error) {
	mark := s[:1]
	if triple := strings.Repeat(mark, 3); strings.HasPrefix(s, triple) {
		mark = triple
	}
	for i := len(mark); i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case strings.HasPrefix(s[i:], mark):
			return i + len(mark), nil
		}
	}
	return 0, errors.New("a string is not closed")
}

// numberLength is the length of the number that s begins with; only integers and floats
// are allowed.
func numberLength(s string) (int, error) {
	n := len(prefix(s, func(r rune) bool { return r == '.' || r == '_' || isDigit(r) || r < 0x80 && unicode.IsLetter(r) }))
	if lower := strings.ToLower(s[:n]); strings.HasSuffix(lower, "e") && n < len(s) && (s[n] == '+' || s[n] == '-') && !strings.HasPrefix(lower, "0x") {
		n += 1 + len(prefix(s[n+1:], func(r rune) bool { return r == '_' || isDigit(r) }))
	}
	if !isNumber(s[:n]) {
		return 0, errors.New(show(s[:n]) + " is not a number")
	}
	return n, nil
}

func isNumber(s string) bool {
	lower := strings.ToLower(s)
	if len(lower) > 2 && lower[0] == '0' {
		digits := map[byte]string{'x': "0123456789abcdef_", 'o': "01234567_", 'b': "01_"}[lower[1]]
		if digits != "" {
			body := lower[2:]
			return strings.Trim(body, digits) == "" && !strings.Contains(body, "__") && !strings.HasSuffix(body, "_")
		}
	}
	if strings.Trim(lower, "0123456789_") == "" { // an integer has no leading zero
		return wellFormed(lower) && (lower[0] != '0' || strings.Trim(lower, "0_") == "")
	}
	_, ok := parseFloat(lower)
	return ok
}
