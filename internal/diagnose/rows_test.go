package diagnose_test

import (
	"net/http"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	rt "fairlead.dev/fairlead/internal/registrytest"
	"fairlead.dev/fairlead/wire"
)

// bearer is a registry with a token endpoint and its entry, and what a row about them
// begins with.
func bearer(w *world, with ...func(*wire.RegistryRequest)) (*rt.Registry, broken) {
	w.t.Helper()
	r := w.registry(rt.Bearer)
	w.entry("main", r.Host(), with...)
	return r, broken{ask: ask{image: r.Host() + "/team/app:v1"}}
}

// as connects another account.
func as(account, secret string) func(*wire.RegistryRequest) {
	return func(q *wire.RegistryRequest) { q.NewConnector = login(account, secret) }
}

func disclosed(q *wire.RegistryRequest) { q.Disclosure = fairlead.StoredSecret }

func pushed(q *wire.RegistryRequest) { q.Push = true }

func entryRows() map[string]func(*testing.T, *world) broken {
	return map[string]func(*testing.T, *world) broken{
		"a name that isn't one": func(_ *testing.T, w *world) broken {
			r, b := bearer(w)
			b.ask.image = r.Host() + "/Team/App:v1"
			b.probe, b.says, b.remedy = "name", []string{"Team"}, "write "
			b.mend, b.after = func() {}, &ask{image: r.Host() + "/team/app:v1"}
			return b
		},
		"a personal project": func(t *testing.T, w *world) broken {
			t.Helper()
			_, b := bearer(w)
			mine := w.newProject("ann", "mine")
			b.ask.project = mine
			b.probe, b.code = "right", fairlead.CodePersonalProject
			b.says, b.remedy = []string{"personal projects can't use an organization's registries", "entry main of acme covers"}, "`fairlead project transfer ann/mine --to acme`"
			after := b.ask
			b.mend = func() {
				after.project = fairleadtest.Must(t, w.Ann, wire.TransferProject, wire.ProjectTransfer{ProjectPath: wire.ProjectPath{Owner: "ann", Project: "mine"}, To: "acme"})
			}
			b.after = &after
			return b
		},
		"no entry": func(_ *testing.T, w *world) broken {
			r := w.registry(rt.Bearer)
			w.entry("main", r.Host()+"/tema")
			w.plain = true
			return broken{
				ask: ask{image: r.Host() + "/team/app:v1"}, probe: "right", code: fairlead.CodeNoEntry,
				says:   []string{"refuses it without a login", "no registry entry of the organization covers it", "nearest: " + r.Host() + "/tema/* of entry main"},
				remedy: "fairlead registry add NAME --pattern '" + r.Host() + "/team/*'",
				mend:   func() { w.entry("team", r.Host()+"/team") },
			}
		},
		"an entry without a login": func(_ *testing.T, w *world) broken {
			r, b := bearer(w, func(q *wire.RegistryRequest) { q.NewConnector = nil })
			b.probe, b.code, b.says, b.remedy = "right", fairlead.CodeNoRight, []string{"refuses it without a login"}, "connect the registry with a login"
			b.mend = func() { w.entry("team", r.Host()+"/team") }
			return b
		},
		"an entry that another shadows": func(_ *testing.T, w *world) broken {
			r, b := bearer(w)
			w.entry("team", r.Host()+"/team")
			b.ask.entry = "main"
			b.probe, b.code = "entry", fairlead.CodeNoEntry
			b.says, b.remedy = []string{"entry main is shadowed", "the longer literal path comes first", "entry team's"}, "`fairlead registry remove team`"
			b.mend = func() {
				fairleadtest.Must(w.t, w.Ann, wire.RemoveRegistry, wire.RegistryRemoval{RegistryPath: wire.RegistryPath{OrganizationPath: acme(), Registry: "team"}})
			}
			return b
		},
		"an entry that doesn't cover the image": func(_ *testing.T, w *world) broken {
			r, b := bearer(w)
			w.update(wire.RegistryUpdate{Pattern: r.Host() + "/team"})
			b.ask.entry = "main"
			b.probe, b.code, b.says = "entry", fairlead.CodeNoEntry, []string{"the entry doesn't cover the image"}
			b.remedy = "`fairlead registry update main --pattern '" + r.Host() + "/team/*'`"
			b.mend = func() { w.update(wire.RegistryUpdate{Pattern: r.Host() + "/team/*"}) }
			return b
		},
		"an entry whose host is open": func(_ *testing.T, w *world) broken {
			fairleadtest.Must(w.t, w.Ann, wire.AddRegistry, wire.RegistryRequest{OrganizationPath: acme(), Name: "wide", Pattern: "*.registry.test/team/*"})
			r, _ := bearer(w)
			return broken{
				ask: ask{entry: "wide"}, probe: "name", says: []string{"leaves the host open"}, remedy: "name an image",
				mend: func() {}, after: &ask{image: r.Host() + "/team/app:v1"},
			}
		},
		"an expired connector": func(_ *testing.T, w *world) broken {
			_, b := bearer(w)
			past, later := time.Now().Add(time.Hour), time.Now().AddDate(1, 0, 0)
			w.updateConnector("main", wire.ConnectorUpdate{Expires: &past})
			w.ahead = 90 * time.Minute
			b.probe, b.code, b.says, b.remedy = "connector", fairlead.CodeConnectorExpired, []string{"it expired at"}, "`fairlead connector update main`"
			b.mend = func() {
				w.ahead = 0
				w.updateConnector("main", wire.ConnectorUpdate{Expires: &later})
			}
			return b
		},
		"a connector that ends soon": func(_ *testing.T, w *world) broken {
			_, b := bearer(w)
			soon, later := time.Now().Add(time.Hour), time.Now().AddDate(1, 0, 0)
			w.updateConnector("main", wire.ConnectorUpdate{Expires: &soon})
			b.probe, b.verdict, b.says, b.remedy = "connector", fairlead.ProbeWarning, []string{"its secret ends at"}, "`fairlead connector update main`"
			b.mend = func() { w.updateConnector("main", wire.ConnectorUpdate{Expires: &later}) }
			return b
		},
	}
}

