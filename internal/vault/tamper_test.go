package vault_test

import (
	"strings"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// TestMovedCiphertext has somebody who can write to the database move what is sealed to
// where they could get at it: everything fails closed.
func TestMovedCiphertext(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(t *testing.T, r *room, mine, theirs fairlead.Connector){
		"a field to another connector": func(t *testing.T, r *room, mine, theirs fairlead.Connector) {
			t.Helper()
			r.tamper(t, "UPDATE sealed_fields SET sealed = (SELECT sealed FROM sealed_fields WHERE connector_id = ?) WHERE connector_id = ?", theirs.ID, mine.ID)
		},
		"a field with its row": func(t *testing.T, r *room, mine, theirs fairlead.Connector) {
			t.Helper()
			r.tamper(t, "DELETE FROM sealed_fields WHERE connector_id = ?", mine.ID)
			r.tamper(t, "UPDATE sealed_fields SET connector_id = ?, organization_id = ? WHERE connector_id = ?", mine.ID, mine.Organization, theirs.ID)
		},
		"to another field": func(t *testing.T, r *room, mine, _ fairlead.Connector) {
			t.Helper()
			r.tamper(t, "UPDATE sealed_fields SET field = 'token' WHERE connector_id = ?", mine.ID)
		},
		"to another version": func(t *testing.T, r *room, mine, _ fairlead.Connector) {
			t.Helper()
			r.tamper(t, "UPDATE sealed_fields SET version = version + 1 WHERE connector_id = ?", mine.ID)
		},
		"one bit": func(t *testing.T, r *room, mine, _ fairlead.Connector) {
			t.Helper()
			fields, err := r.Store.SealedFields(t.Context(), mine.Organization, mine.ID)
			if err != nil {
				t.Fatal(err)
			}
			fields[0].Sealed[20] ^= 1
			r.tamper(t, "UPDATE sealed_fields SET sealed = ? WHERE connector_id = ?", fields[0].Sealed, mine.ID)
		},
		"gone": func(t *testing.T, r *room, mine, _ fairlead.Connector) {
			t.Helper()
			r.tamper(t, "UPDATE sealed_fields SET sealed = x'' WHERE connector_id = ?", mine.ID)
		},
		"the keys of another organization": func(t *testing.T, r *room, mine, theirs fairlead.Connector) {
			t.Helper()
			r.tamper(t, "UPDATE wrapped_keys SET wrapped = (SELECT wrapped FROM wrapped_keys WHERE organization_id = ?) WHERE organization_id = ?", theirs.Organization, mine.Organization)
		},
		"keys and field of another organization": func(t *testing.T, r *room, mine, theirs fairlead.Connector) {
			t.Helper()
			r.tamper(t, "UPDATE wrapped_keys SET wrapped = (SELECT wrapped FROM wrapped_keys WHERE organization_id = ?) WHERE organization_id = ?", theirs.Organization, mine.Organization)
			r.tamper(t, "UPDATE sealed_fields SET sealed = (SELECT sealed FROM sealed_fields WHERE connector_id = ?) WHERE connector_id = ?", theirs.ID, mine.ID)
		},
		"the name of the key": func(t *testing.T, r *room, mine, _ fairlead.Connector) {
			t.Helper()
			r.tamper(t, "UPDATE wrapped_keys SET kek = '00000000' WHERE organization_id = ?", mine.Organization)
		},
		"the keys gone": func(t *testing.T, r *room, mine, _ fairlead.Connector) {
			t.Helper()
			r.tamper(t, "DELETE FROM wrapped_keys WHERE organization_id = ?", mine.Organization)
		},
		"the secret's row gone": func(t *testing.T, r *room, mine, _ fairlead.Connector) {
			t.Helper()
			r.tamper(t, "DELETE FROM sealed_fields WHERE connector_id = ?", mine.ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t)
			mine, theirs := r.register(t, r.acme, "mine"), r.register(t, r.side, "theirs")
			move(t, r, mine, theirs)
			stored, err := r.Store.Connector(t.Context(), mine.Organization, mine.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []fairlead.Connector{mine, stored} {
				opened, err := r.open(t.Context(), c)
				if err == nil || len(opened.Secret) != 0 || opened.ID != "" {
					t.Errorf("it opens to %d secrets, %v", len(opened.Secret), err)
				}
				if err != nil && (strings.Contains(err.Error(), canary) || fairlead.AsError("", err).What == "") {
					t.Errorf("the error is %v", err)
				}
			}
		})
	}
}

// TestBoundFields changes where a secret may go without giving the secret.
func TestBoundFields(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.register(t, r.acme, "main")
	for _, hosts := range []string{
		"evil.example.com", "reg.example.com,evil.example.com", "*.example.com", "reg.example.com:5000", "REG.example.com", "reg.example.com ", "reg.example.com,", "",
	} {
		_, err := r.Vault.Update(t.Context(), r.ann, r.acme, "main", provider.Change{Given: provider.Given{Public: map[string]string{"hosts": hosts}}}, nil)
		if e := fairlead.AsError("", err); e.Kind != fairlead.Invalid || e.Field != "hosts" {
			t.Errorf("hosts %q without the secret: %v", hosts, err)
		}
	}
	// Another method with the same hosts doesn't take the secret along.
	_, err := r.Vault.Update(t.Context(), r.ann, r.acme, "main", provider.Change{Method: "bearer", Given: provider.Given{Public: map[string]string{"token_use": "present"}}}, nil)
	if e := fairlead.AsError("", err); e.Kind != fairlead.Invalid || e.Field != "token" {
		t.Errorf("another method without its secret: %v", err)
	}
	c, err := r.Vault.Update(t.Context(), r.ann, r.acme, "main", provider.Change{Given: provider.Given{
		Public: map[string]string{"hosts": "evil.example.com"}, Secret: map[string]fairlead.Secret{"password": fairlead.SecretText("mine")},
	}}, nil)
	if err != nil || c.Public["hosts"] != "evil.example.com" {
		t.Errorf("with the secret: %v", err)
	}
	if opened, err := r.open(t.Context(), c.Connector); err != nil || string(opened.Secret["password"].Reveal()) != "mine" {
		t.Errorf("the secret that opens then: %v", err)
	}
}
