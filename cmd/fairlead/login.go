package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/wire"
)

func (a *app) loginCommand() *cobra.Command {
	var name, passwordFile string
	c := &cobra.Command{
		Use: "login [URL]", Short: "Log in to a server", Args: cobra.MaximumNArgs(1),
		Long: "Log in with your name and password. The session is kept in a file that only you may read.",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.profile()
			if err != nil {
				return err
			}
			server := a.serverURL(p)
			if len(args) > 0 {
				server = args[0]
			}
			if server == "" {
				return usage("give the server's URL, as in `fairlead login https://fairlead.example.com`")
			}
			c, err := a.newClient(server, fairlead.Secret{})
			if err != nil {
				return err
			}
			if name == "" {
				if name, err = a.ask("Name", p.User); err != nil {
					return err
				}
			}
			if name == "" {
				return usage("give your name with --name")
			}
			password, err := a.password(passwordFile)
			if err != nil {
				return err
			}
			s, err := client.Do(cmd.Context(), c, wire.Login, wire.LoginRequest{Name: name, Password: wire.Clear{Secret: password}})
			if err != nil {
				return err
			}
			return a.loggedIn(c, s, "Logged in to %s as %s.", c.Server(), s.User.Name)
		},
	}
	c.Flags().StringVar(&name, "name", "", "your name (asked for otherwise)")
	c.Flags().StringVar(&passwordFile, "password-file", "", "file with your password, - for standard input (asked for otherwise)")
	return c
}

func (a *app) password(file string) (fairlead.Secret, error) {
	if file != "" {
		return a.readSecret(file, "password")
	}
	return a.askSecret("Password")
}

// loggedIn keeps a session and says so.
func (a *app) loggedIn(c *client.Client, s wire.Session, format string, args ...any) error {
	if err := a.keep(profile{Server: c.Server(), Token: s.Token, User: string(s.User.Name)}); err != nil {
		return err
	}
	return a.show(map[string]any{"server": c.Server(), "user": s.User, "expires": s.Expires}, func(w io.Writer) {
		_, _ = fmt.Fprintf(w, format+"\n", args...)
	})
}

func (a *app) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use: "logout", Short: "End your session and forget it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.profile()
			if err != nil {
				return err
			}
			if p.Server == "" {
				a.done("You are not logged in.")
				return nil
			}
			c, err := a.newClient(p.Server, p.Token.Secret)
			if err == nil {
				_, err = client.Do(cmd.Context(), c, wire.Logout, wire.None{})
			}
			// The log-in is forgotten here whatever the server says: a session that it
			// doesn't know needs no end.
			if forget := a.keep(profile{}); forget != nil {
				return forget
			}
			if err != nil && fairlead.KindOf(err) != fairlead.Unauthenticated {
				return err
			}
			a.done("Logged out of %s.", p.Server)
			return nil
		},
	}
}

func (a *app) whoamiCommand() *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "Show who you are to the server", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			me, err := client.Do(cmd.Context(), c, wire.Whoami, wire.None{})
			if err != nil {
				return err
			}
			return a.show(me, func(w io.Writer) {
				var of []string
				for _, m := range me.Memberships {
					of = append(of, fmt.Sprintf("%s (%s)", m.Organization, m.Role))
				}
				var scopes []string
				for _, s := range me.Scopes {
					scopes = append(scopes, string(s))
				}
				facts(w, "Server", c.Server(), "Name", me.Subject.Name, "Kind", string(me.Subject.Kind), "Member of", strings.Join(of, ", "),
					"Limited to", string(me.Only), "Scopes", strings.Join(scopes, ", "))
			})
		},
	}
}

