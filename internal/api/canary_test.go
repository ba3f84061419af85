package api_test

import (
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

// TestCanary has secrets go through everything that there is, and looks for them in all
// that is kept, logged, answered and shown.
func TestCanary(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		c := newCage(t)
		c.live(t)
		c.search(t, files(t, c.Data))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		database := pgtest.URL(t)
		c := newCage(t, fairleadtest.WithDatabase(database))
		c.live(t)
		found := files(t, c.Data)
		for table, rows := range tables(t, database) {
			found["table "+table] = rows
		}
		c.search(t, found)
	})
}

// The canaries. Each goes in at a place of its own.
const (
	passwordCanary = "c4nary+Password/first=0001"
	rotatedCanary  = "c4nary+Password/later=0002"
	wrongCanary    = "c4nary+Password/wrong=0003"
	identityCanary = "c4nary+Identity/token=0004"
	keptCanary     = "c4nary+Password/kept0=0005"
)

// cage is a world with canaries in it.
type cage struct {
	*world
	open, closed *registrytest.Registry // whose token endpoint narrows, and which has none
	// shown is all that was answered to who may not see a secret.
	shown map[string]string
	// made are tokens that were handed out on the way, each to one who may have it.
	made []string
}

func newCage(t *testing.T, options ...fairleadtest.Option) *cage {
	t.Helper()
	c := &cage{world: newWorld(t, options...), shown: map[string]string{}}
	accounts := []registrytest.Account{
		{Name: "first", Password: passwordCanary, Identity: identityCanary, Rights: registrytest.Everything()},
		{Name: "later", Password: rotatedCanary, Rights: registrytest.Everything()},
	}
	c.open = registrytest.New(t, registrytest.Config{Auth: registrytest.Bearer, Accounts: accounts, Now: c.clock.Now})
	c.closed = registrytest.New(t, registrytest.Config{Auth: registrytest.Basic, Accounts: accounts, Now: c.clock.Now})
	return c
}

// live does everything that can be done with a secret, well and badly.
func (c *cage) live(t *testing.T) {
	t.Helper()
	acme := wire.OrganizationPath{Organization: "acme"}
	fields := func(password string) *wire.ConnectorFields {
		return &wire.ConnectorFields{Family: "docker", Method: "basic", Public: map[string]string{"username": "first"}, Secrets: map[string]wire.Clear{"password": hidden(password)}}
	}
	add := func(name string, at *registrytest.Registry, f *wire.ConnectorFields) {
		c.shown["try "+name] = c.reply(t, func(k *client.Client) error {
			_, err := client.Do(t.Context(), k, wire.AddRegistry, wire.RegistryRequest{
				OrganizationPath: acme, Name: "try-" + name, Pattern: at.Host() + "/try/" + name + "/*", PlainHTTP: true, NewConnector: f,
			})
			return err
		})
		c.shown["add "+name] = c.reply(t, func(k *client.Client) error {
			_, err := client.Do(t.Context(), k, wire.AddRegistry, wire.RegistryRequest{
				OrganizationPath: acme, Name: name, Pattern: at.Host() + "/" + name + "/*", PlainHTTP: true, NewConnector: f, ConnectorTrial: wire.ConnectorTrial{NoVerify: true},
			})
			return err
		})
	}
	add("first", c.open, fields(passwordCanary))
	add("wrong", c.open, fields(wrongCanary))
	add("identity", c.open, &wire.ConnectorFields{Family: "docker", Method: "bearer", Secrets: map[string]wire.Clear{"token": hidden(identityCanary)}})
	add("gone", c.closed, fields(keptCanary))
	add("closed", c.closed, fields(passwordCanary))
	add("first", c.open, fields(passwordCanary)) // a conflict
	for _, name := range []string{"first", "wrong", "identity", "none"} {
		c.lease(t, c.open.Host()+"/"+name+"/app")
	}
	c.lease(t, c.closed.Host()+"/closed/app")
	c.shown["rotate"] = c.reply(t, func(k *client.Client) error {
		_, err := client.Do(t.Context(), k, wire.UpdateRegistry, wire.RegistryUpdate{
			RegistryPath: wire.RegistryPath{OrganizationPath: acme, Registry: "first"},
			Public:       map[string]string{"username": "later"}, Secrets: map[string]wire.Clear{"password": hidden(rotatedCanary)}, ConnectorTrial: wire.ConnectorTrial{NoVerify: true},
		})
		return err
	})
	c.lease(t, c.open.Host()+"/first/app")
	if err := c.Vault.RotateDataKeys(t.Context(), fairlead.System(), c.id); err != nil {
		t.Fatal(err)
	}
	c.lease(t, c.open.Host()+"/identity/other")
	c.shown["remove"] = c.reply(t, func(k *client.Client) error {
		_, err := client.Do(t.Context(), k, wire.RemoveRegistry, wire.RegistryRemoval{RegistryPath: wire.RegistryPath{OrganizationPath: acme, Registry: "gone"}, WithConnector: true})
		return err
	})
	for _, r := range rows() { // everything else, and what of it shows what there is
		token := map[by]fairlead.Secret{byAnn: c.ann, byBob: c.bob, byHolder: c.holder}[r.by]
		c.shown[r.String()] = string(c.ask(t, r, c.names, token).body)
	}
	for _, path := range []string{"/", "/setup", "/join", "/docs", "/openapi.json", "/healthz", "/readyz", "/nothing"} {
		_, c.shown[path] = knock(t, c.Plane, fairlead.Secret{}, http.MethodGet, path, "", "")
	}
}

