package api_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/wire"
)

// row is a request about what acme, or its administrator ann, has.
type row struct {
	route wire.Route
	// variant tells rows of one route apart.
	variant string
	// at is where what it is about lives.
	at where
	// call sends the request, with these names in it.
	call func(ctx context.Context, c *client.Client, n names) error
	// needs are the rights that it takes beside the route's own.
	needs []need
	// alone says that needs are all.
	alone bool
	// by does it where all rows are done.
	by by
	// otherwise is what somebody is answered whom the rights table would let, but who
	// has nothing to do with the thing itself; 0 is not to ask.
	otherwise int
}

// need is a right at a place.
type need struct {
	action fairlead.Action
	at     where
}

// by is somebody of acme's.
type by int

const (
	byAnn by = iota
	byBob
	byHolder
)

func (r row) String() string { return r.route.ID + r.variant }

type where int

const (
	inAcme    where = iota
	withAnn         // a personal project of ann's
	aboutSelf       // about the caller alone
	heldRun         // a run that a worker of acme's holds
)

// op makes the row of an operation.
func op[In, Out any](o wire.Operation[In, Out], at where, in func(n names) In) row {
	return row{route: o.Route(), at: at, call: func(ctx context.Context, c *client.Client, n names) error {
		_, err := client.Do(ctx, c, o, in(n))
		return err
	}}
}

// in makes another row of the same route.
func (r row) in(variant string, at where) row {
	r.variant, r.at = "/"+variant, at
	return r
}

// plus says which rights it takes beside.
func (r row) plus(needs ...need) row {
	r.needs = append(r.needs, needs...)
	return r
}

// only says which rights it takes, in their order.
func (r row) only(needs ...need) row {
	r.needs, r.alone = needs, true
	return r
}

// as says who does it.
func (r row) as(b by) row {
	r.by = b
	return r
}

// or says how those are answered who could do it to something else.
func (r row) or(status int) row {
	r.otherwise = status
	return r
}

func put[In any](o wire.Stream[In], at where, in func(n names) In, body string) row {
	return row{route: o.Route(), at: at, call: func(ctx context.Context, c *client.Client, n names) error {
		return client.Put(ctx, c, o, in(n), bytes.NewReader([]byte(body)), int64(len(body)))
	}}
}

func get[In any](o wire.Stream[In], at where, in func(n names) In) row {
	return row{route: o.Route(), at: at, call: func(ctx context.Context, c *client.Client, n names) error {
		body, _, err := client.Get(ctx, c, o, in(n))
		if err == nil {
			_, err = io.Copy(io.Discard, body)
			_ = body.Close()
		}
		return err
	}}
}

func org(n names) wire.OrganizationPath { return wire.OrganizationPath{Organization: n.org} }
func none(names) wire.None              { return wire.None{} }
func prj(n names) wire.ProjectPath      { return wire.ProjectPath{Owner: n.org, Project: n.project} }
func run(n names) wire.RunPath          { return wire.RunPath{ProjectPath: prj(n), Number: n.done} }
func held(n names) wire.HeldPath        { return wire.HeldPath{Run: n.run, Fence: n.fence} }

// personal makes the names such that the project's rows are about ann's own project.
func personal(r row) row {
	call := r.call
	r = r.in("personal", withAnn)
	if r.route.ID == wire.GetOutput.ID {
		r.otherwise = http.StatusNotFound // the run there has none
	}
	if r.route.ID == wire.SetProjectStack.ID {
		r.otherwise = wire.Status(fairlead.Invalid) // a personal project has no stack
	}
	r.call = func(ctx context.Context, c *client.Client, n names) error {
		n.project, n.scrap = n.personal, n.personalScrap
		if n.org == "acme" {
			n.org, n.done, n.queued = "ann", 1, 1
		}
		return call(ctx, c, n)
	}
	return r
}

