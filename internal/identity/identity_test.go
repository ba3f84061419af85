package identity_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/client"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/internal/pgtest"
	"fairlead.dev/fairlead/wire"
)

func begin(t *testing.T, options ...fairleadtest.Option) (*fairleadtest.Plane, *fairleadtest.Clock) {
	t.Helper()
	clock := fairleadtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	return fairleadtest.Start(t, append(options, fairleadtest.WithClock(clock))...), clock
}

func hidden(s string) wire.Clear { return wire.Clear{Secret: fairlead.SecretText(s)} }

func acme() wire.OrganizationPath { return wire.OrganizationPath{Organization: "acme"} }

func login(t *testing.T, p *fairleadtest.Plane, name, password string) (*client.Client, error) {
	t.Helper()
	s, err := client.Do(t.Context(), p.Anybody(), wire.Login, wire.LoginRequest{Name: name, Password: hidden(password)})
	return p.As(s.Token.Secret), err
}

// holds reports whether the client's token is one.
func holds(t *testing.T, c *client.Client) bool {
	t.Helper()
	_, err := client.Do(t.Context(), c, wire.Whoami, wire.None{})
	if kind := fairlead.KindOf(err); kind != "" && kind != fairlead.Unauthenticated {
		t.Errorf("whoami: %v", err)
	}
	return err == nil
}

func TestLogin(t *testing.T) {
	t.Parallel()
	p, clock := begin(t)
	first, err := login(t, p, "ann", fairleadtest.Password)
	if err != nil {
		t.Fatal(err)
	}
	second, err := login(t, p, "ann", fairleadtest.Password)
	if err != nil || !holds(t, first) || !holds(t, second) {
		t.Fatal("two sessions don't hold", err)
	}
	texts := map[string]bool{}
	for _, row := range []struct{ name, password string }{
		{"ann", "correct horse batter"},
		{"ann", fairleadtest.Password + " "},
		{"ann", ""},
		{"nobody", fairleadtest.Password},
		{"", fairleadtest.Password},
		{"acme", fairleadtest.Password},
		{"Ann", fairleadtest.Password},
		{"ann\x00", fairleadtest.Password},
		{strings.Repeat("a", 100_000), fairleadtest.Password},
		{"nobody", strings.Repeat("a", 100_000)},
	} {
		clock.Move(2 * time.Hour) // so that nobody has to wait
		_, err := login(t, p, row.name, row.password)
		if fairlead.KindOf(err) != fairlead.Unauthenticated {
			t.Errorf("%.20q, %.20q: %v", row.name, row.password, err)
		}
		texts[fmt.Sprint(err)] = true
	}
	if len(texts) != 1 {
		t.Errorf("the answers tell why: %v", texts)
	}
	fairleadtest.Must(t, first, wire.Logout, wire.None{})
	if holds(t, first) || !holds(t, second) {
		t.Error("logging out ends another session, or not its own")
	}
	clock.Move(30 * 24 * time.Hour)
	if holds(t, second) {
		t.Error("a session holds for ever")
	}
}

// TestLongNamesStayOut asks that what nobody could be called isn't kept.
func TestLongNamesStayOut(t *testing.T) {
	t.Parallel()
	p, _ := begin(t)
	if _, err := login(t, p, strings.Repeat("a", 100_000), "a wrong password"); fairlead.KindOf(err) != fairlead.Unauthenticated {
		t.Fatal(err)
	}
	page, err := p.Store.EventsWhere(t.Context(), fairlead.EventQuery{Limit: 1})
	events := page.Events
	if err != nil || len(events) != 1 || events[0].Allowed || len(events[0].By.Name)+len(events[0].On.Name) > 200 {
		t.Errorf("the event of the refusal is %.500v, %v", events, err)
	}
}

