package stepfile

import (
	"encoding/hex"
	"errors"
	"strings"
)

// Source is one file, or one pattern of files, of an input.
type Source struct {
	URL string `json:"url"`
	// Checksums are those that the file must have: algorithm (md5, sha1, sha256, sha512)
	// to lower-case hex.
	Checksums map[string]string `json:"checksums,omitempty"`
}

const checksumRemedy = "write it as #sha256= and 64 hexadecimal digits (or md5, sha1, sha512)"

// parseSource splits the checksums from a URL: url#sha256=<hex>, and more of them after
// &. A fragment that doesn't begin with an algorithm and = stays part of the URL.
func parseSource(s string) (Source, error) {
	i := strings.LastIndexByte(s, '#')
	if i < 0 {
		return Source{URL: s}, nil
	}
	sums := map[string]string{}
	for part := range strings.SplitSeq(s[i+1:], "&") {
		algorithm, sum, _ := strings.Cut(part, "=")
		size, known := digestSize(algorithm)
		if !known || len(part) == len(algorithm) {
			if len(sums) == 0 {
				return Source{URL: s}, nil
			}
			return Source{}, errors.New("the checksum " + show(part) + " is of no known kind")
		}
		if raw, err := hex.DecodeString(sum); err != nil || len(raw) != size {
			return Source{}, errors.New("the checksum " + show(part) + " can't be one")
		}
		if sums[algorithm] != "" {
			return Source{}, errors.New("the checksum " + algorithm + " is given twice")
		}
		sums[algorithm] = strings.ToLower(sum)
	}
	if i == 0 {
		return Source{}, errors.New("the checksum has no URL before it")
	}
	return Source{URL: s[:i], Checksums: sums}, nil
}

// digestSize is the size of a checksum in bytes.
func digestSize(algorithm string) (size int, known bool) {
	switch algorithm {
	case "md5":
		return 16, true
	case "sha1":
		return 20, true
	case "sha256":
		return 32, true
	case "sha512":
		return 64, true
	}
	return 0, false
}
