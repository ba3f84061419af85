package server_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/wire"
)

// Secrets that may be nowhere in what is scraped.
const (
	scrapeToken   = "scr4pe-token-of-prometheus"
	robotPassword = "c4nary-password-of-the-robot"
)

// measured is a plane that is scraped, with a registry behind its gateway.
type measured struct {
	*fairleadtest.Plane
	reg   *registrytest.Registry
	token string
}

func newMeasured(t *testing.T) *measured {
	t.Helper()
	p := fairleadtest.Start(t, func(o *server.Options) { o.MetricsToken = fairlead.SecretText(scrapeToken) })
	robot := registrytest.Account{Name: "robot", Password: robotPassword, Rights: registrytest.Everything()}
	m := &measured{Plane: p, reg: registrytest.New(t, registrytest.Config{Auth: registrytest.Bearer, Accounts: []registrytest.Account{robot}})}
	fairleadtest.Must(t, p.Ann, wire.AddRegistry, wire.RegistryRequest{
		OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Name: "main", Pattern: m.reg.Host() + "/*", PlainHTTP: true,
		NewConnector: &wire.ConnectorFields{
			Family: "docker", Method: "basic", Public: map[string]string{"username": "robot"},
			Secrets: map[string]wire.Clear{"password": {Secret: fairlead.SecretText(robotPassword)}},
		},
	})
	m.token = string(fairleadtest.Must(t, p.Ann, wire.CreateToken, wire.TokenRequest{Name: "pull"}).Token.Reveal())
	return m
}

// get asks the plane with an Authorization header.
func (m *measured) get(t *testing.T, path, authorization string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // It was read.
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, b
}

// scrape reads the metrics as Prometheus does.
func (m *measured) scrape(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	status, body := m.get(t, server.MetricsPath, "Bearer "+scrapeToken)
	if status != http.StatusOK {
		t.Fatalf("scrape: %d %s", status, body)
	}
	for _, secret := range []string{scrapeToken, robotPassword, m.token, "acme", "team/app"} {
		if bytes.Contains(body, []byte(secret)) {
			t.Errorf("the metrics hold %q", secret)
		}
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// value gives the value of the metric that has all of the labels, as "name=value".
func value(t *testing.T, families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	if families[name] == nil {
		t.Errorf("there is no %s", name)
		return -1
	}
	for _, m := range families[name].GetMetric() {
		have := map[string]bool{}
		for _, l := range m.GetLabel() {
			have[l.GetName()+"="+l.GetValue()] = true
		}
		all := true
		for _, l := range labels {
			all = all && have[l]
		}
		if all {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	t.Errorf("there is no %s with %v", name, labels)
	return -1
}

// TestMetrics pulls an image twice, and one that isn't there, and reads from the metrics
// that this is what has happened.
func TestMetrics(t *testing.T) {
	t.Parallel()
	m := newMeasured(t)
	image := registrytest.RandomImage(t, 100_000)
	registrytest.Push(t, m.reg, image, "team/app:v1", registrytest.Account{Name: "robot", Password: robotPassword, Rights: registrytest.Everything()})
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	digest, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	size, err := layers[0].Size()
	if err != nil {
		t.Fatal(err)
	}
	base := "/v2/" + strings.Replace(m.reg.Host(), ":", "__", 1) + "/team/app"
	var manifest []byte
	for i, path := range []string{"/manifests/v1", "/blobs/" + digest.String()} {
		for range 2 {
			status, body := m.get(t, base+path, "Bearer "+m.token)
			if status != http.StatusOK {
				t.Fatalf("%s: %d %s", path, status, body)
			}
			if manifest == nil {
				manifest = body
			}
			m.landed(t, float64(i+1))
		}
	}
	if status, _ := m.get(t, base+"/manifests/none", "Bearer "+m.token); status != http.StatusNotFound {
		t.Errorf("what isn't there: %d", status)
	}
	got := m.scrape(t)
	registry := "registry=" + m.reg.Host()
	bytesOnce := float64(size + int64(len(manifest)))
	for _, row := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"fairlead_gateway_requests_total", []string{registry, "outcome=hit"}, 2},
		{"fairlead_gateway_requests_total", []string{registry, "outcome=miss"}, 2},
		{"fairlead_gateway_requests_total", []string{registry, "outcome=stale"}, 0},
		{"fairlead_gateway_upstream_bytes_total", []string{registry}, bytesOnce},
		{"fairlead_gateway_client_bytes_total", []string{registry}, 2 * bytesOnce},
		{"fairlead_gateway_upstream_requests_total", []string{registry, "outcome=answered"}, 3}, // manifest, HEAD and GET of the blob
		{"fairlead_gateway_upstream_requests_total", []string{registry, "outcome=refused"}, 1},
		{"fairlead_gateway_upstream_duration_seconds", []string{registry}, 4},
		{"fairlead_gateway_flights_total", []string{registry}, 1},
		{"fairlead_gateway_flights", []string{registry}, 0},
		{"fairlead_gateway_followers_total", []string{registry}, 0},
		{"fairlead_gateway_flight_failures_total", []string{registry, "reason=wrong_digest"}, 0},
		{"fairlead_gateway_replies_total", []string{"kind=manifest", "status=200"}, 2},
		{"fairlead_gateway_replies_total", []string{"kind=manifest", "status=404"}, 1},
		{"fairlead_gateway_replies_total", []string{"kind=blob", "status=200"}, 2},
		{"fairlead_gateway_kept_bytes", nil, bytesOnce},
		{"fairlead_gateway_kept_blobs", nil, 2},
		{"fairlead_gateway_evictions_total", nil, 0},
		{"fairlead_http_requests_total", []string{"method=POST", "route=/api/v1/organizations/{organization}/registries", "status=200"}, 1},
		{"fairlead_http_request_duration_seconds", []string{"method=POST", "route=/api/v1/organizations/{organization}/registries"}, 1},
		{"fairlead_events_total", []string{"action=registry.add", "allowed=true"}, 1},
		{"fairlead_runs", []string{"state=queued"}, 0},
		{"fairlead_queue_length", nil, 0},
		{"fairlead_connectors", []string{"state=working"}, 1},
		{"fairlead_database_up", nil, 1},
		{"fairlead_build_info", []string{"version=test"}, 1},
	} {
		if v := value(t, got, row.name, row.labels...); v != row.want {
			t.Errorf("%s%v is %v, want %v", row.name, row.labels, v, row.want)
		}
	}
	if value(t, got, "fairlead_leases_total", "family=docker", "outcome=registry-token") < 1 || value(t, got, "go_goroutines") < 1 || value(t, got, "process_open_fds") < 1 {
		t.Error("leases, Go or the process aren't measured")
	}
}

// landed waits until as much is kept and nothing is arriving: the last byte is sent
// before that.
func (m *measured) landed(t *testing.T, want float64) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		got := m.scrape(t)
		if value(t, got, "fairlead_gateway_flights", "registry="+m.reg.Host()) == 0 && value(t, got, "fairlead_gateway_kept_blobs") == want {
			return
		}
		<-tick.C
	}
}

