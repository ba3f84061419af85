package api

import (
	"context"
	"io"
	"net/http"
	"strconv"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/runs"
	"fairlead.dev/fairlead/wire"
)

func (a *API) runRoutes() {
	serve(a, wire.HasArchive, func(ctx context.Context, who fairlead.Caller, in wire.ArchivePath) (wire.None, error) {
		return wire.None{}, a.Runs.HasArchive(ctx, who, in.Owner, in.Project, in.Digest)
	})
	stream(a, wire.PutArchive, func(ctx context.Context, x *exchange, in wire.ArchivePath) error {
		if err := a.Runs.PutArchive(ctx, x.who, in.Owner, in.Project, in.Digest, x.r.Body); err != nil {
			return err
		}
		x.w.WriteHeader(http.StatusNoContent)
		return nil
	})
	serve(a, wire.CreateRun, func(ctx context.Context, who fairlead.Caller, in wire.RunRequest) (fairlead.Run, error) {
		return a.Runs.Create(ctx, who, in.Owner, in.Project, runs.Draft{
			File: in.File, FileName: in.FileName, Step: in.Step, Archive: in.Archive, Image: in.Image, Parameters: in.Parameters,
			Inputs: in.Inputs, Environment: in.Environment, Strict: in.Strict, Retries: in.Retries,
			NoPreflight: in.NoPreflight,
		})
	})
	serve(a, wire.ListRuns, func(ctx context.Context, who fairlead.Caller, in wire.RunsRequest) (wire.Runs, error) {
		list, err := a.Runs.List(ctx, who, in.Owner, in.Project, in.Before, in.Limit)
		return wire.Runs{Runs: filled(list)}, err
	})
	serve(a, wire.ShowRun, func(ctx context.Context, who fairlead.Caller, in wire.RunPath) (fairlead.Run, error) {
		return a.Runs.Run(ctx, who, runPath(in))
	})
	serve(a, wire.StopRun, func(ctx context.Context, who fairlead.Caller, in wire.RunPath) (fairlead.Run, error) {
		return a.Runs.Stop(ctx, who, runPath(in))
	})
	serve(a, wire.ReadLog, func(ctx context.Context, who fairlead.Caller, in wire.LogRequest) (wire.Log, error) {
		p, err := a.Runs.Log(ctx, who, runPath(in.RunPath), runs.LogQuery{After: in.After, Limit: in.Limit, Wait: wire.Waits(in.Wait), Seen: in.Seen})
		return wire.Log{Lines: filled(p.Lines), Run: p.Run, Mark: p.Mark}, err
	})
	serve(a, wire.ListOutputs, func(ctx context.Context, who fairlead.Caller, in wire.RunPath) (wire.Outputs, error) {
		list, err := a.Runs.Outputs(ctx, who, runPath(in))
		return wire.Outputs{Outputs: filled(list)}, err
	})
	stream(a, wire.GetOutput, func(ctx context.Context, x *exchange, in wire.OutputPath) error {
		o, body, err := a.Runs.Output(ctx, x.who, runPath(in.RunPath), in.Name)
		if err != nil {
			return err
		}
		return x.send(body, o.Size)
	})
}

func runPath(p wire.RunPath) runs.Path {
	return runs.Path{Owner: p.Owner, Project: p.Project, Number: p.Number}
}

// send writes bytes as the reply. They are somebody's file: a browser must not take
// them for a page of ours.
func (x *exchange) send(body io.ReadCloser, size int64) error {
	defer func() { _ = body.Close() }()
	h := x.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", "attachment")
	if size >= 0 {
		h.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	if _, err := io.Copy(x.w, body); err != nil {
		return fairlead.AsError("sending bytes", err)
	}
	return nil
}
