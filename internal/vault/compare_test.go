package vault_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
)

// TestCompare: whoever may replace a secret is told whether one is it, and it is recorded.
func TestCompare(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	c := r.register(t, r.acme, "main")
	events := func() []fairlead.Event {
		page, err := r.Store.EventsWhere(t.Context(), fairlead.EventQuery{Organization: r.acme, Action: fairlead.ConnectorUpdate})
		list := page.Events
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	for text, want := range map[string]bool{canary: true, canary + "x": false, canary[1:]: false} {
		before := len(events())
		given := map[string]fairlead.Secret{"password": fairlead.SecretText(text), "other": fairlead.SecretText(canary), "empty": {}}
		same, different, err := r.Vault.Compare(t.Context(), r.ann, r.acme, "main", given)
		wantSame, wantDifferent := []string(nil), []string{"other", "password"}
		if want {
			wantSame, wantDifferent = []string{"password"}, []string{"other"}
		}
		if diff := cmp.Diff([][]string{wantSame, wantDifferent}, [][]string{same, different}); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
		now := events()
		if len(now) != before+1 || now[0].Detail["did"] != "compare" || now[0].Detail["fields"] != "other,password" {
			t.Errorf("%d events more, the last %+v", len(now)-before, now[0])
		}
	}
	member := r.ann
	member.Roles = map[fairlead.OrganizationID]fairlead.Role{r.acme: fairlead.Member}
	before := len(events())
	for kind, ask := range map[fairlead.Kind]func() error{
		fairlead.Denied: func() error {
			_, _, err := r.Vault.Compare(t.Context(), member, r.acme, "main", map[string]fairlead.Secret{"password": fairlead.SecretText(canary)})
			return err
		},
		fairlead.NotFound: func() error {
			_, _, err := r.Vault.Compare(t.Context(), r.ann, r.side, c.Name, map[string]fairlead.Secret{"password": fairlead.SecretText(canary)})
			return err
		},
	} {
		if err := ask(); fairlead.KindOf(err) != kind {
			t.Errorf("%v, want %s", err, kind)
		}
	}
	if len(events()) != before {
		t.Error("what wasn't done is recorded as done")
	}
}
