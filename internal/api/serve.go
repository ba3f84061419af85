package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/identity"
	"fairlead.dev/fairlead/internal/watch"
	"fairlead.dev/fairlead/wire"
)

// maxBody is the greatest size of a JSON body, in bytes. A step file has room in it.
const maxBody = 2 << 20

// serve adds the route of an operation: its request is read and checked, who asks is
// found out, and act does what is asked.
func serve[In, Out any](a *API, op wire.Operation[In, Out], act func(context.Context, fairlead.Caller, In) (Out, error)) {
	route := op.Route()
	b := a.newBinding(route)
	a.document(route, b)
	a.handle(route, perform(a, b, act))
}

// operate is serve for the operator's door, which is no part of the document.
func operate[In, Out any](a *API, op wire.Operation[In, Out], act func(context.Context, fairlead.Caller, In) (Out, error)) {
	route := op.Route()
	a.handleAt(a.operator, route, operator, perform(a, a.newBinding(route), act))
}

// perform reads a request, and writes what act gives.
func perform[In, Out any](a *API, b *binding, act func(context.Context, fairlead.Caller, In) (Out, error)) func(context.Context, *exchange) error {
	_, empty := any(*new(Out)).(wire.None)
	return func(ctx context.Context, x *exchange) error {
		var in In
		came := x.within(a.BodyTime)
		err := b.read(x.r, &in)
		came()
		if err != nil {
			return err
		}
		x.org = organizationIn(in)
		out, err := act(ctx, x.who, in)
		if err != nil {
			return err
		}
		if empty {
			x.w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return x.reply(http.StatusOK, out)
	}
}

// serveValohai adds a route that has Valohai's form: what went wrong is told in its form
// too. act sets the exchange's organization as soon as it is known.
func serveValohai[In, Out any](a *API, op wire.Operation[In, Out], act func(context.Context, *exchange, In) (Out, error)) {
	route := op.Route()
	b := a.newBinding(route)
	a.document(route, b)
	_, empty := any(*new(Out)).(wire.None)
	a.handle(route, func(ctx context.Context, x *exchange) error {
		var in In
		came := x.within(a.BodyTime)
		err := b.read(x.r, &in)
		came()
		if err != nil {
			return err
		}
		out, err := act(ctx, x, in)
		switch {
		case err != nil:
			return err
		case empty:
			x.w.WriteHeader(http.StatusNoContent)
			return nil
		case route.Creates:
			return x.reply(http.StatusCreated, out)
		}
		return x.reply(http.StatusOK, out)
	})
}

// stream adds the route of an operation whose request or reply is bytes.
func stream[In any](a *API, op wire.Stream[In], act func(context.Context, *exchange, In) error) {
	route := op.Route()
	b := a.newBinding(route)
	a.document(route, b)
	a.handle(route, func(ctx context.Context, x *exchange) error {
		var in In
		if err := b.readURL(x.r, &in); err != nil {
			return err
		}
		return act(ctx, x, in)
	})
}

// operateStream is stream for the operator's door.
func operateStream[In any](a *API, op wire.Stream[In], act func(context.Context, *exchange, In) error) {
	route := op.Route()
	b := a.newBinding(route)
	a.handleAt(a.operator, route, operator, func(ctx context.Context, x *exchange) error {
		var in In
		if err := b.readURL(x.r, &in); err != nil {
			return err
		}
		return act(ctx, x, in)
	})
}

// operator is who comes to the operator's door: the house itself.
func operator(*http.Request) (fairlead.Caller, error) {
	who := fairlead.System()
	who.Request = requestID()
	return who, nil
}

// exchange is one request and its reply.
type exchange struct {
	w   *recorder
	r   *http.Request
	who fairlead.Caller
	// org is the organization that the request is about, where the path names none.
	org fairlead.Name
	// valohai says that errors have Valohai's form.
	valohai bool
}

// within ends the reading of the body after a time, so that nobody holds connections by
// sending next to nothing. What it gives is called when the body has come.
func (x *exchange) within(d time.Duration) (came func()) {
	connection := http.NewResponseController(x.w)
	over := time.AfterFunc(d, func() { _ = connection.SetReadDeadline(time.Unix(1, 0)) }) // long ago
	return func() { over.Stop() }
}

// organizationIn is the organization that a request's body names.
func organizationIn(in any) fairlead.Name {
	switch v := in.(type) {
	case wire.ProjectRequest:
		return fairlead.Name(v.Owner)
	case wire.TokenRequest:
		return fairlead.Name(v.Organization)
	default:
		return ""
	}
}

// handle adds a route whose caller is found out before do, and whose errors are
// written as replies.
func (a *API) handle(route wire.Route, do func(context.Context, *exchange) error) {
	valohai := strings.HasPrefix(route.Path, wire.ValohaiPrefix+"/")
	a.handleAt(a.mux, route, func(r *http.Request) (fairlead.Caller, error) { return a.caller(r, route.Open, valohai) }, do)
}

// handleAt is handle at one of the doors, where a caller is found out in its own way.
func (a *API) handleAt(mux *http.ServeMux, route wire.Route, caller func(*http.Request) (fairlead.Caller, error), do func(context.Context, *exchange) error) {
	path := route.Path
	if strings.HasSuffix(path, "/") {
		path += "{$}" // this path, and not all that is below it
	}
	observed := func(int, time.Duration) {}
	if a.Observe != nil {
		observed = a.Observe(route.Method, route.Path)
	}
	mux.HandleFunc(route.Method+" "+path, func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{w: &recorder{ResponseWriter: w}, r: r, valohai: strings.HasPrefix(path, wire.ValohaiPrefix+"/")}
		begun := a.Now()
		ctx := r.Context()
		var err error
		x.who, err = caller(r)
		x.name()
		if err == nil {
			err = do(ctx, x)
		}
		if err != nil {
			a.refused(ctx, x, route, err)
			x.fail(err)
		}
		a.note(ctx, x, route, begun, err)
		observed(x.w.status, a.Now().Sub(begun))
	})
}

