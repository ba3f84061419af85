package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/cloudtest"
)

// connected is one family and method, as somebody connects it.
type connected struct {
	family, method string
	// at is what images' names begin with: there are app and other below it, and the
	// identity may pull both.
	at string
	// flags and secrets (by flag) are what the command is given.
	flags   []string
	secrets map[string]string
	// kind is that of its leases, and life how long they live at most; 0 is for ever.
	kind fairlead.LeaseKind
	life time.Duration
	// wide says that a lease opens other repositories too: the cloud can't narrow it.
	wide bool
	// label tells rows of the same method apart.
	label string
	// finish sets up at the cloud what takes something that Fairlead generates.
	finish func(public map[string]string)
}

func (c connected) name() string { return c.family + "-" + c.method + c.label }

func ecrOf(c *clouds, method string) string { return c.aws.Host(awsRegion) + "/" + method }

func gcpOf(method string) string { return "us-docker.pkg.dev/" + gcpProject + "/models/" + method }

// table is every family with every method.
func (c *clouds) table() []connected {
	return slices.Concat(c.tableAWS(), c.tableGoogle(), c.tableAzure(), c.tableOthers())
}

func (c *clouds) tableAWS() []connected {
	const family = "aws-ecr"
	assumer, user := c.aws.User("assumer", awsAssume), c.aws.User("puller", awsPull)
	session := c.aws.Session(c.aws.Role("mine", awsEC2, awsPull), 2*time.Hour)
	return []connected{
		{
			family: family, method: "federation", at: ecrOf(c, "federation"), kind: fairlead.ShortLogin, life: time.Hour,
			flags: []string{"--role-arn", "arn:aws:iam::" + awsAccount + ":role/federated"},
		},
		{
			family: family, method: "assume-role", at: ecrOf(c, "assume-role"), kind: fairlead.ShortLogin, life: time.Hour,
			flags:   []string{"--role-arn", "arn:aws:iam::" + awsAccount + ":role/assumed", "--source", "keys", "--access-key-id", assumer.ID},
			secrets: map[string]string{"secret-access-key": assumer.Secret},
			finish:  func(public map[string]string) { c.aws.Role("assumed", externalTrust(public["external_id"]), awsPull) },
		},
		{
			family: family, method: "secret-key", at: ecrOf(c, "secret-key"), kind: fairlead.ShortLogin, life: 12 * time.Hour, wide: true,
			flags: []string{"--access-key-id", user.ID}, secrets: map[string]string{"secret-access-key": user.Secret},
		},
		{
			family: family, method: "session-token", at: ecrOf(c, "session-token"), kind: fairlead.ShortLogin, life: 2 * time.Hour, wide: true,
			flags:   []string{"--access-key-id", session.ID, "--expires", time.Now().Add(2 * time.Hour).UTC().Format(time.RFC3339)},
			secrets: map[string]string{"secret-access-key": session.Secret, "session-token": session.Token},
		},
		{family: family, method: "instance-role", at: ecrOf(c, "instance-role"), kind: fairlead.ShortLogin, life: 6 * time.Hour, wide: true},
	}
}

func (c *clouds) tableGoogle() []connected {
	const family = "gcp-artifact-registry"
	token := c.google.AccessToken(c.reader, time.Hour, cloudtest.GooglePlatform)
	return []connected{
		{
			family: family, method: "federation", at: gcpOf("federation"), kind: fairlead.RegistryToken, life: time.Hour,
			flags: []string{"--workload-identity-provider", c.googleProvider(fairleadHost)},
		},
		{
			family: family, method: "service-account", at: gcpOf("service-account"), kind: fairlead.RegistryToken, life: 10 * time.Minute,
			secrets: map[string]string{"key": string(c.readerKey)},
		},
		{
			family: family, method: "impersonation", at: gcpOf("impersonation"), kind: fairlead.RegistryToken, life: 10 * time.Minute,
			flags: []string{"--service-account", c.reader}, secrets: map[string]string{"key": string(c.callerKey)},
		},
		{
			family: family, method: "access-token", at: gcpOf("access-token"), kind: fairlead.RegistryToken, life: time.Hour,
			secrets: map[string]string{"token": token},
		},
		{family: family, method: "instance-identity", at: gcpOf("instance-identity"), kind: fairlead.RegistryToken, life: time.Hour},
	}
}

// googleProvider is the resource name of the workload identity provider for an
// installation.
func (c *clouds) googleProvider(host string) string { return c.providers[host] }

