package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cache"
	"fairlead.dev/fairlead/wire"
)

// noGateway is said where the server has none.
func noGateway() error {
	return &fairlead.Error{
		Kind: fairlead.Conflict, What: "reaching the gateway", Why: "the server has none (--gateway=false)", Remedy: "have the operator start the server with its gateway",
	}
}

func (a *API) gatewayRoutes() {
	serve(a, wire.ShowGateway, func(ctx context.Context, who fairlead.Caller, in wire.OrganizationPath) (fairlead.GatewayStatus, error) {
		o, err := a.Control.Organization(ctx, who, in.Organization, fairlead.GatewayRead)
		if err != nil {
			return fairlead.GatewayStatus{}, err
		}
		return a.gatewayStatus(ctx, who, &o)
	})
	serve(a, wire.ListCached, func(ctx context.Context, who fairlead.Caller, in wire.OrganizationPath) (fairlead.GatewayUsage, error) {
		o, err := a.withGateway(ctx, who, in, fairlead.GatewayRead)
		if err != nil {
			return fairlead.GatewayUsage{}, err
		}
		return a.Cache.Usage(ctx, who, &o)
	})
	serve(a, wire.PinImage, func(ctx context.Context, who fairlead.Caller, in wire.PinRequest) (fairlead.GatewayPinned, error) {
		o, err := a.withGateway(ctx, who, in.OrganizationPath, fairlead.GatewayPin)
		if err != nil {
			return fairlead.GatewayPinned{}, err
		}
		return a.Cache.Pin(ctx, who, o, in.Image, in.Platforms)
	})
	serve(a, wire.UnpinImage, func(ctx context.Context, who fairlead.Caller, in wire.UnpinRequest) (fairlead.GatewayPinned, error) {
		o, err := a.withGateway(ctx, who, in.OrganizationPath, fairlead.GatewayUnpin)
		if err != nil {
			return fairlead.GatewayPinned{}, err
		}
		return a.Cache.Unpin(ctx, who, o, in.Image)
	})
	stream(a, wire.PruneGateway, func(ctx context.Context, x *exchange, in wire.PruneGatewayRequest) error {
		o, err := a.withGateway(ctx, x.who, in.OrganizationPath, fairlead.GatewayPrune)
		if err != nil {
			return err
		}
		return a.prune(ctx, x, &o, in.PruneRequest)
	})
	stream(a, wire.PrefetchImage, a.prefetch)
}

// operatorRoutes are those of the server's own machine. Whoever reaches them may read the
// data directory, and so is the house itself.
func (a *API) operatorRoutes() {
	operate(a, wire.OperateStatus, func(ctx context.Context, who fairlead.Caller, _ wire.None) (fairlead.GatewayStatus, error) {
		return a.gatewayStatus(ctx, who, nil)
	})
	operate(a, wire.OperateUsage, func(ctx context.Context, who fairlead.Caller, _ wire.None) (fairlead.GatewayUsage, error) {
		if a.Cache == nil {
			return fairlead.GatewayUsage{}, noGateway()
		}
		return a.Cache.Usage(ctx, who, nil)
	})
	operateStream(a, wire.OperatePrune, func(ctx context.Context, x *exchange, in wire.PruneRequest) error {
		if a.Cache == nil {
			return noGateway()
		}
		return a.prune(ctx, x, nil, in)
	})
}

func (a *API) gatewayStatus(ctx context.Context, who fairlead.Caller, org *fairlead.Organization) (fairlead.GatewayStatus, error) {
	if a.Cache == nil {
		return fairlead.GatewayStatus{Registries: []fairlead.GatewayRegistry{}}, nil
	}
	return a.Cache.Status(ctx, who, org)
}

// withGateway finds the organization, of which the caller has the right, and the gateway.
func (a *API) withGateway(ctx context.Context, who fairlead.Caller, in wire.OrganizationPath, act fairlead.Action) (fairlead.Organization, error) {
	o, err := a.Control.Organization(ctx, who, in.Organization, act)
	if err == nil && a.Cache == nil {
		err = noGateway()
	}
	return o, err
}

func (a *API) prune(ctx context.Context, x *exchange, org *fairlead.Organization, in wire.PruneRequest) error {
	p := cache.Pruning{To: -1, UnusedFor: time.Duration(in.UnusedFor) * time.Second, Registry: in.Registry, Image: in.Image, DryRun: in.DryRun}
	if in.To != "" {
		n, err := strconv.ParseInt(in.To, 10, 64)
		if err != nil || n < 0 {
			return &fairlead.Error{Kind: fairlead.Invalid, Field: "to", What: "reading the request", Why: "it isn't a number of bytes", Remedy: "give 0 or more"}
		}
		p.To = n
	}
	lines := x.lines()
	out, err := a.Cache.Prune(ctx, x.who, org, p, func(i fairlead.CachedImage) { lines.write(wire.PruneLine{Image: &i}) })
	if err != nil {
		return lines.end(err, func(e *fairlead.Error) any { return wire.PruneLine{Error: e} })
	}
	lines.write(wire.PruneLine{Pruned: &out})
	return nil
}

func (a *API) prefetch(ctx context.Context, x *exchange, in wire.PrefetchRequest) error {
	o, err := a.withGateway(ctx, x.who, in.OrganizationPath, fairlead.GatewayPrefetch)
	if err != nil {
		return err
	}
	var platforms []string
	if in.Platform != "" {
		platforms = strings.Split(in.Platform, ",")
	}
	lines := x.lines()
	err = a.Cache.Prefetch(ctx, x.who, o, in.Image, platforms, func(p fairlead.PrefetchProgress) { lines.write(p) })
	if err != nil {
		return lines.end(err, func(e *fairlead.Error) any { return fairlead.PrefetchProgress{Image: in.Image, Error: e} })
	}
	return nil
}

// lines is a reply that is written line by line, each of them JSON, as it comes to be
// known. It begins with the first one: what is wrong before is answered as everywhere.
type lines struct {
	x *exchange
	e *json.Encoder
}

func (x *exchange) lines() *lines {
	e := json.NewEncoder(x.w)
	e.SetEscapeHTML(false)
	return &lines{x, e}
}

func (l *lines) write(v any) {
	if l.x.w.status == 0 {
		l.x.w.Header().Set("Content-Type", "application/x-ndjson")
		l.x.w.WriteHeader(http.StatusOK)
	}
	_ = l.e.Encode(v) // whoever has left needs no reply
	_ = http.NewResponseController(l.x.w).Flush()
}

// end says what went wrong: as the reply, if it hasn't begun, or as its last line.
func (l *lines) end(err error, line func(*fairlead.Error) any) error {
	if l.x.w.status == 0 {
		return err
	}
	l.write(line(fairlead.AsError("answering", err)))
	return nil
}
