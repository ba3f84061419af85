package azurecontainerregistry_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/provider"
)

// listing gives what listing ends with, in a world that was spoiled.
func listing(c provider.Opened, spoil func(*world)) func(*testing.T) error {
	return func(t *testing.T) error {
		t.Helper()
		w := newWorld(t)
		if spoil != nil {
			spoil(w)
		}
		_, err := w.provider().Resources(t.Context(), c)
		return err
	}
}

const managerHost = "management.azure.com"

// placed says where registries are made.
func placed(c provider.Opened) provider.Opened {
	return with(with(with(c, "subscription_id", subscription), "resource_group", "rg"), "location", "westeurope")
}

func reader(w *world) {
	w.azure.Assign(cloudtest.AzureRole{ClientID: client, Role: "Reader", Scope: "/subscriptions/" + subscription})
}

func contributor(w *world) {
	w.azure.Assign(cloudtest.AzureRole{ClientID: client, Role: "Contributor", Scope: "/subscriptions/" + subscription})
}

func deploying(c provider.Opened, address string, spoil func(*world)) func(*testing.T) error {
	return func(t *testing.T) error {
		t.Helper()
		w := newWorld(t)
		if spoil != nil {
			spoil(w)
		}
		return w.provider().Deploy(t.Context(), c, address)
	}
}

func destroying(c provider.Opened, address string, spoil func(*world)) func(*testing.T) error {
	return func(t *testing.T) error {
		t.Helper()
		w := newWorld(t)
		if spoil != nil {
			spoil(w)
		}
		return w.provider().Destroy(t.Context(), c, address)
	}
}

func managerCases() map[string]func(*testing.T) error {
	fed, sp := connector("federation"), connector("service-principal")
	const fresh = "newregistry.azurecr.io"
	page := func(body string) func(*world) {
		return answering(managerHost, "/subscriptions", cloudtest.Fault{Status: 200, Body: body})
	}
	code := func(status int, code string) func(*world) {
		return answering(managerHost, "/registries/", cloudtest.Fault{Status: status, Method: "PUT", Body: `{"error":{"code":"` + code + `","message":"x"}}`})
	}
	both := func(spoils ...func(*world)) func(*world) {
		return func(w *world) {
			for _, s := range spoils {
				s(w)
			}
		}
	}
	return map[string]func(*testing.T) error{
		"list: sees nothing":                listing(fed, nil),
		"list: no role at the subscription": listing(with(fed, "subscription_id", subscription), func(w *world) { w.azure.Unassign(client) }),
		"list: no such subscription":        listing(with(fed, "subscription_id", tenant), nil),
		"list: subscription of others": listing(with(fed, "subscription_id", client), func(w *world) {
			w.azure.AddSubscription(client, "99999999-9999-4999-8999-999999999999")
		}),
		"list: throttled":           listing(fed, answering(managerHost, "", cloudtest.Fault{Status: 429, Header: map[string]string{"Retry-After": "9"}})),
		"list: in trouble":          listing(fed, answering(managerHost, "", cloudtest.Fault{Status: 500})),
		"list: token refused":       listing(fed, answering(managerHost, "", cloudtest.Fault{Status: 401})),
		"list: garbage":             listing(fed, page("<html>")),
		"list: continued elsewhere": listing(fed, page(`{"value":[],"nextLink":"https://evil.example/"}`)),
		"list: without an end":      listing(fed, page(`{"value":[],"nextLink":"https://`+managerHost+`/subscriptions"}`)),
		"list: wrong secret":        listing(sp, app(func(a *cloudtest.AzureApp) { a.Secrets = nil })),

		"deploy: nowhere":              deploying(fed, fresh, contributor),
		"deploy: not ours":             deploying(placed(fed), "ghcr.io/a", contributor),
		"deploy: no name":              deploying(placed(fed), "azurecr.io", contributor),
		"deploy: slash at the end":     deploying(placed(fed), fresh+"/", contributor),
		"deploy: bad repository":       deploying(placed(fed), fresh+"/Team", contributor),
		"deploy: with a label":         deploying(placed(fed), "newregistry-abc123.azurecr.io", contributor),
		"deploy: name too short":       deploying(placed(fed), "abcd.azurecr.io", contributor),
		"deploy: no role":              deploying(placed(fed), fresh, reader),
		"deploy: may not even look":    deploying(placed(fed), fresh, nil),
		"deploy: no such group":        deploying(with(placed(fed), "resource_group", "other"), fresh, contributor),
		"deploy: name is taken":        deploying(with(placed(fed), "resource_group", "second"), server, both(contributor, func(w *world) { w.azure.AddSubscription(subscription, tenant, "rg", "second") })),
		"deploy: namespace":            deploying(placed(fed), fresh, both(contributor, code(409, "MissingSubscriptionRegistration"))),
		"deploy: location":             deploying(placed(fed), fresh, both(contributor, code(400, "LocationNotAvailableForResourceType"))),
		"deploy: an error of Azure's":  deploying(placed(fed), fresh, both(contributor, code(400, "Other"))),
		"deploy: failed":               deploying(placed(fed), server, both(contributor, answering(managerHost, "/registries/", cloudtest.Fault{Status: 200, Body: `{"properties":{"provisioningState":"Failed"}}`}))),
		"deploy: reached elsewhere":    deploying(placed(fed), server, both(contributor, answering(managerHost, "/registries/", cloudtest.Fault{Status: 200, Body: `{"properties":{"provisioningState":"Succeeded","loginServer":"fairregistry-abc.azurecr.io"}}`}))),
		"destroy: nothing there":       destroying(placed(fed), fresh, contributor),
		"destroy: everything below":    destroying(placed(fed), server+"/*", contributor),
		"destroy: no role":             destroying(placed(fed), server, reader),
		"destroy: reached elsewhere":   destroying(placed(fed), server, both(contributor, answering(managerHost, "/registries/", cloudtest.Fault{Status: 200, Body: `{"properties":{"loginServer":"fairregistry-abc.azurecr.io"}}`}))),
		"destroy: repository, no role": destroying(fed, server+"/"+image, nil),
		"destroy: no such repository":  destroying(fed, server+"/nothing", contributor),
	}
}

