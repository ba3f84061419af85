package dockerhub

import (
	"regexp"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// The forms of Docker's access tokens.
const (
	personal     = "dckr_pat_"
	organization = "dckr_oat_"
	// minToken is the least that follows the prefix of a token that is whole.
	minToken = 20
)

// Inspect says what sort of token it is. None says when it ends.
func (Provider) Inspect(_ string, g provider.Given, _ time.Time) ([]fairlead.Fact, error) {
	s := g.Secret[fieldToken]
	if s.IsZero() {
		return nil, nil
	}
	text := string(s.Reveal())
	if err := foreign(text); err != nil {
		return nil, err
	}
	form := "password, or a token of an old form: prefer an access token"
	for prefix, what := range map[string]string{
		personal:     "personal access token: it reaches whatever its user reaches",
		organization: "organization access token: it reaches the repositories that it was made for",
	} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			if len(rest) < minToken || !isTokenText(rest) {
				return nil, pasted("it begins as a token of Docker Hub and isn't a whole one", "copy it again, whole")
			}
			form = what
		}
	}
	if isUUID(text) {
		form = "personal access token of the old form: make a new one"
	}
	return []fairlead.Fact{{Name: "form", Value: form}, {Name: "user", Value: fairlead.Clip(g.Public[fieldUsername])}, {Name: "expires", Value: "unknown: look at Docker Hub"}}, nil
}

// foreign refuses what can't be a token of Docker Hub.
func foreign(text string) error {
	for _, other := range []struct{ prefix, whose string }{
		{"ghp_", "GitHub"},
		{"github_pat_", "GitHub"},
		{"glpat-", "GitLab"},
		{"AKIA", "AWS"},
		{"dop_v1_", "DigitalOcean"},
		{"cmVmdGtuOj", "JFrog"},
		{"nvapi-", "NVIDIA"},
	} {
		if strings.HasPrefix(text, other.prefix) {
			return pasted("it is a token of "+other.whose, "make one at hub.docker.com, or choose the family of that registry")
		}
	}
	switch {
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return pasted("it holds a blank or a line break", "copy it again, in one line")
	case strings.HasPrefix(text, "{"):
		return pasted("it is JSON", "give the token alone")
	case strings.HasPrefix(text, "eyJ") && strings.Count(text, ".") == 2:
		return pasted("it is a bearer token of minutes and not the access token", "make an access token at hub.docker.com")
	}
	return nil
}

func isTokenText(s string) bool {
	ok, err := regexp.MatchString(`^[A-Za-z0-9_-]+$`, s)
	return err == nil && ok
}

func isUUID(s string) bool {
	ok, err := regexp.MatchString(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, s)
	return err == nil && ok
}

func pasted(why, remedy string) error {
	return &fairlead.Error{Kind: fairlead.Invalid, Field: fieldToken, What: "reading access token", Why: why, Remedy: remedy}
}
