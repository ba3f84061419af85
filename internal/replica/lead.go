package replica

import (
	"context"
	"strconv"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/depot"
)

// lead is one flight of this server's.
type lead struct {
	r      *Replica
	digest fairlead.Digest
	src    origin // nil is the upstream
	leave  func() // gives the duty up; nil if it isn't this server's
}

// origin is where else a blob is to be had.
type origin interface {
	depot.Source
	// failed says that some of it wasn't had there, and spoilt is told that it was wrong.
	failed() bool
	spoilt(err error)
}

func dutyOf(digest fairlead.Digest) string { return "fetch " + string(digest) }

// Begin looks for a blob in the store. If it isn't there, one server fetches it from the
// upstream, and the others wait until it is in the store, as long as that one lives and
// their patience lasts. What goes wrong here is no reason not to ask the upstream.
func (r *Replica) Begin(ctx context.Context, digest fairlead.Digest, size int64) depot.Lead { //nolint:ireturn // As the depot has it.
	l := &lead{r: r, digest: digest}
	if r.resting() {
		r.counts.misses.Add(1)
		return l
	}
	if err := l.look(ctx, size); err != nil && ctx.Err() == nil {
		r.o.Report(err)
	}
	switch l.src.(type) {
	case nil:
		r.counts.misses.Add(1)
		r.mark(digest) // it is uploaded when it is there
	case *peer:
		r.counts.peers.Add(1)
	default:
		r.counts.hits.Add(1)
	}
	return l
}

// look finds out where the blob comes from.
func (l *lead) look(ctx context.Context, size int64) error {
	r := l.r
	next := firstLook
	for waited := time.Duration(0); ; waited += next {
		if waited > 0 {
			next = min(next+next/4, longLook)
		}
		if found, err := l.find(ctx, size); found || err != nil {
			return err
		}
		held, mine, err := l.take(ctx)
		if err != nil {
			return err
		}
		if mine {
			// Who had the duty before may have brought it there since.
			found, err := l.find(ctx, size)
			if found {
				l.giveUp()
			}
			return err
		}
		if waited == 0 {
			r.counts.waits.Add(1)
			if p := r.join(ctx, held.Address, l.digest, size); p != nil {
				l.src = p
				return nil
			}
		}
		if waited >= r.o.Patience {
			r.counts.gaveUp.Add(1)
			return nil
		}
		if err := r.o.Wait(ctx, next); err != nil {
			return err
		}
	}
}

// find looks into the books.
func (l *lead) find(ctx context.Context, size int64) (bool, error) {
	d, err := l.r.o.Books.DepositOf(ctx, l.digest)
	if fairlead.KindOf(err) == fairlead.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !d.Whole || size >= 0 && d.Size != size || !fits(d) {
		return false, nil
	}
	l.src = &source{r: l.r, deposit: d}
	return true, nil
}

// take takes the duty to fetch the blob, if it is free, and keeps it until it is given up
// or this server dies.
func (l *lead) take(ctx context.Context) (held fairlead.Duty, mine bool, err error) { //nolint:contextcheck // The duty outlives the call that takes it.
	r, name := l.r, dutyOf(l.digest)
	// Each lead is a holder of its own: what one leaves isn't another's.
	holder := r.holder + "/" + strconv.FormatInt(r.serial.Add(1), 10)
	held, err = r.takeDuty(ctx, name, holder, dutyTime)
	if err != nil || held.Holder != holder {
		return held, false, err
	}
	keeping, stop := context.WithCancel(r.ctx)
	l.leave = stop
	r.work.Go(func() {
		for r.o.Wait(keeping, dutyTime/3) == nil {
			// A duty that is lost isn't fought for: what it costs is a second fetch.
			if _, err := r.takeDuty(keeping, name, holder, dutyTime); err != nil && keeping.Err() == nil {
				r.o.Report(err)
			}
		}
		leaving, end := context.WithTimeout(context.WithoutCancel(keeping), dutyTime)
		defer end()
		if err := r.o.Books.LeaveDuty(leaving, name, holder); err != nil {
			r.o.Report(err)
		}
	})
	return held, true, nil
}

// keep takes the duty unless it is this lead's already.
func (l *lead) keep(ctx context.Context) (mine bool, err error) {
	if l.leave != nil {
		return true, nil
	}
	_, mine, err = l.take(ctx)
	return mine, err
}

func (r *Replica) takeDuty(ctx context.Context, name, holder string, last time.Duration) (fairlead.Duty, error) {
	now := r.o.Now()
	return r.o.Books.TakeDuty(ctx, fairlead.Duty{Name: name, Holder: holder, Address: r.o.Address, Until: now.Add(last)}, now)
}

// giveUp gives the duty up, if it is this server's.
func (l *lead) giveUp() {
	if l.leave != nil {
		l.leave()
		l.leave = nil
	}
}

// Source is where the blob is to be had.
func (l *lead) Source() depot.Source { //nolint:ireturn // As the depot has it.
	if l.src == nil {
		return nil
	}
	return l.src
}

// End has a blob that came from the upstream uploaded. The duty is kept until it is there.
func (l *lead) End(b *depot.Blob, err error) {
	if l.src != nil && fairlead.CodeOf(err) == fairlead.CodeDigest {
		l.src.spoilt(err)
	}
	if p, ok := l.src.(*peer); ok {
		p.end()
	}
	switch {
	case b == nil:
		l.r.unmark(l.digest)
		l.giveUp()
	case l.src != nil && !l.src.failed():
		_ = b.Close()
		l.r.Used(l.digest)
	default:
		l.r.enqueue(upload{digest: l.digest, blob: b, lead: l})
	}
}
