package localcredentials

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // It names a file of the AWS CLI's cache, as that does.
	"encoding/hex"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"fairlead.dev/fairlead"
)

// familyAWS is the family of ECR.
const familyAWS fairlead.Family = "aws-ecr"

// amazon is the AWS CLI, and the variables of AWS' libraries.
type amazon struct{}

const (
	sourceAWS          = "AWS profile"
	sourceAWSVariables = "AWS variables"
)

// Find looks at the variables, unless a profile is asked for, and at the profiles.
func (amazon) Find(ctx context.Context, m Machine) []Found {
	var all []Found
	if id := m.Env("AWS_ACCESS_KEY_ID"); id != "" && m.Profile == "" {
		f := Found{Source: sourceAWSVariables, Where: "AWS_ACCESS_KEY_ID", Family: familyAWS, Expires: stamp(m.Env("AWS_CREDENTIAL_EXPIRATION"))}
		all = append(all, f.keys(id, m.Env("AWS_SECRET_ACCESS_KEY"), m.Env("AWS_SESSION_TOKEN"), m.Env("AWS_REGION")))
	}
	p := profiles{
		machine: m, credentials: m.expand(first(m.Env("AWS_SHARED_CREDENTIALS_FILE"), filepath.Join(m.Home, ".aws/credentials"))),
		config: m.expand(first(m.Env("AWS_CONFIG_FILE"), filepath.Join(m.Home, ".aws/config"))),
	}
	return append(all, p.find(ctx, first(m.Profile, m.Env("AWS_PROFILE")))...)
}

// keys makes it a key, or with a token a session.
func (f Found) keys(id, secret, token, region string) Found {
	f.Method = "secret-key"
	if token != "" {
		f.Method = "session-token"
		if f.Expires.IsZero() {
			f.Notes = append(f.Notes, "it is a session, which ends by itself within hours, and doesn't say when: say it with --expires")
		} else {
			f.Notes = append(f.Notes, "it is a session, which ends by itself")
		}
	}
	f.keep(map[string]string{"access_key_id": id, "regions": region}, map[string]string{"secret_access_key": secret, "session_token": token})
	return f
}

// profiles are the AWS CLI's two files.
type profiles struct {
	machine             Machine
	credentials, config string
}

// find gives the named profile, or all.
func (p profiles) find(ctx context.Context, wanted string) []Found {
	sections, notes, broken := p.sections()
	if broken != nil {
		return []Found{*broken}
	}
	if wanted != "" {
		if sections[wanted] == nil {
			f := Found{Source: sourceAWS, Where: fairlead.Clip(wanted), Family: familyAWS}
			return []Found{f.no("there is no such profile in "+p.credentials+" and "+p.config, "`aws configure list-profiles` lists them")}
		}
		sections = map[string]map[string]string{wanted: sections[wanted]}
	}
	var names []string
	for name := range sections {
		names = append(names, name)
	}
	slices.Sort(names)
	var all []Found
	for _, name := range names[:min(len(names), mostEntries)] {
		f := p.profile(ctx, Found{Source: sourceAWS, Where: fairlead.Clip(name), Family: familyAWS, Notes: slices.Clone(notes)}, name, sections[name])
		if f.Method != "" || f.Why != nil {
			all = append(all, f)
		}
	}
	return all
}

// sections reads the profiles that there are, with the settings that the SDK doesn't know.
// Sections without a setting of a login are none.
func (p profiles) sections() (all map[string]map[string]string, notes []string, broken *Found) {
	all = map[string]map[string]string{}
	for _, path := range []string{p.config, p.credentials} {
		f, text, there := where(sourceAWS, path)
		f.Family = familyAWS
		switch {
		case !there:
			continue
		case f.Why != nil:
			return nil, nil, &f
		case path == p.credentials:
			notes = f.Notes
		}
		for name, settings := range readSections(text, path == p.config) {
			if all[name] == nil {
				all[name] = map[string]string{}
			}
			maps.Copy(all[name], settings)
		}
	}
	return all, notes, nil
}

// readSections reads the names of an INI file's profiles and their settings. In the
// config file they are called "profile NAME".
func readSections(text []byte, isConfig bool) map[string]map[string]string {
	all := map[string]map[string]string{}
	var current map[string]string
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxFile)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if name, ok := strings.CutPrefix(line, "["); ok {
			name, _, _ = strings.Cut(name, "]")
			name = strings.TrimSpace(name)
			if isConfig && name != "default" {
				rest, is := strings.CutPrefix(name, "profile ")
				if !is {
					current = nil
					continue
				}
				name = strings.TrimSpace(rest)
			}
			if current = all[name]; current == nil {
				current = map[string]string{}
				all[name] = current
			}
			continue
		}
		if key, value, ok := strings.Cut(line, "="); ok && current != nil {
			current[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
		}
	}
	return all
}

