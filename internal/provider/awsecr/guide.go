package awsecr

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"fairlead.dev/fairlead"
)

// What stands in guides for what isn't known yet.
const (
	anyAccount = "ACCOUNT"
	anyIssuer  = "https://FAIRLEAD"
	// ownName is what users and roles are called that a guide makes.
	ownName = "fairlead"
)

// setup is what a guide is filled in with.
type setup struct {
	c               fairlead.Connector
	issuer, subject string
	role            role
	home            partition
}

// Guide says how the connector is set up at AWS, with the least rights that are enough.
func (Provider) Guide(c fairlead.Connector, issuer, subject string) fairlead.Guide {
	s := setup{c: c, issuer: cmp.Or(issuer, anyIssuer), subject: subject}
	var ok bool
	if s.role, ok = parseRole(c.Public[roleField]); !ok {
		s.role = role{partition: "aws", account: anyAccount, path: "/", name: ownName}
		if account, known := keyAccount(c.Public[keyField]); known {
			s.role.account = account
		}
		s.role.arn = fmt.Sprintf("arn:aws:iam::%s:role/%s", s.role.account, ownName)
	}
	s.home, _ = partitionNamed(s.role.partition)
	switch c.Method {
	case federation:
		return s.federation()
	case assumeRole:
		return s.assumeRole()
	case sessionToken:
		return s.sessionToken()
	case instanceRole:
		return s.instanceRole()
	default:
		return s.secretKey()
	}
}

// leastPolicy is what pulling from any repository of the account takes, and seeing which
// there are.
func (s setup) leastPolicy() policy {
	return policy{Version: policyVersion, Statement: []statement{
		allow("*", loginActions(false)...),
		allow(s.repositories(), append(pullActions(), "ecr:DescribeRepositories")...),
	}}
}

// pushPolicy is what pushing takes beside, and making and removing repositories.
func (s setup) pushPolicy() policy {
	return policy{Version: policyVersion, Statement: []statement{
		allow(s.repositories(), append(pushActions(), "ecr:CreateRepository", "ecr:DeleteRepository")...),
	}}
}

func (s setup) repositories() string {
	return "arn:" + s.home.id + ":ecr:*:" + s.role.account + ":repository/*"
}

// trust is a role's trust policy: who may assume it, and on which condition.
type trust struct {
	Version   string
	Statement []trustStatement
}

type trustStatement struct {
	Effect    string
	Principal map[string]string
	Action    string
	Condition map[string]map[string]string `json:",omitempty"`
}

func (s setup) webTrust() trust {
	id := strings.TrimPrefix(s.issuer, "https://")
	return trust{Version: policyVersion, Statement: []trustStatement{{
		Effect: "Allow", Action: "sts:AssumeRoleWithWebIdentity",
		Principal: map[string]string{"Federated": s.providerARN()},
		Condition: map[string]map[string]string{"StringEquals": {id + ":aud": audience, id + ":sub": s.subject}},
	}}}
}

func (s setup) providerARN() string {
	return "arn:" + s.home.id + ":iam::" + s.role.account + ":oidc-provider/" + strings.TrimPrefix(s.issuer, "https://")
}

func (s setup) externalTrust() trust {
	return trust{Version: policyVersion, Statement: []trustStatement{{
		Effect: "Allow", Action: "sts:AssumeRole", Principal: map[string]string{"AWS": s.assumer()},
		Condition: map[string]map[string]string{"StringEquals": {"sts:ExternalId": cmp.Or(s.c.Public[externalField], "EXTERNAL-ID")}},
	}}}
}

// assumer is who assumes the role.
func (s setup) assumer() string {
	account := anyAccount
	if known, ok := keyAccount(s.c.Public[keyField]); ok {
		account = known
	}
	if s.c.Public[sourceField] == sourceInstance {
		return "arn:" + s.home.id + ":iam::" + anyAccount + ":role/INSTANCE-ROLE"
	}
	return "arn:" + s.home.id + ":iam::" + account + ":user/" + ownName
}

func indented(v any) string {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // strings alone are in it
	}
	return string(b)
}

func shell(title string, lines ...string) fairlead.GuideStep {
	return fairlead.GuideStep{Title: title, Language: "sh", Text: strings.Join(lines, "\n")}
}

// file writes a document as a command that makes a file of it.
func file(name string, v any) string { return "cat > " + name + " <<'EOF'\n" + indented(v) + "\nEOF" }

func (s setup) makeRole(t trust) fairlead.GuideStep {
	command := "aws iam create-role --role-name " + s.role.name + " --assume-role-policy-document file://trust.json"
	if s.role.path != "/" {
		command += " --path " + s.role.path
	}
	return shell("Make the role", file("trust.json", t), command)
}

func (s setup) roleRights() []fairlead.GuideStep {
	put := "aws iam put-role-policy --role-name " + s.role.name + " --policy-name "
	return []fairlead.GuideStep{
		shell("Give it the right to pull", file("pull.json", s.leastPolicy()), put+"pull --policy-document file://pull.json"),
		shell("Only if it is to push and make repositories too", file("push.json", s.pushPolicy()), put+"push --policy-document file://push.json"),
	}
}

func (s setup) register(flags ...string) fairlead.GuideStep {
	command := fmt.Sprintf("fairlead connector register %s --family %s --method %s", cmp.Or(string(s.c.Name), "NAME"), Family, s.c.Method)
	if s.c.ID != "" {
		return shell("Try it", "fairlead connector verify "+string(s.c.Name))
	}
	return shell("Register the connector", strings.Join(append([]string{command}, flags...), " "))
}

