package together

import (
	"context"

	"fairlead.dev/fairlead"
)

// Store is a store of which what every request reads is read together.
type Store struct {
	fairlead.Store
	revisions Reader[fairlead.OrganizationID, int64]
	projects  Reader[projectName, fairlead.Project]
}

type projectName struct{ owner, name fairlead.Name }

// NewStore makes one over a store.
func NewStore(s fairlead.Store) *Store { return &Store{Store: s} }

// Revision is the store's.
func (s *Store) Revision(ctx context.Context, id fairlead.OrganizationID) (int64, error) {
	n, err := s.revisions.Read(ctx, id, func(ctx context.Context) (int64, error) { return s.Store.Revision(ctx, id) })
	return n, left(ctx, err)
}

// ProjectByName is the store's.
func (s *Store) ProjectByName(ctx context.Context, owner, name fairlead.Name) (fairlead.Project, error) {
	p, err := s.projects.Read(ctx, projectName{owner, name}, func(ctx context.Context) (fairlead.Project, error) {
		return s.Store.ProjectByName(ctx, owner, name)
	})
	return p, left(ctx, err)
}

// left says of who went away while they waited what the store itself would.
func left(ctx context.Context, err error) error {
	if err == nil || err != ctx.Err() { //nolint:errorlint // Read gives it as it is.
		return err
	}
	e := &fairlead.Error{Kind: fairlead.Unavailable, What: "reading store", Why: "there was no more time", Remedy: "try again"}
	return e.Because(err)
}
