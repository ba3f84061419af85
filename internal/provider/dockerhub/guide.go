package dockerhub

import (
	"cmp"

	"fairlead.dev/fairlead"
)

// Guide says how a token is made.
//
// Sources: docs.docker.com/security/access-tokens/personal-access-tokens,
// /organization-access-tokens and /reference.
func (Provider) Guide(c fairlead.Connector, _, _ string) fairlead.Guide {
	name := cmp.Or(c.Public[fieldUsername], "NAME")
	return fairlead.Guide{
		Intro: "An access token that may only read. An organization's (Docker Team or Business) is best: it isn't a person's, reaches only the repositories that it names, " +
			"and has a pull limit of its own. Docker Hub knows no federation; the token stays in Fairlead, which trades it for tokens of 5 minutes for one repository.",
		Steps: []fairlead.GuideStep{
			{
				Title: "An organization's token", Language: "text",
				Text: "At app.docker.com, choose the organization, then Admin Console, Access tokens, Generate access token.\n" +
					"Expiration date: as your rules have it; give the same date to the connector.\n" +
					"Resources: Repository; name the private repositories that runs need (50 at most), with Image Pull; for a connector that pushes also Image Push.\n" +
					"For lists of private repositories in Fairlead: the organization's scope that lists repositories.\n" +
					"The connector's user name is the organization's name, " + name + ".",
			},
			{
				Title: "Or a personal token", Language: "text",
				Text: "At app.docker.com/settings/personal-access-tokens, Generate new token, with the permission Read-only (Public Repo Read-only doesn't open private ones; to push: Read & Write).\n" +
					"It reaches everything that its user reaches: use an account of its own, which is a member of a team with read access.\n" +
					"The connector's user name is that account's Docker ID, not its e-mail address.",
			},
			{
				Title: "Prove it", Language: "sh",
				Text: "docker login --username '" + name + "' docker.io",
			},
		},
	}
}
