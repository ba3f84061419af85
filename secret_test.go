package fairlead_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"fairlead.dev/fairlead"
)

const canary = "c4n4ry-in-the-mine"

// TestSecretShowsNothing tries every way in which a secret could get out by carelessness.
func TestSecretShowsNothing(t *testing.T) {
	t.Parallel()
	s := fairlead.SecretText(canary)
	holder := struct {
		Name   string
		Secret fairlead.Secret
		List   []fairlead.Secret
		hidden fairlead.Secret
	}{"x", s, []fairlead.Secret{s}, s}
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p", "%w"} {
		fmt.Fprintf(&b, verb+"\n", s)
		fmt.Fprintf(&b, verb+"\n", &s)
		fmt.Fprintf(&b, verb+"\n", holder)
		fmt.Fprintf(&b, verb+"\n", &holder)
	}
	_ = fmt.Errorf("with %v", s)
	fmt.Fprintln(&b, s, holder, s.String(), s.GoString())
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "secret", s, "holder", holder)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "secret", s, "holder", holder)
	for name, marshal := range map[string]func(any) ([]byte, error){
		"json": json.Marshal, "xml": xml.Marshal, "yaml": func(v any) (out []byte, err error) {
			defer func() {
				if r := recover(); r != nil {
					err = fmt.Errorf("%v", r)
				}
			}()
			return yaml.Marshal(v)
		},
		"gob": func(v any) ([]byte, error) {
			var g bytes.Buffer
			err := gob.NewEncoder(&g).Encode(v)
			return g.Bytes(), err
		},
	} {
		out, err := marshal(holder)
		if err == nil {
			t.Errorf("%s marshals a secret: %s", name, out)
		}
		b.Write(out)
		if err != nil {
			b.WriteString(err.Error())
		}
	}
	for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%v", []byte(canary))} {
		if strings.Contains(b.String(), form) {
			t.Errorf("the secret got out, as %s", form)
		}
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	var zero fairlead.Secret
	s := fairlead.SecretText(canary)
	if !zero.IsZero() || s.IsZero() || zero.Len() != 0 || s.Len() != len(canary) {
		t.Error("IsZero or Len is wrong")
	}
	if !s.Equal(fairlead.SecretText(canary)) || s.Equal(zero) || !zero.Equal(fairlead.NewSecret(nil)) {
		t.Error("Equal is wrong")
	}
	var in struct{ Password fairlead.Secret }
	if err := json.Unmarshal([]byte(`{"Password":"`+canary+`"}`), &in); err != nil || string(in.Password.Reveal()) != canary {
		t.Errorf("reading a secret from JSON: %v", err)
	}
}

func TestLooksOwn(t *testing.T) {
	t.Parallel()
	random := strings.Repeat("A", 43)
	for s, want := range map[string]bool{
		"flt_" + random: true, "flw_" + random: true, "fls_" + random: true, "flx_" + random: true, "fli_" + random: true,
		"": false, "flt_": false, "flz_" + random: false, "flt-" + random: false, "flt_" + random + "x": false, "dckr_pat_" + random: false,
	} {
		if got := fairlead.LooksOwn(fairlead.SecretText(s)); got != want {
			t.Errorf("LooksOwn(%q) = %v", s, got)
		}
	}
}
