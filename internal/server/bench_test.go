package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

// benchClients is how many ask at once, for each processor.
const benchClients = 32

// BenchmarkCachedLease asks a server over HTTP, with SQLite and from many clients that
// keep their connections, for a login that it remembers. The clients are in the same
// process: they share its processors with the server.
func BenchmarkCachedLease(b *testing.B) {
	p := fairleadtest.Start(b, fairleadtest.WithoutLog())
	reg := registrytest.New(b, registrytest.Config{
		Auth: registrytest.Bearer, TokenLife: time.Hour, Accounts: []registrytest.Account{{Name: "robot", Password: "robot", Rights: registrytest.Everything()}},
	})
	hidden := func(s string) wire.Clear { return wire.Clear{Secret: fairlead.SecretText(s)} }
	fairleadtest.Must(b, p.Ann, wire.AddRegistry, wire.RegistryRequest{
		OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Name: "main", Pattern: reg.Host() + "/*", PlainHTTP: true,
		NewConnector: &wire.ConnectorFields{Family: "docker", Method: "basic", Public: map[string]string{"username": "robot"}, Secrets: map[string]wire.Clear{"password": hidden("robot")}},
	})
	fairleadtest.Must(b, p.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "acme", Name: "models"})
	token := fairleadtest.Must(b, p.Anybody(), wire.Login, wire.LoginRequest{Name: "ann", Password: hidden(fairleadtest.Password)}).Token
	body := `{"image": "` + reg.Host() + `/team/app:v1"}`
	transport := &http.Transport{MaxIdleConnsPerHost: 1000, DisableCompression: true}
	defer transport.CloseIdleConnections()
	lease := func() (int, []byte, error) {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, p.URL+"/api/v1/projects/acme/models/leases", strings.NewReader(body))
		if err != nil {
			return 0, nil, err
		}
		req.Header.Set("Authorization", "Bearer "+string(token.Reveal()))
		req.Header.Set("Content-Type", "application/json")
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return 0, nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		return resp.StatusCode, text, err
	}
	_, text, err := lease()
	var first wire.Lease
	if err == nil {
		err = json.Unmarshal(text, &first)
	}
	if err != nil || first.Kind != fairlead.RegistryToken {
		b.Fatalf("%s: %v", text, err)
	}
	b.SetParallelism(benchClients)
	b.ReportAllocs()
	spent := processorTime(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if status, text, err := lease(); err != nil || status != http.StatusOK {
				b.Errorf("status %d: %s (%v)", status, text, err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "leases/s")
	// What a lease takes of a processor is the same on a machine that does other things
	// beside.
	b.ReportMetric(float64((processorTime(b)-spent).Microseconds())/float64(b.N), "cpu-us/lease")
}

// processorTime is what this process has used of the processors.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
