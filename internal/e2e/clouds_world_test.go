package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/dockertest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

// What there is at the clouds.
const (
	awsAccount   = "123456789012"
	awsRegion    = "eu-west-1"
	gcpProject   = "acme-train"
	azureTenant  = "11111111-1111-4111-8111-111111111111"
	azureApp     = "22222222-2222-4222-8222-222222222222"
	azureSub     = "33333333-3333-4333-8333-333333333333"
	azureSecret  = "abc8Q~c4n4ry-of-the-application-0000001"
	azurePass    = "C4n4ryOfTheScopeMapToken0123456789+ACRDabcdef12345"
	azureHost    = "fairregistry.azurecr.io"
	jfrogHost    = "acme.jfrog.io"
	jfrogPass    = "c4n4ry-jfrog-Gh72"
	hubToken     = "dckr_pat_c4n4ry000000000000000000000"
	dockerBearer = "registry.bearer.test"
	dockerBasic  = "registry.basic.test"
	dockerID     = "c4n4ry-identity-token"
)

// The clouds' installations: who trusts which.
const (
	fairleadHost  = "fairlead.test"
	rotatingHost  = "rotating.test"
	azureAudience = "api://AzureADTokenExchange"
)

// clouds is all clouds with their accounts, one engine that reaches them, and images.
type clouds struct {
	t        *testing.T
	net      *cloudtest.Internet
	metadata http.Handler
	engine   *dockertest.Daemon
	base     v1.Layer

	aws    *cloudtest.AWSAccount
	amazon *cloudtest.AWS
	google *cloudtest.Google
	azure  *cloudtest.Azure
	acr    *cloudtest.AzureHost
	acrID  string
	jfrog  *cloudtest.JFrog
	hub    *cloudtest.Hub
	docker map[string]*registrytest.Registry
	// reader may read all of Google's repositories; caller may only act as reader.
	reader, caller string
	readerID       string
	providers      map[string]string // workload identity providers, by the installation's host
	readerKey      []byte
	callerKey      []byte
}

func newClouds(t *testing.T) *clouds {
	t.Helper()
	c := &clouds{t: t, net: cloudtest.New(t), docker: map[string]*registrytest.Registry{}, providers: map[string]string{}}
	started := make(chan error, 1)
	go func() {
		var err error
		c.engine, err = dockertest.Start(t.Context(), dockertest.Options{Env: c.net.Env()})
		started <- err
	}()
	c.amazon = cloudtest.NewAWS(t, c.net)
	awsMetadata := c.net.Handler(metadataIP)
	c.azure = cloudtest.NewAzure(t, c.net)
	azureMetadata := c.net.Handler(metadataIP)
	c.google = cloudtest.NewGoogle(t, c.net)
	c.metadata = metadataServices(awsMetadata, c.net.Handler("metadata.google.internal"), azureMetadata)
	c.base = busyboxLayer(t)
	c.furnishAWS()
	c.furnishGoogle()
	c.furnishAzure()
	c.furnishOthers()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.engine.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// subject is what the clouds know a connector by.
func subject(connector string) string { return "org:acme:connector:" + connector }

const (
	awsPull = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["ecr:GetAuthorizationToken","ecr:BatchGetImage",` +
		`"ecr:GetDownloadUrlForLayer","ecr:BatchCheckLayerAvailability","ecr:ListImages"]}]}`
	awsAssume = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}`
	awsEC2    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}]}`
)

// webTrust lets a connector of an installation assume a role.
func webTrust(issuer, connector string) string {
	return strings.NewReplacer("ISSUER", issuer, "SUBJECT", subject(connector)).Replace(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity",` +
			`"Principal":{"Federated":"arn:aws:iam::` + awsAccount + `:oidc-provider/ISSUER"},` +
			`"Condition":{"StringEquals":{"ISSUER:aud":"sts.amazonaws.com","ISSUER:sub":"SUBJECT"}}}]}`)
}

// externalTrust lets user assumer assume a role with an external ID.
func externalTrust(id string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",` +
		`"Principal":{"AWS":"arn:aws:iam::` + awsAccount + `:user/assumer"},"Condition":{"StringEquals":{"sts:ExternalId":"` + id + `"}}}]}`
}

func (c *clouds) furnishAWS() {
	c.aws = c.amazon.Account(awsAccount)
	for _, issuer := range []string{fairleadHost, rotatingHost} {
		c.aws.TrustIssuer("https://"+issuer, "sts.amazonaws.com")
	}
	c.aws.Role("federated", webTrust(fairleadHost, "aws-ecr-federation"), awsPull)
	c.aws.Role("rotating", webTrust(rotatingHost, "aws"), awsPull)
	c.amazon.Instance(awsRegion, c.aws.Role("server", awsEC2, awsPull))
}