func (c *clouds) tableAzure() []connected {
	const family, life = "azure-container-registry", 75 * time.Minute
	at := func(method string) string { return azureHost + "/" + method }
	app := []string{"--tenant-id", azureTenant, "--client-id", azureApp}
	return []connected{
		{family: family, method: "federation", at: at("federation"), kind: fairlead.RegistryToken, life: life, flags: app},
		{
			family: family, method: "service-principal", at: at("service-principal"), kind: fairlead.RegistryToken, life: life,
			flags: app, secrets: map[string]string{"client-secret": azureSecret},
		},
		{family: family, method: "managed-identity", at: at("managed-identity"), kind: fairlead.RegistryToken, life: life},
		{
			family: family, method: "repository-token", at: at("repository-token"), kind: fairlead.RegistryToken, life: life,
			flags: []string{"--login-server", azureHost, "--username", "puller"}, secrets: map[string]string{"password": azurePass},
		},
	}
}

func (c *clouds) tableOthers() []connected {
	const jfrog = "jfrog-artifactory"
	at := func(method string) string { return jfrogHost + "/docker-local/" + method }
	token := c.jfrog.Issue(cloudtest.JFrogTokenSpec{User: "ci"}).Access
	return []connected{
		{
			family: jfrog, method: "federation", at: at("federation"), kind: fairlead.RegistryToken, life: 15 * time.Minute,
			flags: []string{"--host", jfrogHost, "--provider-name", gcpPool(fairleadHost)},
		},
		{
			family: jfrog, method: "access-token", at: at("access-token"), kind: fairlead.RegistryToken, life: 15 * time.Minute,
			flags: []string{"--host", jfrogHost}, secrets: map[string]string{"access-token": token},
		},
		{
			family: jfrog, method: "basic", at: at("basic"), kind: fairlead.RegistryToken, life: time.Hour,
			flags: []string{"--host", jfrogHost, "--username", "ci"}, secrets: map[string]string{"password": jfrogPass},
		},
		{
			family: "docker-hub", method: "access-token", at: "docker.io/ann", kind: fairlead.RegistryToken, life: 5 * time.Minute,
			flags: []string{"--username", "ann"}, secrets: map[string]string{"token": hubToken},
		},
		{
			family: "docker", method: "basic", at: dockerBearer + "/basic", kind: fairlead.RegistryToken, life: 5 * time.Minute,
			flags: []string{"--username", "robot"}, secrets: map[string]string{"password": robotPassword},
		},
		{
			family: "docker", method: "basic", label: "-ngc", at: "nvcr.io/acme", kind: fairlead.RegistryToken, life: 5 * time.Minute,
			secrets: map[string]string{"password": robotPassword},
		},
		{
			// There is no token endpoint: nothing is narrower than the stored secret.
			family: "docker", method: "basic", label: "-without-tokens", at: dockerBasic + "/basic", kind: fairlead.SecretItself, wide: true,
			flags: []string{"--username", "robot", "--disclosure", "secret"}, secrets: map[string]string{"password": robotPassword},
		},
		{
			family: "docker", method: "bearer", at: dockerBearer + "/bearer", kind: fairlead.RegistryToken, life: 5 * time.Minute,
			secrets: map[string]string{"token": dockerID},
		},
	}
}

// TestClouds connects every family by every method, and runs a step in a private image of
// it, as whole processes; and then holds what was leased against what the registry lets
// it do.
func TestClouds(t *testing.T) {
	t.Parallel()
	c := newClouds(t)
	rows := c.table()
	home, second := c.install(fairleadHost, "--instance-logins"), c.install(rotatingHost)
	second.ambient()
	home.begin()
	second.begin()
	t.Run("every method", func(t *testing.T) {
		for _, row := range rows {
			t.Run(row.name(), func(t *testing.T) {
				t.Parallel()
				home.pull(t, row, row.name())
			})
		}
	})
	t.Run("one after the other", func(t *testing.T) { //nolint:paralleltest // What it does to its installation is seen by all.
		second.rotated(t)
		second.unserved(t)
		home.complete(t, rows)
	})
	if home.machine.asked.Load() == 0 {
		t.Error("no metadata service was asked, and some methods need one")
	}
}

// pull connects a row and runs a step with its image.
func (i *cloudHouse) pull(t *testing.T, row connected, name string) {
	t.Helper()
	image, other := row.at+"/app", row.at+"/other"
	digest := i.push(t, image)
	i.push(t, other)
	i.connect(t, row, name)
	if row.finish != nil {
		var made fairlead.Connector
		if err := json.Unmarshal([]byte(i.try(t, "connector", "describe", name, "-o", "json")), &made); err != nil {
			t.Fatal(err)
		}
		row.finish(made.Public)
	}
	out := i.try(t, "run", "hello", "--image", image+":v1")
	want := []string{"Pulling image: " + image + ":v1", "Image digest: " + digest, "hello"}
	if diff := cmp.Diff(want, strings.Split(out, "\n")[:min(3, strings.Count(out, "\n"))]); diff != "" {
		t.Errorf("the log begins otherwise (-want +got):\n%s", diff)
	}
	i.recorded(t, image+":v1", fairlead.PullRecord{
		Image: image + ":v1", Digest: fairlead.Digest(digest), Registry: fairlead.Name(name), Connector: fairlead.Name(name), Lease: row.kind,
	})
	i.narrow(t, row, image, other)
}

