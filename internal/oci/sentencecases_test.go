package oci_test

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/oci"
	rt "fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/ref"
)

// trading gives what a trade at a registry with these faults ends with.
func trading(faults rt.Faults, login oci.Login, repository string) func(*testing.T) error {
	return func(t *testing.T) error {
		t.Helper()
		config := accounts(rt.Bearer, faults)
		config.TLS = rt.GoodTLS
		r := rt.New(t, config)
		_, err := client(t).Trade(t.Context(), endpoint(r), login, pullOf(r.Host(), repository))
		return err
	}
}

// pulling gives what resolving an image at a registry with these faults ends with.
func pulling(auth rt.Auth, faults rt.Faults, kc func(*rt.Registry) *keys, name string) func(*testing.T) error {
	return func(t *testing.T) error {
		t.Helper()
		r := rt.New(t, accounts(auth, rt.Faults{Opaque: faults.Opaque}))
		rt.Push(t, r, rt.RandomImage(t, 10), "team/app:v1", pusher)
		rt.Push(t, r, rt.RandomImage(t, 10), "other/app:v1", pusher)
		r.Set(func(f *rt.Faults) { *f = faults })
		return resolve(t, client(t), kc(r), r.Host(), name)
	}
}

func asReader(r *rt.Registry) *keys { return with(r, reader) }

func asStranger(r *rt.Registry) *keys { return withPassword(r, "reader", wrong) }

func asNobody(r *rt.Registry) *keys { return without(r, nil) }

func asNoEntry(r *rt.Registry) *keys { return without(r, noEntry()) }

// asTokens are leased tokens for a repository.
func asTokens(repository string) func(*rt.Registry) *keys {
	return func(r *rt.Registry) *keys {
		s := "repository:" + repository + ":pull"
		return token(r, r.Token("reader", s), r.Token("reader", s))
	}
}

