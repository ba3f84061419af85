package azurecontainerregistry

import (
	"fmt"
	"strings"

	"fairlead.dev/fairlead"
)

// Guide says how a connector is set up at Azure. What isn't known yet stands in capital
// letters.
func (p Provider) Guide(c fairlead.Connector, issuer, subject string) fairlead.Guide {
	g := guide{c: c, cloud: cloudOf(c), issuer: issuer, subject: subject}
	switch c.Method {
	case federation:
		return g.federation()
	case servicePrincipal:
		return g.servicePrincipal()
	case managedIdentity:
		return g.managedIdentity()
	case repositoryToken:
		return g.repositoryToken()
	default:
		return fairlead.Guide{}
	}
}

type guide struct {
	c               fairlead.Connector
	cloud           cloud
	issuer, subject string
}

// field gives a field's value, or what stands for it.
func (g guide) field(name, placeholder string) string {
	if v := g.c.Public[name]; v != "" {
		return v
	}
	return placeholder
}

// display is the name of what is made at Azure.
func (g guide) display() string { return "fairlead-" + string(g.c.Name) }

func lines(l ...string) string { return strings.Join(l, "\n") + "\n" }

const roleIntro = "AcrPull at one registry is enough to pull, AcrPush to push. A registry with ABAC repository permissions takes no notice of these: " +
	"there it is Container Registry Repository Reader (or Writer), which a condition can limit to some repositories, and Container Registry Repository Catalog Lister to list them. " +
	"Reader lets `fairlead connector resources` find the registries."

// login chooses the cloud, the tenant and the subscription.
func (g guide) login() []string {
	var l []string
	if g.cloud.name != publicCloud {
		l = append(l, "az cloud set --name "+g.cloud.cli)
	}
	if t := g.c.Public[tenantID]; t != "" {
		l = append(l, "az login --tenant "+t, "TENANT_ID="+t)
	} else {
		l = append(l, "az login", "TENANT_ID=$(az account show --query tenantId -o tsv)")
	}
	if s := g.c.Public[subscriptionID]; s != "" {
		l = append(l, "az account set --subscription "+s)
	}
	return l
}

// application makes the application, unless it is known already, and finds its
// principal, which roles are given to.
func (g guide) application() fairlead.GuideStep {
	l := g.login()
	if id := g.c.Public[clientID]; id != "" {
		l = append(l, "CLIENT_ID="+id)
	} else {
		l = append(l, "CLIENT_ID=$(az ad app create --display-name "+g.display()+" --query appId -o tsv)", `az ad sp create --id "$CLIENT_ID"`)
	}
	l = append(l, `PRINCIPAL_ID=$(az ad sp show --id "$CLIENT_ID" --query id -o tsv)`)
	return fairlead.GuideStep{Title: "Make an application", Language: "sh", Text: lines(l...)}
}

// roles gives a principal the least role, by the registry's mode
// (learn.microsoft.com/azure/container-registry/container-registry-rbac-abac-repository-permissions).
func roles() []fairlead.GuideStep {
	const assign = `az role assignment create --assignee-object-id "$PRINCIPAL_ID" --assignee-principal-type ServicePrincipal \`
	const read, metadata = "Microsoft.ContainerRegistry/registries/repositories/content/read", "Microsoft.ContainerRegistry/registries/repositories/metadata/read"
	return []fairlead.GuideStep{
		{Title: "Let it pull from the registry", Language: "sh", Text: lines(
			"REGISTRY=myregistry # its name",
			`REGISTRY_ID=$(az acr show --name "$REGISTRY" --query id -o tsv)`,
			"ROLE=AcrPull",
			`if [ "$(az acr show --name "$REGISTRY" --query roleAssignmentMode -o tsv)" = AbacRepositoryPermissions ]; then`,
			`  ROLE="Container Registry Repository Reader"`,
			"fi",
			assign,
			`  --role "$ROLE" --scope "$REGISTRY_ID"`,
		)},
		{Title: "Instead, with ABAC repository permissions: from repositories below team/ alone", Language: "sh", Text: lines(
			assign,
			`  --role "Container Registry Repository Reader" --scope "$REGISTRY_ID" --condition-version 2.0 \`,
			`  --condition "((!(ActionMatches{'`+read+`'}) AND !(ActionMatches{'`+metadata+`'})) OR `+
				`(@Request[Microsoft.ContainerRegistry/registries/repositories:name] StringStartsWithIgnoreCase 'team/'))"`,
		)},
	}
}

