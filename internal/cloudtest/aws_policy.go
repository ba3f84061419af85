package cloudtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
)

// awsPolicy is a policy document (IAM User Guide, "IAM JSON policy element reference"),
// with the elements that have to do with registries.
type awsPolicy struct {
	Version   string
	ID        string         `json:"Id"`
	Statement []awsStatement `json:"Statement"`
}

type awsStatement struct {
	Sid       string
	Effect    string
	Principal awsTrustees
	Action    awsStrings
	Resource  awsStrings
	Condition map[string]map[string]awsStrings
}

// awsStrings is a string or a list of them.
type awsStrings []string

// UnmarshalJSON takes either.
func (s *awsStrings) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*s = []string{""}
		return json.Unmarshal(b, &(*s)[0])
	}
	return json.Unmarshal(b, (*[]string)(s))
}

// awsTrustees is a Principal: "*", or kinds of principals.
type awsTrustees map[string]awsStrings

// UnmarshalJSON takes either.
func (t *awsTrustees) UnmarshalJSON(b []byte) error {
	if string(b) == `"*"` {
		*t = awsTrustees{"AWS": {"*"}}
		return nil
	}
	return json.Unmarshal(b, (*map[string]awsStrings)(t))
}

// readAWSPolicy reads a document. Elements and operators that the fake doesn't know are
// errors, so that it never lets pass what it didn't understand.
func readAWSPolicy(text string) (awsPolicy, error) {
	var p awsPolicy
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fmt.Errorf("syntax errors in policy: %w", err)
	}
	if p.Version != "2012-10-17" {
		return p, fmt.Errorf("the policy's version is %q", p.Version)
	}
	if len(p.Statement) == 0 {
		return p, fmt.Errorf("the policy has no statement")
	}
	for _, s := range p.Statement {
		if s.Effect != "Allow" && s.Effect != "Deny" || len(s.Action) == 0 {
			return p, fmt.Errorf("a statement lacks its effect or its actions")
		}
		for operator := range s.Condition {
			if operator != "StringEquals" && operator != "StringLike" {
				return p, fmt.Errorf("the operator %s is unknown here", operator)
			}
		}
	}
	return p, nil
}

// awsGlob matches * and ?, which cross slashes.
func awsGlob(want, have string) bool {
	flat := func(s string) string { return strings.ReplaceAll(s, "/", "\x00") }
	escape := strings.NewReplacer(`\`, `\\`, "[", `\[`)
	ok, err := path.Match(escape.Replace(flat(want)), flat(have))
	return err == nil && ok
}

// awsQuestion is what a policy is asked.
type awsQuestion struct {
	action, resource string
	// who are the names by which a principal can be meant, for policies that have one.
	kind    string
	who     []string
	context map[string]string
}

// covers reports whether a statement is about the question.
func (s awsStatement) covers(q awsQuestion) bool {
	if !slices.ContainsFunc(s.Action, func(a string) bool { return awsGlob(strings.ToLower(a), strings.ToLower(q.action)) }) {
		return false
	}
	if s.Principal != nil || q.who != nil {
		if !slices.ContainsFunc(s.Principal[q.kind], func(p string) bool { return p == "*" || slices.Contains(q.who, p) }) {
			return false
		}
	}
	if q.resource != "" && !slices.ContainsFunc(s.Resource, func(r string) bool { return awsGlob(r, q.resource) }) {
		return false
	}
	for operator, keys := range s.Condition {
		for key, values := range keys {
			have, ok := q.context[key]
			if !ok || !slices.ContainsFunc(values, func(v string) bool {
				return v == have || operator == "StringLike" && awsGlob(v, have)
			}) {
				return false
			}
		}
	}
	return true
}

// decide reports whether policies allow something, and whether one forbids it.
func decide(policies []awsPolicy, q awsQuestion) (allowed, denied bool) {
	for _, p := range policies {
		for _, s := range p.Statement {
			if !s.covers(q) {
				continue
			}
			if s.Effect == "Deny" {
				return false, true
			}
			allowed = true
		}
	}
	return allowed, false
}
