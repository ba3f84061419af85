package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/wire"
)

// requestID identifies a request in the log, in events and in its reply.
func requestID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// note writes the request's line into the log: what was asked, by whom, and what came
// of it. Neither the URL's query nor any header is in it.
func (a *API) note(ctx context.Context, x *exchange, route wire.Route, begun time.Time, err error) {
	level := slog.LevelDebug
	// A request that was cut off, because its caller or the server ends, is nobody's fault.
	cut := ctx.Err() != nil && fairlead.KindOf(err) == fairlead.Unavailable
	if x.w.status >= http.StatusInternalServerError && !cut {
		level = slog.LevelError
	}
	if !a.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request", x.who.Request),
		slog.String("operation", route.ID),
		slog.Int("status", x.w.status),
		slog.Duration("took", a.Now().Sub(begun)),
		slog.String("from", x.who.From),
	}
	if x.who.ID != "" {
		attrs = append(attrs, slog.String("who", string(x.who.Kind)+" "+x.who.Name))
	}
	if err != nil {
		attrs = append(attrs, slog.String("kind", string(fairlead.KindOf(err))), slog.String("error", err.Error()))
	}
	a.Log.LogAttrs(ctx, level, "request", attrs...)
}
