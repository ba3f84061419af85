package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/localcredentials"
	"fairlead.dev/fairlead/wire"
)

// foundFlags are the ways to give a connector beside its fields: a login that a vendor's
// client left on this machine, or a file.
type foundFlags struct {
	fields  *fieldFlags
	auto    bool
	file    string
	pick    int
	profile string
}

func (f *foundFlags) add(c *cobra.Command) {
	c.Flags().BoolVar(&f.auto, "auto-configure", false, "take a login that a vendor's client (gcloud, aws, az, docker, podman, jf) left on this machine")
	c.Flags().IntVar(&f.pick, "pick", 0, "with --auto-configure: the number of the login to take, where there are several")
	c.Flags().StringVar(&f.profile, "profile", "", "with --auto-configure: the profile of AWS to look at (default: all)")
	c.Flags().StringVar(&f.file, "from-file", "", "take a description of a connector (YAML or JSON), or a vendor's key file as it is; - is standard input")
}

// connector gives the name and the fields of the connector that is to be made.
func (f *foundFlags) connector(ctx context.Context, args []string) (string, *wire.ConnectorFields, error) {
	switch {
	case f.auto && f.file != "":
		return "", nil, usage("give --auto-configure or --from-file, not both")
	case !f.auto && (f.pick != 0 || f.profile != ""):
		return "", nil, usage("--pick and --profile are for --auto-configure")
	case f.auto:
		return f.choose(ctx, args)
	case f.file != "":
		return f.read(ctx, args)
	case len(args) == 0:
		return "", nil, usage("give the connector's NAME")
	case f.fields.family == "":
		return "", nil, usage("give --family: %s; or --auto-configure to take a login of this machine", strings.Join(f.fields.familyNames(), " or "))
	}
	made, err := f.fields.connector("", true)
	return args[0], made, err
}

func (f *foundFlags) machine() localcredentials.Machine {
	a := f.fields.app
	home := a.env("HOME")
	if home == "" {
		home, _ = os.UserHomeDir() // without one, nothing is found below it
	}
	return localcredentials.Machine{
		Env: a.env, Home: home, UID: os.Getuid(), Now: a.now(), Profile: f.profile, Run: runHelper, Providers: f.fields.providers,
	}
}

// choose looks for logins on this machine, shows them, and takes one.
func (f *foundFlags) choose(ctx context.Context, args []string) (string, *wire.ConnectorFields, error) {
	a := f.fields.app
	if err := f.foreign(); err != nil {
		return "", nil, err
	}
	all := localcredentials.Search(ctx, f.machine(), fairlead.Family(f.fields.family))
	usable := 0
	for _, one := range all {
		if one.Why == nil {
			usable++
		}
	}
	a.showFound(all)
	if usable == 0 {
		return "", nil, &fairlead.Error{
			Kind: fairlead.NotFound, What: "looking for logins on this machine", Why: f.nothing(len(all)),
			Remedy: "log in with the vendor's client first, or give the account's fields: `fairlead connector types` lists them",
		}
	}
	n, err := f.number(usable)
	if err != nil {
		return "", nil, err
	}
	chosen := all[n-1]
	name, err := f.name(args, string(chosen.Family))
	if err != nil {
		return "", nil, err
	}
	made, err := f.made(chosen)
	return name, made, err
}

func (f *foundFlags) nothing(found int) string {
	switch {
	case found > 0:
		return "none of what was found can be a connector"
	case f.fields.family != "":
		return "there is none of family " + f.fields.family
	default:
		return "there is none of gcloud, aws, az, docker, podman or jf"
	}
}

// showFound writes what was found beside the output: those that can be taken with their
// numbers, and why the others can't. No secret is in it.
func (a *app) showFound(all []localcredentials.Found) {
	var lines [][]string
	for i, one := range all {
		if one.Why != nil {
			continue
		}
		expires := "never"
		switch {
		case !one.Expires.IsZero():
			expires = a.ago(one.Expires)
		case one.Method == "session-token":
			expires = "in hours"
		}
		lines = append(lines, []string{strconv.Itoa(i + 1), one.Source, one.Where, string(one.Family), one.Method, one.Account, expires})
	}
	if len(lines) > 0 {
		rows(a.err, "", []string{"#", "SOURCE", "WHERE", "FAMILY", "METHOD", "ACCOUNT", "EXPIRES"}, lines)
	}
	for i, one := range all {
		for _, note := range one.Notes {
			if one.Why == nil {
				a.hint("  %d: %s.", i+1, printable(note))
			}
		}
	}
	for _, one := range all {
		if one.Why != nil {
			a.hint("Not usable: %s, %s: %s.", one.Source, printable(one.Where), printable(one.Why.Why))
			if one.Why.Remedy != "" {
				a.hint("  Instead: %s.", printable(one.Why.Remedy))
			}
		}
	}
}

