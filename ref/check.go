package ref

import (
	"fmt"
	"strings"
)

// The longest that each part of a name may be. The first is distribution/reference's,
// the second the OCI distribution specification's ("Pulling manifests").
const (
	maxRepository = 255
	maxTag        = 128
)

// CheckRepository says what is wrong with a repository as it stands in
// /v2/<name>/manifests/<reference>: "team/app". The error is an [*Error].
func CheckRepository(s string) error { return checkRepository(s).as("checking repository", s) }

// CheckTag says what is wrong with a tag. The error is an [*Error].
func CheckTag(s string) error { return checkTag(s).as("checking tag", s) }

// CheckDigest says what is wrong with a digest: "sha256:" and 64 or "sha512:" and 128
// lower-case hexadecimal digits. The error is an [*Error].
func CheckDigest(s string) error { return checkDigest(s).as("checking digest", s) }

func checkRepository(s string) *Error {
	if s == "" {
		return refuse("it has no repository", "write one, as in reg.io/team/app")
	}
	for _, r := range s {
		switch {
		case 'A' <= r && r <= 'Z':
			return refuse("repository names are lower case", "write it in lower case")
		case !isAlphanumeric(r) && !strings.ContainsRune("._-/", r):
			return refuse(character(r)+" can't be part of a repository name",
				"use lower-case letters and digits, with . _ or - between them")
		}
	}
	if len(s) > maxRepository {
		return refuse(fmt.Sprintf("a repository name has at most %d characters, this one has %d", maxRepository, len(s)), "use a shorter one")
	}
	for part := range strings.SplitSeq(s, "/") {
		if e := checkPart(part); e != nil {
			return e
		}
	}
	return nil
}

// checkPart checks what stands between two slashes of a repository, the characters of
// which are known to be right.
func checkPart(s string) *Error {
	if s == "" {
		return refuse("a slash has no name before or after it", "write exactly one / between two names")
	}
	if isSeparator(s[0]) || isSeparator(s[len(s)-1]) {
		return refuse("each part of a repository name begins and ends with a letter or a digit", "take off the . _ or - at the edge")
	}
	run := 0 // where the run of separators begins that ends at i
	for i := range len(s) {
		if !isSeparator(s[i]) {
			run = i + 1
			continue
		}
		if sep := s[run : i+1]; sep != "." && sep != "_" && sep != "__" && strings.Trim(sep, "-") != "" {
			return refuse("between two letters or digits there is one dot, one or two underscores, or dashes only", "take out the . _ or - that is too many")
		}
	}
	return nil
}

func checkTag(s string) *Error {
	if s == "" {
		return refuse("the tag after the colon is empty", "write a tag, or leave out the colon")
	}
	for _, r := range s {
		if !isWord(r) && r != '.' && r != '-' {
			return refuse(character(r)+" can't be part of a tag", "use letters, digits and . _ -")
		}
	}
	if s[0] == '.' || s[0] == '-' {
		return refuse("a tag begins with a letter, a digit or an underscore", "take off the . or - at its beginning")
	}
	if len(s) > maxTag {
		return refuse(fmt.Sprintf("a tag has at most %d characters, this one has %d", maxTag, len(s)), "use a shorter one")
	}
	return nil
}

func checkDigest(s string) *Error {
	algorithm, digits, ok := strings.Cut(s, ":")
	var want int
	switch {
	case s == "":
		return refuse("the digest after the @ is empty", "write a digest, or leave out the @")
	case !ok:
		return refuse("what follows the @ isn't a digest", "write the digest as sha256: and 64 hexadecimal digits")
	case algorithm == "sha256":
		want = 64
	case algorithm == "sha512":
		want = 128
	default:
		return refuse("the algorithm of a digest is sha256 or sha512", "write the digest as sha256: and 64 hexadecimal digits")
	}
	for _, r := range digits {
		if !isHex(r) {
			return refuse(character(r)+" isn't a digit of a digest", "use 0 to 9 and a to f, in lower case")
		}
	}
	if len(digits) != want {
		return refuse(fmt.Sprintf("a %s digest has %d hexadecimal digits, this one has %d", algorithm, want, len(digits)), "copy the whole digest")
	}
	return nil
}

// character shows one foreign character: the rare ones with their code point, since
// they may be invisible or look like another.
func character(r rune) string {
	if ' ' < r && r <= '~' {
		return fmt.Sprintf("%q", string(r))
	}
	return fmt.Sprintf("%#U", r)
}

func isDigit(r rune) bool        { return '0' <= r && r <= '9' }
func isAlphanumeric(r rune) bool { return isDigit(r) || 'a' <= r && r <= 'z' }
func isHex(r rune) bool          { return isDigit(r) || 'a' <= r && r <= 'f' }
func isWord(r rune) bool         { return isAlphanumeric(r) || 'A' <= r && r <= 'Z' || r == '_' }
func isSeparator(c byte) bool    { return c == '.' || c == '_' || c == '-' }

// all reports whether s is made of such characters only; it is true for "".
func all(s string, is func(rune) bool) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !is(r) })
}
