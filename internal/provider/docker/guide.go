package docker

import (
	"cmp"
	"strings"

	"fairlead.dev/fairlead"
)

// Guide says how a login is made at the registry, with the least rights.
//
// Sources: docs.github.com, "Working with the Container registry"; docs.gitlab.com,
// "Deploy tokens"; docs.redhat.com, Red Hat Quay, "Robot accounts" and "Keyless
// authentication with robot accounts"; goharbor.io/docs, "Create Project Robot
// Accounts"; docs.nvidia.com/ngc; docs.digitalocean.com.
func (Provider) Guide(c fairlead.Connector, issuer, subject string) fairlead.Guide {
	host, _, _ := strings.Cut(c.Public[hosts], ",")
	host = cmp.Or(strings.TrimSpace(host), "HOST")
	step := func(title, text string) fairlead.GuideStep {
		return fairlead.GuideStep{Title: title, Language: "text", Text: text}
	}
	shell := func(title, text string) fairlead.GuideStep {
		return fairlead.GuideStep{Title: title, Language: "sh", Text: text}
	}
	prove := shell("Prove it", "docker login --username "+quoteShell(cmp.Or(usernameOf(c.Public), "NAME"))+" "+quoteShell(host))
	var g fairlead.Guide
	preset := presetOf(c.Public)
	if c.Method == federation {
		preset = quay
	}
	switch preset {
	case ghcr:
		g.Intro = "A classic personal access token that may read packages and nothing else. GHCR knows no other token that lasts: fine-grained ones don't open packages."
		g.Steps = []fairlead.GuideStep{step("Make the token",
			"As a machine user who may read the packages: github.com/settings/tokens/new?scopes=read:packages&description=fairlead\n"+
				"Scope: read:packages alone; to push: write:packages. Take repo away if the page has ticked it. With single sign-on, authorise the token for the organization.\n"+
				"The user name may be left out.")}
	case gitlab:
		g.Intro = "A deploy token that may read the registry of one project or group, and nothing else."
		g.Steps = []fairlead.GuideStep{
			step("In the project or group, Settings, Repository, Deploy tokens", "Scope: read_registry alone; to push: write_registry too. Give it an end, and the connector the same.\nLeave the user name empty: GitLab makes gitlab+deploy-token-N of it. Copy it with its +."),
			{Title: "Or with Terraform", Language: "hcl", Text: "resource \"gitlab_deploy_token\" \"fairlead\" {\n  group  = \"acme\"\n  name   = \"fairlead\"\n  scopes = [\"read_registry\"]\n}\n"},
		}
	case quay:
		g = guideQuay(cmp.Or(c.Public[fieldUsername], "ORGANIZATION+fairlead"), host, issuer, subject)
		if c.Method == federation {
			return g
		}
	case harbor:
		g.Intro = "A robot account of one project that may pull, and nothing else."
		g.Steps = []fairlead.GuideStep{
			step("In the project, Robot Accounts, New Robot Account", "Name: fairlead. Expiration: as your rules have it; give the connector the same.\nPermissions: Repository, Pull; to push: Push too.\n"+
				"Its name is robot$project+fairlead, with a $ that shells and Compose files take out: write it in single quotes, in Compose with two."),
			{Title: "Or with Terraform", Language: "hcl", Text: "resource \"harbor_robot_account\" \"fairlead\" {\n  name  = \"fairlead\"\n  level = \"project\"\n  permissions {\n    kind      = \"project\"\n    namespace = \"acme\"\n    access {\n      resource = \"repository\"\n      action   = \"pull\"\n    }\n  }\n}\n"},
		}
	case ngc:
		g.Intro = "A key of NGC that may read the registry. The user name is $oauthtoken for everybody, literally; it is filled in."
		g.Steps = []fairlead.GuideStep{step("At org.ngc.nvidia.com/setup", "Service keys, Create service key (an administrator's page), or Personal keys for a key of your own.\nServices: NGC Catalog, and Private Registry with Get Container for private images.")}
	case digitalOcean:
		g.Intro = "A token of DigitalOcean that may read registries. The user name may be left out."
		g.Steps = []fairlead.GuideStep{
			step("At cloud.digitalocean.com/account/api/tokens", "Generate New Token, Custom Scopes: registry, read. To push: registry, create, read and update."),
			shell("Or a login that is for registries alone", "doctl registry docker-config --expiry-seconds 7776000 REGISTRY"),
		}
	default:
		g.Intro = "An account of the registry that may read what runs need, and nothing else: a robot or a deploy account where the registry has such."
		g.Steps = []fairlead.GuideStep{step("Least rights", "The right to pull, for the repositories that runs need. A connector that pushes needs the right to push to its own repositories; make it another one.")}
	}
	g.Steps = append(g.Steps, prove)
	return g
}

// guideQuay describes a robot, and Quay's federation (since 3.13), by which a robot
// needs no stored password.
func guideQuay(robot, host, issuer, subject string) fairlead.Guide {
	return fairlead.Guide{
		Intro: "A robot account of one organization that may read, and nothing else.",
		Steps: []fairlead.GuideStep{
			{
				Title: "In the organization, Robot Accounts, Create Robot Account", Language: "text",
				Text: "Name: fairlead. Permissions: Read on the repositories that runs need; to push: Write.\nThe user name is " + robot + ", with the +. Method basic: the password is the robot's token, which has no end: renew it from time to time.",
			},
			{
				Title: "Method federation (Quay 3.13): no stored token", Language: "text",
				Text: "In the robot's menu, Set robot federation, add\n  Issuer URL: " + cmp.Or(issuer, "ISSUER") + "\n  Subject: " + cmp.Or(subject, "SUBJECT") +
					"\nWhoever shows a token of that issuer with that subject then gets a password of the robot for one hour.",
			},
			{
				Title: "Exchange a token by hand, to prove the federation", Language: "sh",
				Text: "curl --fail --user " + quoteShell(robot) + ":\"$SUBJECT_TOKEN\" " + quoteShell("https://"+host+"/oauth2/federation/robot/token"),
			},
		},
	}
}

// quoteShell is one word of a POSIX shell.
func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
