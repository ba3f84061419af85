package watch

import (
	"context"
	"errors"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// Trial says how a connector is tried before it is saved.
type Trial struct {
	// Skip saves it untried.
	Skip bool
	// Image is what it should open; empty is what its registry entries name.
	Image string
}

// Saved is a connector as it was saved, and the proof, if it was tried.
type Saved struct {
	provider.Checked
	Proof *fairlead.Proof
}

// UnprovedError is that a step of the proof failed, so that nothing was saved. It is a
// [fairlead.Invalid] (CodeUnproved).
type UnprovedError struct {
	Err   *fairlead.Error
	Proof fairlead.Proof
}

// Error is the error's text, without the steps.
func (e *UnprovedError) Error() string { return e.Err.Error() }

// Unwrap gives the [fairlead.Error].
func (e *UnprovedError) Unwrap() error { return e.Err }

// Register makes a connector that the trial doesn't speak against: the errors are the
// vault's, and [UnprovedError].
func (w *Watch) Register(ctx context.Context, who fairlead.Caller, o fairlead.Organization, d provider.Draft, t Trial) (Saved, error) {
	var s Saved
	var err error
	s.Checked, err = w.vault.Register(ctx, who, o.ID, d, w.trial(&s, o, "registering connector "+string(d.Name), t))
	return w.saved(ctx, s, err)
}

// Update changes a connector that the trial doesn't speak against, as it would be.
func (w *Watch) Update(
	ctx context.Context, who fairlead.Caller, o fairlead.Organization, name fairlead.Name, ch provider.Change, t Trial,
) (Saved, error) {
	var s Saved
	var err error
	s.Checked, err = w.vault.Update(ctx, who, o.ID, name, ch, w.trial(&s, o, "updating connector "+string(name), t))
	return w.saved(ctx, s, err)
}

// Rotation is a connector's change to new secrets.
type Rotation struct {
	provider.Rotation
	Trial
}

// Rotate replaces a connector's secrets with new ones that the trial doesn't speak
// against. When it has returned, nothing of this server logs in with the old ones.
func (w *Watch) Rotate(ctx context.Context, who fairlead.Caller, o fairlead.Organization, name fairlead.Name, r Rotation) (Saved, error) {
	var s Saved
	var err error
	s.Checked, err = w.vault.Rotate(ctx, who, o.ID, name, r.Rotation, w.trial(&s, o, "rotating connector "+string(name), r.Trial))
	return w.saved(ctx, s, err)
}

// Rollback puts back what a connector was. It isn't tried before: it is for when there is
// no time. Afterwards it is due.
func (w *Watch) Rollback(
	ctx context.Context, who fairlead.Caller, o fairlead.Organization, name fairlead.Name, keep time.Duration,
) (fairlead.Connector, error) {
	c, err := w.vault.Rollback(ctx, who, o.ID, name, keep)
	if err == nil {
		w.leases.Settle(ctx, c.ID, c.Version)
	}
	return c, err
}

// Entry is the trial of a login that is saved together with the registry entry that it is
// for.
type Entry struct {
	w     *Watch
	t     Trial
	saved Saved
}

// Entry begins the trial of one.
func (w *Watch) Entry(t Trial) *Entry { return &Entry{w: w, t: t} }

// Try asks the provider and the registry before anything is saved. The error is
// [UnprovedError].
func (e *Entry) Try(ctx context.Context, o fairlead.Organization, opened provider.Opened, entry fairlead.Registry) error {
	if prove := e.w.trial(&e.saved, o, "saving registry "+string(entry.Name), e.t, entry); prove != nil {
		return prove(ctx, opened)
	}
	return nil
}

// Saved keeps what the trial came to, when the connector is saved.
func (e *Entry) Saved(ctx context.Context, c fairlead.Connector) error {
	e.saved.Connector = c
	_, err := e.w.saved(ctx, e.saved, nil)
	return err
}

// Proof is what was tried; nil if nothing was.
func (e *Entry) Proof() *fairlead.Proof { return e.saved.Proof }

// trial is what the vault asks before it saves; what it showed is put into s.
func (w *Watch) trial(s *Saved, o fairlead.Organization, doing string, t Trial, planned ...fairlead.Registry) func(context.Context, provider.Opened) error {
	if t.Skip {
		return nil
	}
	return func(ctx context.Context, opened provider.Opened) error {
		ctx, cancel := context.WithTimeout(ctx, trialTime)
		defer cancel()
		p, err := w.prover.Try(ctx, o, opened, t.Image, planned...)
		if err != nil {
			return err
		}
		s.Proof = &p
		if verdict, why := fairlead.VerdictOf(p); verdict == fairlead.Failing {
			return &UnprovedError{Proof: p, Err: &fairlead.Error{
				Kind: fairlead.Invalid, Code: fairlead.CodeUnproved, What: doing, Why: "nothing was saved: " + why,
				Remedy: "mend what failed; or save it all the same with --no-verify",
			}}
		}
		return nil
	}
}

// saved keeps what the trial of a connector that is saved now came to.
func (w *Watch) saved(ctx context.Context, s Saved, err error) (Saved, error) {
	if err != nil {
		return Saved{}, err
	}
	w.leases.Settle(ctx, s.ID, s.Version)
	if s.Proof == nil {
		return s, nil
	}
	return s, w.note(ctx, s.Connector, *s.Proof)
}

// ignorable are errors about a connector that has gone meanwhile, and of a state that
// was told already.
func ignorable(err error) bool {
	return errors.Is(err, fairlead.ErrUnchanged) || fairlead.KindOf(err) == fairlead.NotFound
}
