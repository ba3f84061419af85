package e2e

import (
	"path/filepath"
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/wire"
)

// Azure's applications of the operator and of an organization.
const (
	operatorApp = "44444444-4444-4444-8444-444444444444"
	tenantApp   = "55555555-5555-4555-8555-555555555555"
)

// plainAzureApp is an application with a client secret that may pull.
func (c *clouds) plainAzureApp(id, secret string) {
	c.azure.SetApp(cloudtest.AzureApp{Tenant: azureTenant, ClientID: id, Secrets: []cloudtest.AzureSecret{{ID: "one", Value: secret}}})
}

// ambient fills the server's environment and home with logins that are valid.
func (i *cloudHouse) ambient() {
	key := i.aws.User("operator", awsPull)
	_, account := i.google.AddKey(i.reader)
	i.write("operator.json", string(account))
	i.write(".config/gcloud/application_default_credentials.json", string(account))
	i.write(".aws/credentials", "[default]\naws_access_key_id = "+key.ID+"\naws_secret_access_key = "+key.Secret+"\n")
	i.write(".aws/config", "[default]\nregion = "+awsRegion+"\n")
	i.write(".docker/config.json", `{"auths":{"`+i.aws.Host(awsRegion)+`":{"username":"AWS","password":"x"}}}`)
	i.env = append(i.env,
		"AWS_ACCESS_KEY_ID="+key.ID, "AWS_SECRET_ACCESS_KEY="+key.Secret, "AWS_REGION="+awsRegion,
		"GOOGLE_APPLICATION_CREDENTIALS="+filepath.Join(i.dir, "operator.json"),
		"AZURE_TENANT_ID="+azureTenant, "AZURE_CLIENT_ID="+operatorApp, "AZURE_CLIENT_SECRET="+azureSecret,
	)
	i.operator = map[string]connected{
		"aws-operator": {
			family: "aws-ecr", method: "secret-key", at: ecrOf(i.clouds, "operator"),
			flags: []string{"--access-key-id", key.ID}, secrets: map[string]string{"secret-access-key": key.Secret},
		},
		"gcp-operator": {family: "gcp-artifact-registry", method: "service-account", at: gcpOf("operator"), secrets: map[string]string{"key": string(account)}},
		"azure-operator": {
			family: "azure-container-registry", method: "service-principal", at: azureHost + "/operator",
			flags: []string{"--tenant-id", azureTenant, "--client-id", operatorApp}, secrets: map[string]string{"client-secret": azureSecret},
		},
	}
}

// unserved gives connectors of an organization none of what the server's machine has: not
// those whose secret has ended, not those that leave a field out, and not those that ask
// for the machine's own login where the operator hasn't allowed it.
func (i *cloudHouse) unserved(t *testing.T) {
	t.Helper()
	for name, row := range i.operator {
		i.push(t, row.at+"/app")
		i.connect(t, row, name)
		i.fetch(t, row.at+"/app") // the operator's login would do
	}
	broken := i.broken(t)
	for name, row := range broken {
		i.push(t, row.at+"/app")
		i.connect(t, row, name)
	}
	i.breakAll()
	for name, row := range broken {
		t.Run(name, func(t *testing.T) { i.refused(t, row.at+"/app") })
	}
	for name, row := range map[string]connected{
		"aws-instance":   {family: "aws-ecr", method: "instance-role", at: ecrOf(i.clouds, "instance")},
		"gcp-instance":   {family: "gcp-artifact-registry", method: "instance-identity", at: gcpOf("instance")},
		"azure-instance": {family: "azure-container-registry", method: "managed-identity", at: azureHost + "/instance"},
	} {
		t.Run(name, func(t *testing.T) {
			i.push(t, row.at+"/app")
			if r := i.run("registry", "add", name, "--pattern", row.at+"/*", "--family", row.family, "--method", row.method); r.code == 0 {
				i.refused(t, row.at+"/app")
			}
		})
	}
	i.empty(t)
	if n := i.machine.asked.Load(); n != 0 {
		t.Errorf("the metadata services were asked %d times", n)
	}
}

// empty wants logins of which everything is left out to be refused, by the command and, as
// another client might send them, by the server.
func (i *cloudHouse) empty(t *testing.T) {
	t.Helper()
	for _, row := range []connected{
		{family: "aws-ecr", method: "secret-key", at: ecrOf(i.clouds, "empty")},
		{family: "aws-ecr", method: "assume-role", at: ecrOf(i.clouds, "empty")},
		{family: "gcp-artifact-registry", method: "service-account", at: gcpOf("empty")},
		{family: "azure-container-registry", method: "service-principal", at: azureHost + "/empty"},
	} {
		if r := i.run("registry", "add", "empty", "--pattern", row.at+"/*", "--family", row.family, "--method", row.method); r.code == 0 {
			t.Errorf("an empty %s is taken: %s", row.name(), r.out)
		}
		_, err := client.Do(t.Context(), i.client(t), wire.AddRegistry, wire.RegistryRequest{
			OrganizationPath: wire.OrganizationPath{Organization: "acme"}, Name: "empty", Pattern: row.at + "/*",
			NewConnector: &wire.ConnectorFields{Family: fairlead.Family(row.family), Method: row.method},
		})
		if fairlead.KindOf(err) != fairlead.Invalid {
			t.Errorf("an empty %s: %v", row.name(), err)
		}
	}
}

// broken are connectors that work until [cloudHouse.breakAll].
func (i *cloudHouse) broken(t *testing.T) map[string]connected {
	t.Helper()
	key := i.aws.User("tenant", awsPull)
	i.brokenKey = key.ID
	id, account := i.google.AddKey(i.caller)
	i.brokenAccount = id
	i.plainAzureApp(tenantApp, azureSecret)
	return map[string]connected{
		"aws-tenant": {
			family: "aws-ecr", method: "secret-key", at: ecrOf(i.clouds, "tenant"),
			flags: []string{"--access-key-id", key.ID}, secrets: map[string]string{"secret-access-key": key.Secret},
		},
		"gcp-tenant": {
			family: "gcp-artifact-registry", method: "impersonation", at: gcpOf("tenant"), flags: []string{"--service-account", i.reader},
			secrets: map[string]string{"key": string(account)},
		},
		"azure-tenant": {
			family: "azure-container-registry", method: "service-principal", at: azureHost + "/tenant",
			flags: []string{"--tenant-id", azureTenant, "--client-id", tenantApp}, secrets: map[string]string{"client-secret": azureSecret},
		},
	}
}

// breakAll ends the secrets of the broken connectors at their clouds.
func (i *cloudHouse) breakAll() {
	i.amazon.Deactivate(i.brokenKey)
	i.google.SetKey(i.brokenAccount, false)
	i.plainAzureApp(tenantApp, "another-"+azureSecret)
}

// refused wants no lease for an image.
func (i *cloudHouse) refused(t *testing.T, image string) {
	t.Helper()
	l, err := i.lease(t, image)
	if err == nil {
		t.Errorf("%s: a %s came from somewhere", image, l.Kind)
		return
	}
	if kind := fairlead.KindOf(err); kind != fairlead.Denied && kind != fairlead.Invalid {
		t.Errorf("%s: %s: %v", image, kind, err)
	}
}
