package sqlstore

import (
	"context"

	"fairlead.dev/fairlead"
)

func scanOrigin(r row) (o fairlead.Origin, err error) {
	err = r.Scan(&o.Digest, &o.Host, &o.Whole, stamp{&o.Since})
	return o, err
}

// OriginsOf lists a blob's, by host.
func (q reader) OriginsOf(ctx context.Context, digest fairlead.Digest) ([]fairlead.Origin, error) {
	return many(ctx, q.session, "reading origins", "OriginsOf", scanOrigin, digest)
}

// PutOrigin adds one, or notes that it has given the whole blob.
func (s *Store) PutOrigin(ctx context.Context, o fairlead.Origin) error {
	_, err := s.write.change(ctx, "storing origin", "PutOrigin", o.Digest, o.Host, o.Whole, o.Since)
	return err
}
