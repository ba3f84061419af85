package worker

import (
	"context"
	"encoding/json"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/wire"
)

// lookTime is how long the worker looks at the way to a registry.
const lookTime = 30 * time.Second

// look looks at the way to a registry from here, without a login, and tells the server.
func (w *Worker) look(ctx context.Context, l wire.Lookout) {
	looking, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	sight, err := w.OCI.Look(looking, oci.Endpoint{Host: l.Host, PlainHTTP: l.PlainHTTP, CABundle: l.CABundle})
	r := oci.Report{Sight: sight}
	if err != nil {
		r.Error = fairlead.AsError("looking at "+l.Host, err)
	}
	seen, err := json.Marshal(r)
	if err == nil {
		_, err = client.Do(ctx, w.Client, wire.ReportLookout, wire.LookoutReport{Lookout: l.ID, Sight: seen})
	}
	if err != nil {
		w.Log.WarnContext(ctx, "telling what was seen", "host", l.Host, "error", err.Error())
	}
}