func loginCases() map[string]func(*testing.T) error {
	good, bad := loginAs(reader), oci.Login{Username: "reader", Password: fairlead.SecretText(wrong)}
	identity := oci.Login{Identity: fairlead.SecretText(wrong)}
	return map[string]func(*testing.T) error{
		"trade: login refused":                trading(rt.Faults{}, bad, "team/app"),
		"trade: identity token refused":       trading(rt.Faults{}, identity, "team/app"),
		"trade: identity tokens aren't taken": trading(rt.Faults{Fail: []rt.Failure{{Server: rt.Tokens, Method: http.MethodPost, Status: 405}}}, identity, "team/app"),
		"trade: no right (GHCR)":              trading(rt.Faults{DenyScope: 403}, good, "other/app"),
		"trade: no right, 401":                trading(rt.Faults{DenyScope: 401}, good, "other/app"),
		"trade: anonymous refused":            trading(rt.Faults{DenyScope: 403}, oci.Login{}, "team/app"),
		"trade: colon in the user name":       trading(rt.Faults{}, oci.Login{Username: "a:b", Password: fairlead.SecretText(wrong)}, "team/app"),
		"trade: too many requests": trading(rt.Faults{Fail: []rt.Failure{{
			Server: rt.Tokens, Status: 429, Header: map[string]string{"Retry-After": "120"}, Body: "read-canary-Xw27",
		}}}, good, "team/app"),
		"trade: server error":        trading(rt.Faults{Fail: []rt.Failure{{Server: rt.Tokens, Status: 502, Body: "read-canary-Xw27"}}}, good, "team/app"),
		"trade: not found":           trading(rt.Faults{Realm: "/nothing"}, good, "team/app"),
		"trade: no JSON":             trading(rt.Faults{TokenBody: "<html>read-canary-Xw27"}, good, "team/app"),
		"trade: no token":            trading(rt.Faults{TokenBody: `{"hint":"read-canary-Xw27"}`}, good, "team/app"),
		"trade: token of bad form":   trading(rt.Faults{TokenBody: `{"token":"a\nb: read-canary-Xw27"}`}, good, "team/app"),
		"trade: endless reply":       trading(rt.Faults{TokenBody: strings.Repeat("x", 1<<20)}, good, "team/app"),
		"trade: the endpoint echoes": trading(rt.Faults{Fail: []rt.Failure{{Server: rt.Tokens, Status: 401, Body: `{"errors":[{"code":"DENIED","message":"bad password read-canary-Xw27"}]}`}}}, good, "team/app"),
		"trade: unknown scheme":      trading(rt.Faults{Challenge: []string{"Negotiate", `Digest realm="x"`}}, good, "team/app"),
		"trade: no challenge":        trading(rt.Faults{Challenge: []string{}}, good, "team/app"),
		"realm: without TLS":         trading(rt.Faults{Realm: "http://auth.test/token"}, good, "team/app"),
		"realm: no URL":              trading(rt.Faults{Realm: "https://[auth.test/token"}, good, "team/app"),
		"realm: a login in it":       trading(rt.Faults{Realm: "https://a:b@auth.test/token"}, good, "team/app"),
		"realm: metadata service":    trading(rt.Faults{Realm: "https://169.254.169.254/token"}, good, "team/app"),
		"realm: redirect": func(t *testing.T) error {
			t.Helper()
			config := accounts(rt.Bearer, rt.Faults{TokenRedirect: "https://evil.test/token"})
			config.TLS, config.TokensApart = rt.GoodTLS, true
			r := rt.New(t, config)
			_, err := client(t).Trade(t.Context(), endpoint(r), good, pullOf(r.Host(), "team/app"))
			return err
		},
		"login: refused, basic":         pulling(rt.Basic, rt.Faults{}, asStranger, "team/app:v1"),
		"login: refused, bearer":        pulling(rt.Bearer, rt.Faults{}, asStranger, "team/app:v1"),
		"login: no right, basic":        pulling(rt.Basic, rt.Faults{}, asReader, "other/app:v1"),
		"login: no right, bearer":       pulling(rt.Bearer, rt.Faults{}, asReader, "other/app:v1"),
		"login: no right, bearer 403":   pulling(rt.Bearer, rt.Faults{Forbid: true}, asReader, "other/app:v1"),
		"login: no right, opaque":       pulling(rt.Bearer, rt.Faults{Opaque: true}, asReader, "other/app:v1"),
		"login: no right, GHCR":         pulling(rt.Bearer, rt.Faults{DenyScope: 403}, asReader, "other/app:v1"),
		"login: no right, leased token": pulling(rt.Bearer, rt.Faults{}, asTokens("other/app"), "other/app:v1"),
		"login: leased token is invalid": pulling(rt.Bearer, rt.Faults{}, func(r *rt.Registry) *keys {
			return token(r, "stale-canary-Ty34", "stale-canary-Ty34")
		}, "team/app:v1"),
		"login: leased token has a line break": func(t *testing.T) error {
			t.Helper()
			return resolve(t, client(t), token(plain(true), "stale-canary-Ty34\n"), "127.0.0.1:1", "team/app:v1")
		},
		"login: own token is invalid": pulling(rt.Bearer, rt.Faults{TokenBody: `{"token":"stale-canary-Ty34"}`}, asReader, "team/app:v1"),
		"login: no way to log in": pulling(rt.Bearer, rt.Faults{OpenPing: true, Challenge: []string{"Negotiate"}}, func(r *rt.Registry) *keys {
			return withPassword(r, "<token>", reader.Identity)
		}, "team/app:v1"),
		"login: nobody":           pulling(rt.Bearer, rt.Faults{}, asNobody, "team/app:v1"),
		"login: nobody, basic":    pulling(rt.Basic, rt.Faults{}, asNobody, "team/app:v1"),
		"login: no entry":         pulling(rt.Bearer, rt.Faults{}, asNoEntry, "team/app:v1"),
		"login: no entry, basic":  pulling(rt.Basic, rt.Faults{}, asNoEntry, "team/app:v1"),
		"login: no entry, GHCR":   pulling(rt.Bearer, rt.Faults{DenyScope: 403}, asNoEntry, "team/app:v1"),
		"login: no entry, hidden": pulling(rt.Bearer, rt.Faults{Hide: true}, asNoEntry, "team/app:v1"),
		"login: the registry echoes": pulling(rt.Basic, rt.Faults{Fail: []rt.Failure{
			{Path: "/manifests/", Status: 403, Body: `{"errors":[{"code":"DENIED","message":"you sent Basic ` + echo() + ` \u001b[31m"}]}`},
		}}, asReader, "team/app:v1"),
		"login: keychain fails": func(t *testing.T) error {
			t.Helper()
			kc := without(plain(true), nil)
			kc.err = &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeDisclosure, What: "leasing a login", Why: "only the secret itself would open it", Remedy: "pull through the gateway"}
			return resolve(t, client(t), kc, "registry.test", "team/app:v1")
		},
	}
}

func echo() string {
	return base64.StdEncoding.EncodeToString([]byte(reader.Name + ":" + reader.Password))
}

