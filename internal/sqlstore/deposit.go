package sqlstore

import (
	"context"
	"time"

	"fairlead.dev/fairlead"
)

func scanDuty(r row) (d fairlead.Duty, err error) {
	err = r.Scan(&d.Name, &d.Holder, &d.Address, stamp{&d.Until})
	return d, err
}

// TakeDuty takes a duty that is free at now, or renews it.
func (s *Store) TakeDuty(ctx context.Context, d fairlead.Duty, now time.Time) (fairlead.Duty, error) {
	const doing = "taking duty"
	for {
		n, err := s.write.change(ctx, doing, "TakeDuty", d.Name, d.Holder, d.Address, d.Until, now)
		if err != nil {
			return fairlead.Duty{}, err
		}
		if n > 0 {
			return d, nil
		}
		held, err := one(ctx, s.session, doing, "Duty", scanDuty, d.Name)
		if !isMissing(err) { // otherwise it has just become free
			return held, err
		}
	}
}

// LeaveDuty gives a duty up.
func (s *Store) LeaveDuty(ctx context.Context, name, holder string) error {
	_, err := s.write.change(ctx, "leaving duty", "LeaveDuty", name, holder)
	return err
}

// SweepDuties forgets those whose time was over before a time.
func (s *Store) SweepDuties(ctx context.Context, before time.Time) error {
	_, err := s.write.change(ctx, "sweeping duties", "SweepDuties", before)
	return err
}

// DepositOf gives a blob's: NotFound.
func (q reader) DepositOf(ctx context.Context, digest fairlead.Digest) (fairlead.Deposit, error) {
	return one(ctx, q.session, "reading deposit", "Deposit", func(r row) (d fairlead.Deposit, err error) {
		err = r.Scan(&d.Digest, &d.Size, &d.Sums, &d.Whole, stamp{&d.Used})
		return d, err
	}, digest)
}

// DepositsByUse lists those that were least recently used.
func (q reader) DepositsByUse(ctx context.Context, limit int) ([]fairlead.Deposit, error) {
	return many(ctx, q.session, "listing deposits", "DepositsByUse", func(r row) (d fairlead.Deposit, err error) {
		err = r.Scan(&d.Digest, &d.Size, &d.Whole, stamp{&d.Used})
		return d, err
	}, limit)
}

// DepositUsage gives the number of those that are whole, and their bytes.
func (q reader) DepositUsage(ctx context.Context) (n int, bytes int64, err error) {
	err = q.each(ctx, "counting deposits", "DepositUsage", func(r row) error { return r.Scan(&n, &bytes) })
	return n, bytes, err
}

// PutDeposit adds a deposit, or changes it.
func (s *Store) PutDeposit(ctx context.Context, d fairlead.Deposit) error {
	_, err := s.write.change(ctx, "storing deposit", "PutDeposit", d.Digest, d.Size, d.Sums, d.Whole, d.Used)
	return err
}

// UseDeposit notes that a blob was used that is whole: NotFound.
func (s *Store) UseDeposit(ctx context.Context, digest fairlead.Digest, at time.Time) error {
	return s.touch(ctx, "using deposit", "UseDeposit", digest, at)
}

// RemoveDeposit forgets one, unless it was used after a time.
func (s *Store) RemoveDeposit(ctx context.Context, digest fairlead.Digest, used time.Time) (bool, error) {
	n, err := s.write.change(ctx, "removing deposit", "RemoveDeposit", digest, used)
	return n > 0, err
}