func (g guide) federation() fairlead.Guide {
	steps := []fairlead.GuideStep{
		g.application(),
		{Title: "Have it trust this connector", Language: "sh", Text: lines(
			"az ad app federated-credential create --id \"$CLIENT_ID\" --parameters '{",
			fmt.Sprintf("  \"name\": %q,", g.display()),
			fmt.Sprintf("  \"issuer\": %q,", g.issuer),
			fmt.Sprintf("  \"subject\": %q,", g.subject),
			fmt.Sprintf("  \"audiences\": [%q]", g.cloud.assertion),
			"}'",
		)},
	}
	steps = append(steps, roles()...)
	return fairlead.Guide{
		Intro: "An application in Microsoft Entra trusts this server's tokens for exactly this connector; nothing secret is made. " + roleIntro,
		Steps: append(steps,
			fairlead.GuideStep{Title: "Tell Fairlead", Language: "sh", Text: "fairlead connector update " + string(g.c.Name) + " --tenant-id \"$TENANT_ID\" --client-id \"$CLIENT_ID\"\n"},
			fairlead.GuideStep{Title: "The same with Terraform", Language: "hcl", Text: g.terraform()},
		),
	}
}

func (g guide) terraform() string {
	return lines(
		`resource "azuread_application" "fairlead" {`,
		fmt.Sprintf(`  display_name = %q`, g.display()),
		`}`,
		``,
		`resource "azuread_service_principal" "fairlead" {`,
		`  client_id = azuread_application.fairlead.client_id`,
		`}`,
		``,
		`resource "azuread_application_federated_identity_credential" "fairlead" {`,
		`  application_id = azuread_application.fairlead.id`,
		fmt.Sprintf(`  display_name   = %q`, g.display()),
		fmt.Sprintf(`  issuer         = %q`, g.issuer),
		fmt.Sprintf(`  subject        = %q`, g.subject),
		fmt.Sprintf(`  audiences      = [%q]`, g.cloud.assertion),
		`}`,
		``,
		`resource "azurerm_role_assignment" "fairlead" {`,
		`  scope                = azurerm_container_registry.REGISTRY.id`,
		`  role_definition_name = "AcrPull" # "Container Registry Repository Reader" with ABAC repository permissions`,
		`  principal_id         = azuread_service_principal.fairlead.object_id`,
		`}`,
	)
}

func (g guide) servicePrincipal() fairlead.Guide {
	return fairlead.Guide{
		Intro: "An application in Microsoft Entra with a client secret that ends after a year; method federation needs none. " + roleIntro,
		Steps: append(append([]fairlead.GuideStep{g.application()}, roles()...), fairlead.GuideStep{
			Title: "Make a secret and give it to Fairlead, unseen", Language: "sh", Text: lines(
				`az ad app credential reset --id "$CLIENT_ID" --append --years 1 --query password -o tsv | tr -d '\n' |`,
				"  fairlead connector update "+string(g.c.Name)+` --tenant-id "$TENANT_ID" --client-id "$CLIENT_ID" --client-secret-file -`,
			),
		}),
	}
}

func (g guide) managedIdentity() fairlead.Guide {
	find := "GROUP=mygroup MACHINE=mymachine # of the server\nPRINCIPAL_ID=$(az vm identity assign --resource-group \"$GROUP\" --name \"$MACHINE\" --query systemAssignedIdentity -o tsv)"
	if id := g.c.Public[identityID]; id != "" {
		find = "PRINCIPAL_ID=$(az identity show --ids " + id + " --query principalId -o tsv)"
	} else if id := g.c.Public[clientID]; id != "" {
		find = "PRINCIPAL_ID=$(az ad sp show --id " + id + " --query id -o tsv)"
	}
	return fairlead.Guide{
		Intro: "The server's own machine logs in as itself, where the operator has allowed it. " + roleIntro,
		Steps: append([]fairlead.GuideStep{{Title: "Give the machine an identity", Language: "sh", Text: lines(find)}}, roles()...),
	}
}

func (g guide) repositoryToken() fairlead.Guide {
	server := g.field(loginServer, "myregistry.azurecr.io")
	name, _, _ := strings.Cut(server, ".")
	name, _, _ = strings.Cut(name, "-")
	token := g.field(tokenName, g.display())
	return fairlead.Guide{
		Intro: "One registry gives out a token whose scope map names the repositories that it opens. content/read is enough to pull; pushing needs content/write too. A name that ends in /* covers what is below it.",
		Steps: []fairlead.GuideStep{
			{Title: "Make a scope map and a token", Language: "sh", Text: lines(
				"az acr scope-map create --registry "+name+" --name "+token+" --repository 'team/*' content/read metadata/read",
				"az acr token create --registry "+name+" --name "+token+" --scope-map "+token+" --no-passwords true",
			)},
			{Title: "Make a password and give it to Fairlead, unseen", Language: "sh", Text: lines(
				"az acr token credential generate --registry "+name+" --name "+token+" --password1 --expiration-in-days 90 --query 'passwords[0].value' -o tsv | tr -d '\\n' |",
				"  fairlead connector update "+string(g.c.Name)+" --login-server "+server+" --username "+token+" --password-file -",
			)},
		},
	}
}
