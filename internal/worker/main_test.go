package worker

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
)

// bench is a job whose server is the test's.
type bench struct {
	*job
	mu     sync.Mutex
	now    time.Time
	waited []time.Duration
}

// newBench makes a job of a run. Waiting only moves its clock. What its server answers,
// serve says.
func newBench(t *testing.T, run fairlead.Run, serve http.HandlerFunc) *bench {
	t.Helper()
	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	c, err := client.New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w := &Worker{Options: Options{
		Client: c, Dir: t.TempDir(), Now: b.time, Log: slog.New(slog.DiscardHandler), Tries: 3, Fetch: &http.Client{Transport: &http.Transport{}},
		Wait: func(_ context.Context, d time.Duration) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.now, b.waited = b.now.Add(d), append(b.waited, d)
		},
	}}
	run.ID, run.Fence = "r", 1
	h := &hold{worker: w, run: run.ID, fence: run.Fence, moved: make(chan struct{}, 1)}
	b.job = &job{Worker: w, run: run, project: "acme/models", dir: t.TempDir(), hold: h, log: quietLog(w, h)}
	if err := os.RemoveAll(b.dir); err != nil {
		t.Fatal(err)
	}
	if err := b.makeDirs(); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) time() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

// waits are how long was waited so far.
func (b *bench) waits() []time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]time.Duration(nil), b.waited...)
}

// quietLog is a log that nobody sends.
func quietLog(w *Worker, h *hold) *log {
	l := &log{worker: w, hold: h, next: 1, wake: make(chan struct{}, 1), done: make(chan struct{})}
	l.room = sync.NewCond(&l.mu)
	return l
}

// texts are the log's lines.
func (l *log) texts() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []string
	for _, line := range l.lines {
		list = append(list, line.Text)
	}
	return list
}
