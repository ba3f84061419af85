package vault_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

// TestConnector registers, opens, changes and deletes a connector.
func TestConnector(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	c := r.register(t, r.acme, "main")
	stored, err := r.Store.ConnectorByName(t.Context(), r.acme, "main")
	if err != nil || c.Version != 1 {
		t.Fatal(c, err)
	}
	if diff := cmp.Diff(stored.Secrets, []string{"password"}); diff != "" || stored.Version != 1 {
		t.Errorf("stored: version %d, secrets %v", stored.Version, stored.Secrets)
	}
	opened, err := r.open(t.Context(), stored)
	if err != nil || string(opened.Secret["password"].Reveal()) != canary || opened.Public["username"] != "robot" {
		t.Fatalf("opened: %+v, %v", opened.Connector, err)
	}
	if _, err := r.Vault.Register(t.Context(), r.ann, r.acme, draft("main", "x.example.com"), nil); fairlead.KindOf(err) != fairlead.Conflict {
		t.Errorf("a name that is taken: %v", err)
	}
	if c, err := r.Vault.Register(t.Context(), r.ann, r.side, draft("main", "x.example.com"), nil); err != nil || c.Organization != r.side {
		t.Errorf("the same name in another organization: %v", err)
	}

	kept, err := r.Vault.Update(t.Context(), r.ann, r.acme, "main", provider.Change{Given: provider.Given{Public: map[string]string{"username": "other"}}}, nil)
	if err != nil || kept.Version != 2 {
		t.Fatal(kept, err)
	}
	if opened, err = r.open(t.Context(), kept.Connector); err != nil || string(opened.Secret["password"].Reveal()) != canary {
		t.Errorf("a secret that was kept: %v", err)
	}
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	changed, err := r.Vault.Update(t.Context(), r.ann, r.acme, "main", provider.Change{Version: 2, Name: "renamed", Expires: &at, Given: provider.Given{
		Secret: map[string]fairlead.Secret{"password": fairlead.SecretText("another")},
	}}, nil)
	if err != nil || changed.Name != "renamed" || !changed.Expires.Equal(at) {
		t.Fatal(changed, err)
	}
	if opened, err = r.open(t.Context(), changed.Connector); err != nil || string(opened.Secret["password"].Reveal()) != "another" {
		t.Errorf("a secret that was replaced: %v", err)
	}
	if _, err := r.Vault.Update(t.Context(), r.ann, r.acme, "renamed", provider.Change{Version: 2, Name: "again"}, nil); fairlead.CodeOf(err) != fairlead.CodeStale {
		t.Errorf("a change of an old version: %v", err)
	}
	if err := r.Vault.Delete(t.Context(), r.ann, r.acme, "renamed"); err != nil {
		t.Error(err)
	}
	if _, err := r.open(t.Context(), changed.Connector); fairlead.KindOf(err) != fairlead.NotFound && fairlead.KindOf(err) != fairlead.Conflict {
		t.Errorf("a connector that was deleted opens: %v", err)
	}
}

