package jfrogartifactory

import (
	"cmp"
	"encoding/json"
	"strings"

	"fairlead.dev/fairlead"
)

// Guide says how a connector is set up at the platform.
//
// Sources: jfrog.com/help, "Configure an OIDC Integration", "Configure Identity
// Mappings", "Create Token"; the Terraform providers jfrog/platform and
// jfrog/artifactory.
func (Provider) Guide(c fairlead.Connector, issuer, subject string) fairlead.Guide {
	host := cmp.Or(c.Public[fieldHost], "acme.jfrog.io")
	switch c.Method {
	case federation:
		return guideFederation(c, host, issuer, subject)
	case accessToken:
		return guideToken(c, host)
	default:
		return fairlead.Guide{
			Intro: "A user of JFrog that may only read. JFrog makes no tokens for a password, so the connector holds the password itself: federation or an access token is better.",
			Steps: append(guideUser(), fairlead.GuideStep{
				Title: "Prove the login", Language: "sh", Text: "docker login --username fairlead-pull " + quoteShell(host),
			}),
		}
	}
}

// guideUser makes the user, with the least rights.
func guideUser() []fairlead.GuideStep {
	return []fairlead.GuideStep{{
		Title: "Make a user that may only read (Administration, User Management)", Language: "text",
		Text: "User: fairlead-pull, without administrator's rights; for pulls alone, without access to the web interface.\n" +
			"Permission: the Docker repositories that runs need, with the action Read for that user.\n" +
			"For a connector that pushes: the actions Read, Annotate, Deploy/Cache and Delete/Overwrite on the repositories that it pushes to.\n" +
			"For one that creates repositories: an administrator.",
	}}
}

func guideFederation(c fairlead.Connector, host, issuer, subject string) fairlead.Guide {
	name := cmp.Or(c.Public[fieldProvider], "fairlead")
	aud := cmp.Or(c.Public[fieldAudience], "https://"+host)
	integration := indented(map[string]any{
		"name": name, "provider_type": "Generic OpenID Connect", "issuer_url": issuer, "audience": aud, "description": "Fairlead",
	})
	mapping := indented(map[string]any{
		"name": string(cmp.Or(c.Name, "fairlead")), "priority": 1, "claims": map[string]string{"iss": issuer, "sub": subject},
		"token_spec": map[string]any{"username": "fairlead-pull", "scope": "applied-permissions/user", "audience": artifactory, "expires_in": int(mintLife.Seconds())},
	})
	const curl = "curl --fail -X POST -H \"Authorization: Bearer $JFROG_ADMIN_TOKEN\" -H 'Content-Type: application/json' "
	return fairlead.Guide{
		Intro: "JFrog will trust subject tokens of this server (issuer " + issuer + ") with the subject " + subject +
			" and the audience " + aud + ", and give for them a token of 15 minutes of a user that may only read. Nothing secret is stored.",
		Steps: append(guideUser(),
			fairlead.GuideStep{
				Title: "Add the OIDC integration", Language: "sh",
				Text: curl + "\\\n  " + quoteShell("https://"+host+"/access/api/v1/oidc") + " -d " + quoteShell(integration),
			},
			fairlead.GuideStep{
				Title: "Add the identity mapping", Language: "sh",
				Text: curl + "\\\n  " + quoteShell("https://"+host+"/access/api/v1/oidc/"+name+"/identity_mappings") + " -d " + quoteShell(mapping),
			},
			fairlead.GuideStep{Title: "Or both with Terraform", Language: "hcl", Text: terraform(c, name, issuer, aud, subject)},
		),
	}
}

func terraform(c fairlead.Connector, name, issuer, aud, subject string) string {
	return `resource "platform_oidc_configuration" "fairlead" {
  name          = ` + quoteHCL(name) + `
  issuer_url    = ` + quoteHCL(issuer) + `
  provider_type = "generic"
  audience      = ` + quoteHCL(aud) + `
}

resource "platform_oidc_identity_mapping" "fairlead" {
  name          = ` + quoteHCL(string(cmp.Or(c.Name, "fairlead"))) + `
  provider_name = platform_oidc_configuration.fairlead.name
  priority      = 1

  claims_json = jsonencode({
    iss = ` + quoteHCL(issuer) + `
    sub = ` + quoteHCL(subject) + `
  })

  token_spec = {
    username   = "fairlead-pull"
    scope      = "applied-permissions/user"
    audience   = "jfrt@*"
    expires_in = 900
  }
}
`
}

func guideToken(c fairlead.Connector, host string) fairlead.Guide {
	user := cmp.Or(c.Public[fieldUsername], "fairlead-pull")
	body := indented(map[string]any{
		"username": user, "scope": "applied-permissions/user", "expires_in": 7776000, "refreshable": true, "description": "Fairlead",
	})
	return fairlead.Guide{
		Intro: "An access token of a user that may only read. It stays in Fairlead, which makes tokens of 15 minutes with it. " +
			"Its audience has to include Access (jfac) and Artifactory (jfrt), as that of every token does unless another is asked for.",
		Steps: append(guideUser(),
			fairlead.GuideStep{
				Title: "Make a refreshable token of 90 days for the user", Language: "sh",
				Text: "curl --fail -X POST -H \"Authorization: Bearer $JFROG_ADMIN_TOKEN\" -H 'Content-Type: application/json' \\\n  " +
					quoteShell("https://"+host+pathTokens) + " -d " + quoteShell(body),
			},
			fairlead.GuideStep{
				Title: "Or with Terraform", Language: "hcl",
				Text: `resource "artifactory_scoped_token" "fairlead" {
  username    = ` + quoteHCL(user) + `
  scopes      = ["applied-permissions/user"]
  expires_in  = 7776000
  refreshable = true
}
`,
			},
			fairlead.GuideStep{
				Title: "Give it to the connector", Language: "text",
				Text: "access_token of the reply is the access token, refresh_token the refresh token. Give both, so that the token is renewed in time.",
			},
		),
	}
}

// indented is JSON for people.
func indented(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		panic(err) // maps of strings and numbers can be encoded
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// quoteShell is one word of a POSIX shell.
func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// quoteHCL is a string of Terraform's language, in which ${ and %{ begin templates.
func quoteHCL(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "${", "$${", "%{", "%%{").Replace(s) + `"`
}
