package api

import (
	"context"
	"io"
	"net/http"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/runs"
	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

func (a *API) workRoutes() {
	serve(a, wire.Claim, a.claim)
	serve(a, wire.ReportLookout, func(ctx context.Context, who fairlead.Caller, in wire.LookoutReport) (wire.None, error) {
		return wire.None{}, a.Runs.Seen(ctx, who, in.Lookout, in.Sight)
	})
	serve(a, wire.Renew, func(ctx context.Context, who fairlead.Caller, in wire.RenewRequest) (wire.Renewed, error) {
		if in.Release {
			return wire.Renewed{}, a.Runs.Release(ctx, who, in.Run, in.Fence)
		}
		hold, stop, err := a.Runs.Renew(ctx, who, in.Run, in.Fence, in.Progress)
		return wire.Renewed{Hold: wire.Milliseconds(hold.Milliseconds()), Stop: stop}, err
	})
	serve(a, wire.AppendLog, func(ctx context.Context, who fairlead.Caller, in wire.LogLines) (wire.None, error) {
		return wire.None{}, a.Runs.AppendLog(ctx, who, in.Run, in.Fence, in.Lines)
	})
	serve(a, wire.LeaseHeld, a.leaseHeld)
	serve(a, wire.Begin, func(ctx context.Context, who fairlead.Caller, in wire.BegunRequest) (wire.None, error) {
		return wire.None{}, a.Runs.Begin(ctx, who, in.Run, in.Fence, in.Pulled)
	})
	serve(a, wire.End, func(ctx context.Context, who fairlead.Caller, in wire.EndRequest) (wire.None, error) {
		return wire.None{}, a.Runs.End(ctx, who, in.Run, in.Fence, runs.Ending{
			ExitCode: in.ExitCode, Failure: in.Failure, Pulled: in.Pulled, Stopped: in.Stopped,
		})
	})
	stream(a, wire.GetHeldArchive, func(ctx context.Context, x *exchange, in wire.HeldPath) error {
		body, err := a.Runs.Archive(ctx, x.who, in.Run, in.Fence)
		if err != nil {
			return err
		}
		size, err := body.Seek(0, io.SeekEnd)
		if err == nil {
			_, err = body.Seek(0, io.SeekStart)
		}
		if err != nil {
			_ = body.Close()
			return fairlead.AsError("measuring archive", err)
		}
		return x.send(body, size)
	})
	stream(a, wire.PutOutput, func(ctx context.Context, x *exchange, in wire.HeldOutputPath) error {
		o := fairlead.Output{Name: in.Name, Digest: in.Digest, Size: in.Size}
		if err := a.Runs.PutOutput(ctx, x.who, in.Run, in.Fence, o, x.r.Body); err != nil {
			return err
		}
		x.w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

func (a *API) claim(ctx context.Context, who fairlead.Caller, in wire.ClaimRequest) (wire.Assignment, error) {
	about := fairlead.Worker{Engine: in.Engine, Platform: in.Platform, Version: in.Version}
	for _, q := range in.Queues {
		name, err := fairlead.ParseName("queues", q)
		if err != nil {
			return wire.Assignment{}, err
		}
		about.Queues = append(about.Queues, name)
	}
	got, ok, err := a.Runs.Claim(ctx, who, about, wire.Waits(in.Wait))
	if err != nil || !ok {
		return wire.Assignment{}, err
	}
	if l := got.Lookout; l != nil {
		return wire.Assignment{Lookout: &wire.Lookout{ID: l.ID, LookoutEndpoint: l.Endpoint}}, nil
	}
	return wire.Assignment{
		Run: &got.Run, Project: got.Project.FullName(), Hold: wire.Milliseconds(got.Hold.Milliseconds()), NextLine: got.NextLine,
	}, nil
}

// leaseHeld gives a worker a login for the image of a run that it holds: to its registry,
// or to the server's own gateway.
func (a *API) leaseHeld(ctx context.Context, who fairlead.Caller, in wire.HeldLeaseRequest) (wire.Lease, error) {
	r := ref.Resource{Host: in.Host, Repository: in.Repository}
	if in.Through == "" {
		l, err := a.Runs.Lease(ctx, who, in.Run, in.Fence, r, in.Refused)
		return wire.FromLease(l), err
	}
	asker, err := a.Runs.Asker(ctx, who, in.Run, in.Fence)
	switch {
	case err != nil:
		return wire.Lease{}, err
	case asker.Image.Resource != r:
		return wire.Lease{}, runs.AnotherImage(asker.Image.Resource)
	case a.Gateway == nil:
		return wire.Lease{}, &fairlead.Error{
			Kind: fairlead.Conflict, Code: fairlead.CodeNoGateway, What: "leasing a login to the gateway", Why: "this server has none",
			Remedy: "pull directly, or start the server with its gateway",
		}
	}
	l, err := a.Gateway.Lease(ctx, asker, in.Fence)
	return wire.FromLease(l), err
}
