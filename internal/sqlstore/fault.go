package sqlstore

import (
	"context"
	"errors"
	"strings"

	"fairlead.dev/fairlead"
)

// Class is what an error of a driver means.
type Class int

// The classes.
const (
	Broken   Class = iota // none of the others
	Again                 // the transaction lost against another and may be run again
	Taken                 // a unique column has the value already
	Absent                // a foreign key names what isn't there
	Away                  // the database doesn't answer
	Full                  // there is no room left
	ReadOnly              // it can't be written to
)

// Fault is an error of a driver, understood.
type Fault struct {
	Class Class
	// Column is the one that is taken: the last of the unique constraint.
	Column string
	// Why says more, in a clause; it holds no secret.
	Why string
}

// Error gives the error that callers are told. cause is the driver's error.
func (f Fault) Error(doing string, cause error) *fairlead.Error {
	e := &fairlead.Error{What: doing, Why: f.Why}
	say := func(kind fairlead.Kind, why, remedy string) *fairlead.Error {
		e.Kind, e.Remedy = kind, remedy
		if e.Why == "" {
			e.Why = why
		}
		return e
	}
	switch f.Class {
	case Again:
		return say(fairlead.Unavailable, "others changed the same thing at the same time, again and again", "try again")
	case Taken:
		e.Field = f.Column
		return say(fairlead.Conflict, "the "+f.Column+" is taken", "choose another "+f.Column)
	case Absent:
		return say(fairlead.NotFound, "something that it names isn't there", "look at the list of what there is")
	case Away:
		return say(fairlead.Unavailable, "the database doesn't answer", "try again; if it stays so, look at the database")
	case Full:
		return say(fairlead.Unavailable, "the disk is full", "make room on the disk that holds the store")
	case ReadOnly:
		return say(fairlead.Unavailable, "the store can't be written to", "make the store's file and directory writable")
	default:
		e.Kind = fairlead.Internal
		return e.Because(cause)
	}
}

// explain translates an error of the driver. Within a transaction it is remembered:
// PostgreSQL commits nothing after one, so neither does SQLite.
func (q session) explain(ctx context.Context, doing string, err error) error {
	told, again := q.translate(ctx, doing, err)
	if q.trouble != nil {
		q.trouble.again = q.trouble.again || again
		return q.refuse(told)
	}
	return told
}

func (q session) translate(ctx context.Context, doing string, err error) (told *fairlead.Error, again bool) {
	if ended := ctx.Err(); ended != nil {
		told = &fairlead.Error{
			Kind: fairlead.Unavailable, What: doing,
			Why: "the request ended before the database had answered", Remedy: "try again",
		}
		return told.Because(ended), false
	}
	if e, ok := errors.AsType[*fairlead.Error](err); ok {
		return e, false
	}
	f := q.fault(err)
	return f.Error(doing, err), f.Class == Again
}

// thing is what is done something to: "reading registry" is about a registry.
func thing(doing string) string {
	_, noun, _ := strings.Cut(doing, " ")
	return noun
}

func missing(doing, noun string) *fairlead.Error {
	return &fairlead.Error{
		Kind: fairlead.NotFound, What: doing, Why: "there is no such " + noun,
		Remedy: "look at the list of what there is",
	}
}

func conflict(doing string, code fairlead.Code, why, remedy string) *fairlead.Error {
	return &fairlead.Error{Kind: fairlead.Conflict, Code: code, What: doing, Why: why, Remedy: remedy}
}

func stale(doing string) *fairlead.Error {
	return conflict(doing, fairlead.CodeStale, "the "+thing(doing)+" was changed since it was read", "read it again, then decide")
}

func fenced(doing string) *fairlead.Error {
	return conflict(doing, fairlead.CodeFence, "another worker holds the run now, or it has ended", "stop performing it")
}
