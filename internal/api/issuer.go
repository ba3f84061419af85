package api

import (
	"context"
	"net/http"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/issuer"
)

// issuerRoutes adds the documents that clouds fetch (OpenID Connect Discovery 1.0,
// section 4). They are for everybody.
func (a *API) issuerRoutes() {
	a.published(issuer.DiscoveryPath, func(context.Context) ([]byte, error) { return a.Issuer.Discovery() })
	a.published(issuer.KeysPath, func(ctx context.Context) ([]byte, error) { return a.Issuer.Keys(ctx) })
}

func (a *API) published(path string, document func(context.Context) ([]byte, error)) {
	a.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{w: &recorder{ResponseWriter: w}, r: r, who: fairlead.Caller{Request: requestID(), From: fromOf(r)}}
		if a.Issuer == nil {
			x.name()
			x.fail(&fairlead.Error{
				Kind: fairlead.NotFound, What: "finding issuer", Why: "this server is no issuer of subject tokens",
				Remedy: "its operator gives it a public https address (--public-url)",
			})
			return
		}
		b, err := document(r.Context())
		if err != nil {
			x.name()
			x.fail(err)
			return
		}
		// Keys are published long before they sign.
		w.Header().Set("Cache-Control", "public, max-age=3600")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(b)
	})
}
