package cloudtest_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecrpublic"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	_ "github.com/awslabs/amazon-ecr-credential-helper/ecr-login" // what TestAWSCredentialHelper builds

	"fairlead.dev/fairlead/internal/cloudtest"
	"fairlead.dev/fairlead/internal/registrytest"
)

// TestAWSRights has passwords do at the registry what their session may, and no more.
func TestAWSRights(t *testing.T) {
	t.Parallel()
	n := cloudtest.New(t)
	a := cloudtest.NewAWS(t, n)
	account, other := a.Account(awsAccount), a.Account(awsOther)
	account.Push(awsRegion, "team/app", "v1", registrytest.RandomImage(t, 100))
	account.Push(awsRegion, "team/other", "v1", registrytest.RandomImage(t, 100))
	other.Push(awsRegion, "shared/app", "v1", registrytest.RandomImage(t, 100))
	other.RepositoryPolicy(awsRegion, "shared/app", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+awsAccount+
		`:root"},"Action":["ecr:BatchGetImage"]}]}`)
	other.Push(awsRegion, "closed/app", "v1", registrytest.RandomImage(t, 100))
	user := account.User("u", allowing("* sts:AssumeRole"))
	role := account.Role("r", trusting(awsAccount, ""), allowing("* ecr:*"))
	narrow, err := sts.NewFromConfig(awsConfig(n, awsRegion, user)).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: &role, RoleSessionName: aws.String("narrow"), Policy: aws.String(pulls("team/app")),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := narrow.Credentials
	narrowed := loginOf(t, awsConfig(n, awsRegion, cloudtest.AWSKey{ID: *c.AccessKeyId, Secret: *c.SecretAccessKey, Token: *c.SessionToken}))
	wide := loginOf(t, awsConfig(n, awsRegion, account.Session(role, time.Hour)))
	abroad := loginOf(t, awsConfig(n, "us-east-1", account.Session(role, time.Hour)))
	ended := account.Session(role, time.Hour)
	endedLogin := loginOf(t, awsConfig(n, awsRegion, ended))
	a.Deactivate(ended.ID)
	for _, row := range []struct {
		name, image, password string
		want                  int
		body                  string
	}{
		{"nobody", account.Host(awsRegion) + "/team/app:v1", "", 401, `Basic realm="https://123456789012.dkr.ecr.eu-west-1.amazonaws.com/",service="ecr.amazonaws.com"Not Authorized`},
		{"garbage", account.Host(awsRegion) + "/team/app:v1", "garbage", 400, "Your Authorization Token is invalid."},
		{"narrowed to it", account.Host(awsRegion) + "/team/app:v1", narrowed, 200, "schemaVersion"},
		{"narrowed to another", account.Host(awsRegion) + "/team/other:v1", narrowed, 403, "no session policy allows the ecr:BatchGetImage action"},
		{"wide", account.Host(awsRegion) + "/team/other:v1", wide, 200, "schemaVersion"},
		{"no such repository", account.Host(awsRegion) + "/team/none:v1", wide, 404, "The repository with name 'team/none' does not exist in the registry with id '123456789012'"},
		{"no such tag", account.Host(awsRegion) + "/team/app:v2", wide, 404, "MANIFEST_UNKNOWN"},
		{"of another region", account.Host(awsRegion) + "/team/app:v1", abroad, 400, "Your Authorization Token is invalid."},
		{"another account that shares", other.Host(awsRegion) + "/shared/app:v1", wide, 200, "schemaVersion"},
		{"another account that doesn't", other.Host(awsRegion) + "/closed/app:v1", wide, 403, "no resource-based policy allows the ecr:BatchGetImage action"},
		{"a session that ended", account.Host(awsRegion) + "/team/app:v1", endedLogin, 403, "The security token included in the request is invalid."},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if status, body := manifestAt(t, n, row.image, row.password); status != row.want || !strings.Contains(body, row.body) {
				t.Errorf("%d %s, want %d %s", status, body, row.want, row.body)
			}
		})
	}
}

// TestAWSLoginEnds moves the clock to where a password is over.
func TestAWSLoginEnds(t *testing.T) {
	t.Parallel()
	n := cloudtest.New(t)
	a := cloudtest.NewAWS(t, n)
	account := a.Account(awsAccount)
	account.Push(awsRegion, "team/app", "v1", registrytest.RandomImage(t, 100))
	role := account.Role("r", trusting(awsAccount, ""), pulls("*"))
	user := loginOf(t, awsConfig(n, awsRegion, account.User("u", pulls("*"))))
	session := loginOf(t, awsConfig(n, awsRegion, account.Session(role, time.Hour)))
	image := account.Host(awsRegion) + "/team/app:v1"
	for _, row := range []struct {
		name, password string
		after          time.Duration
		want           int
		body           string
	}{
		{"a user's, before", user, 11 * time.Hour, 200, ""},
		{"a session's, before", session, 59 * time.Minute, 200, ""},
		{"a session's, after", session, 61 * time.Minute, 403, "The security token included in the request is expired"},
		{"a user's, after", user, 13 * time.Hour, 403, "Your authorization token has expired. Reauthenticate and try again."},
	} {
		at := time.Now().Add(row.after)
		n.SetClock(func() time.Time { return at })
		if status, body := manifestAt(t, n, image, row.password); status != row.want || !strings.Contains(body, row.body) {
			t.Errorf("%s: %d %s, want %d %s", row.name, status, body, row.want, row.body)
		}
	}
}

