package sqlstore

import (
	"context"
	"errors"
	"time"

	"fairlead.dev/fairlead"
)

func scanToken(r row) (t fairlead.Token, err error) {
	var hash []byte
	err = r.Scan(&t.ID, &t.Kind, &t.Name, &hash, &t.User, &t.Worker, &t.Organization,
		document{&t.Scopes}, stamp{&t.Created}, stamp{&t.Expires}, stamp{&t.LastUsed})
	if copy(t.Hash[:], hash) != len(t.Hash) && err == nil {
		err = errors.New("a token's hash is too short")
	}
	return t, err
}

// TokenByHash reads one: NotFound.
func (q reader) TokenByHash(ctx context.Context, hash fairlead.TokenHash) (fairlead.Token, error) {
	return one(ctx, q.session, "reading token", "TokenByHash", scanToken, hash[:])
}

// TokensOf lists a user's API tokens and sessions, newest first.
func (q reader) TokensOf(ctx context.Context, user fairlead.UserID) ([]fairlead.Token, error) {
	return many(ctx, q.session, "reading tokens", "TokensOf", scanToken, user)
}

// AddToken adds one: Conflict if it is there, NotFound if it names what isn't.
func (w *writer) AddToken(ctx context.Context, t fairlead.Token) error {
	return w.run(ctx, "adding token", "AddToken", t.ID, t.Kind, t.Name, t.Hash[:],
		optional(t.User), optional(t.Worker), optional(t.Organization),
		document{t.Scopes}, t.Created, when(t.Expires), when(t.LastUsed))
}

// TakeLink removes a link and gives it: NotFound for all who come after the first.
func (w *writer) TakeLink(ctx context.Context, hash fairlead.TokenHash) (fairlead.Token, error) {
	return one(ctx, w.session, "taking link", "TakeLink", scanToken, hash[:])
}

// RemoveToken removes a user's token: NotFound.
func (w *writer) RemoveToken(ctx context.Context, user fairlead.UserID, id fairlead.TokenID) error {
	return w.exactly(ctx, "removing token", "token", "RemoveToken", user, id)
}

// RemoveTokensOf removes a user's tokens of the kind, if there are any.
func (w *writer) RemoveTokensOf(ctx context.Context, user fairlead.UserID, kind fairlead.TokenKind) error {
	return w.run(ctx, "removing tokens", "RemoveTokensOf", user, kind)
}

// TouchToken notes that a token was used, if it wasn't used later already: NotFound.
func (s *Store) TouchToken(ctx context.Context, id fairlead.TokenID, at time.Time) error {
	return s.touch(ctx, "touching token", "TouchToken", id, at)
}

// SweepTokens removes tokens and links whose time was over before now.
func (s *Store) SweepTokens(ctx context.Context, now time.Time) error {
	_, err := s.write.change(ctx, "sweeping tokens", "SweepTokens", now)
	return err
}

// touch runs a change of one row outside of Write.
func (s *Store) touch(ctx context.Context, doing, name string, args ...any) error {
	n, err := s.write.change(ctx, doing, name, args...)
	if err == nil && n == 0 {
		return missing(doing, thing(doing))
	}
	return err
}
