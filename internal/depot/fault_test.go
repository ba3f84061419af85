package depot_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/depot"
)

// TestCut cuts connections at random bytes, again and again.
func TestCut(t *testing.T) {
	t.Parallel()
	for _, ranges := range []bool{true, false} {
		for seed := range uint64(20) {
			t.Run(fmt.Sprint(ranges, seed), func(t *testing.T) {
				t.Parallel()
				d := open(t, options(t.TempDir()))
				r := rand.New(rand.NewPCG(seed, 1))
				want := bytesOf(30*chunk+r.IntN(chunk), seed)
				u := serving(want)
				u.noRanges = !ranges
				var mu sync.Mutex
				u.fault = func(n int, _ ask) *answer {
					mu.Lock()
					defer mu.Unlock()
					if n >= 12 || r.IntN(3) == 0 {
						return nil
					}
					span := chunk
					if !ranges {
						span = 30 * chunk
					}
					return &answer{cut: 1 + r.Int64N(int64(span)), short: r.IntN(2) == 0}
				}
				same(t, d, want, u)
				if ranges && u.gave() != int64(len(want)) {
					t.Errorf("the upstream sent %d bytes of %d", u.gave(), len(want))
				}
			})
		}
	}
}

// TestGivesUp doesn't ask for ever, and keeps what has come for the next who asks.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	w := &waits{}
	o := options(t.TempDir())
	o.Wait = w.wait
	d := open(t, o)
	want := bytesOf(10*chunk, 1)
	u := serving(want)
	u.fault = func(n int, _ ask) *answer {
		if n < 2 {
			return nil
		}
		return &answer{err: &fairlead.Error{Kind: fairlead.Unavailable, Code: fairlead.CodeConnect, What: "fetching", Why: "connection refused"}}
	}
	got, err := pull(t.Context(), d, sha256Of(want), u)
	if fairlead.CodeOf(err) != fairlead.CodeConnect || !bytes.HasPrefix(want, got) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	settled(t, d)
	if n := len(u.requests()); n < 8 || n > 40 {
		t.Errorf("%d requests", n)
	}
	if len(w.list) < 5 || !slices.IsSorted(w.list) || w.list[len(w.list)-1] < time.Second {
		t.Errorf("waited %v", w.list)
	}
	before := u.gave()
	u.fault = nil
	same(t, d, want, u)
	if u.gave() != int64(len(want)) || before == 0 {
		t.Errorf("the upstream sent %d bytes of %d", u.gave(), len(want))
	}
	if m := d.Metrics(); m.Resumed != before {
		t.Errorf("resumed %d bytes of %d", m.Resumed, before)
	}
}

// TestWrongBytes lets no wrong blob out whole, keeps nothing of it, and begins afresh.
func TestWrongBytes(t *testing.T) {
	t.Parallel()
	want := bytesOf(10*chunk, 2)
	for name, spoil := range map[string]func(*upstream){
		"a byte":                      func(u *upstream) { u.b = bytes.Clone(want); u.b[5*chunk]++ },
		"the last byte":               func(u *upstream) { u.b = bytes.Clone(want); u.b[len(want)-1]++ },
		"longer":                      func(u *upstream) { u.b = append(bytes.Clone(want), 1) },
		"shorter":                     func(u *upstream) { u.b = want[:len(want)-1] },
		"longer, without ranges":      func(u *upstream) { u.b = append(bytes.Clone(want), 1); u.noRanges = true },
		"shorter, of unknown length":  func(u *upstream) { u.b = want[:len(want)-1]; u.noSize = true },
		"shorter, without ranges":     func(u *upstream) { u.b = want[:len(want)-1]; u.noSize, u.noRanges = true, true },
		"empty":                       func(u *upstream) { u.b = nil },
		"another length than it says": func(u *upstream) { u.size = int64(len(want)) + 5 },
	} {
		for _, size := range []int64{int64(len(want)), -1} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				t.Parallel()
				d := open(t, options(t.TempDir()))
				u := serving(want)
				spoil(u)
				b, err := d.Get(t.Context(), sha256Of(want), size, owner, u)
				if err != nil {
					t.Fatal(err)
				}
				var got bytes.Buffer
				_, err = b.CopyTo(t.Context(), &got, 0, -1)
				_ = b.Close()
				e := fairlead.AsError("", err)
				if err == nil || e.Kind != fairlead.Unavailable || e.Remedy == "" || got.Len() >= len(want) || got.Len() >= max(len(u.b), 1) {
					t.Errorf("%d bytes, %v", got.Len(), err)
				}
				if name != "another length than it says" && (size < 0 || name != "shorter, of unknown length") && e.Code != fairlead.CodeDigest {
					t.Errorf("%v", err)
				}
				settled(t, d)
				good := serving(want)
				if name == "another length than it says" { // which is believed, until another says otherwise
					if _, err := pull(t.Context(), d, sha256Of(want), good); err != nil {
						settled(t, d)
					}
				}
				same(t, d, want, good)
				if good.gave() < int64(len(want)) && e.Code == fairlead.CodeDigest {
					t.Errorf("of what was wrong, %d bytes were kept", int64(len(want))-good.gave())
				}
			})
		}
	}
}

