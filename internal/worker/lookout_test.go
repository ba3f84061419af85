package worker

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

// TestLook has a worker look at a registry that it may connect to, and at one that it may
// not: it tells what it has seen, and shows the registry no login.
func TestLook(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, registrytest.Config{Auth: registrytest.Bearer})
	t.Cleanup(func() {
		for _, q := range reg.Requests() {
			if q.Scheme != "" {
				t.Errorf("%s was shown a login", q.Path)
			}
		}
	})
	for name, row := range map[string]struct {
		allow []string
		stage oci.Stage
		code  fairlead.Code
	}{
		"reachable": {[]string{"127.0.0.0/8"}, oci.StageArrived, ""},
		"forbidden": {nil, oci.StageRoute, fairlead.CodeEgress},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			told := make(chan []byte, 1)
			b := newBench(t, fairlead.Run{}, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/api/v1/work/lookouts/one" {
					t.Errorf("asked for %s", r.URL.Path)
				}
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				told <- body
				w.WriteHeader(http.StatusNoContent)
			})
			c, err := oci.New(oci.Options{Now: time.Now, Egress: oci.Egress{Allow: row.allow}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			b.OCI = c
			b.look(t.Context(), wire.Lookout{ID: "one", LookoutEndpoint: fairlead.LookoutEndpoint{Host: reg.Host(), PlainHTTP: true}})
			var got struct{ Sight oci.Report }
			if err := json.Unmarshal(<-told, &got); err != nil {
				t.Fatal(err)
			}
			var code fairlead.Code
			if got.Sight.Error != nil {
				code = got.Sight.Error.Code
			}
			if got.Sight.Sight.Stage != row.stage || code != row.code {
				t.Errorf("%+v, %+v", got.Sight.Sight, got.Sight.Error)
			}
		})
	}
}
