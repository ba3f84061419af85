package awsecr

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ecrpublic"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
	"fairlead.dev/fairlead/ref"
)

// Plan says what Deploy will do: [fairlead.Invalid] for an address that can't be one of
// the connector's repositories.
func (p Provider) Plan(c fairlead.Connector, address string) ([]string, error) {
	at, r, err := p.address(c, address)
	if err != nil {
		return nil, err
	}
	if at.public {
		return []string{
			"Create the repository " + publicName(r.Repository) + " in ECR Public, below the alias of the connector's account.",
			"Everybody will be able to pull from it, without a login.",
		}, nil
	}
	return []string{
		"Create the repository " + r.Repository + " in the private registry of account " + at.account + " in " + at.region + ".",
		"Its tags can be moved, its images are encrypted with AES-256 and scanned when they are pushed; nobody outside of the account can pull.",
		"AWS charges for what is stored in it and for what is pulled out of the region; while it is empty it costs nothing.",
	}, nil
}

// Deploy makes a repository: [fairlead.Conflict] (CodeExists) if there is one.
func (p Provider) Deploy(ctx context.Context, c provider.Opened, address string) error {
	return p.change(ctx, c, address, callCreate, "creating repository ")
}

// Destroy removes a repository that holds no image: [fairlead.Conflict] (CodeInUse) if
// it holds one, [fairlead.NotFound].
func (p Provider) Destroy(ctx context.Context, c provider.Opened, address string) error {
	return p.change(ctx, c, address, callDelete, "deleting repository ")
}

func (p Provider) change(ctx context.Context, c provider.Opened, address string, do call, what string) error {
	at, r, err := p.address(c.Connector, address)
	if err != nil {
		return err
	}
	t := p.task(c, at, fairlead.Scope{Resource: r, Verb: fairlead.Push}, what+address)
	if err := t.whole(); err != nil {
		return err
	}
	from, err := t.session(ctx, repositoryPolicy(at, r, string(do)))
	if err != nil {
		return err
	}
	if err := t.perform(ctx, from, do, r.Repository); err != nil {
		return t.explain(ctx, do, from, err)
	}
	return nil
}

func (t task) perform(ctx context.Context, from session, do call, name string) (err error) {
	switch {
	case t.at.public && do == callCreate:
		_, err = t.public(from).CreateRepository(ctx, &ecrpublic.CreateRepositoryInput{RepositoryName: aws.String(publicName(name))})
	case t.at.public:
		_, err = t.public(from).DeleteRepository(ctx, &ecrpublic.DeleteRepositoryInput{RepositoryName: aws.String(publicName(name))})
	case do == callCreate:
		_, err = t.ecr(from).CreateRepository(ctx, &ecr.CreateRepositoryInput{
			RegistryId: aws.String(t.at.account), RepositoryName: aws.String(name),
			ImageScanningConfiguration: &types.ImageScanningConfiguration{ScanOnPush: true},
		})
	default:
		_, err = t.ecr(from).DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RegistryId: aws.String(t.at.account), RepositoryName: aws.String(name)})
	}
	return err
}

// address reads where a repository is to be.
func (p Provider) address(c fairlead.Connector, s string) (place, ref.Resource, error) {
	r, err := ref.ParseResource(s)
	if err != nil {
		return place{}, ref.Resource{}, fairlead.Misread("address", err)
	}
	if err := p.Accepts(c, r.Host); err != nil {
		e := *fairlead.AsError("checking repository's address", err)
		e.Field = "address"
		return place{}, ref.Resource{}, &e
	}
	at, _ := parseHost(r.Host)
	wrong := func(why, remedy string) error {
		return &fairlead.Error{Kind: fairlead.Invalid, Field: "address", What: "reading repository's address", Why: why, Remedy: remedy}
	}
	role, isRole := parseRole(c.Public[roleField])
	switch {
	case at.public && publicName(r.Repository) == r.Repository:
		return place{}, ref.Resource{}, wrong(quoted(s)+" names no repository", "write "+publicHost+"/ALIAS/REPOSITORY")
	case r.Repository == "":
		return place{}, ref.Resource{}, wrong(quoted(s)+" names no repository", "add its name, as in "+r.Host+"/team/app")
	case isRole && !at.public && role.account != at.account:
		return place{}, ref.Resource{}, wrong("the repository would be in account "+at.account+", and role "+role.arn+" is of account "+role.account,
			"ECR lets an account make repositories only in its own registry: use a connector with a role of account "+at.account)
	}
	return at, r, nil
}