// profile has the SDK put a profile together from both files, and says what it is.
func (p profiles) profile(ctx context.Context, f Found, name string, settings map[string]string) Found {
	c, err := config.LoadSharedConfigProfile(ctx, name, func(o *config.LoadSharedConfigOptions) {
		o.ConfigFiles, o.CredentialsFiles, o.Logger = []string{p.config}, []string{p.credentials}, logging.Nop{}
	})
	if err != nil { // its text may quote the file
		return f.no("its settings don't fit together, or can't be read", "look at it with `aws configure list --profile "+f.Where+"`")
	}
	switch {
	case c.RoleARN != "" && c.Source != nil:
		return f.role(c)
	case c.RoleARN != "":
		return f.no("it takes the role "+fairlead.Clip(c.RoleARN)+" with a token or an identity that only this machine has",
			"let the role trust Fairlead: "+guide(familyAWS, "federation"))
	case c.Credentials.HasKeys():
		f.Expires = stamp(first(settings["x_security_token_expires"], settings["aws_session_expiration"], settings["aws_expiration"], settings["expiration"]))
		return f.keys(c.Credentials.AccessKeyID, c.Credentials.SecretAccessKey, c.Credentials.SessionToken, c.Region)
	case c.SSORoleName != "":
		return p.sso(f, c)
	case c.CredentialProcess != "":
		return f.no("its keys come from a program (credential_process), which Fairlead doesn't run",
			"`aws configure export-credentials --profile "+f.Where+" --format env` prints them; better let a role trust Fairlead: "+guide(familyAWS, "federation"))
	case settings["login_session"] != "":
		return f.no("it is a person's own login (aws login)", "let a role trust Fairlead: "+guide(familyAWS, "federation"))
	}
	return f // a region, an output: no login
}

// role is a profile that assumes a role with the keys of another.
func (f Found) role(c config.SharedConfig) Found {
	f.Method, f.Account = "assume-role", fairlead.Clip(c.RoleARN)
	source := c.Source.Credentials
	switch {
	case c.MFASerial != "":
		return f.no("the role wants a one-time password (mfa_serial), which nobody types at a pull", "let a role trust Fairlead: "+guide(familyAWS, "federation"))
	case !source.HasKeys() || source.SessionToken != "":
		return f.no("the profile "+fairlead.Clip(c.SourceProfileName)+", with which it takes the role, has no key that lasts", "let the role trust Fairlead: "+guide(familyAWS, "federation"))
	}
	f.keep(map[string]string{"role_arn": c.RoleARN, "external_id": c.ExternalID, "source": "keys", "access_key_id": source.AccessKeyID, "regions": c.Region},
		map[string]string{"secret_access_key": source.SecretAccessKey})
	if c.ExternalID == "" {
		f.Notes = append(f.Notes, "Fairlead gives the role an external ID when it is registered; its trust policy has to allow it: `fairlead connector guide NAME` prints it")
	}
	return f
}

// sso takes the session that the AWS CLI has cached for a person's login, if it is still
// good (botocore, SSOCredentialFetcher).
func (p profiles) sso(f Found, c config.SharedConfig) Found {
	const remedy = "or let a role trust Fairlead, which lasts: "
	again := "`aws sso login --profile " + f.Where + "` and `aws sts get-caller-identity --profile " + f.Where + "`, then again; "
	path := filepath.Join(p.machine.Home, ".aws/cli/cache", ssoKey(c)+".json")
	got, err := read(path)
	if err != nil {
		return f.no("it is a person's login (SSO), and the AWS CLI has no session of it cached", again+remedy+guide(familyAWS, "federation"))
	}
	var cached struct {
		Credentials struct {
			ID         string `json:"AccessKeyId"`
			Secret     string `json:"SecretAccessKey"`
			Token      string `json:"SessionToken"`
			Expiration string `json:"Expiration"`
		} `json:"Credentials"`
	}
	if json.Unmarshal(got.text, &cached) != nil || cached.Credentials.Token == "" {
		return f.no("it is a person's login (SSO), and what the AWS CLI has cached of it can't be read", again+remedy+guide(familyAWS, "federation"))
	}
	f.Expires = stamp(cached.Credentials.Expiration)
	if !f.Expires.IsZero() && !p.machine.Now.Before(f.Expires) {
		return f.no("it is a person's login (SSO), and its cached session has ended at "+f.Expires.Format("2006-01-02 15:04 MST"), again+remedy+guide(familyAWS, "federation"))
	}
	f = f.keys(cached.Credentials.ID, cached.Credentials.Secret, cached.Credentials.Token, c.Region)
	f.Notes = append(f.Notes, "it is a session of a person's login (SSO)")
	return f
}

// ssoKey is the name of a session in the AWS CLI's cache.
func ssoKey(c config.SharedConfig) string {
	// The keys in their order, as Python's json.dumps(sort_keys=True) writes them.
	args := map[string]string{"accountId": c.SSOAccountID, "roleName": c.SSORoleName, "startUrl": c.SSOStartURL}
	if c.SSOSessionName != "" {
		delete(args, "startUrl")
		args["sessionName"] = c.SSOSessionName
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(args)                                // text alone
	sum := sha1.Sum(bytes.TrimRight(b.Bytes(), "\n")) //nolint:gosec // As above.
	return hex.EncodeToString(sum[:])
}

// stamp reads a time as clients write it, zero if there is none.
func stamp(text string) time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05MST", "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