// name tells the caller what the request is called in the log, and nobody to keep the
// reply: it is for this caller and for now.
func (x *exchange) name() {
	h := x.w.Header()
	h.Set("X-Request-Id", x.who.Request)
	h.Set("Cache-Control", "no-store")
}

// caller finds out who asks. An open route takes whoever comes; Valohai's clients say
// Token where others say Bearer.
func (a *API) caller(r *http.Request, open, valohai bool) (fairlead.Caller, error) {
	from, request := fromOf(r), requestID()
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	known := strings.EqualFold(scheme, "Bearer") || valohai && strings.EqualFold(scheme, "Token")
	if open || !known {
		who := fairlead.Caller{From: from, Request: request}
		if open {
			return who, nil
		}
		return who, identity.Unproven()
	}
	who, err := a.Identity.Caller(r.Context(), fairlead.SecretText(strings.TrimSpace(token)), from, request)
	if err != nil {
		who = fairlead.Caller{From: from, Request: request}
	}
	return who, err
}

// fromOf is the address that the request came from, without its port.
func fromOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// refused records that somebody was denied what they asked for.
func (a *API) refused(ctx context.Context, x *exchange, route wire.Route, err error) {
	if fairlead.KindOf(err) != fairlead.Denied || route.Action == "" || x.who.ID == "" {
		return
	}
	org := cmp.Or(fairlead.Name(x.r.PathValue("organization")), fairlead.Name(x.r.PathValue("owner")), x.org)
	if err := a.Control.Refused(ctx, x.who, route.Action, org, x.r.URL.Path); err != nil {
		a.Log.ErrorContext(ctx, "recording refusal", "error", err.Error(), "request", x.who.Request)
	}
}

// reply writes a JSON reply. It is encoded before anything is sent, so that what can't
// be encoded is an error and not half a reply.
func (x *exchange) reply(status int, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fairlead.AsError("writing reply", err)
	}
	x.w.Header().Set("Content-Type", "application/json")
	x.w.WriteHeader(status)
	_, _ = x.w.Write(b.Bytes()) // whoever has left needs no reply
	return nil
}

// fail writes an error as a reply. What is [fairlead.Internal] shows no more of itself
// than that it happened: the log has the rest.
func (x *exchange) fail(err error) {
	if x.w.status != 0 {
		// The reply has begun: only breaking it off can still say that it isn't whole.
		panic(http.ErrAbortHandler)
	}
	e := *fairlead.AsError("answering", err)
	if e.Kind == fairlead.Internal && e.Why == "" {
		e.Why = "something went wrong inside of the server"
		e.Remedy = "look at the server's log for request " + x.who.Request
	}
	if e.Kind == fairlead.Unauthenticated {
		x.w.Header().Set("WWW-Authenticate", `Bearer realm="fairlead"`)
	}
	if x.valohai {
		x.failValohai(e)
		return
	}
	body := wire.ErrorReply{Error: e, Request: x.who.Request}
	if p, ok := asProblems(err); ok {
		body.Problems = p
	}
	if u, ok := errors.AsType[*watch.UnprovedError](err); ok {
		body.Proof = &u.Proof
	}
	_ = x.reply(wire.Status(e.Kind), body)
}

// recorder knows what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// ReadFrom lets files be sent without passing through this process.
func (w *recorder) ReadFrom(r io.Reader) (int64, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := io.Copy(w.ResponseWriter, r)
	w.bytes += n
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