func (a *app) setupCommand() *cobra.Command {
	var d struct{ link, organization, name, email, password, data string }
	c := &cobra.Command{
		Use: "setup", Short: "Create the first organization and its administrator", Args: cobra.NoArgs,
		Long: `Create the first organization and its administrator with the one-time link that the
server printed. On the server's own machine the link is found in the data directory;
elsewhere it is asked for, or read with --link-file.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			link, err := a.oneTimeLink(d.link, filepath.Join(d.data, setupLinkFile))
			if err != nil {
				return err
			}
			c, err := a.linkClient(link)
			if err != nil {
				return err
			}
			for _, q := range []struct {
				value    *string
				question string
				needed   string
			}{
				{&d.organization, "Organization", "--organization"}, {&d.name, "Your name", "--name"}, {&d.email, "E-mail (may be left out)", ""},
			} {
				if *q.value == "" {
					if *q.value, err = a.ask(q.question, ""); err != nil {
						return err
					}
				}
				if *q.value == "" && q.needed != "" {
					return usage("give %s", q.needed)
				}
			}
			password, err := a.newPassword(d.password)
			if err != nil {
				return err
			}
			s, err := client.Do(cmd.Context(), c, wire.SetUp, wire.SetUpRequest{
				Link: wire.Clear{Secret: link}, Organization: d.organization, Name: d.name, Email: d.email, Password: wire.Clear{Secret: password},
			})
			if err != nil {
				return err
			}
			_ = os.Remove(filepath.Join(d.data, setupLinkFile)) // used up
			return a.loggedIn(c, s, "%s is set up, and you are logged in as its administrator %s.\nConnect a registry next: fairlead registry add --help", d.organization, s.User.Name)
		},
	}
	f := c.Flags()
	f.StringVar(&d.link, "link-file", "", "file with the one-time link, - for standard input")
	f.StringVar(&d.data, "data", defaultData, "the server's data directory, if it is on this machine")
	f.StringVar(&d.organization, "organization", "", "the first organization's name")
	f.StringVar(&d.name, "name", "", "your name")
	f.StringVar(&d.email, "email", "", "your e-mail address")
	f.StringVar(&d.password, "password-file", "", "file with your password, - for standard input (asked for otherwise)")
	return c
}

func (a *app) joinCommand() *cobra.Command {
	var linkFile, passwordFile string
	c := &cobra.Command{
		Use: "join", Short: "Take up an invitation", Args: cobra.NoArgs,
		Long: "Set your password with the one-time link that an administrator gave you, and log in.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			link, err := a.oneTimeLink(linkFile, "")
			if err != nil {
				return err
			}
			c, err := a.linkClient(link)
			if err != nil {
				return err
			}
			password, err := a.newPassword(passwordFile)
			if err != nil {
				return err
			}
			s, err := client.Do(cmd.Context(), c, wire.Join, wire.JoinRequest{Link: wire.Clear{Secret: link}, Password: wire.Clear{Secret: password}})
			if err != nil {
				return err
			}
			return a.loggedIn(c, s, "Welcome, %s. You are logged in to %s.", s.User.Name, c.Server())
		},
	}
	c.Flags().StringVar(&linkFile, "link-file", "", "file with the one-time link, - for standard input (asked for otherwise)")
	c.Flags().StringVar(&passwordFile, "password-file", "", "file with your password, - for standard input (asked for otherwise)")
	return c
}

// oneTimeLink reads a link from a file, from where the server left it on this machine,
// or asks for it. It is never an argument, which every user of the machine can see. What
// the link stands in, such as a mail or a command's output, may be around it.
func (a *app) oneTimeLink(file, left string) (fairlead.Secret, error) {
	link, err := a.readLink(file, left)
	if err != nil {
		return link, err
	}
	if found := regexp.MustCompile(`(https?://\S+#)?fl[xi]_[A-Za-z0-9_-]+`).Find(link.Reveal()); found != nil {
		return fairlead.NewSecret(found), nil
	}
	return link, nil
}

func (a *app) readLink(file, left string) (fairlead.Secret, error) {
	if file != "" {
		return a.readSecret(file, "link")
	}
	if _, err := os.Stat(left); left != "" && err == nil {
		return a.readSecret(left, "link")
	}
	if !a.inTerminal {
		return fairlead.Secret{}, noLink(left)
	}
	return a.askSecret("One-time link")
}

// noLink says why there is nothing to set up or to join with.
func noLink(left string) error {
	e := &fairlead.Error{Kind: fairlead.Invalid, Field: "link-file", What: "finding the one-time link", Why: "there was none given", Remedy: "give it with --link-file FILE, or - for standard input"}
	if left != "" {
		e.Why = "there is none at " + left + ": no server of this machine waits to be set up with that data directory"
		e.Remedy = "start `fairlead serve`, and give its --data here too; set up already: `fairlead login`; a link from elsewhere: --link-file FILE, or - for standard input"
	}
	return e
}

// linkClient makes a client of the server that the link leads to, if none is named.
func (a *app) linkClient(link fairlead.Secret) (*client.Client, error) {
	server := a.server
	if server == "" {
		server = a.env("FAIRLEAD_SERVER")
	}
	if server == "" {
		server = client.LinkServer(link)
	}
	if server == "" {
		return nil, usage("the link doesn't say which server it is of: give --server")
	}
	return a.newClient(server, fairlead.Secret{})
}