func TestTooManyTries(t *testing.T) {
	t.Parallel()
	p, clock := begin(t)
	var mu sync.Mutex
	kinds := map[fairlead.Kind]int{}
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			_, err := login(t, p, "ann", "a wrong password")
			mu.Lock()
			defer mu.Unlock()
			kinds[fairlead.KindOf(err)]++
		})
	}
	all.Wait()
	if kinds[fairlead.Unauthenticated] != 5 || kinds[fairlead.Limited] != 25 {
		t.Errorf("thirty wrong passwords at once are answered %v", kinds)
	}
	_, err := login(t, p, "ann", fairleadtest.Password)
	if e := fairlead.AsError("", err); e.Kind != fairlead.Limited || !e.RetryAt.Equal(clock.Now().Add(time.Minute)) {
		t.Errorf("the right password then: %v until %s", err, e.RetryAt)
	}
	clock.Move(time.Minute)
	if _, err := login(t, p, "ann", fairleadtest.Password); err != nil {
		t.Errorf("a minute later: %v", err)
	}
	changing := func(old string) error {
		_, err := client.Do(t.Context(), p.Ann, wire.SetPassword, wire.PasswordRequest{Old: hidden(old), New: hidden("another password")})
		return err
	}
	for range 5 {
		if err := changing("a wrong password"); fairlead.KindOf(err) != fairlead.Denied {
			t.Errorf("changing with a wrong one: %v", err)
		}
	}
	if err := changing(fairleadtest.Password); fairlead.KindOf(err) != fairlead.Limited {
		t.Errorf("a session guesses passwords: %v", err)
	}
}

func TestSetPassword(t *testing.T) {
	t.Parallel()
	p, _ := begin(t)
	other, err := login(t, p, "ann", fairleadtest.Password)
	if err != nil {
		t.Fatal(err)
	}
	token := fairleadtest.Must(t, p.Ann, wire.CreateToken, wire.TokenRequest{Name: "ci"})
	for _, short := range []string{"", "123456789", strings.Repeat("x", 1025)} {
		_, err := client.Do(t.Context(), p.Ann, wire.SetPassword, wire.PasswordRequest{Old: hidden(fairleadtest.Password), New: hidden(short)})
		if e := fairlead.AsError("", err); e.Kind != fairlead.Invalid || e.Field != "password" {
			t.Errorf("a password of %d bytes: %v", len(short), err)
		}
	}
	if !holds(t, p.Ann) || !holds(t, other) {
		t.Error("a password that wasn't changed ended sessions")
	}
	fairleadtest.Must(t, p.Ann, wire.SetPassword, wire.PasswordRequest{Old: hidden(fairleadtest.Password), New: hidden("another password")})
	if holds(t, p.Ann) || holds(t, other) {
		t.Error("sessions outlive the password")
	}
	if !holds(t, p.As(token.Token.Secret)) {
		t.Error("API tokens end with the password")
	}
	if _, err := login(t, p, "ann", fairleadtest.Password); fairlead.KindOf(err) != fairlead.Unauthenticated {
		t.Errorf("with the old password: %v", err)
	}
	if _, err := login(t, p, "ann", "another password"); err != nil {
		t.Errorf("with the new password: %v", err)
	}
}

