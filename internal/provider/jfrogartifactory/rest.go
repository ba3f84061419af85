package jfrogartifactory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"fairlead.dev/fairlead"
)

// callLimit is how long one request to the platform may take.
const callLimit = 30 * time.Second

// maxReply is the most that is read of a reply. A list of ten thousand repositories is
// far below it.
const maxReply = 16 << 20

// call is one request to the platform.
type call struct {
	// what is being done, as a gerund phrase.
	what         string
	method, host string
	path         string // with its query
	bearer       fairlead.Secret
	username     string
	password     fairlead.Secret
	body         any // JSON; nil for none
}

// answer is what the platform answered, with the time that its clock showed.
type answer struct {
	status int
	header http.Header
	body   []byte
	date   time.Time
}

// send asks the platform. Its error is that there is no answer; whatever was answered
// is for the caller to judge.
func (p Provider) send(ctx context.Context, c call) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	var body io.Reader
	if c.body != nil {
		b, err := json.Marshal(c.body)
		if err != nil {
			return answer{}, fairlead.AsError(c.what, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, "https://"+c.host+c.path, body)
	if err != nil {
		return answer{}, misplaced(fieldHost, "it isn't a host", "write the host alone: acme.jfrog.io")
	}
	req.Header.Set("Accept", "application/json")
	if c.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	switch {
	case !c.bearer.IsZero():
		req.Header.Set("Authorization", "Bearer "+string(c.bearer.Reveal()))
	case c.username != "":
		req.SetBasicAuth(c.username, string(c.password.Reveal()))
	}
	res, err := p.tools.HTTP.Do(req)
	if err != nil {
		return answer{}, unreachable(ctx, c, err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	if err != nil {
		return answer{}, unreachable(ctx, c, err)
	}
	if len(b) > maxReply {
		return answer{}, broken(c, "it sent more than such a reply can be")
	}
	a := answer{status: res.StatusCode, header: res.Header, body: b, date: p.now()}
	if d, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		a.date = d
	}
	return a, nil
}

// ask sends, and reads an answer of 200 into into.
func (p Provider) ask(ctx context.Context, c call, into any) (answer, error) {
	a, err := p.send(ctx, c)
	if err != nil {
		return answer{}, err
	}
	if a.status != http.StatusOK {
		return a, p.refused(c, a)
	}
	if into != nil && json.Unmarshal(a.body, into) != nil {
		return a, broken(c, "its reply isn't what JFrog's documentation says")
	}
	return a, nil
}

// said are the errors of a reply: Access gives codes, Artifactory gives statuses.
type said struct {
	Errors []struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"errors"`
}

// message gives what the platform said. It is compared with what is known, and never
// shown: a proxy in between may say anything.
func (a answer) message() string {
	var s said
	if json.Unmarshal(a.body, &s) != nil || len(s.Errors) == 0 {
		return ""
	}
	return s.Errors[0].Message
}

// isOwn reports whether an error is one of JFrog's, and not of something in between.
func (a answer) isOwn() bool {
	var s said
	return json.Unmarshal(a.body, &s) == nil && len(s.Errors) > 0
}

func broken(c call, why string) error {
	return &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeRegistryBroken, What: c.what,
		Why:    c.host + " answers, but not as a JFrog platform: " + why,
		Remedy: "check that the connector's host is the platform's, and that the proxy before it passes /access and /artifactory on",
	}
}

// asKnown gives the error that a transport of ours has wrapped, such as that of the
// rules for addresses.
func asKnown(err error) (error, bool) {
	e, ok := errors.AsType[*fairlead.Error](err)
	return e, ok
}
