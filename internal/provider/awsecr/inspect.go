package awsecr

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// secretLength is that of every secret access key that AWS has made (IAM User Guide,
// "Manage access keys": 40 characters).
const secretLength = 40

var (
	secretForm = regexp.MustCompile(`^[A-Za-z0-9/+]+$`)
	tokenForm  = regexp.MustCompile(`^[A-Za-z0-9/+=]+$`)
)

// minToken is shorter than any session token. AWS sets no greatest length.
const minToken = 100

// Inspect looks at keys as they are pasted: that each is what its field is for, and of
// which account. Nothing in an ID or a key says when it ends.
func (p Provider) Inspect(method string, g provider.Given, _ time.Time) ([]fairlead.Fact, error) {
	if err := p.Check(method, g.Public); err != nil {
		return nil, err
	}
	if s, given := g.Secret[secretField]; given {
		if err := inspectSecret(string(s.Reveal())); err != nil {
			return nil, err
		}
	}
	if s, given := g.Secret[tokenField]; given {
		if err := inspectToken(string(s.Reveal())); err != nil {
			return nil, err
		}
	}
	var facts []fairlead.Fact
	if r, ok := parseRole(g.Public[roleField]); ok {
		facts = append(facts, fairlead.Fact{Name: "role", Value: r.name}, fairlead.Fact{Name: "account", Value: r.account})
	}
	id := g.Public[keyField]
	if id == "" {
		return facts, nil
	}
	kind := "of an IAM user; it doesn't end by itself"
	if strings.HasPrefix(id, "ASIA") {
		kind = "of a session, which ends by itself; the key doesn't say when"
	}
	facts = append(facts, fairlead.Fact{Name: "access key", Value: id}, fairlead.Fact{Name: "kind", Value: kind})
	if account, ok := keyAccount(id); ok {
		facts = append(facts, fairlead.Fact{Name: "account of the key", Value: account})
	}
	return facts, nil
}

func inspectSecret(s string) error {
	switch {
	case strings.TrimSpace(s) != s:
		return bad(secretField, "there is a blank or a line break before or after it", "give the key alone")
	case strings.Contains(s, "="):
		return bad(secretField, "it holds an equals sign, which a secret access key doesn't", "give what stands after the equals sign of aws_secret_access_key, alone")
	case strings.Trim(s, `"'`) != s:
		return bad(secretField, "there are quotation marks around it", "give the key alone")
	case keyForm.MatchString(s):
		return bad(secretField, "that is an access key ID", "give the secret access key, which AWS shows once, when the key is made")
	case !secretForm.MatchString(s):
		return bad(secretField, "it holds a character that a secret access key doesn't", "copy it again: 40 letters, digits, / and +")
	case len(s) != secretLength:
		return bad(secretField, fmt.Sprintf("it has %d characters, and a secret access key has %d", len(s), secretLength), "copy the whole key, and nothing else")
	}
	return nil
}

func inspectToken(s string) error {
	switch {
	case strings.TrimSpace(s) != s:
		return bad(tokenField, "there is a blank or a line break before or after it", "give the token alone")
	case registryPassword(s):
		return bad(tokenField, "that is a login to a registry (docker login, ecr get-login-password) and not a session token", "give the value of aws_session_token")
	case strings.HasPrefix(s, "eyJ"):
		return bad(tokenField, "that is a JWT, and AWS' session tokens are none", "give the value of aws_session_token; for tokens of an identity provider there is method federation")
	case !tokenForm.MatchString(s):
		return bad(tokenField, "it holds a character that a session token doesn't", "copy it again, on one line")
	case len(s) < minToken:
		return bad(tokenField, fmt.Sprintf("it has %d characters, and a session token has hundreds", len(s)), "copy the whole token")
	}
	return nil
}

// registryPassword knows what `aws ecr get-login-password` prints.
func registryPassword(s string) bool {
	b, err := base64.StdEncoding.DecodeString(s)
	return err == nil && (strings.HasPrefix(string(b), `{"payload"`) || strings.HasPrefix(string(b), "AWS:"))
}
