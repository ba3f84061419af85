package diagnose_test

import (
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
	rt "fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

// connect adds an entry with a connector at a cloud.
func (w *world) connect(n *cloudtest.Internet, pattern, family, method string, public map[string]string, secret map[string]string) {
	w.t.Helper()
	f := &wire.ConnectorFields{Family: fairlead.Family(family), Method: method, Public: public, Secrets: map[string]wire.Clear{}}
	for name, s := range secret {
		f.Secrets[name] = hidden(s)
	}
	w.entry("cloud", pattern, func(q *wire.RegistryRequest) { q.PlainHTTP, q.CABundle, q.NewConnector = false, caOf(w.t, n), f })
}

const (
	awsAccount  = "123456789012"
	awsRegion   = "eu-west-1"
	awsLogin    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["ecr:GetAuthorizationToken"]}]}`
	awsPull     = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["ecr:GetAuthorizationToken","ecr:BatchGetImage","ecr:GetDownloadUrlForLayer","ecr:BatchCheckLayerAvailability"]}]}`
	awsNothing  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["s3:GetObject"]}]}`
	azureTenant = "11111111-1111-4111-8111-111111111111"
	azureApp    = "22222222-2222-4222-8222-222222222222"
	azureSub    = "33333333-3333-4333-8333-333333333333"
	azureSecret = "abc8Q~c4nary-of-the-application-00000001"
	azureHost   = "fairregistry.azurecr.io"
	jfrogHost   = "acme.jfrog.io"
	hubToken    = "dckr_pat_c4nary000000000000000000000"
)

// aws is an account with a user who has a policy, and its entry.
func aws(t *testing.T, w *world, policy string) (*cloudtest.AWS, cloudtest.AWSKey, broken) {
	t.Helper()
	n := w.internet()
	amazon := cloudtest.NewAWS(t, n)
	account := amazon.Account(awsAccount)
	account.Push(awsRegion, "team/app", "v1", anImage(t))
	key := account.User("puller", policy)
	host := account.Host(awsRegion)
	w.connect(n, host, "aws-ecr", "secret-key", map[string]string{"access_key_id": key.ID}, map[string]string{"secret_access_key": key.Secret})
	b := broken{ask: ask{image: host + "/team/app:v1"}}
	b.mend = func() {
		key := account.User("puller", awsPull)
		w.updateConnector("cloud", wire.ConnectorUpdate{
			Public: map[string]string{"access_key_id": key.ID}, Secrets: map[string]wire.Clear{"secret_access_key": hidden(key.Secret)},
		})
	}
	return amazon, key, b
}

// google is a project with an account, and its entry.
func google(t *testing.T, w *world) (g *cloudtest.Google, repository, account, key string, b broken) {
	t.Helper()
	n := w.internet()
	g = cloudtest.NewGoogle(t, n)
	g.AddProject("acme-train")
	repository = g.AddRepository("acme-train", cloudtest.GoogleRepository{Location: "us", ID: "models"})
	account = g.AddAccount("acme-train", "reader")
	key, file := g.AddKey(account)
	const host = "us-docker.pkg.dev"
	g.Push(t, anImage(t), host+"/acme-train/models/app:v1")
	g.Grant("projects/-/serviceAccounts/"+account, "roles/iam.serviceAccountTokenCreator", "serviceAccount:"+account)
	w.connect(n, host, "gcp-artifact-registry", "service-account", nil, map[string]string{"key": string(file)})
	return g, repository, account, key, broken{ask: ask{image: host + "/acme-train/models/app:v1"}}
}

// azure is a registry with an application, and its entry.
func azure(t *testing.T, w *world, secret string) (*cloudtest.Azure, string, broken) {
	t.Helper()
	n := w.internet()
	a := cloudtest.NewAzure(t, n)
	a.AddTenant(cloudtest.AzurePublic, azureTenant, "contoso.onmicrosoft.com")
	a.AddSubscription(azureSub, azureTenant, "rg")
	a.SetApp(cloudtest.AzureApp{Tenant: azureTenant, ClientID: azureApp, Secrets: []cloudtest.AzureSecret{{ID: "one", Value: azureSecret}}})
	r := cloudtest.AzureRegistry{Cloud: cloudtest.AzurePublic, Name: "fairregistry", Subscription: azureSub, ResourceGroup: "rg", Location: "westeurope"}
	if _, err := a.AddRegistry(r).Put(anImage(t), "team/app", "v1"); err != nil {
		t.Fatal(err)
	}
	w.connect(n, azureHost, "azure-container-registry", "service-principal", map[string]string{"tenant_id": azureTenant, "client_id": azureApp}, map[string]string{"client_secret": secret})
	return a, r.ID(), broken{ask: ask{image: azureHost + "/team/app:v1"}}
}

// hub is Docker Hub with a private repository, and its entry.
func hub(t *testing.T, w *world, c cloudtest.HubConfig) (*cloudtest.Hub, broken) {
	t.Helper()
	n := w.internet()
	c.Users = []cloudtest.HubUser{{Name: "ann", Password: "c4nary-of-ann"}, {Name: "bob", Password: "c4nary-of-bob"}}
	c.Repositories = []cloudtest.HubRepository{{Name: "ann/app", Private: true}, {Name: "bob/app", Private: true}}
	h := cloudtest.NewHub(t, n, c)
	h.Give(cloudtest.HubToken{Token: hubToken, Owner: "ann", Permission: "read"})
	for _, name := range []string{"ann/app:v1", "bob/app:v1"} {
		h.Push(t, anImage(t), name)
	}
	w.connect(n, "docker.io", "docker-hub", "access-token", map[string]string{"username": "ann"}, map[string]string{"token": hubToken})
	return h, broken{ask: ask{image: "ann/app:v1"}}
}

// jfrog is an Artifactory with two users, and its entry with one of them.
func jfrog(t *testing.T, w *world, user, secret string) broken {
	t.Helper()
	n := w.internet()
	j := cloudtest.NewJFrog(t, n, cloudtest.JFrogConfig{
		Host: jfrogHost,
		Users: []cloudtest.JFrogUser{
			{Name: "ci", Password: "c4nary-jfrog-ci", Rights: rt.Reads("docker-local/")}, {Name: "poor", Password: "c4nary-jfrog-ci", Rights: rt.Reads("other/")},
		},
		Repositories: []cloudtest.JFrogRepository{{Key: "docker-local", Type: "LOCAL", PackageType: "Docker"}, {Key: "other", Type: "LOCAL", PackageType: "Docker"}},
	})
	j.Push(t, anImage(t), "docker-local/app:v1")
	w.connect(n, jfrogHost, "jfrog-artifactory", "basic", map[string]string{"host": jfrogHost, "username": user}, map[string]string{"password": secret})
	b := broken{ask: ask{image: jfrogHost + "/docker-local/app:v1"}}
	b.mend = func() {
		w.updateConnector("cloud", wire.ConnectorUpdate{Public: map[string]string{"username": "ci"}, Secrets: map[string]wire.Clear{"password": hidden("c4nary-jfrog-ci")}})
	}
	return b
}

func cloudRows() map[string]func(*testing.T, *world) broken {
	return map[string]func(*testing.T, *world) broken{
		"AWS: a user without a right to log in": func(t *testing.T, w *world) broken {
			t.Helper()
			_, _, b := aws(t, w, awsNothing)
			b.probe, b.code, b.says, b.remedy = "right", fairlead.CodeNoRight, []string{"ecr:GetAuthorizationToken"}, "fairlead connector guide cloud"
			return b
		},
		"AWS: a user without a right to pull": func(t *testing.T, w *world) broken {
			t.Helper()
			_, _, b := aws(t, w, awsLogin)
			b.probe, b.code, b.says, b.remedy = "right", fairlead.CodeNoRight, []string{"team/app"}, "that right"
			return b
		},
		"AWS: a deactivated key": func(t *testing.T, w *world) broken {
			t.Helper()
			amazon, key, b := aws(t, w, awsPull)
			amazon.Deactivate(key.ID)
			b.probe, b.code, b.says, b.remedy = "login", fairlead.CodeLoginRefused, nil, "key"
			return b
		},
		"Google: an account without a role": func(t *testing.T, w *world) broken {
			t.Helper()
			g, repository, account, _, b := google(t, w)
			b.probe, b.code, b.remedy = "right", fairlead.CodeNoRight, "right"
			b.says = []string{"doesn't tell a repository that doesn't exist from one"}
			b.mend = func() { g.Grant(repository, "roles/artifactregistry.reader", "serviceAccount:"+account) }
			return b
		},
		"Google: a disabled key": func(t *testing.T, w *world) broken {
			t.Helper()
			g, repository, account, key, b := google(t, w)
			g.Grant(repository, "roles/artifactregistry.reader", "serviceAccount:"+account)
			g.SetKey(key, false)
			b.probe, b.code, b.remedy = "login", fairlead.CodeLoginRefused, "key"
			b.mend = func() { g.SetKey(key, true) }
			return b
		},
		"Azure: an application without a role": func(t *testing.T, w *world) broken {
			t.Helper()
			a, id, b := azure(t, w, azureSecret)
			b.probe, b.code, b.remedy = "right", fairlead.CodeNoRight, "AcrPull"
			b.mend = func() { a.Assign(cloudtest.AzureRole{ClientID: azureApp, Role: "AcrPull", Scope: id}) }
			return b
		},
		"Azure: another secret": func(t *testing.T, w *world) broken {
			t.Helper()
			a, id, b := azure(t, w, "abc8Q~c4nary-of-the-application-00000002")
			a.Assign(cloudtest.AzureRole{ClientID: azureApp, Role: "AcrPull", Scope: id})
			b.probe, b.code, b.remedy = "login", fairlead.CodeLoginRefused, "secret"
			b.mend = func() {
				w.updateConnector("cloud", wire.ConnectorUpdate{Secrets: map[string]wire.Clear{"client_secret": hidden(azureSecret)}})
			}
			return b
		},
		"Docker Hub: another's repository": func(t *testing.T, w *world) broken {
			t.Helper()
			_, b := hub(t, w, cloudtest.HubConfig{})
			b.ask.image = "bob/app:v1"
			b.probe, b.code, b.remedy = "right", fairlead.CodeNoRight, "check that the repository's name is right"
			b.says = []string{"Docker Hub doesn't tell a repository that doesn't exist from one"}
			b.mend, b.after = func() {}, &ask{image: "ann/app:v1"}
			return b
		},
		"Docker Hub: a revoked token": func(t *testing.T, w *world) broken {
			t.Helper()
			h, b := hub(t, w, cloudtest.HubConfig{})
			h.Revoke(hubToken)
			b.probe, b.code, b.says, b.remedy = "login", fairlead.CodeLoginRefused, []string{"connector cloud"}, "`fairlead connector update cloud`"
			b.mend = func() { h.Give(cloudtest.HubToken{Token: hubToken, Owner: "ann", Permission: "read"}) }
			return b
		},
		"JFrog: a user without a right": func(t *testing.T, w *world) broken {
			t.Helper()
			b := jfrog(t, w, "poor", "c4nary-jfrog-ci")
			b.probe, b.code, b.remedy = "right", fairlead.CodeNoRight, "right"
			return b
		},
		"JFrog: another password": func(t *testing.T, w *world) broken {
			t.Helper()
			b := jfrog(t, w, "ci", mistyped)
			b.probe, b.code, b.remedy = "login", fairlead.CodeLoginRefused, "`fairlead connector update cloud`"
			return b
		},
	}
}