func (s setup) federation() fairlead.Guide {
	steps := []fairlead.GuideStep{
		shell("Make the identity provider (once in the account)",
			"aws iam create-open-id-connect-provider --url "+s.issuer+" --client-id-list "+audience),
		s.makeRole(s.webTrust()),
	}
	steps = append(steps, s.roleRights()...)
	steps = append(steps, s.register("--role-arn", s.role.arn), s.terraform(s.webTrust(), true))
	return fairlead.Guide{
		Intro: "AWS will trust this server as an identity provider, and let subject " + s.subject + " alone assume a role. " +
			"The role may log in to ECR and pull from the private registry of account " + s.role.account + "; each login is narrowed to one repository beyond that. Nothing secret is stored.",
		Steps: steps,
	}
}

func (s setup) assumeRole() fairlead.Guide {
	var steps []fairlead.GuideStep
	// Who assumes comes first: AWS takes no trust policy that names nobody.
	assumption := policy{Version: policyVersion, Statement: []statement{allow(s.role.arn, "sts:AssumeRole")}}
	flags := []string{"--role-arn", s.role.arn, "--source", sourceInstance}
	if s.c.Public[sourceField] == sourceInstance {
		steps = append(steps, shell("Let the role of the server's instance assume it (the server's operator does this)", file("assume.json", assumption),
			"aws iam put-role-policy --role-name INSTANCE-ROLE --policy-name fairlead-assume --policy-document file://assume.json"))
	} else {
		flags = []string{"--role-arn", s.role.arn, "--source", sourceKeys, "--access-key-id", cmp.Or(s.c.Public[keyField], "AKIA..."), "--secret-access-key-file", "secret.txt"}
		steps = append(steps, shell("Make a user who may assume it, and nothing else", "aws iam create-user --user-name "+ownName, file("assume.json", assumption),
			"aws iam put-user-policy --user-name "+ownName+" --policy-name assume --policy-document file://assume.json",
			"aws iam create-access-key --user-name "+ownName))
	}
	steps = append(steps, s.makeRole(s.externalTrust()))
	steps = append(steps, s.roleRights()...)
	steps = append(steps, s.register(flags...), s.terraform(s.externalTrust(), false))
	return fairlead.Guide{
		Intro: "A role that " + s.assumer() + " can assume with the connector's external ID. It may log in to ECR and pull from the private registry of account " +
			s.role.account + "; each login is narrowed to one repository beyond that.",
		Steps: steps,
	}
}

func (s setup) secretKey() fairlead.Guide {
	return fairlead.Guide{
		Intro: "An IAM user who may log in to ECR and pull from the private registry of account " + s.role.account +
			", with a long-lived access key. Its logins can't be narrowed to a repository: method federation gives narrower ones, and stores no key.",
		Steps: []fairlead.GuideStep{
			shell("Make the user", "aws iam create-user --user-name "+ownName),
			shell("Give it the right to pull", file("pull.json", s.leastPolicy()),
				"aws iam put-user-policy --user-name "+ownName+" --policy-name pull --policy-document file://pull.json"),
			shell("Make an access key", "aws iam create-access-key --user-name "+ownName),
			s.register("--access-key-id", "AKIA...", "--secret-access-key-file", "secret.txt"),
		},
	}
}

func (s setup) sessionToken() fairlead.Guide {
	return fairlead.Guide{
		Intro: "Temporary keys of your own, for trying out. They end after hours, and the connector with them; they may do whatever you may. The least that is needed is in the policy below.",
		Steps: []fairlead.GuideStep{
			{Title: "The least rights", Language: "text", Text: indented(s.leastPolicy())},
			shell("Get temporary keys", "aws sts get-session-token --duration-seconds 43200"),
			s.register("--access-key-id", "ASIA...", "--secret-access-key-file", "secret.txt", "--session-token-file", "token.txt", "--expires", "EXPIRATION"),
		},
	}
}

func (s setup) instanceRole() fairlead.Guide {
	return fairlead.Guide{
		Intro: "The role of the EC2 instance that the server runs on. Its operator has to allow it, and every organization that uses it has the same rights: give it no more than pulling.",
		Steps: []fairlead.GuideStep{
			shell("Give the instance's role the right to pull", file("pull.json", s.leastPolicy()),
				"aws iam put-role-policy --role-name INSTANCE-ROLE --policy-name pull --policy-document file://pull.json"),
			shell("If the server runs in a container on it: let containers reach the metadata service",
				"aws ec2 modify-instance-metadata-options --instance-id INSTANCE --http-tokens required --http-put-response-hop-limit 2"),
			s.register(),
		},
	}
}

// terraform makes the same as the commands (registry.terraform.io, hashicorp/aws).
func (s setup) terraform(t trust, identityProvider bool) fairlead.GuideStep {
	var b strings.Builder
	if identityProvider {
		fmt.Fprintf(&b, "resource \"aws_iam_openid_connect_provider\" \"fairlead\" {\n  url            = %q\n  client_id_list = [%q]\n}\n\n", s.issuer, audience)
	}
	fmt.Fprintf(&b, "resource \"aws_iam_role\" \"fairlead\" {\n  name = %q\n  path = %q\n\n  assume_role_policy = <<-EOT\n%s\n  EOT\n}\n\n", s.role.name, s.role.path, indent(indented(t)))
	fmt.Fprintf(&b, "resource \"aws_iam_role_policy\" \"pull\" {\n  name = \"pull\"\n  role = aws_iam_role.fairlead.name\n\n  policy = <<-EOT\n%s\n  EOT\n}\n", indent(indented(s.leastPolicy())))
	return fairlead.GuideStep{Title: "Or the same with Terraform", Language: "hcl", Text: b.String()}
}

func indent(s string) string { return "    " + strings.ReplaceAll(s, "\n", "\n    ") }
