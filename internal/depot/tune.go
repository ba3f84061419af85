package depot

import "time"

// tuner seeks how many requests at once bring the most bytes, and how much each should
// ask for. It tries one more while that brings more, goes back when it doesn't, and
// tries again later; refusals and cuts make it careful at once. It has no clock and no
// lock of its own.
type tuner struct {
	limit, least, most int
	chunk, base        int64

	window  time.Time // when the present measurement began
	bytes   int64
	best    float64 // bytes per second at the limit before the trial
	trying  bool
	rest    int           // measurements before the next trial
	each    float64       // bytes per second of one request
	latency time.Duration // until a request's first byte
}

const (
	// measure is how long bytes are counted before they mean something.
	measure = 400 * time.Millisecond
	// worth is how much faster one more request has to make it.
	worth = 1.04
	// patient is how many measurements a trial that failed is remembered.
	patient = 25
	// least time of a chunk, and how many round trips it has to be worth.
	chunkTime  = 250 * time.Millisecond
	roundTrips = 16
)

func newTuner(o Options) *tuner {
	return &tuner{limit: o.Parallel, least: 1, most: o.MaxParallel, chunk: o.ChunkSize, base: o.ChunkSize}
}

// arrived counts bytes. Only what comes while as many requests are under way as may be
// says something about the limit.
func (t *tuner) arrived(n int64, busy int, now time.Time) {
	if busy < t.limit {
		t.window = time.Time{}
		return
	}
	elapsed := now.Sub(t.window)
	if t.window.IsZero() || elapsed < 0 || elapsed > 10*measure {
		t.window, t.bytes = now, 0
		return
	}
	t.bytes += n
	if elapsed < measure {
		return
	}
	rate := float64(t.bytes) / elapsed.Seconds()
	t.window, t.bytes = now, 0
	t.step(rate)
}

// step draws the conclusion from one measurement.
func (t *tuner) step(rate float64) {
	switch {
	case t.trying && rate > t.best*worth && t.limit < t.most:
		t.best = rate
		t.limit++
	case t.trying:
		t.trying = false
		if rate <= t.best*worth {
			t.limit = max(t.limit-1, t.least)
		}
		t.rest = patient
	case t.rest > 0:
		t.rest--
	case t.limit < t.most:
		t.best, t.trying = rate, true
		t.limit++
	}
}

// refused is for an upstream that says that it is too much.
func (t *tuner) refused() {
	t.limit = max(t.limit/2, t.least)
	t.trying, t.rest, t.window = false, 4*patient, time.Time{}
}

// cut is for a connection that broke or stood still.
func (t *tuner) cut() {
	t.limit = max(t.limit-1, t.least)
	t.trying, t.rest, t.window = false, patient, time.Time{}
}

// brought is what one request did: it fits the chunk's size to the speed, so that
// neither round trips nor a cut cost much.
func (t *tuner) brought(n int64, opened, took time.Duration) {
	if n < t.base/8 || took <= 0 || opened < 0 || opened > time.Minute {
		return
	}
	rate := float64(n) / took.Seconds()
	if t.each == 0 {
		t.each, t.latency = rate, opened
	} else {
		t.each += (rate - t.each) / 4
		t.latency += (opened - t.latency) / 4
	}
	want := int64(t.each * max(chunkTime, roundTrips*t.latency).Seconds())
	t.chunk = min(max(want, t.base/4), 4*t.base)
}
