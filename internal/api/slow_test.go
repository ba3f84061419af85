package api_test

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead/internal/api"
)

// TestSlowBody has somebody send half of a body and then nothing, at a route that takes
// whoever comes: they are told, and lose their connection.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	door, err := api.New(api.Options{Log: slog.New(slog.DiscardHandler), Now: time.Now, BodyTime: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(door)
	defer s.Close()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(string(body), "didn't come in time") {
		t.Errorf("%d %s %v", resp.StatusCode, body, err)
	}
	if _, err := r.ReadByte(); err == nil {
		t.Error("the connection is still there")
	}
}
