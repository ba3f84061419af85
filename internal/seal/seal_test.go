package seal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/seal"
)

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

const canary = "c4nary-secret-0123456789"

// TestSeal opens for the field that was sealed, and for nothing else.
func TestSeal(t *testing.T) {
	t.Parallel()
	keys := must(seal.NewDataKeys("org"))(t)
	others := must(seal.NewDataKeys("org"))(t)
	at := seal.Field{Connector: "c", Version: 3, Name: "password"}
	sealed := must(keys.Seal(at, fairlead.SecretText(canary)))(t)
	again := must(keys.Seal(at, fairlead.SecretText(canary)))(t)
	if bytes.Contains(sealed, []byte(canary)) || bytes.Equal(sealed, again) {
		t.Fatal("the ciphertext shows something")
	}
	if s := must(keys.Open(at, sealed))(t); string(s.Reveal()) != canary {
		t.Fatal("it doesn't open")
	}
	// A keyset that was wrapped for another organization can't be unwrapped; so it is
	// the ring that stands for it here.
	ring := must(seal.NewRing())(t)
	wrapped := must(keys.Wrap(ring, 0))(t)
	refused := func(what string, k *seal.DataKeys, f seal.Field, b []byte) {
		t.Helper()
		s, err := k.Open(f, b)
		if fairlead.CodeOf(err) != fairlead.CodeWrongKey || !s.IsZero() {
			t.Errorf("%s: opens to something, or %v", what, err)
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error shows the secret", what)
		}
	}
	refused("another connector", keys, seal.Field{Connector: "d", Version: 3, Name: "password"}, sealed)
	refused("another version", keys, seal.Field{Connector: "c", Version: 4, Name: "password"}, sealed)
	refused("another field", keys, seal.Field{Connector: "c", Version: 3, Name: "token"}, sealed)
	refused("parts moved", keys, seal.Field{Connector: "c3", Version: 0, Name: "password"}, sealed)
	refused("other keys", others, at, sealed)
	refused("nothing", keys, at, nil)
	for i := range sealed {
		flipped := bytes.Clone(sealed)
		flipped[i] ^= 1
		refused("a bit flipped", keys, at, flipped)
		refused("cut short", keys, at, sealed[:i])
	}
	moved := wrapped
	moved.Organization = "other"
	if _, err := seal.Unwrap(ring, moved); fairlead.CodeOf(err) != fairlead.CodeWrongKey {
		t.Errorf("keys of another organization: %v", err)
	}
	for i := range wrapped.Wrapped {
		flipped := wrapped
		flipped.Wrapped = bytes.Clone(wrapped.Wrapped)
		flipped.Wrapped[i] ^= 1
		if k, err := seal.Unwrap(ring, flipped); err == nil {
			refused("wrapped keys with a bit flipped", k, at, sealed) // outside of what is authenticated
		}
	}
}

// TestEmptySecret shows that there is no way to an empty secret but sealing one.
func TestEmptySecret(t *testing.T) {
	t.Parallel()
	keys := must(seal.NewDataKeys("org"))(t)
	at := seal.Field{Connector: "c", Version: 1, Name: "password"}
	if b, err := keys.Seal(at, fairlead.Secret{}); err == nil {
		t.Errorf("an empty secret was sealed to %d bytes", len(b))
	}
}

func TestRings(t *testing.T) {
	t.Parallel()
	old := must(seal.NewRing())(t)
	keys := must(seal.NewDataKeys("org"))(t)
	wrapped := must(keys.Wrap(old, 7))(t)
	if wrapped.KEK != old.Primary() || wrapped.Version != 7 || wrapped.Organization != "org" {
		t.Errorf("wrapped as %s of version %d", wrapped.KEK, wrapped.Version)
	}
	both := must(old.WithFresh())(t)
	if both.Primary() == old.Primary() || !both.Has(old.Primary()) || len(both.IDs()) != 2 || len(old.IDs()) != 1 {
		t.Errorf("the ring has %v, the primary is %s", both.IDs(), both.Primary())
	}
	opened := must(seal.Unwrap(both, wrapped))(t)
	newer := must(opened.Wrap(both, 8))(t)
	if _, err := seal.Unwrap(old, newer); fairlead.CodeOf(err) != fairlead.CodeWrongKey || !strings.Contains(err.Error(), both.Primary()) {
		t.Errorf("the old ring opens what it has no key for: %v", err)
	}
	only := must(both.Only())(t)
	if only.Has(old.Primary()) || only.Primary() != both.Primary() {
		t.Errorf("pruned, the ring has %v", only.IDs())
	}
	if _, err := seal.Unwrap(only, wrapped); fairlead.CodeOf(err) != fairlead.CodeWrongKey {
		t.Errorf("a pruned ring opens what it has no key for: %v", err)
	}
	must(seal.Unwrap(only, newer))(t)

	at := seal.Field{Connector: "c", Version: 1, Name: "password"}
	sealed := must(keys.Seal(at, fairlead.SecretText(canary)))(t)
	fresh := must(keys.Fresh())(t)
	must(fresh.Open(at, sealed))(t)
	resealed := must(fresh.Seal(at, fairlead.SecretText(canary)))(t)
	last := must(fresh.Only())(t)
	must(last.Open(at, resealed))(t)
	if _, err := last.Open(at, sealed); err == nil {
		t.Error("the key that was dropped opens still")
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "key.json")
	_, err := seal.ReadKeyFile(path)
	if fairlead.KindOf(err) != fairlead.NotFound || fairlead.CodeOf(err) != fairlead.CodeWrongKey {
		t.Errorf("a file that isn't there: %v", err)
	}
	made := must(seal.CreateKeyFile(path))(t)
	if info := must(os.Stat(path))(t); info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v", info.Mode())
	}
	if _, err := seal.CreateKeyFile(path); fairlead.KindOf(err) != fairlead.Conflict {
		t.Errorf("made twice: %v", err)
	}
	if read := must(seal.ReadKeyFile(path))(t); read.Primary() != made.Primary() {
		t.Error("another ring was read than was written")
	}
	both := must(made.WithFresh())(t)
	if err := seal.WriteKeyFile(path, both); err != nil {
		t.Fatal(err)
	}
	if read := must(seal.ReadKeyFile(path))(t); read.Primary() != both.Primary() || len(read.IDs()) != 2 {
		t.Error("another ring was read than was written over it")
	}
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o660, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := seal.ReadKeyFile(path)
		if e := fairlead.AsError("", err); e.Kind != fairlead.Denied || !strings.Contains(e.Remedy, "chmod 600") {
			t.Errorf("with mode %o: %v", mode, err)
		}
	}
	if left := must(os.ReadDir(dir))(t); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	if err := seal.WriteKeyFile(filepath.Join(dir, "none", "key.json"), made); fairlead.KindOf(err) != fairlead.Unavailable {
		t.Errorf("into a directory that isn't there: %v", err)
	}
	if _, err := seal.ReadKeyFile(dir); fairlead.KindOf(err) != fairlead.Denied && fairlead.KindOf(err) != fairlead.Invalid {
		t.Errorf("a directory: %v", err)
	}
}

