package gateway

import (
	"context"
	"log/slog"
	"net/http"

	"fairlead.dev/fairlead"
)

// note writes the request's line into the log. Neither the URL's query nor any header is
// in it.
func (g *Gateway) note(r *http.Request, t target, s session, status int, no *refusal) {
	g.replies.add(t.kind, status)
	level := slog.LevelDebug
	if status >= http.StatusInternalServerError && r.Context().Err() == nil {
		level = slog.LevelWarn
	}
	ctx := r.Context()
	if !g.opts.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request", g.request()), slog.String("method", r.Method), slog.String("path", fairlead.Clip(r.URL.Path)),
		slog.Int("status", status), slog.String("from", fromOf(r)),
	}
	if t.space != "" {
		attrs = append(attrs, slog.String("registry", t.space))
	}
	if w := s.asker.Who; w.ID != "" {
		attrs = append(attrs, slog.String("who", string(w.Kind)+" "+w.Name), slog.String("organization", string(s.asker.Project.Organization)))
	}
	if no != nil && no.cause != nil {
		attrs = append(attrs, slog.String("error", no.cause.Error()))
	} else if no != nil {
		attrs = append(attrs, slog.String("error", no.message))
	}
	g.opts.Log.LogAttrs(ctx, level, "gateway", attrs...)
}

// recordStale writes the event that what is kept is served while the upstream doesn't
// answer.
func (g *Gateway) recordStale(ctx context.Context, s *session, v *view, why error) {
	a := s.asker
	ev := a.Who.Event(fairlead.LeasePull, a.Project.Place(), fairlead.Object{Kind: "registry", ID: string(v.cover.Registry), Name: string(v.cover.Name)}).
		With("for", v.room.resource.String()).With("through", "gateway").With("did", "serve what was kept").
		With("because", fairlead.AsError("asking the registry", why).Error())
	g.record(ctx, a, ev)
}

// recordDenied writes the event that somebody asked for what they have no right to.
func (g *Gateway) recordDenied(r *http.Request, s *session, t target) {
	a := s.asker
	ev := a.Who.Event(fairlead.LeasePull, a.Project.Place(), fairlead.Object{Kind: "lease", Name: fairlead.Clip(t.name)}).With("through", "gateway")
	ev.Allowed = false
	g.record(r.Context(), a, ev)
}

func (g *Gateway) record(ctx context.Context, a fairlead.Asker, ev fairlead.Event) {
	ev.From, ev.Request, ev.Project = withoutPort(a.Who.From), g.request(), a.Project.ID
	if err := g.opts.Record(context.WithoutCancel(ctx), ev); err != nil {
		g.opts.Log.ErrorContext(ctx, "recording event", "error", err.Error())
	}
}
