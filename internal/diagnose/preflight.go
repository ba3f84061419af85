package diagnose

import (
	"context"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/ref"
)

// preflightLimit is how long a run that is to be queued waits for its image to be looked
// at.
const preflightLimit = 10 * time.Second

// Preflight looks, before a run is queued, whether its image can be pulled: by the login
// that a worker would get, for a platform that a worker has. It asks for what is needed
// and no more. An error is what would stop the run on every worker. What it couldn't find
// out, and what may be otherwise from a worker's network, comes as a diagnosis with a
// warning; nil is that all is well.
func (d *Doctor) Preflight(ctx context.Context, p fairlead.Project, run fairlead.RunID, image string) (*fairlead.Diagnosis, error) {
	i, err := ref.Parse(image)
	if err != nil {
		return nil, fairlead.Misread("image", err)
	}
	ctx, cancel := context.WithTimeout(ctx, preflightLimit)
	defer cancel()
	found, err := d.preflight(ctx, p, run, i)
	if err == nil {
		return nil, nil //nolint:nilnil // There is nothing to say.
	}
	e := *fairlead.AsError("looking at the image before the run is queued", err)
	e = *e.OfConnector(found.connector(e))
	if stops(e.Code) && ctx.Err() == nil {
		e.Remedy += doctorHint(p, image)
		return nil, &e
	}
	return &fairlead.Diagnosis{
		Image: i.String(), Project: p.FullName(), Registry: found.RegistryName, Connector: found.ConnectorName, At: d.Now(),
		Verdict: fairlead.ProbeWarning, Cause: &e,
		Probes: []fairlead.Probe{{
			Name: imageProbe, Verdict: fairlead.ProbeWarning, Detail: "before the run was queued: " + e.Error(), Remedy: e.Remedy, Error: &e,
		}},
	}, nil
}

// preflighted is what the image was asked for with.
type preflighted struct{ fairlead.Lease }

func (p preflighted) connector(e fairlead.Error) fairlead.Name {
	w := walk{connector: fairlead.Connector{Name: p.ConnectorName}}
	return w.ownConnector(e)
}

func (d *Doctor) preflight(ctx context.Context, p fairlead.Project, run fairlead.RunID, i ref.Image) (preflighted, error) {
	a := fairlead.Asker{Who: fairlead.System(), Project: p, Run: run, Image: i, Inside: d.Gateway}
	lease, err := d.Leases.Lease(ctx, a, fairlead.Scope{Resource: i.Resource, Verb: fairlead.Pull})
	found := preflighted{lease}
	if err != nil {
		return found, err
	}
	seen, err := d.Registries.Examine(ctx, fixed(lease), i)
	if err != nil {
		return found, err
	}
	if i.Host == "docker.io" {
		return found, nil // a manifest that is fetched there counts as a pull
	}
	list, _, err := d.platforms(ctx, p.Organization)
	if err != nil || len(list) == 0 {
		return found, err
	}
	i.Digest = string(seen.Top.Digest)
	for _, on := range list {
		_, err = d.Registries.Image(ctx, fixed(lease), i, oci.ParsePlatform(on))
		if fairlead.CodeOf(err) != fairlead.CodePlatform {
			return found, err
		}
	}
	return found, err
}

// stops reports whether what went wrong does so from everywhere: what a registry or the
// house itself has said, and not the way there.
func stops(c fairlead.Code) bool {
	switch c {
	case fairlead.CodeNoEntry, fairlead.CodePersonalProject, fairlead.CodeLoginRefused, fairlead.CodeNoRight, fairlead.CodeNoImage,
		fairlead.CodeConnectorExpired, fairlead.CodePlatform, fairlead.CodeDisclosure, fairlead.CodeUnsupportedImage:
		return true
	default:
		return false
	}
}

func doctorHint(p fairlead.Project, image string) string {
	return "; all that was looked at: `fairlead doctor --project " + p.FullName() + " " + image + "`"
}

// IsPull reports whether an error of a run is about its pull, and a diagnosis may say more.
func IsPull(e *fairlead.Error) bool {
	if e == nil {
		return false
	}
	return stops(e.Code) || fairlead.OfHost(e.Code) || e.Code == fairlead.CodeRateLimited || e.Code == fairlead.CodeRealm || e.Code == fairlead.CodeDigest
}

// OfRun diagnoses the pull of a run that has failed; false if it failed of something else.
func (d *Doctor) OfRun(ctx context.Context, p fairlead.Project, run fairlead.Run) (fairlead.Diagnosis, bool) {
	if !IsPull(run.Failure) {
		return fairlead.Diagnosis{}, false
	}
	found, err := d.Diagnose(ctx, Question{
		Asker: fairlead.Asker{Who: fairlead.System(), Project: p, Run: run.ID}, Image: run.Spec.Image,
	})
	if err != nil {
		return fairlead.Diagnosis{}, false
	}
	if found.Verdict == fairlead.ProbeOK && fairlead.OfHost(run.Failure.Code) && run.WorkerName != "" {
		found.Verdict = fairlead.ProbeWarning
		found.Cause = &fairlead.Error{
			Kind: fairlead.Unavailable, Code: run.Failure.Code, What: "diagnosing the pull",
			Why:    "the server reaches the registry, and worker " + string(run.WorkerName) + " didn't: " + run.Failure.Why,
			Remedy: "look at it from there: `fairlead doctor --project " + p.FullName() + " --from " + string(run.WorkerName) + " " + run.Spec.Image + "`",
		}
	}
	return found, true
}