// TestStaleConnector opens a connector as it was before it was changed: what the secret
// is for now, its old fields don't say.
func TestStaleConnector(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	old := r.register(t, r.acme, "main")
	_, err := r.Vault.Update(t.Context(), r.ann, r.acme, "main", provider.Change{Given: provider.Given{
		Public: map[string]string{"hosts": "new.example.com"}, Secret: map[string]fairlead.Secret{"password": fairlead.SecretText("only for new.example.com")},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := r.open(t.Context(), old)
	if fairlead.CodeOf(err) != fairlead.CodeStale || len(opened.Secret) != 0 {
		t.Errorf("with the old hosts it opens to %d secrets, %v", len(opened.Secret), err)
	}
}

// TestOpenAsks has those open a connector who may not.
func TestOpenAsks(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	c := r.register(t, r.acme, "main")
	member := func(org fairlead.OrganizationID) fairlead.Caller {
		return fairlead.Caller{Subject: fairlead.Subject{Kind: fairlead.UserSubject, ID: "u"}, Roles: map[fairlead.OrganizationID]fairlead.Role{org: fairlead.Member}}
	}
	worker := fairlead.Caller{Subject: fairlead.Subject{Kind: fairlead.WorkerSubject, ID: "w"}, Only: r.acme}
	limited := member(r.acme)
	limited.Scopes = []fairlead.Action{fairlead.RunCreate}
	theirs := fairlead.Project{ID: "q", Organization: r.side}
	personal := fairlead.Project{ID: "q", User: "u"}
	for name, row := range map[string]struct {
		asker fairlead.Asker
		want  fairlead.Kind
	}{
		"a member":                      {fairlead.Asker{Who: member(r.acme), Project: r.project}, ""},
		"a worker with a run":           {fairlead.Asker{Who: worker, Project: r.project, Run: "r"}, ""},
		"a worker without one":          {fairlead.Asker{Who: worker, Project: r.project}, fairlead.Denied},
		"a token without the scope":     {fairlead.Asker{Who: limited, Project: r.project}, fairlead.Denied},
		"a stranger":                    {fairlead.Asker{Who: member(r.side), Project: r.project}, fairlead.NotFound},
		"a stranger with their project": {fairlead.Asker{Who: member(r.side), Project: theirs}, fairlead.NotFound},
		"a personal project":            {fairlead.Asker{Who: member(r.acme), Project: personal}, fairlead.NotFound},
		"no project":                    {fairlead.Asker{Who: member(r.acme)}, fairlead.Denied},
		"nobody":                        {fairlead.Asker{Project: r.project}, fairlead.NotFound},
		"the house":                     {fairlead.Asker{Who: system(), Project: r.project}, fairlead.Denied},
	} {
		opened, err := r.Vault.Open(t.Context(), row.asker, c, scope())
		if fairlead.KindOf(err) != row.want || (err != nil) != (len(opened.Secret) == 0) {
			t.Errorf("%s: %d secrets, %v", name, len(opened.Secret), err)
		}
	}
}

// TestOpenRecords looks for the event of an opening.
func TestOpenRecords(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	c := r.register(t, r.acme, "main")
	if _, err := r.open(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	page, err := r.Store.EventsWhere(t.Context(), fairlead.EventQuery{Organization: r.acme, Action: fairlead.ConnectorOpen, Limit: 10})
	events := page.Events
	if err != nil || len(events) != 1 {
		t.Fatal(events, err)
	}
	ev := events[0]
	want := map[string]string{"for": "reg.example.com/team/app", "verb": "pull"}
	if diff := cmp.Diff(want, ev.Detail); diff != "" || ev.By.Name != "ann" || ev.On.Name != "main" || ev.Project != r.project.ID || !ev.Allowed {
		t.Errorf("the event is %+v", ev)
	}
}

// TestFieldsAreChecked gives what a method doesn't take. No error shows the secret.
func TestFieldsAreChecked(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	secret := func(fields ...string) map[string]fairlead.Secret {
		m := map[string]fairlead.Secret{}
		for _, f := range fields {
			m[f] = fairlead.SecretText(canary)
		}
		return m
	}
	base := map[string]string{"hosts": "reg.example.com", "username": "robot"}
	with := func(key, value string) map[string]string {
		m := map[string]string{key: value}
		for k, v := range base {
			if _, ok := m[k]; !ok {
				m[k] = v
			}
		}
		return m
	}
	for name, row := range map[string]struct {
		d     provider.Draft
		field string
	}{
		"no family":           {provider.Draft{Family: "none", Method: "basic"}, "family"},
		"no method":           {provider.Draft{Family: "docker", Method: "none"}, "method"},
		"several methods":     {provider.Draft{Family: "docker"}, "method"},
		"no secret":           {provider.Draft{Family: "docker", Method: "basic", Given: provider.Given{Public: base}}, "password"},
		"an empty secret":     {provider.Draft{Family: "docker", Method: "basic", Given: provider.Given{Public: base, Secret: map[string]fairlead.Secret{"password": {}}}}, "password"},
		"no hosts":            {provider.Draft{Family: "docker", Method: "basic", Given: provider.Given{Public: map[string]string{"username": "u"}, Secret: secret("password")}}, "hosts"},
		"an empty field":      {provider.Draft{Family: "docker", Method: "basic", Given: provider.Given{Public: with("username", ""), Secret: secret("password")}}, "username"},
		"an unknown field":    {provider.Draft{Family: "docker", Method: "basic", Given: provider.Given{Public: with("user", "x"), Secret: secret("password")}}, "user"},
		"an unknown secret":   {provider.Draft{Family: "docker", Method: "basic", Given: provider.Given{Public: base, Secret: secret("password", "pasword")}}, "pasword"},
		"a secret in public":  {provider.Draft{Family: "docker", Method: "basic", Given: provider.Given{Public: with("password", canary)}}, "password"},
		"a field as a secret": {provider.Draft{Family: "docker", Method: "basic", Given: provider.Given{Public: base, Secret: secret("password", "username")}}, "username"},
		"a line break":        {provider.Draft{Family: "docker", Method: "basic", Given: provider.Given{Public: with("username", "a\r\nb: "+canary), Secret: secret("password")}}, "username"},
		"no such choice":      {provider.Draft{Family: "docker", Method: "bearer", Given: provider.Given{Public: map[string]string{"hosts": "reg.example.com", "token_use": "both"}, Secret: secret("token")}}, "token_use"},
		"too long":            {provider.Draft{Family: "docker", Method: "basic", Given: provider.Given{Public: base, Secret: map[string]fairlead.Secret{"password": fairlead.SecretText(strings.Repeat(canary, 10_000))}}}, "password"},
		"too long in public":  {provider.Draft{Family: "docker", Method: "basic", Given: provider.Given{Public: with("username", strings.Repeat(canary, 10_000)), Secret: secret("password")}}, "username"},
		"no host":             {provider.Draft{Family: "docker", Method: "basic", Given: provider.Given{Public: with("hosts", "https://reg.example.com/v2/"), Secret: secret("password")}}, "hosts"},
	} {
		row.d.Name = "main"
		_, err := r.Vault.Register(t.Context(), r.ann, r.acme, row.d, nil)
		e := fairlead.AsError("", err)
		if e.Kind != fairlead.Invalid || e.Field != row.field || e.Remedy == "" {
			t.Errorf("%s: field %q: %v (remedy %q)", name, e.Field, err, e.Remedy)
		}
		if strings.Contains(e.Error()+e.Remedy+e.Field, canary) {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
	if list, err := r.Store.ConnectorsOf(t.Context(), r.acme); err != nil || len(list) != 0 {
		t.Errorf("there are connectors: %+v, %v", list, err)
	}
}
