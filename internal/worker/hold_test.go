package worker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/leash"
	"fairlead.dev/fairlead/wire"
)

// renewals is a server that answers renewals as the test has it.
type renewals struct {
	mu     sync.Mutex
	count  int
	answer func(n int) (status int, r wire.Renewed) // n counts from 1
}

func (s *renewals) serve(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	s.count++
	status, r := s.answer(s.count)
	s.mu.Unlock()
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(r)
}

func deadlineIn(t *testing.T, dir string) time.Duration {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "deadline"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n)
}

// TestHold has the server answer renewals in every way: the run's contexts end, and why.
func TestHold(t *testing.T) {
	t.Parallel()
	const life = wire.Milliseconds(3000)
	renewed := wire.Renewed{Hold: life}
	const long = wire.Milliseconds(10_000) // of those that a slow machine must not lose
	for name, c := range map[string]struct {
		answer func(n int) (int, wire.Renewed)
		held   error // why the run's context ends
		lost   bool  // and what is told of it ends too
	}{
		"never well":        {func(int) (int, wire.Renewed) { return http.StatusServiceUnavailable, wire.Renewed{} }, errLost, true},
		"broken":            {func(int) (int, wire.Renewed) { return http.StatusInternalServerError, wire.Renewed{} }, errLost, true},
		"another holds it":  {func(int) (int, wire.Renewed) { return http.StatusNotFound, wire.Renewed{} }, errLost, true},
		"the token is gone": {func(int) (int, wire.Renewed) { return http.StatusUnauthorized, wire.Renewed{} }, errLost, true},
		"somebody stops it": {func(int) (int, wire.Renewed) { return http.StatusOK, wire.Renewed{Hold: long, Stop: true} }, errStop, false},
		"well, then never": {func(n int) (int, wire.Renewed) {
			return []int{http.StatusOK, http.StatusBadGateway}[min(n, 2)-1], renewed
		}, errLost, true},
		"away, then a stop": {func(n int) (int, wire.Renewed) {
			return []int{http.StatusBadGateway, http.StatusOK}[min(n, 2)-1], wire.Renewed{Hold: long, Stop: true}
		}, errStop, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &renewals{answer: c.answer}
			b := newBench(t, fairlead.Run{}, s.serve)
			dir := t.TempDir()
			asked, err := leash.Boottime()
			if err != nil {
				t.Fatal(err)
			}
			life := life
			if !c.lost {
				life = long
			}
			run := fairlead.Run{ID: "r", Fence: 1}
			telling, held, h, err := b.begin(t.Context(), wire.Assignment{Run: &run, Hold: life}, asked, dir)
			if err != nil {
				t.Fatal(err)
			}
			defer h.lose(nil)
			// The leash ends the container before the server may give the run away.
			if d := deadlineIn(t, dir); d <= asked || d >= asked+life.Duration() {
				t.Errorf("a deadline %s after the claim was asked for, of a hold of %s", d-asked, life.Duration())
			}
			h.report(fairlead.Progress{Phase: fairlead.PhasePull}) // renews soon
			<-held.Done()
			if cause := context.Cause(held); !errors.Is(cause, c.held) {
				t.Errorf("the run ends with %v, want %v", cause, c.held)
			}
			if lost := telling.Err() != nil; lost != c.lost {
				t.Errorf("what is told of the run ends: %v", lost)
			}
		})
	}
}

// TestHoldMoves moves the deadline with each renewal.
func TestHoldMoves(t *testing.T) {
	t.Parallel()
	seen := make(chan struct{}, 100)
	s := &renewals{answer: func(int) (int, wire.Renewed) {
		seen <- struct{}{}
		return http.StatusOK, wire.Renewed{Hold: 3600_000}
	}}
	b := newBench(t, fairlead.Run{}, s.serve)
	dir := t.TempDir()
	asked, err := leash.Boottime()
	if err != nil {
		t.Fatal(err)
	}
	run := fairlead.Run{ID: "r", Fence: 1}
	_, held, h, err := b.begin(t.Context(), wire.Assignment{Run: &run, Hold: 60_000}, asked, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer h.lose(nil)
	for range 2 { // with the second one, the first has moved the deadline
		h.report(fairlead.Progress{Phase: fairlead.PhasePull})
		<-seen
	}
	if d := deadlineIn(t, dir); d < asked+30*time.Minute || held.Err() != nil {
		t.Errorf("the deadline is %s after the claim; %v", d-asked, context.Cause(held))
	}
}
