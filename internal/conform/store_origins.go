package conform

import (
	"context"
	"sync"

	"fairlead.dev/fairlead"
)

func testOrigins(t tester, h house) {
	const a, b = fairlead.Digest("sha256:a"), fairlead.Digest("sha256:b")
	same(t, "OriginsOf nothing", ok(h.OriginsOf(t.Context(), a))(t), []fairlead.Origin(nil))
	put := func(o fairlead.Origin) {
		t.Helper()
		if err := h.PutOrigin(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	put(fairlead.Origin{Digest: a, Host: "y.io", Since: fine(at(1))})
	put(fairlead.Origin{Digest: a, Host: "http://x.io", Whole: true, Since: at(2)})
	put(fairlead.Origin{Digest: b, Host: "y.io", Since: at(3)})
	same(t, "OriginsOf", ok(h.OriginsOf(t.Context(), a))(t), []fairlead.Origin{
		{Digest: a, Host: "http://x.io", Whole: true, Since: at(2)}, {Digest: a, Host: "y.io", Since: at(1)},
	})
	put(fairlead.Origin{Digest: a, Host: "y.io", Whole: true, Since: at(4)})
	put(fairlead.Origin{Digest: a, Host: "http://x.io", Since: at(4)}) // what was proved stays so
	same(t, "proved", ok(h.OriginsOf(t.Context(), a))(t), []fairlead.Origin{
		{Digest: a, Host: "http://x.io", Whole: true, Since: at(2)}, {Digest: a, Host: "y.io", Whole: true, Since: at(1)},
	})
	same(t, "of another blob", ok(h.OriginsOf(t.Context(), b))(t), []fairlead.Origin{{Digest: b, Host: "y.io", Since: at(3)}})
}

// testRaceOrigins has hosts begin at once: each that looks after it was added sees all
// that were added before, so that no two believe to be alone.
func testRaceOrigins(t tester, h house) {
	const digest = fairlead.Digest("sha256:a")
	hosts := []string{"a.io", "b.io", "c.io", "d.io"}
	alone := make([]bool, len(hosts))
	var all sync.WaitGroup
	for i, host := range hosts {
		all.Go(func() {
			if err := h.PutOrigin(t.Context(), fairlead.Origin{Digest: digest, Host: host, Since: at(0)}); err != nil {
				t.Error(err)
				return
			}
			list, err := h.OriginsOf(context.WithoutCancel(t.Context()), digest)
			if err != nil {
				t.Error(err)
			}
			alone[i] = len(list) == 1
		})
	}
	all.Wait()
	n := 0
	for _, is := range alone {
		if is {
			n++
		}
	}
	if n > 1 {
		t.Errorf("%d hosts believe to be alone", n)
	}
	if list := ok(h.OriginsOf(t.Context(), digest))(t); len(list) != len(hosts) {
		t.Errorf("%d hosts, want %d", len(list), len(hosts))
	}
}
