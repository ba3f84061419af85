package worker

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/wire"
)

// How a log is sent.
const (
	sendEvery  = 200 * time.Millisecond
	mostAtOnce = 2000
	maxLine    = 64 << 10 // bytes; a longer line is broken
	// mostHeld bounds the lines that wait while the server can't be reached. A command
	// that writes more then has to wait: nothing is dropped.
	mostHeld = 100_000
	// mostBytes bounds them in bytes, and batchBytes what is sent at once, as JSON has
	// it: the server takes 2 MiB.
	mostBytes  = 64 << 20
	batchBytes = 1 << 20
	// lineBytes is what a line has in JSON beside its text.
	lineBytes = 128
)

// log collects the lines of a run and sends them in order.
type log struct {
	worker *Worker
	hold   *hold

	mu    sync.Mutex
	room  *sync.Cond // waits for lines to be sent
	lines []fairlead.LogLine
	bytes int // of their texts
	next  int64
	last  time.Time // when the command last wrote something
	ended bool
	wake  chan struct{}
	done  chan struct{}
}

// newLog begins to send until close.
func newLog(ctx context.Context, w *Worker, h *hold, next int64) *log {
	l := &log{worker: w, hold: h, next: next, last: w.Now(), wake: make(chan struct{}, 1), done: make(chan struct{})}
	l.room = sync.NewCond(&l.mu)
	go l.send(ctx)
	return l
}

// status adds a line of the worker's own.
func (l *log) status(text string) { l.add(fairlead.StatusStream, text) }

func (l *log) add(s fairlead.Stream, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for (len(l.lines) >= mostHeld || l.bytes >= mostBytes) && !l.ended {
		l.room.Wait()
	}
	l.lines = append(l.lines, fairlead.LogLine{Seq: l.next, At: l.worker.Now(), Stream: s, Text: text})
	l.bytes += len(text)
	l.next++
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// heard notes that the command wrote something, if only a part of a line.
func (l *log) heard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = l.worker.Now()
}

// quiet is how long the command has written nothing.
func (l *log) quiet() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.worker.Now().Sub(l.last)
}

// send sends what there is, again and again until it is taken.
func (l *log) send(ctx context.Context) {
	defer close(l.done)
	var failing time.Time // since when it isn't taken
	for {
		batch, last := l.batch()
		if len(batch) == 0 {
			if last {
				return
			}
			select {
			case <-l.wake:
			case <-ctx.Done():
				l.giveUp()
				return
			}
			l.worker.Wait(ctx, sendEvery/10)
			continue
		}
		_, err := client.Do(ctx, l.worker.Client, wire.AppendLog, wire.LogLines{HeldPath: l.hold.path(), Lines: batch})
		if failing.IsZero() {
			failing = l.worker.Now()
		}
		switch {
		case err == nil:
			failing = time.Time{}
			l.sent(len(batch))
		case ctx.Err() != nil, !mayPass(err), l.worker.Now().Sub(failing) >= longestWait:
			l.worker.Log.WarnContext(ctx, "sending log", "run", string(l.hold.run), "error", err.Error())
			l.giveUp()
			return
		default:
			l.worker.Wait(ctx, claimBackoff)
		}
	}
}

func (l *log) batch() (lines []fairlead.LogLine, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, size := 0, 0
	for n < min(len(l.lines), mostAtOnce) {
		if size += lineBytes + encoded(l.lines[n].Text); size > batchBytes && n > 0 {
			break
		}
		n++
	}
	return l.lines[:n], l.ended
}

// encoded is at least how long a text is as JSON: control characters, and those that
// mean something in HTML, are written as \u0000.
func encoded(text string) int {
	n := len(text)
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ', c == '<', c == '>', c == '&':
			n += 5
		case c == '"', c == '\\', c == 0x7f, c == 0xe2: // the last begins U+2028
			n += 3
		}
	}
	return n
}

func (l *log) sent(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines[:n] {
		l.bytes -= len(line.Text)
	}
	l.lines = append([]fairlead.LogLine(nil), l.lines[n:]...)
	l.room.Broadcast()
}

// giveUp lets writers go on although nobody takes their lines any more.
func (l *log) giveUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended, l.lines, l.bytes = true, nil, 0
	l.room.Broadcast()
}

// close sends the rest and waits until it is sent, or until ctx of newLog ends.
func (l *log) close() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	<-l.done
}

// writer gives what a command's output stream is written to: it breaks it into lines.
func (l *log) writer(s fairlead.Stream) *lineWriter { return &lineWriter{log: l, stream: s} }

type lineWriter struct {
	log    *log
	stream fairlead.Stream

	mu   sync.Mutex
	rest []byte
}

// Write adds each whole line to the log and keeps the rest.
func (w *lineWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log.heard()
	n := len(b)
	for len(b) > 0 {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		w.rest = append(w.rest, line...)
		w.breakUp()
		if whole {
			w.flush()
		}
		b = rest
	}
	return n, nil
}

// breakUp adds what is too long for one line as several.
func (w *lineWriter) breakUp() {
	all := w.rest
	for len(all) > maxLine {
		at := boundary(all, maxLine)
		w.rest, all = all[:at:at], all[at:]
		w.flush()
	}
	w.rest = all
}

// boundary is where b can be broken without breaking a character, at most at most.
func boundary(b []byte, most int) int {
	for at := most; at > most-utf8.UTFMax; at-- {
		if utf8.RuneStart(b[at]) {
			return at
		}
	}
	return most // that isn't UTF-8 anyway
}

func (w *lineWriter) flush() {
	text := strings.TrimSuffix(string(w.rest), "\r")
	// What a terminal would show of a progress bar is what stands behind its last
	// carriage return.
	if i := strings.LastIndexByte(text, '\r'); i >= 0 {
		text = text[i+1:]
	}
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	w.rest = w.rest[:0]
	w.log.add(w.stream, strings.ReplaceAll(text, "\x00", "\uFFFD"))
}

// end adds a last line that wasn't ended.
func (w *lineWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.rest) > 0 {
		w.flush()
	}
}