func loginRows() map[string]func(*testing.T, *world) broken {
	secrets := func(s string) map[string]wire.Clear { return map[string]wire.Clear{"password": hidden(s)} }
	refused := func(_ *testing.T, w *world, b broken) broken {
		b.probe, b.code, b.says, b.remedy = "login", fairlead.CodeLoginRefused, []string{"connector main"}, "`fairlead connector update main`"
		b.mend = func() { w.updateConnector("main", wire.ConnectorUpdate{Secrets: secrets(password)}) }
		return b
	}
	lacking := func(_ *testing.T, w *world, b broken) broken {
		b.probe, b.code, b.says, b.remedy = "right", fairlead.CodeNoRight, []string{"team/app"}, "connects another account"
		b.mend = func() {
			w.updateConnector("main", wire.ConnectorUpdate{Public: map[string]string{"username": "reader"}})
		}
		return b
	}
	return map[string]func(*testing.T, *world) broken{
		"a password that the token endpoint refuses": func(t *testing.T, w *world) broken {
			t.Helper()
			_, b := bearer(w, as("robot", mistyped))
			return refused(t, w, b)
		},
		"a password that the registry refuses": func(t *testing.T, w *world) broken {
			t.Helper()
			r := w.registry(rt.Basic)
			w.entry("main", r.Host(), as("robot", mistyped), disclosed)
			return refused(t, w, broken{ask: ask{image: r.Host() + "/team/app:v1"}})
		},
		"an entry's password, without an image": func(t *testing.T, w *world) broken {
			t.Helper()
			_, b := bearer(w, as("robot", mistyped))
			b.ask = ask{entry: "main"}
			return refused(t, w, b)
		},
		"a secret that must not leave": func(_ *testing.T, w *world) broken {
			r := w.registry(rt.Basic)
			w.entry("main", r.Host())
			return broken{
				ask: ask{image: r.Host() + "/team/app:v1"}, probe: "login", code: fairlead.CodeDisclosure, says: []string{"no narrower login"},
				remedy: "`fairlead registry update main --disclosure secret`", mend: func() { w.update(wire.RegistryUpdate{Disclosure: fairlead.StoredSecret}) },
			}
		},
		"a token that grants less": func(t *testing.T, w *world) broken {
			t.Helper()
			_, b := bearer(w, as("poor", password))
			return lacking(t, w, b)
		},
		"a token endpoint that refuses the scope": func(t *testing.T, w *world) broken {
			t.Helper()
			r, b := bearer(w, as("poor", password))
			r.Set(func(f *rt.Faults) { f.DenyScope = http.StatusForbidden })
			return lacking(t, w, b)
		},
		"a 403 for the repository": func(t *testing.T, w *world) broken {
			t.Helper()
			r, b := bearer(w, as("poor", password))
			r.Set(func(f *rt.Faults) { f.Forbid = true })
			return lacking(t, w, b)
		},
		"a 403 without tokens": func(t *testing.T, w *world) broken {
			t.Helper()
			r := w.registry(rt.Basic)
			w.entry("main", r.Host(), as("poor", password), disclosed)
			return lacking(t, w, broken{ask: ask{image: r.Host() + "/team/app:v1"}})
		},
		"no right to push": func(_ *testing.T, w *world) broken {
			_, b := bearer(w, as("reader", password), pushed)
			b.ask.push = true
			b.probe, b.code, b.says, b.remedy = "push", fairlead.CodeNoRight, []string{"push"}, "connects another account"
			b.mend = func() {
				w.updateConnector("main", wire.ConnectorUpdate{Public: map[string]string{"username": "robot"}})
			}
			return b
		},
		"an entry that isn't for pushing": func(_ *testing.T, w *world) broken {
			_, b := bearer(w)
			b.ask.push = true
			b.probe, b.code, b.says, b.remedy = "push", fairlead.CodePush, []string{"entry main is for pulling"}, "`fairlead registry update main --push`"
			yes := true
			b.mend = func() { w.update(wire.RegistryUpdate{Push: &yes}) }
			return b
		},
		"no right to push, without tokens": func(_ *testing.T, w *world) broken {
			r := w.registry(rt.Basic)
			w.entry("main", r.Host(), as("reader", password), disclosed, pushed)
			b := broken{ask: ask{image: r.Host() + "/team/app:v1", push: true}}
			b.probe, b.code, b.says, b.remedy = "push", fairlead.CodeNoRight, []string{"push"}, "connects another account"
			b.mend = func() {
				w.updateConnector("main", wire.ConnectorUpdate{Public: map[string]string{"username": "robot"}})
			}
			return b
		},
		"a token endpoint in trouble": func(_ *testing.T, w *world) broken {
			r, b := bearer(w)
			r.Set(func(f *rt.Faults) {
				f.Fail = []rt.Failure{{Server: rt.Tokens, Path: "/token", Status: 503}, {Path: "/token", Status: 503}}
			})
			b.probe, b.code, b.says, b.remedy = "token endpoint", fairlead.CodeRegistryBroken, []string{"in trouble (503"}, "try again"
			b.mend = func() { r.Set(func(f *rt.Faults) { f.Fail = nil }) }
			return b
		},
		"a token endpoint that must not see the login": func(_ *testing.T, w *world) broken {
			r, b := bearer(w)
			r.Set(func(f *rt.Faults) { f.Realm = "http://elsewhere.test/token" })
			b.probe, b.code, b.says, b.remedy = "token endpoint", fairlead.CodeRealm, []string{"elsewhere.test"}, "its token endpoint has to be set right"
			b.mend = func() { r.Set(func(f *rt.Faults) { f.Realm = "" }) }
			return b
		},
		"a clock for which the login is refused": func(t *testing.T, w *world) broken {
			t.Helper()
			_, b := bearer(w, as("robot", mistyped)) // as AWS does with signatures of another hour
			w.ahead = -time.Hour
			b = refused(t, w, b)
			b.says, b.remedy = []string{"this machine's clock is", "behind the registry's"}, "set this machine's clock"
			mend := b.mend
			b.mend = func() { w.ahead = 0; mend() }
			return b
		},
	}
}

