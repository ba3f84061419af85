package docker

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// form is what tokens of a vendor begin with.
type form struct {
	prefix, preset string
	what           string // a fact
	bad, remedy    string // if it can't be used
}

// forms are the tokens that can be told by their beginning: docs.github.com, "About
// authentication to GitHub"; docs.gitlab.com, "Token overview"; NVIDIA, DigitalOcean.
func forms() []form {
	return []form{
		{prefix: "github_pat_", preset: ghcr, bad: "it is a fine-grained personal access token, which GitHub's packages don't take", remedy: "make a classic one with read:packages alone"},
		{prefix: "ghp_", preset: ghcr, what: "classic personal access token of GitHub"},
		{prefix: "ghs_", preset: ghcr, bad: "it is a token of a GitHub App or of a workflow, which ends within the hour", remedy: "make a classic personal access token with read:packages alone"},
		{prefix: "gho_", preset: ghcr, what: "OAuth token of GitHub"},
		{prefix: "glpat-", preset: gitlab, what: "personal, project or group access token of GitLab: it needs read_registry alone"},
		{prefix: "gldt-", preset: gitlab, what: "deploy token of GitLab"},
		{prefix: "glcbt-", preset: gitlab, bad: "it is the token of a CI job, which ends with its job", remedy: "make a deploy token with read_registry"},
		{prefix: "glrt-", preset: gitlab, bad: "it is the token of a runner, which opens no images", remedy: "make a deploy token with read_registry"},
		{prefix: "nvapi-", preset: ngc, what: "API key of NGC"},
		{prefix: "dop_v1_", preset: digitalOcean, what: "API token of DigitalOcean"},
		{prefix: "doo_v1_", preset: digitalOcean, what: "OAuth token of DigitalOcean"},
		{prefix: "dckr_pat_", preset: "docker-hub", bad: "it is a token of Docker Hub", remedy: "use family docker-hub"},
		{prefix: "dckr_oat_", preset: "docker-hub", bad: "it is a token of Docker Hub", remedy: "use family docker-hub"},
	}
}

// Inspect says what can be told of a secret by its form.
func (Provider) Inspect(method string, g provider.Given, now time.Time) ([]fairlead.Fact, error) {
	field := "token"
	if method == basic {
		field = "password"
	}
	s := g.Secret[field]
	if s.IsZero() {
		return nil, nil
	}
	text, preset := string(s.Reveal()), presetOf(g.Public)
	if strings.ContainsAny(text, "\r\n") || method == bearer && strings.ContainsAny(text, " \t") {
		return nil, wrong(field, "it holds a blank or a line break", "copy it again, in one line")
	}
	var facts []fairlead.Fact
	if preset != "" {
		facts = append(facts, fairlead.Fact{Name: "registry", Value: title(preset)})
	}
	if method == basic {
		facts = append(facts, fairlead.Fact{Name: "user", Value: fairlead.Clip(usernameOf(g.Public))})
	}
	for _, f := range forms() {
		if !strings.HasPrefix(text, f.prefix) {
			continue
		}
		switch {
		case f.bad != "":
			return nil, wrong(field, f.bad, f.remedy)
		case preset != "" && preset != f.preset && preset != harbor:
			return nil, wrong(field, "it is a token of "+title(f.preset)+", and the connector is for "+title(preset), "give the token of "+title(preset))
		}
		return append(facts, fairlead.Fact{Name: "form", Value: f.what}), nil
	}
	more, err := inspectJWT(field, text, now)
	if err != nil {
		return nil, err
	}
	return append(facts, more...), nil
}

// inspectJWT shows what a token with three parts says of itself.
func inspectJWT(field, text string, now time.Time) ([]fairlead.Fact, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 || !strings.HasPrefix(text, "eyJ") {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	var c struct {
		Sub string          `json:"sub"`
		Aud json.RawMessage `json:"aud"`
		Exp json.Number     `json:"exp"`
	}
	if err != nil || json.Unmarshal(b, &c) != nil {
		return nil, wrong(field, "it looks as a token with three parts and can't be read as one", "copy it again, whole")
	}
	facts := []fairlead.Fact{{Name: "form", Value: "JWT"}}
	if c.Sub != "" {
		facts = append(facts, fairlead.Fact{Name: "subject", Value: fairlead.Clip(c.Sub)})
	}
	if len(c.Aud) > 0 && string(c.Aud) != "null" {
		facts = append(facts, fairlead.Fact{Name: "audience", Value: fairlead.Clip(strings.Trim(string(c.Aud), `"`))})
	}
	end, stated := endOf(c.Exp)
	if !stated {
		return append(facts, fairlead.Fact{Name: "expires", Value: "it doesn't say"}), nil
	}
	if !now.Before(end) {
		return nil, wrong(field, "it has expired at "+end.Format(time.RFC3339), "give one that is valid")
	}
	return append(facts, fairlead.Fact{Name: "expires", Value: end.Format(time.RFC3339)}), nil
}

// endOf reads a NumericDate (RFC 7519, section 2), false if RFC 3339 can't write it.
func endOf(exp json.Number) (time.Time, bool) {
	const year10000 = 253402300800
	seconds, err := exp.Float64()
	if err != nil || !(seconds > 0 && seconds < year10000) {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0).UTC(), true
}

// Power says what a login of the connector can do, and for how long.
func (Provider) Power(c fairlead.Connector) string {
	const traded = "pulls or pushes one repository with a token of the registry's token endpoint, for as long as the registry gives it"
	switch {
	case c.Method == federation:
		return traded + ", made for a password of the robot that is good for an hour; nothing secret is stored"
	case c.Method == bearer && c.Public["token_use"] == usePresent:
		return "whatever the stored token allows, until it ends: it can't be narrowed, and leaves the server only where a registry entry allows its disclosure"
	case c.Method == bearer:
		return traded + "; the identity token stays here"
	case presetOf(c.Public) == gitlab:
		return traded + " (GitLab: 5 minutes, gitlab.com: 15); the password stays here"
	case presetOf(c.Public) == harbor:
		return traded + " (Harbor: 30 minutes unless the administrator says otherwise); the password stays here"
	default:
		return traded + "; the password stays here. Where the registry has no token endpoint, it leaves the server only where a registry entry allows its disclosure"
	}
}
