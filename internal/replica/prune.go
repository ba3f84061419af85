package replica

import (
	"context"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/blob/s3"
)

const (
	// PruneEvery is how often the store is looked through, by one of the servers.
	PruneEvery = time.Hour
	pruneDuty  = "prune the store"
	batch      = 100
	// abandoned is the age from which an upload that hasn't ended was broken off.
	abandoned = 24 * time.Hour
)

// Prune removes from the store what no server has used for long, what is beyond the
// quota, and what uploads that were broken off have left. One server does it for all.
func (r *Replica) Prune(ctx context.Context) error {
	held, err := r.takeDuty(ctx, pruneDuty, r.holder, PruneEvery-PruneEvery/10)
	if err != nil || held.Holder != r.holder {
		return err
	}
	now := r.o.Now()
	if err := r.o.Books.SweepDuties(ctx, now.Add(-abandoned)); err != nil {
		return err
	}
	_, total, err := r.o.Books.DepositUsage(ctx)
	if err != nil {
		return err
	}
	for {
		list, err := r.o.Books.DepositsByUse(ctx, batch)
		if err != nil {
			return err
		}
		gone := 0
		for _, d := range list {
			age := now.Sub(d.Used)
			tooMuch := d.Whole && (r.o.Unused > 0 && age > r.o.Unused || r.o.Quota > 0 && total > r.o.Quota)
			if left := !d.Whole && age > abandoned; !tooMuch && !left {
				continue
			}
			if err := r.remove(ctx, d); err != nil {
				return err
			}
			total -= d.Size
			gone++
		}
		if gone == 0 {
			return nil
		}
	}
}

// remove takes a blob out of the store, and then out of the books. Who reads it
// meanwhile goes on with the upstream.
func (r *Replica) remove(ctx context.Context, d fairlead.Deposit) error {
	name := s3.Name(d.Digest)
	if err := r.o.Bucket.Remove(ctx, name); err != nil {
		return err
	}
	if !d.Whole {
		if err := r.o.Bucket.Abort(ctx, name); err != nil {
			return err
		}
	}
	if _, err := r.o.Books.RemoveDeposit(ctx, d.Digest, d.Used); err != nil {
		return err
	}
	r.counts.pruned.Add(1)
	r.counts.prunedBytes.Add(d.Size)
	return nil
}
