package vault_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // the driver

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/ref"
	"fairlead.dev/fairlead/wire"
)

const canary = "c4nary-secret-0123456789"

// room is a plane with two organizations, and administrators to ask on behalf of.
type room struct {
	*fairleadtest.Plane
	acme, side fairlead.OrganizationID
	ann        fairlead.Caller
	project    fairlead.Project
}

func newRoom(t *testing.T, options ...fairleadtest.Option) *room {
	t.Helper()
	r := &room{Plane: fairleadtest.Start(t, options...)}
	fairleadtest.Must(t, r.Ann, wire.CreateOrganization, wire.OrganizationRequest{Name: "side"})
	r.acme = fairleadtest.Must(t, r.Ann, wire.ShowOrganization, wire.OrganizationPath{Organization: "acme"}).ID
	r.side = fairleadtest.Must(t, r.Ann, wire.ShowOrganization, wire.OrganizationPath{Organization: "side"}).ID
	r.project = fairleadtest.Must(t, r.Ann, wire.CreateProject, wire.ProjectRequest{Owner: "acme", Name: "p"})
	me := fairleadtest.Must(t, r.Ann, wire.Whoami, wire.None{})
	r.ann = fairlead.Caller{Subject: me.Subject, Roles: map[fairlead.OrganizationID]fairlead.Role{r.acme: fairlead.Admin, r.side: fairlead.Admin}}
	return r
}

// draft is of a connector with a password.
func draft(name fairlead.Name, hosts string) provider.Draft {
	return provider.Draft{Name: name, Family: "docker", Method: "basic", Given: provider.Given{
		Public: map[string]string{"hosts": hosts, "username": "robot"},
		Secret: map[string]fairlead.Secret{"password": fairlead.SecretText(canary)},
	}}
}

func (r *room) register(t *testing.T, org fairlead.OrganizationID, name fairlead.Name) fairlead.Connector {
	t.Helper()
	c, err := r.Vault.Register(t.Context(), r.ann, org, draft(name, "reg.example.com"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Connector
}

func scope() fairlead.Scope {
	return fairlead.Scope{Resource: ref.Resource{Host: "reg.example.com", Repository: "team/app"}, Verb: fairlead.Pull}
}

// open opens a connector on behalf of a project of its organization.
func (r *room) open(ctx context.Context, c fairlead.Connector) (provider.Opened, error) {
	p := r.project
	p.Organization = c.Organization
	return r.Vault.Open(ctx, fairlead.Asker{Who: r.ann, Project: p}, c, scope())
}

// tamper changes the database behind the plane's back.
func (r *room) tamper(t *testing.T, statement string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(r.Data, "fairlead.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	result, err := db.ExecContext(t.Context(), statement, args...)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		t.Fatalf("%s: %d rows, %v", statement, n, err)
	}
}

func system() fairlead.Caller { return fairlead.System() }
