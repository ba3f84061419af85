package unpack

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
)

// contentError says what is wrong with the layer itself.
type contentError struct{ why string }

func (e *contentError) Error() string { return e.why }

// misread is an error of reading the archive, which is the layer's.
func misread(doing string, err error) error {
	if _, ok := errors.AsType[*contentError](err); ok || errors.Is(err, unix.ENOSPC) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return content("%s: it ends in the middle", doing)
	}
	return content("%s: %v", doing, err)
}

func content(format string, args ...any) error {
	return &contentError{fmt.Sprintf(format, args...)}
}

// shown makes a name from an archive fit for an error.
func shown(name string) string {
	const most = 60
	if len(name) > most {
		name = name[:most] + "..."
	}
	return strconv.Quote(name)
}

// isContent reports whether the layer is to blame and not this machine.
func isContent(err error) bool {
	if _, ok := errors.AsType[*contentError](err); ok {
		return true
	}
	errno, ok := errors.AsType[unix.Errno](err)
	return ok && slices.Contains([]unix.Errno{
		unix.ENAMETOOLONG, unix.ELOOP, unix.ENOTDIR, unix.EISDIR, unix.EINVAL, unix.ENOENT, unix.EEXIST, unix.EPERM, unix.EMLINK, unix.EXDEV, unix.E2BIG,
	}, errno)
}

// explain makes an error of whatever ended the unpacking.
func explain(name string, err error) error {
	if isContent(err) {
		return refused(name, err)
	}
	e := &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeUnpack, What: "unpacking " + name, Why: fairlead.Clip(err.Error()),
		Remedy: "look at the worker's disk",
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		e.Remedy = "make room on the worker's disk, or give the worker a directory on a larger one (--dir)"
	}
	return e.Because(err)
}

func refused(name string, err error) error {
	return &fairlead.Error{
		Kind: fairlead.Invalid, Code: fairlead.CodeUnpack, What: "unpacking " + name, Why: fairlead.Clip(err.Error()),
		Remedy: "build the image anew, and tell whoever built it",
	}
}

// verifier checks the archive against its diff ID.
type verifier struct {
	want fairlead.Digest
	hash hash.Hash
}

func newVerifier(want fairlead.Digest) (*verifier, error) {
	algorithm, _, _ := strings.Cut(string(want), ":")
	switch algorithm {
	case "sha256":
		return &verifier{want, sha256.New()}, nil
	case "sha512":
		return &verifier{want, sha512.New()}, nil
	default:
		return nil, content("its diff ID is %s, and digests are sha256 or sha512 here", shown(string(want)))
	}
}

func (v *verifier) write(b []byte) { _, _ = v.hash.Write(b) }

func (v *verifier) verdict(name string) error {
	algorithm, _, _ := strings.Cut(string(v.want), ":")
	got := fairlead.Digest(algorithm + ":" + hex.EncodeToString(v.hash.Sum(nil)))
	if got == v.want {
		return nil
	}
	return &fairlead.Error{
		Kind: fairlead.Invalid, Code: fairlead.CodeDigest, What: "unpacking " + name,
		Why:    fmt.Sprintf("the image's config says that its files are %s, and they are %s", v.want, got),
		Remedy: "build and push the image anew, and tell whoever built it",
	}
}
