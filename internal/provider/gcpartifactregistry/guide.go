package gcpartifactregistry

import (
	"cmp"
	"fmt"
	"strings"

	"fairlead.dev/fairlead"
)

// Power says what a login of the connector can do.
func (Provider) Power(c fairlead.Connector) string {
	const trade = "a registry token to pull from, or to push to, one repository"
	switch c.Method {
	case federation:
		if c.Public[emailField] != "" {
			return trade + ", for at most 10 minutes, as " + c.Public[emailField] + "; nothing is stored"
		}
		return trade + ", for at most 1 hour, as the connector's own principal; nothing is stored"
	case accountKey:
		if c.Public[lifeField] == lifeLong {
			return trade + ", for at most 1 hour, as the key's account; the key stays in Fairlead"
		}
		return trade + ", for at most 10 minutes, as the key's account; the key stays in Fairlead"
	case impersonation:
		return trade + ", for at most 10 minutes, as " + c.Public[emailField] + "; the key stays in Fairlead"
	case accessToken:
		return trade + ", until the access token ends; the access token stays in Fairlead"
	case instance:
		if c.Public[emailField] != "" {
			return trade + ", for at most 10 minutes, as " + c.Public[emailField] + " by way of the machine; nothing is stored"
		}
		return trade + ", for at most 1 hour, as the account of the machine; nothing is stored"
	}
	return "nothing: there is no such method"
}

// guide is what the texts are filled in with.
type guide struct {
	c                    fairlead.Connector
	project, number      string
	pool, provider       string
	account              string // to act as; empty for none
	issuer, subject      string
	location, repository string
}

// Guide says how the connector is set up at Google.
func (Provider) Guide(c fairlead.Connector, issuer, subject string) fairlead.Guide {
	g := guide{
		c: c, issuer: cmp.Or(issuer, "https://FAIRLEAD"), subject: subject, project: cmp.Or(c.Public[projectField], unknownProject), number: "PROJECT_NUMBER",
		pool: "fairlead", provider: providerID(c.Name), account: c.Public[emailField], location: "LOCATION", repository: "REPOSITORY",
	}
	if to, err := parsePool(c.Public[providerField]); err == nil {
		g.number, g.pool, g.provider = to.number, to.id, to.provider
	}
	switch c.Method {
	case federation:
		return g.federation()
	case accountKey:
		return g.key()
	case impersonation:
		return g.impersonation()
	case instance:
		return g.instance()
	}
	return fairlead.Guide{
		Intro: "The token is yours, or that of a service account that you may act as; it ends within an hour as a rule. The account needs Artifact Registry Reader on the repository.",
		Steps: []fairlead.GuideStep{shell("Give the connector the token", "gcloud auth print-access-token | "+g.register(accessToken, "--token-file", "-"))},
	}
}

// providerID is a name for the connector's own provider: what a provider lets in is set
// for one connector (docs.cloud.google.com/iam/docs/workload-identity-federation-with-other-providers:
// 4 to 32 characters).
func providerID(name fairlead.Name) string {
	id := strings.NewReplacer(".", "-", "_", "-").Replace("fairlead-" + string(name))
	return strings.TrimRight(id[:min(len(id), 32)], "-")
}

func shell(title, text string) fairlead.GuideStep {
	return fairlead.GuideStep{Title: title, Language: "sh", Text: text + "\n"}
}

