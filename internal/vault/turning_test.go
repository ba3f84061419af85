package vault_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/internal/seal"
	"fairlead.dev/fairlead/internal/server"
	"fairlead.dev/fairlead/internal/vault"
)

// turning is a store in which the data keys are rotated between the reading of the keys
// and that of the fields, so many times.
type turning struct {
	fairlead.Store
	turn  func()
	times int
}

func (s *turning) SealedFields(ctx context.Context, org fairlead.OrganizationID, id fairlead.ConnectorID) ([]fairlead.SealedField, error) {
	if s.times > 0 {
		s.times--
		s.turn()
	}
	return s.Store.SealedFields(ctx, org, id)
}

// TestRotatedMeanwhile has rotations come between what belongs together: it is read
// again, and never opens to nothing.
func TestRotatedMeanwhile(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	c := r.register(t, r.acme, "main")
	for times, opens := range map[int]bool{0: true, 1: true, 3: true, 1000: false} {
		ring, err := vault.NewRing(func() (*seal.Ring, error) { return seal.ReadKeyFile(filepath.Join(r.Data, "key.json")) })
		if err != nil {
			t.Fatal(err)
		}
		s := &turning{Store: r.Store, times: times, turn: func() {
			if err := r.Vault.RotateDataKeys(t.Context(), system(), r.acme); err != nil {
				t.Error(err)
			}
		}}
		v := vault.New(s, server.Providers(provider.Tools{}), ring, time.Now)
		opened, err := v.Open(t.Context(), fairlead.Asker{Who: r.ann, Project: r.project}, c, scope())
		if opens && (err != nil || string(opened.Secret["password"].Reveal()) != canary) {
			t.Errorf("%d rotations: %v", times, err)
		}
		if !opens && (fairlead.CodeOf(err) != fairlead.CodeWrongKey || len(opened.Secret) != 0) {
			t.Errorf("%d rotations: %v", times, err)
		}
	}
}
