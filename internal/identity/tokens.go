package identity

import (
	"context"
	"slices"
	"time"

	"fairlead.dev/fairlead"
)

// TokenDraft is an API token that is to be.
type TokenDraft struct {
	Name         string
	Organization fairlead.OrganizationID // limits it, unless empty
	Scopes       []fairlead.Action       // limit it, unless nil
	Days         int                     // 0 is 90
}

// CreateToken makes an API token of the caller's and gives its text, this once. A
// token never gives more than the one that makes it.
func (i *Identity) CreateToken(ctx context.Context, who fairlead.Caller, d TokenDraft) (fairlead.Token, fairlead.Secret, error) {
	none := func(err error) (fairlead.Token, fairlead.Secret, error) {
		return fairlead.Token{}, fairlead.Secret{}, err
	}
	if err := who.May(fairlead.TokenCreate, fairlead.Place{}); err != nil {
		return none(err)
	}
	if who.Scopes != nil || who.Only != "" {
		return none(&fairlead.Error{
			Kind: fairlead.Denied, What: "creating token", Why: "the token that asks is limited itself", Remedy: "log in with your password first",
		})
	}
	if len(d.Name) > fairlead.MaxName || d.Name == "" {
		return none(&fairlead.Error{
			Kind: fairlead.Invalid, Field: "name", What: "creating token", Why: "its name says what it is for, in 1 to 63 characters", Remedy: "give such a name",
		})
	}
	now := i.now()
	t, text, err := newToken(fairlead.APIToken, now)
	if err != nil {
		return none(err)
	}
	if d.Days == 0 {
		d.Days = tokenDays
	}
	t.Name, t.User, t.Organization, t.Scopes = d.Name, fairlead.UserID(who.ID), d.Organization, d.Scopes
	t.Expires = now.Add(time.Duration(d.Days) * 24 * time.Hour)
	err = i.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return who.Event(fairlead.TokenCreate, fairlead.Place{Organization: d.Organization}, tokenObject(t)), w.AddToken(ctx, t)
	})
	if err != nil {
		return none(err)
	}
	return t, text, nil
}

// Tokens lists the caller's tokens and sessions. A token that is limited to an
// organization sees only those that are too.
func (i *Identity) Tokens(ctx context.Context, who fairlead.Caller) ([]fairlead.Token, error) {
	if err := who.May(fairlead.TokenRead, fairlead.Place{}); err != nil {
		return nil, err
	}
	return i.tokensOf(ctx, who)
}

func (i *Identity) tokensOf(ctx context.Context, who fairlead.Caller) ([]fairlead.Token, error) {
	all, err := i.store.TokensOf(ctx, fairlead.UserID(who.ID))
	if who.Only == "" {
		return all, err
	}
	var list []fairlead.Token
	for _, t := range all {
		if t.Organization == who.Only {
			list = append(list, t)
		}
	}
	return list, err
}

// RevokeToken ends one of the caller's tokens or sessions, of those that [Identity.Tokens]
// lists.
func (i *Identity) RevokeToken(ctx context.Context, who fairlead.Caller, id fairlead.TokenID) error {
	if err := who.May(fairlead.TokenRevoke, fairlead.Place{}); err != nil {
		return err
	}
	list, err := i.tokensOf(ctx, who)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(t fairlead.Token) bool { return t.ID == id }) {
		return fairlead.Missing(fairlead.TokenRevoke)
	}
	defer i.Forget()
	return i.store.Write(ctx, func(ctx context.Context, w fairlead.Writer) (fairlead.Event, error) {
		return who.Event(fairlead.TokenRevoke, fairlead.Place{}, fairlead.Object{Kind: "token", ID: string(id)}),
			w.RemoveToken(ctx, fairlead.UserID(who.ID), id)
	})
}

// AddWorkerToken makes a worker's token, within the write that makes the worker.
func (i *Identity) AddWorkerToken(ctx context.Context, w fairlead.Writer, worker fairlead.Worker) (fairlead.Secret, error) {
	t, text, err := newToken(fairlead.WorkerToken, i.now())
	if err != nil {
		return fairlead.Secret{}, err
	}
	t.Worker, t.Organization, t.Name = worker.ID, worker.Organization, string(worker.Name)
	return text, w.AddToken(ctx, t)
}

func tokenObject(t fairlead.Token) fairlead.Object {
	return fairlead.Object{Kind: "token", ID: string(t.ID), Name: t.Name}
}
