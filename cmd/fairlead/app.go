package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// app is what a command has of the world.
type app struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) string
	now      func() time.Time
	// inTerminal and outTerminal say whether a person is there.
	inTerminal, outTerminal, errTerminal bool
	// interrupted is closed when the user wants out; who waits for an answer at the
	// terminal then doesn't.
	interrupted <-chan struct{}

	// What the global flags say.
	server       string
	tokenFile    string
	organization string
	format       string
	insecureHTTP bool
}

func systemApp() *app {
	return &app{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv, now: time.Now,
		inTerminal: term.IsTerminal(int(os.Stdin.Fd())), outTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		errTerminal: term.IsTerminal(int(os.Stderr.Fd())),
	}
}

// exitCode is an error that says what to exit with, and has been told already.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// usageError is a wrong use of the command line.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// usage makes an error about how a command was used.
func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// run runs a command line and gives its exit code.
func run(ctx context.Context, a *app, args []string) int {
	a.interrupted = ctx.Done()
	root := a.rootCommand() //nolint:contextcheck // Cobra hands the context on to each command.
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	if code, ok := errors.AsType[exitCode](err); ok {
		return int(code)
	}
	if strings.HasPrefix(err.Error(), "required flag(s)") { // cobra has no type for it
		err = usageError{err}
	}
	a.complain(cmd, err)
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "fairlead",
		Short: "Guides every image pull to the one credential that opens it",
		Long: `Fairlead gives the projects, workers and machines of an organization access to its
private container registries. An administrator connects a registry once; nobody else
holds a secret.`,
		SilenceErrors: true, SilenceUsage: true, Version: version(),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("fairlead {{.Version}}\n")
	flags := root.PersistentFlags()
	flags.StringVar(&a.server, "server", "", "URL of the server (default: where you logged in; FAIRLEAD_SERVER)")
	flags.StringVar(&a.tokenFile, "api-token-file", "", "file with a token of Fairlead, - for standard input (default: of your log-in; FAIRLEAD_TOKEN)")
	flags.StringVarP(&a.organization, "organization", "O", "", "organization (default: the only one that you belong to; FAIRLEAD_ORGANIZATION)")
	flags.StringVarP(&a.format, "output", "o", "table", "output: table, json or yaml")
	flags.BoolVar(&a.insecureHTTP, "insecure-http", false, "let the token travel over plain http to another machine")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return a.checkFormat() }
	root.AddGroup(
		&cobra.Group{ID: "work", Title: "Work:"}, &cobra.Group{ID: "connect", Title: "Connect registries:"},
		&cobra.Group{ID: "people", Title: "People and access:"}, &cobra.Group{ID: "operate", Title: "Operate:"},
	)
	add := func(group string, list ...*cobra.Command) {
		for _, c := range list {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("work", a.runCommand(), a.runsCommand(), a.imageCommand(), a.projectCommand(), a.lintCommand(), a.explainCommand(), a.doctorCommand())
	add("connect", a.registryCommand(), a.connectorCommand(), a.stackCommand(), a.applyCommand(), a.exportCommand(), a.webhookCommand())
	add("people", a.loginCommand(), a.logoutCommand(), a.whoamiCommand(), a.tokenCommand(), a.organizationCommand(), a.memberCommand(), a.eventsCommand())
	add("operate", a.serveCommand(), a.setupCommand(), a.joinCommand(), a.workerCommand(), a.gatewayCommand(), a.keysCommand(), a.issuerCommand())
	usageForArgs(root)
	return root
}

// misused says how a command is used that was given other arguments, or what it may
// have been meant for.
func misused(cmd *cobra.Command, args []string, err error) error {
	if cmd.HasSubCommands() && len(args) > 0 {
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return usage("there is no command %q: did you mean %s?", args[0], strings.Join(near, " or "))
		}
		return usage("there is no command %q", args[0])
	}
	if _, form, ok := strings.Cut(cmd.Use, " "); ok {
		return usage("it is used as `%s %s`", cmd.CommandPath(), form)
	}
	return usageError{err}
}

// usageForArgs makes a wrong number of arguments a wrong use, for every command.
func usageForArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return misused(cmd, args, err)
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		usageForArgs(sub)
	}
}

// parent makes a command that only holds others.
func parent(use, short string, aliases []string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Aliases: aliases,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q for \"fairlead %s\"", args[0], use)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SetOut(cmd.ErrOrStderr())
			_ = cmd.Help()
			return exitCode(exitUsage)
		},
	}
	c.AddCommand(subs...)
	return c
}

// client makes a client of the server that the flags, the environment or the log-in
// name, with the token that they give.
func (a *app) client() (*client.Client, error) {
	p, err := a.profile()
	if err != nil {
		return nil, err
	}
	token, err := a.token(p)
	if err != nil {
		return nil, err
	}
	server := a.serverURL(p)
	if server == "" || token.IsZero() {
		return nil, &fairlead.Error{
			Kind: fairlead.Unauthenticated, What: "finding the server", Why: "you are not logged in",
			Remedy: "log in with `fairlead login URL`, or set FAIRLEAD_SERVER and FAIRLEAD_TOKEN",
		}
	}
	return a.newClient(server, token)
}

func (a *app) newClient(server string, token fairlead.Secret) (*client.Client, error) {
	options := []client.Option{client.WithToken(token), client.WithUserAgent("fairlead-cli/" + version())}
	if a.insecureHTTP {
		options = append(options, client.AllowPlainHTTP())
	}
	return client.New(server, options...)
}

func (a *app) serverURL(p profile) string {
	for _, s := range []string{a.server, a.env("FAIRLEAD_SERVER"), p.Server} {
		if s != "" {
			return s
		}
	}
	return ""
}

// token is that of the flags or the environment, or the log-in's if it is for the
// server that is asked.
func (a *app) token(p profile) (fairlead.Secret, error) {
	if a.tokenFile != "" {
		return a.readSecret(a.tokenFile, "token")
	}
	if s := a.env("FAIRLEAD_TOKEN"); s != "" {
		return fairlead.SecretText(s), nil
	}
	if a.serverURL(p) == p.Server {
		return p.Token.Secret, nil
	}
	return fairlead.Secret{}, nil
}

// built is the version that `make build` gives (go doc cmd/link, -X).
var built string //nolint:gochecknoglobals // The linker sets it.

// version is what the build knows of itself.
func version() string {
	if built != "" {
		return built
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "devel"
	}
	return info.Main.Version
}

// configDir is where the log-in is kept.
func (a *app) configDir() (string, error) {
	if dir := a.env("FAIRLEAD_CONFIG_DIR"); dir != "" {
		return dir, nil
	}
	if dir := a.env("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "fairlead"), nil
	}
	if home := a.env("HOME"); home != "" {
		return filepath.Join(home, ".config", "fairlead"), nil
	}
	return "", &fairlead.Error{
		Kind: fairlead.Invalid, What: "finding where your log-in is kept", Why: "HOME is not set", Remedy: "set HOME or FAIRLEAD_CONFIG_DIR",
	}
}
