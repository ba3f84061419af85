package awsecr

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"fairlead.dev/fairlead"
)

// throttled knows the codes of AWS' services for too many requests (Amazon ECR API
// reference, "Throttling"; STS API reference, "Common errors").
func throttled(err error) bool {
	if res := responseOf(err); res != nil && res.StatusCode == http.StatusTooManyRequests {
		return true
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	switch api.ErrorCode() {
	case "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
		"TooManyRequestsException", "RequestLimitExceeded", "SlowDown", "LimitExceeded":
		return true
	}
	return false
}

func (t task) limited(r refusal) *fairlead.Error {
	if !throttled(&smithy.GenericAPIError{Code: r.code}) && r.res.StatusCode != http.StatusTooManyRequests {
		return nil
	}
	return &fairlead.Error{
		Kind: fairlead.Limited, Code: fairlead.CodeRateLimited, Why: "AWS has had too many calls of " + t.action(r.call) + " from this account in " + t.at.region,
		Remedy:  "wait; if it stays, ask AWS for a higher quota (Service Quotas, Amazon ECR)",
		RetryAt: t.retryAt(r.res),
	}
}

// retryAt reads Retry-After (RFC 9110, section 10.2.3).
func (t task) retryAt(res *smithyhttp.Response) time.Time {
	value := res.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 && seconds <= 86400 {
		return t.now().Add(time.Duration(seconds) * time.Second)
	}
	if at, err := http.ParseTime(value); err == nil {
		return at
	}
	return time.Time{}
}

// skewed says that the clock is off. The SDK has tried again by then, with the time of
// AWS' reply.
func (t task) skewed(r refusal) *fairlead.Error {
	var why string
	switch {
	case r.call == callFederate && (r.code == "ExpiredTokenException" || r.says("Token expired")):
		why = "AWS takes the subject token that this server signed just now for one that has expired"
	case r.call == callFederate && r.says("issued in the future"):
		why = "AWS takes the subject token that this server signed just now for one from the future"
	case r.code == "RequestTimeTooSkewed", r.code == "RequestExpired", r.says("Signature expired", "Signature not yet current"):
		why = "AWS doesn't take the time of the request"
	default:
		return nil
	}
	if at, err := http.ParseTime(r.res.Header.Get("Date")); err == nil {
		off, way := t.now().Sub(at).Round(time.Minute), "ahead of"
		if off < 0 {
			off, way = -off, "behind"
		}
		if off > 0 {
			text := strings.TrimSuffix(off.String(), "0s")
			if strings.HasSuffix(text, "h0m") {
				text = strings.TrimSuffix(text, "0m")
			}
			why += ": the clock of this server is " + text + " " + way + " AWS'"
		}
	}
	return &fairlead.Error{Kind: fairlead.Unavailable, Why: why, Remedy: "have the operator set the server's clock (with NTP), then try again"}
}