// connect is `fairlead registry add`.
func (i *cloudHouse) connect(t *testing.T, row connected, name string) {
	t.Helper()
	pattern := row.at + "/*"
	// Untried: what a cloud has to be told of it is known only when it is there.
	args := []string{"registry", "add", name, "--pattern", pattern, "--family", row.family, "--method", row.method, "--no-verify"}
	args = append(args, row.flags...)
	for flag, secret := range row.secrets {
		file := "secrets/" + name + "-" + flag
		i.write(file, secret+"\n")
		args = append(args, "--"+flag+"-file", file)
	}
	i.try(t, args...)
}

// try is ok for a subtest.
func (i *cloudHouse) try(t *testing.T, args ...string) string {
	t.Helper()
	r := i.run(args...)
	if r.code != 0 {
		t.Fatalf("fairlead %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.err)
	}
	return r.out
}

// recorded holds what a run's record says of its pull.
func (i *cloudHouse) recorded(t *testing.T, image string, want fairlead.PullRecord) {
	t.Helper()
	var list struct {
		Runs []fairlead.Run `json:"runs"`
	}
	if err := json.Unmarshal([]byte(i.try(t, "runs", "list", "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(list.Runs, func(r fairlead.Run) bool { return r.Pulled != nil && r.Pulled.Image == image })
	if at < 0 {
		t.Fatalf("no run has pulled %s", image)
	}
	got := *list.Runs[at].Pulled
	got.Bytes, got.Took, got.Platform = 0, 0, ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the run's record (-want +got):\n%s", diff)
	}
	if state := list.Runs[at].State; state != "complete" {
		t.Errorf("the run is %s", state)
	}
}

// narrow holds what a lease does, and for how long, against what the family promises.
func (i *cloudHouse) narrow(t *testing.T, row connected, image, other string) {
	t.Helper()
	l, err := i.lease(t, image)
	if err != nil {
		t.Fatal(err)
	}
	left := time.Until(l.Expires)
	switch {
	case l.Kind != row.kind:
		t.Errorf("the lease is a %s", l.Kind)
	case row.life == 0 && !l.Expires.IsZero(), row.life != 0 && (left <= 0 || left > row.life+time.Minute):
		t.Errorf("the lease ends in %v", left)
	}
	second, err := i.lease(t, other)
	if err != nil {
		t.Fatal(err)
	}
	if status, body := i.ask(t, second, http.MethodGet, other, "/manifests/v1"); status != http.StatusOK {
		t.Fatalf("the other image can't be pulled with its own lease: %d %s", status, body)
	}
	got := map[string]bool{}
	for name, to := range map[string][3]string{
		"its image":     {http.MethodGet, image, "/manifests/v1"},
		"another image": {http.MethodGet, other, "/manifests/v1"},
		"a push":        {http.MethodPost, image, "/blobs/uploads/"},
	} {
		status, _ := i.ask(t, l, to[0], to[1], to[2])
		got[name] = status < http.StatusMultipleChoices
	}
	if diff := cmp.Diff(map[string]bool{"its image": true, "another image": row.wide, "a push": false}, got); diff != "" {
		t.Errorf("what a lease opens (-want +got):\n%s", diff)
	}
}

// complete finds a method of which there is no row.
func (i *cloudHouse) complete(t *testing.T, rows []connected) {
	t.Helper()
	var types struct {
		Providers []fairlead.ProviderInfo `json:"providers"`
	}
	if err := json.Unmarshal([]byte(i.try(t, "connector", "types", "-o", "json")), &types); err != nil {
		t.Fatal(err)
	}
	if len(types.Providers) == 0 {
		t.Fatal("there is no family")
	}
	for _, p := range types.Providers {
		for _, m := range p.Methods {
			if p.Family == "docker" && m.Name == "federation" {
				continue // of Quay, whose fake is with the family's own tests
			}
			if !slices.ContainsFunc(rows, func(r connected) bool { return r.family == string(p.Family) && r.method == m.Name }) {
				t.Errorf("nobody tests %s with %s", p.Family, m.Name)
			}
		}
	}
}
