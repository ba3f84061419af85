package fairlead

import "errors"

// Uncovered adds to an error of an image that no registry entry covers that none does,
// which note says: a wrong name, and an entry that is missing, are met as a host that
// doesn't answer, too. Other errors, and any without a note, stay as they are.
func Uncovered(err error, note *Error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || note == nil || e.Code == note.Code || !OfHost(e.Code) {
		return err
	}
	c := *e
	c.Why += "; and " + note.Why
	c.Remedy += "; or, if the name is right, " + note.Remedy
	return &c
}

// OfHost reports whether a code says that a host wasn't reached, or isn't what it was
// taken for: then nothing is known of what was asked of it.
func OfHost(c Code) bool {
	switch c {
	case CodeDNS, CodeConnect, CodeTLS, CodeTimeout, CodeEgress, CodeRegistryBroken:
		return true
	default:
		return false
	}
}
