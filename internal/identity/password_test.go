package identity

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/alexedwards/argon2id"
	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
)

// people is a store that knows two users: ann, and bob, who hasn't come yet.
type people struct {
	fairlead.Store
	ann fairlead.User
}

func (p people) UserByName(_ context.Context, name fairlead.Name) (fairlead.User, error) {
	switch name {
	case "ann":
		return p.ann, nil
	case "bob":
		return fairlead.User{ID: "b", Name: "bob"}, nil
	default:
		return fairlead.User{}, fairlead.Missing("user.read")
	}
}

func (people) Write(ctx context.Context, change func(context.Context, fairlead.Writer) (fairlead.Event, error)) error {
	_, err := change(ctx, nil)
	return err
}

// TestAllRefusalsTakeTheSame counts what is hashed: one hash of the same cost for each
// refusal, whoever is named.
func TestAllRefusalsTakeTheSame(t *testing.T) {
	t.Parallel()
	i, err := New(people{}, newHands().Now)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := i.hasher.hash(t.Context(), fairlead.SecretText("a good password"))
	if err != nil {
		t.Fatal(err)
	}
	i.store = people{ann: fairlead.User{ID: "a", Name: "ann", Password: encoded}}
	var costs []argon2id.Params
	i.hasher.compare = func(password, hash string) (bool, error) {
		p, _, _, err := argon2id.DecodeHash(hash)
		if err != nil {
			t.Error(err)
			return false, err
		}
		costs = append(costs, *p)
		return argon2id.ComparePasswordAndHash(password, hash)
	}
	for _, row := range []struct{ what, name, password string }{
		{"a wrong password", "ann", "a wrong password"},
		{"nobody", "nobody", "a wrong password"},
		{"one who hasn't come", "bob", "a wrong password"},
		{"a name that can't be one", "No!", "a wrong password"},
	} {
		before := len(costs)
		_, err := i.Login(t.Context(), fairlead.Name(row.name), fairlead.SecretText(row.password), row.what, "")
		if fairlead.KindOf(err) != fairlead.Unauthenticated {
			t.Errorf("%s: %v", row.what, err)
		}
		if len(costs) != before+1 {
			t.Errorf("%s: %d hashes were compared", row.what, len(costs)-before)
		}
	}
	for _, c := range costs {
		if diff := cmp.Diff(costs[0], c); diff != "" {
			t.Errorf("the hashes have other costs:\n%s", diff)
		}
	}
	// RFC 9106, section 4, and OWASP's password storage cheat sheet: at least 19 MiB.
	if p := costs[0]; p.Memory < 19<<10 || p.SaltLength < 16 || p.KeyLength < 32 || !strings.HasPrefix(encoded, "$argon2id$v=19$") {
		t.Errorf("the hash %s is of %+v", encoded, p)
	}
}

// TestHashesAtOnce counts how many hashes are made at once, each of which takes 64 MiB.
func TestHashesAtOnce(t *testing.T) {
	t.Parallel()
	h := newHasher()
	var mu sync.Mutex
	now, most := 0, 0
	step := func(by int) {
		mu.Lock()
		defer mu.Unlock()
		now += by
		most = max(most, now)
	}
	h.compare = func(string, string) (bool, error) {
		step(1)
		runtime.Gosched()
		step(-1)
		return false, nil
	}
	h.create = func(string, *argon2id.Params) (string, error) {
		step(1)
		runtime.Gosched()
		step(-1)
		return "", nil
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { _, _ = h.matches(t.Context(), fairlead.SecretText("a good password"), "") })
		all.Go(func() { _, _ = h.hash(t.Context(), fairlead.SecretText("a good password")) })
	}
	all.Wait()
	if most > runtime.NumCPU() {
		t.Errorf("%d hashes were made at once", most)
	}
	for range runtime.NumCPU() {
		h.turn <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.matches(ctx, fairlead.SecretText("a good password"), ""); fairlead.KindOf(err) != fairlead.Unavailable {
		t.Errorf("who has left is told %v", err)
	}
}

// TestNoHashWithoutALink counts what whoever has no link makes the server hash.
func TestNoHashWithoutALink(t *testing.T) {
	t.Parallel()
	i, err := New(linkless{}, newHands().Now)
	if err != nil {
		t.Fatal(err)
	}
	i.hasher.create = func(string, *argon2id.Params) (string, error) {
		t.Error("a password was hashed")
		return "", nil
	}
	for _, link := range []string{"", "x", "fli_" + strings.Repeat("A", 43)} {
		if _, err := i.Join(t.Context(), fairlead.SecretText(link), fairlead.SecretText("a good password"), "", ""); fairlead.KindOf(err) != fairlead.Unauthenticated {
			t.Errorf("%q: %v", link, err)
		}
	}
}

// linkless is a store without a token.
type linkless struct{ fairlead.Store }

func (linkless) TokenByHash(context.Context, fairlead.TokenHash) (fairlead.Token, error) {
	return fairlead.Token{}, fairlead.Missing("token.read")
}

func TestTokenTexts(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, k := range []fairlead.TokenKind{fairlead.SessionToken, fairlead.APIToken, fairlead.WorkerToken, fairlead.SetUpLink, fairlead.InviteLink, "other"} {
		text, hash := newText(k)
		s := string(text.Reveal())
		if seen[s[:4]] || seen[s] || !strings.HasPrefix(s, prefix(k)) {
			t.Errorf("%s: the text is %s", k, s)
		}
		seen[s[:4]], seen[s] = true, true
		got, ok := hashOf(text)
		if known := k != "other"; ok != known || known && got != hash {
			t.Errorf("%s: the text isn't known again", k)
		}
		if got, ok := hashOf(fromLink(fairlead.SecretText(" https://example.com/join#" + s + "\n"))); ok && got != hash {
			t.Errorf("%s: the text isn't found in a link", k)
		}
	}
	for _, bad := range []string{"", "fls_", "xls_" + strings.Repeat("A", 43), "fls_" + strings.Repeat("A", 42), "fls_" + strings.Repeat("A", 44)} {
		if _, ok := hashOf(fairlead.SecretText(bad)); ok {
			t.Errorf("%q is taken for a token", bad)
		}
	}
}
