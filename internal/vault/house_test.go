package vault_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
)

// TestOwn keeps a secret of the house through a rotation of the key-encryption key, and
// nobody but the house gets to change it.
func TestOwn(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	if _, _, err := r.Vault.Own(t.Context(), "issuer"); fairlead.KindOf(err) != fairlead.NotFound {
		t.Fatal(err)
	}
	put := func(s string, version int64) error {
		return r.Vault.PutOwn(t.Context(), fairlead.System(), "issuer", fairlead.SecretText(s), version)
	}
	if err := errors.Join(put(canary, 0), put(canary+"2", 1)); err != nil {
		t.Fatal(err)
	}
	if err := put("stale", 1); fairlead.CodeOf(err) != fairlead.CodeStale {
		t.Error(err)
	}
	if err := r.Vault.PutOwn(t.Context(), r.ann, "issuer", fairlead.SecretText("x"), 2); fairlead.KindOf(err) != fairlead.Denied {
		t.Error(err)
	}
	s, version, err := r.Vault.Own(t.Context(), "issuer")
	if err != nil || version != 2 || string(s.Reveal()) != canary+"2" {
		t.Error(version, err)
	}
	stored, err := r.Store.HouseSecret(t.Context(), "issuer")
	if err != nil || strings.Contains(string(stored.Sealed), canary) {
		t.Error("it isn't sealed", err)
	}
	other := stored
	other.Name, other.Version = "other", 0
	err = r.Store.Write(t.Context(), func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return fairlead.System().Event(fairlead.KeyRotate, fairlead.Place{}, fairlead.Object{}), w.PutHouseSecret(ctx, other)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Vault.Own(t.Context(), "other"); fairlead.CodeOf(err) != fairlead.CodeWrongKey {
		t.Errorf("it opens under another name: %v", err)
	}
}
