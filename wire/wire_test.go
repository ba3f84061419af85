package wire_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

// TestStatus has each kind be one status, and back.
func TestStatus(t *testing.T) {
	t.Parallel()
	seen := map[int]fairlead.Kind{}
	for _, k := range []fairlead.Kind{
		fairlead.Invalid, fairlead.Unauthenticated, fairlead.Denied, fairlead.NotFound, fairlead.Conflict, fairlead.Limited, fairlead.Unavailable, fairlead.Internal,
	} {
		s := wire.Status(k)
		if other, twice := seen[s]; twice || s < 400 || http.StatusText(s) == "" {
			t.Errorf("%s is status %d, as %s", k, s, other)
		}
		if seen[s] = k; wire.KindOfStatus(s) != k {
			t.Errorf("%s is status %d, and that is %s", k, s, wire.KindOfStatus(s))
		}
	}
	if wire.Status("new") != http.StatusInternalServerError {
		t.Error("a kind that isn't known")
	}
}

// TestRoutes holds every route to the contract's form.
func TestRoutes(t *testing.T) {
	t.Parallel()
	ids, places := map[string]bool{}, map[string]bool{}
	for _, r := range wire.Routes() {
		if ids[r.ID] || places[r.Method+" "+r.Path] || r.Summary == "" || !strings.HasPrefix(r.Path, wire.Prefix+"/") && !strings.HasPrefix(r.Path, wire.ValohaiPrefix+"/") {
			t.Errorf("route %+v", r)
		}
		ids[r.ID], places[r.Method+" "+r.Path] = true, true
		if r.Open && r.Action != "" || r.Action != "" && !slices.Contains(fairlead.Actions(), r.Action) {
			t.Errorf("%s: action %q", r.ID, r.Action)
		}
		var named []string
		for _, f := range reflect.VisibleFields(r.In) {
			if f.Anonymous {
				continue
			}
			inURL := f.Tag.Get("path") + f.Tag.Get("query")
			if (inURL != "") != (f.Tag.Get("json") == "-") {
				t.Errorf("%s: field %s travels in the URL and in the body, or in neither", r.ID, f.Name)
			}
			if f.Tag.Get("path") != "" {
				named = append(named, f.Tag.Get("path"))
			}
			if inURL == "" && (r.Method == http.MethodGet || r.Method == http.MethodDelete || r.BytesIn) {
				t.Errorf("%s: field %s has no body to be in", r.ID, f.Name)
			}
		}
		var wild []string
		for _, m := range regexp.MustCompile(`\{([a-z]+)(?:\.\.\.)?\}`).FindAllStringSubmatch(r.Path, -1) {
			wild = append(wild, m[1])
		}
		if diff := cmp.Diff(wild, named); diff != "" {
			t.Errorf("%s (-path +fields):\n%s", r.ID, diff)
		}
	}
}

// TestLease comes back as it went.
func TestLease(t *testing.T) {
	t.Parallel()
	l := fairlead.Lease{
		ID: "id", For: fairlead.Scope{Resource: ref.Resource{Host: "reg.example.com", Repository: "team/app"}, Verb: fairlead.Pull}, Kind: fairlead.SecretItself,
		Username: "u", Password: fairlead.SecretText("p\u00e4ss\"<&"), Bearer: fairlead.SecretText("b"), Expires: time.Date(2026, 3, 1, 12, 0, 0, 1, time.UTC),
		Registry: "r", RegistryName: "rn", Connector: "c", ConnectorName: "cn", PlainHTTP: true, CABundle: "ca", Note: &fairlead.Error{Kind: fairlead.Denied, Why: "why"},
	}
	v := reflect.ValueOf(l)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("field %s isn't tried", v.Type().Field(i).Name)
		}
	}
	b, err := json.Marshal(wire.FromLease(l))
	if err != nil {
		t.Fatal(err)
	}
	var back wire.Lease
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	same := cmp.Options{
		cmp.Comparer(func(a, b fairlead.Secret) bool { return a.Equal(b) }),
		cmp.Comparer(func(a, b *fairlead.Error) bool { return a.Error() == b.Error() && a.Kind == b.Kind }),
	}
	if diff := cmp.Diff(l, back.Lease(), same); diff != "" {
		t.Errorf("(-went +came):\n%s", diff)
	}
	b, err = json.Marshal(wire.FromLease(fairlead.Lease{Kind: fairlead.Anonymous}))
	if err != nil || strings.Contains(string(b), "password") || strings.Contains(string(b), "bearer") || strings.Contains(string(b), "expires") {
		t.Errorf("an anonymous lease is %s, %v", b, err)
	}
}

// TestClear shows a secret to encoding/json alone.
func TestClear(t *testing.T) {
	t.Parallel()
	in := wire.LoginRequest{Name: "ann", Password: wire.Clear{Secret: fairlead.SecretText("c4nary")}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if s := fmt.Sprintf(verb, in); strings.Contains(s, "c4nary") || strings.Contains(s, "63346e617279") {
			t.Errorf("%s: %s", verb, s)
		}
	}
	b, err := json.Marshal(in)
	if err != nil || string(b) != `{"name":"ann","password":"c4nary"}` {
		t.Errorf("%s, %v", b, err)
	}
	var back wire.LoginRequest
	if err := json.Unmarshal(b, &back); err != nil || !back.Password.Equal(in.Password.Secret) {
		t.Error(err)
	}
	if err := json.Unmarshal([]byte(`{"password": 7}`), &back); err == nil {
		t.Error("a number is a secret")
	}
	link := wire.Link("https://fairlead.example.com", "join", fairlead.SecretText("fli_x"))
	if string(link.Reveal()) != "https://fairlead.example.com/join#fli_x" {
		t.Errorf("the link is %d long", link.Len())
	}
}

// TestWaits reads the durations of the contract.
func TestWaits(t *testing.T) {
	t.Parallel()
	if d := wire.Waits(30); d != 30*time.Second {
		t.Error(d)
	}
	if d := wire.Milliseconds(1500).Duration(); d != 1500*time.Millisecond {
		t.Error(d)
	}
}