func (c *clouds) furnishGoogle() {
	g := c.google
	g.AddProject(gcpProject)
	repository := g.AddRepository(gcpProject, cloudtest.GoogleRepository{Location: "us", ID: "models"})
	c.reader, c.caller = g.AddAccount(gcpProject, "reader"), g.AddAccount(gcpProject, "caller")
	c.readerID, c.readerKey = g.AddKey(c.reader)
	_, c.callerKey = g.AddKey(c.caller)
	g.Grant(repository, "roles/artifactregistry.reader", "serviceAccount:"+c.reader)
	for _, who := range []string{c.reader, c.caller} {
		g.Grant("projects/-/serviceAccounts/"+c.reader, "roles/iam.serviceAccountTokenCreator", "serviceAccount:"+who)
	}
	g.SetMachine(c.reader, 20*time.Minute, cloudtest.GooglePlatform)
	for host, connector := range map[string]string{fairleadHost: "gcp-artifact-registry-federation", rotatingHost: "gcp"} {
		pool := g.AddProvider(gcpProject, gcpPool(host), "fairlead", cloudtest.GoogleProvider{Issuer: "https://" + host, Subject: subject(connector)})
		c.providers[host] = pool
		principal := "principal://iam.googleapis.com/" + strings.Split(pool, "/providers/")[0] + "/subject/" + subject(connector)
		g.Grant(repository, "roles/artifactregistry.reader", principal)
	}
}

// gcpPool is the workload identity pool for an installation.
func gcpPool(host string) string { return strings.TrimSuffix(host, ".test") }

func (c *clouds) furnishAzure() {
	a := c.azure
	a.AddTenant(cloudtest.AzurePublic, azureTenant, "contoso.onmicrosoft.com")
	a.AddSubscription(azureSub, azureTenant, "rg")
	c.setAzureApp(azureSecret)
	a.SetMachine(azureApp)
	r := cloudtest.AzureRegistry{
		Cloud: cloudtest.AzurePublic,
		Name:  "fairregistry", Subscription: azureSub, ResourceGroup: "rg", Location: "westeurope",
		Tokens: []cloudtest.AzureToken{{
			Name: "puller", Passwords: []cloudtest.AzureSecret{{Value: azurePass}}, Actions: map[string][]string{"repository-token/*": {"content/read", "metadata/read"}},
		}},
	}
	c.acr, c.acrID = a.AddRegistry(r), r.ID()
	c.plainAzureApp(operatorApp, azureSecret)
	for _, app := range []string{azureApp, operatorApp, tenantApp} {
		a.Assign(cloudtest.AzureRole{ClientID: app, Role: "AcrPull", Scope: r.ID()})
	}
}

// setAzureApp makes the application, with that client secret.
func (c *clouds) setAzureApp(secret string) {
	c.azure.SetApp(cloudtest.AzureApp{
		Tenant: azureTenant, ClientID: azureApp, Secrets: []cloudtest.AzureSecret{{ID: "one", Value: secret}},
		Federated: []cloudtest.AzureFederation{
			{Issuer: "https://" + fairleadHost, Subject: subject("azure-container-registry-federation"), Audience: azureAudience},
			{Issuer: "https://" + rotatingHost, Subject: subject("azure"), Audience: azureAudience},
		},
	})
}

func (c *clouds) furnishOthers() {
	t := c.t
	c.jfrog = cloudtest.NewJFrog(t, c.net, cloudtest.JFrogConfig{
		Host: jfrogHost,
		Users: []cloudtest.JFrogUser{{Name: "ci", Password: jfrogPass, Rights: registrytest.Reads("docker-local/")}, {
			Name: "pusher", Password: jfrogPass, Rights: []registrytest.Right{{Prefix: "docker-local/", Actions: []string{"pull", "push"}}},
		}, {Name: "admin", Password: "c4n4ry-jfrog-admin", Admin: true}},
		Repositories: []cloudtest.JFrogRepository{{Key: "docker-local", Type: "LOCAL", PackageType: "Docker"}},
	})
	for host, connector := range map[string]string{fairleadHost: "jfrog-artifactory-federation", rotatingHost: "jfrog"} {
		c.jfrog.Trust(cloudtest.JFrogOIDC{
			Name: gcpPool(host), Issuer: "https://" + host, Audience: "https://" + jfrogHost,
			Mappings: []cloudtest.JFrogMapping{{Name: "ci", Claims: map[string]string{"sub": subject(connector)}, Username: "ci", ExpiresIn: 900}},
		})
	}
	c.hub = cloudtest.NewHub(t, c.net, cloudtest.HubConfig{
		Users:        []cloudtest.HubUser{{Name: "ann", Password: "c4n4ry-of-ann"}},
		Repositories: []cloudtest.HubRepository{{Name: "ann/app", Private: true}, {Name: "ann/other", Private: true}},
	})
	c.hub.Give(cloudtest.HubToken{Token: hubToken, Owner: "ann", Permission: "read"})
	for host, auth := range map[string]registrytest.Auth{dockerBearer: registrytest.Bearer, dockerBasic: registrytest.Basic, "nvcr.io": registrytest.Bearer} {
		r := registrytest.New(t, registrytest.Config{
			Auth: auth, Faults: registrytest.Faults{Realm: "https://" + host + "/token"},
			Accounts: []registrytest.Account{
				{Name: "robot", Password: robotPassword, Identity: dockerID, Rights: registrytest.Reads("")},
				{Name: "$oauthtoken", Password: robotPassword, Rights: registrytest.Reads("acme/")},
				dockerPublisher(),
			},
		})
		c.docker[host] = r
		c.net.Handle(host, r)
	}
}