// reply does something as ann and gives what was answered.
func (c *cage) reply(t *testing.T, do func(*client.Client) error) string {
	t.Helper()
	p := &tap{}
	k, err := client.New(c.URL, client.WithToken(c.ann), client.WithTransport(p))
	if err != nil {
		t.Fatal(err)
	}
	if err := do(k); err != nil {
		return err.Error() + string(p.body)
	}
	return string(p.body)
}

// lease asks for a login for an image.
func (c *cage) lease(t *testing.T, image string) {
	t.Helper()
	p := &tap{}
	k, err := client.New(c.URL, client.WithToken(c.bob), client.WithTransport(p))
	if err != nil {
		t.Fatal(err)
	}
	l, err := client.Do(t.Context(), k, wire.LeaseLogin, wire.LeaseRequest{ProjectPath: c.path(), Image: image})
	if err != nil {
		c.shown[image] += err.Error()
	}
	c.shown[image] += string(p.body)
	if !l.Bearer.IsZero() {
		c.made = append(c.made, string(l.Bearer.Reveal()))
	}
}

// search looks for the canaries in what is kept and in what was shown, and for what was
// handed out, which some may see, in what is kept.
func (c *cage) search(t *testing.T, kept map[string]string) {
	t.Helper()
	kept["log"] = c.Log.String()
	var all strings.Builder
	for _, text := range kept {
		all.WriteString(text)
	}
	for _, control := range []string{robot, c.open.Host(), `"operation":"lease"`} {
		if !strings.Contains(all.String(), control) {
			t.Errorf("%s is found nowhere: the search is blind", control)
		}
	}
	if len(c.made) < 4 {
		t.Errorf("only %d leases were made", len(c.made))
	}
	canaries := []string{passwordCanary, rotatedCanary, wrongCanary, identityCanary, keptCanary, "robot-password"}
	look := func(secrets []string, in map[string]string) {
		for _, secret := range secrets {
			for _, shape := range shapes(secret) {
				for place, text := range in {
					if strings.Contains(text, shape) {
						t.Errorf("%.30s is in %s, as %.30s", secret, place, shape)
					}
				}
			}
		}
	}
	look(canaries, kept)
	look(canaries, c.shown)
	private := append([]string{fairleadtest.Password, "a new password", "a wrong password"}, c.made...)
	for _, token := range []fairlead.Secret{c.ann, c.bob, c.holder, c.idle, c.rex, c.eve, c.other, c.invite} {
		private = append(private, string(token.Reveal()))
	}
	look(private, kept)
}

// shapes are the forms in which a secret could lie somewhere.
func shapes(secret string) []string {
	list := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret)))}
	for before := range 3 { // base64 of something that it is a part of
		for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			text := strings.TrimRight(e.EncodeToString([]byte(strings.Repeat("x", before)+secret)), "=")
			list = append(list, text[(before*8+5)/6:len(text)-2])
		}
	}
	return list
}

// files gives all that lies in a directory, but for the key.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "key.json" {
			return err
		}
		b, err := os.ReadFile(path)
		all[path] = path + "\n" + string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// tables gives the rows of every table of a PostgreSQL database.
func tables(t *testing.T, database string) map[string]string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	texts := func(query string) []string {
		rows, err := conn.Query(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	all := map[string]string{}
	for _, name := range texts("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'") {
		list := texts("SELECT r::text FROM " + pgx.Identifier{name}.Sanitize() + " AS r")
		// bytea is shown in hex; what of it is text is looked at as text too.
		all[name] = strings.Join(list, "\n")
		for _, row := range list {
			for word := range strings.FieldsFuncSeq(row, func(r rune) bool { return strings.ContainsRune(`(),"\`, r) }) {
				if b, err := hex.DecodeString(strings.TrimPrefix(word, "x")); err == nil {
					all[name] += "\n" + string(b)
				}
			}
		}
	}
	return all
}