// TestLies has an upstream that sends other ranges than it is asked for, and says so.
func TestLies(t *testing.T) {
	t.Parallel()
	d := open(t, options(t.TempDir()))
	want := bytesOf(10*chunk, 3)
	u := serving(want)
	u.fault = func(_ int, a ask) *answer {
		if a.from == 0 {
			return nil
		}
		return &answer{lies: true, from: a.from + 1}
	}
	same(t, d, want, u)
	plain := ask{0, -1}
	if asks := u.requests(); asks[len(asks)-1] != plain || slices.Index(asks, plain) != len(asks)-1 {
		t.Errorf("asked for %v", asks)
	}
}

// TestHang takes another connection where one stands still.
func TestHang(t *testing.T) {
	t.Parallel()
	for _, ranges := range []bool{true, false} {
		o := options(t.TempDir())
		o.Stall = 30 * time.Millisecond
		d := open(t, o)
		want := bytesOf(10*chunk, 4)
		u := serving(want)
		u.noRanges = !ranges
		u.fault = func(n int, _ ask) *answer {
			if n == 0 || n == 3 {
				return &answer{hang: true, cut: 1000}
			}
			return nil
		}
		same(t, d, want, u)
		if ranges && u.gave() != int64(len(want)) {
			t.Errorf("the upstream sent %d bytes of %d", u.gave(), len(want))
		}
		if m := d.Metrics(); m.Retries == 0 {
			t.Errorf("%+v", m)
		}
	}
}

func refusal(kind fairlead.Kind) error {
	return &fairlead.Error{Kind: kind, Code: fairlead.CodeLoginRefused, What: "fetching", Why: "no"}
}

// TestLoginEnds has a login that ends in the middle, once, and one that ends for good.
func TestLoginEnds(t *testing.T) {
	t.Parallel()
	d := open(t, options(t.TempDir()))
	want := bytesOf(10*chunk, 5)
	u := serving(want)
	var together sync.WaitGroup // three requests are under way when it ends
	together.Add(3)
	u.fault = func(n int, _ ask) *answer {
		if n >= 4 && n < 7 {
			together.Done()
			together.Wait()
			return &answer{err: refusal(fairlead.Unauthenticated)}
		}
		return nil
	}
	same(t, d, want, u)
	if u.gave() != int64(len(want)) {
		t.Errorf("the upstream sent %d bytes of %d", u.gave(), len(want))
	}

	other := bytesOf(10*chunk, 6)
	u = serving(other)
	u.fault = func(int, ask) *answer { return &answer{err: refusal(fairlead.Denied)} }
	if _, err := pull(t.Context(), d, sha256Of(other), u); fairlead.KindOf(err) != fairlead.Denied || len(u.requests()) != 1 {
		t.Errorf("%v, after %v", err, u.requests())
	}
	settled(t, d)
	if _, ok := d.Stat(sha256Of(other)); ok {
		t.Error("nothing came, and something is there")
	}
}

// TestOthersRight goes on with the right of another client where the first one's is lost.
func TestOthersRight(t *testing.T) {
	t.Parallel()
	d := open(t, options(t.TempDir()))
	want := bytesOf(10*chunk, 7)
	first, second := serving(want), serving(want)
	asked, joined := make(chan struct{}), make(chan struct{})
	first.fault = func(int, ask) *answer {
		close(asked)
		<-joined
		return &answer{err: refusal(fairlead.Denied)}
	}
	var all sync.WaitGroup
	all.Go(func() { same(t, d, want, first) })
	<-asked
	b, err := d.Get(t.Context(), sha256Of(want), -1, owner, second)
	if err != nil {
		t.Fatal(err)
	}
	close(joined)
	all.Wait()
	_ = b.Close()
	if second.gave() != int64(len(want)) {
		t.Errorf("the second client's source gave %d bytes", second.gave())
	}
}