// rows gives the rows in an order in which all of them can be done, each by somebody who
// may.
func rows() []row {
	var list []row
	list = append(list, valohaiRows()...)
	list = append(list, registryRows()...)
	list = append(list, stackRows()...)
	list = append(list, webhookRows()...)
	for _, r := range append(runRows(), projectRows()...) {
		if r.route.ID != wire.LeasePush.ID { // nobody pushes for a personal project
			list = append(list, personal(r))
		}
		list = append(list, r)
	}
	list = append(list, op(wire.CreateProject, inAcme, func(n names) wire.ProjectRequest {
		return wire.ProjectRequest{Owner: string(n.org), Name: "new"}
	}))
	list = append(list, organizationRows()...)
	list = append(list, workRows()...)
	return append(list, selfRows()...)
}

// openRows are those of routes that need no proof, all refused on a plane that is set
// up and to whoever has no link and no password.
func openRows() []row {
	return []row{
		op(wire.SetUp, aboutSelf, func(names) wire.SetUpRequest {
			return wire.SetUpRequest{Link: hidden("flx_none"), Organization: "again", Name: "other", Password: hidden("a new password")}
		}).or(http.StatusConflict),
		op(wire.Login, aboutSelf, func(n names) wire.LoginRequest {
			return wire.LoginRequest{Name: string(n.user), Password: hidden("a wrong password")}
		}).or(http.StatusUnauthorized),
		op(wire.Join, aboutSelf, func(names) wire.JoinRequest {
			return wire.JoinRequest{Link: hidden("fli_none"), Password: hidden("a new password")}
		}).or(http.StatusUnauthorized),
	}
}

func selfRows() []row {
	return []row{
		op(wire.Whoami, aboutSelf, none),
		op(wire.ListOrganizations, aboutSelf, none),
		op(wire.ListProjects, aboutSelf, none),
		op(wire.ListProviders, aboutSelf, none),
		op(wire.ListTokens, aboutSelf, none),
		op(wire.RevokeToken, aboutSelf, func(n names) wire.TokenPath { return wire.TokenPath{Token: n.token} }).or(http.StatusNotFound),
		op(wire.CreateToken, inAcme, func(n names) wire.TokenRequest {
			return wire.TokenRequest{Name: "new", Organization: string(n.org)}
		}).only(need{action: fairlead.OrganizationRead, at: inAcme}, need{action: fairlead.TokenCreate, at: aboutSelf}),
		op(wire.CreateToken, aboutSelf, func(names) wire.TokenRequest { return wire.TokenRequest{Name: "new"} }).in("unlimited", aboutSelf),
		op(wire.SetPassword, aboutSelf, func(names) wire.PasswordRequest {
			return wire.PasswordRequest{Old: hidden(fairleadtest.Password), New: hidden("a new password")}
		}).as(byBob),
		op(wire.CreateOrganization, aboutSelf, func(names) wire.OrganizationRequest { return wire.OrganizationRequest{Name: "acme"} }).or(http.StatusConflict),
		op(wire.Logout, aboutSelf, none).as(byBob),
	}
}

func organizationRows() []row {
	limit := true
	member := func(n names) wire.MemberPath { return wire.MemberPath{OrganizationPath: org(n), User: n.user} }
	return []row{
		op(wire.ShowOrganization, inAcme, org),
		op(wire.UpdateOrganization, inAcme, func(n names) wire.OrganizationUpdate {
			return wire.OrganizationUpdate{OrganizationPath: org(n), ForbidPersonal: &limit}
		}),
		op(wire.ListMembers, inAcme, org),
		op(wire.AddMember, inAcme, func(n names) wire.MemberRequest {
			return wire.MemberRequest{OrganizationPath: org(n), Name: string(n.newcomer), Role: fairlead.Admin}
		}),
		op(wire.AddMember, inAcme, func(n names) wire.MemberRequest {
			return wire.MemberRequest{OrganizationPath: org(n), Name: string(n.invited), Role: fairlead.Admin}
		}).in("again", inAcme),
		op(wire.UpdateMember, inAcme, func(n names) wire.MemberUpdate {
			return wire.MemberUpdate{MemberPath: member(n), Role: fairlead.Admin}
		}),
		op(wire.RemoveMember, inAcme, func(n names) wire.MemberPath {
			return wire.MemberPath{OrganizationPath: org(n), User: n.removable}
		}),
		op(wire.ListWorkers, inAcme, org),
		op(wire.AddWorker, inAcme, func(n names) wire.WorkerRequest {
			return wire.WorkerRequest{OrganizationPath: org(n), Name: "new-worker"}
		}),
		op(wire.RemoveWorker, inAcme, func(n names) wire.WorkerPath {
			return wire.WorkerPath{OrganizationPath: org(n), Worker: n.worker}
		}),
		op(wire.ListEvents, inAcme, func(n names) wire.EventsRequest { return wire.EventsRequest{OrganizationPath: org(n)} }),
		op(wire.ListEvents, inAcme, func(n names) wire.EventsRequest {
			return wire.EventsRequest{
				OrganizationPath: org(n), Project: string(n.org) + "/" + string(n.project), Action: fairlead.RunCreate, Subject: "x", Limit: 5,
				By: "ann", On: "run/x", Outcome: "denied", Since: time.Unix(0, 0), Text: "x",
			}
		}).in("chosen", inAcme).plus(need{fairlead.ProjectRead, inAcme}),
	}
}

