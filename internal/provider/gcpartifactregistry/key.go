package gcpartifactregistry

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"

	"fairlead.dev/fairlead"
)

// key is a service account's key, read.
type key struct {
	email, id, project string
	private            *rsa.PrivateKey
}

// keyFile is what a key's file holds, and what tells other files of Google's from it
// (docs.cloud.google.com/iam/docs/keys-create-delete; google.aip.dev/auth/4112).
type keyFile struct {
	Type      string          `json:"type"`
	Project   string          `json:"project_id"`
	ID        string          `json:"private_key_id"`
	Private   string          `json:"private_key"`
	Email     string          `json:"client_email"`
	TokenURI  string          `json:"token_uri"`
	Universe  string          `json:"universe_domain"`
	Installed json.RawMessage `json:"installed"`
	Web       json.RawMessage `json:"web"`
}

const keyRemedy = "give the JSON file as it was downloaded; `gcloud iam service-accounts keys create key.json --iam-account=ACCOUNT` makes one"

func badKey(why, remedy string) *fairlead.Error {
	return &fairlead.Error{Kind: fairlead.Invalid, Field: keyField, What: "reading service account key", Why: why, Remedy: remedy}
}

// tokenURIs are where keys' files may send their assertions. Whichever stands there, the
// first is used: a file must not choose who sees what the key has signed.
func tokenURIs() []string {
	return []string{oauthURL, "https://www.googleapis.com/oauth2/v4/token", "https://accounts.google.com/o/oauth2/token", ""}
}

// parseKey reads a key's file: JSON, or that in base64 with or without line breaks, as
// people pass it through variables of pipelines.
func parseKey(b []byte) (key, error) {
	b = bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\ufeff")))
	if len(b) == 0 {
		return key{}, badKey("the key is empty", keyRemedy)
	}
	if b[0] != '{' {
		decoded, ok := unbase64(b)
		if !ok {
			return key{}, notKey(string(b))
		}
		b = decoded
	}
	var f keyFile
	if err := json.Unmarshal(b, &f); err != nil {
		return key{}, badKey("it begins like a JSON file and isn't one: it is cut short, or its quotes or line breaks were changed on the way", keyRemedy)
	}
	return f.key()
}

// unbase64 decodes base64 that holds JSON.
func unbase64(b []byte) ([]byte, bool) {
	packed := bytes.Join(bytes.Fields(b), nil)
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if out, err := e.DecodeString(string(packed)); err == nil {
			out = bytes.TrimSpace(out)
			return out, len(out) > 0 && out[0] == '{'
		}
	}
	return nil, false
}

// notKey says what somebody has pasted instead of a key's file.
func notKey(s string) error {
	switch {
	case strings.HasPrefix(s, "-----BEGIN"):
		return badKey("it is a bare private key, and whose it is isn't said", keyRemedy)
	case strings.HasPrefix(s, "ya29."):
		return badKey("it is an access token and not a key", "use method "+accessToken+", or "+keyRemedy)
	case strings.HasPrefix(s, "AIza"):
		return badKey("it is an API key, with which nobody logs in to a registry", keyRemedy)
	case strings.HasPrefix(s, "/"), strings.HasPrefix(s, "~"), strings.HasPrefix(s, "@"), strings.HasSuffix(s, ".json"):
		return badKey("it looks like the name of a file and not like what is in it", "give the file with --key-file")
	default:
		return badKey("it is not a JSON file", keyRemedy)
	}
}

// key checks what the file holds. Everything that would make a client do something else
// than sign with a key is refused.
func (f keyFile) key() (key, error) {
	if err := f.checkType(); err != nil {
		return key{}, err
	}
	var missing []string
	for _, field := range []struct{ name, value string }{{"client_email", f.Email}, {"private_key", f.Private}, {"private_key_id", f.ID}} {
		if field.value == "" {
			missing = append(missing, field.name)
		}
	}
	switch {
	case len(missing) > 0:
		return key{}, badKey("the file has no "+strings.Join(missing, " and no "), keyRemedy)
	case !isAccount(f.Email):
		return key{}, badKey("its client_email "+quoted(f.Email)+" is not a service account's", keyRemedy)
	case f.Universe != "" && f.Universe != "googleapis.com":
		return key{}, badKey("it is a key of another cloud than Google's own ("+quoted(f.Universe)+")", "use a service account of Google Cloud")
	case !slices.Contains(tokenURIs(), f.TokenURI):
		return key{}, badKey("its token_uri "+quoted(f.TokenURI)+" is not Google's", "download the key again, and never use this file: who has changed it wants to see what the key signs")
	case f.Project != "" && !isProject(f.Project):
		return key{}, badKey("its project_id "+quoted(f.Project)+" is not a project's ID", keyRemedy)
	case len(f.ID) > 128 || strings.Trim(f.ID, "0123456789abcdef") != "":
		return key{}, badKey("its private_key_id is not a key's ID", keyRemedy)
	}
	private, err := parsePrivate(f.Private)
	if err != nil {
		return key{}, err
	}
	return key{email: f.Email, id: f.ID, project: f.Project, private: private}, nil
}

// checkType says what else of Google's the file is.
func (f keyFile) checkType() error {
	switch f.Type {
	case "service_account":
		return nil
	case "authorized_user", "external_account_authorized_user":
		return badKey("it is the login of a person (application default credentials), not a service account's key", "use method "+federation+", or a service account: "+keyRemedy)
	case "external_account":
		return badKey("it is a configuration for workload identity federation, not a key", "use method "+federation+" with the provider that stands in its audience")
	case "impersonated_service_account":
		return badKey("it is a configuration for impersonation, not a key", "use method "+impersonation+" with the key of the account that impersonates")
	case "gdch_service_account":
		return badKey("it is a key for Google Distributed Cloud, which has no Artifact Registry", keyRemedy)
	case "":
		if f.Installed != nil || f.Web != nil {
			return badKey("it is an OAuth client's secret, not a service account's key", keyRemedy)
		}
		return badKey("the file has no type", keyRemedy)
	default:
		return badKey("its type is "+quoted(f.Type)+" and not service_account", keyRemedy)
	}
}

// The sizes of RSA keys that are taken. Google's have 2048 bits; one that is larger than
// any sensible key only costs time.
const (
	leastBits = 2048
	mostBits  = 8192
)

// parsePrivate reads the PEM block with the private key (PKCS #8 or #1). Files that
// went through a shell or a form often have \n where line breaks were.
func parsePrivate(s string) (*rsa.PrivateKey, error) {
	s = strings.ReplaceAll(s, `\n`, "\n")
	block, rest := pem.Decode([]byte(s))
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, badKey("its private_key is no PEM block: it is cut short, or its line breaks were changed on the way", keyRemedy)
	}
	var parsed any
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		if parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
			return nil, badKey("its private_key can't be read", keyRemedy)
		}
	}
	private, ok := parsed.(*rsa.PrivateKey)
	switch {
	case !ok:
		return nil, badKey("its private_key is not an RSA key", keyRemedy)
	case private.N.BitLen() < leastBits || private.N.BitLen() > mostBits:
		return nil, badKey("its private_key has a size that Google's keys don't have", keyRemedy)
	}
	return private, nil
}
