package fairlead

import (
	"errors"
	"strings"
	"time"

	"fairlead.dev/fairlead/ref"
)

// Kind says what the caller of something that failed may do next.
type Kind string

// The eight kinds.
const (
	Invalid         Kind = "invalid"         // change the input
	Unauthenticated Kind = "unauthenticated" // log in
	Denied          Kind = "denied"          // ask for the right
	NotFound        Kind = "not_found"       // name another; somebody else's thing is not found either
	Conflict        Kind = "conflict"        // look again, then decide
	Limited         Kind = "limited"         // wait until RetryAt
	Unavailable     Kind = "unavailable"     // try again
	Internal        Kind = "internal"        // report it
)

// Error is what went wrong, for people and for programs: what happened, why, what to
// do. None of its texts holds a secret, a header or the body of a token reply.
type Error struct {
	Kind Kind `json:"kind" enum:"invalid,unauthenticated,denied,not_found,conflict,limited,unavailable,internal" doc:"What the caller may do next."`
	// Code is a stable word where a program must tell more than the kind does.
	Code Code `json:"code,omitempty" doc:"A stable word for programs, where the kind alone does not tell."`
	// What is a gerund phrase: "opening store".
	What string `json:"what" doc:"What was being done, as a gerund phrase."`
	// Why is a clause: "the file is a directory".
	Why string `json:"why,omitempty" doc:"Why it went wrong."`
	// Remedy is an imperative: "name a file".
	Remedy string `json:"remedy,omitempty" doc:"What to do about it."`
	// Field is the input that is wrong, where one is, as the API names it.
	Field string `json:"field,omitempty" doc:"The input that is wrong."`
	// RetryAt is when it makes sense to try again, where that is known.
	RetryAt time.Time `json:"retry_at,omitzero" doc:"When to try again."`

	cause error
}

// Error is "what: why". The remedy is shown apart, by the doors.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.What)
	if e.Why != "" {
		b.WriteString(": ")
		b.WriteString(e.Why)
	} else if e.cause != nil {
		b.WriteString(": ")
		b.WriteString(e.cause.Error())
	}
	return b.String()
}

// OfConnector says of a registry's refusal whose login it met, and who mends it. Other
// errors, and those without a connector, stay as they are.
func (e *Error) OfConnector(name Name) *Error {
	switch {
	case name == "":
	case e.Code == CodeLoginRefused:
		why := "the registry refuses the login of connector " + string(name)
		if e.Why != "" {
			why += ": " + e.Why
		}
		e.Why = why
		e.Remedy = "an administrator gives it a login that works: `fairlead connector update " + string(name) + "`"
	case e.Code == CodeNoRight:
		e.Remedy = "whoever runs the registry gives the account of connector " + string(name) + " that right, or an administrator connects another account"
	}
	return e
}

// Unwrap gives the cause, where one was kept with [Error.Because].
func (e *Error) Unwrap() error { return e.cause }

// Because keeps err as the cause. It is for what is still true one floor up.
func (e *Error) Because(err error) *Error {
	e.cause = err
	return e
}

// Is makes errors.Is(err, fairlead.NotFound.Err()) and comparisons by kind and code
// work: a target matches if it sets nothing that e has otherwise.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	if !ok {
		return false
	}
	return t.What == "" && t.Why == "" && (t.Kind == "" || t.Kind == e.Kind) && (t.Code == "" || t.Code == e.Code)
}

// KindOf gives the kind of the outermost [Error] in err's chain, [Invalid] for a name
// or pattern that can't be read, [Internal] for any other error, and "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	if _, ok := errors.AsType[*ref.Error](err); ok {
		return Invalid
	}
	return Internal
}

// CodeOf gives the code of the outermost [Error] in err's chain, or "".
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// AsError gives err as an [Error]: the outermost one of its chain, or an [Internal]
// one that says what was being done.
func AsError(what string, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e := Misread("", err); e != nil {
		return e
	}
	return &Error{Kind: Internal, What: what, cause: err}
}

// Misread gives what package ref or pattern says of a text that it can't read as an
// error about the input field; nil if err is none of theirs.
func Misread(field string, err error) *Error {
	e, ok := errors.AsType[*ref.Error](err)
	if !ok {
		return nil
	}
	return &Error{Kind: Invalid, Field: field, What: e.What, Why: e.Why, Remedy: e.Remedy}
}