func dockerPublisher() registrytest.Account {
	return registrytest.Account{Name: "publisher", Password: publisherPassword, Rights: registrytest.Everything()}
}

// push puts a small image of its own at a registry, as HOST/REPOSITORY:v1, and gives its
// digest.
func (c *clouds) push(t *testing.T, image string) string {
	t.Helper()
	i, err := mutate.AppendLayers(registrytest.Image(t, c.base), registrytest.RandomLayer(t, 200))
	if err != nil {
		t.Fatal(err)
	}
	host, repository, _ := strings.Cut(image, "/")
	name := repository + ":v1"
	switch {
	case strings.HasSuffix(host, ".amazonaws.com"):
		return c.aws.Push(awsRegion, repository, "v1", i)
	case strings.HasSuffix(host, "docker.pkg.dev"):
		return c.google.Push(t, i, image+":v1")
	case host == azureHost:
		digest, err := c.acr.Put(i, repository, "v1")
		if err != nil {
			t.Fatal(err)
		}
		return digest
	case host == jfrogHost:
		return c.jfrog.Push(t, i, name)
	case host == "docker.io":
		return c.hub.Push(t, i, name)
	default:
		return registrytest.Push(t, c.docker[host], i, name, dockerPublisher())
	}
}

// busyboxLayer is a shell.
func busyboxLayer(t *testing.T) v1.Layer {
	t.Helper()
	layers, err := busybox(t).Layers()
	if err != nil {
		t.Fatal(err)
	}
	return layers[0]
}

// cloudHouse is a house on a machine of its own, that the clouds reach under a name.
type cloudHouse struct {
	*house
	*clouds
	t       *testing.T
	machine *machine
	token   func() fairlead.Secret
	// operator is the logins that lie about on the machine, as connectors.
	operator map[string]connected
	// brokenKey and brokenAccount are the keys of the organization's connectors at AWS and
	// Google that end.
	brokenKey, brokenAccount string
}

// install makes an installation and starts it.
func (c *clouds) install(host string, flags ...string) *cloudHouse {
	t := c.t
	i := &cloudHouse{clouds: c, t: t, machine: newMachine(t, c.net, c.metadata)}
	address := "127.0.0.1:8480" // of a network in which nobody else is
	i.house = newHouse(t, "elsewhere", append([]string{
		"--pull", "direct", // the logins that leave the house are what is looked at

		"--listen", address, "--public-url", "https://" + host, "--engine", "docker", "--docker-host", c.engine.Host(), "--slots", "3",
	}, flags...)...)
	i.env = append(i.env, c.net.Env()...)
	i.within = i.machine.within()
	i.token = sync.OnceValue(func() fairlead.Secret {
		return fairlead.SecretText(strings.TrimSpace(i.ok("token", "create", "test")))
	})
	c.net.Handle(host, &httputil.ReverseProxy{
		FlushInterval: -1,
		Transport:     &http.Transport{DialContext: i.machine.dial},
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: address}) },
	})
	return i
}

// begin starts the server and makes a project with one step.
func (i *cloudHouse) begin() {
	i.t.Helper()
	i.write("valohai.yaml", "- step:\n    name: hello\n    image: nowhere.test/none\n    command: echo hello\n")
	i.write(".gitignore", "*\n!valohai.yaml\n")
	i.setUp()
	i.ok("project", "create", "rings")
	_ = i.token()
}

// lease asks the server for a login, as its holder sees it.
func (i *cloudHouse) lease(t *testing.T, image string) (wire.Lease, error) {
	t.Helper()
	return client.Do(t.Context(), i.client(t), wire.LeaseLogin, wire.LeaseRequest{ProjectPath: wire.ProjectPath{Owner: "acme", Project: "rings"}, Image: image})
}

// client asks the server as its administrator.
func (i *cloudHouse) client(t *testing.T) *client.Client {
	t.Helper()
	transport := i.net.Client().Transport.(*http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	c, err := client.New(i.url, client.WithToken(i.token()), client.WithTransport(transport))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ask makes a request to a registry with a lease, and gives the status.
func (i *cloudHouse) ask(t *testing.T, l wire.Lease, method, image, path string) (int, []byte) {
	t.Helper()
	host, repository, _ := strings.Cut(image, "/")
	if host == "docker.io" {
		host = "registry-1.docker.io"
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "https://"+host+"/v2/"+repository+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json")
	if l.Bearer.IsZero() {
		req.SetBasicAuth(l.Username, string(l.Password.Reveal()))
	} else {
		req.Header.Set("Authorization", "Bearer "+string(l.Bearer.Reveal()))
	}
	return reply(t, i.net.Client(), req)
}

func reply(t *testing.T, c *http.Client, req *http.Request) (int, []byte) {
	t.Helper()
	defer c.CloseIdleConnections()
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var body json.RawMessage
	_ = json.NewDecoder(res.Body).Decode(&body)
	return res.StatusCode, body
}
