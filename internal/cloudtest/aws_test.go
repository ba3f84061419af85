package cloudtest_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"fairlead.dev/fairlead/internal/cloudtest"
)

const (
	awsAccount = "123456789012"
	awsOther   = "210987654321"
	awsRegion  = "eu-west-1"
)

// allowing is an identity policy; each line is a resource and its actions.
func allowing(lines ...string) string {
	var statements []string
	for _, line := range lines {
		words := strings.Fields(line)
		statements = append(statements, fmt.Sprintf(`{"Effect":"Allow","Resource":%q,"Action":["%s"]}`, words[0], strings.Join(words[1:], `","`)))
	}
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// pulls may log in, and pull from repositories of the account.
func pulls(repositories string) string {
	return allowing("* ecr:GetAuthorizationToken",
		"arn:aws:ecr:*:"+awsAccount+":repository/"+repositories+" ecr:BatchGetImage ecr:GetDownloadUrlForLayer ecr:BatchCheckLayerAvailability ecr:ListImages")
}

func trusting(principal, condition string) string {
	if condition != "" {
		condition = `,"Condition":{"StringEquals":{` + condition + `}}`
	}
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"` + principal + `"}` + condition + `}]}`
}

// awsConfig is as a program has it that knows its keys.
func awsConfig(n *cloudtest.Internet, region string, k cloudtest.AWSKey) aws.Config {
	return aws.Config{
		Region: region, HTTPClient: n.Client(), Credentials: credentials.NewStaticCredentialsProvider(k.ID, k.Secret, k.Token),
		Retryer: func() aws.Retryer { return retry.AddWithMaxBackoffDelay(retry.NewStandard(), time.Millisecond) },
	}
}

// codeOf is the error code that AWS answered; "" for success.
func codeOf(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		t.Fatalf("not an answer of AWS: %v", err)
	}
	return e.ErrorCode()
}

// passwordOf gives what stands in the token.
func passwordOf(t *testing.T, token *string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(aws.ToString(token))
	if err != nil {
		t.Fatal(err)
	}
	name, password, _ := strings.Cut(string(b), ":")
	if name != "AWS" {
		t.Fatalf("the login is of %q", name)
	}
	return password
}

func loginOf(t *testing.T, c aws.Config, options ...func(*ecr.Options)) string {
	t.Helper()
	out, err := ecr.NewFromConfig(c, options...).GetAuthorizationToken(t.Context(), &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	return passwordOf(t, out.AuthorizationData[0].AuthorizationToken)
}

// manifestAt asks a registry for a manifest with a Basic login.
func manifestAt(t *testing.T, n *cloudtest.Internet, image, password string) (status int, body string) {
	t.Helper()
	host, rest, _ := strings.Cut(image, "/")
	name, tag, _ := strings.Cut(rest, ":")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/v2/"+name+"/manifests/"+tag, nil)
	if err != nil {
		t.Fatal(err)
	}
	if password != "" {
		req.SetBasicAuth("AWS", password)
	}
	return answerOf(t, n, req)
}

func answerOf(t *testing.T, n *cloudtest.Internet, req *http.Request) (int, string) {
	t.Helper()
	res, err := n.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var b strings.Builder
	if _, err := fmt.Fprint(&b, res.Header.Get("Www-Authenticate")); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 1<<16)
	k, _ := res.Body.Read(buffer)
	b.Write(buffer[:k])
	return res.StatusCode, b.String()
}

// TestAWSKeys has the SDK log in with keys that are right and wrong.
func TestAWSKeys(t *testing.T) {
	t.Parallel()
	n := cloudtest.New(t)
	a := cloudtest.NewAWS(t, n)
	account := a.Account(awsAccount)
	key := account.User("puller", pulls("*"))
	role := account.Role("r", trusting(awsAccount, ""), pulls("*"))
	gone := account.User("gone", pulls("*"))
	a.Deactivate(gone.ID)
	session := account.Session(role, time.Hour)
	for _, row := range []struct {
		name   string
		key    cloudtest.AWSKey
		region string
		want   string
	}{
		{"a user's", key, awsRegion, ""},
		{"a session's", session, awsRegion, ""},
		{"FIPS region of its own", key, "us-east-1", ""},
		{"another secret", cloudtest.AWSKey{ID: key.ID, Secret: session.Secret}, awsRegion, "InvalidSignatureException"},
		{"no such key", cloudtest.AWSKey{ID: "AKIAQQQQQQQQQQQQQQQQ", Secret: key.Secret}, awsRegion, "UnrecognizedClientException"},
		{"a key that was deactivated", gone, awsRegion, "UnrecognizedClientException"},
		{"a session without its token", cloudtest.AWSKey{ID: session.ID, Secret: session.Secret}, awsRegion, "UnrecognizedClientException"},
		{"a user with a token", cloudtest.AWSKey{ID: key.ID, Secret: key.Secret, Token: session.Token}, awsRegion, "UnrecognizedClientException"},
		{"another partition", key, "cn-north-1", "UnrecognizedClientException"},
		{"a session that has ended", account.Session(role, -time.Second), awsRegion, "ExpiredTokenException"},
		{"a user without the right", account.User("nobody", allowing("* ecr:DescribeRepositories")), awsRegion, "AccessDeniedException"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			out, err := ecr.NewFromConfig(awsConfig(n, row.region, row.key)).GetAuthorizationToken(t.Context(), &ecr.GetAuthorizationTokenInput{})
			if got := codeOf(t, err); got != row.want {
				t.Fatalf("%s, want %s: %v", got, row.want, err)
			}
			if err != nil {
				return
			}
			d := out.AuthorizationData[0]
			if d.ExpiresAt.Sub(n.Now()).Round(time.Minute) != 12*time.Hour || *d.ProxyEndpoint != "https://"+account.Host(row.region) {
				t.Errorf("ends %v, endpoint %s", d.ExpiresAt, *d.ProxyEndpoint)
			}
			passwordOf(t, d.AuthorizationToken)
		})
	}
}

// TestAWSClock has the SDK learn how far off its clock is.
func TestAWSClock(t *testing.T) {
	t.Parallel()
	n := cloudtest.New(t)
	n.SetClock(func() time.Time { return time.Now().Add(time.Hour) })
	a := cloudtest.NewAWS(t, n)
	config := awsConfig(n, awsRegion, a.Account(awsAccount).User("u", pulls("*")))
	loginOf(t, config)
	a.Set(func(k *cloudtest.AWSKnobs) { k.Undated = true })
	_, err := ecr.NewFromConfig(config).GetAuthorizationToken(t.Context(), &ecr.GetAuthorizationTokenInput{})
	if err == nil || !strings.Contains(err.Error(), "Signature expired") {
		t.Errorf("a clock that is an hour behind: %v", err)
	}
}

// TestAWSAssume has sessions of roles, with and without what their trust asks for.
func TestAWSAssume(t *testing.T) {
	t.Parallel()
	n := cloudtest.New(t)
	a := cloudtest.NewAWS(t, n)
	account, other := a.Account(awsAccount), a.Account(awsOther)
	role := account.Role("r", trusting(awsOther, `"sts:ExternalId":"fairlead:1"`), pulls("*"))
	named := account.Role("named", trusting("arn:aws:iam::"+awsAccount+":user/own", ""), pulls("*"))
	off := other.Role("off", trusting(awsOther, ""), pulls("*"))
	other.DisableRegion(awsRegion)
	may := other.User("may", allowing("* sts:AssumeRole"))
	own := account.User("own", allowing("* ecr:Nothing"))
	input := func(change func(*sts.AssumeRoleInput)) *sts.AssumeRoleInput {
		in := &sts.AssumeRoleInput{RoleArn: aws.String(role), RoleSessionName: aws.String("s"), ExternalId: aws.String("fairlead:1")}
		in.RoleSessionName = aws.String("session")
		change(in)
		return in
	}
	for _, row := range []struct {
		name string
		key  cloudtest.AWSKey
		in   *sts.AssumeRoleInput
		want string
	}{
		{"as agreed", may, input(func(*sts.AssumeRoleInput) {}), ""},
		{"its own account's, by name", own, input(func(in *sts.AssumeRoleInput) { in.RoleArn, in.ExternalId = &named, nil }), ""},
		{"without external ID", may, input(func(in *sts.AssumeRoleInput) { in.ExternalId = nil }), "AccessDenied"},
		{"another external ID", may, input(func(in *sts.AssumeRoleInput) { in.ExternalId = aws.String("fairlead:2") }), "AccessDenied"},
		{"without the right", other.User("may-not", pulls("*")), input(func(*sts.AssumeRoleInput) {}), "AccessDenied"},
		{"not trusted", own, input(func(*sts.AssumeRoleInput) {}), "AccessDenied"},
		{"no such role", may, input(func(in *sts.AssumeRoleInput) { in.RoleArn = aws.String(role + "x") }), "AccessDenied"},
		{"a region that is off", may, input(func(in *sts.AssumeRoleInput) { in.RoleArn = &off }), "RegionDisabledException"},
		{"too long", may, input(func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(7200) }), "ValidationError"},
		{"a policy that is none", may, input(func(in *sts.AssumeRoleInput) { in.Policy = aws.String(`{"Statement":1}`) }), "MalformedPolicyDocument"},
		{"another secret", cloudtest.AWSKey{ID: may.ID, Secret: own.Secret}, input(func(*sts.AssumeRoleInput) {}), "SignatureDoesNotMatch"},
		{"no such key", cloudtest.AWSKey{ID: "AKIAQQQQQQQQQQQQQQQQ", Secret: own.Secret}, input(func(*sts.AssumeRoleInput) {}), "InvalidClientTokenId"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			out, err := sts.NewFromConfig(awsConfig(n, awsRegion, row.key)).AssumeRole(t.Context(), row.in)
			if got := codeOf(t, err); got != row.want {
				t.Fatalf("%s, want %s: %v", got, row.want, err)
			}
			if err != nil {
				return
			}
			k := cloudtest.AWSKey{ID: *out.Credentials.AccessKeyId, Secret: *out.Credentials.SecretAccessKey, Token: *out.Credentials.SessionToken}
			who, err := sts.NewFromConfig(awsConfig(n, awsRegion, k)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
			if err != nil || *who.Account != awsAccount || !strings.Contains(*who.Arn, ":assumed-role/") {
				t.Errorf("the session is of %+v: %v", who, err)
			}
		})
	}
}

// TestAWSInstance has the SDK's own provider take the instance's role from the metadata
// service.
func TestAWSInstance(t *testing.T) {
	t.Parallel()
	n := cloudtest.New(t)
	a := cloudtest.NewAWS(t, n)
	account := a.Account(awsAccount)
	a.Instance(awsRegion, account.Role("worker", trusting(awsAccount, ""), pulls("*")))
	client := imds.New(imds.Options{HTTPClient: n.Client(), Endpoint: "http://169.254.169.254", EnableFallback: aws.FalseTernary})
	region, err := client.GetRegion(t.Context(), &imds.GetRegionInput{})
	if err == nil && region.Region != awsRegion {
		t.Errorf("region %s", region.Region)
	}
	keys, err := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = client }).Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	loginOf(t, awsConfig(n, awsRegion, cloudtest.AWSKey{ID: keys.AccessKeyID, Secret: keys.SecretAccessKey, Token: keys.SessionToken}))
	if code, body := get(t, n.Client(), "http://169.254.169.254/latest/meta-data/iam/security-credentials/"); code != 401 {
		t.Errorf("version 1: %d %s", code, body)
	}
}

// TestAWSFaults has the SDK meet what AWS answers when it is unwell.
func TestAWSFaults(t *testing.T) {
	t.Parallel()
	n := cloudtest.New(t)
	a := cloudtest.NewAWS(t, n)
	key := a.Account(awsAccount).User("u", pulls("*"))
	const host = "api.ecr.eu-west-1.amazonaws.com"
	mend := n.Break(cloudtest.AWSFault(host, 400, "ThrottlingException", "Rate exceeded"))
	_, err := ecr.NewFromConfig(awsConfig(n, awsRegion, key)).GetAuthorizationToken(t.Context(), &ecr.GetAuthorizationTokenInput{})
	if got := codeOf(t, err); got != "ThrottlingException" {
		t.Error(got)
	}
	mend()
	once := cloudtest.AWSFault(host, 500, "ServerException", "")
	once.Times = 1
	n.Break(once)
	loginOf(t, awsConfig(n, awsRegion, key))
	n.Break(cloudtest.AWSFault("sts.eu-west-1.amazonaws.com", 400, "Throttling", "Rate exceeded"))
	_, err = sts.NewFromConfig(awsConfig(n, awsRegion, key)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if got := codeOf(t, err); got != "Throttling" {
		t.Error(got)
	}
	for name, password := range map[string]string{"huge": strings.Repeat("x", 4096), "with a colon": "a:b=c:d=="} {
		a.Set(func(k *cloudtest.AWSKnobs) { k.Password = func() string { return password } })
		if got := loginOf(t, awsConfig(n, awsRegion, key)); got != password {
			t.Errorf("%s: %q", name, got)
		}
	}
	a.Set(func(k *cloudtest.AWSKnobs) { k.Expiry = -24 * time.Hour })
	out, err := ecr.NewFromConfig(awsConfig(n, awsRegion, key)).GetAuthorizationToken(t.Context(), &ecr.GetAuthorizationTokenInput{})
	if err != nil || !out.AuthorizationData[0].ExpiresAt.Before(n.Now()) {
		t.Errorf("%+v %v", out, err)
	}
}
