package worker

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/wire"
)

// TestLines breaks what a command writes into lines.
func TestLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxLine)
	euros := strings.Repeat("€", maxLine) // 3 bytes each
	for name, c := range map[string]struct {
		writes []string
		want   []string
	}{
		"one":                       {[]string{"hello\n"}, []string{"hello"}},
		"in pieces":                 {[]string{"he", "llo\nwor", "ld\n"}, []string{"hello", "world"}},
		"without an end":            {[]string{"hello"}, []string{"hello"}},
		"empty ones":                {[]string{"\n\n"}, []string{"", ""}},
		"of another system":         {[]string{"hello\r\n"}, []string{"hello"}},
		"a progress bar":            {[]string{"1%\r50%\r100%\n"}, []string{"100%"}},
		"nothing":                   {nil, nil},
		"of the greatest length":    {[]string{long + "\n"}, []string{long}},
		"longer":                    {[]string{long + long + "y\n"}, []string{long, long, "y"}},
		"not UTF-8":                 {[]string{"a\xffb\xfe\n"}, []string{"a\uFFFDb\uFFFD"}},
		"with NUL":                  {[]string{"a\x00b\n"}, []string{"a\uFFFDb"}},
		"a character in two pieces": {[]string{"\xe2\x82", "\xac\n"}, []string{"€"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, fairlead.Run{}, nothing)
			w := b.log.writer(fairlead.Stdout)
			for _, s := range c.writes {
				if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
					t.Fatal(n, err)
				}
			}
			w.end()
			w.end()
			if diff := cmp.Diff(c.want, b.log.texts()); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
	b := newBench(t, fairlead.Run{}, nothing)
	w := b.log.writer(fairlead.Stdout)
	_, _ = w.Write([]byte(euros))
	w.end()
	if got := strings.Join(b.log.texts(), ""); got != euros {
		t.Errorf("a long line lost characters where it was broken: %d bytes of %d", len(got), len(euros))
	}
}

// TestQuiet has a command write without ending a line: that is not silence.
func TestQuiet(t *testing.T) {
	t.Parallel()
	b := newBench(t, fairlead.Run{}, nothing)
	w := b.log.writer(fairlead.Stderr)
	_, _ = w.Write([]byte("start\n"))
	b.Wait(t.Context(), time.Hour)
	if q := b.log.quiet(); q != time.Hour {
		t.Errorf("quiet for %s", q)
	}
	b.log.status("of the worker's own")
	if q := b.log.quiet(); q != time.Hour {
		t.Errorf("the worker's own line counts: quiet for %s", q)
	}
	_, _ = w.Write([]byte("\r 50 %"))
	if q := b.log.quiet(); q != 0 {
		t.Errorf("a progress bar is silence: quiet for %s", q)
	}
}

// sink is a server that takes logs as Fairlead's does: at most 2 MiB at once, without a
// gap.
type sink struct {
	mu      sync.Mutex
	lines   []fairlead.LogLine
	batches int
	// refuse says what to answer instead, by the number of the request from 1; 0 takes.
	refuse func(n int) int
	count  int
}

func (s *sink) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	if s.refuse != nil {
		if status := s.refuse(s.count); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 2<<20))
	var in wire.LogLines
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if err != nil || len(in.Lines) == 0 || in.Lines[0].Seq != int64(len(s.lines)+1) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	s.batches++
	s.lines = append(s.lines, in.Lines...)
	w.WriteHeader(http.StatusNoContent)
}

// sent sends lines through a log and gives what arrived.
func sent(t *testing.T, s *sink, write func(l *log)) []string {
	t.Helper()
	b := newBench(t, fairlead.Run{}, s.serve)
	l := newLog(t.Context(), b.Worker, b.hold, 1)
	write(l)
	l.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	var texts []string
	for _, line := range s.lines {
		texts = append(texts, line.Text)
	}
	return texts
}

// TestLogArrives sends lines that together are more than the server takes at once: every
// one of them arrives.
func TestLogArrives(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"huge": strings.Repeat("x", maxLine), "of control characters": strings.Repeat("\x01", maxLine), "of markup": strings.Repeat("<&>", maxLine/3),
		"of quotes": strings.Repeat(`"\`, maxLine/2), "of separators": strings.Repeat("\u2028", maxLine/3), "short": "x",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s sink
			got := sent(t, &s, func(l *log) {
				for range 40 {
					l.add(fairlead.Stdout, text)
				}
			})
			if len(got) != 40 {
				t.Fatalf("%d of 40 lines in %d batches", len(got), s.batches)
			}
			for _, one := range got {
				if one != text {
					t.Fatalf("a line of %d bytes became one of %d", len(text), len(one))
				}
			}
		})
	}
}

// TestLogMany writes more lines than are held at once, from several goroutines.
func TestLogMany(t *testing.T) {
	t.Parallel()
	var s sink
	got := sent(t, &s, func(l *log) {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range mostHeld / 3 {
					l.add(fairlead.Stdout, "line")
				}
			})
		}
		all.Wait()
	})
	if len(got) != mostHeld/3*4 || s.batches > len(got)/10 {
		t.Errorf("%d lines in %d batches", len(got), s.batches)
	}
}

// TestLogServerAway has the server be away, and back.
func TestLogServerAway(t *testing.T) {
	t.Parallel()
	s := sink{refuse: func(n int) int {
		if n <= 5 {
			return []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusInternalServerError, http.StatusGatewayTimeout, http.StatusServiceUnavailable}[n-1]
		}
		return 0
	}}
	if got := sent(t, &s, func(l *log) { l.status("hello") }); len(got) != 1 {
		t.Errorf("%d lines arrived", len(got))
	}
}

// TestLogNeverTaken has a server that never takes the log, or refuses it for good: the
// run doesn't hang for it.
func TestLogNeverTaken(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"never well": http.StatusInternalServerError, "another holds the run": http.StatusConflict} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sink{refuse: func(int) int { return status }}
			if got := sent(t, &s, func(l *log) { l.status("hello") }); len(got) != 0 {
				t.Errorf("%d lines arrived", len(got))
			}
		})
	}
}

// TestHeldBytes bounds what waits for the server in bytes too: the command waits, until
// there is room again.
func TestHeldBytes(t *testing.T) {
	t.Parallel()
	b := newBench(t, fairlead.Run{}, nothing)
	text := strings.Repeat("x", maxLine)
	for range mostBytes / maxLine {
		b.log.add(fairlead.Stdout, text)
	}
	added := make(chan struct{})
	go func() {
		b.log.add(fairlead.Stdout, "one more")
		close(added)
	}()
	select {
	case <-added:
		t.Fatal("more than may be is held")
	default:
	}
	batch, _ := b.log.batch()
	b.log.sent(len(batch))
	<-added
	if n := len(batch); n > batchBytes/maxLine || n == 0 {
		t.Errorf("%d lines at once", n)
	}
}

// TestBoundary breaks bytes that are no text, too.
func TestBoundary(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"text": []byte(strings.Repeat("a", 20)), "two bytes": []byte(strings.Repeat("é", 20)), "three": []byte(strings.Repeat("€", 20)),
		"four": []byte(strings.Repeat("😀", 20)), "none": []byte(strings.Repeat("\x80", 40)),
	} {
		for most := 5; most < 15; most++ {
			at := boundary(b, most)
			if at > most || at <= most-utf8.UTFMax || name != "none" && !utf8.Valid(b[:at]) {
				t.Errorf("%s: at %d of %d", name, at, most)
			}
		}
	}
}