func registryRows() []row {
	connector := func(n names) wire.ConnectorPath {
		return wire.ConnectorPath{OrganizationPath: org(n), Connector: n.connector}
	}
	registry := func(n names) wire.RegistryPath {
		return wire.RegistryPath{OrganizationPath: org(n), Registry: n.registry}
	}
	repository := func(n names) wire.RepositoryRequest {
		return wire.RepositoryRequest{ConnectorPath: connector(n), Address: n.host + "/team/app"}
	}
	fields := func(n names) wire.ConnectorFields {
		return wire.ConnectorFields{
			Family: "docker", Method: "basic", Public: map[string]string{"hosts": n.host, "username": robot},
			Secrets: map[string]wire.Clear{"password": hidden("robot-password")},
		}
	}
	return []row{
		op(wire.ListConnectors, inAcme, org),
		op(wire.RegisterConnector, inAcme, func(n names) wire.ConnectorRequest {
			return wire.ConnectorRequest{OrganizationPath: org(n), Name: "new-connector", ConnectorFields: fields(n)}
		}),
		op(wire.DescribeConnector, inAcme, connector),
		op(wire.UpdateConnector, inAcme, func(n names) wire.ConnectorUpdate {
			return wire.ConnectorUpdate{ConnectorPath: connector(n), Public: map[string]string{"username": robot}}
		}),
		op(wire.RotateConnector, inAcme, func(n names) wire.RotateRequest {
			return wire.RotateRequest{ConnectorPath: connector(n), Secrets: map[string]wire.Clear{"password": hidden("robot-password")}}
		}),
		op(wire.RollbackConnector, inAcme, func(n names) wire.RollbackRequest { return wire.RollbackRequest{ConnectorPath: connector(n)} }),
		op(wire.GuideConnector, inAcme, connector),
		op(wire.GuideNewConnector, inAcme, func(n names) wire.GuideRequest {
			return wire.GuideRequest{OrganizationPath: org(n), Name: string(n.connector), Family: "docker", Method: "basic", Public: map[string]string{"hosts": n.host}}
		}),
		get(wire.TestRegistry, inAcme, func(n names) wire.RegistryTestRequest {
			return wire.RegistryTestRequest{RegistryPath: wire.RegistryPath{OrganizationPath: org(n), Registry: n.registry}, Image: n.host + "/team/app:v1"}
		}).plus(need{fairlead.LeasePull, inAcme}),
		op(wire.CompareSecrets, inAcme, func(n names) wire.SecretsComparison {
			return wire.SecretsComparison{ConnectorPath: connector(n), Secrets: map[string]wire.Clear{"password": hidden("robot-password")}}
		}),
		op(wire.VerifyConnector, inAcme, func(n names) wire.VerifyRequest {
			return wire.VerifyRequest{ConnectorPath: connector(n), Image: n.host + "/team/app:v1"}
		}),
		op(wire.ListResources, inAcme, func(n names) wire.ResourcesRequest {
			return wire.ResourcesRequest{OrganizationPath: org(n), Connector: n.connector, Timeout: 5}
		}),
		op(wire.ListResources, inAcme, func(n names) wire.ResourcesRequest {
			return wire.ResourcesRequest{OrganizationPath: org(n)}
		}).in("all", inAcme),
		// What becomes of a repository of a cloud is in TestRepositories: here is none.
		op(wire.PlanRepository, inAcme, repository).in("none", inAcme).or(http.StatusUnprocessableEntity),
		op(wire.DeployRepository, inAcme, repository).in("none", inAcme).or(http.StatusUnprocessableEntity),
		op(wire.DestroyRepository, inAcme, func(n names) wire.RepositoryRemoval {
			return wire.RepositoryRemoval{ConnectorPath: connector(n), Address: n.host + "/team/app", Force: true}
		}).in("none", inAcme).or(http.StatusUnprocessableEntity),
		op(wire.ListImages, inAcme, func(n names) wire.ImagesRequest {
			return wire.ImagesRequest{OrganizationPath: org(n), Repository: n.host + "/team/none", Connector: n.connector}
		}).in("none", inAcme).or(http.StatusNotFound),
		op(wire.DeleteConnector, inAcme, func(n names) wire.ConnectorRemoval {
			return wire.ConnectorRemoval{ConnectorPath: wire.ConnectorPath{OrganizationPath: org(n), Connector: n.spareConnector}}
		}),
		op(wire.ListRegistries, inAcme, org),
		op(wire.ShowRegistry, inAcme, registry),
		op(wire.AddRegistry, inAcme, func(n names) wire.RegistryRequest {
			c := fields(n)
			return wire.RegistryRequest{OrganizationPath: org(n), Name: "new-registry", Pattern: n.host + "/new/*", NewConnector: &c, PlainHTTP: true}
		}).plus(need{fairlead.ConnectorRegister, inAcme}),
		op(wire.AddRegistry, inAcme, func(n names) wire.RegistryRequest {
			return wire.RegistryRequest{OrganizationPath: org(n), Name: "other-registry", Pattern: n.host + "/other/*", Connector: string(n.connector)}
		}).in("existing", inAcme),
		op(wire.AddRegistry, inAcme, func(n names) wire.RegistryRequest {
			return wire.RegistryRequest{OrganizationPath: org(n), Resource: n.host + "/reached/app", Connector: string(n.connector)}
		}).in("unreached", inAcme).plus(need{fairlead.ConnectorDiscover, inAcme}).or(http.StatusServiceUnavailable),
		op(wire.AddRegistry, inAcme, func(n names) wire.RegistryRequest {
			return wire.RegistryRequest{OrganizationPath: org(n), Resource: n.host + "/reached/app", Connector: string(n.connector), Unverified: true}
		}).in("unverified", inAcme),
		op(wire.UpdateRegistry, inAcme, func(n names) wire.RegistryUpdate {
			return wire.RegistryUpdate{RegistryPath: registry(n), Secrets: map[string]wire.Clear{"password": hidden("robot-password")}}
		}).plus(need{fairlead.ConnectorUpdate, inAcme}),
		op(wire.UpdateRegistry, inAcme, func(n names) wire.RegistryUpdate {
			return wire.RegistryUpdate{RegistryPath: wire.RegistryPath{OrganizationPath: org(n), Registry: n.spareRegistry}, Name: "renamed"}
		}).in("rename", inAcme),
		op(wire.RemoveRegistry, inAcme, func(n names) wire.RegistryRemoval {
			return wire.RegistryRemoval{RegistryPath: wire.RegistryPath{OrganizationPath: org(n), Registry: n.oldRegistry}, WithConnector: true}
		}).plus(need{fairlead.ConnectorDelete, inAcme}),
	}
}

func webhookRows() []row {
	hook := func(n names) wire.WebhookPath { return wire.WebhookPath{OrganizationPath: org(n), Webhook: n.webhook} }
	return []row{
		op(wire.ListWebhooks, inAcme, org),
		op(wire.AddWebhook, inAcme, func(n names) wire.WebhookRequest {
			return wire.WebhookRequest{OrganizationPath: org(n), Name: "new-webhook", URL: "https://hooks.example.com/new"}
		}),
		op(wire.DescribeWebhook, inAcme, hook),
		op(wire.TestWebhook, inAcme, hook),
		op(wire.RemoveWebhook, inAcme, func(n names) wire.WebhookPath {
			return wire.WebhookPath{OrganizationPath: org(n), Webhook: n.spareWebhook}
		}),
	}
}
