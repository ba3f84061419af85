package api

import (
	"net/http"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/wire"
)

// plainRoutes adds what needs no proof: health, readiness, the OpenAPI document, and
// the answer to a path of the API that isn't there.
func (a *API) plainRoutes() {
	a.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	a.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if err := a.Ready(r.Context()); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte("not ready\n"))
			a.Log.WarnContext(r.Context(), "not ready", "error", err.Error())
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	a.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(a.json)
	})
	a.mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{w: &recorder{ResponseWriter: w}, r: r, who: fairlead.Caller{Request: requestID(), From: fromOf(r)}}
		x.name()
		x.fail(&fairlead.Error{
			Kind: fairlead.NotFound, What: "finding route", Why: "there is no " + fairlead.Clip(r.Method+" "+r.URL.Path),
			Remedy: "see /docs for what there is; the API begins with " + wire.Prefix,
		})
	})
}
