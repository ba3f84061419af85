package awsecr

import (
	"encoding/json"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// policy is an IAM policy document (IAM User Guide, "IAM JSON policy element
// reference").
type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Effect   string
	Action   []string
	Resource string
}

const policyVersion = "2012-10-17"

func (p policy) text() string {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings alone are in it
	}
	return string(b)
}

func allow(resource string, actions ...string) statement {
	return statement{Effect: "Allow", Action: actions, Resource: resource}
}

// pullActions are what pulling takes, with the listing of tags (Amazon ECR User Guide,
// "Pulling an image", "Private repository policies").
func pullActions() []string {
	return []string{"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability", "ecr:ListImages"}
}

// cacheAction is what the first pull through a pull-through cache rule takes beside; it
// is in sessions, so that a role that has it can use it.
const cacheAction = "ecr:BatchImportUpstreamImage"

// pushActions are what pushing takes (Amazon ECR User Guide, "IAM permissions for
// pushing an image"). Downloading layers isn't among it.
func pushActions() []string {
	return []string{
		"ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage",
		"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage",
	}
}

// publicActions are the same of ECR Public. Anybody may pull there.
func publicActions() []string {
	return []string{
		"ecr-public:InitiateLayerUpload", "ecr-public:UploadLayerPart", "ecr-public:CompleteLayerUpload", "ecr-public:PutImage",
		"ecr-public:BatchCheckLayerAvailability",
	}
}

// loginActions are what getting a password takes, which no resource narrows.
func loginActions(public bool) []string {
	if public {
		return []string{"ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"}
	}
	return []string{"ecr:GetAuthorizationToken"}
}

// repositoryARN names a repository; "*" is all of a registry.
func repositoryARN(at place, repository string) string {
	if at.public {
		return "arn:" + at.partition.id + ":ecr-public::*:repository/" + publicName(repository)
	}
	return "arn:" + at.partition.id + ":ecr:" + at.region + ":" + at.account + ":repository/" + repository
}

// publicName is a repository of ECR Public without its alias, as ARNs have it.
func publicName(repository string) string {
	for i := range len(repository) {
		if repository[i] == '/' {
			return repository[i+1:]
		}
	}
	return repository
}

// scopePolicy narrows a session to a scope. It stays below the 2,048 characters that a
// session policy may have (STS API reference, AssumeRole), since a repository has at most
// 256.
func scopePolicy(at place, s fairlead.Scope) policy {
	p := policy{Version: policyVersion, Statement: []statement{allow("*", loginActions(at.public)...)}}
	arn := repositoryARN(at, s.Resource.Repository)
	switch {
	case at.public && s.Verb == fairlead.Pull, s.Resource.Repository == "":
		return p
	case at.public:
		p.Statement = append(p.Statement, allow(arn, publicActions()...))
	case s.Verb == fairlead.Push:
		p.Statement = append(p.Statement, allow(arn, pushActions()...))
	default:
		p.Statement = append(p.Statement, allow(arn, append(pullActions(), cacheAction)...))
	}
	return p
}

// listPolicy narrows a session to listing.
func listPolicy() policy {
	return policy{Version: policyVersion, Statement: []statement{
		allow("*", "ecr:DescribeRepositories", "ecr-public:DescribeRepositories", "sts:GetServiceBearerToken"),
	}}
}

// repositoryPolicy narrows a session to one action on one repository.
func repositoryPolicy(at place, r ref.Resource, action string) policy {
	service := "ecr:"
	p := policy{Version: policyVersion}
	if at.public {
		service = "ecr-public:"
		p.Statement = append(p.Statement, allow("*", "sts:GetServiceBearerToken"))
	}
	p.Statement = append(p.Statement, allow(repositoryARN(at, r.Repository), service+action))
	return p
}
