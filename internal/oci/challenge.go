package oci

import "strings"

// The schemes that this package can answer.
const (
	bearerScheme = "bearer"
	basicScheme  = "basic"
)

// Challenge is one way in which a server asks for a login (RFC 9110, section 11.3).
type Challenge struct {
	Scheme  string            // in lower case
	Token68 string            // or
	Params  map[string]string // keys in lower case; of a key that comes twice the first counts
}

// Realm is the token endpoint of a Bearer challenge, and only a label in a Basic one.
func (c Challenge) Realm() string { return c.Params["realm"] }

// Service is what the registry calls itself at its token endpoint; it may be empty.
func (c Challenge) Service() string { return c.Params["service"] }

// ParseChallenges reads the values of WWW-Authenticate header lines by the grammar of
// RFC 9110, section 11: several challenges in one line or over several, quoted commas
// and escapes, token68, white space around "=". What isn't of that grammar is passed
// over up to the next comma; unquoted values may hold more than the grammar allows,
// since registries send URLs in them.
func ParseChallenges(lines []string) []Challenge {
	var list []Challenge
	for _, line := range lines {
		p := challengeParser{rest: line}
		list = p.line(list)
	}
	return list
}

// choose gives the challenge to answer: Bearer before Basic, whatever their order. The
// zero Challenge means that there is none.
func choose(list []Challenge) Challenge {
	var basic Challenge
	for _, c := range list {
		switch {
		case c.Scheme == bearerScheme && c.Realm() != "":
			return c
		case c.Scheme == basicScheme && basic.Scheme == "":
			basic = c
		}
	}
	return basic
}

type challengeParser struct{ rest string }

func (p *challengeParser) line(list []Challenge) []Challenge {
	for {
		p.skip(" \t,")
		if p.rest == "" {
			return list
		}
		scheme := p.token()
		if scheme == "" {
			p.resync()
			continue
		}
		c := Challenge{Scheme: strings.ToLower(scheme), Params: map[string]string{}}
		if p.rest != "" && !isBlank(p.rest[0]) {
			if p.rest[0] != ',' { // "Bearer@", "Bearer=x": no scheme is written like that
				p.resync()
				continue
			}
		} else {
			p.skip(" \t")
			if c.Token68 = p.token68(); c.Token68 == "" {
				p.params(c.Params)
			}
		}
		list = append(list, c)
	}
}

// params reads auth-params until the line ends or the next challenge begins.
func (p *challengeParser) params(into map[string]string) {
	for {
		p.skip(" \t,")
		key, after, ok := p.key()
		if !ok {
			return
		}
		p.rest = after
		value := p.value()
		if _, twice := into[key]; !twice {
			into[key] = value
		}
		// A comma should follow. Some forget it before the next parameter.
		p.skip(" \t")
		if p.rest != "" && p.rest[0] != ',' {
			if _, _, ok := p.key(); !ok {
				p.resync()
			}
		}
	}
}

// key looks for `token BWS "=" BWS` and gives what follows it.
func (p *challengeParser) key() (key, after string, ok bool) {
	look := challengeParser{rest: p.rest}
	key = strings.ToLower(look.token())
	look.skip(" \t")
	if key == "" || look.rest == "" || look.rest[0] != '=' {
		return "", "", false
	}
	look.rest = look.rest[1:]
	look.skip(" \t")
	return key, look.rest, true
}

func (p *challengeParser) value() string {
	if p.rest == "" || p.rest[0] != '"' {
		end := strings.IndexAny(p.rest, " \t,\"")
		if end < 0 {
			end = len(p.rest)
		}
		v := p.rest[:end]
		p.rest = p.rest[end:]
		return v
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String()
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	p.rest = "" // the closing quote is missing
	return b.String()
}

// token68 reads one if it is all that stands up to the next comma: "YWJj", "YWJj==".
func (p *challengeParser) token68() string {
	i := 0
	for i < len(p.rest) && isToken68(p.rest[i]) {
		i++
	}
	if i == 0 {
		return ""
	}
	for i < len(p.rest) && p.rest[i] == '=' {
		i++
	}
	after := challengeParser{rest: p.rest[i:]}
	after.skip(" \t")
	if after.rest != "" && after.rest[0] != ',' {
		return ""
	}
	t := p.rest[:i]
	p.rest = after.rest
	return t
}

func (p *challengeParser) token() string {
	i := 0
	for i < len(p.rest) && isTokenChar(p.rest[i]) {
		i++
	}
	t := p.rest[:i]
	p.rest = p.rest[i:]
	return t
}

func (p *challengeParser) skip(set string) { p.rest = strings.TrimLeft(p.rest, set) }

// resync passes over everything up to the next comma outside of quotes.
func (p *challengeParser) resync() {
	quoted := false
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			p.rest = p.rest[i:]
			return
		}
	}
	p.rest = ""
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// isTokenChar is tchar of RFC 9110, section 5.6.2.
func isTokenChar(c byte) bool {
	return isAlphanumeric(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func isToken68(c byte) bool { return isAlphanumeric(c) || strings.IndexByte("-._~+/", c) >= 0 }