func TestSetUpOnce(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Open(t)
	link, err := p.Identity.NewSetUpLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	setUp := func(l fairlead.Secret, org, name, password string) error {
		_, err := client.Do(t.Context(), p.Anybody(), wire.SetUp, wire.SetUpRequest{Link: wire.Clear{Secret: l}, Organization: org, Name: name, Password: hidden(password)})
		return err
	}
	for name, row := range map[string]struct {
		err  error
		want fairlead.Kind
	}{
		"another link":           {setUp(fairlead.SecretText("flx_"+strings.Repeat("A", 43)), "a", "b", "a good password"), fairlead.Unauthenticated},
		"no link":                {setUp(fairlead.Secret{}, "a", "b", "a good password"), fairlead.Unauthenticated},
		"no link, bad password":  {setUp(fairlead.Secret{}, "a", "b", "x"), fairlead.Unauthenticated},
		"a short password":       {setUp(link, "a", "b", "x"), fairlead.Invalid},
		"one name for both":      {setUp(link, "a", "a", "a good password"), fairlead.Invalid},
		"a name that can't be":   {setUp(link, "A!", "b", "a good password"), fairlead.Invalid},
		"a name that can't be 2": {setUp(link, "a", "../b", "a good password"), fairlead.Invalid},
	} {
		if fairlead.KindOf(row.err) != row.want {
			t.Errorf("%s: %v", name, row.err)
		}
	}
	var mu sync.Mutex
	kinds := map[fairlead.Kind]int{}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			err := setUp(link, fmt.Sprint("org", i), fmt.Sprint("user", i), "a good password")
			mu.Lock()
			defer mu.Unlock()
			kinds[fairlead.KindOf(err)]++
		})
	}
	all.Wait()
	if kinds[""] != 1 || kinds[fairlead.Conflict]+kinds[fairlead.Unauthenticated] != 19 {
		t.Errorf("of twenty at once: %v", kinds)
	}
	if err := setUp(link, "again", "eve", "a good password"); fairlead.CodeOf(err) != fairlead.CodeAlreadySetUp {
		t.Errorf("the second time: %v", err)
	}
	if _, err := p.Identity.NewSetUpLink(t.Context()); fairlead.CodeOf(err) != fairlead.CodeAlreadySetUp {
		t.Errorf("a link after that: %v", err)
	}
}

// TestSetUpLink takes the link as it was printed, and ends it in time.
func TestSetUpLink(t *testing.T) {
	t.Parallel()
	clock := fairleadtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	p := fairleadtest.Open(t, fairleadtest.WithClock(clock))
	setUp := func(l wire.Clear) error {
		_, err := client.Do(t.Context(), p.Anybody(), wire.SetUp, wire.SetUpRequest{Link: l, Organization: "acme", Name: "ann", Password: hidden("a good password")})
		return err
	}
	old, err := p.Identity.NewSetUpLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	clock.Move(72 * time.Hour)
	if err := setUp(wire.Clear{Secret: old}); fairlead.KindOf(err) != fairlead.Unauthenticated {
		t.Errorf("a link that has ended: %v", err)
	}
	link, err := p.Identity.NewSetUpLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if holds(t, p.As(link)) {
		t.Error("a set-up link is a token to work with")
	}
	if err := setUp(hidden("  " + p.URL + "/setup#" + string(link.Reveal()) + "\n")); err != nil {
		t.Errorf("a link as it was printed: %v", err)
	}
}

func TestInvitations(t *testing.T) {
	t.Parallel()
	p, clock := begin(t)
	invite := func(name string) (wire.NewMember, error) {
		return client.Do(t.Context(), p.Ann, wire.AddMember, wire.MemberRequest{OrganizationPath: acme(), Name: name, Role: fairlead.Member})
	}
	join := func(link wire.Clear) error {
		_, err := client.Do(t.Context(), p.Anybody(), wire.Join, wire.JoinRequest{Link: link, Password: hidden(fairleadtest.Password)})
		return err
	}
	must := func(m wire.NewMember, err error) wire.Clear {
		t.Helper()
		if err != nil || m.Link.IsZero() {
			t.Fatal(m, err)
		}
		return m.Link
	}
	gone := func(what string, link wire.Clear) {
		t.Helper()
		if err := join(link); fairlead.KindOf(err) != fairlead.Unauthenticated {
			t.Errorf("%s: %v", what, err)
		}
	}
	first := must(invite("bob"))
	if _, err := login(t, p, "bob", ""); fairlead.KindOf(err) != fairlead.Unauthenticated {
		t.Errorf("an invited user logs in without a password: %v", err)
	}
	second := must(invite("bob"))
	gone("a link that was replaced", first)
	if _, err := client.Do(t.Context(), p.Anybody(), wire.Join, wire.JoinRequest{Link: second, Password: hidden("short")}); fairlead.KindOf(err) != fairlead.Invalid {
		t.Errorf("a short password: %v", err)
	}
	if err := join(second); err != nil {
		t.Errorf("the newest link: %v", err)
	}
	gone("a link that was used", second)
	if m, err := invite("bob"); fairlead.KindOf(err) != fairlead.Conflict || !m.Link.IsZero() {
		t.Errorf("one who has come is invited: %+v, %v", m, err)
	}
	late := must(invite("carl"))
	clock.Move(72 * time.Hour)
	gone("a link that has ended", late)
	removed := must(invite("dora"))
	fairleadtest.Must(t, p.Ann, wire.RemoveMember, wire.MemberPath{OrganizationPath: acme(), User: "dora"})
	gone("a link of one who was removed", removed)
	gone("a set-up link's text", hidden("flx_"+strings.Repeat("A", 43)))
}

