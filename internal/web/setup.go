package web

import (
	"context"
	"net/http"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/control"
)

// maxForm is the greatest size of a form, in bytes.
const maxForm = 64 << 10

// setUp makes the first organization and administrator from the form.
func (w *Web) setUp(rw http.ResponseWriter, r *http.Request) {
	w.form(rw, r, "setup.html", "Set up Fairlead", func(ctx context.Context) error {
		org, err := fairlead.ParseName("organization", r.PostForm.Get("organization"))
		if err != nil {
			return err
		}
		name, err := fairlead.ParseName("name", r.PostForm.Get("name"))
		if err != nil {
			return err
		}
		password, err := twice(r)
		if err != nil {
			return err
		}
		_, err = w.SetUp.SetUp(ctx, control.SetUpDraft{
			Link: fairlead.SecretText(r.PostForm.Get("link")), Organization: org, Name: name, Email: r.PostForm.Get("email"),
			Password: password, From: fromOf(r),
		})
		return err
	})
}

// join sets an invited user's first password.
func (w *Web) join(rw http.ResponseWriter, r *http.Request) {
	w.form(rw, r, "join.html", "Join", func(ctx context.Context) error {
		password, err := twice(r)
		if err != nil {
			return err
		}
		_, err = w.Join.Join(ctx, fairlead.SecretText(r.PostForm.Get("link")), password, fromOf(r), "")
		return err
	})
}

// form does what a form asks for, and shows the page again: done, or with what was
// wrong and all that was typed in but for the secrets.
func (w *Web) form(rw http.ResponseWriter, r *http.Request, name, title string, do func(context.Context) error) {
	r.Body = http.MaxBytesReader(rw, r.Body, maxForm)
	p := page{Title: title, Form: map[string]string{}}
	err := r.ParseForm()
	if err != nil {
		err = &fairlead.Error{Kind: fairlead.Invalid, What: "reading the form", Why: "it isn't whole", Remedy: "send it again"}
	} else {
		err = do(r.Context())
	}
	status := http.StatusOK
	if p.Done = err == nil; !p.Done {
		status = http.StatusUnprocessableEntity
		p.Error = fairlead.AsError("answering", err)
	}
	for _, field := range []string{"organization", "name", "email"} {
		p.Form[field] = r.PostForm.Get(field)
	}
	w.show(rw, status, name, p)
}

// twice reads a new password, which is typed in twice.
func twice(r *http.Request) (fairlead.Secret, error) {
	password, again := fairlead.SecretText(r.PostForm.Get("password")), fairlead.SecretText(r.PostForm.Get("again"))
	if !password.Equal(again) {
		return fairlead.Secret{}, &fairlead.Error{
			Kind: fairlead.Invalid, Field: "again", What: "setting password", Why: "the two are not the same", Remedy: "type it twice",
		}
	}
	return password, nil
}
