package oci

import (
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// retryAfter reads when a server wants to be asked again (RFC 9110, section 10.2.3):
// seconds or a date. Some send a Unix time, which as seconds would be decades. The zero
// time means that it didn't say, or said nonsense; what lies in the past is now, and
// nothing is put off by more than a day.
func retryAfter(h http.Header, now time.Time) time.Time {
	const most = 24 * time.Hour
	s := strings.TrimSpace(h.Get("Retry-After"))
	var at time.Time
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		switch {
		case n < 0:
			return time.Time{}
		case n >= 1e9:
			at = time.Unix(min(n, math.MaxInt32*2), 0)
		default:
			at = now.Add(min(time.Duration(n)*time.Second, most))
		}
	} else if at, err = http.ParseTime(s); err != nil {
		return time.Time{}
	} else if date, err := http.ParseTime(h.Get("Date")); err == nil {
		at = now.Add(at.Sub(date)) // by the server's clock
	}
	switch wait := at.Sub(now); {
	case wait < 0:
		return now
	case wait > most:
		return now.Add(most)
	}
	return at.UTC()
}

// readAll reads a reply of at most limit bytes; more is errTooLong.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, errTooLong
	}
	return b, nil
}

// drain reads the rest of a short reply, so that its connection can be used again.
func drain(body io.ReadCloser) {
	const short = 16 << 10
	_, _ = io.CopyN(io.Discard, body, short)
	_ = body.Close()
}

// statusText is "404 Not Found": the number that came, and the words of the RFC, not
// the server's.
func statusText(status int) string {
	s := strconv.Itoa(status)
	if text := http.StatusText(status); text != "" {
		s += " " + text
	}
	return s
}
