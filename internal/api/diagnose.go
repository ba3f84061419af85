package api

import (
	"context"
	"encoding/json"
	"net/http"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/diagnose"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/wire"
)

func (a *API) diagnoseRoutes() {
	serve(a, wire.Explain, func(ctx context.Context, who fairlead.Caller, in wire.ExplainRequest) (fairlead.Explanation, error) {
		p, err := a.Control.Project(ctx, who, in.Owner, in.Project, fairlead.LeasePull)
		if err != nil {
			return fairlead.Explanation{}, err
		}
		x, err := a.Doctor.Explain(ctx, who, p, in.Image)
		x.Entries = filled(x.Entries)
		return x, err
	})
	stream(a, wire.DiagnoseImage, func(ctx context.Context, x *exchange, in wire.DoctorRequest) error {
		p, err := a.Control.Project(ctx, x.who, in.Owner, in.Project, fairlead.LeasePull)
		if err != nil {
			return err
		}
		return a.diagnosis(ctx, x, in.From, diagnose.Question{Asker: fairlead.Asker{Who: x.who, Project: p}, Image: in.Image, Push: in.Push})
	})
	stream(a, wire.TestRegistry, func(ctx context.Context, x *exchange, in wire.RegistryTestRequest) error {
		o, r, err := a.Control.Registry(ctx, x.who, in.Organization, in.Registry, fairlead.RegistryRead)
		if err != nil {
			return err
		}
		return a.diagnosis(ctx, x, in.From, diagnose.Question{
			Asker: fairlead.Asker{Who: x.who, Project: fairlead.Project{Organization: o.ID, Owner: o.Name}}, Image: in.Image, Entry: r.Name, Push: in.Push,
		})
	})
}

// diagnosis writes a diagnosis line by line, as it comes to be known. The reply begins with
// the first probe: what is wrong before is answered as everywhere.
func (a *API) diagnosis(ctx context.Context, x *exchange, from string, q diagnose.Question) error {
	if err := a.lookFrom(ctx, x.who, from, &q); err != nil {
		return err
	}
	lines := json.NewEncoder(x.w)
	lines.SetEscapeHTML(false)
	connection := http.NewResponseController(x.w)
	write := func(line wire.DiagnosisLine) {
		if x.w.status == 0 {
			x.w.Header().Set("Content-Type", "application/x-ndjson")
			x.w.WriteHeader(http.StatusOK)
		}
		_ = lines.Encode(line) // whoever has left needs no reply
		_ = connection.Flush()
	}
	q.Report = func(p fairlead.Probe) { write(wire.DiagnosisLine{Probe: &p}) }
	d, err := a.Doctor.Diagnose(ctx, q)
	if err != nil && x.w.status == 0 {
		return err
	}
	if err != nil {
		write(wire.DiagnosisLine{Error: fairlead.AsError("diagnosing the pull", err)})
		return nil
	}
	d.Probes = filled(d.Probes)
	write(wire.DiagnosisLine{Diagnosis: &d})
	return nil
}

// lookFrom has the network looked at from a worker, if one is named.
func (a *API) lookFrom(ctx context.Context, who fairlead.Caller, from string, q *diagnose.Question) error {
	if from == "" {
		return nil
	}
	name, err := fairlead.ParseName("from", from)
	if err != nil {
		return err
	}
	org := q.Asker.Project.Organization
	if org == "" {
		return &fairlead.Error{
			Kind: fairlead.Invalid, Field: "from", What: "looking from worker " + string(name), Why: "a personal project has no workers of its own",
			Remedy: "leave --from out, or give the project to an organization",
		}
	}
	if _, err := a.Runs.WorkerNamed(ctx, who, org, name); err != nil {
		return err
	}
	q.From = name
	q.Network = func(ctx context.Context, e oci.Endpoint) (oci.Sight, error) {
		raw, err := a.Runs.Look(ctx, who, org, name, fairlead.LookoutEndpoint{Host: e.Host, PlainHTTP: e.PlainHTTP, CABundle: e.CABundle})
		if err != nil {
			return oci.Sight{Stage: oci.StageProxy}, err
		}
		return diagnose.ReadSight(raw, name)
	}
	return nil
}
