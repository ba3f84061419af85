package jfrogartifactory

import (
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// Inspect says what the secrets say of themselves.
func (Provider) Inspect(method string, g provider.Given, now time.Time) ([]fairlead.Fact, error) {
	switch method {
	case accessToken:
		return inspectToken(g, now)
	case basic:
		return inspectPassword(g, now)
	default:
		return nil, nil
	}
}

func inspectToken(g provider.Given, now time.Time) ([]fairlead.Fact, error) {
	if r := g.Secret[fieldRefresh]; !r.IsZero() {
		if err := tidy(fieldRefresh, r); err != nil {
			return nil, err
		}
		if k := readToken(r).kind; k == kindAccess || k == kindReference {
			return nil, pasted(fieldRefresh, "it is an "+string(k)+", not the refresh token beside it", "give the value of refresh_token of the same reply")
		}
	}
	s := g.Secret[fieldToken]
	if s.IsZero() {
		return nil, nil // it is kept as it is
	}
	if err := tidy(fieldToken, s); err != nil {
		return nil, err
	}
	t := readToken(s)
	switch t.kind {
	case kindAPIKey:
		return nil, pasted(fieldToken, "it is an API key, which JFrog has ended", "make an access token in JFrog: User Management, Access Tokens")
	case kindRefresh:
		return nil, pasted(fieldToken, "it has the form of a refresh token", "give the access token here, and this one as the refresh token")
	case kindUnknown:
		return nil, pasted(fieldToken, "it is neither an access token (three parts with dots between) nor a reference token (64 characters)", "copy it again, whole; a password is for method basic")
	case kindAccess, kindReference:
	}
	if err := inTime(fieldToken, t, now); err != nil {
		return nil, err
	}
	return t.facts(), nil
}

func inspectPassword(g provider.Given, now time.Time) ([]fairlead.Fact, error) {
	s := g.Secret[fieldPassword]
	if s.IsZero() {
		return nil, nil
	}
	t := readToken(s)
	switch t.kind {
	case kindAccess:
		if t.user != "" && t.user != g.Public[fieldUsername] {
			return nil, &fairlead.Error{
				Kind: fairlead.Invalid, Field: fieldUsername, What: "reading user",
				Why:    "the password is an access token of user " + fairlead.Clip(t.user) + ", and Artifactory takes it with that name alone",
				Remedy: "write " + fairlead.Clip(t.user) + ", or better, use method access-token",
			}
		}
	case kindReference:
	case kindAPIKey:
		return []fairlead.Fact{{Name: "form", Value: "API key, which JFrog has ended: prefer an access token"}}, nil
	default:
		return []fairlead.Fact{{Name: "form", Value: "password"}}, nil
	}
	if err := inTime(fieldPassword, t, now); err != nil {
		return nil, err
	}
	return t.facts(), nil
}

// tidy refuses what was copied along with a token, or in its place.
func tidy(field string, s fairlead.Secret) error {
	text := string(s.Reveal())
	switch {
	case strings.HasPrefix(strings.TrimSpace(text), "{"):
		return pasted(field, "it is the whole reply that has the token in it", "give the value of "+field+" alone")
	case strings.HasPrefix(text, "Bearer "):
		return pasted(field, "it begins with Bearer, as in a header", "give what follows it")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return pasted(field, "it holds a blank, a line break or another character that tokens don't have", "copy it again, in one line")
	}
	return nil
}

func inTime(field string, t token, now time.Time) error {
	switch {
	case !t.expires.IsZero() && !now.Before(t.expires):
		return pasted(field, "it has expired at "+stamp(t.expires), "make a new one in JFrog: User Management, Access Tokens")
	case t.issued.After(now.Add(5 * time.Minute)):
		return pasted(field, "it says that it was made at "+stamp(t.issued)+", which is still to come", "check the clocks of this server and of the platform")
	}
	return nil
}

func (t token) facts() []fairlead.Fact {
	list := []fairlead.Fact{{Name: "form", Value: string(t.kind)}}
	if t.user != "" {
		list = append(list, fairlead.Fact{Name: "user", Value: fairlead.Clip(t.user)})
	}
	end := "never"
	if !t.expires.IsZero() {
		end = stamp(t.expires)
	}
	list = append(list, fairlead.Fact{Name: "expires", Value: end})
	if t.scope != "" {
		list = append(list, fairlead.Fact{Name: "scope", Value: fairlead.Clip(t.scope)})
	}
	if t.audience != "" {
		list = append(list, fairlead.Fact{Name: "audience", Value: fairlead.Clip(t.audience)})
	}
	if strings.Contains(t.scope, "applied-permissions/admin") {
		list = append(list, fairlead.Fact{Name: "warning", Value: "an administrator's token: whoever has it may do everything on the platform"})
	}
	return list
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func pasted(field, why, remedy string) error {
	return &fairlead.Error{
		Kind: fairlead.Invalid, Field: field, What: "reading " + strings.ReplaceAll(field, "_", " "), Why: why, Remedy: remedy,
	}
}
