package gcpartifactregistry_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares with a file.
func golden(t *testing.T, file, got string) {
	t.Helper()
	file = "testdata/" + file + ".golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s\nrun with -update if that is meant", d)
	}
}

// sentence is an error as people read it.
func sentence(t *testing.T, err error) string {
	t.Helper()
	e, ok := errors.AsType[*fairlead.Error](err)
	if !ok {
		t.Errorf("not an error of the house: %v", err)
		return ""
	}
	s := fmt.Sprintf("%s %s %s\n%s\nremedy: %s", e.Kind, e.Code, e.Field, e.Error(), e.Remedy)
	if !e.RetryAt.IsZero() {
		s += "\nretry at: " + e.RetryAt.Format(time.RFC3339)
	}
	if e.Kind == fairlead.Internal || e.Remedy == "" && !strings.Contains(e.Error(), "cancelled") {
		t.Errorf("no help: %s", s)
	}
	return s
}

// wrong is one way for a login to go wrong.
type wrong struct {
	method string
	change func(*world, *provider.Opened)
	spoil  func(*world)
	ctx    func(context.Context) (context.Context, context.CancelFunc)
}

// TestSentences holds what people read when a login goes wrong against a golden file.
func TestSentences(t *testing.T) {
	t.Parallel()
	cases := map[string]wrong{}
	for _, group := range []map[string]wrong{halfFilled(), keyWrongs(), federationWrongs(), generationWrongs(), networkWrongs(), otherWrongs()} {
		maps.Copy(cases, group)
	}
	var mu sync.Mutex
	got := map[string]string{}
	t.Run("all", func(t *testing.T) {
		for name, row := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := row.sentence(t)
				mu.Lock()
				defer mu.Unlock()
				got[name] = s
			})
		}
	})
	var b strings.Builder
	said := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		fmt.Fprintf(&b, "## %s\n%s\n\n", name, got[name])
		if other, ok := said[got[name]]; ok {
			t.Errorf("%s and %s say the same", name, other)
		}
		said[got[name]] = name
	}
	golden(t, "sentences", b.String())
}

func (row wrong) sentence(t *testing.T) string {
	t.Helper()
	w := newWorld(t)
	w.ours.set(noon())
	w.theirs.set(noon())
	c := w.connector(row.method)
	if row.change != nil {
		row.change(w, &c)
	}
	if row.spoil != nil {
		row.spoil(w)
	}
	ctx := t.Context()
	if row.ctx != nil {
		var cancel context.CancelFunc
		ctx, cancel = row.ctx(ctx)
		defer cancel()
	}
	_, err := w.provider().Login(ctx, c, scope(t, fairlead.Pull))
	s := sentence(t, err)
	for _, secret := range c.Secret {
		if b := string(secret.Reveal()); len(b) > 12 && strings.Contains(s, b[:12]) && !strings.HasPrefix(b, "{") {
			t.Errorf("it holds the secret: %s", s)
		}
	}
	if strings.Contains(s, "ya29") || strings.Contains(s, "eyJ") || strings.Contains(s, "PRIVATE KEY") {
		t.Errorf("it holds a secret: %s", s)
	}
	return s
}
