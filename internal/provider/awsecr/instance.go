package awsecr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// metadataAddress is the instance metadata service (EC2 User Guide, "Use the Instance
// Metadata Service to access instance metadata"). Version 2 alone is spoken.
const metadataAddress = "http://169.254.169.254"

// credentialsPath is below which the keys of the instance's role are.
const credentialsPath = "/latest/meta-data/iam/security-credentials/" //nolint:gosec // It is a path, and no secret.

// metadataTime is how long the metadata service has: it is on the same machine.
const metadataTime = 5 * time.Second

const maxMetadata = 16 << 10

// instance gives the role of the server's own instance.
func (t task) instance(ctx context.Context) (session, error) {
	if t.provider.tools.Instance == nil {
		return session{}, &fairlead.Error{
			Kind: fairlead.Denied, Code: fairlead.CodeNoRight, What: t.what, Why: "the operator of this server doesn't let connectors use the role of its instance",
			Remedy: "use method federation, or ask the operator",
		}
	}
	ctx, cancel := context.WithTimeout(ctx, metadataTime)
	defer cancel()
	proof, err := t.metadata(ctx, http.MethodPut, "/latest/api/token", map[string]string{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": "60"})
	if err != nil {
		return session{}, t.noInstance(err)
	}
	header := map[string]string{"X-Aws-Ec2-Metadata-Token": proof}
	name, err := t.metadata(ctx, http.MethodGet, credentialsPath, header)
	if err != nil {
		return session{}, t.noInstance(err)
	}
	name, _, _ = strings.Cut(strings.TrimSpace(name), "\n")
	text, err := t.metadata(ctx, http.MethodGet, credentialsPath+name, header)
	if err != nil {
		return session{}, t.noInstance(err)
	}
	var keys struct {
		Code, AccessKeyID, SecretAccessKey, Token string
		Expiration                                time.Time
	}
	if err := json.Unmarshal([]byte(text), &keys); err != nil || keys.Code != "Success" || keys.AccessKeyID == "" || keys.Token == "" {
		return session{}, t.broken("the metadata service of the instance gave keys that can't be read")
	}
	return session{
		key: keys.AccessKeyID, secret: keys.SecretAccessKey, token: keys.Token, ends: keys.Expiration, theirs: true, who: "the instance's role " + quoted(name),
	}, nil
}

// metadata makes one request to the metadata service. It is written out, since the SDK's
// own client hides what the service answers.
func (t task) metadata(ctx context.Context, method, path string, header map[string]string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, metadataAddress+path, nil)
	if err != nil {
		return "", err
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := t.provider.tools.Instance.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return "", refusedBy(res.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxMetadata))
	return string(b), err
}

// refusedBy is a status of the metadata service other than success.
type refusedBy int

// Error is for errors.AsType.
func (r refusedBy) Error() string { return fmt.Sprintf("status %d", int(r)) }

// noInstance says why the metadata service gave no role.
func (t task) noInstance(err error) error {
	e := &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeConnect, What: t.what,
		Why: "the metadata service of the instance (169.254.169.254) gives no answer",
		Remedy: "check that the server runs on an EC2 instance; if it runs in a container there, set the instance's metadata hop limit to 2 " +
			"(`aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2`)",
	}
	if fe, ok := errors.AsType[*fairlead.Error](err); ok {
		told := *fe
		told.What = t.what
		return &told
	}
	if status, ok := errors.AsType[refusedBy](err); ok {
		e.Kind, e.Code = fairlead.Denied, fairlead.CodeNoRight
		e.Why, e.Remedy = "the server's instance has no role", "have the operator give the instance an instance profile with a role, or use another method"
		if status != http.StatusNotFound {
			e.Why = fmt.Sprintf("the metadata service of the instance refuses (status %d)", int(status))
			e.Remedy = "have the operator check that the instance's metadata service is switched on"
		}
	}
	return e
}