// word writes a value as one word of the shell. A placeholder stays as it is.
func word(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@=,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// register is the command that makes the connector.
func (g guide) register(method string, flags ...string) string {
	words := []string{"fairlead connector register", word(cmp.Or(string(g.c.Name), "NAME")), "--family", string(Family), "--method", method}
	for _, f := range flags {
		words = append(words, word(f))
	}
	if g.c.Public[projectField] != "" {
		words = append(words, "--project", word(g.project))
	}
	return strings.Join(words, " ")
}

// reader gives a member the least role that pulls.
func (g guide) reader(member string) fairlead.GuideStep {
	return shell("Let it pull from the repository (for pushing it is roles/artifactregistry.writer)", fmt.Sprintf(
		"gcloud artifacts repositories add-iam-policy-binding %s --location=%s --project=%s \\\n  --role=roles/artifactregistry.reader \\\n  --member=%s",
		g.repository, g.location, word(g.project), word(member)))
}

func (g guide) principal() string {
	return pool{number: g.number, id: g.pool}.principal(g.subject)
}

func (g guide) poolName() string {
	return fmt.Sprintf("projects/%s/locations/global/workloadIdentityPools/%s/providers/%s", g.number, g.pool, g.provider)
}

func (g guide) federation() fairlead.Guide {
	steps := []fairlead.GuideStep{
		shell("Find the project's number, and put it in the place of PROJECT_NUMBER",
			"gcloud projects describe "+word(g.project)+" --format='value(projectNumber)'"),
		shell("Switch on the services", "gcloud services enable iam.googleapis.com sts.googleapis.com iamcredentials.googleapis.com artifactregistry.googleapis.com --project="+word(g.project)),
		shell("Make the pool (unless an earlier connector has it), and the provider that trusts Fairlead for this connector alone", fmt.Sprintf(
			"gcloud iam workload-identity-pools create %[1]s --location=global --project=%[2]s --display-name=Fairlead\n"+
				"gcloud iam workload-identity-pools providers create-oidc %[3]s --location=global --project=%[2]s \\\n"+
				"  --workload-identity-pool=%[1]s --issuer-uri=%[4]s \\\n"+
				"  --attribute-mapping=google.subject=assertion.sub \\\n"+
				"  --attribute-condition=%[5]s",
			g.pool, word(g.project), g.provider, word(g.issuer), word("assertion.sub=='"+g.subject+"'"))),
	}
	flags := []string{"--workload-identity-provider", g.poolName()}
	if g.account == "" {
		steps = append(steps, g.reader(g.principal()))
	} else {
		steps = append(steps, shell("Let the connector act as the service account", fmt.Sprintf(
			"gcloud iam service-accounts add-iam-policy-binding %s --project=%s \\\n  --role=%s \\\n  --member=%s", word(g.account), word(g.project), workloadRole, word(g.principal()))),
			g.reader("serviceAccount:"+g.account))
		flags = append(flags, "--service-account", g.account)
	}
	steps = append(steps, shell("Connect it", g.register(federation, flags...)),
		fairlead.GuideStep{Title: "Or all of it with Terraform", Language: "hcl", Text: g.terraform()})
	return fairlead.Guide{
		Intro: "Google will trust tokens that Fairlead signs for " + g.subject + ", and no other. No secret is stored anywhere. The least right is Artifact Registry Reader on one repository.",
		Steps: steps,
	}
}

// newAccount makes a service account that does nothing else: no token of Google's can
// be narrowed, so the account has to be narrow.
func (g guide) newAccount(name, use string) (email string, step fairlead.GuideStep) {
	domain := g.project
	if d, id, ok := strings.Cut(domain, ":"); ok { // one of a domain
		domain = id + "." + d
	}
	return name + "@" + domain + ".iam.gserviceaccount.com",
		shell("Make a service account for "+use+" and nothing else", "gcloud iam service-accounts create "+name+" --project="+word(g.project))
}

func (g guide) creator(target, member string) string {
	return fmt.Sprintf("gcloud iam service-accounts add-iam-policy-binding %s --project=%s \\\n  --role=%s \\\n  --member=%s", word(target), word(g.project), creatorRole, word(member))
}

const newKey = "gcloud iam service-accounts keys create key.json --iam-account="

func (g guide) key() fairlead.Guide {
	email, account := g.newAccount("fairlead-pull", "pulling images")
	return fairlead.Guide{
		Intro: "The service account needs two roles: Artifact Registry Reader on the repository, and Service Account Token Creator on itself, so that its tokens live for 10 minutes instead of an hour. " +
			"Where the organization allows it, method federation needs no key.",
		Steps: []fairlead.GuideStep{
			account, g.reader("serviceAccount:" + email),
			shell("Let it make short-lived tokens of itself", "gcloud services enable iamcredentials.googleapis.com --project="+word(g.project)+"\n"+g.creator(email, "serviceAccount:"+email)),
			shell("Make a key, connect it, and keep no copy", newKey+word(email)+"\n"+g.register(accountKey, "--key-file", "key.json")+"\nrm key.json"),
		},
	}
}

func (g guide) impersonation() fairlead.Guide {
	caller, account := g.newAccount("fairlead", "acting as the other one")
	steps := []fairlead.GuideStep{account}
	target := g.account
	if target == "" {
		var step fairlead.GuideStep
		target, step = g.newAccount("fairlead-pull", "pulling images")
		steps = append(steps, step)
	}
	return fairlead.Guide{
		Intro: "The key's account can do one thing: make 10-minute tokens of " + target + ", which alone has Artifact Registry Reader.",
		Steps: append(steps, g.reader("serviceAccount:"+target),
			shell("Let the one act as the other", "gcloud services enable iamcredentials.googleapis.com --project="+word(g.project)+"\n"+g.creator(target, "serviceAccount:"+caller)),
			shell("Make a key, connect it, and keep no copy", newKey+word(caller)+"\n"+g.register(impersonation, "--key-file", "key.json", "--service-account", target)+"\nrm key.json")),
	}
}

func (g guide) instance() fairlead.Guide {
	const machine = "ACCOUNT_OF_THE_MACHINE"
	steps := []fairlead.GuideStep{shell("Find the account of the machine that Fairlead runs on (its access scopes must include cloud-platform)",
		"gcloud compute instances describe INSTANCE --zone=ZONE --format='value(serviceAccounts[0].email)'")}
	var flags []string
	if g.account == "" {
		steps = append(steps, g.reader("serviceAccount:"+machine))
	} else {
		steps = append(steps, g.reader("serviceAccount:"+g.account),
			shell("Let the machine act as the service account", g.creator(g.account, "serviceAccount:"+machine)))
		flags = []string{"--service-account", g.account}
	}
	return fairlead.Guide{
		Intro: "Fairlead logs in as the service account of its own machine. The operator has to allow that, since every organization of the server then gets what that account can read.",
		Steps: append(steps, shell("Connect it", g.register(instance, flags...))),
	}
}