func imageRows() map[string]func(*testing.T, *world) broken {
	return map[string]func(*testing.T, *world) broken{
		"a tag that there isn't": func(t *testing.T, w *world) broken {
			t.Helper()
			r, b := bearer(w)
			b.ask.image = r.Host() + "/team/app:v2"
			b.probe, b.code, b.says, b.remedy = "image", fairlead.CodeNoImage, []string{"has no tag v2"}, "check the image's name and tag"
			b.mend = func() { rt.Push(t, r, anImage(t), "team/app:v2", robot()) }
			return b
		},
		"a repository that there isn't": func(t *testing.T, w *world) broken {
			t.Helper()
			r, b := bearer(w)
			b.ask.image = r.Host() + "/team/nothing:v1"
			b.probe, b.code, b.says, b.remedy = "image", fairlead.CodeNoImage, []string{"team/nothing"}, "check the image's name and tag"
			b.mend = func() { rt.Push(t, r, anImage(t), "team/nothing:v1", robot()) }
			return b
		},
		"a platform that no worker has": func(t *testing.T, w *world) broken {
			t.Helper()
			r, b := bearer(w)
			w.worker("arm", "linux/arm64")
			b.probe, b.code, b.says, b.remedy = "platform", fairlead.CodePlatform, []string{"no image for linux/arm64", "only for linux/amd64"}, "build it for linux/arm64 too"
			b.mend = func() { rt.PushIndex(t, r, rt.Index(t, "linux/amd64", "linux/arm64"), "team/app:v1", robot()) }
			return b
		},
		"a platform that one worker hasn't": func(t *testing.T, w *world) broken {
			t.Helper()
			r, b := bearer(w)
			w.worker("amd", "linux/amd64")
			w.worker("arm", "linux/arm64")
			b.probe, b.verdict, b.says, b.remedy = "platform", fairlead.ProbeWarning, []string{"not for the workers arm (linux/arm64)"}, "build it for those platforms too"
			b.mend = func() { rt.PushIndex(t, r, rt.Index(t, "linux/amd64", "linux/arm64"), "team/app:v1", robot()) }
			return b
		},
		"too many requests": func(_ *testing.T, w *world) broken {
			r, b := bearer(w)
			r.Set(func(f *rt.Faults) {
				f.Fail = []rt.Failure{{Path: "/manifests/", Status: 429, Header: map[string]string{"Retry-After": "60"}}}
			})
			b.probe, b.code, b.says, b.remedy = "image", fairlead.CodeRateLimited, []string{"too many requests"}, "wait until"
			b.mend = func() { r.Set(func(f *rt.Faults) { f.Fail = nil }) }
			return b
		},
		"an image that can't be run": func(t *testing.T, w *world) broken {
			t.Helper()
			r, b := bearer(w)
			r.Set(func(f *rt.Faults) { f.ContentType = "application/vnd.docker.distribution.manifest.v1+json" })
			b.probe, b.code, b.says, b.remedy = "image", fairlead.CodeUnsupportedImage, []string{"schema 1"}, "push the image again"
			b.mend = func() { r.Set(func(f *rt.Faults) { f.ContentType = "" }) }
			return b
		},
		"a manifest that isn't what its digest says": func(_ *testing.T, w *world) broken {
			r, b := bearer(w)
			r.Set(func(f *rt.Faults) { f.WrongBytes = true })
			b.probe, b.code, b.says, b.remedy = "platform", fairlead.CodeDigest, []string{"sent other bytes"}, "try again"
			b.mend = func() { r.Set(func(f *rt.Faults) { f.WrongBytes = false }) }
			return b
		},
		"a digest that there isn't": func(t *testing.T, w *world) broken {
			t.Helper()
			r, b := bearer(w)
			i := rt.ImageFor(t, v1.Platform{OS: "linux", Architecture: "amd64"}, rt.RandomLayer(t, 10))
			digest, err := i.Digest()
			if err != nil {
				t.Fatal(err)
			}
			b.ask.image = r.Host() + "/team/app@" + digest.String()
			b.probe, b.code, b.says, b.remedy = "image", fairlead.CodeNoImage, []string{"has no manifest " + digest.String()}, "check the image's name and tag"
			b.mend = func() { rt.Push(t, r, i, "team/app:other", robot()) }
			return b
		},
	}
}