func TestResources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.azure.SetPageSize(2)
	reader(w)
	for _, r := range []string{"a", "b", "c/d"} {
		put(t, w.host, r)
	}
	add := func(r cloudtest.AzureRegistry) {
		r.Subscription, r.ResourceGroup, r.Location = subscription, "rg", "northeurope"
		put(t, w.azure.AddRegistry(r), "x")
	}
	add(cloudtest.AzureRegistry{Name: "labelled", Label: "h4sh"})
	add(cloudtest.AzureRegistry{Name: "withabac", ABAC: true})
	add(cloudtest.AzureRegistry{Name: "walledin", Firewall: true})
	add(cloudtest.AzureRegistry{Name: "stuck"})
	over, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	w.tools.HTTP.Transport = besides{w.tools.HTTP.Transport, "stuck.azurecr.io", "", over}
	for _, method := range []string{"federation", "service-principal", "managed-identity"} {
		for _, c := range []provider.Opened{connector(method), with(connector(method), "subscription_id", subscription)} {
			got, err := w.provider().Resources(t.Context(), c)
			if err != nil {
				t.Fatal(sentence(err))
			}
			var rows []string
			for _, r := range got {
				rows = append(rows, strings.Join([]string{string(r.Kind), r.Address, r.Pattern, r.Location, r.Detail}, " | "))
			}
			want := []string{
				"registry | fairregistry.azurecr.io | fairregistry.azurecr.io/* | westeurope | Premium",
				"repository | fairregistry.azurecr.io/a | fairregistry.azurecr.io/a | westeurope | ",
				"repository | fairregistry.azurecr.io/b | fairregistry.azurecr.io/b | westeurope | ",
				"repository | fairregistry.azurecr.io/c/d | fairregistry.azurecr.io/c/d | westeurope | ",
				"repository | fairregistry.azurecr.io/other/app | fairregistry.azurecr.io/other/app | westeurope | ",
				"repository | fairregistry.azurecr.io/team/app | fairregistry.azurecr.io/team/app | westeurope | ",
				"registry | labelled-h4sh.azurecr.io | labelled-h4sh.azurecr.io/* | northeurope | Premium",
				"repository | labelled-h4sh.azurecr.io/x | labelled-h4sh.azurecr.io/x | northeurope | ",
				"registry | stuck.azurecr.io | stuck.azurecr.io/* | northeurope | Premium; its repositories can't be listed: stuck.azurecr.io gave no answer in time",
				"registry | walledin.azurecr.io | walledin.azurecr.io/* | northeurope | Premium; its repositories can't be listed: the network rules of walledin.azurecr.io don't let this server in, which comes from 203.0.113.7",
				"registry | withabac.azurecr.io | withabac.azurecr.io/* | northeurope | Premium; ABAC repository permissions: AcrPull doesn't count here; its repositories can't be listed: Microsoft Entra accepts the login, but the identity has no role that counts at withabac.azurecr.io",
			}
			if d := cmp.Diff(want, rows); d != "" {
				t.Errorf("%s: %s", method, d)
			}
		}
	}
}

