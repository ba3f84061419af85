package gcpartifactregistry

import "fairlead.dev/fairlead"

// The fields.
const (
	providerField = "workload_identity_provider"
	emailField    = "service_account"
	keyField      = "key"
	tokenField    = "token"
	projectField  = "project"
	lifeField     = "token_lifetime"
)

// The lifetimes of a key's tokens.
const (
	lifeShort = "10m"
	lifeLong  = "1h"
)

// Info describes the family.
func (Provider) Info() fairlead.ProviderInfo {
	return fairlead.ProviderInfo{
		Family: Family,
		Title:  "Google Artifact Registry",
		Help:   "Docker repositories of Google Cloud, under pkg.dev and under the gcr.io hosts of the former Container Registry.",
		Hosts:  hostForms(),
		Methods: []fairlead.Method{
			federationMethod(), keyMethod(), impersonationMethod(), tokenMethod(), instanceMethod(),
		},
	}
}

func federationMethod() fairlead.Method {
	return fairlead.Method{
		Name: federation, Title: "Workload identity federation (no stored secret)", Keyless: true,
		Help: "Google trusts tokens that Fairlead signs, so there is no key to keep or to lose. `fairlead connector guide` prints the commands that set it up.",
		Fields: []fairlead.Field{
			{
				Name: providerField, Title: "Workload identity provider", Kind: fairlead.TextField, Required: true,
				Help: "Its full resource name, " + poolForm + ". The project is a number.",
			},
			{
				Name: emailField, Title: "Service account", Kind: fairlead.TextField,
				Help: "The e-mail address of a service account to act as, with tokens of 10 minutes. Without one, roles are given to the connector's own principal.",
			},
			projectInput(),
		},
	}
}

func keyMethod() fairlead.Method {
	return fairlead.Method{
		Name: accountKey, Title: "Service account key",
		Help: "The JSON file of a service account's key. The key stays in Fairlead; what leaves it is narrower and short-lived.",
		Fields: []fairlead.Field{
			keyInput("The whole JSON file as it was downloaded, also in base64."),
			{
				Name: lifeField, Title: "Token lifetime", Kind: fairlead.ChoiceField, Choices: []string{lifeShort, lifeLong},
				Help: "10m (default) needs the role Service Account Token Creator on the account itself; 1h needs no role.",
			},
			projectInput(),
		},
	}
}

func impersonationMethod() fairlead.Method {
	return fairlead.Method{
		Name: impersonation, Title: "Impersonation of a service account",
		Help: "The key of one service account that may make 10-minute tokens of another, which alone can read the repositories.",
		Fields: []fairlead.Field{
			keyInput("The JSON file of the account that impersonates; it needs the role Service Account Token Creator on the other one."),
			{
				Name: emailField, Title: "Service account", Kind: fairlead.TextField, Required: true,
				Help: "The e-mail address of the account to act as.",
			},
			projectInput(),
		},
	}
}

func tokenMethod() fairlead.Method {
	return fairlead.Method{
		Name: accessToken, Title: "Access token",
		Help: "A token that ends by itself, within an hour as a rule: for trying things out.",
		Fields: []fairlead.Field{
			{
				Name: tokenField, Title: "Access token", Kind: fairlead.TextField, Required: true, Secret: true,
				Help: "As `gcloud auth print-access-token` prints it.",
			},
			projectInput(),
		},
	}
}

func instanceMethod() fairlead.Method {
	return fairlead.Method{
		Name: instance, Title: "Identity of Fairlead's own machine", Keyless: true,
		Help: "The service account of the Google Cloud machine that Fairlead runs on. Only where the operator has enabled it.",
		Fields: []fairlead.Field{
			{
				Name: emailField, Title: "Service account", Kind: fairlead.TextField,
				Help: "The e-mail address of a service account to act as, with tokens of 10 minutes; without one it is the machine's own.",
			},
			projectInput(),
		},
	}
}

func keyInput(help string) fairlead.Field {
	return fairlead.Field{Name: keyField, Title: "Key file", Kind: fairlead.TextField, Required: true, Secret: true, Help: help}
}

func projectInput() fairlead.Field {
	return fairlead.Field{
		Name: projectField, Title: "Project", Kind: fairlead.TextField,
		Help: "The ID of the project whose repositories are listed. Without one it is the key's own, or every project that the account may see.",
	}
}