// TestAWSHosts has a login work under all forms of a registry's host, got at the API's
// endpoints that go with them.
func TestAWSHosts(t *testing.T) {
	t.Parallel()
	n := cloudtest.New(t)
	a := cloudtest.NewAWS(t, n)
	for _, row := range []struct {
		partition, region, host string
		fips, dual              bool
	}{
		{"aws", "eu-west-1", ".dkr.ecr.eu-west-1.amazonaws.com", false, false},
		{"aws", "us-east-1", ".dkr.ecr-fips.us-east-1.amazonaws.com", true, false},
		{"aws", "us-west-2", ".dkr-ecr.us-west-2.on.aws", false, true},
		{"aws", "us-east-1", ".dkr-ecr-fips.us-east-1.on.aws", true, true},
		{"aws-us-gov", "us-gov-west-1", ".dkr.ecr-fips.us-gov-west-1.amazonaws.com", true, false},
		{"aws-cn", "cn-north-1", ".dkr.ecr.cn-north-1.amazonaws.com.cn", false, false},
		{"aws-cn", "cn-north-1", ".dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", false, true},
		{"aws-eusc", "eusc-de-east-1", ".dkr.ecr.eusc-de-east-1.amazonaws.eu", false, false},
		{"aws-iso", "us-iso-east-1", ".dkr.ecr.us-iso-east-1.c2s.ic.gov", false, false},
		{"aws-iso-b", "us-isob-east-1", ".dkr.ecr.us-isob-east-1.sc2s.sgov.gov", false, false},
		{"aws-iso-e", "eu-isoe-west-1", ".dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk", false, false},
		{"aws-iso-f", "us-isof-south-1", ".dkr.ecr.us-isof-south-1.csp.hci.ic.gov", false, false},
	} {
		t.Run(strings.TrimPrefix(row.host, "."), func(t *testing.T) {
			t.Parallel()
			account := a.AccountIn(row.partition, map[string]string{
				"aws": awsAccount, "aws-us-gov": "000000000001", "aws-cn": "000000000002", "aws-eusc": "000000000003", "aws-iso": "000000000004",
				"aws-iso-b": "000000000005", "aws-iso-e": "000000000006", "aws-iso-f": "000000000007",
			}[row.partition])
			account.Push(row.region, "team/app", "v1", registrytest.RandomImage(t, 10))
			key := account.User("u-"+row.host[1:], allowing("* ecr:*"))
			password := loginOf(t, awsConfig(n, row.region, key), func(o *ecr.Options) {
				if row.fips {
					o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled
				}
				if row.dual {
					o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
				}
			})
			if status, body := manifestAt(t, n, account.ID+row.host+"/team/app:v1", password); status != 200 {
				t.Errorf("%d %s", status, body)
			}
			_, err := sts.NewFromConfig(awsConfig(n, row.region, key), func(o *sts.Options) {
				if row.fips {
					o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled
				}
				if row.dual {
					o.EndpointOptions.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
				}
			}).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAWSRepositories makes, lists and removes repositories with the SDK's paginator.
func TestAWSRepositories(t *testing.T) {
	t.Parallel()
	n := cloudtest.New(t)
	a := cloudtest.NewAWS(t, n)
	account := a.Account(awsAccount)
	c := ecr.NewFromConfig(awsConfig(n, awsRegion, account.User("u", allowing("* ecr:*"))))
	for i := range 25 {
		if _, err := c.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: aws.String(fmt.Sprintf("team/app-%02d", i))}); err != nil {
			t.Fatal(err)
		}
	}
	account.Repository("us-east-1", "elsewhere")
	var names []string
	for pages := ecr.NewDescribeRepositoriesPaginator(c, &ecr.DescribeRepositoriesInput{MaxResults: aws.Int32(10)}); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Repositories {
			names = append(names, *r.RepositoryName)
		}
	}
	if len(names) != 25 || names[24] != "team/app-24" {
		t.Errorf("listed: %v", names)
	}
	account.Push(awsRegion, "team/full", "v1", registrytest.RandomImage(t, 10))
	for _, row := range []struct {
		name string
		do   func(context.Context) error
		want string
	}{
		{"made twice", func(ctx context.Context) error {
			_, err := c.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: aws.String("team/app-01")})
			return err
		}, "RepositoryAlreadyExistsException"},
		{"a name that is none", func(ctx context.Context) error {
			_, err := c.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: aws.String("Team")})
			return err
		}, "InvalidParameterException"},
		{"removed", func(ctx context.Context) error {
			_, err := c.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: aws.String("team/app-01")})
			return err
		}, ""},
		{"removed twice", func(ctx context.Context) error {
			_, err := c.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: aws.String("team/app-01")})
			return err
		}, "RepositoryNotFoundException"},
		{"removed with images", func(ctx context.Context) error {
			_, err := c.DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: aws.String("team/full")})
			return err
		}, "RepositoryNotEmptyException"},
	} {
		if got := codeOf(t, row.do(t.Context())); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

// TestAWSPublic has the SDK log in to ECR Public, and trades the login for a token.
func TestAWSPublic(t *testing.T) {
	t.Parallel()
	n := cloudtest.New(t)
	a := cloudtest.NewAWS(t, n)
	account := a.Account(awsAccount)
	account.PublicAlias("acme")
	c := ecrpublic.NewFromConfig(awsConfig(n, "us-east-1", account.User("u", allowing("* ecr-public:* sts:GetServiceBearerToken"))))
	if _, err := c.CreateRepository(t.Context(), &ecrpublic.CreateRepositoryInput{RepositoryName: aws.String("app")}); err != nil {
		t.Fatal(err)
	}
	registrytest.Push(t, a.Public(), registrytest.RandomImage(t, 10), "acme/app:v1", registrytest.Account{})
	half := ecrpublic.NewFromConfig(awsConfig(n, "us-east-1", account.User("half", allowing("* ecr-public:*"))))
	if _, err := half.GetAuthorizationToken(t.Context(), &ecrpublic.GetAuthorizationTokenInput{}); codeOf(t, err) != "AccessDeniedException" {
		t.Errorf("without sts:GetServiceBearerToken: %v", err)
	}
	out, err := c.GetAuthorizationToken(t.Context(), &ecrpublic.GetAuthorizationTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := manifestAt(t, n, "public.ecr.aws/acme/app:v1", ""); status != 401 || !strings.Contains(body, `Bearer realm="https://public.ecr.aws/token/"`) {
		t.Errorf("without a token: %d %s", status, body)
	}
	for name, password := range map[string]string{"anonymous": "", "with a login": passwordOf(t, out.AuthorizationData.AuthorizationToken)} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://public.ecr.aws/token/?service=public.ecr.aws&scope=aws", nil)
		if err != nil {
			t.Fatal(err)
		}
		if password != "" {
			req.SetBasicAuth("AWS", password)
		}
		status, body := answerOf(t, n, req)
		if status != 200 {
			t.Fatalf("%s: %d %s", name, status, body)
		}
		_, rest, _ := strings.Cut(body, `"token":"`)
		token, _, _ := strings.Cut(rest, `"`)
		if req, err = http.NewRequestWithContext(t.Context(), http.MethodGet, "https://public.ecr.aws/v2/acme/app/manifests/v1", nil); err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		if status, body := answerOf(t, n, req); status != 200 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

// TestAWSCredentialHelper runs Amazon's credential helper, unchanged, and skopeo with it.
func TestAWSCredentialHelper(t *testing.T) {
	t.Parallel()
	n := cloudtest.New(t)
	a := cloudtest.NewAWS(t, n)
	account := a.Account(awsAccount)
	digest := account.Push(awsRegion, "team/app", "v1", registrytest.RandomImage(t, 5000))
	key := account.User("u", pulls("*"))
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "docker-credential-ecr-login"),
		"github.com/awslabs/amazon-ecr-credential-helper/ecr-login/cli/docker-credential-ecr-login")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	config := `{"credHelpers":{"` + account.Host(awsRegion) + `":"ecr-login"}}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "skopeo", "copy", "--insecure-policy",
		"--authfile", filepath.Join(dir, "config.json"), "docker://"+account.Host(awsRegion)+"/team/app:v1", "oci:"+filepath.Join(dir, "image"))
	cmd.Env = append(n.Env(), "PATH="+dir+":/usr/bin:/bin", "HOME="+dir, "AWS_ACCESS_KEY_ID="+key.ID, "AWS_SECRET_ACCESS_KEY="+key.Secret, "TMPDIR="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	index, err := os.ReadFile(filepath.Join(dir, "image", "index.json"))
	if err != nil || !strings.Contains(string(index), digest) {
		t.Errorf("%v, want %s in\n%s", err, digest, index)
	}
	asked := map[string]bool{}
	for _, r := range n.Requests() {
		asked[r.Host] = true
	}
	for _, host := range []string{"api.ecr.eu-west-1.amazonaws.com", account.Host(awsRegion), "prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com"} {
		if !asked[host] {
			t.Errorf("%s wasn't asked: %v", host, asked)
		}
	}
}