// TestResourcesWithABAC has a registry that lets its images be read and not be listed.
func TestResourcesWithABAC(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, cloudtest.AzureRegistry{Name: "fairregistry", ABAC: true})
	reader(w)
	role := func(name string) {
		w.azure.Assign(cloudtest.AzureRole{ClientID: client, Role: name, Scope: "/subscriptions/" + subscription, Repositories: []string{"team/"}})
	}
	role("Container Registry Repository Reader")
	if err := w.pull(t, connector("federation")); err != nil {
		t.Fatal(sentence(err))
	}
	rows, err := w.provider().Resources(t.Context(), connector("federation"))
	if err != nil || len(rows) != 1 || !strings.Contains(rows[0].Detail, "doesn't list its repositories to the identity") {
		t.Fatal(rows, err)
	}
	role("Container Registry Repository Catalog Lister")
	if rows, err = w.provider().Resources(t.Context(), connector("federation")); err != nil || len(rows) != 3 {
		t.Fatal(rows, err)
	}
}

func TestResourcesOfAToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got, err := w.provider().Resources(t.Context(), connector("repository-token"))
	if err != nil {
		t.Fatal(sentence(err))
	}
	want := []fairlead.FoundResource{{
		Kind: fairlead.RegistryResource, Address: server, Pattern: server + "/*",
		Detail: "token puller: its scope map says which repositories, and the registry doesn't list them to it",
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDeploy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	contributor(w)
	p, c := w.provider(), placed(connector("federation"))
	const address = "newregistry.azurecr.io/team/model"
	plan, err := p.Plan(c.Connector, address)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"look for the registry newregistry in resource group rg of subscription " + subscription,
		"if it isn't there, make it in westeurope with SKU Basic, without an admin user and without anonymous pulls (Azure bills it by the day)",
		"leave repository team/model to the first push, which makes it",
	}
	if d := cmp.Diff(want, plan); d != "" {
		t.Error(d)
	}
	for _, want := range []fairlead.Code{"", fairlead.CodeExists} { // again changes nothing
		if err := p.Deploy(t.Context(), c, address); fairlead.CodeOf(err) != want {
			t.Fatal(sentence(err))
		}
	}
	puts := 0
	for _, r := range w.n.Requests() {
		if r.Method == http.MethodPut {
			puts++
		}
	}
	h := w.azure.Host("newregistry.azurecr.io")
	if puts != 1 || h == nil {
		t.Fatal(puts, h)
	}
	put(t, h, "team/model")
	put(t, h, "team/other")
	if err := p.Destroy(t.Context(), c, address); err != nil {
		t.Fatal(sentence(err))
	}
	if d := cmp.Diff([]string{"team/other"}, h.Repositories()); d != "" {
		t.Error(d)
	}
	if err := p.Destroy(t.Context(), c, "newregistry.azurecr.io"); err != nil {
		t.Fatal(sentence(err))
	}
	if w.azure.Host("newregistry.azurecr.io") != nil || !slices.Contains(w.host.Repositories(), image) {
		t.Error("it should be gone, and the other one shouldn't")
	}
}
