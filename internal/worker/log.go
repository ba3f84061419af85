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
)

// log collects the lines of a run and sends them in order.
type log struct {
	worker *Worker
	hold   *hold

	mu    sync.Mutex
	room  *sync.Cond // waits for lines to be sent
	lines []fairlead.LogLine
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
	for len(l.lines) >= mostHeld && !l.ended {
		l.room.Wait()
	}
	now := l.worker.Now()
	if s != fairlead.StatusStream {
		l.last = now
	}
	l.lines = append(l.lines, fairlead.LogLine{Seq: l.next, At: now, Stream: s, Text: text})
	l.next++
	select {
	case l.wake <- struct{}{}:
	default:
	}
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
			pause(ctx, sendEvery/10)
			continue
		}
		_, err := client.Do(ctx, l.worker.Client, wire.AppendLog, wire.LogLines{HeldPath: l.hold.path(), Lines: batch})
		switch {
		case err == nil:
			l.sent(len(batch))
		case ctx.Err() != nil, fairlead.KindOf(err) != fairlead.Unavailable && fairlead.KindOf(err) != fairlead.Internal:
			l.worker.Log.WarnContext(ctx, "sending log", "run", string(l.hold.run), "error", err.Error())
			l.giveUp()
			return
		default:
			pause(ctx, claimBackoff)
		}
	}
}

func (l *log) batch() (lines []fairlead.LogLine, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines[:min(len(l.lines), mostAtOnce)], l.ended
}

func (l *log) sent(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append([]fairlead.LogLine(nil), l.lines[n:]...)
	l.room.Broadcast()
}

// giveUp lets writers go on although nobody takes their lines any more.
func (l *log) giveUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended, l.lines = true, nil
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
	n := len(b)
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			w.rest = append(w.rest, b...)
			b = nil
		} else {
			w.rest = append(w.rest, b[:i]...)
			b = b[i+1:]
			w.flush()
		}
		for len(w.rest) > maxLine {
			head := append([]byte(nil), w.rest[:maxLine]...)
			tail := append([]byte(nil), w.rest[maxLine:]...)
			w.rest = head
			w.flush()
			w.rest = tail
		}
	}
	return n, nil
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
