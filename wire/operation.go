// Package wire is the HTTP contract between Fairlead's server and its clients: the
// operations with their paths, requests and replies, and how an error's kind becomes a
// status and back. The server, the client and the OpenAPI document are all drawn from
// the operations that stand here.
package wire

import (
	"cmp"
	"reflect"

	"fairlead.dev/fairlead"
)

// Prefix is where the API lives.
const Prefix = "/api/v1"

// Operation is one thing that a client can ask for. In and Out are structs. A field of
// In with a `path` or `query` tag travels in the URL, all others in the JSON body; an
// Out that is struct{} is answered with 204 and no body.
type Operation[In, Out any] struct {
	ID      string // as in OpenAPI's operationId
	Method  string
	Path    string // below Base, with {wildcards} as net/http.ServeMux has them
	Summary string
	// Base is where the path is below; "" is Prefix.
	Base string
	// Creates says that a success is answered with 201.
	Creates bool
	// Action is what the rights table is asked about; "" is for whoever proves
	// nothing yet (set-up, log-in) or for all who are logged in (Open false).
	Action fairlead.Action
	// Open operations are for callers without a proof.
	Open bool
	// Long operations may wait for something to happen, within the request's Wait.
	Long bool
}

// Route is an [Operation] without its types, for tables of all of them.
type Route struct {
	ID, Method, Path, Summary string
	Action                    fairlead.Action
	Open, Creates             bool
	// In and Out are the types of the request and the reply; nil for bytes.
	In, Out reflect.Type
	// Stream says that the request's or the reply's body is bytes.
	BytesIn, BytesOut bool
}

// Route gives the operation without its types.
func (o Operation[In, Out]) Route() Route {
	return Route{
		ID: o.ID, Method: o.Method, Path: cmp.Or(o.Base, Prefix) + o.Path, Summary: o.Summary, Action: o.Action, Open: o.Open, Creates: o.Creates,
		In: reflect.TypeFor[In](), Out: reflect.TypeFor[Out](),
	}
}

// Stream is an operation whose request or reply is bytes and not JSON. In holds what
// travels in the URL.
type Stream[In any] struct {
	ID      string
	Method  string
	Path    string
	Summary string
	// Base is where the path is below; "" is Prefix.
	Base   string
	Action fairlead.Action
	// BytesIn and BytesOut say which of the bodies there are.
	BytesIn, BytesOut bool
}

// Route gives the operation without its types.
func (o Stream[In]) Route() Route {
	return Route{
		ID: o.ID, Method: o.Method, Path: cmp.Or(o.Base, Prefix) + o.Path, Summary: o.Summary, Action: o.Action,
		In: reflect.TypeFor[In](), BytesIn: o.BytesIn, BytesOut: o.BytesOut,
	}
}

// None is the request or reply that holds nothing.
type None struct{}