// TestLimited waits as long as the upstream asks for, but not for ever.
func TestLimited(t *testing.T) {
	t.Parallel()
	at := time.Now()
	clock := &clock{at: at}
	o := options(t.TempDir())
	o.Now, o.Wait = clock.now, clock.wait
	d := open(t, o)
	want := bytesOf(10*chunk, 8)
	u := serving(want)
	var early sync.Once
	u.fault = func(n int, _ ask) *answer {
		switch {
		case n == 2:
			return &answer{err: &fairlead.Error{Kind: fairlead.Limited, Code: fairlead.CodeRateLimited, RetryAt: at.Add(20 * time.Second)}}
		case n > 12 && clock.now().Before(at.Add(20*time.Second)):
			early.Do(func() { t.Error("asked again before the time") })
		}
		return nil
	}
	same(t, d, want, u)
	if clock.now().Before(at.Add(20 * time.Second)) {
		t.Error("didn't wait")
	}
	settled(t, d)

	other := bytesOf(10*chunk, 9)
	u = serving(other)
	u.fault = func(int, ask) *answer {
		return &answer{err: &fairlead.Error{Kind: fairlead.Limited, What: "fetching", RetryAt: clock.now().Add(time.Hour)}}
	}
	if _, err := pull(t.Context(), d, sha256Of(other), u); fairlead.KindOf(err) != fairlead.Limited || fairlead.AsError("", err).RetryAt.IsZero() {
		t.Errorf("%v", err)
	}
}

// clock moves when somebody waits.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) wait(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
	return ctx.Err()
}

// TestClockJumps has a clock that goes anywhere.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(1, 2))
	o.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Unix(r.Int64N(1<<33), 0)
	}
	d := open(t, o)
	for seed := range uint64(5) {
		want := bytesOf(20*chunk, seed)
		u := serving(want)
		u.fault = func(n int, _ ask) *answer {
			if n == 3 {
				return &answer{cut: 5}
			}
			return nil
		}
		same(t, d, want, u)
	}
}

// TestSlow takes work from a connection that is much slower than others, and races its
// last bytes.
func TestSlow(t *testing.T) {
	t.Parallel()
	d := open(t, options(t.TempDir()))
	want := bytesOf(40*chunk, 10)
	u := serving(want)
	u.fault = func(n int, a ask) *answer {
		if n == 5 {
			return &answer{hang: true, cut: 10} // for longer than the test may take
		}
		return nil
	}
	same(t, d, want, u)
	if m := d.Metrics(); m.Races == 0 || m.Retries != 0 {
		t.Errorf("%+v", m)
	}
	if over := u.gave() - int64(len(want)); over > chunk {
		t.Errorf("%d bytes too many", over)
	}
}

// TestManyFlights shares the requests that an upstream bears among all flights.
func TestManyFlights(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	o.MaxParallel = 6
	d := open(t, o)
	u := serving(nil)
	var all sync.WaitGroup
	var mu sync.Mutex
	busy, most := 0, 0
	for seed := range uint64(12) {
		want := bytesOf(20*chunk, seed)
		all.Go(func() {
			same(t, d, want, &counted{serving(want), func(n int) {
				mu.Lock()
				defer mu.Unlock()
				busy += n
				most = max(most, busy)
			}})
		})
	}
	all.Wait()
	_ = u
	if most > 6 || most < 2 {
		t.Errorf("%d requests at once", most)
	}
}

// counted tells of requests that begin and end.
type counted struct {
	*upstream
	count func(int)
}

func (c *counted) Fetch(ctx context.Context, from, to int64) (depot.Part, error) {
	c.count(1)
	p, err := c.upstream.Fetch(ctx, from, to)
	p.Body = &closing{p.Body, func() { c.count(-1) }}
	return p, err
}

type closing struct {
	io.ReadCloser
	end func()
}

func (c *closing) Close() error {
	c.end()
	return c.ReadCloser.Close()
}