// TestInvitedElsewhere has the administrator of another organization invite somebody
// who was invited and hasn't come yet: that must not give them the way in.
func TestInvitedElsewhere(t *testing.T) {
	t.Parallel()
	p, _ := begin(t)
	eve := p.Organization("evil", "eve")
	theirs := wire.OrganizationPath{Organization: "evil"}
	m := fairleadtest.Must(t, p.Ann, wire.AddMember, wire.MemberRequest{OrganizationPath: acme(), Name: "boss", Role: fairlead.Admin})
	got, err := client.Do(t.Context(), eve, wire.AddMember, wire.MemberRequest{OrganizationPath: theirs, Name: "boss", Role: fairlead.Member})
	if fairlead.KindOf(err) != fairlead.Conflict || !got.Link.IsZero() {
		t.Errorf("eve invites acme's future administrator: a link: %v, %v", !got.Link.IsZero(), err)
	}
	s, err := client.Do(t.Context(), p.Anybody(), wire.Join, wire.JoinRequest{Link: m.Link, Password: hidden(fairleadtest.Password)})
	if err != nil {
		t.Fatalf("the invitation doesn't hold any more: %v", err)
	}
	if me := fairleadtest.Must(t, p.As(s.Token.Secret), wire.Whoami, wire.None{}); len(me.Memberships) != 1 {
		t.Errorf("boss is %+v", me)
	}
	if _, err := client.Do(t.Context(), eve, wire.AddMember, wire.MemberRequest{OrganizationPath: theirs, Name: "boss", Role: fairlead.Member}); err != nil {
		t.Errorf("one who has come is added elsewhere: %v", err)
	}
}

// TestRevocation revokes on one plane and asks on another: within a second it is seen.
func TestRevocation(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	one, clock := begin(t, fairleadtest.WithDatabase(url))
	data := t.TempDir()
	fairleadtest.CopyKeys(t, one, data)
	two := fairleadtest.Open(t, fairleadtest.WithDatabase(url), fairleadtest.WithData(data), fairleadtest.WithClock(clock))
	bob := fairleadtest.Must(t, one.Ann, wire.AddMember, wire.MemberRequest{OrganizationPath: acme(), Name: "bob", Role: fairlead.Admin})
	s := fairleadtest.Must(t, one.Anybody(), wire.Join, wire.JoinRequest{Link: bob.Link, Password: hidden(fairleadtest.Password)})
	for name, revoke := range map[string]func(wire.NewToken){
		"token": func(n wire.NewToken) {
			fairleadtest.Must(t, one.As(s.Token.Secret), wire.RevokeToken, wire.TokenPath{Token: n.Info.ID})
		},
	} {
		n := fairleadtest.Must(t, one.As(s.Token.Secret), wire.CreateToken, wire.TokenRequest{Name: name})
		here, there := one.As(n.Token.Secret), two.As(n.Token.Secret)
		if !holds(t, here) || !holds(t, there) {
			t.Fatal("the token doesn't hold")
		}
		revoke(n)
		if holds(t, here) {
			t.Errorf("%s: on the plane itself it isn't seen at once", name)
		}
		clock.Move(time.Second)
		if holds(t, there) {
			t.Errorf("%s: on the other plane it isn't seen within a second", name)
		}
	}
	there := two.As(s.Token.Secret)
	list := func() error {
		_, err := client.Do(t.Context(), there, wire.ListMembers, acme())
		return err
	}
	if err := list(); err != nil {
		t.Fatal(err)
	}
	fairleadtest.Must(t, one.Ann, wire.RemoveMember, wire.MemberPath{OrganizationPath: acme(), User: "bob"})
	clock.Move(time.Second)
	if err := list(); fairlead.KindOf(err) != fairlead.NotFound {
		t.Errorf("a second after he was removed, bob lists members on the other plane: %v", err)
	}
}