// TestDamagedKeyFile has every byte of a key file lost or changed: it is refused, or
// opens nothing, or was changed where nothing is said.
func TestDamagedKeyFile(t *testing.T) {
	t.Parallel()
	ring := must(seal.NewRing())(t)
	keys := must(seal.NewDataKeys("org"))(t)
	wrapped := must(keys.Wrap(ring, 1))(t)
	text := must(ring.JSON())(t).Reveal()
	at := seal.Field{Connector: "c", Version: 1, Name: "password"}
	sealed := must(keys.Seal(at, fairlead.SecretText(canary)))(t)
	secret := keyValue(t, string(text))
	check := func(what string, b []byte) {
		t.Helper()
		r, err := seal.ParseRing(b)
		if err == nil {
			var k *seal.DataKeys
			if k, err = seal.Unwrap(r, wrapped); err == nil {
				if s, err := k.Open(at, sealed); err != nil || string(s.Reveal()) != canary {
					t.Errorf("%s: the keys open, and the field to something else: %v", what, err)
				}
				return
			}
		}
		if fairlead.KindOf(err) != fairlead.Invalid || fairlead.CodeOf(err) != fairlead.CodeWrongKey {
			t.Errorf("%s: %v (%s)", what, err, fairlead.KindOf(err))
		}
		if e := fairlead.AsError("", err); strings.Contains(e.Error()+e.Remedy, secret) {
			t.Errorf("%s: the error shows the key", what)
		}
	}
	for i := range text {
		check("cut short", text[:i])
		for _, c := range []byte{'0', 'A', '"', '}', ' ', 'z'} {
			if text[i] != c {
				changed := bytes.Clone(text)
				changed[i] = c
				check("changed", changed)
			}
		}
	}
	for _, other := range []string{"", "null", "[]", "{}", `{"primaryKeyId":1,"key":[]}`, `{"primaryKeyId":1}`, "not JSON", strings.Repeat("[", 100_000)} {
		check("something else", []byte(other))
	}
	for _, kind := range []string{"HmacKey", "AesGcmSivKey", "Ed25519PrivateKey"} {
		check("a key of another kind", bytes.ReplaceAll(text, []byte("AesGcmKey"), []byte(kind)))
	}
	check("a key that is off", bytes.ReplaceAll(text, []byte("ENABLED"), []byte("DISABLED")))
	check("a key that is gone", bytes.ReplaceAll(text, []byte("ENABLED"), []byte("DESTROYED")))
	check("a raw key", bytes.ReplaceAll(text, []byte("TINK"), []byte("RAW")))
}

// keyValue cuts the key itself out of a key file.
func keyValue(t *testing.T, text string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, `"value":`)
	if !ok {
		t.Fatal("the key file has another form")
	}
	value, _, _ := strings.Cut(strings.TrimLeft(rest, ` "`), `"`)
	if len(value) < 32 {
		t.Fatal("the key is short")
	}
	return value
}

func FuzzParseRing(f *testing.F) {
	ring, err := seal.NewRing()
	if err != nil {
		f.Fatal(err)
	}
	text, err := ring.JSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text.Reveal())
	f.Add([]byte(`{"primaryKeyId":1,"key":[{}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := seal.ParseRing(b)
		if err != nil {
			if fairlead.KindOf(err) != fairlead.Invalid || fairlead.CodeOf(err) != fairlead.CodeWrongKey {
				t.Errorf("%v (%s)", err, fairlead.KindOf(err))
			}
			return
		}
		if !r.Has(r.Primary()) {
			t.Errorf("the primary key %q is none of %v", r.Primary(), r.IDs())
		}
	})
}
