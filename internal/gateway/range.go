package gateway

import (
	"strconv"
	"strings"
)

// span is a range of a blob's bytes, [from, to).
type span struct{ from, to int64 }

// readRange reads a Range header (RFC 9110, section 14.2) for a blob of that size. part
// is false where the whole blob is to be sent: for another unit, for several ranges and
// for what isn't one. within is false for a range that isn't in the blob.
func readRange(header string, size int64) (s span, part, within bool) {
	whole := span{0, size}
	text, ok := strings.CutPrefix(strings.TrimSpace(header), "bytes=")
	first, last, dash := strings.Cut(strings.TrimSpace(text), "-")
	if !ok || !dash || strings.Contains(text, ",") {
		return whole, false, true
	}
	first, last = strings.TrimSpace(first), strings.TrimSpace(last)
	if first == "" {
		n, ok := digits(last)
		if !ok {
			return whole, false, true
		}
		return span{max(0, size-n), size}, true, n > 0 && size > 0
	}
	from, ok := digits(first)
	if !ok {
		return whole, false, true
	}
	to := size
	if last != "" {
		n, ok := digits(last)
		if !ok || n < from {
			return whole, false, true
		}
		if n < size {
			to = n + 1
		}
	}
	return span{from, to}, true, from < size
}

// digits reads a number; one that is too great is the greatest.
func digits(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 63)
	if err != nil {
		return 1<<62 - 1, true
	}
	return n, true
}
