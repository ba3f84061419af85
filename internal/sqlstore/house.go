package sqlstore

import (
	"context"

	"fairlead.dev/fairlead"
)

func scanHouseSecret(r row) (s fairlead.HouseSecret, err error) {
	err = r.Scan(&s.Name, &s.KEK, &s.Sealed, &s.Version)
	return s, err
}

// HouseSecret reads one: NotFound.
func (q reader) HouseSecret(ctx context.Context, name string) (fairlead.HouseSecret, error) {
	return one(ctx, q.session, "reading secret", "HouseSecret", scanHouseSecret, name)
}

// HouseSecrets lists all, by name.
func (q reader) HouseSecrets(ctx context.Context) ([]fairlead.HouseSecret, error) {
	return many(ctx, q.session, "reading secret", "HouseSecrets", scanHouseSecret)
}

// PutHouseSecret adds (version 0) or replaces: Conflict (CodeStale) if another version
// is stored.
func (w *writer) PutHouseSecret(ctx context.Context, s fairlead.HouseSecret) error {
	const doing = "storing secret"
	name, args := "UpdateHouseSecret", []any{s.Name, s.KEK, s.Sealed, s.Version}
	if s.Version == 0 {
		name, args = "AddHouseSecret", args[:3]
	}
	n, err := w.change(ctx, doing, name, args...)
	if err == nil && n == 0 {
		return w.refuse(stale(doing))
	}
	return err
}