// TestTokensAreNoLadder makes tokens with tokens.
func TestTokensAreNoLadder(t *testing.T) {
	t.Parallel()
	p, clock := begin(t)
	fairleadtest.Must(t, p.Ann, wire.CreateOrganization, wire.OrganizationRequest{Name: "side"})
	token := func(c *client.Client, req wire.TokenRequest) (*client.Client, error) {
		req.Name = "token"
		n, err := client.Do(t.Context(), c, wire.CreateToken, req)
		return p.As(n.Token.Secret), err
	}
	whole, err := token(p.Ann, wire.TokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := token(whole, wire.TokenRequest{}); err != nil {
		t.Errorf("an unlimited token makes another: %v", err)
	}
	scoped, err := token(p.Ann, wire.TokenRequest{Scopes: []string{"token.*", "registry.read"}})
	if err != nil {
		t.Fatal(err)
	}
	only, err := token(p.Ann, wire.TokenRequest{Organization: "side"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*client.Client{"scoped": scoped, "for one organization": only} {
		for _, req := range []wire.TokenRequest{{}, {Scopes: []string{"registry.read"}}, {Organization: "side"}} {
			if _, err := token(c, req); fairlead.KindOf(err) != fairlead.Denied {
				t.Errorf("a token that is %s makes %+v: %v", name, req, err)
			}
		}
	}
	for _, bad := range []wire.TokenRequest{{Scopes: []string{"everything"}}, {Scopes: []string{"*"}}, {Days: -1}, {Days: 3651}, {Organization: "nowhere"}} {
		if _, err := token(p.Ann, bad); err == nil {
			t.Errorf("a token of %+v was made", bad)
		}
	}
	list := fairleadtest.Must(t, only, wire.ListTokens, wire.None{}).Tokens
	if len(list) != 1 || list[0].Organization == "" {
		t.Errorf("a token for one organization sees %+v", list)
	}
	for _, other := range fairleadtest.Must(t, p.Ann, wire.ListTokens, wire.None{}).Tokens {
		if other.ID == list[0].ID {
			continue
		}
		if _, err := client.Do(t.Context(), only, wire.RevokeToken, wire.TokenPath{Token: other.ID}); fairlead.KindOf(err) != fairlead.NotFound {
			t.Errorf("a token for one organization revokes %s %s: %v", other.Kind, other.Name, err)
		}
	}
	clock.Move(90 * 24 * time.Hour)
	if holds(t, whole) {
		t.Error("a token without days holds for more than 90")
	}
}

// TestNamesAreShared gives users and organizations each other's names.
func TestNamesAreShared(t *testing.T) {
	t.Parallel()
	p, _ := begin(t)
	_, err := client.Do(t.Context(), p.Ann, wire.CreateOrganization, wire.OrganizationRequest{Name: "ann"})
	if fairlead.KindOf(err) != fairlead.Conflict {
		t.Errorf("an organization has a user's name: %v", err)
	}
	_, err = client.Do(t.Context(), p.Ann, wire.AddMember, wire.MemberRequest{OrganizationPath: acme(), Name: "acme", Role: fairlead.Member})
	if fairlead.KindOf(err) != fairlead.Conflict {
		t.Errorf("a user has an organization's name: %v", err)
	}
	if members := fairleadtest.Must(t, p.Ann, wire.ListMembers, acme()).Members; len(members) != 1 {
		t.Errorf("members are %+v", members)
	}
}