// number is that of the login to take: the one that was picked, the only one, or the one
// that a person says.
func (f *foundFlags) number(usable int) (int, error) {
	a := f.fields.app
	switch {
	case f.pick < 0 || f.pick > usable:
		return 0, usage("there is no login %d to --pick: there are 1 to %d", f.pick, usable)
	case f.pick > 0:
		return f.pick, nil
	case usable == 1:
		return 1, nil
	case !a.inTerminal:
		return 0, usage("there are %d logins: choose one with --pick 1 to %d", usable, usable)
	}
	line, err := a.ask("Which one", "1")
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(line)
	if err != nil || n < 1 || n > usable {
		return 0, usage("%q is none of 1 to %d", line, usable)
	}
	return n, nil
}

// name is the connector's: the given one, or one that a person takes or changes.
func (f *foundFlags) name(args []string, proposal string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	return f.fields.app.ask("Name of the connector", proposal)
}

// read reads --from-file: a description, or a vendor's own file.
func (f *foundFlags) read(ctx context.Context, args []string) (string, *wire.ConnectorFields, error) {
	a := f.fields.app
	if err := f.foreign(); err != nil {
		return "", nil, err
	}
	in, err := a.readSecret(f.file, "connector")
	if err != nil {
		return "", nil, err
	}
	text, name := in.Reveal(), f.file
	if name == "-" {
		name = "standard input"
	}
	m := f.machine()
	found, known, err := localcredentials.Recognise(ctx, m, name, text)
	if err != nil {
		return "", nil, err
	}
	proposal, literal := string(found.Family), known
	if !known {
		d, err := localcredentials.ReadDocument(name, text)
		if err != nil {
			return "", nil, err
		}
		if found, err = d.Found(m, name, filepath.Dir(f.file)); err != nil {
			return "", nil, err
		}
		proposal, literal = first(d.Name, string(d.Family)), d.Literal()
	} else {
		a.hint("%s: recognised as %s (family %s, method %s).", name, found.Source, found.Family, found.Method)
	}
	if literal {
		a.warnOfMode(f.file)
	}
	for _, note := range found.Notes {
		a.hint("Note: %s.", printable(note))
	}
	if f.fields.family != "" && fairlead.Family(f.fields.family) != found.Family {
		return "", nil, usage("--family %s, and %s is of family %s", f.fields.family, name, found.Family)
	}
	given, err := f.name(args, proposal)
	if err != nil {
		return "", nil, err
	}
	made, err := f.made(found)
	return given, made, err
}

// warnOfMode says that others on this machine can read a file with a secret in it.
func (a *app) warnOfMode(file string) {
	if info, err := os.Stat(file); file != "-" && err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		a.hint("Warning: %s holds a secret, and other users of this machine may read it: chmod 600 %s", file, file)
	}
}

// foreign refuses secrets beside those that are found.
func (f *foundFlags) foreign() error {
	for name, v := range f.fields.values {
		if *v != "" && f.fields.secret[name] {
			return usage("--%s gives a secret, and so does what is found or read: leave one of the two out", name)
		}
	}
	return nil
}

// made are the fields of what was found, with those over them that were given.
func (f *foundFlags) made(found localcredentials.Found) (*wire.ConnectorFields, error) {
	method := first(f.fields.method, found.Method)
	out := &wire.ConnectorFields{Family: found.Family, Method: method, Public: map[string]string{}, Secrets: map[string]wire.Clear{}, Expires: found.Expires}
	maps.Copy(out.Public, found.Public)
	maps.Copy(out.Public, f.fields.public())
	for name, s := range found.Secrets {
		out.Secrets[name] = wire.Clear{Secret: s}
	}
	if at, err := f.fields.expiry(); err != nil {
		return nil, err
	} else if at != nil {
		out.Expires = *at
	}
	return out, nil
}

func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// What a credential helper is given: time, and room for its answer.
const (
	helperTime = 30 * time.Second
	helperMost = 1 << 20
)

// runHelper runs a credential helper of Docker's. What it says on its standard error is
// its own affair.
func runHelper(ctx context.Context, program string, args []string, input string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // The user's own configuration names it, and it is a bare name.
	cmd.Stdin = bytes.NewBufferString(input)
	cmd.WaitDelay = time.Second
	out := &bounded{most: helperMost}
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("running %s: %w", program, err)
	}
	return out.b.Bytes(), nil
}

// bounded keeps up to so many bytes, and refuses more.
type bounded struct {
	b    bytes.Buffer
	most int
}

// Write adds to it.
func (w *bounded) Write(p []byte) (int, error) {
	if w.b.Len()+len(p) > w.most {
		return 0, io.ErrShortWrite
	}
	return w.b.Write(p)
}
