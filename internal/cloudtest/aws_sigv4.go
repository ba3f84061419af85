package cloudtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The times in requests, and how far off they may be (IAM User Guide, "Create a signed
// AWS API request": within five minutes).
const (
	awsTime = "20060102T150405Z"
	awsSkew = 5 * time.Minute
)

// awsSignature is the header Authorization of a signed request.
type awsSignature struct {
	key, date, region, service, signature string
	headers                               []string
}

func readAWSSignature(header string) (awsSignature, *awsError) {
	incomplete := func(what string) *awsError {
		return awsInvalid("IncompleteSignatureException", "Authorization header requires '%s' parameter.", what)
	}
	rest, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !ok {
		return awsSignature{}, awsInvalid("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if fields[name] == "" {
			return awsSignature{}, incomplete(name)
		}
	}
	scope := strings.Split(fields["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" {
		return awsSignature{}, awsInvalid("IncompleteSignatureException", "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.")
	}
	return awsSignature{
		key: scope[0], date: scope[1], region: scope[2], service: scope[3],
		signature: fields["Signature"], headers: strings.Split(fields["SignedHeaders"], ";"),
	}, nil
}

// authenticate finds out who signed a request to a service in a region. The lock is
// held.
func (a *AWS) authenticate(req *http.Request, body []byte, service, region string) (awsPrincipal, *awsError) {
	s, wrong := readAWSSignature(req.Header.Get("Authorization"))
	if wrong != nil {
		return awsPrincipal{}, wrong
	}
	key, ok := a.keys[s.key]
	if !ok {
		return awsPrincipal{}, awsInvalid("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	if home, _ := awsRegionOf(region); home.partition != key.who.account.Partition {
		return awsPrincipal{}, awsInvalid("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	token := req.Header.Get("X-Amz-Security-Token")
	if subtle.ConstantTimeCompare([]byte(token), []byte(key.Token)) != 1 {
		return awsPrincipal{}, awsInvalid("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	if wrong := s.covers(req, service, region); wrong != nil {
		return awsPrincipal{}, wrong
	}
	if wrong := s.timely(req.Header.Get("X-Amz-Date"), a.net.Now()); wrong != nil {
		return awsPrincipal{}, wrong
	}
	if subtle.ConstantTimeCompare([]byte(s.sign(req, body, key.Secret)), []byte(s.signature)) != 1 {
		return awsPrincipal{}, awsInvalid("InvalidSignatureException", "The request signature we calculated does not match the signature you provided. "+
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	if !key.expires.IsZero() && !a.net.Now().Before(key.expires) {
		return awsPrincipal{}, awsInvalid("ExpiredTokenException", "The security token included in the request is expired")
	}
	return key.who, nil
}

// covers says whether the signature is for this service, and over all that it must be.
func (s awsSignature) covers(req *http.Request, service, region string) *awsError {
	if s.service != service {
		return awsInvalid("InvalidSignatureException", "Credential should be scoped to correct service: '%s'. ", service)
	}
	if s.region != region {
		return awsInvalid("InvalidSignatureException", "Credential should be scoped to a valid region. ")
	}
	must := []string{"host"}
	for name := range req.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-") {
			must = append(must, name)
		}
	}
	for _, name := range must {
		if !slices.Contains(s.headers, name) {
			return awsInvalid("InvalidSignatureException", "'%s' must be a 'SignedHeader' in the AWS Authorization.", name)
		}
	}
	return nil
}

func (s awsSignature) timely(date string, now time.Time) *awsError {
	at, err := time.Parse(awsTime, date)
	if err != nil || at.Format("20060102") != s.date {
		return awsInvalid("InvalidSignatureException", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s'.", s.date, date)
	}
	now = now.UTC()
	switch {
	case at.Before(now.Add(-awsSkew)):
		return awsInvalid("InvalidSignatureException", "Signature expired: %s is now earlier than %s (%s - 5 min.)", date, now.Add(-awsSkew).Format(awsTime), now.Format(awsTime))
	case at.After(now.Add(awsSkew)):
		return awsInvalid("InvalidSignatureException", "Signature not yet current: %s is still later than %s (%s + 5 min.)", date, now.Add(awsSkew).Format(awsTime), now.Format(awsTime))
	}
	return nil
}

// sign is the signature that it should have (IAM User Guide, "Create a signed AWS API
// request").
func (s awsSignature) sign(req *http.Request, body []byte, secret string) string {
	var headers strings.Builder
	for _, name := range s.headers {
		value := strings.Join(req.Header.Values(name), ",")
		switch name {
		case "host":
			value = req.Host
		case "content-length":
			value = strconv.FormatInt(req.ContentLength, 10)
		}
		headers.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	escaped := (&url.URL{Path: req.URL.Path}).EscapedPath()
	if escaped == "" {
		escaped = "/"
	}
	canonical := strings.Join([]string{
		req.Method, escaped, strings.ReplaceAll(req.URL.Query().Encode(), "+", "%20"),
		headers.String(), strings.Join(s.headers, ";"), hexOf(body),
	}, "\n")
	scope := strings.Join([]string{s.date, s.region, s.service, "aws4_request"}, "/")
	key := []byte("AWS4" + secret)
	for part := range strings.SplitSeq(scope, "/") {
		key = hmacOf(key, part)
	}
	return hex.EncodeToString(hmacOf(key, strings.Join([]string{"AWS4-HMAC-SHA256", req.Header.Get("X-Amz-Date"), scope, hexOf([]byte(canonical))}, "\n")))
}

func hexOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func hmacOf(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
