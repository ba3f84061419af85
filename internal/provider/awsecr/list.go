package awsecr

import (
	"context"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ecrpublic"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"golang.org/x/sync/errgroup"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/provider"
)

const (
	// pageSize is the greatest that ECR gives (Amazon ECR API reference,
	// DescribeRepositories).
	pageSize = 1000
	// atOnce is how many regions are asked at the same time.
	atOnce = 4
)

// Resources lists the registry of the connector's account in each of its regions, with
// all of its repositories; and those of ECR Public, if it may see them.
func (p Provider) Resources(ctx context.Context, c provider.Opened) ([]fairlead.FoundResource, error) {
	names, err := p.regionsOf(c.Connector)
	if err != nil {
		return nil, err
	}
	home := p.task(c, place{region: names[0], partition: partitionOf(names[0])}, fairlead.Scope{}, "listing repositories in "+names[0])
	if err := home.whole(); err != nil {
		return nil, err
	}
	from, err := home.session(ctx, listPolicy())
	if err != nil {
		return nil, err
	}
	account, err := home.account(ctx, from)
	if err != nil {
		return nil, err
	}
	found := make([][]fairlead.FoundResource, len(names)+1)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, name := range names {
		t := p.task(c, place{account: account, region: name, partition: partitionOf(name)}, fairlead.Scope{}, "listing repositories in "+name)
		g.Go(func() (err error) {
			found[i], err = t.repositories(ctx, from)
			return err
		})
	}
	if main := partitions()[0]; home.at.partition.id == main.id {
		t := p.task(c, place{region: main.region, partition: main, public: true}, fairlead.Scope{}, "listing repositories of "+publicHost)
		g.Go(func() (err error) {
			found[len(names)], err = t.publicRepositories(ctx, from)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// regionsOf gives the connector's regions, or the main one of its role's partition.
func (Provider) regionsOf(c fairlead.Connector) ([]string, error) {
	names, err := readRegions(c.Public[regionsField])
	if err != nil || len(names) > 0 {
		return names, err
	}
	if r, ok := parseRole(c.Public[roleField]); ok {
		home, _ := partitionNamed(r.partition)
		return []string{home.region}, nil
	}
	return []string{partitions()[0].region}, nil
}

// account asks whose the session is, for which no right is needed (STS API reference,
// GetCallerIdentity).
func (t task) account(ctx context.Context, from session) (string, error) {
	out, err := t.sts(from).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", t.explain(ctx, callIdentity, from, err)
	}
	return aws.ToString(out.Account), nil
}

func (t task) repositories(ctx context.Context, from session) ([]fairlead.FoundResource, error) {
	host := registry(t.at.account, t.at.region)
	found := []fairlead.FoundResource{{
		Kind: fairlead.RegistryResource, Address: host, Pattern: host + "/*", Location: t.at.region, Detail: "private registry of account " + t.at.account,
	}}
	pages := ecr.NewDescribeRepositoriesPaginator(t.ecr(from), &ecr.DescribeRepositoriesInput{MaxResults: aws.Int32(pageSize)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, t.explain(ctx, callList, from, err)
		}
		for _, r := range page.Repositories {
			address := host + "/" + aws.ToString(r.RepositoryName)
			detail := ""
			if r.ImageTagMutability == types.ImageTagMutabilityImmutable {
				detail = "tags can't be moved"
			}
			found = append(found, fairlead.FoundResource{Kind: fairlead.RepositoryResource, Address: address, Pattern: address, Location: t.at.region, Detail: detail})
		}
	}
	found[0].Detail += ", " + strconv.Itoa(len(found)-1) + " repositories"
	return found, nil
}

// publicRepositories lists what the account has in ECR Public: nothing, if the session
// may not see it, since pulling from there takes no right.
func (t task) publicRepositories(ctx context.Context, from session) ([]fairlead.FoundResource, error) {
	var found []fairlead.FoundResource
	pages := ecrpublic.NewDescribeRepositoriesPaginator(t.public(from), &ecrpublic.DescribeRepositoriesInput{MaxResults: aws.Int32(pageSize)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			if err = t.explain(ctx, callList, from, err); fairlead.CodeOf(err) == fairlead.CodeNoRight {
				return nil, nil
			}
			return nil, err
		}
		for _, r := range page.Repositories {
			address := aws.ToString(r.RepositoryUri)
			found = append(found, fairlead.FoundResource{
				Kind: fairlead.RepositoryResource, Address: address, Pattern: address, Location: "public", Detail: "everybody may pull from it",
			})
		}
	}
	return found, nil
}