func imageCases() map[string]func(*testing.T) error {
	return map[string]func(*testing.T) error{
		"image: no such tag":                    pulling(rt.Bearer, rt.Faults{}, asReader, "team/app:v2"),
		"image: no such repository":             pulling(rt.Bearer, rt.Faults{}, asReader, "team/none:v1"),
		"image: no such digest":                 pulling(rt.Bearer, rt.Faults{}, asReader, "team/app@"+string(sha256Of(nil))),
		"image: no such tag, nobody":            pulling(rt.Open, rt.Faults{}, asNobody, "team/app:v2"),
		"image: no such repository, no entry":   pulling(rt.Open, rt.Faults{}, asNoEntry, "team/none:v1"),
		"image: not found, without a reason":    pulling(rt.Open, rt.Faults{Fail: []rt.Failure{{Path: "/manifests/", Status: 404, Body: "<html>"}}}, asNoEntry, "team/app:v1"),
		"image: not found, with another reason": pulling(rt.Open, rt.Faults{Fail: []rt.Failure{{Path: "/manifests/", Status: 404, Body: `{"errors":[{"code":"TAG_EXPIRED","message":"it\nwas\u202e removed"}]}`}}}, asNobody, "team/app:v1"),
		"image: other bytes": func(t *testing.T) error {
			t.Helper()
			return pulling(rt.Open, rt.Faults{WrongBytes: true, Fail: []rt.Failure{{Method: http.MethodHead, Path: "/manifests/", Status: 405}}}, asNobody, "team/app:v1")(t)
		},
		"image: other digest said": func(t *testing.T) error {
			t.Helper()
			return pulling(rt.Open, rt.Faults{Digest: string(sha256Of(nil)), Fail: []rt.Failure{{Method: http.MethodHead, Path: "/manifests/", Status: 405}}}, asNobody, "team/app:v1")(t)
		},
		"image: bad name": func(t *testing.T) error {
			t.Helper()
			_, _, err := client(t).Manifest(t.Context(), without(plain(true), nil), ref.Resource{Host: "registry.test", Repository: "../Team"}, sha256Of(nil))
			return err
		},
		"image: bad digest": func(t *testing.T) error {
			t.Helper()
			_, _, err := client(t).Manifest(t.Context(), without(plain(true), nil), ref.Resource{Host: "registry.test", Repository: "team/app"}, "sha256:abc")
			return err
		},
	}
}

