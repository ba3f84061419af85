package s3

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/minio/minio-go/v7"

	"fairlead.dev/fairlead"
)

// failed gives an error as people are told it. What the service writes beside its code
// isn't passed on: it may hold what the request was signed with.
func (b *Bucket) failed(ctx context.Context, doing, name string, err error) error {
	if err == nil {
		return nil
	}
	e := &fairlead.Error{Kind: fairlead.Unavailable, What: strings.TrimSpace(doing+" "+name) + " in " + b.String(), Remedy: "try again; if it stays, look after the service at " + b.endpoint}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		e.Why, e.Remedy = "it was given up", ""
		return e.Because(cause)
	}
	answer, ok := errors.AsType[minio.ErrorResponse](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		e.Code, e.Why = fairlead.CodeTimeout, b.endpoint+" took too long"
	case !ok || answer.StatusCode == 0 && answer.Code == "":
		e.Code, e.Why = fairlead.CodeConnect, b.endpoint+" can't be reached, or broke the connection off"
		return e.Because(err)
	case answer.Code == minio.NoSuchKey, answer.Code == minio.NoSuchUpload, answer.Code == "NotFound" && name != "":
		e.Kind, e.Why, e.Remedy = fairlead.NotFound, "there is no such object", ""
	case answer.Code == minio.NoSuchBucket:
		e.Why, e.Remedy = "there is no bucket "+b.bucket+" at "+b.endpoint, "make the bucket, or name another"
	case answer.StatusCode == http.StatusForbidden, answer.StatusCode == http.StatusUnauthorized:
		e.Why = b.endpoint + " refuses the login (" + code(answer) + ")"
		e.Remedy = "give a key that may list, read, write and delete in the bucket, and check region and clock"
	default:
		e.Why = b.endpoint + " answers " + code(answer)
	}
	return e
}

// code is what the service calls the error, if that is a word.
func code(answer minio.ErrorResponse) string {
	word := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, answer.Code)
	const most = 64
	if word == "" || len(word) > most {
		return strconv.Itoa(answer.StatusCode)
	}
	return word
}

// sizeIn reads the size of the whole out of "bytes 0-9/100" (RFC 9110, section 14.4).
func sizeIn(contentRange string) (int64, bool) {
	_, total, ok := strings.Cut(contentRange, "/")
	n, err := strconv.ParseInt(total, 10, 64)
	return n, ok && err == nil && n >= 0
}
