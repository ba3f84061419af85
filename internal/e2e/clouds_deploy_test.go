package e2e

import (
	"strings"
	"testing"

	"fairlead.dev/fairlead/internal/cloudtest"
)

// deployable is a cloud at which a repository can be made, and the account that may.
type deployable struct {
	family, method string
	address        string
	flags          []string
	secrets        map[string]string
	// image is what is pushed to it before it is removed; "" where only an empty one can be.
	image string
}

func (c *clouds) deployables() []deployable {
	maker := c.aws.User("maker", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":["ecr:*"]}]}`)
	c.google.Grant("projects/"+gcpProject, "roles/artifactregistry.admin", "serviceAccount:"+c.reader)
	c.azure.Assign(cloudtest.AzureRole{ClientID: azureApp, Role: "Contributor", Scope: "/subscriptions/" + azureSub})
	const gcp = "europe-west1-docker.pkg.dev/" + gcpProject + "/made"
	return []deployable{
		{
			family: "aws-ecr", method: "secret-key", address: ecrOf(c, "made/app"), flags: []string{"--access-key-id", maker.ID},
			secrets: map[string]string{"secret-access-key": maker.Secret},
		},
		{family: "gcp-artifact-registry", method: "service-account", address: gcp, secrets: map[string]string{"key": string(c.readerKey)}, image: gcp + "/app"},
		{
			family: "azure-container-registry", method: "service-principal", address: "madebyfairlead.azurecr.io", secrets: map[string]string{"client-secret": azureSecret},
			flags: []string{"--tenant-id", azureTenant, "--client-id", azureApp, "--subscription-id", azureSub, "--resource-group", "rg", "--location", "westeurope"},
		},
		{
			family: "jfrog-artifactory", method: "access-token", address: jfrogHost + "/made-local", flags: []string{"--host", jfrogHost},
			secrets: map[string]string{"access-token": c.jfrog.Issue(cloudtest.JFrogTokenSpec{User: "admin"}).Access},
		},
	}
}

// TestCloudsDeploy makes a repository at each cloud that lets one, from the terminal, and
// removes it again; what an account may not do is said.
func TestCloudsDeploy(t *testing.T) {
	t.Parallel()
	c := newClouds(t)
	i := c.install(fairleadHost)
	i.begin()
	for _, row := range c.deployables() {
		t.Run(row.family, func(t *testing.T) {
			t.Parallel()
			name := row.family
			args := []string{"connector", "register", name, "--family", row.family, "--method", row.method}
			args = append(args, row.flags...)
			for flag, secret := range row.secrets {
				file := "secrets/deploy-" + name + "-" + flag
				i.write(file, secret+"\n")
				args = append(args, "--"+flag+"-file", file)
			}
			i.try(t, args...)
			says := func(want string, args ...string) {
				t.Helper()
				if out := i.try(t, args...); !strings.Contains(out, want) {
					t.Errorf("fairlead %s: it doesn't say %q:\n%s", strings.Join(args, " "), want, out)
				}
			}
			says("Made "+row.address+".", "registry", "deploy", row.address, "--connector", name, "--yes")
			says("was there already", "registry", "deploy", "https://"+row.address+"/", "--connector", name, "--yes", "--add", name)
			says(row.address+"/*", "registry", "show", name)
			if row.image != "" {
				i.push(t, row.image)
				says("v1", "registry", "images", name, "--repository", row.image)
			}
			if r := i.run("registry", "destroy", row.address, "--connector", name, "--yes"); r.code != 1 || !strings.Contains(r.err, "registry entries are for it: "+name) {
				t.Errorf("it isn't protected: %d\n%s%s", r.code, r.out, r.err)
			}
			says("Removed "+row.address, "registry", "destroy", row.address, "--connector", name, "--yes", "--force")
			if r := i.run("registry", "destroy", row.address, "--connector", name, "--yes", "--force"); r.code != 1 || !strings.Contains(r.err, "What to do: ") {
				t.Errorf("it is removed twice: %d\n%s%s", r.code, r.out, r.err)
			}
			says("connector "+name, "events", "--action", "repository.deploy")
			says("connector "+name, "events", "--action", "repository.destroy")
		})
	}
}