func registryCases() map[string]func(*testing.T) error {
	failing := func(f rt.Failure) func(*testing.T) error {
		f.Path = "/manifests/"
		return func(t *testing.T) error {
			t.Helper()
			r := rt.New(t, accounts(rt.Bearer, rt.Faults{Fail: []rt.Failure{f}}))
			_, err := client(t).Image(t.Context(), with(r, reader), image(t, r.Host(), "team/app:v1"), amd64)
			return err
		}
	}
	return map[string]func(*testing.T) error{
		"registry: too many requests (Docker Hub)": failing(rt.Failure{
			Status: 429, Header: map[string]string{"Retry-After": "3600"},
			Body: `{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: https://www.docker.com/increase-rate-limits"}]}`,
		}),
		"registry: too many requests, no entry": func(t *testing.T) error {
			t.Helper()
			r := rt.New(t, rt.Config{Faults: rt.Faults{Fail: []rt.Failure{{
				Status: 429, Body: `{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your unauthenticated pull rate limit."}]}`,
			}}}})
			_, err := client(t).Image(t.Context(), without(r, noEntry()), image(t, r.Host(), "team/app:v1"), amd64)
			return err
		},
		"registry: too many requests, another status": failing(rt.Failure{Status: 418, Body: `{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}`}),
		"registry: in trouble":                        failing(rt.Failure{Status: 500, Body: `{"errors":[{"code":"UNKNOWN","message":"no space left on device"}]}`}),
		"registry: maintenance":                       failing(rt.Failure{Status: 503, Header: map[string]string{"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}, Body: "<html>"}),
		"registry: bad request":                       failing(rt.Failure{Status: 400, Body: `{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid"}]}`}),
		"registry: teapot":                            failing(rt.Failure{Status: 418}),
		"registry: redirects in a circle":             failing(rt.Failure{Status: 307, Header: map[string]string{"Location": "?again"}}),
		"registry: redirects to no URL":               failing(rt.Failure{Status: 302, Header: map[string]string{"Location": "https://%zz"}}),
		"registry: redirects without TLS":             failing(rt.Failure{Status: 302, Header: map[string]string{"Location": "http://files.test/x?X-Signature=secret"}}),
		"registry: redirects to a login":              failing(rt.Failure{Status: 302, Header: map[string]string{"Location": "https://a:b@files.test/"}}),
		"registry: redirects to a file":               failing(rt.Failure{Status: 302, Header: map[string]string{"Location": "file://host/etc/passwd"}}),
		"registry: not a registry": func(t *testing.T) error {
			t.Helper()
			r := rt.New(t, rt.Config{Faults: rt.Faults{Fail: []rt.Failure{{Status: 404, Body: "<html>"}}}})
			_, err := client(t).Ping(t.Context(), endpoint(r))
			return err
		},
		"registry: front door redirects": func(t *testing.T) error {
			t.Helper()
			there := rt.New(t, rt.Config{Auth: rt.Basic, Address: "127.0.0.1:0"})
			here := rt.New(t, rt.Config{Faults: rt.Faults{Fail: []rt.Failure{{Status: 301, Header: map[string]string{"Location": "http://" + there.Host() + "/v2/"}}}}})
			return client(t).Verify(t.Context(), endpoint(here), loginAs(reader))
		},
	}
}

func blobCases() map[string]func(*testing.T) error {
	reading := func(config rt.Config, change func(*rt.Faults)) func(*testing.T) error {
		return func(t *testing.T) error {
			t.Helper()
			s := newShelf(t, 1000, config)
			s.Set(change)
			blob, err := client(t).Blob(t.Context(), with(s, reader), s.resource, s.blob)
			if err != nil {
				return err
			}
			defer func() { _ = blob.Close() }()
			_, err = io.ReadAll(blob)
			return err
		}
	}
	basic := accounts(rt.Basic, rt.Faults{})
	secure := basic
	secure.TLS = rt.GoodTLS
	return map[string]func(*testing.T) error{
		"blob: not there": func(t *testing.T) error {
			t.Helper()
			s := newShelf(t, 10, basic)
			s.RemoveBlob("team/app", string(s.blob.Digest))
			_, err := client(t).Blob(t.Context(), with(s, reader), s.resource, s.blob)
			return err
		},
		"blob: other bytes":  reading(basic, func(f *rt.Faults) { f.WrongBytes = true }),
		"blob: another size": reading(basic, func(f *rt.Faults) { f.Lengthen = -1 }),
		"blob: cut too often": reading(basic, func(f *rt.Faults) {
			f.CutAt = []int64{1, 1, 1, 1, 1, 1}
		}),
		"blob: storage refuses": reading(secure, func(f *rt.Faults) {
			f.Redirect, f.Fail = 1, []rt.Failure{{Server: rt.Storage, Status: 403, Body: "<Error>"}}
		}),
		"blob: storage hasn't got it": reading(secure, func(f *rt.Faults) {
			f.Redirect, f.Fail = 1, []rt.Failure{{Server: rt.Storage, Status: 404, Body: "<Error>"}}
		}),
		"blob: storage in trouble": reading(secure, func(f *rt.Faults) {
			f.Redirect, f.Fail = 1, []rt.Failure{{Server: rt.Storage, Status: 503, Body: `{"errors":[{"code":"X","message":"not a registry's"}]}`}}
		}),
		"blob: refused in the middle": func(t *testing.T) error {
			t.Helper()
			s := newShelf(t, 1000, accounts(rt.Bearer, rt.Faults{CutAt: []int64{10}}))
			s.Set(func(f *rt.Faults) {
				f.OnCut = func() {
					s.Revoke()
					s.Set(func(f *rt.Faults) { f.TokenBody = `{"token":"stale-canary-Ty34"}` })
				}
			})
			blob, err := client(t).Blob(t.Context(), with(s, reader), s.resource, s.blob)
			if err != nil {
				return err
			}
			defer func() { _ = blob.Close() }()
			_, err = io.ReadAll(blob)
			return err
		},
		"blob: cancelled while it waits": func(t *testing.T) error {
			t.Helper()
			s := newShelf(t, 1000, accounts(rt.Open, rt.Faults{CutAt: []int64{10}}))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := client(t, func(o *oci.Options) {
				o.Wait = func(context.Context, time.Duration) error { cancel(); return ctx.Err() }
			})
			blob, err := c.Blob(ctx, without(s, nil), s.resource, s.blob)
			if err != nil {
				return err
			}
			defer func() { _ = blob.Close() }()
			_, err = io.ReadAll(blob)
			return err
		},
	}
}
