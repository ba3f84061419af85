package clientlogin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// helperTime is how long a credential helper may take: a keychain may ask its user.
const helperTime = 2 * time.Minute

// notFound is what a helper says of what it doesn't have (docker-credential-helpers,
// credentials/error.go). It comes on standard output.
const notFound = "credentials not found in native keychain"

var errNotFound = errors.New(notFound)

// helperCredentials is what helpers speak of.
type helperCredentials struct {
	ServerURL string
	Username  string
	Secret    string
}

// putHelper has Docker's credential store keep a login. What a store holds can't be put
// back without writing it down elsewhere, so that another login stays.
func (p Places) putHelper(ctx context.Context, s *state, r *record, l Login) error {
	if _, known := s.find(*r); !known {
		err := askHelper(ctx, r.Helper, "get", []byte(r.Key))
		switch {
		case err == nil:
			return &fairlead.Error{
				Kind: fairlead.Conflict, What: "logging in docker", Why: "docker-credential-" + r.Helper + " has another login for " + r.Key + ", which would be lost",
				Remedy: "log out of it first (`docker logout " + l.Resource.Host + "`), if that is meant",
			}
		case !errors.Is(err, errNotFound):
			return err
		}
	}
	if err := s.put(*r); err != nil {
		return err
	}
	b, err := json.Marshal(helperCredentials{r.Key, l.Username, string(l.Password.Reveal())}) //nolint:gosec // It is what the protocol is for.
	if err == nil {
		err = askHelper(ctx, r.Helper, "store", b)
	}
	return err
}

// eraseHelper takes a login out of Docker's credential store.
func eraseHelper(ctx context.Context, r record) (note string, err error) {
	err = askHelper(ctx, r.Helper, "erase", []byte(r.Key))
	if errors.Is(err, errNotFound) {
		return "it was gone already", nil
	}
	return "", err
}

// askHelper runs a credential helper: what it says on an error comes on its standard
// output.
func askHelper(ctx context.Context, name, action string, in []byte) error {
	ctx, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	program := "docker-credential-" + name
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, action) //nolint:gosec // Docker's configuration of this user names it, without a path.
	cmd.Stdin, cmd.Stdout = bytes.NewReader(in), &out
	err := cmd.Run()
	said := strings.TrimSpace(out.String())
	switch {
	case err == nil:
		return nil
	case said == notFound:
		return errNotFound
	case errors.Is(err, exec.ErrNotFound):
		said = "it isn't on the PATH"
	case said == "" || action == "get": // what it says then may hold a secret
		said = err.Error()
	}
	return &fairlead.Error{
		Kind: fairlead.Unavailable, What: "asking " + program + " to " + action + " a login", Why: fairlead.Clip(said),
		Remedy: "mend it, or take it out of Docker's config.json (credsStore, credHelpers)",
	}
}