// TestMetricsNeedLeave shows nothing to whoever doesn't show the token.
func TestMetricsNeedLeave(t *testing.T) {
	t.Parallel()
	m := newMeasured(t)
	for _, authorization := range []string{"", "Bearer ", "Bearer wrong", "Basic " + scrapeToken, "Bearer " + m.token, scrapeToken} {
		if status, body := m.get(t, server.MetricsPath, authorization); status != http.StatusUnauthorized || bytes.Contains(body, []byte("fairlead_")) {
			t.Errorf("%q: %d", authorization, status)
		}
	}
	closed := &measured{Plane: fairleadtest.Start(t)}
	for _, authorization := range []string{"", "Bearer ", "Bearer " + scrapeToken} {
		if status, _ := closed.get(t, server.MetricsPath, authorization); status != http.StatusNotFound {
			t.Errorf("without a token of the server's, %q: %d", authorization, status)
		}
	}
}

// TestMetricsListener shows metrics to this machine, and to others with the token alone.
func TestMetricsListener(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		address, token, shown string
		want                  int
	}{
		"this machine":                        {"127.0.0.1:0", "", "", http.StatusOK},
		"this machine, with a token":          {"127.0.0.1:0", scrapeToken, "", http.StatusUnauthorized},
		"others, without a token":             {"0.0.0.0:0", "", "Bearer ", http.StatusNotFound},
		"others, who don't show it":           {"0.0.0.0:0", scrapeToken, "", http.StatusUnauthorized},
		"others, who show it":                 {"0.0.0.0:0", scrapeToken, "Bearer " + scrapeToken, http.StatusOK},
		"this machine, a token that is shown": {"127.0.0.1:0", scrapeToken, "Bearer " + scrapeToken, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := fairleadtest.Start(t, func(o *server.Options) { o.MetricsToken = fairlead.SecretText(row.token) })
			l, err := server.Listen(t.Context(), row.address)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- p.ServeMetrics(ctx, l) }()
			_, port, err := net.SplitHostPort(l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			p.URL = "http://127.0.0.1:" + port
			m := &measured{Plane: p}
			if status, body := m.get(t, server.MetricsPath, row.shown); status != row.want || (status == http.StatusOK) != bytes.Contains(body, []byte("fairlead_build_info")) {
				t.Errorf("%d, want %d: %.200s", status, row.want, body)
			}
			if status, _ := m.get(t, "/api/v1/whoami", row.shown); status != http.StatusNotFound {
				t.Errorf("something else is there: %d", status)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRegistryLabels names hosts that nobody has: the labels stay few.
func TestRegistryLabels(t *testing.T) {
	t.Parallel()
	m := newMeasured(t)
	for i := range 40 {
		_, _ = m.get(t, "/v2/h"+strings.Repeat("x", i+1)+".invalid/team/app/manifests/v1", "Bearer "+m.token)
	}
	base := "/v2/" + strings.Replace(m.reg.Host(), ":", "__", 1) + "/team/app"
	_, _ = m.get(t, base+"/manifests/none", "Bearer "+m.token)
	got := m.scrape(t)
	if n := len(got["fairlead_gateway_upstream_bytes_total"].GetMetric()); n > 22 {
		t.Errorf("%d registries have a label", n)
	}
	value(t, got, "fairlead_gateway_upstream_bytes_total", "registry=other")
	value(t, got, "fairlead_gateway_upstream_bytes_total", "registry="+m.reg.Host())
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
